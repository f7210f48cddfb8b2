// Quickstart takes a ticket from opening to the customer's thanks: escalated to the
// specialists, back to the customer with a question, solved and confirmed. The tickets are
// kept in an SQLite file. A second run lists them.
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

	// Your application has a database already; this one is for the example.
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite) // creates the tables on the first run
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
	cfg.Relay.Batch = 1 // one at a time, so that the output has a fixed order

	desk, err := ticket.NewDesk(store, cfg)
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)           // serves level 1
	specialist := ticket.Agent("max", 2, 3) // serves levels 2 and 3

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
	say("%s: %s", t.Number, t.Subject) // the number to read out on the phone

	// Which actions can lin perform now, and why not the others?
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

	say("\nThe life of the ticket:")
	for _, step := range []struct {
		by   ticket.Actor
		does ticket.Action
	}{
		{lin, ticket.Action{Name: ticket.ActionTake}},
		{lin, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault?"}},
		{specialist, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"}},
		{ada, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."}},
		{specialist, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."}},
		{ada, ticket.Action{Name: ticket.ActionConfirm, Message: "Thank you!"}},
	} {
		t, err = desk.Do(ctx, step.by, t.ID, step.does)
		if err != nil {
			return err
		}
		say("  %-8s by %-9s → %s at level %d", step.does.Name, by(step.by.Role, step.by.Person), t.Status, t.Level)
	}

	// Answered while the customer was on the phone: opened and resolved in one commit.
	quick, err := desk.Open(ctx, lin, ticket.Draft{
		Requester: ada.Person, Subject: "Where is the scanner?", Solution: "Room 2.14", Channel: ticket.ChannelPhone,
	})
	if err != nil {
		return err
	}
	say("\n%s: %s %s at the %s", quick.Number, quick.Subject, quick.Status, quick.Resolution)

	// The customer view has no notes and no internal names. The number may be written in
	// any case and with spaces.
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

	say("\nThe desk sees the whole history:")
	for e, err := range desk.History(ctx, lin, t.ID) {
		if err != nil {
			return err
		}
		say("  %d %s by %s → %s", e.Seq, e.Action, by(e.By.Role, ticket.Person{ID: e.By.ID, Name: e.Actor.Name}), e.To)
		if e.Note != "" { // notes never leave the desk
			say("    %s", e.Note)
		}
	}

	// A server calls desk.Run once. A program that ends calls Deliver.
	say("\nThe notifications:")
	_, err = desk.Deliver(ctx)
	return err
}

// earlier lists the tickets of earlier runs, newest first.
func earlier(ctx context.Context, desk *ticket.Desk, who ticket.Actor, say func(string, ...any)) error {
	const maxShown = 10
	page, err := desk.List(ctx, who, ticket.Query{Order: ticket.OrderNewestFirst, Limit: maxShown})
	if err != nil || len(page.Tickets) == 0 {
		return err
	}
	say("Tickets from earlier runs, newest first:")
	for _, t := range page.Tickets {
		say("  %s  %-9s %s", t.Number, t.Status, t.Subject)
	}
	if page.Next != "" { // the cursor of the next page
		say("  and older ones")
	}
	say("")
	return nil
}

// by returns the name of an actor.
func by(role ticket.Role, p ticket.Person) string {
	if role == ticket.RoleAgent {
		return p.ID
	}
	return p.Name
}

// name returns a recipient: a customer, an agent, or all agents of a queue.
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
