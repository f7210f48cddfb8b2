// Report prints the report of one month as tables, and draws it as SVG files.
//
//	go run ./examples/report [-month 2026-03] [-zone Europe/Berlin] [-svg DIR] [-json FILE] [-log FILE.csv[.gz]]
//
// Without -log it makes up some tickets. A log is an incident log as the example replay
// reads it, such as that of the BPI Challenge 2013 (doi
// 10.4121/uuid:500573e6-accc-4b0c-9576-aa5468b10cee). Its tickets are performed on a desk in
// memory first, so the report reads the histories of a desk, as in production.
//
// The month is the last one that the log has as a whole, unless you name one. A month that
// is not over is reported as far as the log goes. One pass over
// the histories makes the report of the month and those of the five months before, which
// the drawings of the times compare.
//
// The files are drawn without a library for charts, as the console of package web draws its
// reports; see examples/internal/charts.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/internal/charts"
	"github.com/ticketkit/ticket/examples/internal/incidents"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/report"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// compared is how many months the drawings of times have.
const compared = 6

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	log := flags.String("log", "", "an incident log as a CSV `file`, perhaps compressed")
	month := flags.String("month", "", "the `month`, such as 2026-03")
	zoneName := flags.String("zone", "UTC", "the time `zone` of days and months, such as Europe/Berlin")
	svg := flags.String("svg", "", "a `directory` for the drawings")
	jsonFile := flags.String("json", "", "a `file` for the report as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	zone, err := time.LoadLocation(*zoneName)
	if err != nil {
		return err
	}

	rows := synthetic()
	if *log != "" {
		if rows, err = incidents.ReadFile(*log); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return errors.New("the log has no rows")
	}
	p, err := incidents.NewReplayer(memstore.New(), nil)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := p.Follow(ctx, r); err != nil {
			return err
		}
	}

	chosen := p.Now.In(zone).AddDate(0, 0, -p.Now.In(zone).Day()) // in the month before
	if *month != "" {
		if chosen, err = time.ParseInLocation("2006-01", *month, zone); err != nil {
			return fmt.Errorf("month %q is not of the form 2006-01", *month)
		}
	}
	reports, err := reportsOf(ctx, p.Desk, chosen, p.Now, zone)
	if err != nil {
		return err
	}
	r := reports[len(reports)-1].Report
	for _, t := range r.Tables() {
		if _, err := fmt.Fprintln(stdout, t); err != nil {
			return err
		}
	}
	if *jsonFile != "" {
		if err := write(*jsonFile, r.WriteJSON); err != nil {
			return err
		}
	}
	if *svg == "" {
		return nil
	}
	if err := os.MkdirAll(*svg, 0o755); err != nil {
		return err
	}
	for _, c := range charts.Of(reports) {
		if err := write(filepath.Join(*svg, c.Name+".svg"), c.WriteSVG); err != nil {
			return err
		}
	}
	return nil
}

// reportsOf makes the reports of a month and of those before it in one pass.
func reportsOf(ctx context.Context, desk *ticket.Desk, month, now time.Time, zone *time.Location) ([]charts.Month, error) {
	var list []charts.Month
	for i := 1 - compared; i <= 0; i++ {
		from, to := report.Month(month.Year(), month.Month()+time.Month(i), zone)
		if from.Before(now) && now.Before(to) {
			to = now // so far
		}
		r, err := report.New(report.Config{From: from, To: to, Now: now, Zone: zone})
		if err != nil {
			return nil, err
		}
		list = append(list, charts.Month{Name: from.In(zone).Format("2006-01"), Report: r})
	}
	for history, err := range desk.Histories(ctx, ticket.System("report"), ticket.ID{}) {
		for _, m := range list {
			if err == nil {
				err = m.Report.Add(history)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// write makes a file.
func write(name string, content func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = content(f)
	return cmp.Or(err, f.Close())
}
