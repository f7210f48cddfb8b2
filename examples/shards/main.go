// Shards is one desk over many databases: four tenants in three SQLite files, with a desk for each
// file and a router that finds the desk of a tenant. It answers, sends and takes mail, lists,
// searches and reports over all of them, moves a tenant to another database while somebody writes,
// and goes on when a database is down.
//
//	go run ./examples/shards
//
// File router.go has the router, shard.go a database and the fence around it, move.go the move, and
// across.go what is asked of all tenants. docs/sharding.md says what follows from many databases.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
)

func main() {
	dir, err := os.MkdirTemp("", "shards")
	if err == nil {
		err = run(context.Background(), dir, ticket.Config{}, os.Stdout)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shards:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, cfg ticket.Config, stdout io.Writer) (err error) {
	letters := &postman{sent: make(chan ticket.Notification, 1000)}
	// Short times for a short story: your application keeps the defaults.
	cfg.Relay = ticket.Relay{Backoff: 10 * time.Millisecond, Poll: 50 * time.Millisecond}
	cfg.Notifiers = map[string]ticket.Notifier{"letters": letters}
	cfg.Logger = slog.New(slog.DiscardHandler) // a database goes down here on purpose
	r, err := newRouter(ctx, dir, []string{"north", "south", "west"}, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()

	// The relays, timers and upkeep of all desks in one process. They share the notifier.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, s := range r.shards {
		running.Go(func() { _ = s.desk.Run(ctx) }) // its error is that of ctx
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }
	return (&story{Router: r, letters: letters, say: say}).tell(ctx)
}

// newRouter opens the databases in a folder. What all desks must have in common is here.
func newRouter(ctx context.Context, dir string, names []string, cfg ticket.Config) (*Router, error) {
	app, err := sql.Open("sqlite", "file:"+url.PathEscape(filepath.Join(dir, "app.db"))+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	r := &Router{app: app, shards: map[string]*shard{}}
	if _, err := app.ExecContext(ctx, tenantsTable); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	secret := make([]byte, 32) // your application keeps its secrets, and not in these databases
	_, _ = rand.Read(secret)   // never fails, by its documentation
	cfg.Numbers = r.numbers()
	// The same keys everywhere: links, digests and idempotency keys of a tenant are still valid
	// after a move.
	cfg.ChainKey, cfg.ReceiptKey = secret, secret
	cfg.StatusLinks = ticket.StatusLinks{
		Keys: []ticket.StatusLinkKey{{ID: 1, Secret: secret}},
		// A token does not say whose it is, so the address does.
		URL: func(tenant, token string) string { return "https://" + tenant + ".example.org/t/" + token },
	}
	for _, name := range names {
		// The name of a file is chosen by whoever runs the program. A tenant's name is never a path.
		if r.shards[name], err = openShard(ctx, name, filepath.Join(dir, name+".db"), cfg); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// Close closes the databases.
func (r *Router) Close() error {
	err := r.app.Close()
	for _, s := range r.shards {
		if s != nil {
			err = errors.Join(err, s.db.Close())
		}
	}
	return err
}

// A postman is the notifier of all desks. It keeps letters to customers.
type postman struct {
	sent   chan ticket.Notification
	strike func(ticket.Notification) bool // refuses a letter; nil: none
	mu     sync.Mutex
}

// Notify implements ticket.Notifier.
func (p *postman) Notify(_ context.Context, n ticket.Notification) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.strike != nil && p.strike(n) {
		return errors.New("the post is on strike")
	}
	if n.To.Person.Email != "" {
		p.sent <- n
	}
	return nil
}

func (p *postman) on(strike func(ticket.Notification) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strike = strike
}

// wait returns the next n letters, as the number of each kind by tenant.
func (p *postman) wait(ctx context.Context, n int) (map[string]map[ticket.Kind]int, error) {
	by := map[string]map[ticket.Kind]int{}
	for range n {
		select {
		case l := <-p.sent:
			if by[l.Tenant] == nil {
				by[l.Tenant] = map[ticket.Kind]int{}
			}
			by[l.Tenant][l.Kind]++
		case <-ctx.Done():
			return by, ctx.Err()
		}
	}
	return by, nil
}
