package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// claiming returns a fault in the request or the result of Claim.
func claiming(ask func(r *ticket.ClaimRequest), change func(d []ticket.Delivery)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if ask != nil {
				ask(&r)
			}
			claimed, err := s.Claim(ctx, r)
			if change != nil {
				change(claimed)
			}
			return claimed, err
		}
	}
}

// entering returns a fault in the due time of new deliveries.
func entering(by time.Duration) func(*faulty) {
	return func(f *faulty) {
		s, moved := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			c.Deliveries = slices.Clone(c.Deliveries)
			for i := range c.Deliveries {
				d := &c.Deliveries[i]
				moved.put(d.ID, d.Due)
				d.Due = d.Due.Add(by)
			}
			return s.Commit(ctx, c)
		}
		back := func(list []ticket.Delivery) {
			for i := range list {
				if due, ok := moved.get(list[i].ID); ok && list[i].Due.Equal(due.(time.Time).Add(by)) {
					list[i].Due = due.(time.Time)
				}
			}
		}
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			back(claimed)
			return claimed, err
		}
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			back(p.Deliveries)
			return p, err
		}
		f.reopen = func() ticket.Store { return f }
	}
}

// leasing returns a fault in the length of a lease.
func leasing(by time.Duration) func(*faulty) {
	return claiming(
		func(r *ticket.ClaimRequest) {
			if r.Lease > 0 {
				r.Lease += by
			}
		},
		func(claimed []ticket.Delivery) {
			for i := range claimed {
				claimed[i].Until = claimed[i].Until.Add(-by)
			}
		})
}

// seeing returns a fault: Claim looks only at the first hundred deliveries of a kind.
func seeing(kind func(r ticket.ClaimRequest, d *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) {
		n.looks = func(r ticket.ClaimRequest, d *ticket.Delivery) bool {
			before := 0
			for _, o := range n.rows {
				if o == d {
					break
				}
				if kind(r, o) {
					before++
				}
			}
			return before < max(100, 2*r.Limit)
		}
	}, "Claim")
}

// taking returns a fault in how Claim changes a delivery.
func taking(change func(d *ticket.Delivery)) func(*faulty) {
	return naively(func(n *naive) {
		n.take = func(d *ticket.Delivery, takenOver bool) {
			d.Attempts++
			if takenOver {
				d.Failures++
			}
			change(d)
		}
	}, "Claim")
}

// held returns a fault in how Deliveries returns claimed deliveries.
func held(change func(d *ticket.Delivery)) func(*faulty) {
	return listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		for i := range p.Deliveries {
			if p.Deliveries[i].State == ticket.DeliveryClaimed {
				change(&p.Deliveries[i])
			}
		}
	})
}

var claimFaults = []fault{
	{"is early with deliveries", "Claim/due", entering(-tick)},
	{"is late with deliveries", "Claim/due", entering(tick)},
	{"orders tied deliveries backwards", "Claim/order", claiming(nil, func(d []ticket.Delivery) {
		slices.SortStableFunc(d, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), b.ID.Compare(a.ID)) })
	})},
	{"orders deliveries by the second", "Claim/order", claiming(nil, func(d []ticket.Delivery) {
		slices.SortStableFunc(d, func(a, b ticket.Delivery) int {
			return cmp.Or(a.Due.Truncate(time.Second).Compare(b.Due.Truncate(time.Second)), a.ID.Compare(b.ID))
		})
	})},
	{"claims repeats last", "Claim/order", claiming(nil, func(d []ticket.Delivery) {
		slices.SortStableFunc(d, func(a, b ticket.Delivery) int { return cmp.Compare(a.Attempts, b.Attempts) })
	})},
	{"claims without limit", "Claim/limit", claiming(func(r *ticket.ClaimRequest) {
		if r.Limit > 1 {
			r.Limit = 1000
		}
	}, nil)},
	{"claims one too few", "Claim/limit", claiming(func(r *ticket.ClaimRequest) {
		if r.Limit == 5 {
			r.Limit = 4
		}
	}, nil)},
	{"folds the case of notifiers", "Claim/notifiers", claiming(func(r *ticket.ClaimRequest) {
		for _, by := range slices.Clone(r.Notifiers) {
			r.Notifiers = append(r.Notifiers, strings.ToLower(by))
		}
	}, nil)},
	{"claims for any notifier without a list", "Claim/notifiers", claiming(func(r *ticket.ClaimRequest) {
		if len(r.Notifiers) == 0 {
			r.Notifiers = []string{"", "mail", "sms"}
		}
	}, nil)},
	{"takes the empty notifier for any", "Claim/notifiers", claiming(func(r *ticket.ClaimRequest) { r.Notifiers = append(r.Notifiers, "") }, nil)},
	{"claims for one notifier after the other", "Claim/several notifiers", func(f *faulty) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if r.Check() != nil || len(r.Notifiers) < 2 {
				return s.Claim(ctx, r)
			}
			var all []ticket.Delivery
			for _, by := range r.Notifiers {
				one := r
				one.Notifiers, one.Limit = []string{by}, r.Limit-len(all)
				if one.Limit == 0 {
					break
				}
				claimed, err := s.Claim(ctx, one)
				if err != nil {
					return nil, err
				}
				all = append(all, claimed...)
			}
			slices.SortFunc(all, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
			return all, nil
		}
	}},
	{"has a limit for each notifier", "Claim/several notifiers", func(f *faulty) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if r.Check() != nil || len(r.Notifiers) < 2 || r.Limit != 4 {
				return s.Claim(ctx, r)
			}
			r.Limit *= 2
			return s.Claim(ctx, r)
		}
	}},
	{"looks at the first hundred, which others may hold", "Claim/after many", seeing(func(_ ticket.ClaimRequest, d *ticket.Delivery) bool { return !d.State.Settled() })},
	{"looks at the first hundred that are pending", "Claim/after many", seeing(func(r ticket.ClaimRequest, d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryPending && !d.Due.After(r.Now)
	})},
	{"leases for too short", "Claim/lease", leasing(-tick)},
	{"leases for too long", "Claim/lease", leasing(tick)},
	{"uses the latest clock of all callers", "Claim/clocks differ", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var latest time.Time
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			mu.Lock()
			defer mu.Unlock()
			if r.Now.After(latest) {
				latest = r.Now
			}
			r.Now = latest
			return s.Claim(ctx, r)
		}
	}},
	{"returns what is pending", "Claim/returned", claiming(nil, func(d []ticket.Delivery) {
		for i := range d {
			d[i].State = ticket.DeliveryPending
		}
	})},
	{"returns no end of the lease", "Claim/returned", claiming(nil, func(d []ticket.Delivery) {
		for i := range d {
			d[i].Until = time.Time{}
		}
	})},
	{"returns the lease to the second", "Claim/returned", claiming(nil, func(d []ticket.Delivery) {
		for i := range d {
			d[i].Until = d[i].Until.Truncate(time.Second)
		}
	})},
	{"does not store the third attempt", "Claim/stored", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		if len(list) == 1 && list[0].Attempts == 3 {
			return ticket.ErrClaimLost
		}
		return s.Settle(ctx, list)
	})},
	{"does not count an expired lease", "Claim/taken over", naively(func(n *naive) {
		n.take = func(d *ticket.Delivery, _ bool) { d.Attempts++ }
	}, "Claim")},
	{"counts every repeat as a failure", "Claim/taken over", naively(func(n *naive) {
		n.take = func(d *ticket.Delivery, _ bool) {
			if d.Attempts++; d.Attempts > 1 {
				d.Failures++
			}
		}
	}, "Claim")},
	{"restarts the count of failures after an expired lease", "Claim/taken over", naively(func(n *naive) {
		n.take = func(d *ticket.Delivery, takenOver bool) {
			d.Attempts++
			if takenOver {
				d.Failures = 1
			}
		}
	}, "Claim")},
	{"returns an expired lease as a failure but does not store it", "Claim/taken over", listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		for i := range p.Deliveries {
			if d := &p.Deliveries[i]; d.State == ticket.DeliveryClaimed && d.Attempts == 2 {
				d.Failures = 0
			}
		}
	})},
	{"loses the last error at the next claim", "Claim/kept", taking(func(d *ticket.Delivery) { d.LastError = "" })},
	{"loses the address at the next claim", "Claim/kept", taking(func(d *ticket.Delivery) { d.Address = "" })},
	{"loses the recipient's locale at the second claim", "Claim/kept", taking(func(d *ticket.Delivery) {
		if d.Attempts == 2 {
			d.To.Person.Locale = ""
		}
	})},
	{"stores no telephone number of what is claimed", "Claim/kept", held(func(d *ticket.Delivery) { d.To.Person.Phone = "" })},
	{"stores no level and queue of what is claimed again", "Claim/kept", held(func(d *ticket.Delivery) {
		if d.Attempts > 1 {
			d.To.Queue, d.To.Level = "", 0
		}
	})},
	{"stores no kind of what is claimed again", "Claim/kept", held(func(d *ticket.Delivery) {
		if d.Attempts > 1 {
			d.Kind = ""
		}
	})},
	{"stores the time of the second claim as due", "Claim/kept", held(func(d *ticket.Delivery) {
		if d.Attempts > 1 {
			d.Due = d.Until.Add(-lease)
		}
	})},
	{"stores the time of the second claim as created", "Claim/kept", held(func(d *ticket.Delivery) {
		if d.Attempts > 1 {
			d.Created = d.Until.Add(-lease)
		}
	})},
	{"accepts a claim without a lease", "Claim/invalid", claiming(func(r *ticket.ClaimRequest) {
		if r.Lease <= 0 {
			r.Lease = lease
		}
	}, nil)},
	{"accepts a claim without a limit", "Claim/invalid", claiming(func(r *ticket.ClaimRequest) { r.Limit = max(r.Limit, 1) }, nil)},
}

// settling returns a fault in Settle alone.
func settling(settle func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.settle = func(ctx context.Context, list []ticket.Settlement) error { return settle(ctx, s, list) }
	}
}

// recording returns a fault in how Settle records a settlement.
func recording(change func(st *ticket.Settlement)) func(*faulty) {
	return settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		list = slices.Clone(list)
		for i := range list {
			change(&list[i])
		}
		return s.Settle(ctx, list)
	})
}

// outcome returns a fault in Settle that takes one outcome for another.
func outcome(of, taken ticket.DeliveryState) func(*faulty) {
	return recording(func(st *ticket.Settlement) {
		if st.State == of {
			st.State = taken
		}
	})
}

// afterwards returns a fault in a delivery after a settlement, and in whether it is kept.
func afterwards(change func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool) func(*faulty) {
	return naively(func(n *naive) { n.settled = change }, "Settle")
}

// putOff returns a fault in a delivery after DeliveryPending.
func putOff(change func(st ticket.Settlement, d *ticket.Delivery)) func(*faulty) {
	return afterwards(func(_ ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		if st.State == ticket.DeliveryPending {
			change(st, d)
		}
		return true
	})
}

// following returns a fault in Settle that records which claims are held, and until when.
func following(settle func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, now time.Time, list []ticket.Settlement) error) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		held := map[ticket.ID]ticket.Delivery{}
		var latest time.Time
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				latest = r.Now
			}
			for _, d := range claimed {
				held[d.ID] = d
			}
			return claimed, err
		}
		f.settle = func(ctx context.Context, list []ticket.Settlement) error {
			mu.Lock()
			defer mu.Unlock()
			err := settle(ctx, s, held, latest, list)
			for _, st := range list {
				if held[st.ID].Attempts == st.Attempts && err == nil {
					delete(held, st.ID)
				}
			}
			return err
		}
	}
}

func isHeld(held map[ticket.ID]ticket.Delivery, st ticket.Settlement) bool {
	d, ok := held[st.ID]
	return ok && d.Attempts == st.Attempts
}

// delaying returns a fault: Settle also postpones deliveries for which alike is true.
func delaying(alike func(was, o *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) {
		n.settled = func(was ticket.Delivery, _ *ticket.Delivery, st ticket.Settlement) bool {
			for _, o := range n.rows {
				if st.State == ticket.DeliveryPending && o.ID != was.ID && o.State == ticket.DeliveryPending && o.Due.Before(st.Due) && alike(&was, o) {
					o.Due = st.Due
				}
			}
			return true
		}
	}, "Settle")
}

var settleFaults = []fault{
	{"repeats what is done", "Settle/done", recording(func(st *ticket.Settlement) {
		if st.State == ticket.DeliverySent {
			st.State, st.Due = ticket.DeliveryPending, clock.Add(year/2)
		}
	})},
	{"tries again too late", "Settle/again", recording(func(st *ticket.Settlement) { st.Due = st.Due.Add(tick) })},
	{"tries again too early", "Settle/again", recording(func(st *ticket.Settlement) { st.Due = st.Due.Add(-tick) })},
	{"never retries before the first due time", "Settle/again earlier", afterwards(func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		if st.State == ticket.DeliveryPending && was.Due.After(d.Due) {
			d.Due = was.Due
		}
		return true
	})},
	{"postpones all of a notifier", "Settle/again, and the others", delaying(func(was, o *ticket.Delivery) bool { return o.Notifier == was.Notifier })},
	{"postpones all to a recipient", "Settle/again, and the others", delaying(func(was, o *ticket.Delivery) bool { return o.To.Key() == was.To.Key() })},
	{"postpones all of a ticket", "Settle/again, and the others", delaying(func(was, o *ticket.Delivery) bool {
		return o.Ticket == was.Ticket && o.Notifier == was.Notifier
	})},
	{"brings later ones forward", "Settle/again, and the others", naively(func(n *naive) {
		n.settled = func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
			for _, o := range n.rows {
				if st.State == ticket.DeliveryPending && was.Before(o) && o.Due.After(st.Due) && o.State == ticket.DeliveryPending {
					o.Due = st.Due
				}
			}
			return true
		}
	}, "Settle")},
	{"postpones later ones for longer", "Settle/again, and the others", naively(func(n *naive) {
		n.settled = func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
			for _, o := range n.rows {
				if st.State == ticket.DeliveryPending && was.Before(o) && o.Due.Before(st.Due) {
					o.Due = st.Due.Add(time.Minute)
				}
			}
			return true
		}
	}, "Settle")},
	{"keeps no blanks around an error", "Settle/recorded", recording(func(st *ticket.Settlement) { st.Error = strings.TrimSpace(st.Error) })},
	{"keeps one line of an error", "Settle/recorded", recording(func(st *ticket.Settlement) { st.Error, _, _ = strings.Cut(st.Error, "\n") })},
	{"does not store the address", "Settle/recorded", recording(func(st *ticket.Settlement) { st.Address = "" })},
	{"folds the case of the address", "Settle/recorded", recording(func(st *ticket.Settlement) { st.Address = strings.ToLower(st.Address) })},
	{"keeps the address of an earlier attempt", "Settle/recorded", afterwards(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		d.Address = cmp.Or(d.Address, was.Address)
		return true
	})},
	{"does not store the failures", "Settle/recorded", recording(func(st *ticket.Settlement) { st.Failures = 0 })},
	{"retries dead ones", "Settle/give up", recording(func(st *ticket.Settlement) {
		if st.State == ticket.DeliveryDead {
			st.State, st.Due = ticket.DeliveryPending, clock.Add(year/2)
		}
	})},
	{"gives up what is done", "Settle/done", outcome(ticket.DeliverySent, ticket.DeliveryDead)},
	{"takes what bounced for dead", "Settle/bounce", outcome(ticket.DeliveryBounced, ticket.DeliveryDead)},
	{"takes what was suppressed for sent", "Settle/suppress", outcome(ticket.DeliverySuppressed, ticket.DeliverySent)},
	{"retries suppressed ones", "Settle/suppress", recording(func(st *ticket.Settlement) {
		if st.State == ticket.DeliverySuppressed {
			st.State, st.Due = ticket.DeliveryPending, clock.Add(year/2)
		}
	})},
	{"settles a retry", "Settle/again", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		if st.State == ticket.DeliveryPending {
			d.Settled = st.At
		}
		return true
	})},
	{"leaves a retry claimed", "Settle/again", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		if st.State == ticket.DeliveryPending {
			d.State = ticket.DeliveryClaimed
			d.Until = st.Due
		}
		return true
	})},
	{"removes what is sent", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		return d.State != ticket.DeliverySent
	})},
	{"removes the dead", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		return d.State != ticket.DeliveryDead
	})},
	{"removes what bounced", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		return d.State != ticket.DeliveryBounced
	})},
	{"removes what was suppressed", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		return d.State != ticket.DeliverySuppressed
	})},
	{"does not store when it was settled", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		d.Settled = time.Time{}
		return true
	})},
	{"stores to the second when it was settled", "Settle/settled", recording(func(st *ticket.Settlement) { st.At = st.At.Truncate(time.Second) })},
	{"stores only for sent ones when it was settled", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		if d.State != ticket.DeliverySent {
			d.Settled = time.Time{}
		}
		return true
	})},
	{"loses the recipients of dead ones", "Settle/settled", afterwards(func(_ ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		if st.State == ticket.DeliveryDead {
			d.To = ticket.Recipient{}
		}
		return true
	})},
	{"keeps the last error of what is done", "Settle/recorded", afterwards(func(was ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
		d.LastError = cmp.Or(st.Error, was.LastError)
		return true
	})},
	{"counts no failures of what is settled", "Settle/recorded", afterwards(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		if d.State.Settled() {
			d.Failures = was.Failures
		}
		return true
	})},
	{"keeps the lease of what is settled", "Settle/recorded", afterwards(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
		if d.State == ticket.DeliveryDead {
			d.Until = was.Until
		}
		return true
	})},
	{"loses the recipient's organisation of a retry", "Settle/kept", putOff(func(_ ticket.Settlement, d *ticket.Delivery) { d.To.Person.Organisation = "" })},
	{"loses the recipient's queue of a retry", "Settle/kept", putOff(func(_ ticket.Settlement, d *ticket.Delivery) { d.To.Queue = "" })},
	{"loses the kind of a retry", "Settle/kept", putOff(func(_ ticket.Settlement, d *ticket.Delivery) { d.Kind = "" })},
	{"stores a retry as newly created", "Settle/kept", putOff(func(st ticket.Settlement, d *ticket.Delivery) { d.Created = st.At })},
	{"loses the event of a retry", "Settle/kept", putOff(func(_ ticket.Settlement, d *ticket.Delivery) {
		if d.LastError == "error 1" {
			d.Seq = 0
		}
	})},
	{"records one error for a whole call", "Settle/kept", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		list = slices.Clone(list)
		for i := range list {
			list[i].Error = list[0].Error
		}
		return s.Settle(ctx, list)
	})},
	{"records one address for a whole call", "Settle/kept", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		list = slices.Clone(list)
		for i := range list {
			list[i].Address = list[0].Address
		}
		return s.Settle(ctx, list)
	})},
	{"takes no state for DeliveryDead", "Settle/invalid", recording(func(st *ticket.Settlement) {
		if st.State == "" {
			st.State = ticket.DeliveryDead
		}
	})},
	{"makes up a missing At", "Settle/invalid", recording(func(st *ticket.Settlement) {
		if st.At.IsZero() {
			st.At = clock
		}
	})},
	{"retries at once without a Due", "Settle/invalid", recording(func(st *ticket.Settlement) {
		if st.State == ticket.DeliveryPending && st.Due.IsZero() {
			st.Due = st.At
		}
	})},
	{"does not compare attempts", "Settle/other attempts", following(func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, _ time.Time, list []ticket.Settlement) error {
		list = slices.Clone(list)
		for i := range list {
			if d, ok := held[list[i].ID]; ok {
				list[i].Attempts = d.Attempts
			}
		}
		return s.Settle(ctx, list)
	})},
	{"does not return a lost claim", "Settle/other attempts", following(func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, _ time.Time, list []ticket.Settlement) error {
		err := s.Settle(ctx, list)
		if len(list) != 1 {
			return err
		}
		if d, ok := held[list[0].ID]; ok && d.Attempts != list[0].Attempts {
			return nil
		}
		return err
	})},
	{"accepts unknown deliveries", "Settle/not claimed", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		err := s.Settle(ctx, list)
		if len(list) == 1 && list[0].Attempts == 0 && list[0].Error == "" {
			return nil
		}
		return err
	})},
	{"settles settled ones again", "Settle/not claimed", func(f *faulty) {
		s, settled := f.Store, &register{}
		f.settle = func(ctx context.Context, list []ticket.Settlement) error {
			if len(list) == 1 {
				if at, ok := settled.get(list[0].ID); ok && at == list[0].Attempts {
					return nil
				}
			}
			err := s.Settle(ctx, list)
			if err == nil && len(list) == 1 {
				settled.put(list[0].ID, list[0].Attempts)
			}
			return err
		}
	}},
	{"stops at the first claim that is lost", "Settle/the others", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		for i := range list {
			if err := s.Settle(ctx, list[i:i+1]); err != nil {
				return err
			}
		}
		return ctx.Err()
	})},
	{"settles all or nothing", "Settle/the others", following(func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, _ time.Time, list []ticket.Settlement) error {
		if slices.ContainsFunc(list, func(st ticket.Settlement) bool { return !isHeld(held, st) }) {
			return errors.Join(ctx.Err(), ticket.ErrClaimLost)
		}
		return s.Settle(ctx, list)
	})},
	{"reports the last claim only", "Settle/the others", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		err := ctx.Err()
		for i := range list {
			err = s.Settle(ctx, list[i:i+1])
		}
		return err
	})},
	{"refuses settlements that ended after the lease", "Settle/after the lease", following(func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, _ time.Time, list []ticket.Settlement) error {
		for _, st := range list {
			if d, ok := held[st.ID]; ok && st.At.After(d.Until) && ctx.Err() == nil && st.At.Before(lastYear) {
				return ticket.ErrClaimLost
			}
		}
		return s.Settle(ctx, list)
	})},
	{"refuses settlements after the lease", "Settle/after the lease", following(func(ctx context.Context, s ticket.Store, held map[ticket.ID]ticket.Delivery, now time.Time, list []ticket.Settlement) error {
		for _, st := range list {
			if d, ok := held[st.ID]; ok && !d.Until.After(now) && ctx.Err() == nil {
				return ticket.ErrClaimLost
			}
		}
		return s.Settle(ctx, list)
	})},
}
