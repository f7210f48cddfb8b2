package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"mime"
	"net/http"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/replyaddress"
)

// Where mail for the shop arrives. Letters that cannot be delivered come back to an address
// of their own.
const (
	helpAddress   = "help@shop.example"
	bounceAddress = "bounces@shop.example"
)

// replies makes the addresses in letters by which an answer finds its ticket, and reads them.
func replies(key []byte) (*replyaddress.Addresses, error) {
	return replyaddress.New(replyaddress.Config{
		Mailbox: helpAddress, Bounces: bounceAddress, Keys: []replyaddress.Key{{ID: 1, Secret: key}},
	})
}

// intake takes in the mail to the shop.
func (s *shop) intake(cfg config, desk ticket.Config, addresses *replyaddress.Addresses) (err error) {
	help := mailbox.Mailbox{
		Name: "help", Addresses: []string{helpAddress, bounceAddress}, Replies: addresses, AuthServer: cfg.authServer,
	}
	if cfg.imap != "" {
		help.IMAP = &mailbox.IMAP{
			Addr: cfg.imap, Username: cfg.imapUser, Password: mailbox.Secret(cfg.imapPassword), Unencrypted: onThisMachine(cfg.imap),
		}
	}
	s.mails, err = mailbox.New(mailbox.Config{
		Desk: s.desk, Store: s.store, Files: desk.Files, Mailboxes: []mailbox.Mailbox{help},
		Person: s.writer, Agent: s.colleague,
		Limits: mailbox.Limits{Desk: desk.Limits}, Now: desk.Now, NewID: desk.NewID,
	})
	return err
}

// writer finds out which customer has written. People without an account write, too.
func (s *shop) writer(ctx context.Context, _ string, sender ticket.Person) (ticket.Person, error) {
	u, err := s.userWith(ctx, sender.Email)
	if errors.Is(err, sql.ErrNoRows) || u.Level > 0 {
		return sender, nil
	}
	return u.person(), err
}

// colleague finds out which agent has written, if any.
func (s *shop) colleague(ctx context.Context, _, address string) (ticket.Actor, bool, error) {
	u, err := s.userWith(ctx, address)
	if errors.Is(err, sql.ErrNoRows) {
		return ticket.Actor{}, false, nil
	}
	return u.actor(), u.Level > 0, err
}

// answer plays the customer who answers a letter of the outbox: it makes a mail of the form,
// as if that mail had arrived.
func (s *shop) answer(w http.ResponseWriter, r *http.Request, _ user) error {
	from, err := netmail.ParseAddress(text(r, "from"))
	if err != nil {
		return fmt.Errorf("%w: %w", ticket.ErrInvalid, err)
	}
	raw := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@outbox.example>\r\nDate: %s\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		from, helpAddress, mime.QEncoding.Encode("utf-8", "Re: "+text(r, "subject")), digest(text(r, "key")),
		s.now().Format(time.RFC1123Z), text(r, "message"))
	if _, err := s.mails.Take(r.Context(), "help", strings.NewReader(raw), mailbox.Envelope{To: []string{helpAddress}}); err != nil {
		return err
	}
	if _, err := s.mails.Drain(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/outbox", http.StatusSeeOther)
	return nil
}
