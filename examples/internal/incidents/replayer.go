// Package incidents reads an incident log and performs it on a desk, for the examples replay
// and report. The columns are those of the log of the BPI Challenge 2013.
package incidents

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// Replayer performs the rows of a log on a desk.
type Replayer struct {
	Desk     *ticket.Desk
	Now      time.Time                // the time of the row
	Tickets  map[string]ticket.Ticket // current tickets by case
	Actions  int                      // number of actions performed or refused
	Refusals []error                  // one for each row that was refused
}

// NewReplayer returns a replayer on a new desk. The agreement may be nil.
func NewReplayer(store ticket.Store, agreement *sla.Agreement) (*Replayer, error) {
	p := &Replayer{Tickets: map[string]ticket.Ticket{}}
	cfg := ticket.Config{
		Now:    func() time.Time { return p.Now }, // the time of the log
		Silent: true,                              // without notifications
	}
	if agreement != nil {
		cfg.ServiceLevels = agreement
	}
	var err error
	p.Desk, err = ticket.NewDesk(store, cfg)
	return p, err
}

// Follow performs one row. A refusal by the desk is counted; any other error is returned.
func (p *Replayer) Follow(ctx context.Context, r Row) error {
	p.Now = r.Time
	err := p.try(ctx, r)
	if errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) {
		p.Refusals = append(p.Refusals, fmt.Errorf("case %s at %s, %s: %w", r.Case, r.Time.Format(time.RFC3339), r.State, err))
		err = nil
	}
	return err
}

func (p *Replayer) try(ctx context.Context, r Row) error {
	t, known := p.Tickets[r.Case]
	if !known {
		var err error
		if t, err = p.Desk.Open(ctx, ticket.Agent(r.Agent, r.Level), ticket.Draft{
			Requester: ticket.Person{ID: "customer of " + r.Case},
			Subject:   "Incident " + r.Case,
			Impact:    r.Impact,
			Level:     r.Level,
			Queue:     r.Team,
			Fields:    ticket.Fields{"product": r.Product, "country": r.Country, "owner country": r.Owner},
		}); err != nil {
			return err
		}
		p.Tickets[r.Case] = t
	}
	for _, action := range plan(t, r) {
		p.Actions++
		// The agent serves the current level of the ticket, as in the log.
		var err error
		if t, err = p.Desk.Do(ctx, ticket.Agent(r.Agent, t.Level), t.ID, action); err != nil {
			return err
		}
		p.Tickets[r.Case] = t
	}
	return nil
}
