package main

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/replyaddress"
)

// letters sets up the notifications by mail, in the recipient's language.
func (s *shop) letters(desk *ticket.Config, cfg config, addresses *replyaddress.Addresses) error {
	about := letter.Config{
		Desk:     "The Tea Shop",
		NoReply:  cfg.noReply(),
		AgentURL: func(n ticket.Notification) string { return s.base + "/desk/tickets/" + string(n.Number) },
	}
	if cfg.imap != "" && cfg.authServer != "" { // agents can answer by mail
		about.AnswerTo = addresses.AnswerTo
	}
	words, err := letter.New(about)
	if err != nil {
		return err
	}
	desk.Profile = s.profile
	if desk.Notifiers != nil { // a test brings its own
		return nil
	}
	if cfg.smtp == "" {
		s.outbox = &outbox{letters: words}
		desk.Notifiers = map[string]ticket.Notifier{"mail": s.outbox}
		return nil
	}
	if cfg.noReply() {
		addresses = nil
	}
	post, err := mailServer(cfg, words, addresses)
	if err != nil {
		return err
	}
	desk.Notifiers = map[string]ticket.Notifier{"mail": post}
	s.hangUp = post.Close
	return nil
}

// mailServer returns the notifier that hands letters to the mail server.
func mailServer(cfg config, words *letter.Letters, addresses *replyaddress.Addresses) (*mail.Notifier, error) {
	encryption := mail.StartTLS
	if onThisMachine(cfg.smtp) {
		encryption = mail.Unencrypted
	}
	return mail.New(mail.Config{
		Host: cfg.smtp, Encryption: encryption, Username: cfg.smtpUser, Password: mail.Secret(cfg.smtpPassword),
		From: "The Tea Shop <" + helpAddress + ">", Letters: words, Addresses: addresses,
	})
}

// onThisMachine reports whether a server needs no encryption, because nothing leaves the machine.
func onThisMachine(server string) bool {
	host, _, _ := net.SplitHostPort(server)
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// profile completes a recipient before each attempt: a customer with the shop's
// current data, an agent or a queue with its addresses, which tickets do not
// have. Who wrote a mail without an account has no other data. Former users of
// the shop get no notifications.
func (s *shop) profile(ctx context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (ticket.Profile, error) {
	if to.Role == ticket.RoleAgent && to.Person.ID == "" { // all agents who serve the queue at this level
		list, err := s.users(ctx)
		var addresses []string
		for _, u := range list {
			if u.Level > 0 && u.Level >= to.Level {
				addresses = append(addresses, u.Email)
			}
		}
		return ticket.Profile{Person: ticket.Person{Email: strings.Join(addresses, ", ")}}, err
	}
	if to.Person.ID == "" {
		return ticket.Profile{Person: to.Person}, nil
	}
	u, err := s.user(ctx, to.Person.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return ticket.Profile{Unwanted: true}, nil
	}
	return ticket.Profile{Person: u.person()}, err
}

// outbox is a notifier that sends nothing and shows the newest letters.
type outbox struct {
	letters *letter.Letters
	mu      sync.Mutex
	list    []posted
}

type posted struct {
	To       string
	Customer bool
	At       time.Time
	Letter   letter.Letter
}

// Check reports missing templates at the start.
func (o *outbox) Check(kinds []ticket.Kind, _ string) error { return o.letters.Check(kinds) }

// Notify writes a letter and keeps it.
func (o *outbox) Notify(_ context.Context, n ticket.Notification) error {
	l, err := o.letters.Write(n)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 100
	o.list = append(o.list, posted{To: n.To.Person.Email, Customer: n.To.Role != ticket.RoleAgent, At: n.At, Letter: l})
	o.list = o.list[max(0, len(o.list)-most):]
	return nil
}

// newest returns the letters, the newest first.
func (o *outbox) newest() []posted {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.list)
	slices.Reverse(list)
	return list
}
