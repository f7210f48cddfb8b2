package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/cputime"
	"github.com/ticketkit/ticket/sqlstore"
)

// A contestant takes part in rounds.
type contestant struct {
	name  string
	reset func(ctx context.Context) error // makes all of its work due again
	// work does the work, and returns when the last of it was settled.
	work  func(ctx context.Context) (time.Time, error)
	check func(ctx context.Context) error // that all of it was done once
}

// figures are the result of a contestant in a round.
type figures struct {
	rate float64 // deliveries a second
	cpu  float64 // µs of CPU time for each delivery, of this process and of its servers
	own  float64 // of these, this process
}

// rounds lets the contestants do n deliveries in turns, and returns their figures by contestant
// and round.
func rounds(ctx context.Context, n, rounds int, list []contestant) ([][]figures, error) {
	all := make([][]figures, len(list))
	for round := -1; round < rounds; round++ { // the first one warms up
		for i := range list {
			at := (i + round + 1) % len(list)
			f, err := list[at].round(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list[at].name, err)
			}
			if round >= 0 {
				all[at] = append(all[at], f)
			}
		}
	}
	return all, nil
}

func (c *contestant) round(ctx context.Context, n int) (figures, error) {
	if err := c.reset(ctx); err != nil {
		return figures{}, err
	}
	runtime.GC() // so that no contestant collects another one's garbage
	var err error
	var end time.Time
	servers, own := cputime.Children(), cputime.Self()
	begin := time.Now()
	pprof.Do(ctx, pprof.Labels("work", c.name), func(ctx context.Context) { end, err = c.work(ctx) })
	if err != nil {
		return figures{}, err
	}
	own, servers = cputime.Self()-own, cputime.Children()-servers
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(n) }
	return figures{rate: float64(n) / end.Sub(begin).Seconds(), cpu: each(own + servers), own: each(own)}, c.check(ctx)
}

// of returns one of the figures of each round.
func of(list []figures, which func(figures) float64) []float64 {
	var values []float64
	for _, f := range list {
		values = append(values, which(f))
	}
	return values
}

// A field is an outbox with tickets whose confirmations wait.
type field struct {
	b     *backend
	db    *sql.DB
	store *sqlstore.Store
	n     int // deliveries
	spent parts
}

// newField opens a database with n waiting deliveries, and more settled ones.
func newField(ctx context.Context, b *backend, name string, n, settled int) (f *field, err error) {
	f = &field{b: b, n: n}
	if f.db, f.store, err = open(ctx, b, fmt.Sprintf("%s%d", name, settled)); err != nil {
		return nil, err
	}
	if err = prepare(ctx, f.db, f.store, n); err == nil {
		err = settle(ctx, b, f.db, n, settled)
	}
	if err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

// relay is [ticket.Desk.Run] with a notifier that does nothing.
func (f *field) relay(name string, r ticket.Relay) contestant {
	return contestant{name, f.reset, func(ctx context.Context) (time.Time, error) {
		nothing := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
		on := &timed{Store: f.store, last: int64(f.n), done: make(chan struct{})}
		// The IDs of the settled deliveries say that they are old, so pruning would read all of them.
		desk, err := ticket.NewDesk(on, ticket.Config{Notifiers: map[string]ticket.Notifier{via: nothing}, Relay: r, DeliveryAge: -1})
		if err != nil {
			return time.Time{}, err
		}
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(ctx) }()
		select {
		case <-on.done:
		case <-ctx.Done():
		}
		end := time.Now()
		err = errors.Join(desk.Shutdown(ctx), <-ended)
		f.spent.claim, f.spent.contexts, f.spent.settle = f.spent.claim+on.spent.claim, f.spent.contexts+on.spent.contexts, f.spent.settle+on.spent.settle
		return end, err
	}, f.check}
}

// bare is the bare statements.
func (f *field) bare(ctx context.Context) (contestant, error) {
	w, err := newWorker(ctx, f.db, f.b.bare) // its statements are closed with the database
	return contestant{"bare", f.reset, func(ctx context.Context) (time.Time, error) {
		err := w.all(ctx, f.n)
		return time.Now(), err
	}, f.check}, err
}

// waits selects the deliveries that take part.
const waits = " WHERE kind = 'received'"

func (f *field) reset(ctx context.Context) error {
	_, err := f.db.ExecContext(ctx, "UPDATE ticket_outbox SET state = 0, until = NULL, attempts = 0, failures = 0, settled = NULL"+waits)
	if err == nil && f.b.vacuum != "" {
		_, err = f.db.ExecContext(ctx, f.b.vacuum)
	}
	return err
}

func (f *field) check(ctx context.Context) error {
	var sent int
	err := f.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_outbox"+waits+" AND state = 4 AND settled IS NOT NULL AND attempts = 1").Scan(&sent)
	if err == nil && sent != f.n {
		err = fmt.Errorf("delivered %d of %d", sent, f.n)
	}
	return err
}

// prepare opens the tickets. Each has one delivery, to a recipient of its own.
func prepare(ctx context.Context, db *sql.DB, store *sqlstore.Store, n int) error {
	desk, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{via: nil}})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 8)
	for range cap(errs) {
		group.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if _, err := desk.Open(ctx, agent, draft(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "DELETE FROM ticket_outbox WHERE kind = 'queued'")
	return err
}

// settle adds settled deliveries to the n recipients, some for each of them, about other tickets
// and a month before.
func settle(ctx context.Context, b *backend, db *sql.DB, n, settled int) (err error) {
	if settled == 0 {
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	const month = 30 * 24 * time.Hour
	exec := func(text string) error {
		_, err := conn.ExecContext(ctx, text)
		return err
	}
	if b.dialect == sqlstore.SQLite { // a quarter of a gigabyte, and then the default again
		if err := exec("PRAGMA cache_size = -250000"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, exec("PRAGMA cache_size = -2000")) }()
	}
	err = errors.Join(exec("CREATE TABLE digits (d BIGINT)"), exec("INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"))
	const before, id = "o.created - %d - i * 1000000", "concat('00', substr(%s, 9), i + 100000)"
	at := fmt.Sprintf(before, month.Microseconds())
	for from := 0; err == nil && from < settled/n; from += 20 { // a statement has 20 deliveries of each recipient
		err = exec("INSERT INTO ticket_outbox (id, tenant, ticket, seq, kind, via, recipient, created, due, state, attempts, failures, last_error, settled, who)" +
			" SELECT " + fmt.Sprintf(id, "o.id") + ", o.tenant, " + fmt.Sprintf(id, "o.ticket") + ", 1, 'answered', o.via, o.recipient, " + at + ", " + at +
			", 4, 1, 0, '', " + at + ", o.who FROM ticket_outbox o CROSS JOIN (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS i FROM digits a, digits b, digits c, digits e) n" +
			waits + fmt.Sprintf(" AND i >= %d AND i < %d", from, min(from+20, settled/n)))
	}
	return err
}
