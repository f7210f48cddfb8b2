package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Settle records the outcome of claimed deliveries, many with one statement; see [ticket.Store]. Deliveries that wait in line for a delivery to be
// retried get its new due time, so that claims need not look at them before.
func (s *Store) Settle(ctx context.Context, list []ticket.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range list {
		if err := list[i].Check(); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	defer s.hold()()
	lost := false
	var err error
	if s.writer != nil || s.tx != nil {
		err = s.write(ctx, func(ctx context.Context, x *session) (err error) {
			_, lost, err = x.settle(ctx, list) // starts over when it is retried
			return err
		})
	} else {
		// Each statement stands by itself. After a deadlock the rest continues.
		err = s.persistent(ctx, func() error {
			rest, some, err := s.here().settle(ctx, list)
			list, lost = rest, lost || some
			return err
		})
		err = sure(ctx, err)
	}
	if err == nil && lost {
		err = ticket.ErrClaimLost
	}
	return s.explain(ctx, "settle deliveries", err)
}

// settle returns the outcomes that it has not recorded, and whether a claim was
// lost.
func (x *session) settle(ctx context.Context, list []ticket.Settlement) (rest []ticket.Settlement, lost bool, err error) {
	for len(list) > 0 {
		n := differing(list[:min(len(list), x.s.lang.mostRows())])
		done, err := x.settleTogether(ctx, list[:n])
		if err != nil {
			return list, lost, err
		}
		lost = lost || done < int64(n)
		if err := x.putOff(ctx, list[:n]); err != nil && (x.whole() || x.s.lang.classify(err) != conflict) {
			return list[n:], lost, err
		}
		list = list[n:]
	}
	return nil, lost, nil
}

// differing returns how many deliveries at the beginning of a list are different ones.
func differing(list []ticket.Settlement) int {
	seen := make(map[ticket.ID]bool, len(list))
	for i := range list {
		if seen[list[i].ID] {
			return i
		}
		seen[list[i].ID] = true
	}
	return len(list)
}

// settledTogether are the columns of the values of settleTogether: ID and attempts
// of the claim, then the new values of the row. The last one is the new recipient
// key, or empty if it stays.
var settledTogether = []kind{textual, whole, whole, whole, whole, whole, textual, textual, textual}

// settleTogether settles deliveries that are all different. It returns how many were
// still claimed.
func (x *session) settleTogether(ctx context.Context, list []ticket.Settlement) (int64, error) {
	cells := make([]any, 0, paddedCount(len(list))*len(settledTogether))
	for i := range list {
		o := &list[i]
		var due, settled any
		if o.State == ticket.DeliveryPending {
			due = o.Due.UnixMicro()
		} else {
			settled = o.At.UnixMicro()
		}
		who := ""
		if o.State == ticket.DeliveryBounced && o.Address != "" {
			who = digestOf((&ticket.Delivery{State: ticket.DeliveryBounced, Address: o.Address}).Key())
		}
		cells = append(cells, o.ID.String(), o.Attempts, stateOf(o.State), due, settled, o.Failures, o.Error, o.Address, who)
	}
	return x.updateJoined(ctx,
		"state = v.column3, until = NULL, due = COALESCE(v.column4, due), settled = v.column5, failures = v.column6, last_error = v.column7,"+
			" address = v.column8, who = CASE WHEN v.column9 = '' THEN o.who ELSE v.column9 END",
		"o.id = v.column1 AND o.attempts = v.column2 AND o.until IS NOT NULL AND o.state <= 0", cells, settledTogether...)
}

// putOff gives the deliveries in line after those to be retried their new Due.
func (x *session) putOff(ctx context.Context, list []ticket.Settlement) error {
	var cells []any
	for i := range list {
		if o := &list[i]; o.State == ticket.DeliveryPending {
			cells = append(cells, o.ID.String(), o.Attempts, o.Due.UnixMicro())
		}
	}
	if len(cells) == 0 {
		return nil
	}
	heads, args := x.s.lang.table(cells, textual, whole, whole)
	type place struct {
		id  string
		due int64
	}
	var behind []place
	join := " " + x.s.lang.join + " {t}outbox "
	err := x.rows(ctx, func(r *sql.Rows) error {
		var p place
		err := r.Scan(&p.due, &p.id)
		behind = append(behind, p)
		return err
	}, "SELECT h.due, b.id FROM "+heads+
		join+"h{by outbox_id} ON h.id = v.column1 AND h.attempts = v.column2 AND h.due = v.column3 AND h.state <= 0 AND h.until IS NULL"+
		join+"b{by outbox_line} ON b.ticket = h.ticket AND b.via = h.via AND b.who = h.who AND b.state <= 0 AND b.seq >= h.seq AND (b.seq > h.seq OR b.id > h.id)"+
		" AND b.until IS NULL AND b.due < h.due", args...)
	if err != nil {
		return err
	}
	slices.SortFunc(behind, func(a, b place) int { return strings.Compare(a.id, b.id) }) // every statement that writes several rows takes them in this order
	for part := range slices.Chunk(behind, paddedCounts[0]) {
		var cells []any
		for _, p := range part {
			cells = append(cells, p.id, p.due)
		}
		if _, err := x.updateJoined(ctx, "due = v.column2", "o.id = v.column1 AND o.state <= 0 AND o.until IS NULL AND o.due < v.column2", cells, textual, whole); err != nil {
			return err
		}
	}
	return nil
}

// updateJoined changes the rows o of the outbox that match rows of a table v. On MySQL this
// join order finds, and locks, each row by its key.
func (x *session) updateJoined(ctx context.Context, set, match string, cells []any, columns ...kind) (int64, error) {
	table, args := x.s.lang.table(cells, columns...)
	if x.s.dialect == MySQL {
		return x.exec(ctx, "UPDATE "+table+" STRAIGHT_JOIN {t}outbox o{by outbox_id} ON "+match+" SET "+set, args...)
	}
	n, err := x.exec(ctx, x.s.lang.updateRows+" {t}outbox AS o SET "+set+" FROM "+table+" WHERE "+match, args...)
	x.wrote = x.wrote || err != nil // OR FAIL keeps the rows before the one that failed
	return n, err
}
