package files

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/checksum"
)

// Folder is a [ticket.FileStore] that keeps each file as a file of a folder. Make one with
// [NewFolder]. Any number of processes may use the folder at the same time, on the systems
// that can lock a file: Linux, macOS, Windows, illumos and the BSDs. Elsewhere one process may.
//
// A file is written under another name, synced to the disk and renamed, and then its folder is
// synced. So after a crash or a loss of power it is there as a whole or not at all. The files
// of a tenant are in up to 256 subfolders. The names of the files and folders are made of
// digests and hexadecimal digits only, so a tenant can have any name.
//
// Do not change the files by other programs. To back them up, copy the folder after the
// database: files are never changed, and a file of an event is stored before the event.
type Folder struct {
	dir string
	now func() time.Time
}

// Option changes how a file store works.
type Option func(*options)

type options struct{ now func() time.Time }

// Now sets the clock that File.Stored is read from. It must be the clock of the desk; see
// ticket.Config.Now. Default: [time.Now].
func Now(now func() time.Time) Option { return func(o *options) { o.now = now } }

func chosen(opts []Option) options {
	o := options{now: time.Now} //nolint:forbidigo // the one default of the one clock
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// The names in the folder. A tenant's folder is "t" and the name in hexadecimal, in
// several nested folders if it is long. It holds a folder for each first byte of a digest.
// Digits sort before "t", so the order of the names is that of tenants and digests.
const (
	incoming    = ".incoming" // files that are being written
	lockName    = ".lock"
	tenantMark  = "t"
	tenantBytes = 100 // of a tenant's name in one folder's name
)

// abandoned is the age of a file in incoming whose process has died.
const abandoned = 24 * time.Hour

// NewFolder returns a store of files in a folder, which it creates if it is missing, with
// access for the user of the process only. It returns an error if it cannot write there.
func NewFolder(dir string, opts ...Option) (*Folder, error) {
	if dir == "" {
		return nil, &ticket.InvalidError{Field: "files.dir", Reason: "is missing"}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	f := &Folder{dir: abs, now: chosen(opts).now}
	if err := f.makeFolder(f.incoming()); err != nil {
		return nil, fmt.Errorf("files: create the folder: %w", err)
	}
	probe, err := os.CreateTemp(f.incoming(), "")
	if err == nil {
		_ = probe.Close()
		err = os.Remove(probe.Name())
	}
	if err == nil {
		var unlock func()
		if unlock, err = f.lock(false); err == nil {
			unlock()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("files: cannot write to the folder: %w", err)
	}
	return f, nil
}

func (f *Folder) incoming() string { return filepath.Join(f.dir, incoming) }

// path returns where the file is, or would be.
func (f *Folder) path(tenant string, sum ticket.Digest) string {
	parts := []string{f.dir}
	for {
		n := min(tenantBytes, len(tenant))
		parts = append(parts, tenantMark+hex.EncodeToString([]byte(tenant[:n])))
		tenant = tenant[n:]
		if tenant == "" {
			break
		}
	}
	name := sum.String()
	return filepath.Join(append(parts, name[:2], name)...)
}

// makeFolder creates a folder and those above it, and syncs each new name to the disk.
func (f *Folder) makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if above := filepath.Dir(dir); above != dir {
			if err := f.makeFolder(above); err != nil {
				return err
			}
			err = os.Mkdir(dir, 0o700)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("is a file, not a folder")}
		}
		return err
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// Put stores a file; see [ticket.FileStore]. If the disk is full, errors.Is finds
// syscall.ENOSPC, and nothing is left of the file.
func (f *Folder) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	stored, err := f.put(ctx, tenant, content)
	if err != nil {
		return ticket.File{}, fmt.Errorf("files: store a file: %w", err)
	}
	return stored, nil
}

func (f *Folder) put(ctx context.Context, tenant string, content io.Reader) (file ticket.File, err error) {
	if err := ctx.Err(); err != nil {
		return file, err
	}
	if err := checkTenant(tenant); err != nil {
		return file, err
	}
	temp, err := os.CreateTemp(f.incoming(), "")
	if errors.Is(err, fs.ErrNotExist) { // somebody tidied up
		if err = f.makeFolder(f.incoming()); err == nil {
			temp, err = os.CreateTemp(f.incoming(), "")
		}
	}
	if err != nil {
		return file, err
	}
	defer func() {
		_ = temp.Close()
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	in := newContent(ctx, content)
	if _, err := io.Copy(struct{ io.Writer }{temp}, in); err != nil {
		return file, err
	}
	file = ticket.File{Tenant: tenant, SHA256: in.digest(), Size: in.size}
	path := f.path(tenant, file.SHA256)
	if err := f.makeFolder(filepath.Dir(path)); err != nil {
		return file, err
	}
	if err := temp.Sync(); err != nil {
		return file, err
	}
	if err := f.place(temp, path, &file); err != nil {
		return file, err
	}
	return file, syncFolder(filepath.Dir(path))
}

// place gives the written file its time and its name, while no Delete runs. A file with that
// name has the same bytes, unless it was damaged, and is replaced.
func (f *Folder) place(temp *os.File, path string, file *ticket.File) error {
	unlock, err := f.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
	file.Stored = f.now().UTC().Truncate(time.Microsecond)
	if err := os.Chtimes(temp.Name(), file.Stored, file.Stored); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil { // the time
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	err = os.Rename(temp.Name(), path)
	if err == nil {
		return nil
	}
	// Windows does not replace a file that somebody reads.
	if info, bad := os.Lstat(path); bad != nil || !info.Mode().IsRegular() || info.Size() != file.Size || os.Chtimes(path, file.Stored, file.Stored) != nil {
		return err
	}
	_ = os.Remove(temp.Name())
	return nil
}

// Open opens a file; see [ticket.FileStore].
func (f *Folder) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := f.path(tenant, sum)
	file, err := os.Open(path) //nolint:gosec // the name is made of hexadecimal digits
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(sum)
	}
	if err != nil {
		return nil, fmt.Errorf("files: open a file: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = changed(sum)("is not a regular file any more")
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("files: open a file: %w", err)
	}
	return checksum.NewReader(file, sum, changed(sum)), nil
}

// Delete removes a file; see [ticket.FileStore].
func (f *Folder) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	done, err := f.remove(ctx, f.path(tenant, sum), before)
	if err != nil {
		return false, fmt.Errorf("files: delete a file: %w", err)
	}
	return done, nil
}

func (f *Folder) remove(ctx context.Context, path string, before time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	unlock, err := f.lock(true)
	if err != nil {
		return false, err
	}
	defer unlock()
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !stored(info).Before(before):
		return false, nil
	}
	if err := os.Remove(path); err != nil {
		return false, err
	}
	return true, syncFolder(filepath.Dir(path))
}

func stored(info fs.FileInfo) time.Time { return info.ModTime().UTC().Truncate(time.Microsecond) }

// List lists files; see [ticket.FileStore]. If it starts at the first file, it also removes
// what processes have left that died while they stored a file, after a day.
func (f *Folder) List(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
	if after.Tenant == "" && after.SHA256.IsZero() {
		if err := f.tidy(); err != nil {
			return nil, fmt.Errorf("files: remove what was left: %w", err)
		}
	}
	w := &walk{ctx: ctx, after: after, limit: limit}
	if err := w.tenants(f.dir, ""); err != nil {
		return nil, fmt.Errorf("files: list the files: %w", err)
	}
	return w.found, nil
}

// tidy removes the files of writers that have died.
func (f *Folder) tidy() error {
	entries, err := os.ReadDir(f.incoming())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var faults []error
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && f.now().Sub(info.ModTime()) > abandoned {
			err = os.Remove(filepath.Join(f.incoming(), e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// A walk goes through the files in their order, and passes over those before it starts.
type walk struct {
	ctx   context.Context //nolint:containedctx // of one call of List
	after ticket.File
	limit int
	found []ticket.File
}

func (w *walk) full() bool { return len(w.found) >= w.limit }

// names returns the names in a folder, sorted.
func (w *walk) names(dir string) ([]string, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	d, err := os.Open(dir) //nolint:gosec // a folder of the store
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// tenants visits the tenants whose folders are in dir and whose names begin with begin.
func (w *walk) tenants(dir, begin string) error {
	names, err := w.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		part, is := strings.CutPrefix(name, tenantMark)
		text, err := hex.DecodeString(part)
		if !is || err != nil || len(text) > tenantBytes || w.full() {
			continue
		}
		tenant := begin + string(text)
		if tenant < w.after.Tenant && !strings.HasPrefix(w.after.Tenant, tenant) {
			continue
		}
		dir := filepath.Join(dir, name)
		if tenant >= w.after.Tenant {
			if err := w.tenant(dir, tenant); err != nil {
				return err
			}
		}
		if len(text) == tenantBytes && !w.full() {
			if err := w.tenants(dir, tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// tenant visits the files of one tenant.
func (w *walk) tenant(dir, tenant string) error {
	from := ""
	if tenant == w.after.Tenant && !w.after.SHA256.IsZero() {
		from = w.after.SHA256.String()
	}
	shards, err := w.names(dir)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if len(shard) != 2 || from != "" && shard < from[:2] || w.full() {
			continue
		}
		names, err := w.names(filepath.Join(dir, shard))
		if err != nil {
			return err
		}
		for _, name := range names {
			file := ticket.File{Tenant: tenant}
			if name <= from || w.full() || file.SHA256.UnmarshalText([]byte(name)) != nil || file.SHA256.String() != name {
				continue
			}
			info, err := os.Lstat(filepath.Join(dir, shard, name))
			if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
				continue
			}
			if err != nil {
				return err
			}
			if !info.Mode().IsRegular() {
				continue
			}
			file.Size, file.Stored = info.Size(), stored(info)
			w.found = append(w.found, file)
		}
	}
	return nil
}

// lock keeps Delete from running while a file gets its name, in all processes. It returns the
// function that ends that.
func (f *Folder) lock(alone bool) (unlock func(), err error) {
	return lockFile(filepath.Join(f.dir, lockName), alone)
}

// compare orders files as a list has them.
func compare(a, b ticket.File) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), slices.Compare(a.SHA256[:], b.SHA256[:]))
}
