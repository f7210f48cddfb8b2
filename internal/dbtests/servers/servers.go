// Package servers starts private database servers for tests, crash runs and
// benchmarks: a PostgreSQL or a MariaDB with its own data directory below the
// temporary directory, which listens on a Unix socket only. It neither needs nor
// touches a server that the system runs.
//
// A package of tests contains
//
//	func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }
//
// and each test takes a new database from the server that the tests of the package
// share:
//
//	dsn := server.DSN("pgx", server.Database(t)) // server := servers.Postgres(t)
//
// A program, or a test that kills its server, starts its own with [StartPostgres] or
// [StartMariaDB], and stops it.
//
// A server never outlives the program that started it.
package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// These are the time limits for a start without a deadline, and for a clean stop.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 2 * time.Minute
)

// A MissingError says that a program is not installed. `make servers` installs
// it on Debian and Ubuntu.
type MissingError struct {
	Program string // its name, such as "initdb"
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("the program %s is not installed; on Debian and Ubuntu, `make servers` installs it", e.Program)
}

// An Option changes how a server is started.
type Option func(*options)

type options struct {
	settings map[string]string
	fast     bool
	primary  *Server
}

// Settings sets parameters of the server, under the names of its configuration file.
// They come before those that the package sets. For MariaDB, an empty value means an
// option without a value.
func Settings(settings map[string]string) Option {
	return func(o *options) { maps.Copy(o.settings, settings) }
}

// Fast disables durability: the server does not wait for the disk. Committed data
// survives neither a crash of the machine nor, on MariaDB, a [Server.Kill]. Without
// it, every commit is synced.
func Fast() Option {
	return func(o *options) { o.fast = true }
}

// Standby makes a PostgreSQL a streaming standby: its data is a copy of that of the primary, which
// runs. Its settings are its own, except for those of ALTER SYSTEM.
func Standby(primary *Server) Option {
	return func(o *options) { o.primary = primary }
}

// A kind holds the differences between the two servers.
type kind struct {
	name     string            // as in TICKET_REQUIRE
	title    string            // as in messages
	users    []string          // users to replace root, best first
	drivers  []string          // that DSN knows
	settings map[string]string // unless the caller sets them
	fast     map[string]string // instead of those, with Fast

	find    func() (programs, error)
	install func(p programs, dir string, settings map[string]string) []string // the command that creates the data directory
	serve   func(p programs, dir string, settings map[string]string) []string // the command that runs the server
	dsn     func(dir, database string) string
	open    func(dir string) (*sql.DB, error) // as the administrator
	drop    string                            // the statement; %s is the name

	stop   syscall.Signal // stops it cleanly, without waiting for clients
	orphan syscall.Signal // sent when its parent is gone
}

// programs are the paths of the two programs of a server.
type programs struct {
	install, serve string
}

// A Server is a private database server. Its methods may be called by any
// goroutine.
type Server struct {
	kind     *kind
	programs programs
	owner    *owner
	settings map[string]string
	dir      string // all its files, removed by Stop
	watchdog *watchdog
	primary  *Server // whose data it copies; nil: none

	mu      sync.Mutex // held while the server is started, killed and stopped
	process *process   // nil: it does not run
	stopped bool
}

// StartPostgres starts a PostgreSQL and waits until it answers. It needs no
// password. The superuser is "postgres", the encoding UTF8 and the locale C. The
// context limits the start and not the life of the server, which ends with
// [Server.Stop]. Without a deadline the limit is two minutes. The error is a
// [*MissingError] if PostgreSQL is not installed.
func StartPostgres(ctx context.Context, opts ...Option) (*Server, error) {
	return start(ctx, &postgres, opts)
}

// StartMariaDB starts a MariaDB and waits until it answers. The user is "root",
// without a password. Character set and collation are the server's defaults.
// Otherwise it is like [StartPostgres].
func StartMariaDB(ctx context.Context, opts ...Option) (*Server, error) {
	return start(ctx, &mariadb, opts)
}

func start(ctx context.Context, k *kind, opts []Option) (*Server, error) {
	o := options{settings: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	settings := maps.Clone(k.settings)
	if o.fast {
		maps.Copy(settings, k.fast)
	}
	for name, value := range o.settings {
		settings[strings.ReplaceAll(name, "-", "_")] = value
	}

	p, err := k.find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	own, err := findOwner(k.users)
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(k.name, own)
	if err != nil {
		return nil, err
	}
	dog, err := newWatchdog(dir, k.orphan)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Server{kind: k, programs: p, owner: own, settings: settings, dir: dir, watchdog: dog, primary: o.primary}

	s.mu.Lock()
	err = s.install(ctx)
	if err == nil {
		err = s.start(ctx)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, startTimeout)
}

// makeDir creates the directory of a server. Its path must be short, because it
// contains a Unix socket, and the owner must be able to enter it.
func makeDir(name string, own *owner) (string, error) {
	const longest = 60 // the address of a socket has about 104
	parent := ""
	for _, candidate := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if path, err := filepath.EvalSymlinks(candidate); err == nil && len(path) <= longest && (own == nil || passable(path)) {
			parent = path
			break
		}
	}
	if parent == "" {
		return "", fmt.Errorf("no temporary directory has a path of at most %d bytes and is open to others; set TMPDIR to one", longest)
	}
	dir, err := os.MkdirTemp(parent, "ticket-"+name+"-")
	if err != nil {
		return "", err
	}
	paths := []string{dir, dataDir(dir), filepath.Join(dir, "socket"), filepath.Join(dir, "tmp")}
	for i, path := range paths {
		if i > 0 {
			err = os.Mkdir(path, 0o700)
		}
		if err == nil && own != nil {
			err = os.Chown(path, int(own.uid), int(own.gid))
		}
		if err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// passable reports whether every user may enter a directory.
func passable(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() || info.Mode()&0o001 == 0 {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
		path = filepath.Dir(path)
	}
}

func dataDir(dir string) string   { return filepath.Join(dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }
func (s *Server) errorf(format string, args ...any) error {
	return fmt.Errorf(s.kind.title+": "+format, args...)
}

// install creates the data directory.
func (s *Server) install(ctx context.Context) error {
	command := s.kind.install(s.programs, s.dir, s.settings)
	if s.primary != nil {
		var err error
		if command, err = copyPostgres(s.programs, s.dir, s.primary.dir); err != nil {
			return err
		}
	}
	p, err := s.run(command)
	if err != nil {
		return s.errorf("%w", err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(s.errorf("making the data directory: %w", context.Cause(ctx)), p.kill())
	}
	if p.err != nil {
		return s.errorf("making the data directory: %w\n%s", p.err, s.Log())
	}
	return nil
}

// run runs a program of the server. Its output goes to the log.
func (s *Server) run(command []string) (*process, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the program has its own
	return startProcess(command, s.dir, log, s.owner, s.kind.orphan)
}

// start starts the server on its data directory, and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	p, err := s.run(s.kind.serve(s.programs, s.dir, s.settings))
	if err != nil {
		return s.errorf("%w", err)
	}
	s.process = p
	if err := s.watchdog.watch(p.pid); err != nil {
		return errors.Join(s.errorf("%w", err), s.kill())
	}
	if err := s.await(ctx, p); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context, p *process) error {
	db, err := s.kind.open(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return s.errorf("it ended while it was starting: %w\n%s", p.ended(), s.Log())
		case <-ctx.Done():
			return s.errorf("it does not answer: %w: %w\n%s", context.Cause(ctx), err, s.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

var plainName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CreateDatabase creates a database. The name has up to 63 lower-case letters,
// digits and underscores, and begins with a letter.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.administer(ctx, "CREATE DATABASE %s", name)
}

// DropDatabase removes a database if it exists. PostgreSQL ends the connections to
// it. MariaDB waits for open transactions.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return s.administer(ctx, s.kind.drop, name)
}

func (s *Server) administer(ctx context.Context, statement, name string) error {
	if !plainName.MatchString(name) {
		return s.errorf("%q is no name for a database: up to 63 of a-z, 0-9 and _, first a letter", name)
	}
	statement = fmt.Sprintf(statement, name)
	db, err := s.kind.open(s.dir)
	if err == nil {
		_, err = db.ExecContext(ctx, statement)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return s.errorf("%s: %w", statement, err)
	}
	return nil
}

// DSN returns the data source name of a database for a driver: "pgx" or "postgres"
// for PostgreSQL, "mysql" for MariaDB. It contains only the parameters needed to
// connect. For PostgreSQL it is a list of settings, to which you may add. DSN panics
// for a driver of another server, because any string might lead to a database
// outside of this package.
func (s *Server) DSN(driver, database string) string {
	if slices.Contains(s.kind.drivers, driver) {
		return s.kind.dsn(s.dir, database)
	}
	panic(fmt.Sprintf("servers: %s has no driver %q; use %s", s.kind.title, driver, strings.Join(s.kind.drivers, ", ")))
}

// Socket returns the address of the server: for PostgreSQL the directory of the
// socket (with port 5432), for MariaDB the socket.
func (s *Server) Socket() string {
	if s.kind == &mariadb {
		return mariadbSocket(s.dir)
	}
	return postgresSocket(s.dir)
}

// Data returns the directory of the server's data files. They belong to the server's user.
func (s *Server) Data() string { return dataDir(s.dir) }

// LogFile returns the path of the file that has all output of the server and its installer.
func (s *Server) LogFile() string { return s.logFile() }

// Log returns the last output of the server and its installer.
func (s *Server) Log() string {
	const most = 4000
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-most):])
}

var errStopped = errors.New("the server was stopped and its data removed; start another one")

// Kill kills the server and all its processes like kill -9, and waits until they are
// gone. It cleans nothing up: [Server.Restart] finds socket, lock files and data as
// they were. Data that the server had passed to the operating system survives, so
// this is the crash of a server, and not of a machine. Killing a server that does
// not run is no error.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

func (s *Server) kill() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.kill(); err != nil {
		return s.errorf("%w", err)
	}
	return s.gone()
}

// Freeze stops the server and all its processes in the middle of what they do, so that it answers
// nobody and closes no connection, until [Server.Kill].
func (s *Server) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return s.process.freeze()
}

// gone records that the process is gone.
func (s *Server) gone() error {
	s.process = nil
	return s.watchdog.watch(0)
}

// Once runs the program of a server that does not run, with one more setting, until it ends by
// itself. It returns what the program wrote. Such settings are for repairs: with wsrep_recover, for
// example, a MariaDB reads its data and says how far it came.
func (s *Server) Once(ctx context.Context, name, value string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.process != nil {
		return "", s.errorf("it runs, or was stopped")
	}
	before, err := os.Stat(s.logFile())
	if err != nil {
		return "", err
	}
	settings := maps.Clone(s.settings)
	settings[name] = value
	p, err := s.run(s.kind.serve(s.programs, s.dir, settings))
	if err != nil {
		return "", s.errorf("%w", err)
	}
	if err := s.watchdog.watch(p.pid); err != nil {
		return "", errors.Join(err, p.kill())
	}
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), p.kill())
	}
	if err = errors.Join(err, s.watchdog.watch(0)); err != nil {
		return "", s.errorf("with %s: %w\n%s", name, err, s.Log())
	}
	log, err := os.ReadFile(s.logFile())
	return string(log[min(int(before.Size()), len(log)):]), err
}

// Set sets parameters of the server, as [Settings] does, from the next [Server.Restart] on.
func (s *Server) Set(settings map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, value := range settings {
		s.settings[strings.ReplaceAll(name, "-", "_")] = value
	}
}

// Restart starts the server again, at the same place and with the same settings, and
// waits until it answers. If it still runs, Restart first stops it cleanly. The
// context limits the start, as with [StartPostgres]. A killed PostgreSQL may leave
// children for a moment; Restart waits for them for some five seconds.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.halt(); err != nil {
		return err
	}
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	for try := 1; ; try++ {
		err := s.start(ctx)
		// A killed process may take a moment to release PostgreSQL's memory.
		if err == nil || try == 50 || ctx.Err() != nil || !strings.Contains(err.Error(), "pre-existing shared memory block") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Halt stops the server cleanly, without waiting for its clients. It keeps the data, for a
// [Server.Restart].
func (s *Server) Halt() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halt()
}

// halt shuts the server down, in order to start it again.
func (s *Server) halt() error {
	if s.stopped {
		return s.errorf("%w", errStopped)
	}
	return s.shutDown()
}

// Follow makes a PostgreSQL a standby of another one, as [Standby] does: it stops the server,
// replaces its data, and starts it again.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.halt(); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.Data())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.Data(), e.Name())); err != nil {
			return err
		}
	}
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	s.primary = primary
	if err := s.install(ctx); err != nil {
		return err
	}
	return s.start(ctx)
}

// Stop stops the server cleanly, without waiting for its clients, and removes its
// data. Stopping it again is no error.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	return errors.Join(s.shutDown(), os.RemoveAll(s.dir), s.watchdog.end())
}

// shutDown stops the server cleanly, and kills it if it does not stop.
func (s *Server) shutDown() error {
	p := s.process
	if p == nil {
		return nil
	}
	select {
	case <-p.done: // the server ended by itself; the next call that needs it will find out
		return s.kill()
	default:
	}
	if err := p.signal(s.kind.stop); err != nil {
		return errors.Join(s.errorf("%w", err), s.kill())
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		return errors.Join(s.errorf("it did not stop within %s\n%s", stopTimeout, s.Log()), s.kill())
	}
	if p.err != nil {
		return errors.Join(s.errorf("it did not stop cleanly: %w\n%s", p.err, s.Log()), s.gone())
	}
	return s.gone()
}
