package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// claimable picks what can be claimed; the notifiers' names and the end follow.
const claimable = "SELECT id FROM {t}outbox WHERE dead = 0 AND due <= ? AND (until IS NULL OR until <= ?) AND via "

// Claim leases deliveries to the caller; see [ticket.Store].
func (s *Store) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(r.Via) == 0 {
		return nil, nil
	}
	defer s.hold()()
	var list []ticket.Delivery
	var err error
	switch s.dialect {
	case MySQL:
		err = s.persistent(ctx, func() (err error) {
			list, err = s.claimInSteps(ctx, r)
			return err
		})
	case SQLite:
		err = s.write(ctx, func(ctx context.Context, x *session) error {
			list, err = x.claim(ctx, r)
			return err
		})
	default:
		err = s.persistent(ctx, func() (err error) {
			list, err = s.here().claim(ctx, r)
			return err
		})
	}
	if err != nil {
		return nil, s.explain(ctx, "claim deliveries", err)
	}
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	return list, nil
}

// pick returns the query for what can be claimed, and its arguments.
func (s *Store) pick(r ticket.ClaimRequest) (string, []any) {
	now := r.Now.UnixMicro()
	args := []any{now, now}
	for _, v := range r.Via {
		args = append(args, v)
	}
	in := "= ?"
	if n := len(r.Via); n > 1 {
		in = "IN (?" + strings.Repeat(", ?", n-1) + ")"
	}
	return claimable + in + " ORDER BY due, id LIMIT ?" + s.lang.claimLocks, append(args, r.Limit)
}

// claim is one statement.
func (x *session) claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	pick, args := x.s.pick(r)
	text := "UPDATE {t}outbox SET attempts = attempts + 1, until = ? WHERE id IN (" + pick + ") RETURNING " + outboxColumns
	if x.s.lang.claimLocks != "" {
		// Materialised, so that the planner cannot pick again and lock more; an array,
		// so that it does not read the whole outbox to join it.
		text = "WITH free AS MATERIALIZED (" + pick + ") UPDATE {t}outbox o SET attempts = o.attempts + 1, until = ? WHERE o.id = ANY (ARRAY (SELECT id FROM free)) RETURNING " +
			"o." + strings.ReplaceAll(outboxColumns, ", ", ", o.")
		args = append(args, r.Now.Add(r.Lease).UnixMicro())
	} else {
		args = append([]any{r.Now.Add(r.Lease).UnixMicro()}, args...)
	}
	x.wrote = true
	return x.deliveries(ctx, text, args...)
}

func (x *session) deliveries(ctx context.Context, text string, args ...any) (list []ticket.Delivery, err error) {
	err = x.rows(ctx, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		list = append(list, d)
		return err
	}, text, args...)
	return list, err
}

// claimInSteps claims on MySQL, which has no UPDATE … RETURNING. The isolation
// is READ COMMITTED, since the locks of REPEATABLE READ would cover the gaps that
// commits insert into.
func (s *Store) claimInSteps(ctx context.Context, r ticket.ClaimRequest) (list []ticket.Delivery, err error) {
	work := func(ctx context.Context, x *session) error {
		pick, args := s.pick(r)
		list, err = x.deliveries(ctx, strings.Replace(pick, "SELECT id", "SELECT "+outboxColumns, 1), args...)
		if err != nil || len(list) == 0 {
			return err
		}
		until := r.Now.Add(r.Lease)
		for part := range slices.Chunk(list, 500) {
			args = append(args[:0], until.UnixMicro())
			for i := range part {
				d := &part[i]
				d.Attempts++
				d.State, d.Until = ticket.Claimed, micros(until.UnixMicro())
				args = append(args, d.ID.String())
			}
			_, err := x.exec(ctx, "UPDATE {t}outbox SET attempts = attempts + 1, until = ? WHERE id IN (?"+strings.Repeat(", ?", len(part)-1)+")", args...)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if s.tx != nil {
		err = s.write(ctx, work)
		return list, err
	}
	err = s.transaction(ctx, &sql.TxOptions{Isolation: s.lang.claimLevel}, work)
	return list, err
}

func scanDelivery(r *sql.Rows) (d ticket.Delivery, err error) {
	var id, of, to sql.RawBytes
	var kind string
	var created, due, dead int64
	var until sql.NullInt64
	err = r.Scan(&id, &d.Tenant, &of, &d.Seq, &kind, &d.Via, &to, &created, &due, &dead, &until, &d.Attempts, &d.Failures, &d.LastError)
	if err != nil {
		return d, err
	}
	if err := parseID(id, &d.ID); err != nil {
		return d, err
	}
	if err := parseID(of, &d.Ticket); err != nil {
		return d, err
	}
	if err := json.Unmarshal(to, &d.To); err != nil {
		return d, fmt.Errorf("sqlstore: delivery %s: %w", d.ID, err)
	}
	d.Kind, d.Created, d.Due, d.Until = ticket.Kind(kind), micros(created), micros(due), timeOf(until)
	switch {
	case dead != 0:
		d.State = ticket.Dead
	case until.Valid:
		d.State = ticket.Claimed
	default:
		d.State = ticket.Pending
	}
	return d, nil
}

// Settle records the outcome of claimed deliveries; see [ticket.Store].
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
	lost, settled := false, make([]bool, len(list))
	work := func(ctx context.Context, x *session) error {
		some, err := x.settle(ctx, list, settled)
		lost = some || lost && s.lane == nil // in the lane it begins anew
		return err
	}
	var err error
	if s.lane != nil {
		err = s.write(ctx, work)
	} else {
		// Each stands by itself; one that was settled already before a deadlock is
		// not there any more.
		err = s.persistent(ctx, func() error { return work(ctx, s.here()) })
	}
	if err == nil && lost {
		err = ticket.ErrClaimLost
	}
	return s.explain(ctx, "settle deliveries", err)
}

func (x *session) settle(ctx context.Context, list []ticket.Settlement, settled []bool) (lost bool, err error) {
	for at := 0; at < len(list); {
		var n int64
		end := at + 1
		switch o := &list[at]; {
		case settled[at]:
			at++
			continue
		case o.Outcome == ticket.Done && x.s.dialect != MySQL:
			for end < len(list) && end-at < mostDone && list[end].Outcome == ticket.Done {
				end++
			}
			n, err = x.remove(ctx, list[at:end])
		case o.Outcome == ticket.Done:
			// A list of pairs makes InnoDB read, and lock, the whole table.
			n, err = x.exec(ctx, "DELETE FROM {t}outbox WHERE id = ? AND attempts = ? AND until IS NOT NULL AND dead = 0", o.ID.String(), o.Attempts)
		case o.Outcome == ticket.Again:
			n, err = x.exec(ctx, "UPDATE {t}outbox SET until = NULL, due = ?, failures = ?, last_error = ? WHERE id = ? AND attempts = ? AND until IS NOT NULL AND dead = 0",
				o.Due.UnixMicro(), o.Failures, o.Error, o.ID.String(), o.Attempts)
		default:
			n, err = x.exec(ctx, "UPDATE {t}outbox SET until = NULL, dead = 1, failures = ?, last_error = ? WHERE id = ? AND attempts = ? AND until IS NOT NULL AND dead = 0",
				o.Failures, o.Error, o.ID.String(), o.Attempts)
		}
		if err != nil {
			return lost, err
		}
		lost = lost || n < int64(end-at)
		for ; at < end; at++ {
			settled[at] = !x.whole() // else it counts only with the transaction
		}
	}
	return lost, nil
}

// mostDone bounds how many deliveries one statement removes.
const mostDone = 100

// remove deletes what was delivered.
func (x *session) remove(ctx context.Context, done []ticket.Settlement) (int64, error) {
	args := make([]any, 0, 2*len(done))
	for i := range done {
		args = append(args, done[i].ID.String(), done[i].Attempts)
	}
	for n := len(done); n != 1 && n != 10 && n != mostDone; n++ { // by repeating the last, so that the texts to prepare stay few
		args = append(args, args[len(args)-2:]...)
	}
	return x.exec(ctx, "DELETE FROM {t}outbox WHERE until IS NOT NULL AND dead = 0 AND (id, attempts) IN ("+
		x.s.lang.values+"(?, ?)"+strings.Repeat(", (?, ?)", len(args)/2-1)+")", args...)
}
