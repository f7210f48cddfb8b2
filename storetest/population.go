package storetest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// metrics lists the metrics of clocks, in the order in which a ticket has them.
var metrics = []string{"first answer", "next answer", "update", "solution", "level"}

// The values of the population. They are few, so that many tickets share each of them and
// every order has ties. They are near misses of each other, which a database with a
// lenient collation treats as equal.
var (
	queues     = []string{"", "hardware", "Hardware", "hardware ", "café", "cafe\u0301", "cafe", "日本", "ß", "ss", "100%", "100_"}
	assignees  = []string{"", "lin", "Lin", "max", "máx"}
	statuses   = []ticket.Status{ticket.StatusNew, ticket.StatusOpen, ticket.StatusOnHold, ticket.StatusClosed, "Open"}
	channels   = []ticket.Channel{"", ticket.ChannelPhone, ticket.ChannelMail, "fax", "Fax"}
	tags       = []string{"vip", "VIP", "red", "réd", "a,b", "a", "b", "%", `"`, "it's"}
	fieldNames = []string{"order", "Order", "a.b", "$", "naïve"}
	fieldPool  = []any{
		"1", "true", "", "x", "X", "é", "e\u0301", true, false, int64(1), int64(0), float64(1), float64(0.5),
		clock, clock.Add(time.Microsecond), []string{"a", "b"}, []string{"b", "a"}, []string{"a,b"}, []string{},
	}
	people = []ticket.Person{
		{},
		{ID: "c-1", Name: "Ada", Email: "ada@example.org", Organisation: "mill"},
		{ID: "c-2", Name: "Ada", Email: "ada@example.org", Organisation: "Mill"},
		{ID: "C-1", Phone: "+41 1"},
		{Name: "Ada", Email: "Ada@Example.org"},
		{Name: "Zoë", Email: "zoe@example.org", Phone: "+41 1", Organisation: "mill "},
		{Phone: "+41 1"},
		{Phone: "+41 2", Organisation: "mill"},
		{Email: "\u212Aim@example.org"}, // the Kelvin sign, which is not a k
		{Email: "kim@example.org", Organisation: "möll"},
		{Name: "Nobody"},
	}
)

// phases lists all phases in their usual order.
var phases = append(ticket.OpenPhases(), ticket.PhaseSolved, ticket.PhaseClosed)

// population returns tickets of the tenant acme, the same in every run. Each call returns
// copies, so that a store which changes its arguments does not affect other cases.
func population() []ticket.Change {
	all := slices.Clone(thePopulation())
	for i := range all {
		all[i].Ticket, all[i].Events = all[i].Ticket.Clone(), slices.Clone(all[i].Events)
		for j := range all[i].Events {
			all[i].Events[j] = all[i].Events[j].Clone()
		}
	}
	return all
}

// thePopulation is created once and must not be changed.
var thePopulation = sync.OnceValue(func() []ticket.Change {
	r, clocked, known := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(5, 6)), rand.New(rand.NewPCG(7, 8))
	out := make([]ticket.Change, 120)
	for i := range out {
		n := uint64(1_000_000 + 2*i)
		out[i] = opening(idOf(n), numberOf(n+1), acme, func(e *ticket.Event) {
			e.At = clock.Add(time.Duration(r.IntN(20)) * time.Hour)
			e.To = ticket.State{Status: pick(r, statuses), Level: 1 + r.IntN(3)}
			e.Phase, e.Channel = pick(r, phases), pick(r, channels)
			e.Requester = pick(r, people)
			for range r.IntN(3) {
				e.Followed = append(e.Followed, pick(r, people))
			}
			e.Fields = ticket.Fields{}
			for range r.IntN(4) {
				e.Fields[pick(r, fieldNames)] = pick(r, fieldPool)
			}
			e.Set.Priority = ticket.Grade(1 + r.IntN(4))
			e.Set.Queue, e.Set.Assignee = new(pick(r, queues)), new(pick(r, assignees))
			for range r.IntN(4) {
				e.Set.AddTags = append(e.Set.AddTags, pick(r, tags))
			}
		}, func(e *ticket.Event) {
			e.At = clock.Add(time.Duration(20+r.IntN(20)) * time.Hour)
			if n := r.IntN(12); n < 8 {
				e.Set.Timer = &ticket.Timer{At: clock.Add(time.Duration(n) * 20 * time.Hour), Action: ticket.ActionResume}
			}
			if i%7 == 6 {
				e.Set.MergedInto = new(idOf(1_000_000))
			}
			e.Set.Clocks = clocksOf(clocked)
			if known.IntN(3) == 0 {
				e.Known, e.Set.Published = ticket.KnownProblem{Title: "Known", Text: "Turn it off."}, new(true)
			}
			if known.IntN(2) == 0 {
				e.Set.SolvedBy = new(pick(known, solvers))
			}
			if clocked.IntN(3) == 0 {
				e.Set.Snoozed = new(clock.Add(time.Duration(clocked.IntN(3)) * time.Hour))
			}
		})
	}
	return out
})

// solvers are tickets that solved others. They need not exist for a store.
var solvers = []ticket.ID{idOf(1_000_000), idOf(1_000_002), {15: 1}}

// clocksOf returns clocks in all states, as a desk has them. They are due at few times. What
// is rare is left to the cases about clocks.
func clocksOf(r *rand.Rand) []ticket.Clock {
	var all []ticket.Clock
	for _, metric := range metrics {
		if r.IntN(5) > 1 {
			continue
		}
		c := dueClock(metric, clock.Add(time.Duration(r.IntN(8))*20*time.Hour))
		c.State = pick(r, []string{"running", "running", "running", "paused", "met", "missed", "void"})
		switch {
		case c.State == "paused":
			c.Due = time.Time{}
		case c.State == "missed", c.State == "running" && r.IntN(4) == 0:
			c.Breached = c.Due
		}
		all = append(all, c)
	}
	return all
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// populate stores the first n tickets of the population and returns them.
func (k *kit) populate(n int) []ticket.Ticket {
	k.Helper()
	var tickets []ticket.Ticket
	for batch := range slices.Chunk(population()[:n], 40) {
		k.commit(batch...)
		for _, c := range batch {
			tickets = append(tickets, c.Ticket)
		}
	}
	return tickets
}

// answer returns the correct result of a query, without pages.
func answer(tickets []ticket.Ticket, q ticket.Query) []ticket.ID {
	var found []ticket.Place
	for i := range tickets {
		if q.Match(&tickets[i]) {
			found = append(found, q.PlaceOf(&tickets[i]))
		}
	}
	slices.SortFunc(found, ticket.Place.Compare)
	ids := make([]ticket.ID, len(found))
	for i, place := range found {
		ids[i] = place.ID
	}
	return ids
}

// A question is a query with the sorted IDs of all tickets of the population that match.
type question struct {
	ticket.Query
	answer []ticket.ID
}

// questions are the same in every run. Each call returns copies.
func questions() []question {
	all := slices.Clone(theQuestions())
	for i := range all {
		q := &all[i].Query
		q.Status, q.Phase, q.Level = slices.Clone(q.Status), slices.Clone(q.Phase), slices.Clone(q.Level)
		q.Queue, q.Assignee, q.Priority = slices.Clone(q.Queue), slices.Clone(q.Assignee), slices.Clone(q.Priority)
		q.Channel, q.Tags, q.Fields, q.Stage = slices.Clone(q.Channel), slices.Clone(q.Tags), maps.Clone(q.Fields), slices.Clone(q.Stage)
	}
	return all
}

// theQuestions are created once and must not be changed.
var theQuestions = sync.OnceValue(func() []question {
	r := rand.New(rand.NewPCG(3, 4))
	var tickets []ticket.Ticket
	for _, c := range population() {
		tickets = append(tickets, c.Ticket)
	}
	var all []question
	put := func(q ticket.Query) {
		a := answer(tickets, q)
		slices.SortFunc(a, ticket.ID.Compare)
		all = append(all, question{q, a})
	}
	ask := func(use func(condition int) bool) {
		q := ticket.Query{Tenant: acme, Limit: ticket.MaxLimit}
		t := pick(r, tickets)
		for i, condition := range conditions {
			if use(i) {
				condition(r, &q, &t)
			}
		}
		put(q)
	}
	for _, v := range fieldPool {
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Fields: ticket.Fields{"order": v}})
	}
	for _, p := range people {
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Requester: p})
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Participant: p})
	}
	for _, metric := range append([]string{""}, metrics...) {
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Metric: metric})
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Metric: metric, Missed: true})
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Metric: metric, Order: ticket.OrderSoonestDue})
		for _, hours := range []int{0, 1, 40, 70, 140, 150} {
			put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Metric: metric, DueBefore: clock.Add(time.Duration(hours) * time.Hour)})
		}
	}
	ask(func(int) bool { return false })
	for i := range conditions {
		for range 4 {
			ask(func(c int) bool { return c == i })
		}
	}
	for range 60 {
		ask(func(int) bool { return r.IntN(6) == 0 })
	}
	for _, s := range statuses {
		put(ticket.Query{Tenant: acme, Limit: ticket.MaxLimit, Status: []ticket.Status{s}, NotMerged: true})
	}
	return all
})

// conditions set one condition of a query each, at random, mostly one that the given
// ticket meets.
var conditions = []func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket){
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Status = some(r, t.Status, statuses) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Phase = some(r, t.Phase, phases) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Level = some(r, t.Level, []int{1, 2, 3, 4}) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Queue = some(r, t.Queue, queues) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Assignee = some(r, t.Assignee, assignees) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) {
		q.Priority = some(r, t.Priority, []ticket.Grade{ticket.GradeLow, ticket.GradeMedium, ticket.GradeHigh, ticket.GradeCritical})
	},
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Channel = some(r, t.Channel, channels) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) {
		if len(t.Tags) > 0 && r.IntN(4) > 0 {
			q.Tags = slices.Clone(t.Tags[:1+r.IntN(len(t.Tags))])
		} else {
			q.Tags = []string{pick(r, tags), pick(r, tags)}
		}
	},
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) {
		name := pick(r, fieldNames)
		q.Fields = ticket.Fields{name: pick(r, fieldPool)}
		if v, ok := t.Fields[name]; ok {
			q.Fields[name] = v
		}
	},
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Requester = pick(r, people) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Participant = pick(r, people) },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Organisation = pick(r, people).Organisation },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.NotMerged = true },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.CreatedFrom = t.Created },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.CreatedBefore = t.Created },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.TouchedFrom = t.Touched },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.TouchedBefore = t.Touched },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) {
		q.Metric = pick(r, append([]string{""}, metrics...))
		q.DueBefore = t.Due(q.Metric)
		if q.DueBefore.IsZero() {
			q.DueBefore = clock.Add(year)
		}
	},
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Order = ticket.OrderSoonestDue },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Metric, q.Missed = pick(r, metrics), true },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Missed = true },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.NotSnoozed = true },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.Known = true },
	func(r *rand.Rand, q *ticket.Query, t *ticket.Ticket) { q.SolvedBy = pick(r, solvers) },
}

func some[T any](r *rand.Rand, its T, list []T) []T {
	out := []T{its}
	if r.IntN(4) == 0 {
		out = nil
	}
	for range r.IntN(3) {
		out = append(out, pick(r, list))
	}
	return out
}
