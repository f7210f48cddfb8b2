package web

import (
	"errors"
	"net/http"

	"github.com/ticketkit/ticket"
)

// listData is the data of customer_tickets.html.
type listData struct {
	Tickets      []ticket.Ticket
	Next         ticket.Cursor
	First        bool // it is the first page
	Shared       bool // there are the organisation's tickets, too
	Organisation bool // these are they
}

// ticketsPerPage is how many tickets a page of a customer has.
const ticketsPerPage = 25

// list shows one's own tickets, or with "?of=organisation" those of the organisation.
func (c *Customer) list(p *page) error {
	if !p.SignedIn() {
		return &fault{status: http.StatusForbidden, key: "sign_in"}
	}
	d := listData{First: p.query("after") == "", Shared: c.cfg.Organisation && p.actor.Person.Organisation != ""}
	q := ticket.Query{Order: ticket.OrderMostRecent, After: ticket.Cursor(p.query("after")), Limit: ticketsPerPage}
	actor := p.actor
	if d.Shared && p.query("of") == "organisation" {
		d.Organisation = true
		actor, q.Organisation = c.system(p.actor), p.actor.Person.Organisation
		q.NotMerged = true
	}
	page, err := c.site.desk.List(p.ctx(), actor, q)
	if errors.Is(err, ticket.ErrInvalid) {
		return ticket.ErrNotFound
	}
	if err != nil {
		return err
	}
	d.Tickets, d.Next = page.Tickets, page.Next
	if d.Organisation {
		if d.Tickets, err = c.visible(p, page.Tickets); err != nil {
			return err
		}
	}
	return p.render(http.StatusOK, "customer_tickets.html", d)
}

// visible returns the tickets that the desk lets the reader see, in the form it does.
func (c *Customer) visible(p *page, list []ticket.Ticket) ([]ticket.Ticket, error) {
	var seen []ticket.Ticket
	for i := range list {
		t, err := c.site.desk.Get(p.ctx(), p.actor, list[i].ID)
		switch {
		case errors.Is(err, ticket.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			seen = append(seen, t)
		}
	}
	return seen, nil
}

// Phase returns the name of a phase, and PhaseClass its class.
func (p *page) Phase(ph ticket.Phase) string { return p.say("phase." + phaseKey(ph)) }

// PhaseClass returns the style of a phase.
func (p *page) PhaseClass(ph ticket.Phase) string {
	switch ph {
	case ticket.PhaseInProgress:
		return "open"
	case ticket.PhaseYourTurn:
		return "warn"
	case ticket.PhaseSolved:
		return "ok"
	}
	return ""
}
