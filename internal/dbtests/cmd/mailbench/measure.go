package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/internal/dbtests/imapbox"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/sqlstore"
)

// callers is the number of goroutines on both sides.
const callers = 4

// measure compares the intake with the bare statements.
func measure(ctx context.Context, b ordeal.Backend, n, rounds int) error {
	var ours, bares []float64
	for range rounds {
		mine, other, err := round(ctx, b, n)
		if err != nil {
			return err
		}
		ours, bares = append(ours, mine), append(bares, other)
	}
	slices.Sort(ours)
	slices.Sort(bares)
	mine, other := ours[rounds/2], bares[rounds/2]
	fmt.Printf("%s: %.0f mails a second (%.0f to %.0f), bare %.0f (%.0f to %.0f), ratio %.2f\n", b.Name,
		mine, ours[0], ours[rounds-1], other, bares[0], bares[rounds-1], mine/other)
	return nil
}

func newIntake(g *ordeal.Ground, source *mailbox.IMAP, observe func(context.Context, ticket.Mail)) (*mailbox.Intake, error) {
	folder, err := files.NewFolder(filepath.Join(g.Dir, "files"))
	if err != nil {
		return nil, err
	}
	return newIntakeOn(g, folder, source, observe)
}

func newIntakeOn(g *ordeal.Ground, folder ticket.FileStore, source *mailbox.IMAP, observe func(context.Context, ticket.Mail)) (*mailbox.Intake, error) {
	d, err := ticket.NewDesk(g.Store, ticket.Config{})
	if err != nil {
		return nil, err
	}
	return mailbox.New(mailbox.Config{Desk: d, Store: g.Store, Files: folder, Workers: callers, Poll: 100 * time.Millisecond, Observe: observe, Logger: slog.New(slog.DiscardHandler),
		Mailboxes: []mailbox.Mailbox{{Name: "support", Addresses: []string{"support@example.org"}, IMAP: source}}})
}

func text(i int) []byte {
	return fmt.Appendf(nil, "From: Customer %[1]d <customer-%[1]d@example.com>\r\nTo: support@example.org\r\nSubject: Request %[1]d\r\nMessage-ID: <%[1]d@example.com>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\n%[2]s\r\n\r\nRegards\r\n", i, strings.Repeat("the printer on the second floor prints blank pages. ", 20))
}

// round takes n mails, and then writes the same rows by hand into another database.
func round(ctx context.Context, b ordeal.Backend, n int) (mine, other float64, err error) {
	g, leave, err := ground(ctx, b)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = leave(err) }()
	var done atomic.Int64
	all := make(chan struct{})
	in, err := newIntake(g, nil, func(_ context.Context, m ticket.Mail) {
		if m.State != ticket.MailPending && done.Add(1) == int64(n) {
			close(all)
		}
	})
	if err != nil {
		return 0, 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	begin := time.Now()
	var both sync.WaitGroup
	defer both.Wait()
	defer stop()
	both.Go(func() { _ = in.Run(running) })
	if err := share(n, func(_, i int) error {
		_, err := in.Take(ctx, "support", bytes.NewReader(text(i)), mailbox.Envelope{})
		return err
	}); err != nil {
		return 0, 0, err
	}
	select {
	case <-all:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	mine = float64(n) / time.Since(begin).Seconds()
	stop()
	both.Wait()
	if counts, err := in.Counts(ctx, ticket.System("mailbench")); err != nil || counts[ticket.MailDone] != int64(n) {
		return 0, 0, fmt.Errorf("%d mails were to be done: %v, %w", n, counts, err)
	}
	rows, err := dump(ctx, g.DB)
	if err != nil {
		return 0, 0, err
	}
	other, err = replay(ctx, b, rows, n)
	return mine, other, err
}

// share calls f for every number below n, in as many goroutines as there are callers.
func share(n int, f func(caller, i int) error) error {
	errs := make(chan error, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c; i < n; i += callers {
				if err := f(c, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// A rowOf is a row to insert.
type rowOf struct {
	table   string
	columns []string
	values  []any
}

func (r *rowOf) statement(d sqlstore.Dialect) string {
	q := "INSERT INTO ticket_" + r.table + " (" + strings.Join(r.columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(r.columns)-1) + ")"
	return placeholders(d, q)
}

func placeholders(d sqlstore.Dialect, q string) string {
	if d == sqlstore.Postgres {
		return bare.Numbered(q)
	}
	return q
}

// dump returns the rows of each ticket: first that of its mail.
func dump(ctx context.Context, db *sql.DB) ([][]rowOf, error) {
	byTicket := map[string][]rowOf{}
	for _, table := range []string{"mails", "tickets", "events", "labels", "outbox", "receipts"} {
		err := func() error {
			rows, err := db.QueryContext(ctx, "SELECT * FROM ticket_"+table)
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // Err says it
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			types, err := rows.ColumnTypes()
			if err != nil {
				return err
			}
			of := "ticket"
			if table == "tickets" {
				of = "id"
			}
			for rows.Next() {
				r := rowOf{table, columns, make([]any, len(columns))}
				to := make([]any, len(columns))
				for i := range to {
					to[i] = &r.values[i]
				}
				if err := rows.Scan(to...); err != nil {
					return err
				}
				for i, v := range r.values {
					if b, ok := v.([]byte); ok && types[i].DatabaseTypeName() != "BYTEA" {
						r.values[i] = string(b)
					}
				}
				id := fmt.Sprint(r.values[slices.Index(columns, of)])
				byTicket[id] = append(byTicket[id], r)
			}
			return rows.Err()
		}()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
	}
	var list [][]rowOf
	for _, rows := range byTicket {
		if rows[0].table == "mails" {
			list = append(list, rows)
		}
	}
	return list, nil
}

// replay writes rows by hand: for each mail a file, its record, the claim, the rows of the ticket, and
// the settlement, each in a transaction of its own, as the intake does.
func replay(ctx context.Context, b ordeal.Backend, list [][]rowOf, n int) (rate float64, err error) {
	if len(list) != n {
		return 0, fmt.Errorf("%d tickets have rows, not %d", len(list), n)
	}
	g, leave, err := ground(ctx, b)
	if err != nil {
		return 0, err
	}
	defer func() { err = leave(err) }()
	statements := map[string]*sql.Stmt{}
	prepare := func(name, query string) error {
		if statements[name] != nil {
			return nil
		}
		s, err := g.DB.PrepareContext(ctx, query) //nolint:sqlclosecheck // closed with the database
		statements[name] = s
		return err
	}
	for _, rows := range list {
		for _, r := range rows {
			if err := prepare(r.table, r.statement(g.Dialect)); err != nil {
				return 0, err
			}
		}
	}
	if err := prepare("claim", placeholders(g.Dialect, "UPDATE ticket_mails SET attempts = attempts + 1 WHERE id = ?")); err != nil {
		return 0, err
	}
	if err := prepare("settle", placeholders(g.Dialect, "UPDATE ticket_mails SET attempts = attempts WHERE id = ?")); err != nil {
		return 0, err
	}
	begin := time.Now()
	err = share(n, func(_, i int) error {
		if err := writeFile(filepath.Join(g.Dir, fmt.Sprint("file", i)), text(i)); err != nil {
			return err
		}
		rows := list[i]
		id := rows[0].values[slices.Index(rows[0].columns, "id")]
		if _, err := statements["mails"].ExecContext(ctx, rows[0].values...); err != nil {
			return err
		}
		if _, err := statements["claim"].ExecContext(ctx, id); err != nil {
			return err
		}
		tx, err := g.DB.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for _, r := range rows[1:] {
			if _, err := tx.StmtContext(ctx, statements[r.table]).ExecContext(ctx, r.values...); err != nil { //nolint:sqlclosecheck // closed with the transaction
				_ = tx.Rollback()
				return fmt.Errorf("%s: %w", r.table, err)
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		_, err = statements["settle"].ExecContext(ctx, id)
		return err
	})
	return float64(n) / time.Since(begin).Seconds(), err
}

// writeFile writes a file that survives a crash.
func writeFile(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// measureOld measures how long the first look at a mailbox takes, and how long it takes until the
// first new mail is on a ticket.
func measureOld(ctx context.Context, b ordeal.Backend, n int) (err error) {
	g, leave, err := ground(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = leave(err) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	account, stop, err := imapbox.Serve(l)
	if err != nil {
		return err
	}
	defer stop()
	for i := range n {
		if err := account.Append(text(i)); err != nil {
			return err
		}
	}
	taken := make(chan struct{}, 1)
	in, err := newIntake(g, &mailbox.IMAP{Addr: l.Addr().String(), Unencrypted: true, Username: imapbox.User, Password: imapbox.Password, Listing: time.Second}, func(_ context.Context, m ticket.Mail) {
		if m.State == ticket.MailDone {
			taken <- struct{}{}
		}
	})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	begin := time.Now()
	all.Go(func() { _ = in.Run(running) })
	for {
		counts, err := g.Store.CountMails(ctx, "mailbox.positions")
		if err != nil {
			return err
		}
		if counts[ticket.MailPending] > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	skipped := time.Since(begin)
	if err := account.Append(text(n)); err != nil {
		return err
	}
	select {
	case <-taken:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Minute):
		return fmt.Errorf("the new mail was not taken in five minutes")
	}
	fmt.Printf("%s: %d old mails were skipped after %s; a new one was on a ticket after %s\n", b.Name, n, skipped.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	return nil
}
