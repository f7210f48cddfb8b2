package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// Why a call fails. A web server answers 404, 503 with Retry-After, and 503.
var (
	errUnknown = errors.New("no such tenant")
	errAway    = errors.New("the tenant is not here, or is being moved; ask for its desk again in a moment")
	errDown    = errors.New("the database is down")
)

// tenantsTable says where each tenant is. A hash of the name would need no table, but then a
// tenant could not be moved, and one more database would move nearly all of them. The number is
// in the numbers of the tenant's tickets and never changes.
const tenantsTable = `CREATE TABLE IF NOT EXISTS app_tenants (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	name   TEXT NOT NULL UNIQUE,
	mailto TEXT NOT NULL UNIQUE, -- its address for mail
	shard  TEXT NOT NULL,
	target TEXT NOT NULL DEFAULT '', -- where it is being moved
	source TEXT NOT NULL DEFAULT ''  -- where it was moved from, until it is deleted there
) STRICT`

// A Router finds the desk of a tenant. It is safe for concurrent use, and any number of processes
// may have one, because it keeps nothing but what is in the table.
type Router struct {
	app    *sql.DB           // the application's own database, with the table of tenants
	shards map[string]*shard // by name; fixed
	moves  sync.Mutex        // one move at a time; several processes need a lock that they share
}

// For returns the desk of a tenant. Use it for one request: after a move it refuses to write for
// the tenant with errAway, and another desk has it.
func (r *Router) For(ctx context.Context, tenant string) (*ticket.Desk, error) {
	s, err := r.home(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return s.desk, nil
}

func (r *Router) home(ctx context.Context, tenant string) (*shard, error) {
	var name string
	err := r.app.QueryRowContext(ctx, "SELECT shard FROM app_tenants WHERE name = ?", tenant).Scan(&name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("tenant %q: %w", tenant, errUnknown)
	case err != nil:
		return nil, err
	}
	return r.shard(name)
}

func (r *Router) shard(name string) (*shard, error) {
	s := r.shards[name]
	if s == nil {
		return nil, fmt.Errorf("database %q is not configured", name)
	}
	if err := s.fault.Load(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errDown, *err)
	}
	return s, nil
}

// Probe asks every database whether it answers, each for at most a second. A server does so every
// few seconds, so that no request waits for a database that is down.
func (r *Router) Probe(ctx context.Context) {
	var all sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(r.shards)) {
		all.Go(func() { r.shards[name].probe(ctx, time.Second) })
	}
	all.Wait()
}
