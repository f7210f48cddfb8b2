package storetest

import (
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const saysTouched = "the time of the last event, those of [ActionClock], [ActionErase] and [ActionArchive] excepted"

var clockRules = []rule{
	{name: "Values/clocks", says: saysText, upon: []string{"Commit/", "Values/text", "Values/zero", "Values/times"}, prove: valueClocks},
	{name: "List/by clocks", says: saysMatch, upon: []string{"List/match", "List/order"}, prove: listClocks},
	{name: "List/events of clocks", says: saysTouched, upon: []string{"Stages/", "List/match", "List/order", "List/after a change"}, prove: listQuiet},
	{name: "List/snoozed", says: saysList, upon: []string{"List/match", "List/merged", "List/order", "List/after a change"}, prove: listSnoozed},
	{name: "List/after a change of clocks", says: saysList, upon: []string{"List/match", "List/merged", "List/order", "List/by clocks", "List/events of clocks", "List/snoozed", "List/after a change"}, prove: listClocksChanged},
}

// dueClock returns a clock that runs.
func dueClock(metric string, due time.Time) ticket.Clock {
	return ticket.Clock{
		Metric: metric, Event: 1, Policy: "standard", Version: 1, Within: 8 * time.Hour,
		State: "running", Started: clock, Since: clock, Due: due,
	}
}

// metricOfDue is the metric of the clock that due sets.
const metricOfDue = "solution"

// clocks sets clocks of the ticket.
func clocks(list ...ticket.Clock) edit {
	return func(e *ticket.Event) { e.Set.Clocks = list }
}

// due gives the ticket a target that is due at this time.
func due(at time.Time) edit { return clocks(dueClock(metricOfDue, at)) }

// inState sets the clock of due, in a state and without a time when it is due.
func inState(state string) edit {
	c := dueClock(metricOfDue, time.Time{})
	c.State = state
	return clocks(c)
}

// met ends the clock of due. It was due soon.
func met(e *ticket.Event) {
	c := dueClock(metricOfDue, soon)
	c.State = "met"
	clocks(c)(e)
}

// snooze sets when the ticket wakes; the zero time ends the snooze.
func snooze(t time.Time) edit { return func(e *ticket.Event) { e.Set.Snoozed = &t } }

// quiet makes an event one of the desk about clocks.
func quiet(e *ticket.Event) { e.Action, e.By = ticket.ActionClock, ticket.By{Role: ticket.RoleSystem} }

// valueClocks stores clocks of all metrics with awkward text, with zero values, and with
// the least and the greatest values.
func valueClocks(k *kit) {
	var zero, full, least, most []ticket.Clock
	for i, metric := range metrics {
		text := func(n int) string { return awkward[(i*7+n)%len(awkward)] }
		at := func(n int) time.Time { return clock.Add(time.Duration(100*i+n) * time.Microsecond) }
		zero = append(zero, ticket.Clock{Metric: metric})
		full = append(full, ticket.Clock{
			Metric: metric, Event: int64(i + 1), Policy: text(1), Version: 7 + i, Within: 1<<60 + 1, Level: i, Queue: text(2),
			State: text(3), Started: at(1), Since: at(2), Counted: time.Minute + 1, Due: at(3), Breached: at(4), Missed: 2 + i,
			Fired: []string{text(4), "", text(5), "30m before due", "due"}, Next: at(5),
		})
		least = append(least, ticket.Clock{
			Metric: metric, Event: math.MinInt64, Version: -1, Within: math.MinInt64, Level: -1, State: "running",
			Started: firstYear, Since: firstYear, Counted: math.MinInt64, Due: firstYear, Breached: firstYear, Missed: -1, Next: firstYear, Fired: []string{""},
		})
		most = append(most, ticket.Clock{
			Metric: metric, Event: math.MaxInt64, Version: math.MaxInt32, Within: math.MaxInt64, Level: math.MaxInt32, State: "running",
			Started: lastYear, Since: lastYear, Counted: math.MaxInt64, Due: lastYear, Breached: lastYear, Missed: math.MaxInt32, Next: lastYear,
			Fired: slices.Repeat([]string{"due"}, 100),
		})
	}
	edits := []edit{
		clocks(full...),
		func(e *ticket.Event) {
			clocks(zero...)(e)
			e.Set.Policy, e.Set.PolicyVersion, e.Set.Promised, e.Set.Snoozed = new(""), new(0), new(time.Time{}), new(time.Time{})
			e.Set.Alert = &ticket.ClockAlert{}
		},
		func(e *ticket.Event) {
			quiet(e)
			clocks(least[1], least[3])(e)
			e.Set.Promised, e.Set.Snoozed = new(firstYear), new(lastYear)
		},
		clocks(most[0], most[4]),
		func(e *ticket.Event) {
			quiet(e)
			e.Set.Policy, e.Set.PolicyVersion = new("\u202estandard"), new(math.MaxInt32)
			e.Set.Alert = &ticket.ClockAlert{
				Metric: "level", Clock: math.MaxInt64, Threshold: "80% of \"Straße\"", At: firstYear, Due: lastYear, Late: true,
				Tell: []string{"assignee", "queue", "agents", "requester"}, Escalate: true, HandOver: "日本語", Raise: ticket.GradeCritical, Tags: []string{"late", ""},
			}
		},
	}
	for i := range edits { // the first is all that is stored, and then all of them
		c := k.opened("clocks", edits[i])
		k.commit(c)
		k.stands(c.Ticket, c.Events)
	}
	c := k.opened(acme, append(edits, note("the last one"))...)
	k.stores(ticket.Commit{
		Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{k.delivery(c.Ticket)}, Receipt: receiptFor(c.Ticket, "key"),
	})
	times(reflect.ValueOf([]any{k.ticket(c.Ticket), k.events(c.Ticket)}), func(t time.Time) {
		if t.Location() != time.UTC {
			k.fail("got the time %v in the location %v", t, t.Location())
		}
	})
}

// clockQueries go by clocks and snoozes, with and without other conditions.
var clockQueries = func() []ticket.Query {
	all := []ticket.Query{{NotSnoozed: true}, {NotSnoozed: true, Missed: true}, {Tags: []string{"plain"}}, {Fields: ticket.Fields{"site": "plain"}}}
	for _, metric := range append([]string{""}, metrics...) {
		all = append(all,
			ticket.Query{Metric: metric},
			ticket.Query{Metric: metric, Missed: true},
			ticket.Query{Metric: metric, Missed: true, DueBefore: lastYear},
			ticket.Query{Metric: metric, Missed: true, Tags: []string{"plain"}},
			ticket.Query{Metric: metric, DueBefore: soon},
			ticket.Query{Metric: metric, DueBefore: soon.Add(time.Microsecond)},
			ticket.Query{Metric: metric, DueBefore: soon, NotSnoozed: true, NotMerged: true},
			ticket.Query{Metric: metric, DueBefore: clock.Add(2 * year), Tags: []string{"plain"}, Fields: ticket.Fields{"site": "plain"}},
			ticket.Query{Metric: metric, Order: ticket.OrderSoonestDue},
			ticket.Query{Metric: metric, Order: ticket.OrderSoonestDue, Phase: ticket.OpenPhases()},
			ticket.Query{Metric: metric, Order: ticket.OrderSoonestDue, Requester: ada, Queue: []string{""}, Missed: true},
		)
	}
	for i := range all {
		all[i].Tenant = acme
	}
	return all
}()

// asks expects the correct answers to all queries by clocks, page by page.
func (k *kit) asks(tickets []ticket.Ticket, when string) {
	k.Helper()
	for _, q := range clockQueries {
		for _, q.Limit = range []int{2, 0} {
			k.same(k.walked(q, func(ticket.Page) {}), answer(tickets, q), "tickets %s, in pages of %d, that match %+v", when, q.Limit, q)
		}
	}
}

// listClocks has a ticket for each combination of a state, a time when the clock is due
// and a broken promise, alone and next to a clock of another metric that runs.
func listClocks(k *kit) {
	var tickets []ticket.Ticket
	for _, metric := range metrics {
		var changes []ticket.Change
		for _, state := range []string{"running", "paused", "met", "missed", "void"} {
			for _, at := range []time.Time{{}, soon.Add(-time.Microsecond), soon, lastYear} {
				for _, broken := range []func(c *ticket.Clock){
					func(*ticket.Clock) {}, func(c *ticket.Clock) { c.Breached = past }, func(c *ticket.Clock) { c.Missed = 1 },
				} {
					c := dueClock(metric, at)
					c.State = state
					broken(&c)
					list := []ticket.Clock{c}
					if len(changes)%2 == 0 {
						list = append(list, dueClock(metrics[len(metrics)-1], soon))
						if metric == metrics[len(metrics)-1] {
							list = []ticket.Clock{dueClock(metrics[0], soon), c}
						}
					}
					changes = append(changes, k.opened(acme, func(e *ticket.Event) {
						clocks(list...)(e)
						e.Set.AddTags, e.Fields = []string{"plain"}, ticket.Fields{"site": "plain"}
					}))
				}
			}
		}
		k.commit(changes...)
		for _, c := range changes {
			tickets = append(tickets, c.Ticket)
		}
	}
	for _, q := range clockQueries {
		q.Limit = ticket.MaxLimit
		k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets with clocks in all states that match %+v", q)
	}
}

// listQuiet changes the clocks of a ticket that is neither the first nor the last one, and
// archives and erases others. It
// keeps its place, and the time of the event comes back.
func listQuiet(k *kit) {
	var tickets []ticket.Ticket
	for i := range 5 {
		c := k.opened(acme, at(clock.Add(time.Duration(i)*time.Minute)))
		k.commit(c)
		tickets = append(tickets, c.Ticket)
	}
	see := func(when string) {
		k.Helper()
		for _, q := range []ticket.Query{
			{Order: ticket.OrderLeastRecent}, {Order: ticket.OrderMostRecent}, {Order: ticket.OrderMostRecent, Limit: 2}, {Order: ticket.OrderLeastRecent, Phase: ticket.OpenPhases()},
			{TouchedFrom: clock.Add(3 * time.Minute)}, {TouchedBefore: clock.Add(3 * time.Minute)}, {TouchedFrom: soon}, {TouchedBefore: soon},
		} {
			q.Tenant, q.Stage = acme, ticket.Stages()
			k.same(k.walked(q, func(ticket.Page) {}), answer(tickets, q), "tickets %s that match %+v", when, q)
		}
	}
	see("that were opened")
	change := func(i int, when time.Time, edits ...edit) {
		k.Helper()
		c := next(tickets[i], func(e *ticket.Event) {
			for _, edit := range append(edits, at(when)) {
				edit(e)
			}
		})
		k.commit(c)
		tickets[i] = c.Ticket
		k.same(k.ticket(c.Ticket), c.Ticket, "ticket after an event of the desk")
		events := k.events(c.Ticket)
		k.same(events[len(events)-1], c.Events[0], "event of the desk")
	}
	change(2, soon.Add(time.Hour), quiet, due(soon))
	see("after a clock of the third one has changed")
	change(2, soon.Add(2*time.Hour), quiet, func(e *ticket.Event) {
		e.Set.Alert = &ticket.ClockAlert{Metric: metricOfDue, Threshold: "due", At: soon, Due: soon}
	})
	see("after another event about the third one's clocks")
	change(1, soon.Add(3*time.Hour), note("touched"))
	see("after the second one was touched")
	change(2, soon.Add(4*time.Hour), note("touched"))
	see("after the third one was touched, too")
	change(0, soon.Add(5*time.Hour), quiet, due(soon))
	see("after a clock of the first one has changed")
	change(3, soon.Add(6*time.Hour), archived(ticket.StageArchived))
	see("after the fourth one was archived")
	change(1, soon.Add(7*time.Hour), quietly(ticket.ActionErase), func(e *ticket.Event) { e.Set.Erased = &ticket.Erased{Events: []int64{1}} })
	see("after something of the second one was erased")
}

// listSnoozed snoozes tickets, and wakes them by an event of the desk, by a customer's
// message, and by hand.
func listSnoozed(k *kit) {
	var tickets []ticket.Ticket
	for i := range 4 {
		c := k.opened(acme, at(clock.Add(time.Duration(i)*time.Minute)))
		k.commit(c)
		tickets = append(tickets, c.Ticket)
	}
	for _, step := range []struct {
		what   string
		ticket int
		edit   edit
	}{
		{"one was snoozed", 1, snooze(soon)},
		{"it was changed then", 1, note("later")},
		{"another one was snoozed, far back", 2, snooze(firstYear)},
		{"it was snoozed for longer", 2, snooze(lastYear)},
		{"the desk has woken the first one", 1, both(quiet, snooze(time.Time{}))},
		{"the second one was woken by hand", 2, snooze(time.Time{})},
		{"the second one was snoozed once more", 2, snooze(soon)},
		{"a message has woken it", 2, both(snooze(time.Time{}), func(e *ticket.Event) { e.Message, e.By = "Well?", ticket.By{Role: ticket.RoleRequester} })},
	} {
		c := next(tickets[step.ticket], step.edit)
		k.commit(c)
		tickets[step.ticket] = c.Ticket
		for _, q := range []ticket.Query{{}, {NotSnoozed: true}, {NotSnoozed: true, NotMerged: true, Phase: ticket.OpenPhases()}, {NotSnoozed: true, Queue: []string{""}}, {NotSnoozed: true, Requester: ada}} {
			for _, q.Order = range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderNewestFirst, ticket.OrderMostRecent, ticket.OrderMostUrgent} {
				q.Tenant = acme
				k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets after %s that match %+v", step.what, q)
			}
		}
	}
}

// A step changes one ticket.
type step struct {
	what string
	edit edit
}

// clockSteps change nothing of a ticket but its clocks.
func clockSteps() []step {
	with := func(c ticket.Clock, change func(c *ticket.Clock)) edit {
		change(&c)
		return func(e *ticket.Event) { quiet(e); clocks(c)(e) }
	}
	running := dueClock(metricOfDue, soon.Add(time.Minute))
	return []step{
		{"the clock of another metric started", with(dueClock("update", soon.Add(-time.Minute)), func(*ticket.Clock) {})},
		{"its target was moved back", with(running, func(*ticket.Clock) {})},
		{"its clock was paused", func(e *ticket.Event) { quiet(e); inState("paused")(e) }},
		{"its clock was resumed", with(running, func(c *ticket.Clock) { c.Due = soon.Add(-time.Hour) })},
		{"its target was missed", with(running, func(c *ticket.Clock) { c.Due, c.Breached = soon.Add(-time.Hour), soon })},
		{"its clock was paused after that", with(running, func(c *ticket.Clock) { c.State, c.Due, c.Breached = "paused", soon.Add(-time.Hour), soon })},
		{"it got more time", with(running, func(c *ticket.Clock) { c.Due, c.Missed = soon.Add(time.Hour), 1 })},
		{"its clock ended", with(running, func(c *ticket.Clock) { c.State, c.Missed = "met", 1 })},
		{"the clock of another metric ended", with(dueClock("update", soon.Add(-time.Minute)), func(c *ticket.Clock) { c.State = "void" })},
		{"its clock started once more", with(running, func(*ticket.Clock) {})},
		{"its target was missed again", with(running, func(c *ticket.Clock) { c.State, c.Breached = "missed", soon })},
	}
}

// listClocksChanged changes nothing but the clocks of a ticket. Lists by clocks follow at
// once, and those by anything else stay as they are.
func listClocksChanged(k *kit) {
	var all []ticket.Ticket
	for i := range 5 {
		c := k.opened(acme, func(e *ticket.Event) {
			e.At = clock.Add(time.Duration(i) * time.Minute)
			e.Fields, e.Set.AddTags, e.Followed = ticket.Fields{"site": "plain"}, []string{"plain"}, []ticket.Person{{ID: "plain"}}
			if i != 2 {
				due(soon.Add(time.Duration(i) * time.Second))(e)
			}
		})
		k.commit(c)
		all = append(all, c.Ticket)
	}
	k.asks(all, "before a change")
	for _, step := range clockSteps() {
		c := next(all[2], step.edit)
		k.commit(c)
		all[2] = c.Ticket
		k.same(k.ticket(c.Ticket), c.Ticket, "ticket after %s", step.what)
		k.asks(all, "after "+step.what)
		for _, q := range slices.Concat(rare, common) {
			for _, q.Order = range allOrders {
				k.same(idsOf(k.list(q).Tickets), answer(all, q), "tickets after %s that match %+v", step.what, q)
			}
		}
	}
}
