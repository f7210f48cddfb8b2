package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// Notifier sends notifications by mail. Make one with [New]. It is safe for concurrent
// use.
type Notifier struct {
	cfg  settings
	pool pool
	sent recipientsSent
}

var (
	_ ticket.Notifier        = (*Notifier)(nil)
	_ ticket.NotifierChecker = (*Notifier)(nil)
	_ ticket.LimitedNotifier = (*Notifier)(nil)
)

// New checks the configuration. It opens no connection. Its error joins all faults, each
// an [*ticket.InvalidError] or an error of [letter.New].
func New(cfg Config) (*Notifier, error) {
	s, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if s.Letters == nil {
		words := letter.Config{Desk: s.from.Name, NoReply: s.AllowNoReply && noReply(s.from.Address) && s.ReplyTo == nil && s.ReplyPlus == ""}
		if s.Addresses != nil && s.Addresses.Mailbox() != "" {
			words.NoReply, words.AnswerTo = false, s.Addresses.AnswerTo
		}
		s.Letters, err = letter.New(words)
		if err != nil {
			return nil, err
		}
	}
	m := &Notifier{cfg: s}
	m.pool.cfg, m.pool.slots = &m.cfg, make(chan struct{}, s.Connections)
	return m, nil
}

// Check implements [ticket.NotifierChecker]. It rejects a kind without a
// template, and a status link that letters cannot take. It also rejects
// [ticket.KindEvent], because mail is for people.
func (m *Notifier) Check(kinds []ticket.Kind, statusLink string) error {
	if slices.Contains(kinds, ticket.KindEvent) {
		return errors.New("mail: carries notifications to people, no stream of events")
	}
	err := m.cfg.Letters.Check(kinds)
	if statusLink != "" {
		err = errors.Join(err, letter.CheckLink(statusLink))
	}
	return err
}

// Limits implements [ticket.LimitedNotifier]: one letter at a time per connection, with
// the time that a slow server may take.
func (m *Notifier) Limits() (concurrency int, timeout time.Duration) {
	const steps = 8 // at most, to connect, to sign in, and to hand over
	return m.cfg.Connections, steps*m.cfg.Timeout + m.cfg.DataTimeout
}

// Notify sends one letter, or one to each address of a queue. It returns nil once the
// server has accepted every letter. Otherwise it returns an [*Error] from the conversation
// or an error from before it, marked as the package comment says.
func (m *Notifier) Notify(ctx context.Context, n ticket.Notification) error {
	if n.Kind == ticket.KindEvent || n.To.Role == ticket.RoleSystem {
		return &ticket.DeliveryFault{Err: errors.New("mail: carries notifications to people, no stream of events"), Permanent: true}
	}
	list, err := m.recipients(n)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return m.notifyAll(ctx, n, list)
	}
	return m.sendTo(ctx, n, list[0])
}

func (m *Notifier) sendTo(ctx context.Context, n ticket.Notification, to netmail.Address) error {
	files, err := m.attach(ctx, n)
	if err != nil {
		return err
	}
	e, err := m.compose(n, to, files)
	if err != nil {
		return err
	}
	return marked(m.send(ctx, e))
}

// notifyAll sends a letter to each address of a queue. An address that got its letter is
// skipped by later attempts of this process. An address that fails does not stop the
// others. A letter starts only in the first half of the time; the next attempt sends the
// rest.
func (m *Notifier) notifyAll(ctx context.Context, n ticket.Notification, list []netmail.Address) error {
	begin, cancel := halfOf(ctx)
	defer cancel()
	var unsure, later, idle, never []error
	for _, to := range list {
		if m.sent.has(n.ID, to.Address) {
			continue
		}
		if begin.Err() != nil {
			idle = append(idle, &ticket.DeliveryFault{Err: fmt.Errorf("to %s: there was no time left", to.Address), NotAttempted: true})
			continue
		}
		err := m.sendTo(ctx, n, to)
		if err == nil {
			m.sent.add(n.ID, to.Address)
			continue
		}
		named := fmt.Errorf("to %s: %w", to.Address, err)
		switch r := ticket.DeliveryFaultOf(err); {
		case r.Permanent:
			never = append(never, named)
		case r.MaybeDelivered:
			unsure = append(unsure, named)
		case r.NotAttempted:
			idle = append(idle, named)
		default:
			later = append(later, named)
		}
	}
	again := slices.Concat(unsure, later, idle) // the result has the mark of the first error; the errors in never have no mark
	if len(again)+len(never) == 0 {
		m.sent.forget(n.ID)
		return nil
	}
	got := fmt.Sprintf("%d of %d have got it", len(list)-len(again)-len(never), len(list))
	if len(again) > 0 {
		return fmt.Errorf("%s: %w%s", got, again[0], others(again[1:], never))
	}
	return &ticket.DeliveryFault{Err: fmt.Errorf("%s: %w%s", got, never[0], others(never[1:])), Permanent: true}
}

// others joins the texts of further errors.
func others(lists ...[]error) string {
	var b strings.Builder
	for _, err := range slices.Concat(lists...) {
		b.WriteString("; " + err.Error())
	}
	return b.String()
}

// recipientsSent remembers which addresses of a queue got a letter while others are still
// waiting.
type recipientsSent struct {
	mu  sync.Mutex
	got map[ticket.ID]map[string]bool
}

// maxPartlySent limits its memory. When it is full, all is forgotten, and some letters are
// repeated.
const maxPartlySent = 1000

func (p *recipientsSent) has(id ticket.ID, address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[id][address]
}

// add records that an address got the letter.
func (p *recipientsSent) add(id ticket.ID, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.got == nil || len(p.got) >= maxPartlySent && p.got[id] == nil {
		p.got = map[ticket.ID]map[string]bool{}
	}
	if p.got[id] == nil {
		p.got[id] = map[string]bool{}
	}
	p.got[id][address] = true
}

func (p *recipientsSent) forget(id ticket.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.got, id)
}

func (m *Notifier) send(ctx context.Context, e envelope) error {
	for {
		c, used, err := m.pool.get(ctx)
		if err != nil {
			return err
		}
		err = c.send(ctx, e)
		// A server may have closed a kept connection. If DATA was not accepted yet, another
		// connection can be tried; the last one is new.
		again := err != nil && used && c.broken && !c.begun && ctx.Err() == nil
		m.pool.put(ctx, c)
		if !again {
			return err
		}
	}
}

// Close closes the idle connections, within ctx. The notifier can still send letters, each
// over a new connection.
func (m *Notifier) Close(ctx context.Context) { m.pool.close(ctx) }

// String names the server and the sender. It contains no secret.
func (m *Notifier) String() string {
	return fmt.Sprintf("mail from %s by %s", m.cfg.from.Address, net.JoinHostPort(m.cfg.Host, strconv.Itoa(m.cfg.Port)))
}

// Format writes String for every verb, so that no secret is printed.
func (m *Notifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }
