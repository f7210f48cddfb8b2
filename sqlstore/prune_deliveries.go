package sqlstore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.DeliveryPruner = (*Store)(nil)

// PruneDeliveries removes old settled deliveries; see [ticket.DeliveryPruner]. It looks for
// them in the order of their IDs, and goes on after the last one that the previous call
// removed. So calls that follow one another read the deliveries that stay once, and not once for
// each batch. When it finds too few, it begins with the first delivery again.
func (s *Store) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	at := bounded(before)
	if limit <= 0 || at <= 0 {
		return 0, nil
	}
	defer s.hold()()
	for all := 0; ; {
		after := s.pruned.get()
		var found []string
		removed := 0
		err := s.persistent(ctx, func() error {
			return s.write(ctx, func(ctx context.Context, x *session) (err error) {
				found, removed, err = pruneAfter(ctx, x, after, at, limit-all)
				return err
			})
		})
		if err != nil {
			return all, s.explain(ctx, "prune deliveries", err)
		}
		last := ""
		if len(found) == limit-all {
			last = found[len(found)-1]
		}
		s.pruned.set(last)
		if all += removed; all == limit || after == "" && last == "" {
			return all, nil
		}
	}
}

// pruneBatch is how many deliveries one statement removes.
const pruneBatch = 500

// pruneAfter removes deliveries with an ID above after. It returns the IDs of those that it
// found, and how many of them it removed: others may have been faster.
func pruneAfter(ctx context.Context, x *session, after string, at int64, limit int) (found []string, removed int, err error) {
	const old = "state IN (1, 3, 4, 5) AND settled < ?"
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		found = append(found, id)
		return err
	}, "SELECT id FROM {t}outbox WHERE id > ? AND id < ? AND "+old+" ORDER BY id LIMIT ?", after, firstID(time.UnixMicro(at)), at, limit)
	if err != nil {
		return nil, 0, err
	}
	for part := range slices.Chunk(found, pruneBatch) {
		in, args := amongst(part)
		n, err := x.exec(ctx, "DELETE FROM {t}outbox WHERE "+old+" AND id"+in, append([]any{at}, args...)...)
		if err != nil {
			return nil, 0, err
		}
		removed += int(n)
	}
	return found, removed, nil
}

// A cursor is the ID where upkeep goes on; "" begins with the first. It may be lost or wrong:
// what it passes over is found the next time.
type cursor struct {
	mu sync.Mutex
	id string
}

func (c *cursor) get() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *cursor) set(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
}

// firstID returns the least ID of the millisecond after a time, in text.
func firstID(t time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(min(t.UnixMilli(), 1<<48-2))+1)
	var id ticket.ID
	copy(id[:], b[2:])
	return id.String()
}
