package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Reschedule makes deliveries due earlier; see [ticket.Rescheduler]. An index finds
// the pending deliveries. Claimed ones are found among all deliveries on their way.
// Reschedule changes up to 200 deliveries in a transaction.
func (s *Store) Reschedule(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := h.Check(); err != nil {
		return 0, err
	}
	defer s.hold()()
	all := 0
	for _, what := range []struct {
		set, which string
		after      int64
		none       bool
	}{
		{"due = ?", "until IS NULL AND due > ?", h.Due.UnixMicro(), h.Due.IsZero()},
		{"until = ?, due = CASE WHEN due > ? THEN ? ELSE due END", "until > ?", h.Until.UnixMicro(), h.Until.IsZero()},
	} {
		if what.none {
			continue
		}
		for more := true; more; {
			var ids []string
			n := 0
			err := s.persistent(ctx, func() error {
				return s.write(ctx, func(ctx context.Context, x *session) (err error) {
					ids, err = x.waiting(ctx, &h, what.which, what.after)
					if err != nil || len(ids) == 0 {
						return err
					}
					args := make([]any, 0, 4+mostImportTickets)
					for range strings.Count(what.set, "?") {
						args = append(args, h.Now.UnixMicro())
					}
					args = append(args, what.after)
					before := len(args)
					for i := range paddedCount(len(ids)) {
						args = append(args, ids[min(i, len(ids)-1)])
					}
					done, err := x.exec(ctx, "UPDATE {t}outbox{by outbox_id} SET "+what.set+" WHERE state = 0 AND "+what.which+
						" AND id IN (?"+strings.Repeat(", ?", len(args)-before-1)+")", args...)
					n = int(done)
					return err
				})
			})
			if err != nil {
				return all, s.explain(ctx, "reschedule deliveries", err)
			}
			all += n
			more = n > 0 && len(h.IDs) == 0 && len(ids) == paddedCounts[0]
		}
	}
	return all, nil
}

// waiting returns the IDs of deliveries to reschedule, in order, at most as many as
// one statement changes.
func (x *session) waiting(ctx context.Context, h *ticket.RescheduleRequest, which string, after int64) (ids []string, err error) {
	text, args := "SELECT id FROM {t}outbox", []any{}
	if len(h.IDs) > 0 {
		text += "{by outbox_id} WHERE tenant = ? AND id IN (?" + strings.Repeat(", ?", len(h.IDs)-1) + ") AND "
		args = append(args, h.Tenant)
		for _, id := range h.IDs {
			args = append(args, id.String())
		}
	} else {
		if len(h.Notifiers) == 0 {
			return nil, nil
		}
		text += "{by outbox_due}"
		text += " WHERE via IN (?" + strings.Repeat(", ?", len(h.Notifiers)-1) + ") AND "
		for _, via := range h.Notifiers {
			args = append(args, via)
		}
	}
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, text+"state = 0 AND "+which+" LIMIT "+x.s.lang.anyNumber(), append(args, after, paddedCounts[0])...)
	slices.Sort(ids)
	return ids, err
}
