package storetest

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// naive is a store whose outbox is a list. Each rule of the outbox is a function that a
// fault can replace. Everything else is the store in it.
type naive struct {
	ticket.Store
	ticket.MailStore
	mu   sync.Mutex
	rows []*ticket.Delivery

	blocks   func(r ticket.ClaimRequest, before, d *ticket.Delivery) bool // whether before, which is ahead of d in its line, holds up d
	ahead    func(a, b *ticket.Delivery) bool                             // whether both are in one line, with a ahead of b
	looks    func(r ticket.ClaimRequest, d *ticket.Delivery) bool         // whether a claim considers d at all
	take     func(d *ticket.Delivery, takenOver bool)                     // counts a claim in the fields of d; takenOver: the lease had expired
	settled  func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) (keep bool)
	updates  func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool
	updated  func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate)
	counts   func(r contextsRequest, d, o *ticket.Delivery) bool // whether o counts as sent to d's recipient
	here     func(d, o *ticket.Delivery) bool                    // whether o, which counts, is about d's ticket
	previous func(d, o *ticket.Delivery) bool
	bounced  func(d, o *ticket.Delivery) bool
	prunes   func(before time.Time, d *ticket.Delivery) bool
	pruned   func(d *ticket.Delivery)
}

func newNaive(s ticket.Store) *naive {
	return &naive{
		Store: s, MailStore: s.(ticket.MailStore),
		blocks: func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool { return !before.State.Settled() },
		ahead:  func(a, b *ticket.Delivery) bool { return a.Before(b) },
		looks:  func(ticket.ClaimRequest, *ticket.Delivery) bool { return true },
		take: func(d *ticket.Delivery, takenOver bool) {
			d.Attempts++
			if takenOver {
				d.Failures++
			}
		},
		settled: func(ticket.Delivery, *ticket.Delivery, ticket.Settlement) bool { return true },
		updates: func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
			return d.Tenant == r.Tenant && slices.Contains(r.From, d.State)
		},
		updated: func(ticket.Delivery, *ticket.Delivery, ticket.DeliveryUpdate) {},
		counts: func(r contextsRequest, d, o *ticket.Delivery) bool {
			return sameRecipient(d, o) && o.State == ticket.DeliverySent && !o.Settled.Before(r.since)
		},
		here: func(d, o *ticket.Delivery) bool { return d.Ticket == o.Ticket },
		previous: func(d, o *ticket.Delivery) bool {
			return o.Before(d) && o.Seq < d.Seq && o.State == ticket.DeliverySent
		},
		bounced: func(d, o *ticket.Delivery) bool {
			return d.Tenant == o.Tenant && d.Notifier == o.Notifier && o.State == ticket.DeliveryBounced && d.To.Key() == o.Key()
		},
		prunes: prunesOld,
		pruned: func(*ticket.Delivery) {},
	}
}

// prunesOld reports whether PruneDeliveries removes the delivery.
func prunesOld(before time.Time, d *ticket.Delivery) bool {
	return d.State.Settled() && d.State != ticket.DeliveryBounced && d.Settled.Before(before)
}

// sameRecipient reports whether both go to the same recipient, by the same notifier.
func sameRecipient(d, o *ticket.Delivery) bool {
	return d.Tenant == o.Tenant && d.Notifier == o.Notifier && d.To.Key() == o.To.Key()
}

// naively returns a fault: spoil changes one function of a naive outbox, and the named
// methods use that outbox.
func naively(spoil func(n *naive), methods ...string) func(*faulty) {
	return func(f *faulty) {
		n := newNaive(f.Store)
		spoil(n)
		f.Store = n
		for _, method := range methods {
			switch method {
			case "Claim":
				f.claim = n.Claim
			case "Settle":
				f.settle = n.Settle
			case "UpdateDeliveries":
				f.update = n.UpdateDeliveries
			case "DeliveryContexts":
				f.contexts = n.contexts
			case "PruneDeliveries":
				f.pruneDeliveries = n.PruneDeliveries
			}
		}
	}
}

func (n *naive) Commit(ctx context.Context, c ticket.Commit) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.Store.Commit(ctx, c); err != nil {
		return err
	}
	for _, d := range c.Deliveries {
		n.rows = append(n.rows, &d)
	}
	return nil
}

func (n *naive) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := cmp.Or(ctx.Err(), r.Check()); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortFunc(n.rows, func(a, b *ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	var claimed []ticket.Delivery
	for _, d := range n.rows {
		if !n.looks(r, d) {
			continue
		}
		ready := d.State == ticket.DeliveryPending && !d.Due.After(r.Now) || d.State == ticket.DeliveryClaimed && !d.Until.After(r.Now)
		if len(claimed) == r.Limit || !ready || !slices.Contains(r.Notifiers, d.Notifier) ||
			slices.ContainsFunc(n.rows, func(o *ticket.Delivery) bool { return n.ahead(o, d) && n.blocks(r, o, d) }) {
			continue
		}
		n.take(d, d.State == ticket.DeliveryClaimed)
		d.State, d.Until = ticket.DeliveryClaimed, r.Now.Add(r.Lease)
		claimed = append(claimed, *d)
	}
	return claimed, nil
}

func (n *naive) find(id ticket.ID) *ticket.Delivery {
	for _, d := range n.rows {
		if d.ID == id {
			return d
		}
	}
	return &ticket.Delivery{}
}

func (n *naive) Settle(ctx context.Context, list []ticket.Settlement) error {
	err := ctx.Err()
	for i := range list {
		err = cmp.Or(err, list[i].Check())
	}
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, st := range list {
		d := n.find(st.ID)
		if d.State != ticket.DeliveryClaimed || d.Attempts != st.Attempts {
			err = ticket.ErrClaimLost
			continue
		}
		was := *d
		d.State, d.Failures, d.LastError, d.Address, d.Until = st.State, st.Failures, st.Error, st.Address, time.Time{}
		if d.State == ticket.DeliveryPending {
			d.Due = st.Due
		} else {
			d.Settled = st.At
		}
		if !n.settled(was, d, st) {
			n.rows = slices.DeleteFunc(n.rows, func(o *ticket.Delivery) bool { return o == d })
		}
	}
	return err
}

func (n *naive) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	if err := cmp.Or(ctx.Err(), q.Check()); err != nil {
		return ticket.DeliveryPage{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []ticket.Delivery
	for _, d := range n.rows {
		all = append(all, *d)
	}
	return q.NewPage(newestFirst(q, all)), nil
}

func (n *naive) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
	if err := cmp.Or(ctx.Err(), r.Check()); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := 0
	for _, d := range n.rows {
		if !slices.Contains(r.IDs, d.ID) || !n.updates(r, d) {
			continue
		}
		changed++
		was := *d
		d.State, d.LastError, d.Settled = r.To, r.Error, r.At
		if r.To == ticket.DeliveryPending {
			d.Due, d.Failures, d.Settled = r.At, 0, time.Time{}
		}
		n.updated(was, d, r)
	}
	return changed, nil
}

func (n *naive) Reschedule(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
	if err := cmp.Or(ctx.Err(), h.Check()); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := 0
	for _, d := range n.rows {
		meant := slices.Contains(h.Notifiers, d.Notifier)
		if len(h.IDs) > 0 {
			meant = d.Tenant == h.Tenant && slices.Contains(h.IDs, d.ID)
		}
		switch {
		case !meant:
		case d.State == ticket.DeliveryPending && !h.Due.IsZero() && d.Due.After(h.Due):
			d.Due = h.Now
			changed++
		case d.State == ticket.DeliveryClaimed && !h.Until.IsZero() && d.Until.After(h.Until):
			d.Until = h.Now
			if d.Due.After(h.Now) {
				d.Due = h.Now
			}
			changed++
		}
	}
	return changed, nil
}

func (n *naive) Erase(ctx context.Context, e ticket.EraseCommit) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.Store.(ticket.Eraser).Erase(ctx, e); err != nil {
		return err
	}
	n.rows = slices.DeleteFunc(n.rows, func(d *ticket.Delivery) bool {
		return d.Ticket == e.Changes[0].Ticket.ID && slices.Contains(e.Remove, d.ID)
	})
	for _, d := range e.Deliveries {
		n.rows = append(n.rows, &d)
	}
	return nil
}

func (n *naive) Traces(ctx context.Context, tenant string, p ticket.Person, after ticket.ID, limit int) ([]ticket.ID, error) {
	return n.Store.(ticket.Eraser).Traces(ctx, tenant, p, after, limit)
}

func (n *naive) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	return n.Store.(ticket.ReceiptPruner).PruneReceipts(ctx, before, limit, key)
}

func (n *naive) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	removed := 0
	n.rows = slices.DeleteFunc(n.rows, func(d *ticket.Delivery) bool {
		if removed >= limit || !n.prunes(before, d) {
			return false
		}
		removed++
		n.pruned(d)
		return true
	})
	return removed, nil
}

func (n *naive) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	return n.Store.(ticket.Archiver).Closed(ctx, q)
}

func (n *naive) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	return n.contexts(ctx, contextsRequest{rows, since, most})
}

func (n *naive) contexts(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	contexts := make([]ticket.DeliveryContext, len(r.rows))
	for i := range r.rows {
		b, d := &contexts[i], &r.rows[i]
		t, err := n.Ticket(ctx, d.Tenant, d.Ticket)
		events, _ := n.Events(ctx, d.Tenant, d.Ticket, d.Seq-1, 1)
		if b.Found = err == nil && len(events) == 1 && events[0].Seq == d.Seq; b.Found {
			b.Ticket, b.Event = t, events[0]
		}
		var last *ticket.Delivery
		for _, o := range n.rows {
			if n.counts(r, d, o) {
				b.Sent++
				if n.here(d, o) {
					b.SentHere++
				}
			}
			if n.bounced(d, o) {
				b.Bounced = o.ID
			}
			if n.previous(d, o) && (last == nil || cmp.Or(cmp.Compare(last.Seq, o.Seq), last.ID.Compare(o.ID)) < 0) {
				last, b.Previous = o, o.ID
			}
		}
		b.Sent, b.SentHere = min(b.Sent, r.most), min(b.SentHere, r.most)
	}
	return contexts, nil
}

func (n *naive) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	return n.Store.(ticket.Searcher).Search(ctx, q)
}

func (n *naive) Counts(ctx context.Context, tenant string) ([]ticket.Count, error) {
	return n.Store.(ticket.Counter).Counts(ctx, tenant)
}

func (n *naive) Count(ctx context.Context, q ticket.Query, limit int) (int, error) {
	return n.Store.(ticket.Counter).Count(ctx, q, limit)
}

func (n *naive) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	return n.Store.(ticket.Exporter).Export(ctx, after)
}

func (n *naive) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	return n.Store.(ticket.Suggester).Candidates(ctx, q)
}
