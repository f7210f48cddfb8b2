package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysPrune = "PruneReceipts removes receipts of all tenants whose At is before the time before, at most limit of them."
	saysKeyed = "Of the other receipts, at most limit that are not Keyed must become Keyed, with key of their Request as the new Request; none if key is nil. It returns the number of receipts it removed or changed."
)

var pruneRules = []rule{
	{name: "PruneReceipts/old", says: saysPrune, lacks: noPruner, upon: []string{"Commit/"}, prove: pruneOld},
	{name: "PruneReceipts/limit", says: saysPrune, lacks: noPruner, upon: []string{"PruneReceipts/old"}, prove: pruneLimit},
	{name: "PruneReceipts/keyed", says: saysKeyed, lacks: noPruner, upon: []string{"PruneReceipts/old", "Values/copies in"}, prove: pruneKeyed},
	{name: "PruneReceipts/again", says: saysKeyed, lacks: noPruner, upon: []string{"PruneReceipts/old", "PruneReceipts/keyed", "PruneReceipts/limit", "Values/copies in"}, prove: pruneAgain},
	{name: "PruneReceipts/cancelled", says: saysCancelled, lacks: noPruner, prove: pruneCancelled},
}

// noPruner names the feature if the store lacks it.
func noPruner(ctx context.Context, s ticket.Store) string {
	f, ok := s.(ticket.ReceiptPruner)
	if ok {
		_, err := f.PruneReceipts(ctx, time.Time{}, 1, nil)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "age of receipts"
	}
	return ""
}

func rekeyed(d ticket.Digest) ticket.Digest { return sha256.Sum256(d[:]) }

// received commits a ticket with a receipt of the given time.
func (k *kit) received(tenant, key string, at time.Time) ticket.Receipt {
	k.Helper()
	c := k.opened(tenant)
	r := receiptFor(c.Ticket, key)
	r.At = at
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Receipt: r})
	return *r
}

// A pruneRequest holds the arguments of PruneReceipts.
type pruneRequest struct {
	before time.Time
	limit  int
	key    func(ticket.Digest) ticket.Digest
}

func (k *kit) prune(r pruneRequest) int {
	k.Helper()
	n, err := k.store.PruneReceipts(k.Context(), r.before, r.limit, r.key)
	k.ok(err, "PruneReceipts")
	return n
}

func (k *kit) pruned(r ticket.Receipt) bool {
	k.Helper()
	_, err := k.store.Receipt(k.Context(), r.Tenant, r.Key)
	if err != nil {
		k.refused(err, ticket.ErrNotFound, "Receipt %q of %q", r.Key, r.Tenant)
	}
	return err != nil
}

func pruneOld(k *kit) {
	var old, kept []ticket.Receipt
	for _, tenant := range []string{acme, "", "other"} {
		old = append(old, k.received(tenant, "old", clock.Add(-time.Microsecond)))
		kept = append(kept, k.received(tenant, "kept", clock))
	}
	k.same(k.prune(pruneRequest{before: clock, limit: 50}), len(old), "number that were removed")
	for _, r := range old {
		k.same(k.pruned(r), true, "receipt %q of %q is gone", r.Key, r.Tenant)
	}
	for _, r := range kept {
		k.same(k.receipt(r.Tenant, r.Key), r, "receipt %q of %q", r.Key, r.Tenant)
	}
}

func pruneLimit(k *kit) {
	var old []ticket.Receipt
	for i := range 10 {
		old = append(old, k.received(acme, fmt.Sprintf("key-%d", i), past))
	}
	for _, limit := range []int{0, -1} {
		k.same(k.prune(pruneRequest{before: clock, limit: limit, key: rekeyed}), 0, "changed with a limit of %d", limit)
	}
	for _, left := range []int{7, 4, 1, 0, 0} {
		k.prune(pruneRequest{before: clock, limit: 3})
		n := 0
		for _, r := range old {
			if !k.pruned(r) {
				n++
			}
		}
		k.same(n, left, "receipts that are left, with a limit of 3")
	}
}

func pruneKeyed(k *kit) {
	var list []ticket.Receipt
	for i := range 5 {
		list = append(list, k.received(acme, fmt.Sprintf("key-%d", i), clock))
	}
	k.same(k.prune(pruneRequest{before: clock, limit: 100}), 0, "changed without a key")
	for _, r := range list {
		k.same(k.receipt(r.Tenant, r.Key), r, "receipt that was not keyed")
	}
	for n := 0; n < len(list); {
		done := k.prune(pruneRequest{before: clock, limit: 2, key: rekeyed})
		if done < 1 || done > 2 {
			k.fail("with a limit of 2 it changed %d, after %d of %d", done, n, len(list))
		}
		n += done
	}
	for _, r := range list {
		r.Request, r.Keyed = rekeyed(r.Request), true
		k.same(k.receipt(r.Tenant, r.Key), r, "receipt that was keyed")
	}
}

// pruneAgain checks that no receipt is keyed twice and that keyed ones are removed, too.
func pruneAgain(k *kit) {
	r := k.received(acme, "key", clock)
	k.same(k.prune(pruneRequest{before: clock, limit: 10, key: rekeyed}), 1, "keyed")
	k.same(k.prune(pruneRequest{before: clock, limit: 10, key: rekeyed}), 0, "keyed again")
	want := r
	want.Request, want.Keyed = rekeyed(r.Request), true
	k.same(k.receipt(r.Tenant, r.Key), want, "receipt")
	k.same(k.prune(pruneRequest{before: soon, limit: 10, key: rekeyed}), 1, "removed")
	k.same(k.pruned(r), true, "a keyed receipt is gone")
	again := k.received(acme, "key", soon) // the key is free again
	k.same(k.receipt(acme, "key"), again, "receipt of the second use")
}

func pruneCancelled(k *kit) {
	r := k.received(acme, "key", past)
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.PruneReceipts(ctx, clock, 10, nil)
	k.refused(err, context.Canceled, "PruneReceipts")
	k.same(k.receipt(r.Tenant, r.Key), r, "receipt")
}
