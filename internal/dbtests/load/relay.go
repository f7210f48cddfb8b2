package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	limit  = 20 // of a claim
	forget = 3  // one in so many claims is never settled, so that others take over after the lease
)

// holds records who holds which deliveries or mails.
type holds struct {
	mu                         sync.Mutex
	now                        map[ticket.ID]held
	seen                       map[attempt]bool
	two, claimed, failed, lost int
}

// held is a delivery or a mail that somebody holds.
type held struct {
	attempt

	until time.Time
	who   string
}

// An attempt is given to one caller only.
type attempt struct {
	id ticket.ID
	n  int
}

// begin records that a caller holds something from now on. It returns who else does.
func (h *holds) begin(c held) (other string, two bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.claimed++
	before, now := h.now[c.id], time.Now()
	two = h.seen[c.attempt] || now.Before(before.until) && now.Before(c.until) // a slow call may return after the lease
	h.seen[c.attempt], h.now[c.id] = true, c
	return fmt.Sprintf("%s attempt %d until %s", before.who, before.n, before.until.Format("05.000")), two
}

// end records that the caller no longer holds it.
func (h *holds) end(c held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now[c.id] == c {
		delete(h.now, c.id)
	}
}

// fault counts an error.
func (h *holds) fault(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(err, ticket.ErrClaimLost) {
		h.lost++
	} else {
		h.failed++
	}
}

// relay claims and settles until ctx ends.
func (l *Load) relay(ctx context.Context, who string, h *holds, claim func(context.Context) (list []held, settle func() error, err error)) {
	for ctx.Err() == nil {
		list, settle, err := claim(ctx)
		for i := range list {
			list[i].who = who
			if other, two := h.begin(list[i]); two {
				l.mu.Lock()
				l.Note(&h.two, "%s holds attempt %d of %s until %s, and so does %s", who, list[i].n, list[i].id, list[i].until.Format("05.000"), other)
				l.mu.Unlock()
			}
		}
		switch {
		case err == nil && len(list) > 0:
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			if rand.IntN(forget) == 0 {
				continue // as a relay that dies
			}
			for i := range list {
				h.end(list[i])
			}
			err = settle()
		case err == nil:
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil && ctx.Err() == nil {
			h.fault(err)
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// maintain maintains the search index until ctx ends.
func (l *Load) maintain(ctx context.Context, p *Place) {
	for ctx.Err() == nil {
		err := p.Store.Maintain(ctx)
		if ctx.Err() == nil {
			l.mu.Lock()
			l.maintained++
			if err != nil {
				l.idle[kind(err)]++
			}
			l.mu.Unlock()
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
}

// claimDeliveries claims deliveries. One in eight is tried again.
func (l *Load) claimDeliveries(ctx context.Context, p *Place) (list []held, settle func() error, err error) {
	found, err := p.Store.Claim(ctx, ticket.ClaimRequest{Now: time.Now(), Lease: l.Lease, Limit: limit, Notifiers: []string{via}})
	outcomes := make([]ticket.Settlement, len(found))
	for i, d := range found {
		list = append(list, held{attempt: attempt{d.ID, d.Attempts}, until: d.Until})
		outcomes[i] = ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliverySent, At: time.Now(), Failures: d.Failures}
		if rand.IntN(8) == 0 {
			outcomes[i].State, outcomes[i].Due, outcomes[i].Error = ticket.DeliveryPending, time.Now().Add(50*time.Millisecond), "later"
		}
	}
	return list, func() error { return p.Store.Settle(ctx, outcomes) }, err
}

func (l *Load) claimMails(ctx context.Context, p *Place) (list []held, settle func() error, err error) {
	found, err := p.Store.ClaimMails(ctx, ticket.MailClaim{Now: time.Now(), Lease: l.Lease, Limit: limit, Mailboxes: []string{mailbox}})
	for _, m := range found {
		list = append(list, held{attempt: attempt{m.ID, m.Attempts}, until: m.Until})
	}
	return list, func() (err error) {
		for _, m := range found {
			m.State, m.Reason, m.Until, m.Due, m.Settled = ticket.MailIgnored, "a trial", time.Time{}, time.Time{}, time.Now().UTC()
			err = errors.Join(err, p.Store.SettleMail(ctx, ticket.MailPending, m))
		}
		return err
	}, err
}
