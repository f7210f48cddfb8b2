// Quickstart takes a ticket from the first call to the customer's thanks: up to
// the specialists, back to the customer with a question, solved, confirmed. The
// tickets are kept in an SQLite file; run it again, and it shows them.
//
//	go run ./examples/quickstart [-db quickstart.db]
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
	"strings"

	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

func main() {
	file := flag.String("db", "quickstart.db", "the SQLite `file` to keep tickets in")
	flag.Parse()
	// The zero Config is a working desk.
	if err := run(context.Background(), *file, ticket.Config{}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string, cfg ticket.Config, stdout io.Writer) (err error) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }

	// An application has its database already; this is one for it.
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite) // makes the tables, the first time
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}

	// A real notifier sends mail; this one prints.
	cfg.Notifiers = map[string]ticket.Notifier{
		"print": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			say("  → %s to %s", n.Kind, name(n.To))
			return nil
		}),
	}
	cfg.Relay.Batch = 1 // one after the other, so that they print in order

	desk, err := ticket.NewDesk(store, cfg)
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1) // serves level 1
	max := ticket.Agent("max", 2, 3)

	if err := earlier(ctx, desk, lin, say); err != nil {
		return err
	}

	t, err := desk.Open(ctx, ada, ticket.Draft{
		Subject: "Printer prints blank pages",
		Message: "Since this morning, every second page.",
		Channel: ticket.ChannelPhone,
	})
	if err != nil {
		return err
	}
	say("%s: %s", t.Number, t.Subject) // the number is what the hotline reads out

	// What may lin do with it now, and why not the rest?
	var may []string
	var not []ticket.Choice
	for _, c := range desk.Actions(lin, t) {
		if c.Allowed {
			may = append(may, string(c.Action))
		} else {
			not = append(not, c)
		}
	}
	say("lin may %s.", strings.Join(may, ", "))
	say("\nlin may not, because:")
	for _, c := range not {
		say("  %s: %s", c.Action, c.Reason)
	}

	say("\nThe way of the ticket:")
	for _, step := range []struct {
		by   ticket.Actor
		does ticket.Action
	}{
		{lin, ticket.Action{Name: ticket.ActionTake}},
		{lin, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault?"}},
		{max, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"}},
		{ada, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."}},
		{max, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."}},
		{ada, ticket.Action{Name: ticket.ActionConfirm, Message: "Thank you!"}},
	} {
		t, err = desk.Do(ctx, step.by, t.ID, step.does)
		if err != nil {
			return err
		}
		say("  %-8s by %-9s → %s at level %d", step.does.Name, by(step.by.Role, step.by.Person), t.Status, t.Level)
	}

	// Answered while the customer was still on the line: opened and resolved in
	// one commit.
	quick, err := desk.Open(ctx, lin, ticket.Draft{
		Requester: ada.Person, Subject: "Where is the scanner?", Solution: "Room 2.14", Channel: ticket.ChannelPhone,
	})
	if err != nil {
		return err
	}
	say("\n%s: %s %s at the %s", quick.Number, quick.Subject, quick.Status, quick.Resolution)

	// The customer's view: no notes, no internal names, wherever the ticket is.
	// The number may be written as people write it.
	written := strings.ToLower(strings.ReplaceAll(string(t.Number), "-", " "))
	v, err := desk.Track(ctx, ada, written)
	if err != nil {
		return err
	}
	say("\nAda looks up %q: it is %s.", written, v.Phase)
	for _, m := range v.Messages {
		from := "the desk"
		if !m.FromDesk {
			from = m.Name
		}
		say("  %s: %s", from, m.Text)
	}

	say("\nThe desk sees all of its history:")
	for e, err := range desk.History(ctx, lin, t.ID) {
		if err != nil {
			return err
		}
		say("  %d %s by %s → %s", e.Seq, e.Action, by(e.By.Role, ticket.Person{ID: e.By.ID, Name: e.Actor.Name}), e.To)
		if e.Note != "" { // words that never leave the desk
			say("    %s", e.Note)
		}
	}

	// A server calls desk.Run once and is done; a program that ends, this.
	say("\nWho was told what:")
	_, err = desk.Deliver(ctx)
	return err
}

// earlier shows the tickets of earlier runs, the newest first.
func earlier(ctx context.Context, desk *ticket.Desk, who ticket.Actor, say func(string, ...any)) error {
	const most = 10
	page, err := desk.List(ctx, who, ticket.Query{Order: ticket.OrderNewestFirst, Limit: most})
	if err != nil || len(page.Tickets) == 0 {
		return err
	}
	say("Tickets from earlier runs, the newest first:")
	for _, t := range page.Tickets {
		say("  %s  %-9s %s", t.Number, t.Status, t.Subject)
	}
	if page.Next != "" { // the cursor that the next page begins at
		say("  and older ones")
	}
	say("")
	return nil
}

// by names who acted.
func by(role ticket.Role, p ticket.Person) string {
	if role == ticket.RoleAgent {
		return p.ID
	}
	return p.Name
}

// name says who is told: a customer, an agent, or all who serve a queue.
func name(r ticket.Recipient) string {
	switch {
	case r.Person.Email != "":
		return r.Person.Email
	case r.Person.ID != "":
		return r.Person.ID
	case r.Queue != "":
		return fmt.Sprintf("everybody at level %d in %s", r.Level, r.Queue)
	default:
		return fmt.Sprintf("everybody at level %d", r.Level)
	}
}
