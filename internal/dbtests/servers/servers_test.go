//go:build unix

package servers

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// orphanVariable makes the test binary the program of TestParentDies.
const orphanVariable = "TICKET_SERVERS_ORPHAN"

func TestMain(m *testing.M) {
	if name := os.Getenv(orphanVariable); name != "" {
		orphan(name)
	}
	os.Exit(Main(m))
}

var kinds = []*kind{&postgres, &mariadb}

// installed skips the test if a server is not installed.
func installed(t *testing.T, k *kind) {
	t.Helper()
	_, err := k.find()
	SkipMissing(t, k.name, err)
}

func startFor(t *testing.T, k *kind, opts ...Option) *Server {
	t.Helper()
	begin := time.Now()
	s, err := start(t.Context(), k, opts)
	require.NoError(t, err)
	t.Logf("%s: started in %s", k.title, time.Since(begin).Round(time.Millisecond))
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

func open(t *testing.T, s *Server, driver, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, s.DSN(driver, database))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() }) // of a server that may be dead
	return db
}

func mustExec(t *testing.T, db interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, query string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), query)
	require.NoError(t, err, query)
}

func value(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var v string
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&v), query)
	return v
}

// family returns the server's running processes.
func family(t *testing.T, pid int) []int {
	t.Helper()
	all, err := processes()
	require.NoError(t, err)
	var found []int
	for p, i := range all {
		if i.running() && (p == pid || i.parent == pid) {
			found = append(found, p)
		}
	}
	return found
}

func running(t *testing.T, pids []int) []int {
	t.Helper()
	all, err := processes()
	require.NoError(t, err)
	var found []int
	for _, pid := range pids {
		if all[pid].running() {
			found = append(found, pid)
		}
	}
	return found
}

func TestKillLosesUncommittedData(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := startFor(t, k)
			require.NoError(t, s.CreateDatabase(t.Context(), "crash"))
			driver := k.drivers[0]
			db := open(t, s, driver, "crash")
			mustExec(t, db, "CREATE TABLE kept (n int PRIMARY KEY)")

			for round := 1; round <= 3; round++ {
				mustExec(t, db, fmt.Sprintf("INSERT INTO kept VALUES (%d)", round))
				tx, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				mustExec(t, tx, "INSERT INTO kept VALUES (99)")

				pids := family(t, s.process.pid)
				require.NotEmpty(t, pids)
				if k == &postgres {
					require.Greater(t, len(pids), 3, "the children, too")
				}
				require.NoError(t, s.Kill())
				assert.Empty(t, running(t, pids))
				require.Error(t, tx.Commit())
				require.Error(t, db.PingContext(t.Context()))
				assert.FileExists(t, lockFile(s), "it was not stopped cleanly")
				require.NoError(t, s.Kill(), "killing the dead is no error")

				begin := time.Now()
				require.NoError(t, s.Restart(t.Context()))
				t.Logf("%s: recovered in %s", k.title, time.Since(begin).Round(time.Millisecond))
				db = open(t, s, driver, "crash")
				assert.Equal(t, fmt.Sprint(round), value(t, db, "SELECT count(*) FROM kept WHERE n < 99"))
				assert.Equal(t, "0", value(t, db, "SELECT count(*) FROM kept WHERE n = 99"))
			}

			// It is killed from outside, as the kernel does when memory is short.
			require.NoError(t, syscall.Kill(s.process.pid, syscall.SIGKILL))
			<-s.process.done
			assert.Eventually(t, func() bool { return s.Restart(t.Context()) == nil }, 30*time.Second, 50*time.Millisecond)
			assert.Equal(t, "3", value(t, open(t, s, driver, "crash"), "SELECT count(*) FROM kept"))

			// Restart cleanly, with a client connected.
			require.NoError(t, s.Restart(t.Context()))
			assert.Equal(t, "3", value(t, open(t, s, driver, "crash"), "SELECT count(*) FROM kept"))
		})
	}
}

func lockFile(s *Server) string {
	if s.kind == &postgres {
		return filepath.Join(dataDir(s.dir), "postmaster.pid")
	}
	return filepath.Join(s.dir, "pid")
}

func TestKillUnderLoad(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := startFor(t, k)
			db := open(t, s, k.drivers[0], s.Database(t))
			mustExec(t, db, "CREATE TABLE kept (n int PRIMARY KEY)")
			const clients = 8
			var committed [clients]atomic.Int64
			var all sync.WaitGroup
			for c := range clients {
				all.Go(func() {
					for n := c; ; n += clients {
						if _, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO kept VALUES (%d)", n)); err != nil {
							return
						}
						committed[c].Add(1)
					}
				})
			}
			require.Eventually(t, func() bool {
				for c := range committed {
					if committed[c].Load() < 20 {
						return false
					}
				}
				return true
			}, time.Minute, time.Millisecond)
			pids := family(t, s.process.pid)
			require.NoError(t, s.Kill())
			assert.Empty(t, running(t, pids))
			all.Wait()
			require.NoError(t, s.Restart(t.Context()))
			total := int64(0)
			for c := range committed {
				n := committed[c].Load()
				total += n
				got := value(t, db, fmt.Sprintf("SELECT count(*) FROM kept WHERE n %% %d = %d", clients, c))
				// One more may have been committed without an answer.
				assert.Contains(t, []string{fmt.Sprint(n), fmt.Sprint(n + 1)}, got)
			}
			t.Logf("%d commits", total)
		})
	}
}

func TestStop(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := startFor(t, k, Fast())
			db := open(t, s, k.drivers[0], s.kind.users[0]) // "postgres" and "mysql" are databases as well
			require.NoError(t, db.PingContext(t.Context()))
			pids := family(t, s.process.pid)
			pids = append(pids, s.watchdog.cmd.Process.Pid)

			require.NoError(t, s.Stop())
			assert.Empty(t, running(t, pids))
			assert.NoDirExists(t, s.dir)
			require.NoError(t, s.Stop(), "stopping the stopped is no error")
			require.NoError(t, s.Kill())
			require.ErrorIs(t, s.Restart(t.Context()), errStopped)
			require.Error(t, s.CreateDatabase(t.Context(), "late"))
		})
	}
}

func TestStopAfterKill(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := startFor(t, k, Fast())
			require.NoError(t, s.Kill())
			require.NoError(t, s.Stop())
			assert.NoDirExists(t, s.dir)
		})
	}
}

// Once works on the data of a server that was stopped, and returns what this one process said.
func TestOnce(t *testing.T) {
	installed(t, &mariadb)
	s := startFor(t, &mariadb)
	_, err := s.Once(t.Context(), "help", "")
	require.ErrorContains(t, err, "it runs")
	require.NoError(t, s.Halt())
	said, err := s.Once(t.Context(), "help", "")
	require.NoError(t, err)
	require.Contains(t, said, "Usage")
	require.NotContains(t, said, "Installing")
	_, err = s.Once(t.Context(), "no_such_setting", "")
	require.ErrorContains(t, err, "no_such_setting")
	require.NoError(t, s.Restart(t.Context()))
}

func TestSettings(t *testing.T) {
	show := func(t *testing.T, s *Server, name string) string {
		t.Helper()
		if s.kind == &postgres {
			return value(t, open(t, s, "pgx", "postgres"), "SHOW "+name)
		}
		return value(t, open(t, s, "mysql", "mysql"), "SELECT @@"+name)
	}
	t.Run("postgres", func(t *testing.T) {
		installed(t, &postgres)
		t.Setenv("PGPORT", "1")
		t.Setenv("PGDATA", "/nowhere")
		s := startFor(t, &postgres, Settings(map[string]string{"max_connections": "33", "statement_timeout": "1234"}))
		assert.Equal(t, "33", show(t, s, "max_connections"))
		assert.Equal(t, "1234ms", show(t, s, "statement_timeout"))
		assert.Equal(t, "on", show(t, s, "fsync"))
		assert.Equal(t, "on", show(t, s, "synchronous_commit"))
		assert.Equal(t, "UTF8", show(t, s, "server_encoding"))
		assert.Equal(t, "C", show(t, s, "lc_collate"))
		assert.Empty(t, show(t, s, "listen_addresses"))

		fast := startFor(t, &postgres, Fast(), Settings(map[string]string{"synchronous_commit": "on"}))
		assert.Equal(t, "off", show(t, fast, "fsync"))
		assert.Equal(t, "on", show(t, fast, "synchronous_commit"), "what is set goes first")
		assert.Equal(t, "200", show(t, fast, "max_connections"))
	})
	t.Run("mariadb", func(t *testing.T) {
		installed(t, &mariadb)
		s := startFor(t, &mariadb, Settings(map[string]string{"max-connections": "33", "innodb_buffer_pool_size": "64M"}))
		assert.Equal(t, "33", show(t, s, "max_connections"))
		assert.Equal(t, fmt.Sprint(64<<20), show(t, s, "innodb_buffer_pool_size"))
		assert.Equal(t, "1", show(t, s, "innodb_flush_log_at_trx_commit"))
		assert.Equal(t, "0", show(t, s, "log_bin"))
		assert.Equal(t, "1", show(t, s, "skip_name_resolve"))
		assert.Equal(t, "1", show(t, s, "skip_networking"))

		fast := startFor(t, &mariadb, Fast())
		assert.Equal(t, "0", show(t, fast, "innodb_flush_log_at_trx_commit"))
	})
}

func TestStartFails(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			tmp := t.TempDir()
			require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o755)) // for the user as whom the server runs
			t.Setenv("TMPDIR", tmp)
			_, err := start(t.Context(), k, []Option{Settings(map[string]string{"no_such_setting": "1"})})
			require.ErrorContains(t, err, k.title+": ")
			require.ErrorContains(t, err, "no_such_setting", "the log says why")

			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err = start(ctx, k, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

func TestDirectory(t *testing.T) {
	tmp := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o755))
	path := filepath.Join(tmp, strings.Repeat("long", 20))
	require.NoError(t, os.Mkdir(path, 0o755))
	t.Setenv("TMPDIR", path)
	dir, err := makeDir("test", nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	assert.NotContains(t, dir, "long", "the path of a socket in it would be too long")

	assert.True(t, passable(tmp))
	require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o700))
	assert.False(t, passable(tmp), "one folder above is closed")
}

func TestRestartFails(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := startFor(t, k, Fast())
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, s.Restart(ctx), context.Canceled)
			require.NoError(t, s.Restart(t.Context()), "the data is still there")
		})
	}
}

func TestDatabase(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			shared := map[string]func(TB) *Server{"postgres": Postgres, "mariadb": MariaDB}[k.name]
			s := shared(t)
			assert.Same(t, s, shared(t))

			var mu sync.Mutex
			names := map[string]bool{}
			t.Run("parallel", func(t *testing.T) {
				for range 8 {
					t.Run("", func(t *testing.T) {
						t.Parallel()
						name := s.Database(t)
						mu.Lock()
						names[name] = true
						mu.Unlock()
						for _, driver := range k.drivers {
							db := open(t, s, driver, name)
							mustExec(t, db, "CREATE TABLE of_"+driver+" (n int)")
						}
					})
				}
			})
			assert.Len(t, names, 8)
			for name := range names {
				require.Error(t, open(t, s, k.drivers[0], name).PingContext(t.Context()), "it is gone")
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s := map[string]func(TB) *Server{"postgres": Postgres, "mariadb": MariaDB}[k.name](t)
			for _, name := range []string{"", "a b", "a;b", "A", "1a", `a"`, "a`", strings.Repeat("a", 64)} {
				require.ErrorContains(t, s.CreateDatabase(t.Context(), name), "no name")
				require.ErrorContains(t, s.DropDatabase(t.Context(), name), "no name")
			}
			require.NoError(t, s.DropDatabase(t.Context(), "never_there"))
			assert.DirExists(t, filepath.Dir(s.Socket()))
			assert.Panics(t, func() { s.DSN("sqlite", "x") })
		})
	}
}

func TestMissing(t *testing.T) {
	postgresWas, mariadbWas := postgresFolders, mariadbFolders
	t.Cleanup(func() { postgresFolders, mariadbFolders = postgresWas, mariadbWas })
	empty := t.TempDir()
	t.Setenv("PATH", empty)

	program := func(path string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))
	}
	missing := func(err error) string {
		var e *MissingError
		require.ErrorAs(t, err, &e)
		assert.Contains(t, err.Error(), "make servers")
		assert.Contains(t, err.Error(), e.Program)
		return e.Program
	}

	versions := t.TempDir()
	postgresFolders = filepath.Join(versions, "*", "bin")
	_, err := StartPostgres(t.Context())
	assert.Equal(t, "initdb", missing(err))
	program(filepath.Join(versions, "17", "bin", "initdb"))
	_, err = StartPostgres(t.Context())
	assert.Equal(t, "postgres", missing(err))
	for _, version := range []string{"9.6", "15", "16"} {
		program(filepath.Join(versions, version, "bin", "initdb"))
		program(filepath.Join(versions, version, "bin", "postgres"))
	}
	p, err := findPostgres()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(versions, "16", "bin", "postgres"), p.serve, "the highest that is whole")
	program(filepath.Join(empty, "initdb"))
	program(filepath.Join(empty, "postgres"))
	p, err = findPostgres()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(empty, "postgres"), p.serve, "PATH goes first")

	mariadbFolders = t.TempDir()
	_, err = StartMariaDB(t.Context())
	assert.Equal(t, "mariadb-install-db", missing(err))
	program(filepath.Join(empty, "mariadb-install-db"))
	_, err = StartMariaDB(t.Context())
	assert.Equal(t, "mariadbd", missing(err))
	program(filepath.Join(mariadbFolders, "mariadbd"))
	p, err = findMariaDB()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(mariadbFolders, "mariadbd"), p.serve)
}

// A fakeTB records how a test ends.
type fakeTB struct {
	*testing.T

	verdict string
}

func (f *fakeTB) end(verdict, format string, args []any) {
	f.verdict = verdict + ": " + fmt.Sprintf(format, args...)
	panic(f)
}

func (f *fakeTB) Fatalf(format string, args ...any) { f.end("failed", format, args) }
func (f *fakeTB) Skipf(format string, args ...any)  { f.end("skipped", format, args) }

func verdict(t *testing.T, f func(tb TB)) (verdict string) {
	t.Helper()
	fake := &fakeTB{T: t}
	defer func() {
		if r := recover(); r != nil && r != any(fake) {
			panic(r)
		}
		verdict = fake.verdict
	}()
	f(fake)
	return
}

func TestRequire(t *testing.T) {
	missing := fmt.Errorf("wrapped: %w", &MissingError{Program: "initdb"})
	for _, c := range []struct {
		require string
		err     error
		want    string
	}{
		{"", nil, ""},
		{"", missing, "skipped: SKIPPED, NOTHING WAS TESTED ON POSTGRES: "},
		{"mariadb", missing, "skipped: "},
		{"postgres", nil, ""},
		{"postgres", missing, "failed: "},
		{" mariadb , postgres,", missing, "failed: "},
		{"postgresql", missing, `failed: TICKET_REQUIRE contains "postgresql"; use postgres, mariadb, pgbouncer`},
		{"", errors.New("no space left"), "failed: start postgres: no space left"},
	} {
		t.Setenv(RequireVariable, c.require)
		got := verdict(t, func(tb TB) { SkipMissing(tb, "postgres", c.err) })
		assert.Truef(t, strings.HasPrefix(got, c.want) && (c.want == "") == (got == ""), "%q, %v: %s", c.require, c.err, got)
	}

	// Get a server that is not installed, twice: each test that asks for it is
	// skipped, or fails if the variable requires the server.
	was := postgresFolders
	t.Cleanup(func() { postgresFolders = was })
	postgresFolders = filepath.Join(t.TempDir(), "*")
	t.Setenv("PATH", t.TempDir())
	absent := shared{kind: &postgres}
	for range 2 {
		t.Setenv(RequireVariable, "mariadb")
		assert.Contains(t, verdict(t, func(tb TB) { absent.get(tb) }), "skipped: ")
		t.Setenv(RequireVariable, "postgres")
		assert.Contains(t, verdict(t, func(tb TB) { absent.get(tb) }), "failed: ")
	}
}

type fakeM struct{ ran bool }

func (m *fakeM) Run() int {
	m.ran = true
	return 0
}

func TestMainRefusesTypos(t *testing.T) {
	t.Setenv(RequireVariable, "postgress")
	var m fakeM
	assert.Equal(t, 2, Main(&m))
	assert.False(t, m.ran, "a typo would require nothing")
}

// orphan starts a server, says which processes it has, and waits to be killed.
func orphan(name string) {
	for _, k := range kinds {
		if k.name != name {
			continue
		}
		s, err := start(context.Background(), k, nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.dir, s.process.pid, s.watchdog.cmd.Process.Pid)
		select {}
	}
}

func TestParentDies(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			for _, death := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
				t.Run(death.String(), func(t *testing.T) {
					self, err := os.Executable()
					require.NoError(t, err)
					cmd := exec.CommandContext(t.Context(), self)
					cmd.Env = append(os.Environ(), orphanVariable+"="+k.name)
					out, err := cmd.StdoutPipe()
					require.NoError(t, err)
					require.NoError(t, cmd.Start())
					line, err := bufio.NewReader(out).ReadString('\n')
					require.NoError(t, err)
					var dir string
					var server, dog int
					_, err = fmt.Sscan(line, &dir, &server, &dog)
					require.NoError(t, err, line)
					pids := append(family(t, server), dog)
					require.Greater(t, len(pids), 1)

					require.NoError(t, cmd.Process.Signal(death))
					_, err = io.Copy(io.Discard, out)
					require.NoError(t, err, "nobody else holds its output")
					require.Error(t, cmd.Wait())
					assert.Eventually(t, func() bool {
						_, err := os.Stat(dir)
						return len(running(t, pids)) == 0 && errors.Is(err, os.ErrNotExist)
					}, 20*time.Second, 20*time.Millisecond)
				})
			}
		})
	}
}

// Where the kernel does not tell a process that its parent is gone, the
// watchdog alone has to end the server.
func TestWatchdog(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			installed(t, k)
			s, err := start(t.Context(), k, []Option{Fast()})
			require.NoError(t, err)
			pids := family(t, s.process.pid)
			require.NoError(t, s.watchdog.end())
			<-s.process.done
			assert.Eventually(t, func() bool { return len(running(t, pids)) == 0 }, 10*time.Second, 20*time.Millisecond)
			assert.NoDirExists(t, s.dir)
		})
	}
}
