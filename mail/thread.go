package mail

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// mostIDs bounds how many IDs are taken out of a header.
const mostIDs = 100

// MessageID is the Message-ID of a delivery's letter, and of a ticket the ID that all
// letters about it refer to: "<01JZ4Y0000000000000000000A@example.org>".
func (m *Notifier) MessageID(id ticket.ID) string {
	return "<" + id.String() + "@" + m.cfg.Domain + ">"
}

// IDs reads the IDs of deliveries and tickets out of header fields with Message-IDs of
// this desk (Message-ID, In-Reply-To, References), in their order, each where it stands
// last. What is of another domain, or no Message-ID, is left out; of more than a
// hundred, those in the middle are.
func (m *Notifier) IDs(fields ...string) []ticket.ID {
	var ids []ticket.ID
	for _, field := range fields {
		for one, rest, closed := strings.Cut(field, ">"); closed; one, rest, closed = strings.Cut(rest, ">") {
			from := strings.LastIndexByte(one, '<')
			local, domain := split(strings.TrimSpace(one[from+1:]))
			id, err := ticket.ParseID(local)
			if from < 0 || err != nil || !strings.EqualFold(domain, m.cfg.Domain) {
				continue
			}
			ids = append(slices.DeleteFunc(ids, func(o ticket.ID) bool { return o == id }), id)
			if len(ids) > mostIDs {
				ids = slices.Delete(ids, 1, 2) // the first is the ticket's, and the last what is answered
			}
		}
	}
	return ids
}

// Delivery returns the delivery that one of the fields names: of several the last, as
// a reply has it in In-Reply-To and at the end of References, and what comes back has
// it in the headers of the letter that is inside. [ticket.Desk.Bounced] takes its ID.
// None is [ticket.ErrNotFound]; the actor must be an agent or a system.
func (m *Notifier) Delivery(ctx context.Context, d *ticket.Desk, a ticket.Actor, fields ...string) (ticket.Delivery, error) {
	ids := m.IDs(fields...)
	if len(ids) == 0 {
		return ticket.Delivery{}, &ticket.NotFoundError{What: "delivery", Ref: "in the header"}
	}
	page, err := d.Deliveries(ctx, a, ticket.DeliveryQuery{IDs: ids})
	if err != nil {
		return ticket.Delivery{}, err
	}
	for _, id := range slices.Backward(ids) {
		for _, row := range page.Deliveries {
			if row.ID == id {
				return row, nil
			}
		}
	}
	return ticket.Delivery{}, &ticket.NotFoundError{What: "delivery", Ref: ids[len(ids)-1].String()}
}

// Ticket returns the ticket that a letter with these fields is about: by the delivery
// that it answers, or else by the ID that all letters about a ticket refer to. None is
// [ticket.ErrNotFound]; the actor must be an agent or a system. A ticket that was
// merged is returned as it is: see Ticket.MergedInto.
//
// Whoever has got a letter, or a copy of it, knows its Message-ID, and no more: the
// host must find out whether the sender may write to the ticket.
func (m *Notifier) Ticket(ctx context.Context, d *ticket.Desk, a ticket.Actor, fields ...string) (ticket.Ticket, error) {
	row, err := m.Delivery(ctx, d, a, fields...)
	if err == nil {
		return d.Get(ctx, a, row.Ticket)
	}
	if !errors.Is(err, ticket.ErrNotFound) {
		return ticket.Ticket{}, err
	}
	for _, id := range m.IDs(fields...) { // that of the ticket comes first
		t, err := d.Get(ctx, a, id)
		if !errors.Is(err, ticket.ErrNotFound) {
			return t, err
		}
	}
	return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: "in the header"}
}
