package mail

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// maxIDs limits the IDs taken from headers.
const maxIDs = 100

// MessageID returns the Message-ID for a delivery, or for a ticket the ID that all letters
// about it refer to: "<01JZ4Y0000000000000000000A@example.org>".
func (m *Notifier) MessageID(id ticket.ID) string {
	return "<" + id.String() + "@" + m.cfg.Domain + ">"
}

// IDs returns the IDs of deliveries and tickets in the Message-IDs of header fields such
// as Message-ID, In-Reply-To and References. They are in order of appearance, and a
// repeated ID counts at its last place. Message-IDs of other domains are skipped. Of more
// than 100 IDs, those in the middle are dropped.
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
			if len(ids) > maxIDs {
				ids = slices.Delete(ids, 1, 2) // the first is of the ticket, the last of the letter answered
			}
		}
	}
	return ids
}

// Delivery returns the delivery that the header fields name. If they name several, it
// returns the last: the letter that a reply answers, in In-Reply-To and at the end of
// References. For a bounced letter, pass the headers of the letter inside.
// [ticket.Desk.Bounced] takes the ID of the delivery. Without a match the error is
// [ticket.ErrNotFound]. The actor must be an agent or a system.
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

// Ticket returns the ticket of a letter with these header fields: by the delivery that the
// letter answers, or else by the ID that all letters about a ticket refer to. Without a
// match the error is [ticket.ErrNotFound]. The actor must be an agent or a system. A
// merged ticket is returned as it is; see Ticket.MergedInto.
//
// Everyone with a copy of a letter knows its Message-ID: your application must check
// whether the sender may write to the ticket.
func (m *Notifier) Ticket(ctx context.Context, d *ticket.Desk, a ticket.Actor, fields ...string) (ticket.Ticket, error) {
	row, err := m.Delivery(ctx, d, a, fields...)
	if err == nil {
		return d.Get(ctx, a, row.Ticket)
	}
	if !errors.Is(err, ticket.ErrNotFound) {
		return ticket.Ticket{}, err
	}
	for _, id := range m.IDs(fields...) { // the ID of the ticket comes first
		t, err := d.Get(ctx, a, id)
		if !errors.Is(err, ticket.ErrNotFound) {
			return t, err
		}
	}
	return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: "in the header"}
}
