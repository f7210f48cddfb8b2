package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// onCommit returns a fault in Commit alone.
func onCommit(commit func(ctx context.Context, s ticket.Store, c ticket.Commit) error) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.commit = func(ctx context.Context, c ticket.Commit) error { return commit(ctx, s, c) }
	}
}

// onRefusal returns a fault in how Commit reports a refusal.
func onRefusal(change func(ctx context.Context, s ticket.Store, c ticket.Commit, err error) error) func(*faulty) {
	return onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		err := s.Commit(ctx, c)
		if err != nil && c.Check() == nil {
			err = change(ctx, s, c, err)
		}
		return err
	})
}

func taken(err error, what string) bool {
	var d *ticket.DuplicateError
	return errors.As(err, &d) && d.What == what
}

// A register stores values under keys that a fault chooses.
type register struct {
	mu sync.Mutex
	m  map[any]any
}

func (r *register) put(k, v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[any]any{}
	}
	r.m[k] = v
}

func (r *register) get(k any) (any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.m[k]
	return v, ok
}

var commitFaults = []fault{
	{"loses the deliveries of a new ticket in one commit with an old one", "Commit/all", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		if len(c.Changes) == 2 && c.Changes[0].Expect > 0 && c.Changes[1].Expect == 0 {
			var kept []ticket.Delivery
			for _, d := range c.Deliveries {
				if d.Ticket == c.Changes[0].Ticket.ID {
					kept = append(kept, d)
				}
			}
			c.Deliveries = kept
		}
		return s.Commit(ctx, c)
	})},
	{"loses the receipt of five events", "Commit/all", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		events := 0
		for _, ch := range c.Changes {
			events += len(ch.Events)
		}
		if events >= 5 {
			c.Receipt = nil
		}
		return s.Commit(ctx, c)
	})},
	{"writes ticket by ticket when one is new", "Commit/nothing", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		for _, ch := range c.Changes {
			if ch.Expect > 0 {
				continue
			}
			if c.Receipt != nil {
				if _, err := s.Receipt(ctx, c.Receipt.Tenant, c.Receipt.Key); err == nil {
					return s.Commit(ctx, c)
				}
			}
			if c.Check() != nil {
				return s.Commit(ctx, c)
			}
			for _, ch := range c.Changes {
				part := ticket.Commit{Changes: []ticket.Change{ch}}
				for _, d := range c.Deliveries {
					if d.Ticket == ch.Ticket.ID {
						part.Deliveries = append(part.Deliveries, d)
					}
				}
				if c.Receipt != nil && c.Receipt.Ticket == ch.Ticket.ID {
					part.Receipt = c.Receipt
				}
				if err := s.Commit(ctx, part); err != nil {
					return err
				}
			}
			return nil
		}
		return s.Commit(ctx, c)
	})},
	{"keeps the receipt of a conflict", "Commit/nothing", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			if errors.Is(err, ticket.ErrConflict) && c.Receipt != nil {
				kept.put(c.Receipt.Key, *c.Receipt)
			}
			return err
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			if r, ok := kept.get(key); ok {
				return r.(ticket.Receipt), nil
			}
			return s.Receipt(ctx, tenant, key)
		}
	}},
	{"keeps the number of a conflict", "Commit/nothing", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			for _, ch := range c.Changes {
				if _, ok := kept.get(ch.Ticket.Number); ok && ch.Expect == 0 {
					return &ticket.DuplicateError{What: "number"}
				}
			}
			err := s.Commit(ctx, c)
			if errors.Is(err, ticket.ErrConflict) {
				for _, ch := range c.Changes {
					kept.put(ch.Ticket.Number, true)
				}
			}
			return err
		}
	}},
	{"sends out the deliveries of a conflict", "Commit/nothing", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var stray []ticket.Delivery
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			if errors.Is(err, ticket.ErrConflict) {
				mu.Lock()
				defer mu.Unlock()
				stray = append(stray, c.Deliveries...)
			}
			return err
		}
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			return append(claimed, stray...), err
		}
	}},
	{"accepts a version that is several too low", "Commit/version", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		var conflict *ticket.ConflictError
		if errors.As(err, &conflict) && len(c.Changes) == 1 && conflict.Actual > conflict.Expected+1 {
			return nil
		}
		return err
	})},
	{"accepts a version that is too high", "Commit/version", onRefusal(func(_ context.Context, _ ticket.Store, _ ticket.Commit, err error) error {
		var conflict *ticket.ConflictError
		if errors.As(err, &conflict) && 0 < conflict.Actual && conflict.Actual < conflict.Expected {
			return nil
		}
		return err
	})},
	{"returns not found for a change of an unknown ticket", "Commit/version", func(f *faulty) {
		s, opened := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if _, ok := opened.get(ch.Ticket.ID); !ok && errors.Is(err, ticket.ErrConflict) {
					return &ticket.NotFoundError{What: "ticket", Ref: ch.Ticket.ID.String()}
				}
				opened.put(ch.Ticket.ID, true)
			}
			return err
		}
	}},
	{"has a conflict without data", "Commit/errors carry data", onRefusal(func(_ context.Context, _ ticket.Store, _ ticket.Commit, err error) error {
		if errors.Is(err, ticket.ErrConflict) {
			return ticket.ErrConflict
		}
		return err
	})},
	{"has a conflict with a wrong version", "Commit/errors carry data", onRefusal(func(_ context.Context, _ ticket.Store, _ ticket.Commit, err error) error {
		if conflict, ok := errors.AsType[*ticket.ConflictError](err); ok {
			return &ticket.ConflictError{Ticket: conflict.Ticket, Expected: conflict.Expected, Actual: conflict.Expected}
		}
		return err
	})},
	{"returns not found without data", "Commit/errors carry data", func(f *faulty) {
		s := f.Store
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if errors.Is(err, ticket.ErrNotFound) {
				err = ticket.ErrNotFound
			}
			return r, err
		}
	}},
	{"returns a conflict for a used ID", "Commit/ID taken", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		if taken(err, "id") && c.Receipt == nil {
			return &ticket.ConflictError{Ticket: c.Changes[0].Ticket.ID}
		}
		return err
	})},
	{"has IDs unique in each tenant", "Commit/ID taken", onRefusal(func(ctx context.Context, s ticket.Store, c ticket.Commit, err error) error {
		if _, missing := s.Ticket(ctx, c.Changes[0].Ticket.Tenant, c.Changes[0].Ticket.ID); taken(err, "id") && missing != nil {
			return nil
		}
		return err
	})},
	{"has numbers unique in each tenant", "Commit/number taken", onRefusal(func(ctx context.Context, s ticket.Store, c ticket.Commit, err error) error {
		if _, missing := s.Lookup(ctx, c.Changes[0].Ticket.Tenant, c.Changes[0].Ticket.Number); taken(err, "number") && missing != nil && len(c.Changes) == 1 {
			return nil
		}
		return err
	})},
	{"does not compare the numbers of one commit", "Commit/number taken", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		if taken(err, "number") && len(c.Changes) == 2 && c.Changes[0].Ticket.Number == c.Changes[1].Ticket.Number {
			return nil
		}
		return err
	})},
	{"folds the case of keys", "Commit/key taken", func(f *faulty) {
		s, used := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if c.Receipt != nil {
				if key, ok := used.get(strings.ToLower(c.Receipt.Key)); ok && key != c.Receipt.Key {
					return &ticket.DuplicateError{What: "key"}
				}
				used.put(strings.ToLower(c.Receipt.Key), c.Receipt.Key)
			}
			return s.Commit(ctx, c)
		}
	}},
	{"does not return a duplicate for a used key", "Commit/key taken", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		if taken(err, "key") && c.Changes[0].Expect == 0 && len(c.Deliveries) == 0 {
			return ticket.ErrDuplicate
		}
		return err
	})},
	{"shares keys between tenants", "Commit/key per tenant", func(f *faulty) {
		s, used := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if c.Receipt != nil && c.Check() == nil {
				if tenant, ok := used.get(c.Receipt.Key); ok && tenant != c.Receipt.Tenant {
					return &ticket.DuplicateError{What: "key"}
				}
				used.put(c.Receipt.Key, c.Receipt.Tenant)
			}
			return s.Commit(ctx, c)
		}
	}},
	{"has deliveries unique in each tenant", "Commit/delivery taken", func(f *faulty) {
		s, entered := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, d := range c.Deliveries {
				if tenant, ok := entered.get(d.ID); ok && tenant != d.Tenant && taken(err, "delivery") {
					return nil
				}
				entered.put(d.ID, d.Tenant)
			}
			return err
		}
	}},
	{"enters the same delivery once", "Commit/delivery taken", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		if len(c.Deliveries) == 2 && c.Deliveries[0].ID == c.Deliveries[1].ID {
			c.Deliveries = c.Deliveries[:1]
		}
		return s.Commit(ctx, c)
	})},
	{"looks at numbers before keys", "Commit/order of preference", onRefusal(func(ctx context.Context, s ticket.Store, c ticket.Commit, err error) error {
		ch := c.Changes[0]
		if _, missing := s.Lookup(ctx, ch.Ticket.Tenant, ch.Ticket.Number); taken(err, "key") && ch.Expect == 0 && missing == nil {
			return &ticket.DuplicateError{What: "number"}
		}
		return err
	})},
	{"looks at deliveries before numbers", "Commit/order of preference", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		if taken(err, "number") && len(c.Deliveries) > 0 {
			return &ticket.DuplicateError{What: "delivery"}
		}
		return err
	})},
	{"looks at versions before keys", "Commit/key before conflict", onRefusal(func(_ context.Context, _ ticket.Store, c ticket.Commit, err error) error {
		if taken(err, "key") && c.Changes[0].Expect > 0 && len(c.Deliveries) == 0 {
			return &ticket.ConflictError{Ticket: c.Changes[0].Ticket.ID, Expected: c.Changes[0].Expect, Actual: -1}
		}
		return err
	})},
	{"accepts a ticket that is not the fold of its events", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		err := s.Commit(ctx, c)
		var invalid *ticket.InvalidError
		if errors.As(err, &invalid) && invalid.Field == "commit.changes.ticket" {
			return nil
		}
		return err
	})},
	{"accepts deliveries in any state", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		c.Deliveries = slices.Clone(c.Deliveries)
		for i := range c.Deliveries {
			c.Deliveries[i].State = ticket.DeliveryPending
		}
		return s.Commit(ctx, c)
	})},
	{"accepts receipts of other tickets", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		if c.Receipt != nil && len(c.Changes) > 0 {
			c.Receipt = new(*c.Receipt)
			c.Receipt.Ticket = c.Changes[len(c.Changes)-1].Ticket.ID
		}
		return s.Commit(ctx, c)
	})},
	{"accepts an empty commit", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		if len(c.Changes)+len(c.Deliveries) == 0 {
			return nil
		}
		return s.Commit(ctx, c)
	})},
	{"refuses without a category", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		err := s.Commit(ctx, c)
		if errors.Is(err, ticket.ErrInvalid) {
			return errors.New(err.Error())
		}
		return err
	})},
}
