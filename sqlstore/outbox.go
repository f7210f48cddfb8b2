package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// outboxColumns are the columns of a delivery, in the order of scanDelivery.
const outboxColumns = "id, tenant, ticket, seq, kind, via, recipient, created, due, state, until, attempts, failures, last_error, settled, address"

// The states of a row of the outbox. A row on its way is claimed if "until" is set,
// otherwise pending. The statements contain the states as literals, so that the
// planner can use the indexes of some states.
const (
	onItsWay int64 = iota
	dead
	bounced
	suppressed
	sent
	undelivered
)

// settledStates maps the column to the states of settled deliveries.
var settledStates = [...]ticket.DeliveryState{dead: ticket.DeliveryDead, bounced: ticket.DeliveryBounced, suppressed: ticket.DeliverySuppressed,
	sent: ticket.DeliverySent, undelivered: ticket.DeliveryUndelivered}

// stateOf returns the column's value for a state: settled, or not claimed.
func stateOf(s ticket.DeliveryState) int64 { return int64(max(slices.Index(settledStates[:], s), 0)) }

// whoOf returns the recipient's key in 20 characters: 15 bytes of its SHA-256.
func whoOf(r ticket.Recipient) string { return digestOf(r.Key()) }

func digestOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	var text [20]byte
	base64.RawURLEncoding.Encode(text[:], sum[:15])
	return string(text[:])
}

// claimable selects the deliveries that can be claimed. The names of the notifiers
// and the limit follow. Because of the OFFSET, PostgreSQL's planner does not turn
// the subquery into a join of all rows: it looks into the index once for each row.
const claimable = "SELECT o.id FROM {t}outbox o{by outbox_due} WHERE o.state = 0 AND o.due <= ? AND (o.until IS NULL OR o.until <= ?) AND NOT EXISTS (SELECT 1 FROM {t}outbox e{by outbox_line} WHERE " +
	earlier + " LIMIT 1 OFFSET 0) AND o.via "

// earlier says that delivery e comes before o in its line and is on its way. No
// state is below 0. "<= 0" keeps every planner from scanning the index of due
// deliveries once for each delivery, whatever its statistics are.
const earlier = "e.ticket = o.ticket AND e.via = o.via AND e.who = o.who AND e.state <= 0 AND e.seq <= o.seq AND (e.seq < o.seq OR e.id < o.id)"

// takeOver are the assignments of a claim. MySQL executes them one after the other.
const takeOver = "failures = failures + CASE WHEN until IS NULL THEN 0 ELSE 1 END, attempts = attempts + 1, until = ?"

// Claim leases deliveries to the caller; see [ticket.Store]. If the database has
// made the claim when ctx ends, Claim returns the deliveries and no error.
func (s *Store) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(r.Notifiers) == 0 {
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
	default:
		work := func(ctx context.Context, x *session) error {
			list, err = x.claim(ctx, r)
			return err
		}
		if s.tx != nil || s.dialect == SQLite {
			err = s.write(ctx, work)
			break
		}
		err = s.persistent(ctx, func() error {
			ctx, cancel := begun(ctx)
			defer cancel()
			return work(ctx, s.here())
		})
	}
	if err != nil {
		return nil, s.explain(ctx, "claim deliveries", err)
	}
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	return list, nil
}

// mostOverrun is how much longer a claim may take after its context has ended.
const mostOverrun = time.Second

// begun returns the context of a claim: it ends a little later than ctx. If a claim
// were cancelled after the database made it, nobody would know of the leased
// deliveries. They would wait for the end of the lease, and count as failed.
func begun(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(mostOverrun, cancel) })
	return longer, func() { stop(); cancel() }
}

// pick returns the query for the deliveries to claim, and its arguments.
func (s *Store) pick(r ticket.ClaimRequest) (string, []any) {
	now := r.Now.UnixMicro()
	args := []any{now, now}
	for _, v := range r.Notifiers {
		args = append(args, v)
	}
	in := "= ?"
	if n := len(r.Notifiers); n > 1 {
		in = "IN (?" + strings.Repeat(", ?", n-1) + ")"
	}
	return claimable + in + " ORDER BY o.due, o.id LIMIT " + s.lang.anyNumber() + s.lang.claimLocks, append(args, r.Limit)
}

// of puts the name of a table before each column.
func of(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// claim claims with one statement.
func (x *session) claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	pick, args := x.s.pick(r)
	text := x.s.lang.updateRows + " {t}outbox SET " + takeOver + " WHERE id IN (" + pick + ") RETURNING " + outboxColumns
	if x.s.lang.claimLocks != "" {
		// Materialised, so that the planner cannot evaluate it again and lock more
		// rows. An array, so that the planner does not read the whole outbox for a
		// join.
		text = "WITH free AS " + x.s.lang.apart + "(" + pick + ") UPDATE {t}outbox SET " + takeOver +
			" WHERE id = ANY (ARRAY (SELECT id FROM free)) RETURNING " + outboxColumns
		args = append(args, r.Now.Add(r.Lease).UnixMicro())
	} else {
		args = append([]any{r.Now.Add(r.Lease).UnixMicro()}, args...)
	}
	x.wrote = true
	return x.deliveries(ctx, text, args...)
}

func (x *session) deliveries(ctx context.Context, text string, args ...any) (list []ticket.Delivery, err error) {
	err = x.rows(ctx, func(rows *sql.Rows) error {
		if list == nil {
			list = make([]ticket.Delivery, 0, 32)
		}
		list = append(list, ticket.Delivery{})
		return scanDelivery(rows, &list[len(list)-1])
	}, text, args...)
	return list, err
}

// claimInSteps claims on MySQL, which has no UPDATE … RETURNING. The isolation level
// is READ COMMITTED, because the locks of REPEATABLE READ would cover the gaps into
// which commits insert.
func (s *Store) claimInSteps(ctx context.Context, r ticket.ClaimRequest) (list []ticket.Delivery, err error) {
	behind := 0
	work := func(ctx context.Context, x *session) error {
		pick, args := s.pick(r)
		list, err = x.deliveries(ctx, strings.Replace(pick, "SELECT o.id", "SELECT "+of("o", outboxColumns), 1), args...)
		if err != nil {
			return err
		}
		all := len(list)
		if list, err = x.heads(ctx, list); err != nil {
			return err
		}
		behind = all - len(list)
		return x.takeOver(ctx, r, list)
	}
	for range 5 {
		if s.tx != nil {
			err = s.write(ctx, work)
		} else {
			err = s.transaction(ctx, &sql.TxOptions{Isolation: s.lang.claimLevel}, work)
		}
		if err != nil || len(list) > 0 || behind == 0 {
			break
		}
	}
	return list, err
}

// takeOver claims deliveries that were read, a statement for each number of attempts. The statement
// also checks that each can still be claimed, because of errOvertaken.
func (x *session) takeOver(ctx context.Context, r ticket.ClaimRequest, list []ticket.Delivery) error {
	slices.SortStableFunc(list, func(a, b ticket.Delivery) int { return cmp.Compare(a.Attempts, b.Attempts) })
	now, until := r.Now.UnixMicro(), r.Now.Add(r.Lease).UnixMicro()
	for len(list) > 0 {
		attempts, n := list[0].Attempts, 0
		args := []any{until, attempts, now, now}
		for n < len(list) && n < paddedCounts[0] && list[n].Attempts == attempts {
			d := &list[n]
			if d.State == ticket.DeliveryClaimed {
				d.Failures++
			}
			d.Attempts++
			d.State, d.Until = ticket.DeliveryClaimed, micros(until)
			args = append(args, d.ID.String())
			n++
		}
		taken, err := x.exec(ctx, "UPDATE {t}outbox{by outbox_id} SET "+takeOver+
			" WHERE state = 0 AND attempts = ? AND due <= ? AND (until IS NULL OR until <= ?) AND id IN (?"+strings.Repeat(", ?", n-1)+")", args...)
		if err == nil && taken != int64(n) {
			err = errOvertaken
		}
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// heads removes deliveries that are not first in their line. A locking read of MySQL
// can return rows that are newer than those its subquery saw: rows that were
// committed in between, while an earlier row of the line was not seen. Now the rows
// are locked, so a read sees the rows before them. In a transaction of the
// application it must be another locking read.
func (x *session) heads(ctx context.Context, list []ticket.Delivery) ([]ticket.Delivery, error) {
	lock := ""
	if x.s.tx != nil {
		lock = " LOCK IN SHARE MODE"
	}
	behind := map[ticket.ID]bool{}
	for part := range slices.Chunk(list, paddedCounts[0]) {
		args := make([]any, paddedCount(len(part)))
		for i := range args {
			args[i] = part[min(i, len(part)-1)].ID.String()
		}
		err := x.rows(ctx, func(rows *sql.Rows) error {
			var raw sql.RawBytes
			if err := rows.Scan(&raw); err != nil {
				return err
			}
			var id ticket.ID
			err := parseID(raw, &id)
			behind[id] = true
			return err
		}, "SELECT o.id FROM {t}outbox o{by outbox_id} "+x.s.lang.join+" {t}outbox e{by outbox_line} ON "+earlier+" WHERE o.id IN (?"+strings.Repeat(", ?", len(args)-1)+")"+lock, args...)
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(list, func(d ticket.Delivery) bool { return behind[d.ID] }), nil
}

func scanDelivery(r *sql.Rows, d *ticket.Delivery) error {
	var id, of, to sql.RawBytes
	var kind string
	var created, due, state int64
	var until, settled sql.NullInt64
	err := r.Scan(&id, &d.Tenant, &of, &d.Seq, &kind, &d.Notifier, &to, &created, &due, &state, &until, &d.Attempts, &d.Failures, &d.LastError, &settled, &d.Address)
	if err != nil {
		return err
	}
	if err := parseID(id, &d.ID); err != nil {
		return err
	}
	if err := parseID(of, &d.Ticket); err != nil {
		return err
	}
	if err := decodeRecipient(to, &d.To); err != nil {
		return fmt.Errorf("sqlstore: delivery %s: %w", d.ID, err)
	}
	d.Kind, d.Created, d.Due, d.Until, d.Settled = ticket.Kind(kind), micros(created), micros(due), timeOf(until), timeOf(settled)
	switch {
	case onItsWay < state && state <= undelivered:
		d.State = settledStates[state]
	case state != onItsWay:
		return fmt.Errorf("sqlstore: delivery %s has the unknown state %d", d.ID, state)
	case until.Valid:
		d.State = ticket.DeliveryClaimed
	default:
		d.State = ticket.DeliveryPending
	}
	return nil
}
