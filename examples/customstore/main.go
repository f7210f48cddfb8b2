// Customstore stores tickets in a file with its own store on bbolt; see package
// boltstore. It opens a ticket, closes the file, and finds the ticket again.
//
//	go run ./examples/customstore [FILE.db]
//
// Without a file it uses one in a temporary directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/customstore/boltstore"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "customstore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var path string
	switch len(args) {
	case 0:
		dir, err := os.MkdirTemp("", "tickets")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path = filepath.Join(dir, "tickets.db")
	case 1:
		path = args[0]
	default:
		return errors.New("usage: customstore [FILE.db]")
	}

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})

	var number ticket.Number
	err := withDesk(path, func(desk *ticket.Desk) error {
		t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"})
		number = t.Number
		return err
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "opened %s and closed the file\n", number); err != nil {
		return err
	}

	return withDesk(path, func(desk *ticket.Desk) error {
		t, err := desk.Find(ctx, ada, string(number))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "found %s again: %s, %s\n", t.Number, t.Subject, t.Status)
		return err
	})
}

// withDesk opens the file, calls do with a desk on it, and closes the file.
func withDesk(path string, do func(*ticket.Desk) error) (err error) {
	// Only one process can open the file; others wait for a second.
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := boltstore.New(db)
	if err != nil {
		return err
	}
	desk, err := ticket.NewDesk(store, ticket.Config{})
	if err != nil {
		return err
	}
	return do(desk)
}
