package web

import "github.com/ticketkit/ticket"

// file sends a file of a ticket. Everybody who may not read it gets the page of what is not there.
func (c *Console) file(p *page) error {
	t, err := c.find(p)
	if err != nil {
		return err
	}
	var sum ticket.Digest
	if sum.UnmarshalText([]byte(p.arg("sum"))) != nil || sum.IsZero() {
		return ticket.ErrNotFound
	}
	return p.sendFile(p.actor, t.ID, sum)
}
