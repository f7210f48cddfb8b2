package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

// A weight is the bytes of each group of tables with their indexes.
type weight map[string]int64

// groups are the groups in the order of the table. What is in none is "search".
var groups = []string{"tickets", "events", "labels", "outbox", "receipts", "search", "free"}

// weigh returns the bytes of the tables.
func weigh(ctx context.Context, g *ordeal.Ground) (weight, error) {
	switch g.Dialect {
	case sqlstore.SQLite:
		if _, err := g.DB.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			return nil, err
		}
		return sum(ctx, g, "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name WHERE s.aggregate = TRUE GROUP BY m.tbl_name"+
			" UNION ALL SELECT 'free', freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
	case sqlstore.Postgres:
		return sum(ctx, g, "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'ticket%'")
	default:
		return sum(ctx, g, "SELECT SUBSTRING_INDEX(name, '/', -1), file_size FROM information_schema.innodb_sys_tablespaces WHERE name LIKE 'growth/%'")
	}
}

func sum(ctx context.Context, g *ordeal.Ground, query string) (weight, error) {
	rows, err := g.DB.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	w := weight{}
	for rows.Next() {
		var table string
		var n int64
		if err := rows.Scan(&table, &n); err != nil {
			return nil, err
		}
		group := strings.TrimPrefix(table, "ticket_")
		if !slices.Contains(groups, group) {
			group = "search"
		}
		w[group] += n
	}
	return w, rows.Err()
}

// A table has a row for each year.
type table struct{ *tabwriter.Writer }

func newTable(title string) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)}
	fmt.Printf("\n%s; MB\n", title)
	_, _ = fmt.Fprintln(t, "year\ttickets opened\tall\t"+strings.Join(groups, "\t")+"\ta reply, median / p99\tlongest upkeep\t")
	return t
}

func (t table) add(year, count int, w weight, replies []time.Duration, upkeep time.Duration) {
	var all int64
	var cells []string
	mb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
	for _, g := range groups {
		all += w[g]
		cells = append(cells, mb(w[g]))
	}
	ms := func(share int) float64 { return float64(replies[len(replies)*share/100].Microseconds()) / 1000 }
	_, _ = fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%.1f / %.1f ms\t%.1f s\t\n", year, count, mb(all), strings.Join(cells, "\t"), ms(50), ms(99), upkeep.Seconds())
}

func (t table) print() { _ = t.Flush() }

// updates prints which updates stayed on their page, on PostgreSQL.
func updates(ctx context.Context, g *ordeal.Ground) error {
	if g.Dialect != sqlstore.Postgres {
		return nil
	}
	time.Sleep(2 * time.Second) // statistics come late
	rows, err := g.DB.QueryContext(ctx, "SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, n_dead_tup, autovacuum_count"+
		" FROM pg_stat_user_tables WHERE relname LIKE 'ticket%' AND n_tup_upd + n_tup_del > 0 ORDER BY relname")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "table\tinserted\tupdated\ton the page\tdeleted\tdead\tautovacuums\t")
	for rows.Next() {
		var name string
		var inserted, updated, hot, deleted, dead, vacuums int64
		if err := rows.Scan(&name, &inserted, &updated, &hot, &deleted, &dead, &vacuums); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%.0f %%\t%d\t%d\t%d\t\n", name, inserted, updated, 100*float64(hot)/float64(max(1, updated)), deleted, dead, vacuums)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return w.Flush()
}
