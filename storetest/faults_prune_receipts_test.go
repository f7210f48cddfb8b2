package storetest

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

// forgettingWith is a fault in what Forget is asked.
func forgettingWith(change func(ctx context.Context, f ticket.ReceiptPruneRequest) (context.Context, ticket.ReceiptPruneRequest)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.ReceiptPruner)
		f.forget = func(ctx context.Context, g ticket.ReceiptPruneRequest) (int, error) {
			ctx, g = change(ctx, g)
			return s.PruneReceipts(ctx, g)
		}
	}
}

var forgetFaults = []fault{
	{"forgets what is as old as that", "PruneReceipts/old", forgettingWith(func(ctx context.Context, f ticket.ReceiptPruneRequest) (context.Context, ticket.ReceiptPruneRequest) {
		if f.Key == nil { // keying is another matter
			f.Before = f.Before.Add(time.Microsecond)
		}
		return ctx, f
	})},
	{"forgets without a limit", "PruneReceipts/limit", forgettingWith(func(ctx context.Context, f ticket.ReceiptPruneRequest) (context.Context, ticket.ReceiptPruneRequest) {
		if f.Key == nil {
			f.Limit = 1000
		}
		return ctx, f
	})},
	{"keys without a key", "PruneReceipts/keyed", forgettingWith(func(ctx context.Context, f ticket.ReceiptPruneRequest) (context.Context, ticket.ReceiptPruneRequest) {
		if f.Key == nil && f.Limit == 100 {
			f.Key = func(d ticket.Digest) ticket.Digest { return d }
		}
		return ctx, f
	})},
	{"keys what is keyed", "PruneReceipts/again", func(f *faulty) {
		s, n := f.Store.(ticket.ReceiptPruner), 0
		f.forget = func(ctx context.Context, g ticket.ReceiptPruneRequest) (int, error) {
			done, err := s.PruneReceipts(ctx, g)
			if g.Key != nil && g.Limit == 10 && done == 0 && err == nil {
				n++
				return n, nil
			}
			return done, err
		}
	}},
	{"forgets for a caller who has gone", "PruneReceipts/cancelled", forgettingWith(func(ctx context.Context, f ticket.ReceiptPruneRequest) (context.Context, ticket.ReceiptPruneRequest) {
		return context.WithoutCancel(ctx), f
	})},
}
