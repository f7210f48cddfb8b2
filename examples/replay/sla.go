package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

// readPolicy reads and compiles a description of service levels.
func readPolicy(path string) (*sla.Agreement, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	spec, err := sla.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a, err := spec.Compile(sla.Known{Workflows: []*ticket.Workflow{ticket.DefaultWorkflow().MustCompile(nil)}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// service is the result of a simulation of the stored tickets.
type service struct {
	result sla.Result
	usage  sla.UsageTable
	hours  *businesshours.Calendar // of the usage; nil means round the clock

	same, exact int   // tickets whose clocks are those of a simulation; whose time adds up
	faults      error // of the other tickets
}

// measure simulates the agreement over the stored tickets, as of now, and compares the
// clocks that the desk has recorded, event by event, with those of the whole history.
func measure(ctx context.Context, desk *ticket.Desk, a *sla.Agreement, tickets int, now time.Time, show func(done, of int)) (*service, error) {
	s := &service{}
	if list := a.Spec().Calendars; len(list) > 0 {
		s.hours, _ = a.Calendar(list[0].Name)
	}
	var different, inexact []string
	simulation := sla.Simulation{
		Agreement: a,
		Now:       now,
		Progress:  func(done, _ int) { show(done, tickets) },
		Each: func(one sla.Simulated) error {
			simulated, err := recomputed(a, one)
			if err != nil {
				return err
			}
			if simulated.Equal(one.Ticket) {
				s.same++
			} else {
				different = append(different, string(one.Ticket.Number))
			}
			u, err := sla.UsageOf(one.Events, s.hours, now)
			if err != nil {
				return err
			}
			s.usage.Add(u)
			sum := u.Closed()
			for _, h := range sla.Holders() {
				sum += u.Open(h)
			}
			if end := endOf(one.Ticket, now); sum == end.Sub(one.Ticket.Created) && u.To.Equal(end) {
				s.exact++
			} else {
				inexact = append(inexact, string(one.Ticket.Number))
			}
			return nil
		},
	}
	var err error
	s.result, err = simulation.Run(ctx, sla.Histories(ctx, desk, ticket.System("replay"), ticket.Query{Limit: ticket.MaxLimit}))
	if len(different)+len(inexact) > 0 {
		s.faults = fmt.Errorf("clocks differ from those of the history: %q; the time does not add up: %q", different, inexact)
	}
	return s, err
}

// recomputed returns the ticket with the clocks of its whole history.
func recomputed(a *sla.Agreement, one sla.Simulated) (ticket.Ticket, error) {
	line := a.Timeline()
	for _, e := range one.Events {
		if err := line.Add(e); err != nil {
			return ticket.Ticket{}, err
		}
	}
	t := one.Ticket
	t.Clocks = line.Recorded()
	return t, nil
}

// endOf returns when the ticket last became finished, and now if it is not. In the log a
// finished ticket is resolved or cancelled before anything else happens to it.
func endOf(t ticket.Ticket, now time.Time) time.Time {
	switch {
	case !t.Phase.Done():
		return now
	case t.Resolved.IsZero():
		return t.Closed
	}
	return t.Resolved
}

// shownQueues is the number of queues that String shows.
const shownQueues = 10

// String formats the service levels for printing.
func (s *service) String() string {
	var b strings.Builder
	head := func(what string) {
		fmt.Fprintf(&b, "\n%-28s%8s%8s%8s%8s%8s%8s\n", what, "met", "missed", "late", "running", "void", "met")
	}
	line := func(what string, t sla.Tally) {
		share := "-"
		if met, ok := t.Share(); ok {
			share = fmt.Sprintf("%.1f%%", 100*met)
		}
		fmt.Fprintf(&b, "%-28s%8d%8d%8d%8d%8d%8s\n", what, t.Met, t.Missed, t.Late, t.Running, t.Void, share)
	}
	head("targets by metric")
	for _, r := range s.result.Group(func(r sla.Row) sla.Row { return sla.Row{Metric: r.Metric} }) {
		line(string(r.Metric), r.Tally)
	}
	head("by metric and policy")
	for _, r := range s.result.Group(func(r sla.Row) sla.Row { return sla.Row{Metric: r.Metric, Policy: r.Policy} }) {
		line(fmt.Sprintf("%s, %s", r.Metric, r.Policy), r.Tally)
	}
	head("by metric and level")
	for _, r := range s.result.Group(func(r sla.Row) sla.Row { return sla.Row{Metric: r.Metric, Level: r.Level} }) {
		line(fmt.Sprintf("%s, level %d", r.Metric, r.Level), r.Tally)
	}
	queues := s.result.Group(func(r sla.Row) sla.Row { return sla.Row{Queue: r.Queue, Metric: r.Metric} })
	slices.SortStableFunc(queues, func(a, b sla.Row) int {
		return cmp.Compare(b.Missed+b.Late, a.Missed+a.Late)
	})
	more := len(queues) - min(len(queues), shownQueues)
	head("by queue, most missed first")
	for _, r := range queues[:len(queues)-more] {
		line(fmt.Sprintf("%s, %s", r.Queue, r.Metric), r.Tally)
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}

	s.writeUsage(&b)
	fmt.Fprintf(&b, "\nclocks as recorded    %7d\ntime adds up          %7d\n", s.same, s.exact)
	return b.String()
}

// writeUsage writes the time of each holder. The queues of a level are one line.
func (s *service) writeUsage(b *strings.Builder) {
	name := "round the clock"
	if s.hours != nil {
		name = s.hours.Name()
	}
	type line struct {
		name  string
		hours float64
	}
	var lines []line
	var closed, total float64
	for _, r := range s.usage.Rows() {
		what := string(r.Holder)
		switch {
		case r.Holder == sla.HolderDesk:
			what = fmt.Sprintf("desk, level %d", r.Level)
		case r.Reason != "":
			what += ", " + r.Reason
		}
		if n := len(lines); n == 0 || lines[n-1].name != what {
			lines = append(lines, line{name: what})
		}
		lines[len(lines)-1].hours += r.Open
		closed += r.Closed
		total += r.Open + r.Closed
	}
	lines = append(lines, line{"closed hours", closed}, line{"total", total})
	fmt.Fprintf(b, "\n%-28s%12s%8s\n", "time used, calendar "+name, "hours", "share")
	for _, l := range lines {
		fmt.Fprintf(b, "%-28s%12.1f%7.1f%%\n", l.name, l.hours, 100*l.hours/max(total, 1e-9))
	}
}
