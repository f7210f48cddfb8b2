package main

import (
	"context"
	"errors"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

var looker = ticket.System("cluster")

// settled waits until all deliveries and mails are settled.
func (r *run) settled(ctx context.Context) error {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		s := r.nodes[0].store
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
			r.Note(&r.unsettled, "%d deliveries or mails are not settled", left)
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

// check compares what was acknowledged with what a node has.
func (r *run) check(ctx context.Context, n *node) error {
	r.tickets = 0
	at := map[string][]place{}
	for t, err := range n.desk.Tickets(ctx, looker, ticket.Query{}) {
		if err != nil {
			return err
		}
		r.tickets++
		if err := n.desk.Verify(ctx, looker, t.ID); errors.Is(err, ticket.ErrChain) {
			r.Note(&r.broken, "%s: %v", n.name, err)
		} else if err != nil {
			return err
		}
		events, err := n.store.Events(ctx, "", t.ID, 0, 0)
		if err != nil {
			return err
		}
		for i := range events {
			if m := string(events[i].Message); m != "" {
				at[m] = append(at[m], place{t.ID, events[i].Seq})
			}
		}
	}
	list, err := (&ordeal.Ground{Store: n.store}).Deliveries(ctx)
	if err != nil {
		return err
	}
	reported, all := map[place]bool{}, map[told]bool{}
	for i := range list {
		one := told{place{list[i].Ticket, list[i].Seq}, list[i].Kind, list[i].To.Key()}
		if all[one] {
			r.Note(&r.doubled, "%s: two deliveries of %v", n.name, one)
		}
		reported[one.of], all[one] = true, true
	}
	for _, q := range r.done {
		switch places := at[q.token]; {
		case len(places) == 0 || places[0].ticket != q.ticket:
			r.Note(&r.lost, "%s: %s is acknowledged and not there", n.name, q.token)
		case len(places) > 1:
			r.Note(&r.doubled, "%s: %s is in %v", n.name, q.token, places)
		case !reported[places[0]]:
			r.Note(&r.lost, "%s: nobody is told of %s", n.name, q.token)
		}
	}
	for _, id := range r.mails {
		mails, err := n.store.Mails(ctx, ticket.MailQuery{IDs: []ticket.ID{id}, Limit: 1})
		if err != nil {
			return err
		}
		if len(mails) == 0 {
			r.Note(&r.lost, "%s: mail %s is acknowledged and not there", n.name, id)
		}
	}
	counts, err := n.store.CountMails(ctx, "")
	if have := counts[ticket.MailIgnored] + counts[ticket.MailPending]; have > int64(len(r.mails)) {
		r.Note(&r.doubled, "%s: %d mails instead of %d", n.name, have, len(r.mails))
	}
	return err
}
