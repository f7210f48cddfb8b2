// Hosttx writes tickets in the transactions of an application, a small shop: an order and
// its complaint are committed together or not at all.
//
//	go run ./examples/hosttx [-db shop.db | -postgres "host=… dbname=…"]
//
// Without -db it uses a temporary file. On PostgreSQL it creates the tables shop_orders
// and shop_complaints next to those of the desk.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hosttx:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("hosttx", flag.ContinueOnError)
	file := flags.String("db", "", "the SQLite `file`; empty means a temporary file")
	dsn := flags.String("postgres", "", "the data source `name` of a PostgreSQL database to use instead")
	if err := flags.Parse(args); err != nil {
		return err
	}

	var db *sql.DB
	dialect := sqlstore.SQLite
	switch {
	case *dsn != "":
		dialect = sqlstore.Postgres
		db, err = sql.Open("pgx", *dsn)
	default:
		if *file == "" {
			dir, err := os.MkdirTemp("", "hosttx")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			*file = filepath.Join(dir, "shop.db")
		}
		// Without _txlock=immediate, which your application should set: here another
		// writer commits while the transaction is open, to show the conflict.
		db, err = sql.Open("sqlite", "file:"+url.PathEscape(*file)+"?_pragma=busy_timeout(5000)")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	s := &shop{db: db, say: func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }}
	if s.store, err = sqlstore.Open(ctx, db, dialect); err != nil {
		return err
	}
	// A real notifier sends mail; this one prints.
	s.desk, err = ticket.NewDesk(s.store, ticket.Config{Notifiers: map[string]ticket.Notifier{
		"print": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.To.Person.Email != "" {
				s.say("  → %s to %s", n.Kind, n.To.Person.Email)
			}
			return nil
		}),
	}, Relay: ticket.Relay{Batch: 1}})
	if err != nil {
		return err
	}
	if err := s.createTables(ctx, dialect); err != nil {
		return err
	}
	return s.story(ctx)
}

// shop is the application. It has orders, and a constraint in its database: one complaint
// per order.
type shop struct {
	db    *sql.DB
	store *sqlstore.Store
	desk  *ticket.Desk
	say   func(format string, args ...any)
}

func (s *shop) createTables(ctx context.Context, dialect sqlstore.Dialect) error {
	key := "INTEGER PRIMARY KEY"
	if dialect == sqlstore.Postgres {
		key = "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	for _, table := range []string{
		"CREATE TABLE IF NOT EXISTS shop_orders (id " + key + ", state text NOT NULL)",
		"CREATE TABLE IF NOT EXISTS shop_complaints (order_id bigint NOT NULL PRIMARY KEY, ticket text NOT NULL)",
	} {
		if _, err := s.db.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

var (
	ada = ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin = ticket.Agent("lin", 1)
	kim = ticket.Agent("kim", 1)
)

func (s *shop) story(ctx context.Context) error {
	var order int64
	if err := s.db.QueryRowContext(ctx, "INSERT INTO shop_orders (state) VALUES ('sent') RETURNING id").Scan(&order); err != nil {
		return err
	}

	s.say("Both or neither: the order is disputed, and the complaint is a ticket.")
	var t ticket.Ticket
	err := s.transaction(ctx, func(tx *sql.Tx) (err error) {
		t, err = s.complain(ctx, tx, order, "Parcel lost")
		return err
	})
	if err != nil {
		return err
	}
	if err := s.show(ctx, order); err != nil {
		return err
	}

	s.say("\nThe shop's own constraint fails after the ticket was opened: no second ticket and no notification.")
	err = s.transaction(ctx, func(tx *sql.Tx) error {
		lost, err := s.complain(ctx, tx, order, "Parcel still lost")
		if lost.Number != "" {
			s.say("  in the transaction: %s is %s", lost.Subject, lost.Status)
		}
		return err
	})
	if err == nil {
		return errors.New("a second complaint about the same order was accepted")
	}
	s.say("  rolled back: one complaint per order")
	if err := s.show(ctx, order); err != nil {
		return err
	}

	s.say("\nA concurrent change: the shop repeats its transaction.")
	attempts := 0
	err = s.transaction(ctx, func(tx *sql.Tx) error {
		attempts++
		var store ticket.Store = s.store.WithTx(tx)
		if attempts == 1 {
			store = interrupted{store, func() error {
				s.say("  between decision and commit, lin writes a note")
				_, err := s.desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionNote, Note: "The carrier has found it."})
				return err
			}}
		}
		return s.refund(ctx, tx, store, t.ID, order)
	})
	if err != nil {
		return err
	}
	s.say("  done at attempt %d", attempts)
	return s.show(ctx, order)
}

// complain opens a ticket about an order in the transaction.
func (s *shop) complain(ctx context.Context, tx *sql.Tx, order int64, subject string) (ticket.Ticket, error) {
	if _, err := tx.ExecContext(ctx, "UPDATE shop_orders SET state = 'disputed' WHERE id = $1", order); err != nil {
		return ticket.Ticket{}, err
	}
	t, err := s.desk.WithStore(s.store.WithTx(tx)).Open(ctx, ada, ticket.Draft{Subject: subject, Fields: ticket.Fields{"order": order}})
	if err != nil {
		return ticket.Ticket{}, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO shop_complaints (order_id, ticket) VALUES ($1, $2)", order, t.ID.String())
	return t, err
}

// refund resolves the ticket and refunds the order.
func (s *shop) refund(ctx context.Context, tx *sql.Tx, store ticket.Store, id ticket.ID, order int64) error {
	var state string
	if err := tx.QueryRowContext(ctx, "SELECT state FROM shop_orders WHERE id = $1", order).Scan(&state); err != nil {
		return err
	}
	if state != "disputed" {
		return fmt.Errorf("order %d is %s", order, state)
	}
	if _, err := s.desk.WithStore(store).Do(ctx, kim, id, ticket.Action{Name: ticket.ActionResolve, Message: "Your money is on its way."}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE shop_orders SET state = 'refunded' WHERE id = $1", order)
	return err
}

// transaction runs do in a transaction. A desk inside a transaction does not retry after a
// conflict, because earlier reads and writes of the application may depend on it. So the
// application repeats the whole transaction.
func (s *shop) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	const maxAttempts = 5
	for attempt := 1; ; attempt++ {
		err := s.try(ctx, do)
		if !errors.Is(err, ticket.ErrConflict) || attempt == maxAttempts {
			return err
		}
		s.say("  conflict: rolled back")
	}
}

func (s *shop) try(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// show prints the order and its tickets, and delivers the notifications.
func (s *shop) show(ctx context.Context, order int64) error {
	var state string
	if err := s.db.QueryRowContext(ctx, "SELECT state FROM shop_orders WHERE id = $1", order).Scan(&state); err != nil {
		return err
	}
	s.say("  order: %s", state)
	for t, err := range s.desk.Tickets(ctx, lin, ticket.Query{Fields: ticket.Fields{"order": order}}) {
		if err != nil {
			return err
		}
		s.say("  ticket %s: %s, %s", t.Number, t.Subject, t.Status)
	}
	_, err := s.desk.Deliver(ctx) // a server calls desk.Run once instead
	return err
}

// interrupted runs meanwhile between the decision and the commit of the desk, so that the
// conflict happens in every run.
type interrupted struct {
	ticket.Store
	meanwhile func() error
}

func (i interrupted) Commit(ctx context.Context, c ticket.Commit) error {
	if err := i.meanwhile(); err != nil {
		return err
	}
	return i.Store.Commit(ctx, c)
}
