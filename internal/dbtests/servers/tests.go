package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// RequireVariable is the environment variable with the servers that must be
// installed, so that their tests fail instead of being skipped. It is a
// comma-separated list of "postgres", "mariadb", "pgbouncer", "exim", "dovecot"
// and "chromium".
const RequireVariable = "TICKET_REQUIRE"

var requirable = []string{"postgres", "mariadb", "pgbouncer", "exim", "dovecot", "chromium"}

// TB is the part of testing.TB that the helpers need. (The package does not import
// testing, because programs import it.)
type TB interface {
	Helper()
	Cleanup(f func())
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// required returns the list in [RequireVariable].
func required() ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(os.Getenv(RequireVariable), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(requirable, name) {
			return nil, fmt.Errorf("%s contains %q; use %s", RequireVariable, name, strings.Join(requirable, ", "))
		}
		names = append(names, name)
	}
	return names, nil
}

// SkipMissing checks the error of a start. If it is a [*MissingError], the test is
// skipped, or fails if [RequireVariable] has the name. With any other error the test
// fails.
func SkipMissing(tb TB, name string, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	names, requireErr := required()
	if requireErr != nil {
		tb.Fatalf("%v", requireErr)
	}
	if _, ok := errors.AsType[*MissingError](err); !ok {
		tb.Fatalf("start %s: %v", name, err)
	}
	if slices.Contains(names, name) {
		tb.Fatalf("%v; %s requires %s", err, RequireVariable, name)
	}
	tb.Skipf("SKIPPED, NOTHING WAS TESTED ON %s: %v", strings.ToUpper(name), err)
}

// A shared server is started once, for all tests of a process.
type shared struct {
	kind   *kind
	once   sync.Once
	server *Server
	err    error
}

var (
	sharedPostgres = shared{kind: &postgres}
	sharedMariaDB  = shared{kind: &mariadb}
)

func (s *shared) get(tb TB) *Server {
	tb.Helper()
	s.once.Do(func() {
		// The server outlives this test.
		s.server, s.err = start(context.WithoutCancel(tb.Context()), s.kind, []Option{Fast()})
	})
	SkipMissing(tb, s.kind.name, s.err)
	return s.server
}

// Postgres returns a PostgreSQL that the tests of this process share. No test may
// kill or stop it. It is started with [Fast]. If PostgreSQL is not installed, the
// test is skipped, or fails if [RequireVariable] contains "postgres". The package
// must have a TestMain that calls [Main].
func Postgres(tb TB) *Server {
	tb.Helper()
	return sharedPostgres.get(tb)
}

// MariaDB is like [Postgres] for a MariaDB, named "mariadb".
func MariaDB(tb TB) *Server {
	tb.Helper()
	return sharedMariaDB.get(tb)
}

// Main runs the tests, stops the servers that they share, and returns the exit
// status: os.Exit(servers.Main(m)).
func Main(m interface{ Run() int }) int {
	if _, err := required(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	status := m.Run()
	for _, s := range []*shared{&sharedPostgres, &sharedMariaDB} {
		if s.server == nil {
			continue
		}
		if err := s.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = max(status, 1)
		}
	}
	return status
}

var databases atomic.Int64

// Database creates a database and returns its name, which is unique on this server.
// It is removed after the test, and after later Cleanup functions of the test.
func (s *Server) Database(tb TB) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := s.CreateDatabase(tb.Context(), name); err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		// The context of the test has ended. An open transaction would block MariaDB
		// for a day.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 30*time.Second)
		defer cancel()
		if err := s.DropDatabase(ctx, name); err != nil {
			tb.Errorf("%v", err)
		}
	})
	return name
}
