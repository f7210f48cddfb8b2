package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// A kit is what a case works with: a store and methods to fill it, to read it and to
// report failures.
type kit struct {
	tb
	rule   rule
	store  *watched
	closed func(ticket.Store) ticket.Store // reopens the store
	made   atomic.Uint64                   // IDs and numbers so far
}

func newKit(t tb, r rule, s ticket.Store, reopen func(ticket.Store) ticket.Store) *kit {
	return &kit{tb: t, rule: r, store: &watched{Store: s}, closed: reopen}
}

// reopen closes the store and opens it again.
func (k *kit) reopen() { k.store = &watched{Store: k.closed(k.store.Store)} }

// fail reports the sentence that does not hold, the reason and the last method called.
// With several callers the errors name the method themselves.
func (k *kit) fail(format string, args ...any) {
	k.Helper()
	why := fmt.Sprintf(format, args...)
	if last := k.store.last(); last != "" && k.rule.needs != Concurrency && !strings.Contains(why, last) {
		why += "\n\tThe last call was of " + last + "."
	}
	k.Errorf("%s\n\t%s", k.rule.says, why)
	k.FailNow()
}

// ok expects a call to succeed.
func (k *kit) ok(err error, call string, args ...any) {
	k.Helper()
	if err != nil {
		k.fail("%s: %v", fmt.Sprintf(call, args...), err)
	}
}

// refused expects a call to fail with an error of the category.
func (k *kit) refused(err, category error, call string, args ...any) {
	k.Helper()
	if !errors.Is(err, category) {
		k.fail("%s: got error %v, want %q", fmt.Sprintf(call, args...), err, category)
	}
}

// duplicate expects a commit to fail with a DuplicateError that names what is taken.
func (k *kit) duplicate(err error, what, call string, args ...any) {
	k.Helper()
	var d *ticket.DuplicateError
	if !errors.Is(err, ticket.ErrDuplicate) || !errors.As(err, &d) || d.What != what {
		k.fail("%s: got error %v, want a DuplicateError of %q", fmt.Sprintf(call, args...), err, what)
	}
}

// same expects two values to be equal; see the package comment.
func (k *kit) same(got, want any, what string, args ...any) {
	k.Helper()
	if d := diff(got, want); d != "" {
		k.fail("%s%s", fmt.Sprintf(what, args...), d)
	}
}

func (k *kit) put(c ticket.Commit) {
	k.Helper()
	k.ok(k.store.Commit(k.Context(), c), "Commit")
}

func (k *kit) commit(changes ...ticket.Change) {
	k.Helper()
	k.put(ticket.Commit{Changes: changes})
}

// try commits the changes and returns the store's error.
func (k *kit) try(changes ...ticket.Change) error {
	return k.store.Commit(k.Context(), ticket.Commit{Changes: changes})
}

func (k *kit) ticket(t ticket.Ticket) ticket.Ticket {
	k.Helper()
	got, err := k.store.Ticket(k.Context(), t.Tenant, t.ID)
	k.ok(err, "Ticket")
	return got
}

func (k *kit) events(t ticket.Ticket) []ticket.Event {
	k.Helper()
	got, err := k.store.Events(k.Context(), t.Tenant, t.ID, 0, 0)
	k.ok(err, "Events")
	return got
}

func (k *kit) receipt(tenant, key string) ticket.Receipt {
	k.Helper()
	got, err := k.store.Receipt(k.Context(), tenant, key)
	k.ok(err, "Receipt")
	return got
}

// stands expects a ticket to be stored like this, with this history.
func (k *kit) stands(t ticket.Ticket, history []ticket.Event) {
	k.Helper()
	k.same(k.ticket(t), t, "ticket")
	k.same(k.events(t), history, "events")
}

// unknown expects no ticket to be stored with this ID or number.
func (k *kit) unknown(t ticket.Ticket) {
	k.Helper()
	_, err := k.store.Ticket(k.Context(), t.Tenant, t.ID)
	k.refused(err, ticket.ErrNotFound, "Ticket")
	_, err = k.store.Lookup(k.Context(), t.Tenant, t.Number)
	k.refused(err, ticket.ErrNotFound, "Lookup")
}

func (k *kit) list(q ticket.Query) ticket.Page {
	k.Helper()
	p, err := k.store.List(k.Context(), q)
	k.ok(err, "List %+v", q)
	return p
}

func (k *kit) due(now time.Time, limit int) []ticket.Ref {
	k.Helper()
	refs, err := k.store.Due(k.Context(), now, limit)
	k.ok(err, "Due")
	return refs
}

// dueAside is like due, for cases about something else: it also reports whether Due
// works at all, which other cases check.
func (k *kit) dueAside(now time.Time) ([]ticket.Ref, bool) {
	refs, err := k.store.Due(k.Context(), now, 100)
	return refs, err == nil
}

// lease is the duration of a claim, unless a case says otherwise.
const lease = time.Minute

// claim claims what is due now for the notifier "mail".
func (k *kit) claim(now time.Time) []ticket.Delivery {
	k.Helper()
	return k.claimWith(ticket.ClaimRequest{Now: now, Lease: lease, Limit: 100, Notifiers: []string{"mail"}})
}

func (k *kit) claimWith(r ticket.ClaimRequest) []ticket.Delivery {
	k.Helper()
	d, err := k.store.Claim(k.Context(), r)
	k.ok(err, "Claim")
	return d
}

func (k *kit) settle(s ...ticket.Settlement) {
	k.Helper()
	k.ok(k.store.Settle(k.Context(), s), "Settle")
}

func (k *kit) deliveries(q ticket.DeliveryQuery) ticket.DeliveryPage {
	k.Helper()
	p, err := k.store.Deliveries(k.Context(), q)
	k.ok(err, "Deliveries %+v", q)
	return p
}

// find returns a delivery by its ID.
func (k *kit) find(d ticket.Delivery) (ticket.Delivery, bool) {
	k.Helper()
	list := k.deliveries(ticket.DeliveryQuery{Tenant: d.Tenant, IDs: []ticket.ID{d.ID}}).Deliveries
	i := slices.IndexFunc(list, func(found ticket.Delivery) bool { return found.ID == d.ID })
	if i < 0 {
		return ticket.Delivery{}, false
	}
	return list[i], true
}

// stored is like find, for a delivery that must exist.
func (k *kit) stored(d ticket.Delivery) ticket.Delivery {
	k.Helper()
	found, ok := k.find(d)
	if !ok {
		k.fail("the delivery %s is no longer found", d.ID)
	}
	return found
}

func (k *kit) update(r ticket.DeliveryUpdate) int {
	k.Helper()
	n, err := k.store.UpdateDeliveries(k.Context(), r)
	k.ok(err, "UpdateDeliveries")
	return n
}

// together calls f n times concurrently, from a common start.
func (k *kit) together(n int, f func(i int) error) {
	k.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		k.fail("%v", err)
	}
}

func idsOf(tickets []ticket.Ticket) []ticket.ID {
	ids := make([]ticket.ID, len(tickets))
	for i := range tickets {
		ids[i] = tickets[i].ID
	}
	return ids
}

func deliveryIDs(deliveries []ticket.Delivery) []ticket.ID {
	ids := make([]ticket.ID, len(deliveries))
	for i := range deliveries {
		ids[i] = deliveries[i].ID
	}
	return ids
}
