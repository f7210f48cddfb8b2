package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A desk is an invented one of three years. Each ticket depends only on its number
// i, so a database that was filled earlier can be measured again, and no other
// record is needed. (Only the salts of the seals are random.)
type desk struct {
	tickets  int
	archived int // of the oldest
	vocab    []string
	workflow ticket.WorkflowSpec
}

const (
	requesters    = 200_000 // of a million tickets
	organisations = 5_000
	bigQueue      = "service desk" // has half of the open work
	marker        = "printer"      // in every third ticket
	knownOf       = 500            // one ticket in so many is published as a known problem
	other         = "invoice"      // in every third ticket too, and never in the same one
)

var (
	begin = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	queues = []string{bigQueue, "network", "hardware", "accounts", "billing", "shop", "mail", "web", "phones", "building"}
	tags   = []string{"vip", "outage", "refund", "onsite", "remote", "warranty", "password", "vpn", "laptop", "access",
		"license", "update", "backup", "virus", "toner", "monitor", "wlan", "roaming", "contract", "export",
		"import", "report", "training", "move", "new-hire", "leaver", "audit", "privacy", "urgent-call", "spare-part"}
	products = []string{"LJ-4", "LJ-5", "X200", "X201", "T14", "T15", "P1", "P2", "Mail", "Shop", "ERP", "CRM", "VPN", "Phone", "WLAN", "Portal"}
	grades   = []ticket.Grade{ticket.GradeLow, ticket.GradeMedium, ticket.GradeMedium, ticket.GradeMedium, ticket.GradeHigh, ticket.GradeHigh, ticket.GradeCritical}
)

func newDesk(tickets, archived int) *desk {
	d := &desk{tickets: tickets, archived: archived, workflow: ticket.DefaultWorkflow()}
	// 20,000 words of two to four syllables, in an order that does not depend on
	// their spelling.
	r := rand.New(rand.NewPCG(1, 2))
	const onset, nucleus = "bdfgklmnprstvz", "aeiou"
	seen := map[string]bool{marker: true, other: true}
	for len(d.vocab) < 20_000 {
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteByte(onset[r.IntN(len(onset))])
			b.WriteByte(nucleus[r.IntN(len(nucleus))])
			if r.IntN(3) == 0 {
				b.WriteByte("lnrst"[r.IntN(5)])
			}
		}
		if w := b.String(); !seen[w] {
			seen[w] = true
			d.vocab = append(d.vocab, w)
		}
	}
	return d
}

// A plan holds the values of a ticket that are cheap to compute from i.
type plan struct {
	r         *rand.Rand
	created   time.Time
	open      bool
	queue     string
	requester int
	events    int
}

// planOf plans a ticket: 3 % are open, most of them from the last weeks.
func (d *desk) planOf(i int) plan {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	step := end.Sub(begin) / time.Duration(d.tickets)
	p := plan{r: r, created: begin.Add(time.Duration(i)*step + time.Duration(r.Int64N(int64(step)))).Truncate(time.Microsecond)}
	openOf := 100 // one in a hundred
	if i >= d.tickets-d.tickets/25 {
		openOf = 2
	}
	p.open = r.IntN(openOf) == 0
	p.queue = queues[r.IntN(len(queues))]
	if p.open && r.IntN(9) < 4 {
		p.queue = bigQueue
	}
	// Some customers write often: the first thousandth of them opens one ticket
	// in thirty.
	u := r.Float64()
	p.requester = int(u * u * float64(max(1, d.tickets*requesters/1_000_000)))
	p.events = 3 + r.IntN(2) + r.IntN(3) + r.IntN(2)
	if p.open {
		p.events = 1 + r.IntN(5)
	}
	return p
}

func person(n int) ticket.Person {
	return ticket.Person{
		ID: fmt.Sprintf("c-%d", n), Name: fmt.Sprintf("Customer %d", n), Email: fmt.Sprintf("c%d@example.org", n),
		Organisation: fmt.Sprintf("org-%d", n%organisations),
	}
}

func orderOf(i int) int64 { return 100_000 + int64(i) }

// numberOf and idOf return another value for each i.
func numberOf(i int) ticket.Number {
	return ticket.NumberOf(bits.Reverse64(uint64(i)*0x9E3779B97F4A7C15) >> 24 & (1<<40 - 1))
}

func (d *desk) idOf(i int, created time.Time) (id ticket.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(created.UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[6:14], uint64(i)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint16(id[14:], uint16(uint64(i)*40503&0xffff))
	return id
}

// text returns n words. Few words are frequent and most are rare, as in any
// language.
func (d *desk) text(r *rand.Rand, n int) *strings.Builder {
	zipf := rand.NewZipf(r, 1.07, 3, uint64(len(d.vocab)-1))
	b := &strings.Builder{}
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(d.vocab[zipf.Uint64()])
		if i%9 == 8 {
			b.WriteByte('.')
		}
	}
	return b
}

// draft returns a draft with a subject of three words and a message of n words.
func (d *desk) draft(r *rand.Rand, n int) ticket.Draft {
	return ticket.Draft{Subject: d.text(r, 3).String(), Message: ticket.Message(d.text(r, n).String()), Queue: queues[r.IntN(len(queues))],
		Fields: ticket.Fields{"product": products[r.IntN(len(products))]}}
}

// history makes ticket i.
func (d *desk) history(i int) []ticket.Event {
	p := d.planOf(i)
	r := p.r
	id, at := d.idOf(i, p.created), p.created
	agent := fmt.Sprintf("agent-%d", r.IntN(60))
	who := person(p.requester)

	message := d.text(r, 20+r.IntN(40))
	switch i % 3 {
	case 0:
		message.WriteString(" " + marker)
	case 1:
		message.WriteString(" " + other)
	}
	fields := ticket.Fields{"order": orderOf(i), "product": products[r.IntN(len(products))]}
	var labels []string
	for range r.IntN(4) {
		labels = append(labels, tags[r.IntN(len(tags))])
	}
	state := ticket.State{Status: ticket.StatusNew, Level: 1}
	events := make([]ticket.Event, 0, p.events)
	add := func(e ticket.Event, to ticket.State, phase ticket.Phase) {
		e.Ticket, e.Seq, e.At, e.To, e.Phase = id, int64(len(events)+1), at, to, phase
		if e.Seq > 1 {
			e.From = state
		}
		if e.By.Role == 0 {
			e.By = ticket.By{Role: ticket.RoleAgent, ID: agent}
		}
		state = to
		at = at.Add(time.Duration(5+r.IntN(600)) * time.Minute)
		events = append(events, e)
	}
	add(ticket.Event{
		Action: ticket.ActionOpen, By: ticket.By{Role: ticket.RoleRequester}, Channel: ticket.ChannelMail,
		Set: ticket.Patch{Number: numberOf(i), Workflow: d.workflow.Name, WorkflowVersion: d.workflow.Version, Priority: grades[r.IntN(len(grades))],
			Queue: &p.queue, AddTags: labels},
		PublicContent: ticket.PublicContent{Subject: d.text(r, 3+r.IntN(5)).String(), Message: ticket.Message(message.String()), Fields: fields},
		Identities:    ticket.Identities{Requester: who, Actor: who},
	}, state, ticket.PhaseReceived)
	take := func(level int) {
		e := ticket.Event{Action: ticket.ActionTake}
		e.Set.Assignee = &agent
		add(e, ticket.State{Status: ticket.StatusOpen, Level: level}, ticket.PhaseInProgress)
	}
	working := p.events - 2 // the last two resolve and close it
	if p.open {
		working = p.events
	}
	for len(events) < working {
		n := r.IntN(10)
		switch {
		case state.Status != ticket.StatusOpen:
			take(state.Level)
		case n == 0 && state.Level < 3:
			e := ticket.Event{Action: ticket.ActionEscalate, InternalContent: ticket.InternalContent{Note: ticket.Note(d.text(r, 8).String())}}
			e.Set.Assignee = new("")
			add(e, ticket.State{Status: ticket.StatusQueued, Level: state.Level + 1}, ticket.PhaseInProgress)
		case n < 3:
			add(ticket.Event{Action: ticket.ActionNote, InternalContent: ticket.InternalContent{Note: ticket.Note(d.text(r, 5+r.IntN(15)).String())}}, state, ticket.PhaseInProgress)
		case n < 7:
			add(ticket.Event{Action: ticket.ActionReply, Answer: true, PublicContent: ticket.PublicContent{Message: ticket.Message(d.text(r, 10+r.IntN(25)).String())}}, state, ticket.PhaseInProgress)
		default:
			add(ticket.Event{Action: ticket.ActionReply, By: ticket.By{Role: ticket.RoleRequester}, PublicContent: ticket.PublicContent{Message: ticket.Message(d.text(r, 5+r.IntN(20)).String())},
				Identities: ticket.Identities{Actor: who}}, state, ticket.PhaseInProgress)
		}
	}
	if !p.open {
		solved := ticket.Event{Action: ticket.ActionResolve, Answer: true, PublicContent: ticket.PublicContent{Message: ticket.Message(d.text(r, 10+r.IntN(20)).String())}}
		solved.Set.Assignee, solved.Set.Timer = &agent, &ticket.Timer{At: at.Add(7 * 24 * time.Hour), Action: ticket.ActionClose}
		add(solved, ticket.State{Status: ticket.StatusResolved, Level: state.Level}, ticket.PhaseSolved)
		at = at.Add(7 * 24 * time.Hour)
		closed := ticket.Event{Action: ticket.ActionClose, By: ticket.By{Role: ticket.RoleSystem, ID: "timer"}}
		closed.Set.Timer = &ticket.Timer{}
		add(closed, ticket.State{Status: ticket.StatusClosed, Level: state.Level}, ticket.PhaseClosed)
		if i%knownOf == 0 {
			known := ticket.Event{Action: ticket.ActionPublish, PublicContent: ticket.PublicContent{Known: ticket.KnownProblem{
				Title: d.text(r, 5).String(), Text: ticket.Message(d.text(r, 40).String()),
			}}}
			known.Set.Published = new(true)
			add(known, state, ticket.PhaseClosed)
		}
		if i < d.archived {
			put := ticket.Event{Action: ticket.ActionArchive, By: ticket.By{Role: ticket.RoleSystem, ID: "retention"}}
			put.Set.Stage, put.Set.Rule = new(ticket.StageArchived), "closed"
			add(put, state, ticket.PhaseClosed)
		}
	}
	var digest ticket.Digest
	for j := range events {
		ticket.Chain{}.Seal(digest, &events[j])
		digest = events[j].Digest
	}
	return events
}

// histories makes the histories of all tickets, while the import runs.
func (d *desk) histories(yield func([]ticket.Event, error) bool) {
	made := make(chan []ticket.Event, 256)
	enough := make(chan struct{})
	defer close(enough)
	go func() {
		defer close(made)
		for i := range d.tickets {
			select {
			case made <- d.history(i):
			case <-enough:
				return
			}
		}
	}()
	for h := range made {
		if !yield(h, nil) {
			return
		}
	}
}
