package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/ticketkit/ticket"
)

// A step is one action on a ticket, with the notifications it causes. The first step
// opens the ticket.
type step struct {
	actor    ticket.Actor
	action   ticket.Action // with a key, so that it can be repeated
	draft    *ticket.Draft // of the first step
	expected []expected
}

// expected is a notification that a step must cause: its kind and address.
type expected struct {
	kind    ticket.Kind
	address string
}

// These addresses accept nothing.
const (
	refusing = "refusing" // every message is refused for good, for what it says
	gone     = "gone"     // there is no such address
)

// requester returns the requester of a ticket. One in fifty refuses, one is gone.
func requester(n int) ticket.Person {
	name := "customer"
	switch n % 50 {
	case 7:
		name = refusing
	case 23:
		name = gone
	}
	return ticket.Person{ID: fmt.Sprintf("c-%d", n), Name: fmt.Sprintf("Customer %d", n), Email: fmt.Sprintf("%s-%d@example.org", name, n)}
}

func agent(n, level int) ticket.Actor {
	return ticket.Agent(fmt.Sprintf("agent-%d", (n+level)%20), 1, 2, 3)
}

// address returns the address of a recipient in the profile of a run.
func address(to ticket.Recipient) string {
	switch {
	case to.Person.Email != "":
		return to.Person.Email
	case to.Person.ID != "":
		return to.Person.ID + "@desk.example.net"
	default:
		return fmt.Sprintf("level-%d@desk.example.net", to.Level)
	}
}

// script returns the steps of a ticket. They are always the same for the same seed.
func script(seed uint64, n int) []step {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	customer := ticket.Requester(requester(n))
	mine := address(ticket.Recipient{Person: customer.Person})
	words := func() ticket.Message {
		return ticket.Message(fmt.Sprintf("Words %d about ticket %d.", r.IntN(1000), n))
	}
	level, assignee := 1, ""
	desk := func() string { // the recipient of notifications about the customer's words
		return address(ticket.Recipient{Person: ticket.Person{ID: assignee}, Level: level})
	}
	steps := []step{{
		actor:    customer,
		draft:    &ticket.Draft{Subject: fmt.Sprintf("Printer %d prints blank pages", n), Message: words(), Key: fmt.Sprintf("t%d", n)},
		expected: []expected{{ticket.KindReceived, mine}, {ticket.KindQueued, desk()}},
	}}
	waiting := false
	for range 2 + r.IntN(4) {
		s := step{actor: agent(n, level)}
		has := func() {
			if assignee == "" {
				assignee = s.actor.Person.ID
			}
		}
		switch k := r.IntN(10); {
		case k < 3 && !waiting:
			s.action = ticket.Action{Name: ticket.ActionReply, Message: words()}
			s.expected = []expected{{ticket.KindAnswered, mine}}
			has()
		case k < 5 && !waiting:
			s.action = ticket.Action{Name: ticket.ActionAsk, Message: words()}
			s.expected = []expected{{ticket.KindAsked, mine}}
			has()
			waiting = true
		case k < 6 && level < 3:
			s.action = ticket.Action{Name: ticket.ActionEscalate, Note: "beyond me"}
			level, assignee, waiting = level+1, "", false
			s.expected = []expected{{ticket.KindHanded, mine}, {ticket.KindEscalated, desk()}}
		case k < 7 && assignee == "":
			s.action = ticket.Action{Name: ticket.ActionTake}
			has()
		default:
			s.actor = customer
			s.action = ticket.Action{Name: ticket.ActionReply, Message: words()}
			s.expected = []expected{{ticket.KindCustomer, desk()}}
			waiting = false
		}
		steps = append(steps, s)
	}
	if r.IntN(5) > 0 {
		steps = append(steps, step{
			actor: agent(n, level), action: ticket.Action{Name: ticket.ActionResolve, Message: words()}, expected: []expected{{ticket.KindSolved, mine}},
		})
	}
	for i := range steps {
		steps[i].action.Key = fmt.Sprintf("t%d-%d", n, i)
	}
	return steps
}
