package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// exampleDB is the database that an application already has. Its name has a busy
// timeout and _txlock=immediate, for the transactions of the application.
func exampleDB() (db *sql.DB, done func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	db, err = sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "shop.db"))+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		panic(err)
	}
	return db, func() { _, _ = db.Close(), os.RemoveAll(dir) }
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var ada = ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})

// A desk stores its tickets in the application's database. The next desk finds them.
func Example_open() {
	ctx := context.Background()
	db, done := exampleDB()
	defer done()

	store := must(sqlstore.Open(ctx, db, sqlstore.SQLite))
	desk := must(ticket.NewDesk(store, ticket.Config{}))
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"}))

	store = must(sqlstore.Open(ctx, db, sqlstore.SQLite))
	desk = must(ticket.NewDesk(store, ticket.Config{}))
	v := must(desk.Track(ctx, ada, string(t.Number)))
	fmt.Println(v.Subject, "-", v.Phase)
	// Output: Printer prints blank pages - received
}

// The desk works inside a transaction of the application. Here it is rolled back,
// and the ticket is gone.
func Example_withTx() {
	ctx := context.Background()
	db, done := exampleDB()
	defer done()
	store := must(sqlstore.Open(ctx, db, sqlstore.SQLite))
	desk := must(ticket.NewDesk(store, ticket.Config{}))

	tx := must(db.BeginTx(ctx, nil))
	t := must(desk.WithStore(store.WithTx(tx)).Open(ctx, ada, ticket.Draft{Subject: "Parcel lost"}))
	fmt.Println("inside:", t.Status)
	if err := tx.Rollback(); err != nil {
		panic(err)
	}
	_, err := desk.Track(ctx, ada, string(t.Number))
	fmt.Println("outside:", err != nil)
	// Output:
	// inside: new
	// outside: true
}

// The schema is available as files, for applications with their own migration tool.
func Example_migrations() {
	files := must(sqlstore.Migrations(sqlstore.Postgres, sqlstore.Prefix("desk_")))
	fmt.Println(must(fs.Glob(files, "*.sql")))
	// Output: [0001_tickets.up.sql 0002_outbox.up.sql 0003_receipts.up.sql 0004_address.up.sql 0005_merged.up.sql 0006_clocks.up.sql 0007_stage.up.sql 0008_mails.up.sql 0009_done.up.sql]
}

// A desk keeps files in the database of its tickets.
func Example_files() {
	ctx := context.Background()
	db, done := exampleDB()
	defer done()

	store := must(sqlstore.Open(ctx, db, sqlstore.SQLite, sqlstore.Files()))
	desk := must(ticket.NewDesk(store, ticket.Config{Files: store.Files(nil)}))
	a := must(desk.Attach(ctx, ada, "page.txt", "text/plain", strings.NewReader("every second page is blank")))
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "Printer", Attachments: []ticket.Attachment{a}}))

	about, r, err := desk.File(ctx, ada, t.ID, a.SHA256)
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close() }()
	text := must(io.ReadAll(r))
	fmt.Printf("%s: %s\n", about.Name, text)
	// Output: page.txt: every second page is blank
}
