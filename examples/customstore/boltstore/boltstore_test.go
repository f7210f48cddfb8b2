package boltstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/customstore/boltstore"
	"github.com/ticketkit/ticket/storetest"
	"github.com/ticketkit/ticket/tickettest"
)

// file is a store and its database.
type file struct {
	*boltstore.Store
	db *bolt.DB
}

// open opens a file without a sync at every commit. The tests do not test the disk.
func open(t *testing.T, path string) ticket.Store {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, Timeout: time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) }) // closing twice is allowed
	store, err := boltstore.New(db)
	require.NoError(t, err)
	return &file{store, db}
}

func reopen(t *testing.T, s ticket.Store) ticket.Store {
	t.Helper()
	db := s.(*file).db
	path := db.Path()
	require.NoError(t, db.Close())
	return open(t, path)
}

func newFile(t *testing.T) ticket.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "tickets.db"))
}

func TestStore(t *testing.T) {
	storetest.Run(t, newFile, storetest.Reopen(reopen))
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) ticket.Store {
		b.Helper()
		db, err := bolt.Open(filepath.Join(b.TempDir(), "tickets.db"), 0o600, &bolt.Options{NoSync: true})
		require.NoError(b, err)
		b.Cleanup(func() { assert.NoError(b, db.Close()) })
		store, err := boltstore.New(db)
		require.NoError(b, err)
		return store
	})
}

// A new desk continues with the data of an earlier one: tickets, history, idempotency
// keys, outbox and timers.
func TestDeskGoesOn(t *testing.T) {
	store := newFile(t)
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	cfg := tickettest.Config(clock, sent)
	desk, err := ticket.NewDesk(store, cfg)
	require.NoError(t, err)

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"}).InTenant("north")
	lin := ticket.Agent("lin", 1).InTenant("north")
	draft := ticket.Draft{Subject: "Printer prints blank pages", Key: "once", Fields: ticket.Fields{"floor": 2, "load": 3.0, "since": clock.Now()}}
	opened, err := desk.Open(t.Context(), ada, draft)
	require.NoError(t, err)
	resolved, err := desk.Do(t.Context(), lin, opened.ID, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."})
	require.NoError(t, err)

	closed := store
	store = reopen(t, store)
	_, err = closed.Ticket(t.Context(), "north", opened.ID)
	require.ErrorIs(t, err, bolterrors.ErrDatabaseNotOpen)
	desk, err = ticket.NewDesk(store, cfg)
	require.NoError(t, err)
	found, err := desk.Find(t.Context(), lin, string(opened.Number))
	require.NoError(t, err)
	assert.Equal(t, resolved, found)
	require.NoError(t, desk.Verify(t.Context(), lin, opened.ID))

	again, err := desk.Open(t.Context(), ada, draft)
	require.NoError(t, err)
	assert.Equal(t, opened.ID, again.ID, "a repeat")

	_, err = desk.Find(t.Context(), lin.InTenant("south"), string(opened.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound)

	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	sent.RequireSent(t, ticket.KindSolved, "ada@example.org")

	clock.Advance(7 * 24 * time.Hour)
	fired, err := desk.FireTimers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, fired)
	found, err = desk.Get(t.Context(), lin, opened.ID)
	require.NoError(t, err)
	assert.Equal(t, ticket.StatusClosed, found.Status)
	due, err := store.Due(t.Context(), clock.Now(), 1)
	require.NoError(t, err)
	assert.Empty(t, due)
}

// A commit that fails half-way leaves no data, not even in the indexes that it wrote
// before.
func TestAFailedCommitLeavesNothing(t *testing.T) {
	store := newFile(t)
	now := tickettest.Start
	id, id2, delivery := ticket.NewID(now), ticket.NewID(now), ticket.NewID(now)
	commit := func(expect int64, id ticket.ID, number uint64, delivery ticket.ID, key string) error {
		e := ticket.Event{Ticket: id, Seq: expect + 1, Set: ticket.Patch{Number: ticket.NumberOf(number), Timer: &ticket.Timer{At: now, Action: ticket.ActionClose}}}
		return store.Commit(t.Context(), ticket.Commit{
			Changes:    []ticket.Change{{Expect: expect, Ticket: ticket.Apply(ticket.Ticket{ID: id}, e), Events: []ticket.Event{e}}},
			Deliveries: []ticket.Delivery{{ID: delivery, Ticket: id, State: ticket.DeliveryPending, Due: now}},
			Receipt:    &ticket.Receipt{Key: key, Ticket: id},
		})
	}
	require.NoError(t, commit(0, id, 1, delivery, "a"))
	var dup *ticket.DuplicateError
	for want, err := range map[string]error{
		"key":      commit(0, id, 1, delivery, "a"),
		"id":       commit(0, id, 1, delivery, "b"),
		"number":   commit(0, id2, 1, delivery, "b"),
		"delivery": commit(7, id, 1, delivery, "b"), // before the conflict
	} {
		require.ErrorAs(t, err, &dup)
		assert.Equal(t, want, dup.What)
	}
	require.ErrorIs(t, commit(7, id, 1, ticket.NewID(now), "b"), ticket.ErrConflict)
	require.ErrorIs(t, commit(1, id2, 2, ticket.NewID(now), "b"), ticket.ErrConflict)

	_, err := store.Receipt(t.Context(), "", "b")
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = store.Ticket(t.Context(), "", id2)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = store.Lookup(t.Context(), "", ticket.NumberOf(2))
	require.ErrorIs(t, err, ticket.ErrNotFound)
	page, err := store.List(t.Context(), ticket.Query{})
	require.NoError(t, err)
	assert.Len(t, page.Tickets, 1)
	due, err := store.Due(t.Context(), now, 10)
	require.NoError(t, err)
	assert.Len(t, due, 1)
	claim := ticket.ClaimRequest{Now: now, Lease: time.Minute, Limit: 10, Notifiers: []string{""}}
	claimed, err := store.Claim(t.Context(), claim)
	require.NoError(t, err)
	assert.Len(t, claimed, 1)
	claimed, err = store.Claim(t.Context(), claim)
	require.NoError(t, err)
	assert.Empty(t, claimed, "leased")
}

// Many callers do random things at the same time, and all data is complete at the end.
func TestSoak(t *testing.T) {
	store := newFile(t)
	storetest.Soak(t, func(*testing.T) ticket.Store { return store }, storetest.Load{Actions: 300})
}
