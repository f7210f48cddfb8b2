package load

import (
	"context"
	"errors"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

var looker = ticket.System("check")

// settled waits until all deliveries and mails are settled.
func (l *Load) settled(ctx context.Context) error {
	for end := time.Now().Add(l.Patience); ; time.Sleep(100 * time.Millisecond) {
		s := l.places[0].Store
		page, err := s.Deliveries(ctx, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}})
		if err != nil {
			return err
		}
		counts, err := s.CountMails(ctx, "")
		left := len(page.Deliveries) + int(counts[ticket.MailPending])
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(end) {
			l.Note(&l.unsettled, "%d deliveries or mails are not settled", left)
			return nil
		}
	}
}

// A place is an event, and told is a notification of one.
type (
	place struct {
		ticket ticket.ID
		seq    int64
	}
	told struct {
		of   place
		kind ticket.Kind
		to   string
	}
)

// Check compares what was acknowledged with what a place has.
func (l *Load) Check(ctx context.Context, p *Place) error {
	l.tickets = 0
	at := map[string][]place{}
	for t, err := range p.Desk.Tickets(ctx, looker, ticket.Query{}) {
		if err != nil {
			return err
		}
		l.tickets++
		if err := p.Desk.Verify(ctx, looker, t.ID); errors.Is(err, ticket.ErrChain) {
			l.Note(&l.broken, "%s: %v", p.Name, err)
		} else if err != nil {
			return err
		}
		events, err := p.Store.Events(ctx, "", t.ID, 0, 0)
		if err != nil {
			return err
		}
		for i := range events {
			if m := string(events[i].Message); m != "" {
				at[m] = append(at[m], place{t.ID, events[i].Seq})
			}
		}
	}
	list, err := (&ordeal.Ground{Store: p.Store}).Deliveries(ctx)
	if err != nil {
		return err
	}
	reported, all := map[place]bool{}, map[told]bool{}
	for i := range list {
		one := told{place{list[i].Ticket, list[i].Seq}, list[i].Kind, list[i].To.Key()}
		if all[one] {
			l.Note(&l.doubled, "%s: two deliveries of %v", p.Name, one)
		}
		reported[one.of], all[one] = true, true
	}
	for _, q := range l.done {
		switch places := at[q.token]; {
		case len(places) == 0 || places[0].ticket != q.ticket:
			l.Note(&l.lost, "%s: %s is acknowledged and not there", p.Name, q.token)
		case len(places) > 1:
			l.Note(&l.doubled, "%s: %s is in %v", p.Name, q.token, places)
		case !reported[places[0]]:
			l.Note(&l.lost, "%s: nobody is told of %s", p.Name, q.token)
		}
	}
	for _, id := range l.mails {
		mails, err := p.Store.Mails(ctx, ticket.MailQuery{IDs: []ticket.ID{id}, Limit: 1})
		if err != nil {
			return err
		}
		if len(mails) == 0 {
			l.Note(&l.lost, "%s: mail %s is acknowledged and not there", p.Name, id)
		}
	}
	counts, err := p.Store.CountMails(ctx, "")
	if have := counts[ticket.MailIgnored] + counts[ticket.MailPending]; have > int64(len(l.mails)) {
		l.Note(&l.doubled, "%s: %d mails instead of %d", p.Name, have, len(l.mails))
	}
	return err
}
