package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// batch is how many deliveries are claimed and settled at once: as many as the relay
// claims at once by default.
const batch = 32

// A shape is the form of the statements for a database.
type shape struct {
	claim   func(place func() string) string
	literal []string // a row of a settlement
	// pick and take are a claim in two steps, where there is no UPDATE … RETURNING:
	// take updates the rows that pick finds.
	pick, take string
}

const columns = "id, tenant, ticket, seq, kind, via, recipient, created, due, state, until, attempts, failures, last_error, settled"

// takeOver and pick are the texts of a claim, those of package sqlstore.
const takeOver = "failures = failures + CASE WHEN until IS NULL THEN 0 ELSE 1 END, attempts = attempts + 1, until = "

func pick(place func() string) string {
	return "SELECT o.id FROM ticket_outbox o WHERE o.state = 0 AND o.due <= " + place() + " AND (o.until IS NULL OR o.until <= " + place() + ") AND NOT EXISTS (" +
		"SELECT 1 FROM ticket_outbox e WHERE e.ticket = o.ticket AND e.via = o.via AND e.who = o.who AND e.state = 0 AND e.seq <= o.seq AND (e.seq < o.seq OR e.id < o.id) LIMIT 1 OFFSET 0)" +
		" AND o.via = " + place() + " ORDER BY o.due, o.id LIMIT " + place()
}

var sqliteShape = shape{
	claim: func(place func() string) string {
		return "UPDATE ticket_outbox SET " + takeOver + place() + " WHERE id IN (" + pick(place) + ") RETURNING " + columns
	},
	literal: []string{"", "", "", "", "", "", ""},
}

var postgresShape = shape{
	claim: func(place func() string) string {
		until := place()
		return "WITH free AS MATERIALIZED (" + pick(place) + " FOR UPDATE SKIP LOCKED) UPDATE ticket_outbox SET " + takeOver + until +
			" WHERE id = ANY (ARRAY (SELECT id FROM free)) RETURNING " + columns
	},
	literal: []string{"::text", "::bigint", "::bigint", "::bigint", "::bigint", "::bigint", "::text"},
}

// mariadbShape names the indexes, as package sqlstore does.
var mariadbShape = func() shape {
	place := func() string { return "?" }
	text := strings.NewReplacer("SELECT o.id FROM ticket_outbox o", "SELECT o."+strings.ReplaceAll(columns, ", ", ", o.")+" FROM ticket_outbox o FORCE INDEX (ticket_outbox_due)",
		"ticket_outbox e", "ticket_outbox e FORCE INDEX (ticket_outbox_line)").Replace(pick(place))
	return shape{
		pick: text + " FOR UPDATE SKIP LOCKED",
		take: "UPDATE ticket_outbox FORCE INDEX (PRIMARY) SET " + takeOver + "? WHERE id IN (?" + strings.Repeat(", ?", batch-1) + ")",
	}
}()

// places numbers placeholders.
func places() func() string {
	n := 0
	return func() string { n++; return "$" + strconv.Itoa(n) }
}

// A worker claims and settles with prepared, hand-written statements.
type worker struct {
	db                  *sql.DB
	claim, take, settle *sql.Stmt
}

func newWorker(ctx context.Context, db *sql.DB, s shape) (*worker, error) {
	w := &worker{db: db}
	var err error
	if s.pick != "" {
		return w, w.inSteps(ctx, s)
	}
	if w.claim, err = db.PrepareContext(ctx, s.claim(places())); err != nil {
		return nil, err
	}
	place := places()
	var rows []string
	for range batch {
		var row []string
		for _, literal := range s.literal {
			row = append(row, place()+literal)
		}
		rows = append(rows, "("+strings.Join(row, ", ")+")")
	}
	w.settle, err = db.PrepareContext(ctx, "UPDATE ticket_outbox AS o SET state = v.column3, until = NULL, due = COALESCE(v.column4, due), settled = v.column5,"+
		" failures = v.column6, last_error = v.column7 FROM (VALUES "+strings.Join(rows, ", ")+") v"+
		" WHERE o.id = v.column1 AND o.attempts = v.column2 AND o.until IS NOT NULL AND o.state = 0")
	return w, err
}

// inSteps prepares the statements that MariaDB needs.
func (w *worker) inSteps(ctx context.Context, s shape) error {
	var err error
	if w.claim, err = w.db.PrepareContext(ctx, s.pick); err != nil {
		return err
	}
	if w.take, err = w.db.PrepareContext(ctx, s.take); err != nil {
		return err
	}
	var row []string
	for i := range 7 {
		row = append(row, "? AS column"+strconv.Itoa(i+1))
	}
	one := "SELECT " + strings.Join(row, ", ")
	w.settle, err = w.db.PrepareContext(ctx, "UPDATE ("+one+strings.Repeat(" UNION ALL "+one, batch-1)+") v STRAIGHT_JOIN ticket_outbox o FORCE INDEX (PRIMARY)"+
		" ON o.id = v.column1 AND o.attempts = v.column2 AND o.until IS NOT NULL AND o.state <= 0 SET"+
		" state = v.column3, until = NULL, due = COALESCE(v.column4, due), settled = v.column5, failures = v.column6, last_error = v.column7")
	return err
}

// all claims and settles n deliveries.
func (w *worker) all(ctx context.Context, n int) error {
	for n > 0 {
		claimed, err := w.one(ctx)
		if err != nil {
			return err
		}
		if claimed == 0 {
			return fmt.Errorf("%d deliveries could not be claimed", n)
		}
		n -= claimed
	}
	return nil
}

// one claims a batch and settles it.
func (w *worker) one(ctx context.Context) (int, error) {
	now := time.Now()
	ids, attempts, err := w.claimed(ctx, now)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	args := make([]any, 0, batch*7)
	for i := range batch { // repeats the last one if there are fewer
		i = min(i, len(ids)-1)
		args = append(args, ids[i], attempts[i], 4, nil, now.UnixMicro(), 0, "")
	}
	done, err := w.settle.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	if has, err := done.RowsAffected(); err != nil || has != int64(len(ids)) {
		return 0, fmt.Errorf("settled %d of %d deliveries: %w", has, len(ids), err)
	}
	return len(ids), nil
}

// claimed claims a batch.
func (w *worker) claimed(ctx context.Context, now time.Time) (ids []string, attempts []int64, err error) {
	until := now.Add(time.Minute).UnixMicro()
	if w.take == nil {
		return scanned(w.claim.QueryContext(ctx, until, now.UnixMicro(), now.UnixMicro(), via, batch))
	}
	tx, err := w.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = tx.Rollback() }() // if it is not committed
	claim, take := tx.StmtContext(ctx, w.claim), tx.StmtContext(ctx, w.take)
	defer func() { _ = errors.Join(claim.Close(), take.Close()) }()
	ids, attempts, err = scanned(claim.QueryContext(ctx, now.UnixMicro(), now.UnixMicro(), via, batch))
	if err != nil || len(ids) == 0 {
		return nil, nil, err
	}
	args := []any{until}
	for i := range batch {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	if _, err := take.ExecContext(ctx, args...); err != nil {
		return nil, nil, err
	}
	for i := range attempts {
		attempts[i]++
	}
	return ids, attempts, tx.Commit()
}

func scanned(rows *sql.Rows, err error) (ids []string, attempts []int64, _ error) {
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		var tenant, of, kind, via, to, text sql.RawBytes
		var seq, created, due, state, tries, failures int64
		var until, settled sql.NullInt64
		if err := rows.Scan(&id, &tenant, &of, &seq, &kind, &via, &to, &created, &due, &state, &until, &tries, &failures, &text, &settled); err != nil {
			return nil, nil, err
		}
		ids, attempts = append(ids, id), append(attempts, tries)
	}
	return ids, attempts, rows.Err()
}
