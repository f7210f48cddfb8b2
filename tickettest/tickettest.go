// Package tickettest helps to test applications that use tickets. It has a clock
// that stands still, IDs and numbers that come in order, and a notifier that
// records what was sent.
//
//	clock := tickettest.NewClock()
//	sent := tickettest.NewRecorder()
//	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent, "mail"))
//	…
//	_, err = desk.Deliver(ctx)
//	sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
//
// "mail" is the name that your application gives its notifier in
// [ticket.Config].Notifiers. Use the same name in the test, because every delivery
// belongs to a name: a notifier gets only the deliveries of its own name.
//
// Any store works, also package sqlstore with the database of your choice. Give
// each test a database of its own: [NewIDs] and [NewNumbers] begin again at 1 with
// each [Config], and IDs and numbers are unique in a database. For SQLite:
//
//	dsn := "file:" + filepath.Join(t.TempDir(), "desk.db") + "?_pragma=busy_timeout(5000)&_txlock=immediate"
//	db, err := sql.Open("sqlite", dsn) // import _ "modernc.org/sqlite"
//	…
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
//	…
//	desk, err := ticket.NewDesk(store, tickettest.Config(clock, sent, "mail"))
//
// The directory examples/hosttx has such a test.
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

// Clock is a clock that stands still until Set or Advance moves it. It is safe
// for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows [Start].
func NewClock() *Clock { return &Clock{now: Start} }

// Now returns the time of the clock. Use it as [ticket.Config].Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock. The new time may be before the old one.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance moves the clock forward and returns the new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// NewIDs returns a source of IDs for [ticket.Config].NewID. An ID has the given
// time, and the counts 1, 2, 3 … in place of the random part.
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

// NewNumbers returns a source of numbers for [ticket.Numbers].New. The numbers are
// valid and come in order. The first is 0000-0001-H.
func NewNumbers() func(context.Context, string) (ticket.Number, error) {
	var count atomic.Uint64
	return func(context.Context, string) (ticket.Number, error) { return ticket.NumberOf(count.Add(1)), nil }
}

// Config returns a configuration with the clock, [NewIDs], [NewNumbers] and the
// notifier n under each of the names. Without names it has the name "". If n is
// nil, there is no notifier. The desk logs nothing. You can change the result
// before you pass it on, for example to add a second [Recorder] under another
// name.
func Config(clock *Clock, n ticket.Notifier, names ...string) ticket.Config {
	cfg := ticket.Config{
		Now: clock.Now, NewID: NewIDs(), Numbers: ticket.Numbers{New: NewNumbers()},
		Logger: slog.New(slog.DiscardHandler),
	}
	if n != nil {
		if len(names) == 0 {
			names = []string{""}
		}
		cfg.Notifiers = map[string]ticket.Notifier{}
		for _, name := range names {
			cfg.Notifiers[name] = n
		}
	}
	return cfg
}

// Recorder is a [ticket.Notifier] that records the notifications it gets. It is
// safe for concurrent use.
type Recorder struct {
	mu   sync.Mutex
	sent []ticket.Notification
	fail func(ticket.Notification) error
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder { return &Recorder{} }

// FailWith makes the recorder call fail before it records a notification. If fail
// returns an error, Notify returns that error and records nothing. A nil fail
// removes an earlier one.
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

// Sent returns the recorded notifications in the order in which they came.
func (r *Recorder) Sent() []ticket.Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]ticket.Notification(nil), r.sent...)
}

// Reset removes the recorded notifications.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = nil
}

// RequireSent returns the last notification of this kind to this recipient. If
// there is none, it ends the test with tb.Fatalf. The recipient is the e-mail
// address, the ID or the phone number of a person, or "queue:NAME" for a queue
// ("queue:" for tickets without one). Config.Profile is applied before: if it
// gives a queue addresses, use the text of these addresses instead of
// "queue:NAME".
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

// RequireNotSent ends the test with tb.Fatalf if a notification of this kind was
// sent to this recipient. It takes recipients as [Recorder.RequireSent] does.
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
