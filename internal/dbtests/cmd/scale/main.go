// Command scale fills databases with a million tickets and their histories, and
// measures the daily work of a desk on them: pages of lists, lookups, counts,
// full-text search, pages of package web, and a Do. It compares the Do with that of a
// database of a thousand tickets in the same run.
//
//	go run ./internal/dbtests/cmd/scale                                # SQLite and PostgreSQL, a million
//	go run ./internal/dbtests/cmd/scale -store mariadb
//	go run ./internal/dbtests/cmd/scale -store sqlite -tickets 20000   # a minute
//	go run ./internal/dbtests/cmd/scale -store sqlite -dir /var/tmp/s  # keeps the file, and uses it again
//
// The tickets are invented (see data.go) and written with Store.Import;
// Store.Maintain fills the search index. The settings are durable: SQLite in WAL
// mode with synchronous=FULL and a page cache of 64 MB for each connection (with its
// default of 2 MB, reads that are scattered over the tables take three to four times
// as long), PostgreSQL with 1 GB of shared buffers and fsync, MariaDB with a buffer pool of 1 GB
// and a synced log. A missed aim does not change the exit status, which is 0 after a
// measurement.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/cputime"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/sqlstore"
)

type settings struct {
	tickets  int
	archived int // of them, the oldest
	calls    int
	dir      string
	given    map[string]*string // the data source name of a database that is kept, by store
	cache    int
	profile  string
	only     *regexp.Regexp
	out      io.Writer
}

// small is the number of tickets in the database to which a Do is compared.
const small = 1000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := settings{out: os.Stdout}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	stores := flags.String("store", "sqlite,postgres", "the databases: sqlite (modernc), sqlite3 (mattn; build with -tags sqlite_fts5), postgres, mariadb")
	flags.IntVar(&s.tickets, "tickets", 1_000_000, "the number of tickets")
	flags.IntVar(&s.archived, "archived", 0, "how many of the oldest tickets are archived, if they are closed; another file is kept for each number")
	flags.IntVar(&s.calls, "calls", 1000, "the number of measured calls of each kind")
	flags.StringVar(&s.dir, "dir", "", "the folder that keeps SQLite's file for the next run; default: the file is removed")
	s.given = map[string]*string{
		"postgres": flags.String("postgres", "", "the data source name of an empty PostgreSQL database, or one from an earlier run, which is kept; default: a private server"),
		"mariadb":  flags.String("mariadb", "", "the same for MariaDB"),
	}
	flags.IntVar(&s.cache, "cache", 64, "SQLite's page cache in MB for each connection; 0 means its default, 2 MB")
	flags.StringVar(&s.profile, "cpuprofile", "", "write a profile of the calls to this file")
	only := flags.String("only", ".", "only calls whose name this regular expression matches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if flags.NArg() > 0 || s.tickets < 20*small || s.calls < 10 || s.archived < 0 || s.archived > s.tickets*9/10 {
		return fmt.Errorf("no arguments are allowed, -tickets must be at least %d, -archived at most nine tenths of it, and -calls at least 10", 20*small)
	}
	for name := range strings.SplitSeq(*stores, ",") {
		if err := measureStore(ctx, &s, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// A place is a database with a store and a desk on it.
type place struct {
	db       *sql.DB
	store    *sqlstore.Store
	desk     *ticket.Desk
	made     *desk
	size     func(context.Context) (int64, error) // in bytes
	numbered bool                                 // placeholders
	later    []string                             // statements that create the state of some time later
	// processes returns the server processes that serve this program.
	processes func(context.Context) ([]int, error)
}

func (s *settings) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

func measureStore(ctx context.Context, s *settings, name string) (err error) {
	var large, little *place
	tidy := func(f func() error) { err = errors.Join(err, f()) }
	switch name {
	case "sqlite", "sqlite3":
		dir := s.dir
		if dir == "" {
			if dir, err = os.MkdirTemp("", "ticket-scale-"); err != nil {
				return err
			}
			defer tidy(func() error { return os.RemoveAll(dir) })
		} else if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		littleDir, err := os.MkdirTemp(dir, "small-")
		if err != nil {
			return err
		}
		defer tidy(func() error { return os.RemoveAll(littleDir) })
		if large, err = openSQLite(ctx, name, filepath.Join(dir, fmt.Sprintf("%d-%d.db", s.tickets, s.archived)), s.cache, s.tickets, s.archived); err != nil {
			return err
		}
		defer tidy(large.db.Close)
		if little, err = openSQLite(ctx, name, filepath.Join(littleDir, "small.db"), s.cache, small, 0); err != nil {
			return err
		}
		defer tidy(little.db.Close)
	case "postgres", "mariadb":
		s.cache = 0
		k := kinds[name]
		server, err := k.start(ctx)
		if err != nil {
			return err
		}
		defer tidy(server.Stop)
		dsns := [2]string{*s.given[name]}
		for i, database := range []string{"large", "small"} {
			if dsns[i] == "" {
				if err := server.CreateDatabase(ctx, database); err != nil {
					return err
				}
				dsns[i] = server.DSN(k.driver, database)
			}
		}
		if large, err = k.open(ctx, dsns[0], s.tickets, s.archived); err != nil {
			return err
		}
		defer tidy(large.db.Close)
		if little, err = k.open(ctx, dsns[1], small, 0); err != nil {
			return err
		}
		defer tidy(little.db.Close)
	default:
		return fmt.Errorf("unknown store; use sqlite, sqlite3, postgres or mariadb")
	}

	var version string
	ask := "SELECT sqlite_version()"
	if k, ok := kinds[name]; ok {
		ask = k.version
	}
	if err := large.db.QueryRowContext(ctx, ask).Scan(&version); err != nil {
		return err
	}
	s.say("\n%s %s, %d tickets, %s, %d CPUs, %s", name, version, s.tickets, runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	if err := little.fill(ctx, &settings{out: io.Discard}); err != nil {
		return err
	}
	if err := large.fill(ctx, s); err != nil {
		return err
	}
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer tidy(f.Close)
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return measure(ctx, s, large, little)
}

func openSQLite(ctx context.Context, driver, file string, cache, tickets, archived int) (*place, error) {
	dsn := "file:" + file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"
	size := "&_pragma=cache_size(-%d)"
	if driver == "sqlite3" {
		dsn = "file:" + file + "?_busy_timeout=5000&_synchronous=FULL"
		size = "&_cache_size=-%d"
	}
	if cache > 0 {
		dsn += fmt.Sprintf(size, cache<<10)
	}
	p, err := open(ctx, driver, dsn, sqlstore.SQLite, tickets, archived)
	if err != nil {
		return nil, err
	}
	p.later = []string{"PRAGMA wal_checkpoint(TRUNCATE)"} // and no ANALYZE, because nobody runs it
	p.size = func(context.Context) (int64, error) {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	p.processes = func(context.Context) ([]int, error) { return nil, nil }
	return p, nil
}

func open(ctx context.Context, driver, dsn string, d sqlstore.Dialect, tickets, archived int) (*place, error) {
	db, err := dbtests.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	p := &place{db: db, made: newDesk(tickets, archived)}
	if p.store, err = sqlstore.Open(ctx, db, d, sqlstore.Search()); err == nil {
		p.desk, err = ticket.NewDesk(p.store, ticket.Config{})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return p, nil
}

// fill imports the tickets, unless they are there, and indexes them.
func (p *place) fill(ctx context.Context, s *settings) error {
	have, err := p.count(ctx, "tickets")
	if err != nil {
		return err
	}
	n := p.made.tickets
	if have == 0 {
		if err := p.load(ctx, s); err != nil {
			return err
		}
	} else if have != int64(n) {
		return fmt.Errorf("the database has %d tickets, but must have none or %d", have, n)
	}
	left, err := p.count(ctx, "unindexed")
	if err != nil {
		return err
	}
	if left > 0 {
		start, cpu := time.Now(), cputime.Self()
		if err := p.store.Maintain(ctx); err != nil {
			return err
		}
		took := time.Since(start)
		s.say("indexed for search in %s: %.0f tickets/s (CPU of this process %s)", took.Round(time.Second/10), float64(left)/took.Seconds(), (cputime.Self() - cpu).Round(time.Second/10))
	}
	if err := p.settle(ctx); err != nil {
		return err
	}
	size, err := p.size(ctx)
	if err != nil {
		return err
	}
	s.say("the database has %.2f GB; process: %s", float64(size)/1e9, machine.InUse())
	return nil
}

func (p *place) count(ctx context.Context, table string) (n int64, err error) {
	return n, p.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_"+table).Scan(&n)
}

// load imports a tenth first and then the rest, to see whether memory stays
// constant.
func (p *place) load(ctx context.Context, s *settings) error {
	s.say("memory before: %s", machine.InUse())
	start, cpu := time.Now(), cputime.Self()
	tenth, n := "", 0
	done, err := p.store.Import(ctx, func(yield func([]ticket.Event, error) bool) {
		for h, err := range p.made.histories {
			if !yield(h, err) {
				return
			}
			if n++; n == p.made.tickets/10 {
				tenth = machine.InUse().String()
			}
		}
	})
	if err != nil {
		return err
	}
	took := time.Since(start)
	s.say("imported %d tickets with %d events in %s: %.0f events/s (making them included; CPU of this process %s)",
		done.Tickets, done.Events, took.Round(time.Second/10), float64(done.Events)/took.Seconds(), (cputime.Self() - cpu).Round(time.Second/10))
	s.say("memory after a tenth: %s; after all: %s", tenth, machine.InUse())
	return nil
}

// settle waits for later work of the database.
func (p *place) settle(ctx context.Context) error {
	for _, text := range p.later {
		if _, err := p.db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
