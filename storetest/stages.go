package storetest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysStage  = "none means active tickets only; see Stages"
	saysStages = "Lists, counts and search leave out a ticket that is not active, unless Query.Stage asks for it."
	saysOthers = "Only List, Count and Search look at Ticket.Stage. All other methods must treat an archived ticket like any other."
)

var stageRules = []rule{
	{name: "Stages/listed", says: saysStage, upon: []string{"List/"}, prove: stagesListed},
	{name: "Stages/changed", says: saysStages, upon: []string{"List/", "Stages/listed", "Values/history"}, prove: stagesChanged},
	{name: "Stages/walk", says: saysWalk, upon: []string{"List/", "Stages/listed", "Stages/changed"}, prove: stagesWalk},
	{name: "Stages/counted", says: saysStages, lacks: noCount, upon: []string{"Count/"}, prove: stagesCounted},
	{name: "Stages/searched", says: saysStages, lacks: noSearch, upon: []string{"Search/"}, prove: stagesSearched},
	{name: "Stages/counts", says: saysCounts, lacks: noCounts, upon: []string{"Counts"}, prove: stagesCounts},
	{name: "Stages/other methods", says: saysOthers, upon: []string{"Commit/", "Ticket", "Lookup", "Events/", "Receipt", "Deliveries/", "Claim/", "Line/", "Settle/", "UpdateDeliveries/", "Values/", "Tenants/"}, prove: stagesOthers},
	{name: "Stages/contexts", says: saysOthers, lacks: noLoader, upon: []string{"DeliveryContexts/"}, prove: stagesContexts},
	{name: "Due/archived", says: saysDueAlone, upon: append([]string{"Due/each reason", "Due/earliest reason", "Due/done or merged", "Due/whatever the state"}, dueUpon...), prove: dueArchived},
	{name: "Values/upkeep", says: saysText, upon: []string{"Commit/", "Ticket", "Events/", "Values/text", "Values/zero", "Values/times", "Stages/other methods"}, prove: valueUpkeep},
}

// stage sets the ticket's stage.
func stage(s ticket.Stage) edit { return func(e *ticket.Event) { e.Set.Stage = &s } }

// quietly makes an event one of the desk that does not touch the ticket.
func quietly(name ticket.ActionName) edit {
	return func(e *ticket.Event) { e.Action, e.By = name, ticket.By{Role: ticket.RoleSystem} }
}

// archived moves the ticket to a stage, as the desk does.
func archived(s ticket.Stage) edit { return both(quietly(ticket.ActionArchive), stage(s)) }

// closed ends the ticket.
func closed(e *ticket.Event) { e.To.Status, e.Phase = ticket.StatusClosed, ticket.PhaseClosed }

// reopened undoes closed.
func reopened(e *ticket.Event) {
	e.Action, e.To.Status, e.Phase = ticket.ActionReopen, ticket.StatusOpen, ticket.PhaseInProgress
}

func both(a, b edit) edit { return func(e *ticket.Event) { a(e); b(e) } }

// stageLists has every set of stages, and lists in another order and with duplicates.
func stageLists() [][]ticket.Stage {
	all := ticket.Stages()
	lists := [][]ticket.Stage{{ticket.StageErased, ticket.StageActive, ticket.StageErased}}
	for n := range 1 << len(all) {
		var list []ticket.Stage
		for i, s := range all {
			if n>>i&1 == 1 {
				list = append(list, s)
			}
		}
		lists = append(lists, list)
	}
	return lists
}

// staged stores closed tickets at all stages.
func (k *kit) staged(n int) []ticket.Ticket {
	k.Helper()
	var changes []ticket.Change
	var tickets []ticket.Ticket
	for i := range n {
		c := k.opened(acme, func(e *ticket.Event) {
			closed(e)
			e.At, e.Set.Priority = clock.Add(time.Duration(i*7%5)*time.Minute), ticket.Grade(1+i%3)
			if i%3 > 0 {
				e.Set.AddTags, e.Fields, e.Followed = []string{"plain"}, ticket.Fields{"site": "plain"}, []ticket.Person{{ID: "plain"}}
				e.Set.Queue = new("plain")
			}
			due(soon.Add(time.Duration(i*5%7) * time.Minute))(e)
		}, archived(pickNth(ticket.Stages(), i)))
		changes, tickets = append(changes, c), append(tickets, c.Ticket)
	}
	k.commit(changes...)
	return tickets
}

// stageQueries have one condition each, which some tickets at each stage meet.
var stageQueries = []ticket.Query{
	{}, {Queue: []string{"plain"}}, {Tags: []string{"plain"}}, {Fields: ticket.Fields{"site": "plain"}}, {Phase: []ticket.Phase{ticket.PhaseClosed}},
	{Priority: []ticket.Grade{ticket.GradeMedium}}, {Assignee: []string{""}}, {Requester: ada}, {Participant: ticket.Person{ID: "plain"}}, {Organisation: ada.Organisation},
	{NotMerged: true}, {NotSnoozed: true}, {CreatedFrom: clock.Add(2 * time.Minute)}, {TouchedBefore: clock.Add(3 * time.Minute)},
	{DueBefore: soon.Add(3 * time.Minute)}, {DueBefore: soon.Add(3 * time.Minute), Metric: metricOfDue}, {Missed: true},
	{NotMerged: true, Phase: []ticket.Phase{ticket.PhaseClosed, ticket.PhaseSolved}, Tags: []string{"plain"}, Requester: ada},
}

// stagesListed walks with every set of stages in all orders, and asks with other conditions.
func stagesListed(k *kit) {
	tickets := k.staged(24)
	for _, list := range stageLists() {
		for _, q := range allSorts() {
			q.Stage, q.Limit = slices.Clone(list), 7
			k.same(k.walked(q, func(ticket.Page) {}), answer(tickets, q), "a walk over tickets at the stages %q, in the order %q, by the metric %q", list, q.Order, q.Metric)
		}
	}
	for _, q := range stageQueries {
		for _, q.Stage = range [][]ticket.Stage{nil, {ticket.StageArchived}, {ticket.StageActive, ticket.StageErased}, ticket.Stages()} {
			q.Tenant = acme
			k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets that match %+v", q)
		}
	}
}

// stageSteps move a closed ticket through the stages and back.
func stageSteps() []step {
	customer := func(e *ticket.Event) { e.By, e.Message = ticket.By{Role: ticket.RoleRequester}, "It is broken again." }
	return []step{
		{"it was archived", archived(ticket.StageArchived)},
		{"its words were erased", archived(ticket.StageWordsErased)},
		{"its persons were erased", archived(ticket.StageErased)},
		{"an agent wrote a note", note("look here")},
		{"a clock of it has changed", func(e *ticket.Event) { quiet(e); due(soon)(e) }},
		{"it was reopened", reopened},
		{"it was closed once more", closed},
		{"it was archived once more", archived(ticket.StageArchived)},
		{"the customer wrote a message", customer},
		{"it was archived for the third time", archived(ticket.StageArchived)},
		{"the archive gave it back", archived(ticket.StageActive)},
	}
}

// eachStage are the lists of stages that a query is asked with after a change.
var eachStage = [][]ticket.Stage{nil, {ticket.StageActive}, {ticket.StageArchived}, {ticket.StageWordsErased, ticket.StageErased}, ticket.Stages()}

// stagesChanged moves one of a few tickets through the stages. Lists follow at once.
func stagesChanged(k *kit) {
	all := k.staged(5)
	for _, step := range stageSteps() {
		c := next(all[4], step.edit)
		k.commit(c)
		all[4] = c.Ticket
		k.same(k.ticket(c.Ticket), c.Ticket, "ticket after %s", step.what)
		for _, q := range allSorts() {
			for _, q.Stage = range eachStage {
				k.same(idsOf(k.list(q).Tickets), answer(all, q), "tickets after %s that match %+v", step.what, q)
			}
		}
		for _, q := range stageQueries {
			q.Tenant = acme
			for _, q.Stage = range eachStage[:3] {
				k.same(idsOf(k.list(q).Tickets), answer(all, q), "tickets after %s that match %+v", step.what, q)
			}
		}
	}
}

// stagesWalk archives tickets between the pages: the one that the walk continues after, one
// that it has returned, and one that it has not.
func stagesWalk(k *kit) {
	for i, q := range allSorts() {
		q.Tenant, q.Limit = fmt.Sprint("walk ", i), 3
		var changes []ticket.Change
		var order []ticket.ID
		left := map[ticket.ID]ticket.Ticket{}
		for i := range 15 {
			c := k.opened(q.Tenant, func(e *ticket.Event) {
				closed(e)
				e.At = clock.Add(time.Duration(i) * time.Minute)
				clocks(dueClock("first answer", soon.Add(time.Duration(i)*time.Minute)), dueClock("next answer", soon.Add(time.Duration(i)*time.Minute)),
					dueClock("update", soon.Add(time.Duration(i)*time.Minute)), dueClock("solution", soon.Add(time.Duration(i)*time.Minute)), dueClock("level", soon.Add(time.Duration(i)*time.Minute)))(e)
			})
			changes, left[c.Ticket.ID] = append(changes, c), c.Ticket
		}
		k.commit(changes...)
		var tickets []ticket.Ticket
		for _, c := range changes {
			tickets = append(tickets, c.Ticket)
		}
		order = answer(tickets, q)
		k.same(len(order), len(tickets), "tickets in the order %q", q.Order)
		want := map[ticket.ID]int{}
		for _, id := range order {
			want[id] = 1
		}
		archive := func(id ticket.ID) {
			if t, ok := left[id]; ok {
				k.commit(next(t, archived(ticket.StageArchived)))
				delete(left, id)
			}
		}
		met := map[ticket.ID]int{}
		for _, id := range k.walked(q, func(p ticket.Page) {
			first, last := p.Tickets[0].ID, p.Tickets[len(p.Tickets)-1].ID
			archive(first)
			archive(last)
			if ahead := slices.Index(order, last) + 2; ahead < len(order) {
				archive(order[ahead])
				want[order[ahead]] = 0
			}
		}) {
			met[id]++
		}
		for i, id := range order {
			k.same(met[id], want[id], "times a walk in the order %q returned the %d. ticket, while others were archived", q.Order, i+1)
		}
	}
}

func stagesCounted(k *kit) {
	all := k.staged(16)
	see := func(when string) {
		k.Helper()
		for _, q := range stageQueries {
			q.Tenant = acme
			for _, q.Stage = range eachStage {
				k.same(k.count(q, 100), len(answer(all, q)), "Count after %s of %+v", when, q)
			}
		}
	}
	see("16 were stored")
	for _, list := range stageLists() {
		q := ticket.Query{Tenant: acme, Stage: list}
		k.same(k.count(q, 100), len(answer(all, q)), "Count of tickets at the stages %q", list)
		k.same(k.count(q, 3), min(3, len(answer(all, q))), "Count up to 3 of tickets at the stages %q", list)
	}
	for _, step := range stageSteps() {
		c := next(all[4], step.edit)
		k.commit(c)
		all[4] = c.Ticket
		see(step.what)
	}
}

func stagesSearched(k *kit) {
	all := k.staged(8)
	see := func(when string) {
		k.Helper()
		for _, list := range append(stageLists()[:6:6], eachStage...) {
			for _, best := range []bool{false, true} {
				q := looking("printer")
				q.Stage, q.Best = list, best
				q.Order = ticket.OrderNewestFirst
				want := answer(all, q.Query)
				q.Order = ""
				got := idsOf(ticketsOf(k.search(q)))
				if best {
					slices.SortFunc(got, ticket.ID.Compare)
					slices.SortFunc(want, ticket.ID.Compare)
				}
				k.same(got, want, "tickets found at the stages %q, after %s", list, when)
			}
		}
	}
	see("8 were stored")
	for _, step := range stageSteps() {
		c := next(all[4], step.edit)
		k.commit(c)
		all[4] = c.Ticket
		see(step.what)
	}
}

// stagesCounts archives and reopens a ticket; another one stays open.
func stagesCounts(k *kit) {
	stays, c := k.opened(acme), k.opened(acme, closed)
	k.commit(stays, c)
	for _, step := range stageSteps() {
		c = next(c.Ticket, step.edit)
		k.commit(c)
		want := []ticket.Count{{Level: 1, Status: ticket.StatusNew, N: 1}}
		if !c.Ticket.Phase.Done() {
			want = append(want, ticket.Count{Level: 1, Status: ticket.StatusOpen, N: 1})
		}
		k.same(k.counts(acme), want, "counts after %s", step.what)
	}
}

// stagesOthers reads and notifies of tickets at all stages.
func stagesOthers(k *kit) {
	for _, s := range ticket.Stages() {
		c := k.opened(acme, closed)
		d := k.delivery(c.Ticket)
		r := receiptFor(c.Ticket, "key of "+string(s))
		k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: r})
		c2 := next(c.Ticket, archived(s))
		k.commit(c2)
		history := append(slices.Clone(c.Events), c2.Events...)
		k.stands(c2.Ticket, history)
		byNumber, err := k.store.Lookup(k.Context(), acme, c.Ticket.Number)
		k.ok(err, "Lookup at the stage %q", s)
		k.same(byNumber, c2.Ticket, "ticket by its number at the stage %q", s)
		events, err := k.store.Events(k.Context(), acme, c.Ticket.ID, 1, 1)
		k.ok(err, "Events at the stage %q", s)
		k.same(events, c2.Events, "events after the first one at the stage %q", s)
		k.same(k.receipt(acme, r.Key), *r, "receipt at the stage %q", s)
		k.same(k.deliveries(ticket.DeliveryQuery{Tenant: acme, Ticket: c.Ticket.ID}).Deliveries, []ticket.Delivery{d}, "deliveries at the stage %q", s)
		claimed := k.claim(clock)
		k.same(deliveryIDs(claimed), []ticket.ID{d.ID}, "deliveries claimed at the stage %q", s)
		k.settle(settlement(claimed[0], ticket.DeliverySent))
		k.same(k.stored(d).State, ticket.DeliverySent, "state of a delivery at the stage %q", s)
		k.same(k.update(updateTo(ticket.DeliveryBounced, settledStates, d)), 1, "deliveries updated at the stage %q", s)
		k.commit(next(c2.Ticket, note("later")))
	}
}

func stagesContexts(k *kit) {
	for _, s := range ticket.Stages() {
		c := k.opened(acme, closed, archived(s))
		d := k.delivery(c.Ticket)
		d.Seq = 1
		k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}})
		got := k.contexts(d)[0]
		k.same(got.Found, true, "found at the stage %q", s)
		k.same(got.Ticket, c.Ticket, "ticket of the context at the stage %q", s)
		k.same(got.Event, c.Events[0], "event of the context at the stage %q", s)
	}
}

// dueArchived archives tickets with each reason to look at them, before and after it began.
func dueArchived(k *kit) {
	for _, r := range reasons() {
		for _, s := range ticket.Stages()[1:] {
			for _, edits := range [][]edit{{r.edit(soon), archived(s)}, {archived(s), both(quiet, r.edit(soon))}, {both(archived(s), r.edit(soon))}} {
				c := k.opened(acme, closed)
				k.commit(c)
				for _, edit := range edits {
					c = next(c.Ticket, edit)
					k.commit(c)
				}
				k.same(k.due(soon, 10), []ticket.Ref{refTo(c)}, "due of a ticket at the stage %q with %s", s, r.what)
				c = next(c.Ticket, both(quiet, r.edit(time.Time{})))
				k.commit(c)
				k.same(k.due(soon, 10), []ticket.Ref{}, "due of a ticket at the stage %q without %s", s, r.what)
			}
		}
	}
}

// valueUpkeep stores what erasures, the archive and holds write: alone, and one after the
// other on one ticket. None of these events touches the ticket.
func valueUpkeep(k *kit) {
	record := func(r ticket.Erased) edit {
		return both(quietly(ticket.ActionErase), func(e *ticket.Event) { e.Set.Erased = &r })
	}
	hold := func(on bool) edit { return func(e *ticket.Event) { e.Set.LegalHold = &on } }
	steps := []step{
		{"archived", archived(ticket.StageArchived)},
		{"held", both(quietly(ticket.ActionArchive), hold(true))},
		{"words erased", archived(ticket.StageWordsErased)},
		{"erased", archived(ticket.StageErased)},
		{"given back", archived(ticket.StageActive)},
		{"held no more", both(quietly(ticket.ActionArchive), hold(false))},
		{"all erased", record(ticket.Erased{Events: []int64{1, 2, 9, 10, math.MaxInt64}, Groups: everything, Reason: "request of the person", Requester: true})},
		{"nothing erased", record(ticket.Erased{})},
		{"remarks of an erasure", both(record(ticket.Erased{Events: []int64{3}, Groups: ticket.Groups{Remarks: true}, Reason: awkward[1]}), func(e *ticket.Event) {
			e.Set.Reason, e.Set.Resolution, e.Set.AddTags, e.Set.RemoveTags = new(""), new(awkward[3]), []string{"vip"}, []string{"", awkward[5]}
			e.Requester, e.Followed, e.Unfollowed = ticket.Person{Name: "Zoë"}, []ticket.Person{{ID: "x"}}, []ticket.Person{{ID: "y"}}
			e.Fields = ticket.Fields{"site": nil, "order": int64(7)}
		})},
		{"all at once", both(record(ticket.Erased{Events: []int64{1}}), both(stage(ticket.StageErased), hold(true)))},
	}
	for i, g := range []ticket.Groups{{PublicContent: true}, {InternalContent: true}, {Identities: true}, {Remarks: true}} {
		steps = append(steps, step{fmt.Sprintf("group %d erased", i+1), record(ticket.Erased{Events: []int64{int64(i)}, Groups: g, Reason: pickNth(awkward, i), Requester: i == 2})})
	}
	for _, text := range awkward {
		steps = append(steps, step{fmt.Sprintf("erased because of %q", text), record(ticket.Erased{Events: []int64{1}, Reason: text})})
	}
	c := k.opened(acme, closed)
	k.commit(c)
	history, touched := c.Events, c.Ticket.Touched
	for _, step := range steps {
		alone := k.opened("alone", func(*ticket.Event) {}, step.edit)
		k.commit(alone)
		k.stands(alone.Ticket, alone.Events)
		c = next(c.Ticket, step.edit)
		k.commit(c)
		history = append(history, c.Events...)
		k.stands(c.Ticket, history)
		k.same(k.ticket(c.Ticket).Touched, touched, "time of the last event that touched the ticket, after it was %s", step.what)
	}
	events := k.events(c.Ticket)
	k.ok(ticket.Chain{}.Verify(events), "Verify of the history that was read back")
	folded, err := ticket.Replay(events)
	k.ok(err, "Replay")
	k.same(k.ticket(c.Ticket), folded, "ticket, compared with the fold of its events")
}
