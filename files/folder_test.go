package files_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/files/filestest"
)

func TestFolder(t *testing.T) {
	dirs := map[ticket.FileStore]string{}
	filestest.Run(t, func(t *testing.T) ticket.FileStore {
		t.Helper()
		dir := t.TempDir()
		s, err := files.NewFolder(dir)
		require.NoError(t, err)
		dirs[s] = dir
		return s
	}, filestest.Reopen(func(t *testing.T, s ticket.FileStore) ticket.FileStore {
		t.Helper()
		again, err := files.NewFolder(dirs[s])
		require.NoError(t, err)
		return again
	}), filestest.Damage(func(t *testing.T, s ticket.FileStore, _ string, sum ticket.Digest, change func([]byte) []byte) {
		t.Helper()
		name := fileOf(t, dirs[s], sum)
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, change(b), 0o600))
	}))
}

func TestMemory(t *testing.T) {
	filestest.Run(t, func(*testing.T) ticket.FileStore { return files.NewMemory() }, filestest.Without(filestest.Streaming))
}

// fileOf returns the name of the file with the digest.
func fileOf(t *testing.T, dir string, sum ticket.Digest) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", sum.String()))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func folder(t *testing.T, opts ...files.Option) (*files.Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := files.NewFolder(dir, opts...)
	require.NoError(t, err)
	return s, dir
}

func put(t *testing.T, s ticket.FileStore, tenant, text string) ticket.File {
	t.Helper()
	f, err := s.Put(t.Context(), tenant, strings.NewReader(text))
	require.NoError(t, err)
	return f
}

func read(t *testing.T, s ticket.FileStore, tenant string, sum ticket.Digest) (string, error) {
	t.Helper()
	r, err := s.Open(t.Context(), tenant, sum)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	require.NoError(t, r.Close())
	return string(b), err
}

func TestNewFolderRefusesWhatItCannotUse(t *testing.T) {
	_, err := files.NewFolder("")
	require.ErrorIs(t, err, ticket.ErrInvalid)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = files.NewFolder(file)
	require.ErrorContains(t, err, "files: create the folder")
	_, err = files.NewFolder(filepath.Join(file, "below"))
	require.ErrorContains(t, err, "files: create the folder")
}

func TestOnlyTheOwnerReadsFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	s, dir := folder(t)
	name := fileOf(t, dir, put(t, s, "acme", "text").SHA256)
	for ; name != filepath.Dir(dir); name = filepath.Dir(name) {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, name)
	}
}

func TestPutRestoresADamagedFile(t *testing.T) {
	s, dir := folder(t)
	f := put(t, s, "acme", "text")
	require.NoError(t, os.WriteFile(fileOf(t, dir, f.SHA256), []byte("tex"), 0o600))
	_, err := read(t, s, "acme", f.SHA256)
	require.ErrorAs(t, err, new(*ticket.FileError))
	put(t, s, "acme", "text")
	text, err := read(t, s, "acme", f.SHA256)
	require.NoError(t, err)
	assert.Equal(t, "text", text)
}

func TestAFolderInPlaceOfAFile(t *testing.T) {
	s, dir := folder(t)
	f := put(t, s, "acme", "text")
	name := fileOf(t, dir, f.SHA256)
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.Mkdir(name, 0o700))
	_, err := s.Open(t.Context(), "acme", f.SHA256)
	require.ErrorAs(t, err, new(*ticket.FileError))
	list, err := s.List(t.Context(), ticket.File{}, 10)
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestAnUnreadableFile(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("the administrator reads everything")
	}
	s, dir := folder(t)
	f := put(t, s, "acme", "text")
	require.NoError(t, os.Chmod(fileOf(t, dir, f.SHA256), 0))
	_, err := s.Open(t.Context(), "acme", f.SHA256)
	require.ErrorIs(t, err, os.ErrPermission)
	require.NotErrorIs(t, err, ticket.ErrNotFound)
}

func TestOtherFilesInTheFolderAreLeftAlone(t *testing.T) {
	s, dir := folder(t)
	f := put(t, s, "acme", "text")
	shard := filepath.Dir(fileOf(t, dir, f.SHA256))
	for _, name := range []string{filepath.Join(dir, "t"), filepath.Join(dir, "tzz"), filepath.Join(dir, "lost+found")} {
		require.NoError(t, os.MkdirAll(name, 0o700))
	}
	for _, name := range []string{filepath.Join(shard, "README"), filepath.Join(shard, strings.ToUpper(f.SHA256.String())), filepath.Join(dir, "note")} {
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	}
	list, err := s.List(t.Context(), ticket.File{}, 10)
	require.NoError(t, err)
	assert.Equal(t, []ticket.File{f}, list)
}

// A writer that died leaves a file, which List removes after a day.
func TestFilesOfDeadWritersAreRemoved(t *testing.T) {
	clock := time.Now()
	s, dir := folder(t, files.Now(func() time.Time { return clock }))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".incoming", "half"), []byte("x"), 0o600))
	left := func() int {
		_, err := s.List(t.Context(), ticket.File{}, 10)
		require.NoError(t, err)
		entries, err := os.ReadDir(filepath.Join(dir, ".incoming"))
		require.NoError(t, err)
		return len(entries)
	}
	assert.Equal(t, 1, left())
	clock = clock.Add(25 * time.Hour)
	assert.Zero(t, left())
	require.NoError(t, os.Remove(filepath.Join(dir, ".incoming")))
	put(t, s, "acme", "text")
}

func TestTheClockIsTheOneGiven(t *testing.T) {
	clock := time.Date(2030, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	for _, s := range []ticket.FileStore{first(folder(t, files.Now(func() time.Time { return clock }))), files.NewMemory(files.Now(func() time.Time { return clock }))} {
		f := put(t, s, "acme", "text")
		assert.Equal(t, clock.Truncate(time.Microsecond), f.Stored)
		list, err := s.List(t.Context(), ticket.File{}, 1)
		require.NoError(t, err)
		assert.Equal(t, []ticket.File{f}, list)
	}
}

func first(s *files.Folder, _ string) *files.Folder { return s }

func TestTenantsMustBeText(t *testing.T) {
	for _, s := range []ticket.FileStore{first(folder(t)), files.NewMemory()} {
		_, err := s.Put(t.Context(), "\xff", strings.NewReader("text"))
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
}

// TestAFullDisk limits the size of files of a process of its own, which is the error of a
// disk that is full but for its number.
func TestAFullDisk(t *testing.T) {
	if os.Getenv("FILES_FULL_DISK") == "" {
		if _, err := exec.LookPath("sh"); err != nil {
			t.Skip("needs a shell")
		}
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -f 2048 && exec "$0" -test.run '^TestAFullDisk$' -test.count=1`, os.Args[0])
		cmd.Env = append(os.Environ(), "FILES_FULL_DISK="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	s, err := files.NewFolder(os.Getenv("FILES_FULL_DISK"))
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "acme", bytes.NewReader(make([]byte, 4<<20)))
	require.ErrorIs(t, err, syscall.EFBIG)
	require.ErrorContains(t, err, "files: store a file: write ")
	entries, err := os.ReadDir(filepath.Join(os.Getenv("FILES_FULL_DISK"), ".incoming"))
	require.NoError(t, err)
	assert.Empty(t, entries)
	put(t, s, "acme", "a small one")
}

func TestContentIsNamedInItsError(t *testing.T) {
	errNet := errors.New("connection reset")
	s, _ := folder(t)
	_, err := s.Put(t.Context(), "acme", io.MultiReader(strings.NewReader("text"), failing{errNet}))
	require.ErrorIs(t, err, errNet)
	require.ErrorContains(t, err, "read the content after 4 bytes")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestProcesses deletes in one process what another one stores again.
func TestProcesses(t *testing.T) {
	if dir := os.Getenv("FILES_DELETER"); dir != "" {
		s, err := files.NewFolder(dir)
		require.NoError(t, err)
		for range 3000 {
			list, err := s.List(t.Context(), ticket.File{}, 1)
			require.NoError(t, err)
			for _, f := range list {
				_, err = s.Delete(t.Context(), f.Tenant, f.SHA256, f.Stored.Add(time.Microsecond))
				require.NoError(t, err)
			}
		}
		return
	}
	s, dir := folder(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestProcesses$", "-test.count=1")
	cmd.Env = append(os.Environ(), "FILES_DELETER="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	rounds, deleted := 0, 0
	for running := true; running; rounds++ {
		select {
		case err := <-ended:
			require.NoError(t, err, out.String())
			running = false
		default:
		}
		a := put(t, s, "acme", "text")
		// Whoever deletes it has read its time, so a later time keeps it.
		text, err := read(t, s, "acme", a.SHA256)
		if errors.Is(err, ticket.ErrNotFound) {
			deleted++
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "text", text)
	}
	t.Logf("%d rounds, %d deleted in between", rounds, deleted)
	assert.Positive(t, deleted)
}

func ExampleNewFolder() {
	dir, err := os.MkdirTemp("", "files")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_, err = files.NewFolder(filepath.Join(dir, "desk"))
	fmt.Println(err)
	// Output: <nil>
}
