package web

import (
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
)

// receiptAge is how long the page of the confirmation can be opened. The letter stays.
const receiptAge = 24 * time.Hour

// sentData is the data of customer_sent.html.
type sentData struct {
	Number   ticket.Number
	Subject  string
	At       time.Time
	Expected time.Time           // zero if no time is promised
	Files    []ticket.Attachment // those of the opening
	Mailed   bool                // the confirmation goes to a typed address
	Open     bool                // the reader can open the ticket here
}

// receipt returns the secret of the confirmation of a ticket.
func (c *Customer) receipt(p *page, id ticket.ID) string {
	return c.seals.seal("sent", p.actor.Tenant, p.now.Add(receiptAge), id[:])
}

// sent shows the confirmation: what was committed, and nothing that happened since.
func (c *Customer) sent(p *page) error {
	p.secret()
	data, ok := c.seals.open("sent", p.actor.Tenant, p.query("r"), p.now)
	var id ticket.ID
	if len(data) != len(id) {
		return ticket.ErrNotFound
	}
	if !ok {
		return &fault{status: http.StatusGone, key: "expired", retry: "find"}
	}
	copy(id[:], data)
	t, err := c.site.desk.Lookup(p.ctx(), c.system(p.actor), id.String())
	if err != nil {
		return err
	}
	d := sentData{Number: t.Number, Subject: t.Subject, At: t.Created, Expected: t.Promised, Mailed: !p.SignedIn()}
	for e, err := range c.site.desk.Events(p.ctx(), c.system(p.actor), id) {
		if err != nil {
			return err
		}
		d.Files = e.Attachments
		if d.Expected.IsZero() && e.Set.Promised != nil {
			d.Expected = *e.Set.Promised
		}
		break // the first event opened it
	}
	d.Open = p.SignedIn() && p.actor.RoleOn(t) != 0
	return p.render(http.StatusOK, "customer_sent.html", d)
}
