package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
)

const (
	aimPage   = 2 * time.Millisecond
	aimSearch = 50 * time.Millisecond
	aimDo     = 1.2

	connections = 3 // of one caller: a reader, the writer, and one to the small database
)

// A call is one kind of call, with a source of randomness.
type call struct {
	name string
	aim  time.Duration
	do   func(context.Context, *rand.Rand) error
}

// Calls of all kinds are measured in rounds, so that other work of the machine
// affects all of them a little, and not one a lot.
const (
	rounds = 5
	warm   = 10 // calls of a round before those that count
	// mostTime limits the time for calls of one kind in a round, after the first
	// few.
	mostTime = 8 * time.Second
	few      = 10
)

// A sample is one call.
type sample struct{ took, work time.Duration }

// measure returns how long the calls of a round took.
func (c *call) measure(ctx context.Context, p *place, r *rand.Rand, calls int) ([]sample, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	samples := make([]sample, 0, calls)
	var processes []int
	start := time.Now()
	for i := range calls + warm {
		if i >= few+warm && time.Since(start) > mostTime {
			break
		}
		if i == warm {
			var err error
			if processes, err = p.processes(ctx); err != nil {
				return nil, err
			}
		}
		work, at := workTime(processes), time.Now()
		if err := c.do(ctx, r); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		took := time.Since(at)
		if i >= warm {
			samples = append(samples, sample{took, workTime(processes) - work})
		}
	}
	return samples, nil
}

type figures struct{ median, p99, worst, work time.Duration } // work is the p99 of sample.work

func figuresOf(samples []sample) (f figures) {
	n := len(samples)
	samples = slices.SortedFunc(slices.Values(samples), func(a, b sample) int { return cmp.Compare(a.work, b.work) })
	f.work = samples[n*99/100].work
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.took, b.took) })
	f.median, f.p99, f.worst = samples[n/2].took, samples[n*99/100].took, samples[n-1].took
	return f
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f ms", float64(d.Nanoseconds())/1e6) }

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "MISSED"
}

func measure(ctx context.Context, s *settings, large, little *place) error {
	before := machine.InUse()
	calls, err := large.calls(ctx)
	if err != nil {
		return err
	}
	calls = slices.DeleteFunc(calls, func(c call) bool { return !s.only.MatchString(c.name) })
	from := machine.Load()
	samples := make([][]sample, len(calls))
	r := rand.New(rand.NewPCG(3, 4))
	for range rounds {
		for i := range calls {
			round, err := calls[i].measure(ctx, large, r, s.calls/rounds)
			if err != nil {
				return err
			}
			samples[i] = append(samples[i], round...)
		}
	}
	s.say("\nload of the machine %s at the beginning, %s at the end; \"at work\" is the p99 without the time spent waiting for a processor", from, machine.Load())
	s.say("%-46s %11s %11s %11s %11s", "", "median", "p99", "worst", "at work")
	for i, c := range calls {
		f := figuresOf(samples[i])
		aim := ""
		if c.aim > 0 {
			aim = fmt.Sprintf("  p99 ≤ %v: %s", c.aim, verdict(f.p99 <= c.aim))
			if f.p99 > c.aim && f.work <= c.aim && f.work > 0 {
				aim += " (at work: ok)"
			}
		}
		if n := len(samples[i]); n < s.calls/rounds*rounds {
			aim += fmt.Sprintf("  (%d calls)", n)
		}
		s.say("%-46s %11s %11s %11s %11s%s", c.name, ms(f.median), ms(f.p99), ms(f.worst), ms(f.work), aim)
	}
	if err := compareDo(ctx, s, large, little); err != nil {
		return err
	}
	start := time.Now()
	if err := large.store.Maintain(ctx); err != nil {
		return err
	}
	s.say("indexing what these changed: %s", time.Since(start).Round(time.Millisecond))
	after := machine.InUse()
	s.say("load of the machine at the end: %s", machine.Load())
	s.say("memory before the calls: %s", before)
	more := int64(64 + connections*s.cache) // for SQLite's caches to fill
	s.say("memory after them:       %s; flat (RSS at most %d MB more): %s", after, more, verdict(after.RSS <= before.RSS+more<<20))
	return nil
}

func is[T any](v T, err error) func(ok func(T) bool) error {
	return func(ok func(T) bool) error {
		if err == nil && !ok(v) {
			err = errors.New("unexpected result")
		}
		return err
	}
}

// calls returns the calls that only read.
func (p *place) calls(ctx context.Context) ([]call, error) {
	d, desk := p.made, p.desk
	lin := ticket.Agent("lin", 1, 2, 3)
	full := func(t ticket.Page) bool { return len(t.Tickets) > 0 }

	queue := ticket.Query{Queue: []string{bigQueue}, Phase: ticket.OpenPhases(), Order: ticket.OrderMostUrgent}
	newest := ticket.Query{Order: ticket.OrderNewestFirst}
	deepQueue, queuePage, err := p.deep(ctx, lin, queue)
	if err != nil {
		return nil, err
	}
	deepNewest, newestPage, err := p.deep(ctx, lin, newest)
	if err != nil {
		return nil, err
	}
	list := func(name string, aim time.Duration, q func(*rand.Rand) ticket.Query, ok func(ticket.Page) bool) call {
		return call{name, aim, func(ctx context.Context, r *rand.Rand) error { return is(desk.List(ctx, lin, q(r)))(ok) }}
	}
	any := func(r *rand.Rand) int { return r.IntN(d.tickets) }
	active := func(r *rand.Rand) int { return d.archived + r.IntN(d.tickets-d.archived) } // lists leave out the others
	after := func(q ticket.Query, places []ticket.Cursor) func(*rand.Rand) ticket.Query {
		return func(r *rand.Rand) ticket.Query {
			q := q
			q.After = places[r.IntN(len(places))]
			return q
		}
	}
	always := func(q ticket.Query) func(*rand.Rand) ticket.Query { return func(*rand.Rand) ticket.Query { return q } }
	one := func(page ticket.Page) bool { return len(page.Tickets) == 1 }

	v := d.vocabulary()
	search := func(name string, a func(*rand.Rand) ticket.Actor, q func(*rand.Rand) ticket.SearchQuery, found int) call {
		return call{"search: " + name, aimSearch, func(ctx context.Context, r *rand.Rand) error {
			return is(desk.Search(ctx, a(r), q(r)))(func(h []ticket.Hit) bool { return len(h) >= found })
		}}
	}
	similar := func(name string, do func(context.Context, *rand.Rand) ([]ticket.Suggestion, error), found int) call {
		return call{"similar " + name, aimSearch, func(ctx context.Context, r *rand.Rand) error {
			return is(do(ctx, r))(func(list []ticket.Suggestion) bool { return len(list) >= found })
		}}
	}
	agent := func(*rand.Rand) ticket.Actor { return lin }
	customer := func(r *rand.Rand) ticket.Actor { return ticket.Requester(person(d.planOf(active(r)).requester)) }
	text := func(f func(*rand.Rand) string) func(*rand.Rand) ticket.SearchQuery {
		return func(r *rand.Rand) ticket.SearchQuery { return ticket.SearchQuery{Text: f(r)} }
	}
	of := func(words []string) func(*rand.Rand) string {
		return func(r *rand.Rand) string { return words[r.IntN(len(words))] }
	}

	bare := "SELECT doc FROM ticket_tickets WHERE id = ?"
	if p.numbered {
		bare = "SELECT doc FROM ticket_tickets WHERE id = $1"
	}
	byHand, err := p.db.PrepareContext(ctx, bare) //nolint:sqlclosecheck // closed with the database
	if err != nil {
		return nil, err
	}
	pages, err := p.pages(lin)
	if err != nil {
		return nil, err
	}
	return append([]call{
		{"(by hand: a document by its ticket's ID)", 0, func(ctx context.Context, r *rand.Rand) error {
			i := any(r)
			var doc string
			return byHand.QueryRowContext(ctx, d.idOf(i, d.planOf(i).created).String()).Scan(&doc)
		}},
		list("queue, most pressing: page 1", aimPage, always(queue), full),
		list("queue, most pressing: page "+queuePage, aimPage, after(queue, deepQueue), full),
		list("any of the queues, most pressing: page 1", aimPage, func(r *rand.Rand) ticket.Query {
			q := queue
			q.Queue = []string{queues[r.IntN(len(queues))]}
			return q
		}, full),
		list("two queues, most pressing: page 1", aimPage, func(r *rand.Rand) ticket.Query {
			q := queue
			n := r.IntN(len(queues) - 1)
			q.Queue = queues[n : n+2]
			return q
		}, full),
		list("all open work, most pressing: page 1", aimPage, always(ticket.Query{Phase: ticket.OpenPhases(), Order: ticket.OrderMostUrgent}), full),
		list("unassigned open work, most pressing: page 1", aimPage, always(ticket.Query{Assignee: []string{""}, Phase: ticket.OpenPhases(), Order: ticket.OrderMostUrgent}), full),
		list("newest: page 1", aimPage, always(newest), full),
		list("newest: page "+newestPage, aimPage, after(newest, deepNewest), full),
		list("closed, newest: page 1", aimPage, always(ticket.Query{Phase: []ticket.Phase{ticket.PhaseClosed}, Order: ticket.OrderNewestFirst}), full),
		list("most pressing without a phase: page 1", aimPage, always(ticket.Query{Order: ticket.OrderMostUrgent}), full),
		list("last touched: page 1", aimPage, always(ticket.Query{Order: ticket.OrderMostRecent}), full),
		{"by ID", aimPage, func(ctx context.Context, r *rand.Rand) error {
			i := any(r)
			return is(desk.Get(ctx, lin, d.idOf(i, d.planOf(i).created)))(func(t ticket.Ticket) bool { return t.Number == numberOf(i) })
		}},
		{"by number", aimPage, func(ctx context.Context, r *rand.Rand) error {
			i := any(r)
			return is(desk.Find(ctx, lin, string(numberOf(i))))(func(t ticket.Ticket) bool { return t.Number == numberOf(i) })
		}},
		{"by number, as its customer (Track)", aimPage, func(ctx context.Context, r *rand.Rand) error {
			i := any(r)
			return is(desk.Track(ctx, ticket.Requester(person(d.planOf(i).requester)), string(numberOf(i))))(func(v ticket.View) bool { return v.Number == numberOf(i) })
		}},
		list("by requester, newest first", aimPage, func(r *rand.Rand) ticket.Query {
			return ticket.Query{Requester: person(d.planOf(active(r)).requester), Order: ticket.OrderNewestFirst}
		}, full),
		{"a customer's own tickets", aimPage, func(ctx context.Context, r *rand.Rand) error {
			return is(desk.List(ctx, customer(r), newest))(full)
		}},
		list("by organisation, newest first", aimPage, func(r *rand.Rand) ticket.Query {
			return ticket.Query{Organisation: person(d.planOf(active(r)).requester).Organisation, Order: ticket.OrderNewestFirst}
		}, full),
		list("by tag, newest first", aimPage, func(r *rand.Rand) ticket.Query {
			return ticket.Query{Tags: []string{tags[r.IntN(len(tags))]}, Order: ticket.OrderNewestFirst}
		}, full),
		list("by a field that few have", aimPage, func(r *rand.Rand) ticket.Query {
			return ticket.Query{Fields: ticket.Fields{"order": orderOf(active(r))}}
		}, one),
		list("by a field that many have, newest first", aimPage, func(r *rand.Rand) ticket.Query {
			return ticket.Query{Fields: ticket.Fields{"product": products[r.IntN(len(products))]}, Order: ticket.OrderNewestFirst}
		}, full),
		{"the history of a ticket", 0, func(ctx context.Context, r *rand.Rand) error {
			i := any(r)
			for _, err := range desk.History(ctx, lin, d.idOf(i, d.planOf(i).created)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"counts by queue, level and status", 0, func(ctx context.Context, _ *rand.Rand) error {
			return is(desk.Counts(ctx, lin))(func(c []ticket.Count) bool { return len(c) > 0 })
		}},

		similar("to a ticket", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			i := any(r)
			return desk.Similar(ctx, lin, d.idOf(i, d.planOf(i).created), 0)
		}, 1),
		similar("to a draft", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			return desk.SimilarToDraft(ctx, lin, d.draft(r, 20+r.IntN(40)), 0)
		}, 1),
		similar("to a draft of three words", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			return desk.SimilarToDraft(ctx, lin, d.draft(r, 0), 0)
		}, 0),
		similar("to a draft with a rare word", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			dr := d.draft(r, 20)
			dr.Subject = of(v.rare)(r)
			return desk.SimilarToDraft(ctx, lin, dr, 0)
		}, 1),
		similar("to a draft of the word in every third", func(ctx context.Context, _ *rand.Rand) ([]ticket.Suggestion, error) {
			return desk.SimilarToDraft(ctx, lin, ticket.Draft{Subject: marker}, 0)
		}, 1),
		similar("to a draft of 256 words", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			return desk.SimilarToDraft(ctx, lin, d.draft(r, 1500), 0)
		}, 1),
		similar("to a customer's draft (known problems)", func(ctx context.Context, r *rand.Rand) ([]ticket.Suggestion, error) {
			return desk.SimilarToDraft(ctx, customer(r), d.draft(r, 20+r.IntN(40)), 0)
		}, 0),

		search("a rare word", agent, text(of(v.rare)), 0),
		search("a middling word", agent, text(of(v.middling)), 1),
		search("a common word", agent, text(of(v.common)), 1),
		search("the word in every third ticket", agent, text(of([]string{marker})), 50),
		search("the same, the best matches first", agent, func(*rand.Rand) ticket.SearchQuery {
			return ticket.SearchQuery{Text: marker, Best: true}
		}, 50),
		search("two common words", agent, text(func(r *rand.Rand) string { return of(v.common)(r) + " " + of(v.common)(r) }), 1),
		search("two common words that never meet", agent, text(of([]string{marker + " " + other})), 0),
		search("a common and a rare word", agent, text(func(r *rand.Rand) string { return marker + " " + of(v.rare)(r) }), 0),
		search("a prefix of three symbols", agent, text(func(r *rand.Rand) string { return of(v.middling)(r)[:3] + "*" }), 1),
		search("a prefix of the common word", agent, text(of([]string{marker[:4] + "*"})), 50),
		search("as a customer, a common word", customer, text(of(v.common)), 0),
		search("as a customer, the word in every third", customer, text(of([]string{marker})), 0),
		search("common word, in open work of a queue", agent, func(r *rand.Rand) ticket.SearchQuery {
			q := queue
			q.Order = ""
			return ticket.SearchQuery{Query: q, Text: marker}
		}, 0),
	}, pages...), nil
}

// pages is the number of the late page.
const pages = 200

// deep walks to the 200th page, or to the last one if there are fewer. It returns the
// places of the pages around that page, and the page's number.
func (p *place) deep(ctx context.Context, a ticket.Actor, q ticket.Query) (places []ticket.Cursor, which string, err error) {
	const around = 5
	n := 1
	for ; n < pages+around; n++ {
		page, err := p.desk.List(ctx, a, q)
		if err != nil {
			return nil, "", err
		}
		if page.Next == "" {
			break
		}
		places = append(places, page.Next) // of page n+1
		q.After = page.Next
	}
	if len(places) == 0 {
		return nil, "", errors.New("the list has only one page")
	}
	if n < pages {
		return places[len(places)-1:], fmt.Sprintf("%d, the last", n), nil
	}
	return places[max(0, len(places)-2*around):], fmt.Sprintf("%d (±%d)", pages, around), nil
}

// A vocabulary holds words by the number of tickets that contain them.
type vocabulary struct{ rare, middling, common []string }

func (d *desk) vocabulary() (v vocabulary) {
	const sample = 2000
	in := map[string]int{}
	for i := range min(sample, d.tickets) {
		i *= d.tickets / min(sample, d.tickets)
		seen := map[string]bool{}
		for _, e := range d.history(i) {
			for w := range strings.FieldsFuncSeq(e.Subject+" "+string(e.Message)+" "+string(e.Note), func(r rune) bool { return r < 'a' || r > 'z' }) {
				seen[w] = true
			}
		}
		for w := range seen {
			in[w]++
		}
	}
	for _, w := range d.vocab {
		switch n := in[w]; {
		case n <= 1:
			v.rare = append(v.rare, w) // less than one in a thousand
		case n >= sample/200 && n <= sample/50:
			v.middling = append(v.middling, w) // 0.5 to 2 %
		case n >= sample/10:
			v.common = append(v.common, w) // 10 % and more
		}
	}
	return v
}

// compareDo measures Do on both databases in turns.
func compareDo(ctx context.Context, s *settings, large, little *place) error {
	for _, what := range []struct {
		name string
		do   func(p *place) func(context.Context, *rand.Rand) error
	}{
		{"Do: take, note, release, on open tickets", (*place).work},
		{"Do: a note on any ticket", (*place).note},
	} {
		if !s.only.MatchString(what.name) {
			continue
		}
		const turn = 50
		took := map[*place][]sample{}
		does := map[*place]*call{}
		r := rand.New(rand.NewPCG(5, 6))
		for _, p := range []*place{large, little} {
			does[p] = &call{name: what.name, do: what.do(p)}
			if _, err := does[p].measure(ctx, p, r, warm); err != nil {
				return err
			}
		}
		for range max(2*s.calls, 1000) / turn {
			for _, p := range []*place{large, little} {
				some, err := does[p].measure(ctx, p, r, turn)
				if err != nil {
					return err
				}
				took[p] = append(took[p], some...)
			}
		}
		a, b := figuresOf(took[large]), figuresOf(took[little])
		ratio := float64(a.median) / float64(b.median)
		s.say("%-46s %11s %11s %11s %11s", what.name, ms(a.median), ms(a.p99), ms(a.worst), ms(a.work))
		s.say("%-46s %11s %11s %11s %11s  ratio of medians %.2f, ≤ %.1f: %s", fmt.Sprintf("  the same with %d tickets", small),
			ms(b.median), ms(b.p99), ms(b.worst), ms(b.work), ratio, aimDo, verdict(ratio <= aimDo))
	}
	return nil
}

// work takes an open ticket, writes a note and releases it, with one Do each.
func (p *place) work() func(context.Context, *rand.Rand) error {
	var open []ticket.ID
	for i := range p.made.tickets {
		if plan := p.made.planOf(i); plan.open {
			open = append(open, p.made.idOf(i, plan.created))
		}
	}
	lin := ticket.Agent("lin", 1, 2, 3)
	actions := []ticket.Action{{Name: ticket.ActionTake}, {Name: ticket.ActionNote, Note: "Looked at it."}, {Name: ticket.ActionRelease}}
	n := 0
	var id ticket.ID
	return func(ctx context.Context, r *rand.Rand) error {
		if n%len(actions) == 0 {
			id = open[r.IntN(len(open))]
		}
		n++
		_, err := p.desk.Do(ctx, lin, id, actions[(n-1)%len(actions)])
		return err
	}
}

func (p *place) note() func(context.Context, *rand.Rand) error {
	lin := ticket.Agent("lin", 1, 2, 3)
	return func(ctx context.Context, r *rand.Rand) error {
		i := r.IntN(p.made.tickets)
		_, err := p.desk.Do(ctx, lin, p.made.idOf(i, p.made.planOf(i).created), ticket.Action{Name: ticket.ActionNote, Note: "Looked at it."})
		return err
	}
}
