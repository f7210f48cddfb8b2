package dbtests_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests/servers"
)

// example builds an example program as a user would, and returns a function that
// runs it.
func example(t *testing.T, name string) func(args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./"+name)
	build.Dir = filepath.Join("..", "..", "examples")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), "%s%s", stdout.String(), stderr.String())
		t.Logf("%s %q: %s", name, args[:min(2, len(args))], stderr.String())
		return stdout.String()
	}
}

var anyNumber = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]`)

// The order and its complaint are the same on PostgreSQL and SQLite, and in a second
// run.
func TestExampleHostTx(t *testing.T) {
	run := example(t, "hosttx")
	want := anyNumber.ReplaceAllString(run(), "NUMBER")
	assert.Contains(t, want, "done at attempt 2")

	s := servers.Postgres(t)
	dsn := s.DSN("pgx", s.Database(t))
	for range 2 {
		assert.Equal(t, want, anyNumber.ReplaceAllString(run("-postgres", dsn), "NUMBER"))
	}
}

// A day at the shop is the same on PostgreSQL and SQLite.
func TestExampleShop(t *testing.T) {
	run := example(t, "shop")
	want := anyNumber.ReplaceAllString(run(), "NUMBER")
	assert.Contains(t, want, "her ticket now: (no subject), of nobody")

	t.Setenv("SHOP_SECRET", strings.Repeat("07", 32)) // required where data is kept
	s := servers.Postgres(t)
	assert.Equal(t, want, anyNumber.ReplaceAllString(run("-postgres", s.DSN("pgx", s.Database(t))), "NUMBER"))
}

// The figures of a replay are the same in every store. If TICKET_REPLAY_LOG names
// the file of a real log, which is not in this repository and takes minutes, it is
// replayed too.
func TestExampleReplay(t *testing.T) {
	run := example(t, "replay")
	logs := []string{""}
	if path := os.Getenv("TICKET_REPLAY_LOG"); path != "" {
		logs = append(logs, path)
	}
	replay := func(log string, args ...string) string {
		if log != "" {
			args = append(args, log)
		}
		return run(args...)
	}
	for _, log := range logs {
		name := "sample"
		if log != "" {
			name = filepath.Base(log)
		}
		t.Run(name, func(t *testing.T) {
			want := replay(log, "-store", "memory")
			assert.Contains(t, want, ", 0 refused\n")
			each(t, databases, func(t *testing.T, b backend) {
				t.Helper()
				store := map[string]string{"modernc": "sqlite", "pgx": "postgres", "mariadb": "mysql"}[b.name]
				assert.Equal(t, want, replay(log, "-store", store, "-dsn", b.dsn(t)))
			})
		})
	}
}
