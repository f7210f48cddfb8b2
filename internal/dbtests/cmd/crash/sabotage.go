package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ticketkit/ticket"
)

var errNothing = errors.New("no action was acknowledged")

// damage lists damage that the check must find. It proves that the check works.
var damage = map[string]func(ctx context.Context, c *checking) error{
	"event": func(ctx context.Context, c *checking) error {
		_, p, err := c.someAcknowledged(ctx)
		return errors.Join(err, c.change(ctx, fmt.Sprintf("DELETE FROM ticket_events WHERE ticket = '%s' AND seq = %d", p.ticket, p.seq)))
	},
	"delivery": func(ctx context.Context, c *checking) error {
		id, err := c.pick(ctx, "SELECT MIN(id) FROM ticket_outbox")
		return errors.Join(err, c.change(ctx, "DELETE FROM ticket_outbox WHERE id = '"+id+"'"))
	},
	"ticket": func(ctx context.Context, c *checking) error {
		id, err := c.pick(ctx, "SELECT MIN(id) FROM ticket_tickets")
		return errors.Join(err, c.change(ctx, "UPDATE ticket_tickets SET assignee = 'nobody' WHERE id = '"+id+"'"))
	},
	"receipt": func(ctx context.Context, c *checking) error {
		name, err := c.pick(ctx, "SELECT MIN(name) FROM ticket_receipts")
		return errors.Join(err, c.change(ctx, "DELETE FROM ticket_receipts WHERE name = '"+name+"'"))
	},
	"label": func(ctx context.Context, c *checking) error {
		return c.change(ctx, "DELETE FROM ticket_labels WHERE label LIKE '%customer-1%'")
	},
	"twice": func(ctx context.Context, c *checking) error {
		_, p, err := c.someAcknowledged(ctx)
		return errors.Join(err, c.change(ctx, fmt.Sprintf("INSERT INTO ticket_events (ticket, seq, tenant, at, doc) "+
			"SELECT ticket, 1000000, tenant, at, doc FROM ticket_events WHERE ticket = '%s' AND seq = %d", p.ticket, p.seq)))
	},
	"journal": func(_ context.Context, c *checking) error {
		c.record.add([]entry{{Kind: asked, Token: "forged"}, {Kind: acknowledged, Token: "forged", Ticket: c.seeds[0].ID, Version: 1}})
		return nil
	},
	"number": func(ctx context.Context, c *checking) error {
		t, err := c.desk.Get(ctx, looker, c.seeds[0].ID)
		c.record.add([]entry{{Kind: asked, Token: "forged"},
			{Kind: acknowledged, Token: "forged", Ticket: ticket.NewID(t.Created), Version: 1, Number: t.Number}})
		return err
	},
}

func sabotages() []string { return slices.Sorted(maps.Keys(damage)) }

// someAcknowledged finds an acknowledged action that is not the first one of its
// ticket.
func (c *checking) someAcknowledged(context.Context) (string, place, error) {
	for token, a := range c.record.attempts {
		if a.outcome == acknowledged && !a.doubt && a.version > 2 {
			return token, place{a.ticket, a.version}, nil
		}
	}
	return "", place{}, errNothing
}

func (c *checking) pick(ctx context.Context, query string) (value string, err error) {
	return value, c.db.QueryRowContext(ctx, query).Scan(&value)
}

func (c *checking) change(ctx context.Context, statement string) error {
	result, err := c.db.ExecContext(ctx, statement)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("the statement changed nothing: %s", statement))
	}
	return nil
}
