package storetest

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

// pruningWith returns a fault in the arguments of PruneReceipts.
func pruningWith(change func(ctx context.Context, f pruneRequest) (context.Context, pruneRequest)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.ReceiptPruner)
		f.prune = func(ctx context.Context, g pruneRequest) (int, error) {
			ctx, g = change(ctx, g)
			return s.PruneReceipts(ctx, g.before, g.limit, g.key)
		}
	}
}

var pruneFaults = []fault{
	{"prunes receipts of that time", "PruneReceipts/old", pruningWith(func(ctx context.Context, f pruneRequest) (context.Context, pruneRequest) {
		if f.key == nil { // not the calls that key
			f.before = f.before.Add(time.Microsecond)
		}
		return ctx, f
	})},
	{"prunes without a limit", "PruneReceipts/limit", pruningWith(func(ctx context.Context, f pruneRequest) (context.Context, pruneRequest) {
		if f.key == nil {
			f.limit = 1000
		}
		return ctx, f
	})},
	{"prunes all receipts at a limit of 0", "PruneReceipts/limit", pruningWith(func(ctx context.Context, r pruneRequest) (context.Context, pruneRequest) {
		if r.limit == 0 {
			r.limit = 1000
		}
		return ctx, r
	})},
	{"keys without a key", "PruneReceipts/keyed", pruningWith(func(ctx context.Context, f pruneRequest) (context.Context, pruneRequest) {
		if f.key == nil && f.limit == 100 {
			f.key = func(d ticket.Digest) ticket.Digest { return d }
		}
		return ctx, f
	})},
	{"keys receipts twice", "PruneReceipts/again", func(f *faulty) {
		s, n := f.Store.(ticket.ReceiptPruner), 0
		f.prune = func(ctx context.Context, g pruneRequest) (int, error) {
			done, err := s.PruneReceipts(ctx, g.before, g.limit, g.key)
			if g.key != nil && g.limit == 10 && done == 0 && err == nil {
				n++
				return n, nil
			}
			return done, err
		}
	}},
	{"prunes in spite of the context", "PruneReceipts/cancelled", pruningWith(func(ctx context.Context, f pruneRequest) (context.Context, pruneRequest) {
		return context.WithoutCancel(ctx), f
	})},
}
