// Notify sends notifications to customers and agents by mail, and prints the SMTP
// conversation. The server is part of the program and listens on loopback, so that nothing
// leaves the machine.
//
//	go run ./examples/notify
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/memstore"
)

func main() {
	secret := make([]byte, 32) // a server stores its secret for as long as its links are valid
	_, _ = rand.Read(secret)
	if err := run(context.Background(), ticket.Config{}, secret, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg ticket.Config, secret []byte, stdout io.Writer) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }
	address, stop, err := serve()
	if err != nil {
		return err
	}
	defer stop()

	// The built-in templates, signed by the shop. All faults of templates are found here.
	letters, err := letter.New(letter.Config{
		Desk:     "The Example Shop",
		AgentURL: func(n ticket.Notification) string { return "https://desk.example.org/" + string(n.Number) },
	})
	if err != nil {
		return err
	}
	mailer, err := mail.New(mail.Config{
		Host: address.IP.String(), Port: address.Port,
		Encryption: mail.Unencrypted, // your application keeps the default: STARTTLS
		Hello:      "app.example.org",
		From:       "Example Shop <support@example.org>",
		ReplyPlus:  "support@example.org",                                       // the mailbox for replies
		Address:    func(ticket.Recipient) string { return "desk@example.org" }, // agents and queues
		Letters:    letters,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &transcript{Conn: c, say: say}, nil
		},
	})
	if err != nil {
		return err
	}
	defer mailer.Close(ctx)

	cfg.Notifiers = map[string]ticket.Notifier{"mail": mailer}
	cfg.Relay.Batch = 1 // one letter at a time, so that the output has a fixed order
	cfg.StatusLinks = ticket.StatusLinks{
		Keys: []ticket.StatusLinkKey{{ID: 1, Secret: secret}},
		URL:  func(_, token string) string { return "https://help.example.org/t/" + token },
	}
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	if err != nil {
		return err
	}

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org", Locale: "en", Zone: "Europe/London"})
	lin := ticket.Agent("lin", 1)
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Since this morning, every second page."})
	if err != nil {
		return err
	}
	say("Ada opened %s.\n", t.Number)
	if _, err := desk.Deliver(ctx); err != nil { // a server calls desk.Run once instead
		return err
	}
	if _, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "A new fuser is fitted."}); err != nil {
		return err
	}
	say("\nLin solved it.\n")
	if _, err := desk.Deliver(ctx); err != nil {
		return err
	}

	// A requester whose address does not exist.
	bob := ticket.Requester(ticket.Person{Name: "Bob", Email: "nobody@example.org"})
	if _, err := desk.Open(ctx, bob, ticket.Draft{Subject: "Where is the scanner?"}); err != nil {
		return err
	}
	say("\nBob opened a ticket.\n")
	if _, err := desk.Deliver(ctx); err != nil {
		return err
	}

	say("\nThe deliveries, newest first:")
	page, err := desk.Deliveries(ctx, ticket.System("example"), ticket.DeliveryQuery{})
	if err != nil {
		return err
	}
	for _, d := range page.Deliveries {
		to := d.To.Person.Email
		if to == "" {
			to = "the queue"
		}
		say("  %-8s to %-18s %s", d.Kind, to, d.State)
		if d.LastError != "" {
			say("           %s", d.LastError)
		}
	}
	return nil
}
