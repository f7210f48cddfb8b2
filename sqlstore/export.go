package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"math"

	"github.com/ticketkit/ticket"
)

// exportPage is how many events are read at once.
const exportPage = 500

// Export returns the whole history of every ticket of all tenants, in the order
// of their IDs, from behind the ticket after on; the zero ID is before all of
// them. It is for [Store.Import] into another database, and for a copy to keep:
//
//	done, err := dst.Import(ctx, src.Export(ctx, ticket.ID{}))
//
// To go on after a break, give it the last ticket that was taken care of.
//
// It reads a page of events at a time, and holds no connection while the caller
// is at work, so that it can take as long as it likes; what it keeps in memory is
// a page and the history of one ticket. A ticket that is worked on meanwhile
// comes once, without a gap, as it stood when the end of its history was read. One
// that is opened meanwhile may be missing. A copy of one instant is made by
// exporting from a store that is bound to a transaction that sees one, with
// [Store.WithTx].
//
// An error comes last, with no history. Whether histories are what was written is
// for [ticket.Verify] to say. Outbox and idempotency keys are no part of it.
func (s *Store) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		id, seq := after.String(), int64(math.MaxInt64)
		var history []ticket.Event // of the ticket that the last page ended in
		for {
			page, err := s.eventsAfter(ctx, &id, &seq)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page {
				if len(history) > 0 && history[0].Ticket != e.Ticket {
					if !yield(history, nil) {
						return
					}
					history = nil
				}
				history = append(history, e)
			}
			if len(page) < exportPage {
				break
			}
		}
		if len(history) > 0 {
			yield(history, nil)
		}
	}
}

// eventsAfter returns a page of events of all tickets, in the order of ticket and
// number, and moves the place on to its end.
func (s *Store) eventsAfter(ctx context.Context, id *string, seq *int64) ([]ticket.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	l := listing{s: s, from: "{t}events e{by events_id}", keys: []string{"e.ticket", "e.seq"}}
	l.beyond([]any{*id, *seq})
	text, args := l.walk("e.ticket, e.seq, e.doc", exportPage, nil)
	page := make([]ticket.Event, 0, exportPage)
	err := s.here().rows(ctx, func(r *sql.Rows) error {
		var doc sql.RawBytes
		if err := r.Scan(id, seq, &doc); err != nil {
			return err
		}
		var e ticket.Event
		if err := json.Unmarshal(doc, &e); err != nil {
			return fmt.Errorf("event %d of ticket %s: %w", *seq, *id, err)
		}
		page = append(page, e)
		return nil
	}, text, args...)
	return page, s.explain(ctx, "export", err)
}
