// Package tickettest helps the tests of applications that use tickets: a clock
// that stands still, IDs and numbers that come in order, and a notifier that
// remembers what was sent.
//
//	clock := tickettest.NewClock()
//	sent := tickettest.NewRecorder()
//	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent))
//	…
//	_, err = desk.Deliver(ctx)
//	sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
package tickettest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ticketkit/ticket"
)

// Start is the time a new [Clock] shows.
var Start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// Clock is a clock that stands still until it is told otherwise. It is safe for
// concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows [Start].
func NewClock() *Clock { return &Clock{now: Start} }

// Now returns the time it shows; use it as [ticket.Config].Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set puts the clock to a time, which may lie before the one it shows.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance puts the clock forward and returns the new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// NewIDs returns a source of IDs for [ticket.Config].NewID: with the time asked
// for and the counts 1, 2, 3 … in place of randomness.
func NewIDs() func(time.Time) ticket.ID {
	var count atomic.Uint64
	return func(t time.Time) ticket.ID {
		var id ticket.ID
		n, ms := count.Add(1), uint64(t.UnixMilli())
		for i := range 6 {
			id[i] = byte(ms >> (8 * (5 - i)))
		}
		for i := range 8 {
			id[8+i] = byte(n >> (8 * (7 - i)))
		}
		return id
	}
}

// NewNumbers returns a source of numbers for [ticket.Numbers].New: valid
// ones, in order, the first of them 0000-0001-H.
func NewNumbers() func(context.Context, string) (ticket.Number, error) {
	var count atomic.Uint64
	return func(context.Context, string) (ticket.Number, error) { return ticket.NumberOf(count.Add(1)), nil }
}

// Config returns a configuration with this clock, [NewIDs], [NewNumbers] and,
// where it is not nil, this notifier under the name "". It logs nothing.
func Config(clock *Clock, n ticket.Notifier) ticket.Config {
	cfg := ticket.Config{
		Now: clock.Now, NewID: NewIDs(), Numbers: ticket.Numbers{New: NewNumbers()},
		Logger: slog.New(slog.DiscardHandler),
	}
	if n != nil {
		cfg.Notifiers = map[string]ticket.Notifier{"": n}
	}
	return cfg
}

// Recorder is a [ticket.Notifier] that remembers what it was given. It is safe
// for concurrent use.
type Recorder struct {
	mu   sync.Mutex
	sent []ticket.Notification
	fail func(ticket.Notification) error
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder { return &Recorder{} }

// FailWith makes the recorder ask before it takes a notification: where fail
// returns an error, the delivery fails with it and is not recorded. nil ends it.
func (r *Recorder) FailWith(fail func(ticket.Notification) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

// Notify implements [ticket.Notifier].
func (r *Recorder) Notify(_ context.Context, n ticket.Notification) error {
	r.mu.Lock()
	fail := r.fail
	r.mu.Unlock()
	if fail != nil {
		if err := fail(n); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, n)
	return nil
}

// Sent returns what was sent so far, in the order it was.
func (r *Recorder) Sent() []ticket.Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]ticket.Notification(nil), r.sent...)
}

// Reset forgets what was sent.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = nil
}

// RequireSent ends the test unless a notification of this kind was sent to this
// recipient, and returns the last such one. The recipient is an e-mail address,
// an ID or a phone number of a person, or "queue:NAME" for a queue ("queue:" for
// tickets that have none yet). It is named as Config.Profile completes it: a queue
// that a profile gives addresses is these, as one text.
func (r *Recorder) RequireSent(tb testing.TB, kind ticket.Kind, to string) ticket.Notification {
	tb.Helper()
	sent := r.Sent()
	for _, n := range slices.Backward(sent) {
		if n.Kind == kind && isTo(n.To, to) {
			return n
		}
	}
	tb.Fatalf("no notification %q was sent to %q; sent were: %s", kind, to, list(sent))
	return ticket.Notification{}
}

// RequireNotSent ends the test if a notification of this kind was sent to this
// recipient; see [Recorder.RequireSent].
func (r *Recorder) RequireNotSent(tb testing.TB, kind ticket.Kind, to string) {
	tb.Helper()
	for _, n := range r.Sent() {
		if n.Kind == kind && isTo(n.To, to) {
			tb.Fatalf("a notification %q was sent to %q", kind, to)
		}
	}
}

func isTo(r ticket.Recipient, to string) bool {
	if queue, ok := strings.CutPrefix(to, "queue:"); ok {
		return r.Role == ticket.RoleAgent && r.Person.IsZero() && r.Queue == queue
	}
	return to != "" && (to == r.Person.Email || to == r.Person.ID || to == r.Person.Phone)
}

func list(sent []ticket.Notification) string {
	if len(sent) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, n := range sent {
		if i > 0 {
			b.WriteString("; ")
		}
		switch p := n.To.Person; {
		case p.IsZero():
			fmt.Fprintf(&b, "%s to queue:%s", n.Kind, n.To.Queue)
		case p.Email != "":
			fmt.Fprintf(&b, "%s to %s", n.Kind, p.Email)
		default:
			fmt.Fprintf(&b, "%s to %s%s", n.Kind, p.ID, p.Phone)
		}
	}
	return b.String()
}
