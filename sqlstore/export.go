package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"

	"github.com/ticketkit/ticket"
)

// exportPage is how many events are read at once.
const exportPage = 500

// Export returns the whole history of every ticket of all tenants, in the order of
// ticket IDs. It starts with the first ticket after the given ID; the zero ID means
// all tickets. Use it with [Store.Import] to move to another database, or to make a
// copy:
//
//	done, err := dst.Import(ctx, src.Export(ctx, ticket.ID{}))
//
// To continue after an interruption, pass the ID of the last ticket you processed.
//
// Export reads a page of events at a time. It holds no connection while your code
// runs, so your code may take any time. Memory holds one page and the history of one
// ticket. A ticket that changes during the export appears once, without a gap, as it
// stood when the end of its history was read. A ticket that is opened during the
// export may be missing. For a copy of one instant, export from a store that is
// bound with [Store.WithTx] to a transaction that sees one instant.
//
// An error comes last, with no history. Export does not check digests; use
// [ticket.Verify]. Outbox and idempotency keys are not exported.
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
// number. It moves id and seq to the end of the page.
func (s *Store) eventsAfter(ctx context.Context, id *string, seq *int64) ([]ticket.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	l := listing{s: s, from: "{t}events e{by events_id}", keys: []string{"e.ticket", "e.seq"}}
	l.afterValues([]any{*id, *seq})
	text, args := l.walk("e.ticket, e.seq, e.doc", exportPage, nil)
	page := make([]ticket.Event, 0, exportPage)
	err := s.here().rows(ctx, func(r *sql.Rows) error {
		var doc sql.RawBytes
		if err := r.Scan(id, seq, &doc); err != nil {
			return err
		}
		var e ticket.Event
		if err := decodeEvent(doc, &e); err != nil {
			return fmt.Errorf("event %d of ticket %s: %w", *seq, *id, err)
		}
		page = append(page, e)
		return nil
	}, text, args...)
	return page, s.explain(ctx, "export", err)
}
