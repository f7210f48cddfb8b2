package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// Notifier sends notifications by mail. Make one with [New]; it is safe for
// concurrent use.
type Notifier struct {
	cfg  settings
	pool pool
}

var (
	_ ticket.Notifier = (*Notifier)(nil)
	_ ticket.Checker  = (*Notifier)(nil)
)

// New checks the configuration, and reaches out to nobody. Its error joins all
// faults, each a [*ticket.InvalidError].
func New(cfg Config) (*Notifier, error) {
	s, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if s.Letters == nil {
		s.Letters, err = letter.New(letter.Config{Desk: s.from.Name, NoReply: s.AllowNoReply && noReply(s.from.Address) && s.ReplyTo == nil && s.ReplyPlus == ""})
		if err != nil {
			return nil, err
		}
	}
	m := &Notifier{cfg: s}
	m.pool.cfg, m.pool.slots = &m.cfg, make(chan struct{}, s.Connections)
	return m, nil
}

// Check implements [ticket.Checker]. Mail is for people: it carries no
// [ticket.KindEvent].
func (m *Notifier) Check(kinds []ticket.Kind) error {
	if slices.Contains(kinds, ticket.KindEvent) {
		return errors.New("mail: carries notifications to people, no stream of events")
	}
	return m.cfg.Letters.Check(kinds)
}

// Notify sends one letter. It returns nil once the server has said that it took
// it, and otherwise an [*Error] from the conversation, or what was wrong before
// it, marked as the package's comment says.
func (m *Notifier) Notify(ctx context.Context, n ticket.Notification) error {
	if n.Kind == ticket.KindEvent || n.To.Role == ticket.Systems {
		return ticket.Permanent(errors.New("mail: carries notifications to people, no stream of events"))
	}
	e, err := m.compose(n)
	if err != nil {
		return err
	}
	return marked(m.send(ctx, e))
}

func (m *Notifier) send(ctx context.Context, e envelope) error {
	for {
		c, used, err := m.pool.get(ctx)
		if err != nil {
			return err
		}
		err = c.send(ctx, e)
		// A server may have closed what was kept. As long as no word of the letter
		// has been sent, another connection can be tried; one is new at last.
		again := err != nil && used && c.broken && !c.told && ctx.Err() == nil
		m.pool.put(ctx, c)
		if !again {
			return err
		}
	}
}

// Close closes the connections that wait for another letter, within ctx.
// Letters can still be sent afterwards, each on a connection of its own.
func (m *Notifier) Close(ctx context.Context) { m.pool.close(ctx) }

// String names the server and the sender, and nothing secret.
func (m *Notifier) String() string {
	return fmt.Sprintf("mail from %s by %s", m.cfg.from.Address, net.JoinHostPort(m.cfg.Host, strconv.Itoa(m.cfg.Port)))
}

// Format writes String, whatever the verb, so that nothing secret is printed.
func (m *Notifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }
