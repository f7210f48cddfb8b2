// Command bench measures sqlstore against the bare database. It compares each figure
// of the library with that of hand-written statements that write the same rows, with
// the same driver, to the same schema, with the same durability (see package bare).
// The ratio is the result. The two alternate in many short rounds, because a
// machine's speed varies from minute to minute.
//
//	go run ./internal/dbtests/cmd/bench                       # all, some ten minutes
//	go run ./internal/dbtests/cmd/bench -store postgres -only Do/1
//
// It starts PostgreSQL and MariaDB and stops them at the end. A missed aim does not
// change the exit status, which is 0 after a measurement.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/machine"
)

type settings struct {
	stores   []string
	callers  []int
	duration time.Duration
	rounds   int
	tickets  int
	rows     int // of an import
	only     *regexp.Regexp
	dir      string
	cancel   bool
	log      io.Writer
	notes    []string // about the machine
}

func (s *settings) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

var storeNames = []string{"instant", "sqlite", "sqlite3", "postgres", "mysql"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	stores := flags.String("store", strings.Join(storeNames, ","), "a comma-separated list of databases: sqlite is modernc's driver, sqlite3 is mattn's, instant answers at once")
	callers := flags.String("callers", "1,8", "the numbers of concurrent callers")
	seconds := flags.Float64("seconds", 0.5, "the seconds that a contestant works in a round")
	rounds := flags.Int("rounds", 15, "the number of rounds")
	tickets := flags.Int("tickets", 10_000, "the number of tickets before the measurement")
	rows := flags.Int("import", 5_000, "the number of tickets to import in a round")
	only := flags.String("only", "", "only measurements whose name this regular expression matches, such as 'FULL/Do/1'")
	dir := flags.String("dir", "", "the folder for SQLite's files; default: a temporary one")
	cancel := flags.Bool("cancel", false, "give every call a context that could be cancelled, as a server does; drivers and database/sql then do more")
	profile := flags.String("cpuprofile", "", "write a profile to this file; go tool pprof -tagfocus='work=library PostgreSQL/Do/1' shows the library's part of a measurement")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	s := settings{duration: time.Duration(*seconds * float64(time.Second)), rounds: *rounds, tickets: *tickets, rows: *rows, cancel: *cancel, log: os.Stderr}
	if s.duration <= 0 || s.rounds < 1 || s.tickets < 100 || s.rows < 1 {
		return errors.New("-seconds, -rounds and -import must be positive, -tickets at least 100")
	}
	for name := range strings.SplitSeq(*stores, ",") {
		if !slices.Contains(storeNames, name) {
			return fmt.Errorf("unknown store %q; use %s", name, strings.Join(storeNames, ", "))
		}
		s.stores = append(s.stores, name)
	}
	for text := range strings.SplitSeq(*callers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostCallers {
			return fmt.Errorf("-callers: %q is not a number from 1 to %d", text, mostCallers)
		}
		s.callers = append(s.callers, n)
	}
	if s.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(*dir, "ticket-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	if *profile != "" {
		f, create := os.Create(*profile)
		if create != nil {
			return create
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	var results []result
	s.note("%s, %d cores, %d rounds of %v, load %s", runtime.Version(), runtime.GOMAXPROCS(0), s.rounds, s.duration, machine.Load())
	for _, name := range s.stores {
		list, fault := measureStore(ctx, &s, name)
		results = append(results, list...)
		if fault != nil {
			err = fmt.Errorf("%s: %w", name, fault)
			break
		}
	}
	s.note("load %s at the end", machine.Load())
	_, _ = fmt.Println(strings.Join(s.notes, "; ") + "\n")
	return errors.Join(err, table(os.Stdout, results))
}
