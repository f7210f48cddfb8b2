package main

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A sabotage makes a process do something wrong. The check must find it, which proves
// that the check works. The zero functions do nothing.
type sabotage struct {
	ahead   time.Duration // of the clock of the first process
	closing time.Duration // of the workflow
	skip    func(ticket.Ref) bool
	advance []func(t *ticket.Ticket, e *ticket.Event) // after the agreement's
	alert   func(l ticket.ServiceLevels, t *ticket.Ticket, now time.Time) (ticket.ClockAlert, bool)
	// rewrite changes an event before it is written. It reports whether it did.
	rewrite []func(before *ticket.Ticket, e *ticket.Event) bool
	insist  bool // a commit that conflicts is written all the same
}

// faultsOf lists the sabotages of processes.
var faultsOf = map[string]func(s *sabotage){
	// An alert that another process was faster with is written again, as the next event.
	"insistent": func(s *sabotage) { s.insist = true },
	// The first alert of each threshold is not recorded as fired.
	"forgetful": func(s *sabotage) {
		var mu sync.Mutex
		seen := map[alertKey]bool{}
		s.advance = append(s.advance, func(t *ticket.Ticket, e *ticket.Event) {
			if e.Set.Alert == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			key := keyOf(t.ID, e.Set.Alert)
			for i := range e.Set.Clocks {
				c := &e.Set.Clocks[i]
				if was, ok := t.Clock(c.Metric); ok && c.Metric == key.metric && c.State == "running" && !seen[key] {
					c.Fired, c.Next = was.Fired, was.Next
				}
			}
			seen[key] = true
		})
	},
	// One ticket in four is never looked at.
	"blind": func(s *sabotage) { s.skip = func(r ticket.Ref) bool { return r.Ticket[len(r.Ticket)-1]%4 == 0 } },
	// The clock of one process is two hours ahead.
	"ahead": func(s *sabotage) { s.ahead = 2 * time.Hour },
	// Thresholds fire ten minutes early.
	"hasty": func(s *sabotage) {
		const early = 10 * time.Minute
		s.advance = append(s.advance, func(_ *ticket.Ticket, e *ticket.Event) {
			for i := range e.Set.Clocks {
				if next := &e.Set.Clocks[i].Next; !next.IsZero() {
					*next = next.Add(-early)
				}
			}
		})
		s.alert = func(l ticket.ServiceLevels, t *ticket.Ticket, now time.Time) (ticket.ClockAlert, bool) {
			return l.Alert(t, now.Add(early))
		}
	},
	// Clocks that have ended, or are paused, alert once more.
	"restless": func(s *sabotage) {
		s.advance = append(s.advance, func(t *ticket.Ticket, e *ticket.Event) {
			for i := range e.Set.Clocks {
				c := &e.Set.Clocks[i]
				if was, _ := t.Clock(c.Metric); c.State != "running" && was.State == "running" {
					c.Next = e.At
				} else if c.State != "running" {
					c.Next = time.Time{}
				}
			}
			if a := e.Set.Alert; a != nil {
				if c, ok := t.Clock(a.Metric); ok && c.State != "running" {
					c.Next = time.Time{}
					e.Set.Clocks = []ticket.Clock{c}
				}
			}
		})
		s.alert = func(l ticket.ServiceLevels, t *ticket.Ticket, now time.Time) (ticket.ClockAlert, bool) {
			for i := range t.Clocks {
				if c := &t.Clocks[i]; c.State != "running" && !c.Next.IsZero() {
					return ticket.ClockAlert{Metric: c.Metric, Clock: c.Event, Threshold: "due", At: c.Since, Due: c.Since}, true
				}
			}
			return l.Alert(t, now)
		}
	},
	// The clocks of solutions give a minute more than they count.
	"generous": func(s *sabotage) {
		s.advance = append(s.advance, func(_ *ticket.Ticket, e *ticket.Event) {
			for i := range e.Set.Clocks {
				if c := &e.Set.Clocks[i]; c.Metric == "solution" && !c.Due.IsZero() {
					c.Due = c.Due.Add(time.Minute)
				}
			}
		})
	},
	// Resolved tickets are closed after half the time.
	"impatient": func(s *sabotage) { s.closing /= 2 },
	// The customer's words do not end a snooze.
	"deaf": func(s *sabotage) {
		s.rewrite = append(s.rewrite, func(before *ticket.Ticket, e *ticket.Event) bool {
			deaf := e.By.Role == ticket.RoleRequester && !before.Snoozed.IsZero() && e.Set.Snoozed != nil
			if deaf {
				e.Set.Snoozed = nil
			}
			return deaf
		})
	},
	// Alerts that escalate go to the top.
	"leaping": func(s *sabotage) {
		s.rewrite = append(s.rewrite, func(before *ticket.Ticket, e *ticket.Event) bool {
			leaps := e.Set.Alert != nil && e.Action == ticket.ActionEscalate && before.Level == 1
			if leaps {
				e.To.Level = 3
			}
			return leaps
		})
	},
	// Alerts do not add tags.
	"plain": func(s *sabotage) {
		s.rewrite = append(s.rewrite, func(_ *ticket.Ticket, e *ticket.Event) bool {
			tags := e.Set.Alert != nil && e.Set.AddTags != nil
			e.Set.AddTags = nil
			return tags
		})
	},
}

// damageOf lists what is damaged before the check.
var damageOf = map[string]string{
	"unlisted": "UPDATE ticket_tickets SET missed = 0 WHERE id = (SELECT * FROM (SELECT MIN(id) FROM ticket_tickets WHERE missed > 0) one)",
	"untold":   "DELETE FROM ticket_outbox WHERE id = (SELECT * FROM (SELECT MIN(id) FROM ticket_outbox WHERE kind = 'overdue') one)",
	"mute":     "DELETE FROM ticket_outbox WHERE id = (SELECT * FROM (SELECT MIN(id) FROM ticket_outbox WHERE kind = 'reminder') one)",
}

func sabotages() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(faultsOf)), slices.Collect(maps.Keys(damageOf))...)))
}

func newSabotage(names string) *sabotage {
	s := &sabotage{closing: closing}
	for name := range strings.SplitSeq(names, ",") {
		if do := faultsOf[name]; do != nil {
			do(s)
		}
	}
	return s
}

// levels returns the service levels of a desk.
func (s *sabotage) levels(l ticket.ServiceLevels) ticket.ServiceLevels {
	if s.advance == nil && s.alert == nil {
		return l
	}
	return &bent{l, s}
}

// due returns what the desk sees of what is due.
func (s *sabotage) due(list []ticket.Ref) []ticket.Ref {
	if s.skip == nil {
		return list
	}
	return slices.DeleteFunc(list, s.skip)
}

// commit writes what a desk commits.
func (s *sabotage) commit(ctx context.Context, store *sqlstore.Store, c ticket.Commit) error {
	ch := c.Changes[0]
	one := len(c.Changes) == 1 && len(ch.Events) == 1 && ch.Expect > 0
	if len(s.rewrite) > 0 && one {
		before, err := store.Ticket(ctx, ch.Ticket.Tenant, ch.Ticket.ID)
		if err != nil {
			return err
		}
		e, other := ch.Events[0].Clone(), false
		for _, rewrite := range s.rewrite {
			other = rewrite(&before, &e) || other
		}
		if other && before.Version == ch.Expect {
			c.Changes = []ticket.Change{follow(before, e)}
		}
	}
	err := store.Commit(ctx, c)
	if !s.insist || !one || !errors.Is(err, ticket.ErrConflict) || ch.Events[0].Set.Alert == nil {
		return err
	}
	now, err := store.Ticket(ctx, ch.Ticket.Tenant, ch.Ticket.ID)
	if err != nil {
		return err
	}
	c.Changes = []ticket.Change{follow(now, ch.Events[0].Clone())}
	c.Deliveries = slices.Clone(c.Deliveries)
	for i := range c.Deliveries {
		c.Deliveries[i].Seq = now.Version + 1
	}
	return store.Commit(ctx, c)
}

// follow returns the change that writes an event after the last one of a ticket.
func follow(before ticket.Ticket, e ticket.Event) ticket.Change {
	if e.From == e.To {
		e.To, e.Phase = before.State(), before.Phase
	}
	e.Seq, e.From = before.Version+1, before.State()
	if last := latest(before.Touched, before.Checked); e.At.Before(last) {
		e.At = last
	}
	ticket.Chain{}.Seal(before.Digest, &e)
	return ticket.Change{Expect: before.Version, Ticket: ticket.Apply(before, e), Events: []ticket.Event{e}}
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// bent is an agreement with a fault.
type bent struct {
	ticket.ServiceLevels

	s *sabotage
}

// Advance completes an event.
func (b *bent) Advance(t *ticket.Ticket, e *ticket.Event, history iter.Seq2[ticket.Event, error]) error {
	err := b.ServiceLevels.Advance(t, e, history)
	if err == nil {
		for _, more := range b.s.advance {
			more(t, e)
		}
	}
	return err
}

// Alert returns the threshold that a ticket has reached.
func (b *bent) Alert(t *ticket.Ticket, now time.Time) (ticket.ClockAlert, bool) {
	if b.s.alert == nil {
		return b.ServiceLevels.Alert(t, now)
	}
	return b.s.alert(b.ServiceLevels, t, now)
}
