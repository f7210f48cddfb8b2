package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sla"
)

// looker sees every ticket.
var looker = ticket.System("timers")

// A checking compares the histories with what the agreement and the workflow say.
type checking struct {
	*timing

	office *businesshours.Calendar
	now    time.Time
	passes []pass
	rows   map[place][]ticket.Delivery
}

// A place is an event.
type place struct {
	ticket ticket.ID
	seq    int64
}

// A pass is a time in which a process looked at everything that was due.
type pass struct{ from, to time.Time }

// check runs all checks.
func (r *timing) check(ctx context.Context) error {
	for name := range strings.SplitSeq(r.Sabotage, ",") {
		if damage := damageOf[name]; damage != "" {
			if _, err := r.DB.ExecContext(ctx, damage); err != nil {
				return err
			}
		}
	}
	c := &checking{timing: r, now: r.Clock.Now(), rows: map[place][]ticket.Delivery{}}
	c.office, _ = agreement.Calendar(office)
	for _, step := range []func(context.Context) error{c.journals, c.outbox, c.histories, r.lists} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// journals reads the journals of all processes.
func (c *checking) journals(context.Context) error {
	c.report.said = map[string]int{}
	return c.Journals("[fw]*", func(path string) error {
		list, err := ordeal.Lines(path)
		for _, line := range list {
			if err := c.entry(line); err != nil {
				return fmt.Errorf("%s: %q: %w", path, line, err)
			}
		}
		return err
	})
}

func (c *checking) entry(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case ordeal.EntrySaid:
		c.report.said[rest]++
	case entryAhead:
		c.report.note(&c.report.early, "the event was written before its time: %s", rest)
	case entryPass:
		from, to, _ := strings.Cut(rest, " ")
		a, err := strconv.ParseInt(from, 10, 64)
		if err != nil {
			return err
		}
		b, err := strconv.ParseInt(to, 10, 64)
		if err != nil {
			return err
		}
		c.passes = append(c.passes, pass{time.Unix(0, a), time.Unix(0, b)})
	}
	return nil
}

// outbox reads the whole outbox.
func (c *checking) outbox(ctx context.Context) error {
	list, err := c.Deliveries(ctx)
	for _, d := range list {
		at := place{d.Ticket, d.Seq}
		c.rows[at] = append(c.rows[at], d)
	}
	return err
}

// histories checks every ticket.
func (c *checking) histories(ctx context.Context) error {
	rep := c.report
	all, err := c.all(ctx)
	if err != nil {
		return err
	}
	rep.tickets = len(all)
	for _, t := range all {
		if err := c.desk.Verify(ctx, looker, t.ID); err != nil {
			rep.note(&rep.wrong, "ticket %s: %v", t.ID, err)
		}
		events, err := c.Store.Events(ctx, t.Tenant, t.ID, 0, 0)
		if err != nil {
			return err
		}
		rep.events += len(events)
		l := &life{checking: c, line: agreement.Timeline(), fired: map[alertKey]bool{}}
		for i := range events {
			if err := l.event(&events[i]); err != nil {
				rep.note(&rep.wrong, "ticket %s: %v", t.ID, err)
				break
			}
		}
		if err := l.end(&t); err != nil {
			return err
		}
	}
	return nil
}

// lists checks that the lists of the store are those of its tickets.
func (r *timing) lists(ctx context.Context) error {
	all, err := r.settled(ctx)
	if err != nil {
		return err
	}
	now := r.Clock.Now()
	metrics := []string{""}
	for _, m := range sla.Metrics() {
		metrics = append(metrics, string(m))
	}
	for _, m := range metrics {
		for _, q := range []ticket.Query{
			{Missed: true}, {DueBefore: now}, {Order: ticket.OrderSoonestDue}, {DueBefore: now.Add(time.Hour), Order: ticket.OrderSoonestDue},
			{Missed: true, DueBefore: now, NotMerged: true, Order: ticket.OrderMostUrgent}, {DueBefore: now, NotSnoozed: true, Phase: ticket.OpenPhases()},
		} {
			q.Metric = m
			if err := r.list(ctx, all, q); err != nil {
				return err
			}
		}
	}
	have, err := r.Store.Due(ctx, now, len(all)+1)
	if err != nil {
		return err
	}
	due := slices.DeleteFunc(slices.Clone(all), func(t ticket.Ticket) bool { return t.Wake().IsZero() || t.Wake().After(now) })
	slices.SortFunc(due, func(a, b ticket.Ticket) int {
		if n := a.Wake().Compare(b.Wake()); n != 0 {
			return n
		}
		return a.ID.Compare(b.ID)
	})
	r.report.lists++
	if !slices.EqualFunc(have, due, func(ref ticket.Ref, t ticket.Ticket) bool { return ref.Ticket == t.ID && ref.Tenant == t.Tenant }) {
		r.report.note(&r.report.wrong, "the store has %d tickets that are due, and lists %d or in another order", len(due), len(have))
	}
	return nil
}

// list compares a list of the store with its tickets.
func (r *timing) list(ctx context.Context, all []ticket.Ticket, q ticket.Query) error {
	want := slices.DeleteFunc(slices.Clone(all), func(t ticket.Ticket) bool { return !q.Match(&t) })
	slices.SortFunc(want, func(a, b ticket.Ticket) int { return q.PlaceOf(&a).Compare(q.PlaceOf(&b)) })
	var have []ticket.Ticket
	r.report.lists++
	for page := q; ; {
		got, err := r.Store.List(ctx, page)
		if err != nil {
			return err
		}
		have = append(have, got.Tickets...)
		if page.After = got.Next; page.After == "" {
			break
		}
	}
	if !slices.EqualFunc(have, want, func(a, b ticket.Ticket) bool { return a.ID == b.ID }) {
		r.report.note(&r.report.wrong, "%d tickets match missed %t, due before %s, not merged %t, not snoozed %t by the metric %q in the order %q, and the store lists %d, or in another order",
			len(want), q.Missed, q.DueBefore, q.NotMerged, q.NotSnoozed, q.Metric, q.Order, len(have))
	}
	return nil
}
