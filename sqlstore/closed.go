package sqlstore

import (
	"context"

	"github.com/ticketkit/ticket"
)

var _ ticket.Archiver = (*Store)(nil)

// Closed returns closed tickets by their age; see [ticket.Archiver]. It reads only the rows
// that it returns, along an index.
func (s *Store) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	l := listing{s: s, from: "{t}tickets t{by tickets_closed}", keys: []string{"t.closed", "t.id"}}
	l.and("t.stage = ?", stageNumber(q.Stage))
	l.and("t.closed IS NOT NULL AND t.closed <= ?", q.Before.UnixMicro())
	if !q.AfterID.IsZero() {
		l.afterValues([]any{q.AfterTime.UnixMicro(), q.AfterID.String()})
	}
	text, args := l.page(q.Limit)
	defer s.hold()()
	found, err := s.here().tickets(ctx, text, args...)
	if err != nil {
		return nil, s.explain(ctx, "list closed tickets", err)
	}
	return found, nil
}
