package sqlstore

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.DeliveryPruner = (*Store)(nil)

// PruneDeliveries removes old settled deliveries in one transaction; see
// [ticket.DeliveryPruner]. It reads the deliveries whose IDs have an earlier time, from the
// first one on, until it has enough.
func (s *Store) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	at := bounded(before)
	if limit <= 0 || at <= 0 {
		return 0, nil
	}
	old := "FROM {t}outbox WHERE id < ? AND state IN (1, 3, 4, 5) AND settled < ? ORDER BY id LIMIT ?"
	text := "DELETE FROM {t}outbox WHERE id IN (SELECT id " + old + ")"
	if s.dialect == MySQL { // MySQL does not allow LIMIT in the subquery
		text = "DELETE " + old
	}
	defer s.hold()()
	removed := 0
	err := s.persistent(ctx, func() error {
		return s.write(ctx, func(ctx context.Context, x *session) error {
			n, err := x.exec(ctx, text, firstID(time.UnixMicro(at)), at, limit)
			removed = int(n)
			return err
		})
	})
	if err != nil {
		return 0, s.explain(ctx, "prune deliveries", err)
	}
	return removed, nil
}

// firstID returns the least ID of the millisecond after a time, in text.
func firstID(t time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(min(t.UnixMilli(), 1<<48-2))+1)
	var id ticket.ID
	copy(id[:], b[2:])
	return id.String()
}
