// Replay imports an incident log into a desk and prints a summary of the result. It shows
// how to import the cases of an older system with their original times, and checks that
// the default workflow allows every path of real tickets.
//
//	go run ./examples/replay [-store memory|sqlite|postgres|mysql] [-dsn NAME] [-sla POLICY.json] [FILE.csv[.gz]]
//
// Tickets are kept in memory, or in the empty database that -dsn names in the form of its
// driver. For SQLite the default is a temporary file. Without a FILE it replays a small
// built-in log. A log needs the columns case, time, status, substatus, team, line, impact,
// product, country, owner_country and agent, as in the incident log of the BPI Challenge
// 2013 (doi 10.4121/uuid:500573e6-accc-4b0c-9576-aa5468b10cee).
//
// With -sla it then measures the tickets by the service levels in POLICY.json, which is in
// the form of [sla.Parse]: which targets were met and missed, and how much time desk,
// customer and others used, in the hours of the first calendar. The directory has
// sample-policy.json for the built-in log, and volvo-policy.json for the log of the BPI
// Challenge.
//
// The exit status is 1 if a row was refused, a history does not verify, a recorded clock
// differs from that of the whole history, or the time of a ticket does not add up.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket/examples/internal/incidents"
	"github.com/ticketkit/ticket/sla"
)

//go:embed sample.csv
var sample string

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("store", "memory", "where to keep tickets: memory, sqlite, postgres or mysql")
	dsn := flags.String("dsn", "", "the data source `name` of an empty database")
	policy := flags.String("sla", "", "a `file` with service levels to measure the tickets by")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var agreement *sla.Agreement
	if *policy != "" {
		if agreement, err = readPolicy(*policy); err != nil {
			return err
		}
	}
	var rows []incidents.Row
	switch flags.NArg() {
	case 0:
		rows, err = incidents.Read(strings.NewReader(sample))
	case 1:
		rows, err = incidents.ReadFile(flags.Arg(0))
	default:
		err = errors.New("expected at most one FILE.csv or FILE.csv.gz")
	}
	if err != nil {
		return err
	}

	store, done, err := openStore(ctx, *name, *dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()

	began := time.Now()
	p, err := incidents.NewReplayer(store, agreement)
	if err != nil {
		return err
	}
	show := progress(stderr)
	for i, r := range rows {
		if err := p.Follow(ctx, r); err != nil {
			return err
		}
		show(i+1, len(rows))
	}
	took := time.Since(began)

	began = time.Now()
	s, err := summarize(ctx, p.Desk)
	if err != nil {
		return err
	}
	looked := time.Since(began)
	notes := log.New(stderr, "", 0)
	for _, refusal := range p.Refusals {
		notes.Print(refusal)
	}
	notes.Printf("%d events in %v, %.0f/s; read back and verified in %v", s.events, took.Round(time.Millisecond),
		float64(s.events)/took.Seconds(), looked.Round(time.Millisecond))
	if _, err := fmt.Fprintf(stdout, "rows                  %7d, %d skipped\nactions               %7d, %d refused\n%s",
		len(rows), len(p.Refusals), p.Actions, len(p.Refusals), s); err != nil {
		return err
	}
	var faults error
	if agreement != nil {
		began = time.Now()
		levels, err := measure(ctx, p.Desk, agreement, len(p.Tickets), p.Now, progress(stderr))
		if err != nil {
			return err
		}
		notes.Printf("service levels of %d tickets in %v", levels.result.Tickets, time.Since(began).Round(time.Millisecond))
		if _, err := fmt.Fprint(stdout, levels); err != nil {
			return err
		}
		faults = levels.faults
	}
	switch {
	case len(p.Refusals) > 0:
		return fmt.Errorf("%d rows were refused", len(p.Refusals))
	default:
		return errors.Join(s.faults, faults)
	}
}

// progress returns a function that shows the progress: a bar on a terminal, nothing
// elsewhere.
func progress(w io.Writer) func(done, of int) {
	f, ok := w.(*os.File)
	if !ok {
		return func(int, int) {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(int, int) {}
	}
	const width = 50
	shown := -1
	return func(done, of int) {
		n := done * width / of
		if n == shown {
			return
		}
		shown = n
		_, _ = fmt.Fprintf(f, "\r[%-*s] %3d%%", width, strings.Repeat("=", n), done*100/of)
		if done == of {
			_, _ = fmt.Fprintln(f)
		}
	}
}
