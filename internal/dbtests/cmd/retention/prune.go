package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

// prune fills the outbox and the receipts with old rows and prunes them, twice. What is not old,
// and deliveries that bounced or wait, must stay. The second round shows whether the space of the
// first is used again.
func (r *running) prune(ctx context.Context) error {
	rep := r.report
	desk, err := ticket.NewDesk(r.Store, ticket.Config{Now: r.Clock.Now})
	if err != nil {
		return err
	}
	for round := range 2 {
		if err := r.fillRows(ctx, round); err != nil {
			return err
		}
		if rep.size[round], err = r.size(ctx); err != nil {
			return err
		}
		if r.Dialect == sqlstore.SQLite { // filling has filled it
			if _, err := r.DB.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				return err
			}
		}
		for i, job := range []func(context.Context) (int, error){desk.PruneDeliveries, desk.PruneReceipts} {
			r.writers.enter([]phase{phaseOutbox, phaseReceipt}[i])
			begin := time.Now()
			n, err := job(ctx)
			r.writers.enter(phaseNone)
			if err != nil {
				return err
			}
			rep.wal = max(rep.wal, walSize(r.Ground))
			rep.pruned[i] += n
			rep.pruning[i] += time.Since(begin)
			if want := r.rows - r.rows/10; n != want {
				rep.note(&rep.wrong, "%d old rows were to be pruned, and %d were", want, n)
			}
		}
		if r.Dialect == sqlstore.Postgres { // as autovacuum does
			if _, err := r.DB.ExecContext(ctx, "VACUUM ticket_outbox, ticket_receipts"); err != nil {
				return err
			}
		}
	}
	for table, where := range map[string]string{"outbox": "id < '01'", "receipts": "name LIKE 'old-%'"} {
		left := 0
		if err := r.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_"+table+" WHERE "+where).Scan(&left); err != nil {
			return err
		}
		if want := r.rows / 10 * 2; left != want {
			rep.note(&rep.wrong, "%d rows of %s must be left, and are %d", want, table, left)
		}
	}
	return nil
}

// fillRows inserts rows. One in ten must stay: of the deliveries they bounced, wait, or were
// settled yesterday; the receipts are of yesterday.
func (r *running) fillRows(ctx context.Context, round int) error {
	text := func(number string) string { // 26 digits, an ID of long ago
		if r.Dialect == sqlstore.SQLite {
			return "printf('%026d', " + number + ")"
		}
		if r.Dialect == sqlstore.MySQL {
			return "LPAD(" + number + ", 26, '0')"
		}
		return "LPAD((" + number + ")::text, 26, '0')"
	}
	first := round*r.rows + 1
	numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", first, first+r.rows-1)
	now := r.Clock.Now()
	old, yesterday := now.Add(-400*day).UnixMicro(), now.Add(-day).UnixMicro()
	id := text("i")
	settled := fmt.Sprintf("CASE WHEN i %% 30 = 20 THEN NULL WHEN i %% 30 = 10 THEN %d ELSE %d END", yesterday, old)
	for _, statement := range []string{
		"INSERT INTO ticket_outbox (id, tenant, ticket, seq, kind, via, recipient, created, due, state, until, attempts, failures, last_error, settled, who, address) " + numbers +
			fmt.Sprintf("SELECT %s, '', %s, i, 'answered', 'other', '{}', %d, %d, CASE i %% 30 WHEN 0 THEN 2 WHEN 20 THEN 0 WHEN 3 THEN 1 WHEN 4 THEN 3 ELSE 4 END, NULL, 1, 0, '', %s, %s, '' FROM n", id, id, old, now.Add(4000*day).UnixMicro(), settled, "SUBSTR("+id+", 7)"),
		"INSERT INTO ticket_receipts (tenant, name, ticket, version, request, at, keyed) " + numbers +
			fmt.Sprintf("SELECT '', %s, %s, 1, '%s', CASE i %% 10 WHEN 0 THEN %d ELSE %d END, 1 FROM n", concat(r.Dialect, "'old-'", id), id, strings.Repeat("ab", 32), yesterday, old),
	} {
		if _, err := r.DB.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func concat(d sqlstore.Dialect, a, b string) string {
	if d == sqlstore.MySQL {
		return "CONCAT(" + a + ", " + b + ")"
	}
	return a + " || " + b
}

// size returns the bytes of the outbox and the receipts, or of SQLite's file.
func (r *running) size(ctx context.Context) (n int64, err error) {
	switch r.Dialect {
	case sqlstore.Postgres:
		err = r.DB.QueryRowContext(ctx, "SELECT pg_total_relation_size('ticket_outbox') + pg_total_relation_size('ticket_receipts')").Scan(&n)
	case sqlstore.SQLite:
		err = r.DB.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&n)
	}
	return n, err
}

// walSize returns the size that SQLite's write-ahead log has reached.
func walSize(g *ordeal.Ground) int64 {
	info, err := os.Stat(g.Dir + "/tickets.db-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}
