package storetest

import (
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysDue      = "Due returns references to tickets of all tenants whose timer has expired (Timer.At is not after now), earliest first, then by ID, at most limit of them. A limit of 0 or less means none."
	saysDueAlone = "Only the timer counts: a closed or merged ticket must be returned while it has a timer, and a ticket whose timer was stopped must not."
)

var dueRules = []rule{
	{name: "Due/passed", says: saysDue, prove: duePassed},
	{name: "Due/order", says: saysDue, prove: dueOrder},
	{name: "Due/limit", says: saysDue, prove: dueLimit},
	{name: "Due/changed", says: saysDue, prove: dueChanged},
	{name: "Due/done or merged", says: saysDueAlone, upon: []string{"Due/passed", "Due/changed"}, prove: dueDone},
	{name: "Due/copies", says: saysCopies, prove: dueCopies},
	{name: "Due/no clock", says: saysClock, prove: dueNoClock},
	{name: "Due/all tenants", says: saysDue, prove: dueTenants},
}

func refTo(c ticket.Change) ticket.Ref {
	return ticket.Ref{Tenant: c.Ticket.Tenant, Ticket: c.Ticket.ID}
}

func duePassed(k *kit) {
	running, none := k.opened(acme, timer(clock)), k.opened(acme)
	k.commit(running, none)
	k.same(k.due(clock.Add(-time.Microsecond), 10), []ticket.Ref{}, "due a microsecond before the time")
	k.same(k.due(clock, 10), []ticket.Ref{refTo(running)}, "due at the time")
	k.same(k.due(clock.Add(year), 10), []ticket.Ref{refTo(running)}, "due a year after the time")
}

func dueOrder(k *kit) {
	var changes []ticket.Change
	for i := range 40 {
		changes = append(changes, k.opened(acme, timer(clock.Add(time.Duration(i*7%10)*time.Microsecond))))
	}
	k.commit(changes...)
	slices.SortFunc(changes, func(a, b ticket.Change) int {
		if c := a.Ticket.Timer.At.Compare(b.Ticket.Timer.At); c != 0 {
			return c
		}
		return a.Ticket.ID.Compare(b.Ticket.ID)
	})
	var want []ticket.Ref
	for _, c := range changes {
		want = append(want, refTo(c))
	}
	k.same(k.due(clock.Add(time.Hour), 100), want, "due")
}

// dueLimit expects the earliest timers, wherever the store keeps them.
func dueLimit(k *kit) {
	var want []ticket.Ref
	for i := range 20 {
		c := k.opened(acme, timer(clock.Add(time.Duration(i)*time.Minute)))
		k.commit(c)
		want = append(want, refTo(c))
	}
	for _, limit := range []int{1, 2, 19, 20, 21, 0, -1} {
		k.same(k.due(clock.Add(time.Hour), limit), want[:max(0, min(limit, 20))], "due with limit %d, of 20", limit)
	}
}

func dueChanged(k *kit) {
	c := k.opened(acme, timer(clock))
	k.commit(c)
	for _, step := range []struct {
		what string
		edit edit
		at   time.Time
		want []ticket.Ref
	}{
		{"a change that leaves the timer alone", note("unchanged"), soon, []ticket.Ref{refTo(c)}},
		{"the timer was postponed", timer(soon.Add(time.Hour)), soon, nil},
		{"the time it was postponed to", note("unchanged"), clock.Add(year), []ticket.Ref{refTo(c)}},
		{"the timer was brought forward", timer(clock.Add(time.Minute)), soon, []ticket.Ref{refTo(c)}},
		{"the timer was stopped", timer(time.Time{}), clock.Add(year), nil},
		{"the timer was started again", timer(clock), soon, []ticket.Ref{refTo(c)}},
	} {
		c = next(c.Ticket, step.edit)
		k.commit(c)
		k.same(k.due(step.at, 10), step.want, "due after %s", step.what)
	}
}

// dueDone closes and merges tickets in every way, and starts and stops their timers
// before, in between and afterwards.
func dueDone(k *kit) {
	into := k.opened(acme)
	k.commit(into)
	to := func(action ticket.ActionName, s ticket.Status, p ticket.Phase) edit {
		return func(e *ticket.Event) { e.Action, e.To, e.Phase = action, ticket.State{Status: s, Level: 1}, p }
	}
	merged := func(e *ticket.Event) { e.Set.MergedInto = new(into.Ticket.ID) }
	closed := to(ticket.ActionClose, ticket.StatusClosed, ticket.PhaseClosed)
	for _, end := range []struct {
		what string
		edit edit
	}{
		{"resolved", to(ticket.ActionResolve, ticket.StatusResolved, ticket.PhaseSolved)},
		{"closed", closed},
		{"merged", merged},
		{"closed and merged", func(e *ticket.Event) { closed(e); merged(e) }},
	} {
		c := k.opened(acme, timer(clock))
		k.commit(c)
		running := []ticket.Ref{refTo(c)}
		for _, step := range []struct {
			what string
			edit edit
			want []ticket.Ref
		}{
			{"with a timer that runs", end.edit, running},
			{"and was changed afterwards", note("unchanged"), running},
			{"and whose timer was stopped afterwards", timer(time.Time{}), nil},
			{"and whose timer was started afterwards", timer(clock), running},
			{"once more, and whose timer was stopped at the same time", func(e *ticket.Event) { end.edit(e); timer(time.Time{})(e) }, nil},
			{"once more, and whose timer was started at the same time", func(e *ticket.Event) { end.edit(e); timer(clock)(e) }, running},
			{"and whose timer was stopped in the end", timer(time.Time{}), nil},
		} {
			c = next(c.Ticket, step.edit)
			k.commit(c)
			k.same(k.due(soon, 20), step.want, "due of a ticket that was %s %s", end.what, step.what)
		}
	}
}

// dueCopies overwrites its results.
func dueCopies(k *kit) {
	c := k.opened(acme, timer(clock))
	k.commit(c)
	for range 3 {
		refs := k.due(soon, 10)
		k.same(refs, []ticket.Ref{refTo(c)}, "due, after the caller changed an earlier result")
		scribble(&refs)
	}
}

// dueNoClock uses a timer in 2001, so a store that asks the system's clock fails.
func dueNoClock(k *kit) {
	c := k.opened(acme, at(then), timer(then.Add(time.Hour)))
	k.commit(c)
	k.same(len(k.due(then, 10)), 0, "due in 2001, an hour before the time")
	k.same(k.due(then.Add(2*time.Hour), 10), []ticket.Ref{refTo(c)}, "due in 2001, an hour after the time")
}

// dueTenants uses tenants whose names are known to come back changed from some stores.
func dueTenants(k *kit) {
	var want []ticket.Ref
	for i, tenant := range slices.Concat([]string{"", acme, "other"}, awkward) {
		c := k.opened(tenant, timer(clock.Add(time.Duration(i)*time.Second)))
		k.commit(c)
		want = append(want, refTo(c))
	}
	k.same(k.due(clock.Add(time.Hour), 100), want, "due in many tenants")
}
