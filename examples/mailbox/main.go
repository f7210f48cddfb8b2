// Mailbox is a desk that people write to by mail. A customer writes, gets a confirmation and
// answers it, an agent answers by mail, a letter comes back, and two machines that answer each
// other come to an end. It prints the mails and what became of them.
//
//	go run ./examples/mailbox
//
// The IMAP server and the SMTP server are part of the program and listen on loopback, so that
// nothing leaves the machine. File outside.go has them and all that is not the desk.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/replyaddress"
)

func main() {
	secret := make([]byte, 32) // your application stores it: the addresses in its letters depend on it
	_, _ = rand.Read(secret)
	if err := run(context.Background(), ticket.Config{}, secret, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mailbox:", err)
		os.Exit(1)
	}
}

// helpdesk is what your application sets up.
type helpdesk struct {
	*ticket.Desk

	mails   *mailbox.Intake
	settled chan ticket.Mail // what became of each mail
	close   func(context.Context)
}

// lin is the agent of the desk. Your application asks its table of users.
var lin = ticket.Agent("lin", 1)

const linsAddress = "lin@example.org"

func newHelpdesk(cfg ticket.Config, secret []byte, servers *outside) (*helpdesk, error) {
	// The notifier makes these addresses and puts them into its letters. The intake reads them.
	addresses, err := replyaddress.New(replyaddress.Config{
		Mailbox: "support@example.org", Bounces: "bounces@example.org",
		Keys: []replyaddress.Key{{ID: 1, Secret: secret}},
	})
	if err != nil {
		return nil, err
	}
	store, fileStore := memstore.New(), files.NewMemory() // or sqlstore and files.NewFolder

	letters, err := mail.New(mail.Config{
		Host: servers.smtp.IP.String(), Port: servers.smtp.Port,
		Encryption: mail.Unencrypted, // your application keeps the default: STARTTLS
		Hello:      "app.example.org",
		From:       "Example Shop <support@example.org>",
		Addresses:  addresses,
		Address: func(r ticket.Recipient) string { // of agents and queues
			if r.Person.ID == lin.Person.ID {
				return linsAddress
			}
			return "desk@example.org"
		},
		Files: fileStore,
	})
	if err != nil {
		return nil, err
	}
	cfg.Notifiers = map[string]ticket.Notifier{"mail": letters}
	cfg.Relay.Batch = 1 // one letter at a time, so that the output has a fixed order
	cfg.Files = fileStore
	desk, err := ticket.NewDesk(store, cfg)
	if err != nil {
		return nil, err
	}

	h := &helpdesk{Desk: desk, settled: make(chan ticket.Mail, 100), close: letters.Close}
	h.mails, err = mailbox.New(mailbox.Config{
		Desk: desk, Store: store, Files: fileStore, Now: cfg.Now,
		Mailboxes: []mailbox.Mailbox{{
			Name:       "support",
			Addresses:  []string{"support@example.org", "bounces@example.org"},
			Replies:    addresses,
			AuthServer: "mx.example.org",
			IMAP: &mailbox.IMAP{
				Addr: servers.imap, Username: "support", Password: "secret",
				Unencrypted: true,                   // your application keeps the default: TLS
				Listing:     100 * time.Millisecond, // and five minutes: this server tells late of some mails
			},
		}},
		Agent: func(_ context.Context, _, address string) (ticket.Actor, bool, error) {
			return lin, strings.EqualFold(address, linsAddress), nil
		},
		Limits: mailbox.Limits{PerSender: 3}, // the default of 20 would make the output long
		Observe: func(_ context.Context, m ticket.Mail) {
			if m.State != ticket.MailPending {
				h.settled <- m
			}
		},
	})
	return h, err
}

func run(ctx context.Context, cfg ticket.Config, secret []byte, stdout io.Writer) error {
	var mu sync.Mutex // the servers print, too
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(stdout, format+"\n", args...)
	}
	servers, err := serve(say)
	if err != nil {
		return err
	}
	defer servers.stop()
	h, err := newHelpdesk(cfg, secret, servers)
	if err != nil {
		return err
	}
	defer h.close(ctx)

	// A server also calls h.Run, which sends the letters. Here the story calls Deliver.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() { _ = h.mails.Run(ctx) }) // its error is that of ctx
	if err := servers.waitForReader(ctx); err != nil {
		return err
	}
	if err := h.story(ctx, servers, say); err != nil {
		return err
	}
	return h.print(ctx, say)
}

// story is what happens. Each of its mails goes to the SMTP server, and from there by IMAP to
// the desk.
func (h *helpdesk) story(ctx context.Context, servers *outside, say func(string, ...any)) error {
	// arrives sends a mail, waits until the desk has taken it, and sends the letters.
	arrives := func(m letter) (ticket.Mail, error) {
		if err := servers.send(m); err != nil {
			return ticket.Mail{}, err
		}
		select {
		case got := <-h.settled:
			say("    %s: %s", got.State, got.Reason)
			_, err := h.Deliver(ctx)
			say("")
			return got, err
		case <-ctx.Done():
			return ticket.Mail{}, ctx.Err()
		}
	}

	say("A customer writes, and gets a confirmation.\n")
	const ada = "ada@example.com"
	first, err := arrives(letter{from: ada, to: "support@example.org", subject: "Teapot arrived broken", text: "The lid has a crack."})
	if err != nil {
		return err
	}
	say("Lin takes the ticket in the desk.")
	if _, err := h.Do(ctx, lin, first.Ticket, ticket.Action{Name: ticket.ActionTake}); err != nil {
		return err
	}

	say("The customer answers the confirmation, from a phone that quotes below, and then with a file.\n")
	confirmation, err := servers.newest(ada)
	if err != nil {
		return err
	}
	if _, err := arrives(confirmation.answer("The pot is fine.\n\n" + confirmation.quoted())); err != nil {
		return err
	}
	photo := confirmation.answer("Here it is.")
	photo.file = "lid.png"
	if _, err := arrives(photo); err != nil {
		return err
	}

	say("Lin answers the letter, which makes a note, and the address in it, which makes an answer.\n")
	task, err := servers.newest(linsAddress)
	if err != nil {
		return err
	}
	if _, err := arrives(task.answer("Third lid this week. Tell the warehouse.")); err != nil {
		return err
	}
	reply := task.answer("I am sorry. A new lid is on its way.")
	if reply.to = task.answerTo(); reply.to == "" {
		return errors.New("the letter has no address for answers to the customer")
	}
	if _, err := arrives(reply); err != nil {
		return err
	}

	say("A customer writes whose own address takes no mail. The confirmation comes back.\n")
	const bob = "bob@example.net"
	if _, err := arrives(letter{from: bob, to: "support@example.org", subject: "Catalogue", text: "Please send me one."}); err != nil {
		return err
	}
	lost, err := servers.newest(bob)
	if err != nil {
		return err
	}
	if _, err := arrives(lost.returned()); err != nil {
		return err
	}

	say("A machine answers every letter with a new mail, and does not say that it is one.\n")
	const robot = "hello@robot.example"
	for {
		m, err := arrives(letter{from: robot, to: "support@example.org", subject: "We have your mail", text: "Somebody will read it soon."})
		if err != nil {
			return err
		}
		if m.State == ticket.MailHeld {
			break // nobody writes to the machine any more, so the machine does not answer
		}
	}
	return nil
}

// print prints the tickets as an agent sees them.
func (h *helpdesk) print(ctx context.Context, say func(string, ...any)) error {
	say("The tickets, as agents see them:")
	for t, err := range h.Tickets(ctx, lin, ticket.Query{}) {
		if err != nil {
			return err
		}
		say("\n%s %s (%s)", t.Number, t.Subject, t.Requester.Email)
		for e, err := range h.Entries(ctx, lin, t.ID) {
			if err != nil {
				return err
			}
			say("  %s", e.Event.Action)
			for _, line := range []string{string(e.Event.Message), string(e.Event.Note)} {
				if line != "" {
					say("    %s", line)
				}
			}
			for _, a := range e.Event.Attachments {
				say("    file %s, %s, %d bytes", a.Name, a.MediaType, a.Size)
			}
			for _, d := range e.Deliveries {
				say("    letter %q: %s", d.Kind, d.State)
			}
		}
	}
	held, err := h.mails.Held(ctx, lin, time.Time{})
	if err != nil {
		return err
	}
	for _, m := range held {
		say("\nA mail of %s waits for somebody to look at it: %s.", m.Author, m.Reason)
	}
	return nil
}
