package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// mostNext bounds how many tickets an agent tries to get before giving up. Each one that it
// does not get, another agent got.
const mostNext = 500

// next assigns the agent the next ticket that nobody has, and shows it. Agents who ask at the
// same time get different ones: each takes a ticket in the version in which nobody had it.
func (c *Console) next(p *page) error {
	f, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	key, err := f.one("key")
	if err != nil {
		return err
	}
	tried := map[ticket.ID]bool{}
	// First what is due, and then what was not promised for a time.
	for _, order := range []ticket.Order{ticket.OrderSoonestDue, ticket.OrderMostUrgent} {
		q := queueURL{View: viewUnassigned}.query(p.actor, p.now, c.cfg.DueSoon)
		q.Order, q.Limit = order, 100
		if len(p.actor.Levels) == 0 && p.actor.Role == ticket.RoleAgent {
			break // the agent can take none
		}
		if p.actor.Role == ticket.RoleAgent && p.actor.Queues != nil {
			if q.Queue = served(p.actor); len(q.Queue) == 0 {
				break
			}
		}
		for t, err := range c.site.desk.Tickets(p.ctx(), p.actor, q) {
			if err != nil {
				return err
			}
			if tried[t.ID] {
				continue
			}
			if tried[t.ID] = true; len(tried) > mostNext {
				break
			}
			switch taken, err := c.take(p, &t, key); {
			case err != nil:
				return err
			case taken == alreadyTaken: // the form was sent twice
				return p.redirect("tickets", url.Values{"view": {viewMine}})
			case taken == nowTaken:
				return p.toTicket(string(t.Number), did(string(ticket.ActionTake)))
			}
		}
	}
	return p.redirect("tickets", url.Values{"view": {viewUnassigned}, "none": {"1"}})
}

// served lists the queues of an agent who does not serve all. "" is no queue.
func served(a ticket.Actor) []string {
	return slices.DeleteFunc(append(slices.Clone(a.Queues), ""), func(q string) bool {
		return strings.ContainsRune(q, 0) || !a.ServesQueue(q)
	})
}

// What became of the attempt to take a ticket.
const (
	notTaken = iota
	nowTaken
	alreadyTaken
)

// take takes a ticket as it was read, unless another agent was faster.
func (c *Console) take(p *page, t *ticket.Ticket, key string) (int, error) {
	after, err := c.site.desk.Do(p.ctx(), p.actor, t.ID, ticket.Action{Name: ticket.ActionTake, Version: t.Version, Key: key})
	switch {
	case err == nil && after.Assignee == p.actor.Person.ID:
		return nowTaken, nil
	case errors.Is(err, ticket.ErrDuplicate):
		return alreadyTaken, nil
	case err == nil, errors.Is(err, ticket.ErrStale), errors.Is(err, ticket.ErrConflict), errors.Is(err, ticket.ErrRefused), errors.Is(err, ticket.ErrNotFound):
		return notTaken, nil
	}
	return notTaken, err
}
