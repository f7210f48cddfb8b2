package load

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

var looker = ticket.System("check")

// patiently calls do until it succeeds, as a place may still refuse calls for a moment.
func (l *Load) patiently(ctx context.Context, do func() error) error {
	for end := time.Now().Add(l.Patience); ; time.Sleep(100 * time.Millisecond) {
		if err := do(); err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// settled waits until all deliveries and mails are settled.
func (l *Load) settled(ctx context.Context) error {
	left := 1
	for end := time.Now().Add(l.Patience); left > 0; time.Sleep(100 * time.Millisecond) {
		err := l.patiently(ctx, func() error {
			s := l.places[0].Store
			page, err := s.Deliveries(ctx, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}})
			if err != nil {
				return err
			}
			counts, err := s.CountMails(ctx, "")
			left = len(page.Deliveries) + int(counts[ticket.MailPending])
			return err
		})
		if err != nil {
			return err
		}
		if left > 0 && time.Now().After(end) {
			l.Note(&l.unsettled, "%d deliveries or mails are not settled", left)
			return nil
		}
	}
	return nil
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

// A picture is what a place has.
type picture struct {
	tickets    map[ticket.ID]error // what is wrong with the chain
	at         map[string][]place  // the events with each token
	deliveries []ticket.Delivery
	absent     []ticket.ID // mails
	mails      int64
}

// look reads what a place has.
func (l *Load) look(ctx context.Context, p *Place) (*picture, error) {
	all := &picture{tickets: map[ticket.ID]error{}, at: map[string][]place{}}
	for t, err := range p.Desk.Tickets(ctx, looker, ticket.Query{}) {
		if err != nil {
			return nil, err
		}
		err := p.Desk.Verify(ctx, looker, t.ID)
		if err != nil && !errors.Is(err, ticket.ErrChain) {
			return nil, err
		}
		all.tickets[t.ID] = err
		events, err := p.Store.Events(ctx, "", t.ID, 0, 0)
		if err != nil {
			return nil, err
		}
		for i := range events {
			if m := string(events[i].Message); m != "" {
				all.at[m] = append(all.at[m], place{t.ID, events[i].Seq})
			}
		}
	}
	var err error
	if all.deliveries, err = (&ordeal.Ground{Store: p.Store}).Deliveries(ctx); err != nil {
		return nil, err
	}
	for _, id := range l.mails {
		mails, err := p.Store.Mails(ctx, ticket.MailQuery{IDs: []ticket.ID{id}, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(mails) == 0 {
			all.absent = append(all.absent, id)
		}
	}
	counts, err := p.Store.CountMails(ctx, "")
	all.mails = counts[ticket.MailIgnored] + counts[ticket.MailPending]
	return all, err
}

// Check compares what was acknowledged with what a place has.
func (l *Load) Check(ctx context.Context, p *Place) error {
	var all *picture
	if err := l.patiently(ctx, func() (err error) { all, err = l.look(ctx, p); return err }); err != nil {
		return err
	}
	l.tickets = len(all.tickets)
	for _, err := range all.tickets {
		if err != nil {
			l.Note(&l.broken, "%s: %v", p.Name, err)
		}
	}
	reported, seen := map[place]bool{}, map[told]bool{}
	for _, d := range all.deliveries {
		one := told{place{d.Ticket, d.Seq}, d.Kind, d.To.Key()}
		if seen[one] {
			l.Note(&l.doubled, "%s: two deliveries of %v", p.Name, one)
		}
		reported[one.of], seen[one] = true, true
	}
	for _, q := range l.done {
		switch places := all.at[q.token]; {
		case len(places) == 0 || places[0].ticket != q.ticket:
			l.Note(&l.lost, "%s: %s is acknowledged and not there", p.Name, q.token)
		case len(places) > 1:
			l.Note(&l.doubled, "%s: %s is in %v", p.Name, q.token, places)
		case !reported[places[0]]:
			l.Note(&l.lost, "%s: nobody is told of %s", p.Name, q.token)
		}
	}
	for _, id := range all.absent {
		l.Note(&l.lost, "%s: mail %s is acknowledged and not there", p.Name, id)
	}
	if all.mails > int64(len(l.mails)) {
		l.Note(&l.doubled, "%s: %d mails instead of %d", p.Name, all.mails, len(l.mails))
	}
	return errors.Join(l.find(ctx, p), l.checkFiles(ctx, p))
}

// find looks up each ticket by the word of its first action, and by that of its last one.
func (l *Load) find(ctx context.Context, p *Place) error {
	if err := l.patiently(ctx, func() error { return p.Store.Maintain(ctx) }); err != nil {
		return err
	}
	first, last := map[ticket.ID]string{}, map[ticket.ID]string{}
	for _, q := range l.done {
		if first[q.ticket] == "" {
			first[q.ticket] = q.token
		}
		last[q.ticket] = q.token
	}
	for _, words := range []map[ticket.ID]string{first, last} {
		for id, word := range words {
			var hits []ticket.Hit
			err := l.patiently(ctx, func() (err error) {
				hits, err = p.Desk.Search(ctx, looker, ticket.SearchQuery{Text: word})
				return err
			})
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(hits, func(h ticket.Hit) bool { return h.Ticket.ID == id }) {
				l.Note(&l.unfound, "%s: a search for %s does not find ticket %s", p.Name, word, id)
			}
		}
	}
	return nil
}

// checkFiles reads each file that was acknowledged.
func (l *Load) checkFiles(ctx context.Context, p *Place) error {
	for _, q := range l.done {
		if q.file.IsZero() {
			continue
		}
		err := l.patiently(ctx, func() error {
			err := l.read(ctx, p, q.ticket, q.file)
			if errors.Is(err, ticket.ErrNotFound) {
				l.Note(&l.damaged, "%s: the file of %s is not there", p.Name, q.token)
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
