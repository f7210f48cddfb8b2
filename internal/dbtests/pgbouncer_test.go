package dbtests_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/storetest"
)

// The contract holds through PgBouncer in transaction mode, in the ways of
// connecting that docs/storage.md says work. There, two statements of a client can
// reach two connections of the server. PgBouncer before 1.21 does not support
// prepared statements, so none may outlive a transaction. What works through two poolers, one
// behind the other, works through one.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for _, c := range pooled {
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			server := servers.Postgres(t)
			pooler := startPgBouncer(t, server.Socket(), 5432, c.prepared)
			if c.cascade {
				pooler = startPgBouncer(t, pooler.dir, poolerPort, c.prepared)
			}
			dsn := pooler.dsn(server.Database(t)) + " " + c.settings
			b := backend{driver: c.driver, dialect: sqlstore.Postgres}
			open := func(t *testing.T, db *sql.DB) *sqlstore.Store {
				t.Helper()
				s, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres, c.options...)
				require.NoError(t, err)
				return s
			}
			// All cases have the same tables, because PgBouncer treats new databases
			// differently. Each one leaves them empty.
			db := b.connect(t, dsn)
			storetest.Run(t, func(t *testing.T) ticket.Store {
				t.Helper()
				t.Cleanup(func() { b.empty(t, db) })
				return open(t, db)
			}, storetest.Reopen(func(t *testing.T, _ ticket.Store) ticket.Store {
				t.Helper()
				return open(t, b.connect(t, dsn))
			}))
			if !c.inTx { // a transaction has one connection in every mode
				return
			}
			t.Run("in a transaction of the application", func(t *testing.T) {
				storetest.Run(t, func(t *testing.T) ticket.Store {
					t.Helper()
					s := open(t, db)
					// Not with the test's context, whose end would cancel the
					// statement. A PgBouncer before 1.20 can exit then.
					tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil)
					require.NoError(t, err)
					t.Cleanup(func() { require.NoError(t, tx.Rollback()) })
					return s.WithTx(tx)
				}, storetest.Without(storetest.Concurrency))
			})
		})
	}
}

// A pooledWay is one way of connecting through the pooler.
type pooledWay struct {
	driver   string
	settings string // in the data source name
	options  []sqlstore.Option
	inTx     bool // run the contract inside transactions of the application as well
	cascade  bool // two poolers, one behind the other
	prepared bool // the pooler tracks prepared statements, which needs 1.21
}

func (c pooledWay) name() string {
	name := c.driver
	if c.settings != "" {
		name += " " + c.settings
	}
	if len(c.options) > 0 {
		name += " unprepared"
	}
	if c.cascade {
		name += " cascade"
	}
	return name
}

var unprepared = []sqlstore.Option{sqlstore.Unprepared()}

var pooled = []pooledWay{
	{driver: "pgx", settings: "default_query_exec_mode=exec", options: unprepared, inTx: true, cascade: true},
	{driver: "pgx", settings: "default_query_exec_mode=simple_protocol", options: unprepared},
	{driver: "pgx", settings: "default_query_exec_mode=cache_describe", options: unprepared},
	{driver: "postgres", settings: "binary_parameters=yes", options: unprepared, cascade: true},
	// Two poolers that both track prepared statements do not work.
	{driver: "pgx", prepared: true},
	{driver: "postgres", prepared: true},
	{driver: "postgres", prepared: true, settings: "binary_parameters=yes"},
}

// A pgBouncer is a private pooler in front of a private server, or of another pooler.
type pgBouncer struct{ dir string }

const poolerPort = 6432

func (p pgBouncer) dsn(database string) string {
	return fmt.Sprintf("host=%s port=%d user=postgres dbname=%s sslmode=disable", p.dir, poolerPort, database)
}

func findPgBouncer() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &servers.MissingError{Program: "pgbouncer"}
}

// startPgBouncer starts a pooler in transaction mode, with few connections to what is behind it,
// so that clients have to share them. If it has to track prepared statements and is too old for
// that, the test is skipped.
func startPgBouncer(t *testing.T, socket string, port int, prepared bool) pgBouncer {
	t.Helper()
	program, err := findPgBouncer()
	servers.SkipMissing(t, "pgbouncer", err)
	version, err := exec.CommandContext(t.Context(), program, "--version").Output()
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(version), "\n")
	t.Log(first)
	more := ""
	if prepared {
		var major, minor int
		_, err := fmt.Sscanf(first, "PgBouncer %d.%d", &major, &minor)
		require.NoError(t, err, first)
		if major == 1 && minor < 21 {
			t.Skip("needs 1.21, and this is " + first)
		}
		more = "max_prepared_statements = 100\n"
	}

	dir, err := os.MkdirTemp("/tmp", "ticket-pgbouncer-") //nolint:usetesting // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	config := filepath.Join(dir, "config.ini")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `[databases]
* = host=%s port=%d user=postgres
[pgbouncer]
listen_addr =
listen_port = %d
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 1000
server_idle_timeout = 5
server_lifetime = 60
%s`, socket, port, poolerPort, dir, more), 0o600))
	args := []string{program}
	if os.Getuid() == 0 { // it refuses to run as root
		u, err := user.Lookup("postgres")
		require.NoError(t, err)
		uid, err := strconv.Atoi(u.Uid)
		require.NoError(t, err)
		for _, path := range []string{dir, config} {
			require.NoError(t, os.Chown(path, uid, -1))
		}
		args = append(args, "-u", "postgres")
	}
	args = append(args, config)

	// The shell stops the pooler at the end of its own input, which comes with the
	// end of this process in every case.
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", append([]string{"-c", `"$@" </dev/null & cat; kill -INT $!; wait $!`, "sh"}, args...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, input.Close())
		_ = cmd.Wait() // it was told to stop
		if t.Failed() {
			t.Log(last(log.String(), 3000))
		}
	})

	p := pgBouncer{dir}
	db, err := dbtests.Open("pgx", p.dsn("postgres")+" default_query_exec_mode=exec")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	deadline := time.Now().Add(20 * time.Second)
	for err = db.PingContext(t.Context()); err != nil; err = db.PingContext(t.Context()) {
		require.True(t, time.Now().Before(deadline), "PgBouncer does not answer: %v", err)
		time.Sleep(10 * time.Millisecond)
	}
	return p
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }
