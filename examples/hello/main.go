// Hello opens a ticket, answers it, and shows it to its customer.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	_ "modernc.org/sqlite" // any of five drivers

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

func main() {
	source := "file:hello.db?_pragma=busy_timeout(5000)&_txlock=immediate"
	if err := run(context.Background(), source); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, source string) error {
	db, err := sql.Open("sqlite", source) // the database you have
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite) // makes the tables
	if err != nil {
		return err
	}
	desk, err := ticket.NewDesk(store, ticket.Config{}) // the zero Config works
	if err != nil {
		return err
	}

	ada := ticket.Requester(ticket.Person{ID: "17", Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1) // serves level 1
	kim := ticket.Agent("kim", 2)

	t, err := desk.Open(ctx, ada, ticket.Draft{
		Subject: "Printer prints blank pages",
		Message: "Since this morning, every second page.",
	})
	if err != nil {
		return err
	}
	for _, step := range []struct {
		by   ticket.Actor
		does ticket.Action
	}{
		{lin, ticket.Action{Name: ticket.ActionEscalate, Note: "fuser fault?"}},
		{kim, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"}},
		{ada, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."}},
		{kim, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."}},
	} {
		if t, err = desk.Do(ctx, step.by, t.ID, step.does); err != nil {
			return err
		}
	}

	view, err := desk.Track(ctx, ada, string(t.Number)) // no notes, no names of agents
	if err != nil {
		return err
	}
	fmt.Println(view.Number, "is", view.Phase) // such as: 7Q4K-92MX-F is solved
	for _, m := range view.Messages {
		fmt.Println("-", m.Text)
	}
	return nil
}
