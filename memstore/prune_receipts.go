package memstore

import (
	"context"
	"maps"
	"time"

	"github.com/ticketkit/ticket"
)

// PruneReceipts removes old receipts, and replaces the digests of others with keyed
// ones; see [ticket.ReceiptPruner]. It visits every receipt.
func (s *Store) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	removed, changed := 0, 0
	for i := range s.keys {
		x := &s.keys[i]
		for k, old := range x.all() {
			r, gone := old, old.At.Before(before)
			switch {
			case gone && removed < limit:
				removed++
			case !gone && !r.Keyed && key != nil && changed < limit:
				changed++
				r.Request, r.Keyed = key(r.Request), true
			default:
				continue
			}
			x.mu.Lock()
			if x.m[k] == old { // otherwise another call has done it
				if x.m[k] = r; gone {
					delete(x.m, k)
				}
			}
			x.mu.Unlock()
		}
	}
	return removed + changed, nil
}

// all returns a copy of the shard.
func (x *index[K, V]) all() map[K]V {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return maps.Clone(x.m)
}
