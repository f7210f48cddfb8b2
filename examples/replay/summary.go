package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/internal/incidents"
)

// move is a change of level.
type move struct{ from, to int }

// summary is computed from the stored tickets and events after a replay.
type summary struct {
	tickets, events int

	moves    map[move]int
	moved    int // total of moves
	reopened int // number of reopenings
	again    int // number of reopened tickets

	over         int // solved or closed
	firstContact int // of these, resolved in the first call
	by           map[ticket.Status]int

	verified, folded int
	faults           error // of histories that do not verify
}

func summarize(ctx context.Context, desk *ticket.Desk) (*summary, error) {
	s := &summary{moves: map[move]int{}, by: map[ticket.Status]int{}}
	me := ticket.System("replay")
	for t, err := range desk.Tickets(ctx, me, ticket.Query{Limit: ticket.MaxLimit}) {
		if err != nil {
			return nil, err
		}
		var events []ticket.Event
		for e, err := range desk.Events(ctx, me, t.ID) {
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		s.add(t, events)

		switch err := desk.Verify(ctx, me, t.ID); {
		case err == nil:
			s.verified++
		case errors.Is(err, ticket.ErrChain):
			s.faults = errors.Join(s.faults, err)
		default:
			return nil, err
		}
		folded, err := ticket.Replay(events)
		if err == nil && !folded.Equal(t) {
			err = errors.New("the ticket differs from the fold of its events")
		}
		if err != nil {
			s.faults = errors.Join(s.faults, fmt.Errorf("ticket %s: %w", t.Number, err))
			continue
		}
		s.folded++
	}
	return s, nil
}

func (s *summary) add(t ticket.Ticket, events []ticket.Event) {
	s.tickets++
	s.events += len(events)

	reopened := 0
	var before ticket.Phase
	for _, e := range events {
		if e.Reopens(before) {
			reopened++
		}
		before = e.Phase
		if e.Seq > 1 && e.From.Level != e.To.Level {
			s.moves[move{e.From.Level, e.To.Level}]++
			s.moved++
		}
	}
	s.reopened += reopened
	if reopened > 0 {
		s.again++
	}

	switch {
	case !t.Phase.Done():
		return
	case t.Status == ticket.StatusResolved && t.Resolution == incidents.FirstContact:
		s.firstContact++
	default:
		s.by[t.Status]++
	}
	s.over++
}

// String formats the summary for printing.
func (s *summary) String() string {
	var b strings.Builder
	line := func(what string, n int) { fmt.Fprintf(&b, "%-22s%7d\n", what, n) }
	line("tickets", s.tickets)
	line("events", s.events)
	line("moves between levels", s.moved)
	for from := 1; from <= incidents.Levels; from++ {
		for to := 1; to <= incidents.Levels; to++ {
			if from != to {
				line(fmt.Sprintf("  from %d to %d", from, to), s.moves[move{from, to}])
			}
		}
	}
	line("reopenings", s.reopened)
	line("  tickets reopened", s.again)
	line("solved or closed", s.over)
	line("  in the first call", s.firstContact)
	for _, status := range []ticket.Status{ticket.StatusResolved, ticket.StatusClosed, ticket.StatusCancelled} {
		line("  "+string(status), s.by[status])
	}
	line("still in work", s.tickets-s.over)
	line("chains verified", s.verified)
	line("equal to their fold", s.folded)
	return b.String()
}
