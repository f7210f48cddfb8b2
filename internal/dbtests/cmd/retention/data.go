package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/ticketkit/ticket"
)

const day = 24 * time.Hour

// start is when the clock starts.
var start = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)

// later is how far the clock of the second run is ahead.
const later = 15 * day

// rules are the rules of the runs.
func rules() []ticket.RetentionRule {
	return []ticket.RetentionRule{
		{Name: "keep", Tickets: ticket.Query{Queue: []string{"keep"}}},
		{Name: "tagged", Tickets: ticket.Query{Tags: []string{tag}}, Archive: 30 * day, EraseWords: 365 * day},
		{Name: "usual", Archive: 30 * day, EraseWords: 365 * day, ErasePersons: 730 * day},
	}
}

const tag = "by-tag"

// A kind says what is to happen to a ticket.
type kind int

const (
	toArchive kind = iota
	toErase        // its words
	toForget       // its words, and in the second run its persons
	tagged         // its words, in several steps, and in the second run its persons
	fresh          // nothing: it was closed yesterday
	kept           // nothing: its rule says so
	held           // nothing: it has a legal hold
	kinds
)

// kindOf returns the kind of ticket i. Most are due.
func kindOf(i int) kind {
	switch n := i % 100; {
	case i%2500 == 17:
		return tagged
	case n < 45:
		return toArchive
	case n < 84:
		return toErase
	case n < 90:
		return toForget
	case n < 95:
		return fresh
	case n < 98:
		return kept
	default:
		return held
	}
}

// ageOf returns how long before start the ticket was closed. The tickets with the tag are the
// oldest of those that lose their words, so that they are the first.
func ageOf(i int) time.Duration {
	spread := time.Duration(i%200) * day
	switch kindOf(i) {
	case toArchive:
		return 40*day + spread
	case toErase, held:
		return 400*day + spread
	case toForget:
		return 720 * day
	case tagged:
		return 724 * day
	case fresh:
		return day
	default:
		return 800 * day
	}
}

// work is the time from the creation of a ticket until it is closed.
const work = 9 * day

// closedAt returns when the ticket was closed.
func closedAt(i int) time.Time { return start.Add(-ageOf(i)).Add(time.Duration(i) * time.Microsecond) }

func idOf(i int, created time.Time) (id ticket.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(created.UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[6:14], uint64(i)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint16(id[14:], uint16(i))
	return id
}

func numberOf(i int) ticket.Number {
	return ticket.NumberOf(bits.Reverse64(uint64(i)*0x9E3779B97F4A7C15) >> 24 & (1<<40 - 1))
}

func customer(i int) ticket.Person {
	return ticket.Person{ID: fmt.Sprintf("c-%d", i), Name: fmt.Sprintf("Customer %d", i), Email: fmt.Sprintf("c%d@example.org", i)}
}

// longHistory is the number of replies of a ticket with the tag, which are erased in steps.
const longHistory = 1100

// history makes ticket i.
func history(i int) []ticket.Event {
	k := kindOf(i)
	closed := closedAt(i)
	at := closed.Add(-work)
	w := ticket.DefaultWorkflow()
	id, who, queue := idOf(i, at), customer(i), "usual"
	if k == kept {
		queue = "keep"
	}
	var events []ticket.Event
	state := ticket.State{Status: ticket.StatusNew, Level: 1}
	add := func(e ticket.Event, to ticket.State, phase ticket.Phase) {
		e.Ticket, e.Seq, e.At, e.To, e.Phase = id, int64(len(events)+1), at, to, phase
		if e.Seq > 1 {
			e.From = state
		}
		if e.By.Role == 0 {
			e.By = ticket.By{Role: ticket.RoleAgent, ID: "agent"}
		}
		state = to
		events = append(events, e)
		at = at.Add(time.Minute)
	}
	open := ticket.Event{
		Action: ticket.ActionOpen, By: ticket.By{Role: ticket.RoleRequester}, Channel: ticket.ChannelMail,
		Set: ticket.Patch{Number: numberOf(i), Workflow: w.Name, WorkflowVersion: w.Version, Priority: ticket.GradeMedium, Queue: &queue, AddTags: []string{"some"}},
		PublicContent: ticket.PublicContent{Subject: fmt.Sprintf("Subject of %d", i), Message: "The words of the customer, which are erased one day.",
			Fields: ticket.Fields{"order": int64(i)}},
		Identities: ticket.Identities{Requester: who, Actor: who},
	}
	if k == tagged {
		open.Set.AddTags = append(open.Set.AddTags, tag)
	}
	add(open, state, ticket.PhaseReceived)
	take := ticket.Event{Action: ticket.ActionTake, InternalContent: ticket.InternalContent{Note: "A note."}}
	take.Set.Assignee = new("agent")
	working := ticket.State{Status: ticket.StatusOpen, Level: 1}
	add(take, working, ticket.PhaseInProgress)
	if k == tagged {
		for range longHistory {
			add(ticket.Event{Action: ticket.ActionReply, Answer: true, PublicContent: ticket.PublicContent{Message: "One more answer."}}, working, ticket.PhaseInProgress)
		}
	}
	solved := ticket.Event{Action: ticket.ActionResolve, Answer: true, PublicContent: ticket.PublicContent{Message: "The words of the solution."}}
	solved.Set.Resolution, solved.Set.Timer = new("fixed"), &ticket.Timer{At: closed, Action: ticket.ActionClose}
	add(solved, ticket.State{Status: ticket.StatusResolved, Level: 1}, ticket.PhaseSolved)
	end := ticket.State{Status: ticket.StatusClosed, Level: 1}
	at = closed
	closing := ticket.Event{Action: ticket.ActionClose, By: ticket.By{Role: ticket.RoleSystem, ID: "desk"}}
	closing.Set.Timer = &ticket.Timer{}
	add(closing, end, ticket.PhaseClosed)
	if k == held {
		hold := ticket.Event{Action: ticket.ActionEdit}
		hold.Set.LegalHold = new(true)
		add(hold, end, ticket.PhaseClosed)
	}
	switch k {
	case toErase, toForget, tagged, held:
		at = closed.Add(31 * day)
		archive := ticket.Event{Action: ticket.ActionArchive, By: ticket.By{Role: ticket.RoleSystem, ID: "desk"}}
		archive.Set.Stage, archive.Set.Rule = new(ticket.StageArchived), "usual"
		add(archive, end, ticket.PhaseClosed)
	}
	var digest ticket.Digest
	for j := range events {
		ticket.Chain{}.Seal(digest, &events[j])
		digest = events[j].Digest
	}
	return events
}

// histories makes all tickets.
func histories(n int) func(func([]ticket.Event, error) bool) {
	return func(yield func([]ticket.Event, error) bool) {
		for i := range n {
			if !yield(history(i), nil) {
				return
			}
		}
	}
}
