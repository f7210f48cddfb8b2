package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysDue      = "Due returns references to tickets of all tenants that the desk must look at (Ticket.Wake is not zero and not after now), earliest first, then by ID, at most limit of them. A limit of 0 or less means none."
	saysDueAlone = "Only Wake counts: a closed, merged or archived ticket must be returned while it has one, and a ticket without one must not."
)

var dueRules = []rule{
	{name: "Due/passed", says: saysDue, prove: duePassed},
	{name: "Due/order", says: saysDue, prove: dueOrder},
	{name: "Due/limit", says: saysDue, prove: dueLimit},
	{name: "Due/changed", says: saysDue, prove: dueChanged},
	{name: "Due/done or merged", says: saysDueAlone, upon: []string{"Due/passed", "Due/changed"}, prove: dueDone},
	{name: "Due/each reason", says: saysDue, upon: dueUpon, prove: dueReasons},
	{name: "Due/earliest reason", says: saysDue, upon: append([]string{"Due/each reason"}, dueUpon...), prove: dueEarliest},
	{name: "Due/reasons in order", says: saysDue, upon: append([]string{"Due/order", "Due/limit", "Due/each reason"}, dueUpon...), prove: dueReasonsInOrder},
	{name: "Due/whatever the state", says: saysDueAlone, upon: append([]string{"Due/each reason", "Due/earliest reason", "Due/done or merged"}, dueUpon...), prove: dueWhatever},
	{name: "Due/copies", says: saysCopies, prove: dueCopies},
	{name: "Due/no clock", says: saysClock, prove: dueNoClock},
	{name: "Due/all tenants", says: saysDue, prove: dueTenants},
}

// dueUpon names the cases that those about other reasons than timers build upon.
var dueUpon = []string{"Due/passed", "Due/changed", "Due/copies"}

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

// A reason is why the desk must look at a ticket at a time.
type reason struct {
	what string
	edit func(at time.Time) edit // the zero time ends it
}

// reasons returns all of them: the timer, the snooze and the clock of each metric.
func reasons() []reason {
	all := []reason{{"a timer", timer}, {"a snooze", snooze}, {"a rating to ask for", rating}}
	for _, metric := range metrics {
		all = append(all, reason{"the clock " + metric, func(at time.Time) edit { return lookAt(metric, at) }})
	}
	return all
}

// rating sets when the desk asks for a rating.
func rating(at time.Time) edit {
	return func(e *ticket.Event) { e.Set.FeedbackDue = &at }
}

// lookAt sets a clock that the desk must look at, and that is due much later.
func lookAt(metric string, at time.Time) edit {
	c := dueClock(metric, clock.Add(year))
	c.Next = at
	return clocks(c)
}

// dueReasons gives a ticket each reason alone.
func dueReasons(k *kit) {
	for _, r := range reasons() {
		c := k.opened(acme, r.edit(soon))
		k.commit(c)
		k.same(k.due(soon.Add(-time.Microsecond), 10), []ticket.Ref{}, "due a microsecond before %s", r.what)
		k.same(k.due(soon, 10), []ticket.Ref{refTo(c)}, "due at the time of %s", r.what)
		k.same(k.due(clock.Add(2*year), 10), []ticket.Ref{refTo(c)}, "due long after the time of %s", r.what)
		c = next(c.Ticket, note("unchanged"))
		k.commit(c)
		k.same(k.due(soon, 10), []ticket.Ref{refTo(c)}, "due at the time of %s, after another change", r.what)
		c = next(c.Ticket, r.edit(time.Time{}))
		k.commit(c)
		k.same(k.due(clock.Add(2*year), 10), []ticket.Ref{}, "due after the end of %s", r.what)
	}
}

// dueEarliest gives a ticket all reasons, moves each of them to the front, and ends them
// one by one, with events of the desk.
func dueEarliest(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	change := func(edit edit) {
		c = next(c.Ticket, func(e *ticket.Event) { quiet(e); edit(e) })
		k.commit(c)
	}
	see := func(at time.Time, what string, args ...any) {
		k.Helper()
		k.same(k.due(at.Add(-time.Microsecond), 10), []ticket.Ref{}, "due a microsecond before %s", fmt.Sprintf(what, args...))
		k.same(k.due(at, 10), []ticket.Ref{refTo(c)}, "due at %s", fmt.Sprintf(what, args...))
	}
	all := reasons()
	minute := func(n int) time.Time { return soon.Add(time.Duration(n) * time.Minute) }
	for i, r := range all {
		change(r.edit(minute(len(all) - i)))
		see(minute(len(all)-i), "%s, the %d. and earliest reason", r.what, i+1)
	}
	for _, r := range all {
		change(r.edit(soon))
		see(soon, "%s, the earliest of all reasons", r.what)
		change(r.edit(minute(20)))
	}
	for i, r := range all {
		change(r.edit(minute(i)))
	}
	for i, r := range all {
		see(minute(i), "%s, with %d earlier reasons that have ended", r.what, i)
		change(r.edit(time.Time{}))
	}
	k.same(k.due(clock.Add(2*year), 10), []ticket.Ref{}, "due after all reasons have ended")
}

// dueReasonsInOrder has one ticket for each reason and time.
func dueReasonsInOrder(k *kit) {
	var want []ticket.Ref
	all := reasons()
	for i := range 3 * len(all) {
		at := clock.Add(time.Duration(i) * time.Microsecond)
		c := k.opened(acme, all[i%len(all)].edit(at))
		k.commit(c)
		want = append(want, refTo(c))
	}
	for _, limit := range []int{1, 5, len(want) - 1, 100} {
		k.same(k.due(soon, limit), want[:min(limit, len(want))], "due for all reasons with limit %d, of %d", limit, len(want))
	}
}

// dueWhatever has reasons in tickets that are done or merged, and clocks that do not run.
func dueWhatever(k *kit) {
	into := k.opened(acme)
	k.commit(into)
	for _, r := range reasons()[1:] { // Due/done or merged is about the timer
		for what, end := range map[string]edit{
			"closed": func(e *ticket.Event) { e.To.Status, e.Phase = ticket.StatusClosed, ticket.PhaseClosed },
			"solved": func(e *ticket.Event) { e.To.Status, e.Phase = ticket.StatusResolved, ticket.PhaseSolved },
			"merged": func(e *ticket.Event) { e.Set.MergedInto = new(into.Ticket.ID) },
		} {
			c := k.opened(acme, r.edit(soon), end)
			k.commit(c)
			k.same(k.due(soon, 10), []ticket.Ref{refTo(c)}, "due of a ticket that was %s, with %s", what, r.what)
			c = next(c.Ticket, r.edit(time.Time{}))
			k.commit(c)
			k.same(k.due(clock.Add(2*year), 10), []ticket.Ref{}, "due of a ticket that was %s, after the end of %s", what, r.what)
		}
	}
	for _, state := range []string{"paused", "met", "missed", "void"} {
		c := dueClock("solution", time.Time{})
		c.State, c.Next = state, soon
		ch := k.opened(acme, clocks(c))
		k.commit(ch)
		k.same(k.due(soon, 10), []ticket.Ref{refTo(ch)}, "due with a clock that is %s and has a Next", state)
		c.Due, c.Next = soon, time.Time{}
		k.commit(next(ch.Ticket, clocks(c)))
		k.same(k.due(clock.Add(2*year), 10), []ticket.Ref{}, "due with a clock that is %s, has no Next and is due itself", state)
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
