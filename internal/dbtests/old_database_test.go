package dbtests_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// An older version of the library made and filled the databases in testdata/old; see
// its README. They never change.

// An oldDatabase holds the facts about a database that are not stored in it.
type oldDatabase struct {
	Now     time.Time // the time of the last action
	Tickets []ticket.Ticket
	Sent    []string // deliveries that were sent
	Keys    []struct{ Tenant, Key, Ticket, Customer, Message string }
	Links   []struct{ Tenant, Token, Number string }
}

var oldTenants = []string{"", "acme", "Zu\u0308rich"}

func unzipped(t *testing.T, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", "old", name))
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return b
}

// old restores the old database of a backend.
func (b backend) old(t *testing.T) (dsn string, o oldDatabase) {
	t.Helper()
	name := map[sqlstore.Dialect]string{sqlstore.SQLite: "sqlite", sqlstore.Postgres: "postgres", sqlstore.MySQL: "mysql"}[b.dialect]
	require.NoError(t, json.Unmarshal(unzipped(t, name+".json.gz"), &o))
	dsn = b.dsn(t)
	if b.dialect == sqlstore.SQLite {
		file := filepath.Join(t.TempDir(), "old.db")
		require.NoError(t, os.WriteFile(file, unzipped(t, name+".db.gz"), 0o600))
		return sqliteDSN(b.driver, file), o
	}
	db := b.connect(t, dsn)
	run := func(statements []string) {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		for _, statement := range statements {
			_, err := tx.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		require.NoError(t, tx.Commit())
	}
	file := func(files fs.FS, err error, name string) {
		require.NoError(t, err)
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		run(statementsIn(string(text)))
	}
	tickets, err := sqlstore.Migrations(b.dialect)
	file(tickets, err, "0001_tickets.up.sql")
	file(tickets, err, "0002_outbox.up.sql")
	search, err := sqlstore.SearchMigrations(b.dialect)
	file(search, err, "0001_search.up.sql")
	run(strings.Split(strings.TrimSpace(string(unzipped(t, name+".sql.gz"))), "\n"))
	return dsn, o
}

// An oldDesk is a current desk on an old database, with its old keys.
type oldDesk struct {
	*ticket.Desk
	mu   sync.Mutex
	now  time.Time
	sent map[string]int // deliveries
}

func (o *oldDatabase) desk(t *testing.T, s ticket.Store) *oldDesk {
	t.Helper()
	d := &oldDesk{now: o.Now, sent: map[string]int{}}
	tell := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		if strings.HasPrefix(n.To.Person.Email, "fail") {
			return errors.New("try later")
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.sent[n.ID.String()]++
		return nil
	})
	clock := func() time.Time {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.now
	}
	var err error
	d.Desk, err = ticket.NewDesk(s, ticket.Config{
		Now: clock, ChainKey: []byte("an old chain key of the host"), Logger: slog.New(slog.DiscardHandler),
		Notifiers: map[string]ticket.Notifier{"mail": tell, "broker": tell}, EventNotifiers: []string{"broker"},
		StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 3, Secret: []byte("0123456789abcdef0123456789abcdef")}}},
	})
	require.NoError(t, err)
	return d
}

func (d *oldDesk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// requireWhole verifies every ticket, reads it in every way, and searches for it.
func (d *oldDesk) requireWhole(t *testing.T) (n int) {
	t.Helper()
	for _, tenant := range oldTenants {
		system := ticket.System("check").InTenant(tenant)
		for tk, err := range d.Tickets(t.Context(), system, ticket.Query{}) {
			require.NoError(t, err)
			n++
			require.NoError(t, d.Verify(t.Context(), system, tk.ID))
			for _, err := range d.History(t.Context(), system, tk.ID) {
				require.NoError(t, err)
			}
			for _, err := range d.Entries(t.Context(), system, tk.ID) {
				require.NoError(t, err)
			}
			customer := ticket.Requester(tk.Requester).InTenant(tenant)
			_, err := d.Track(t.Context(), customer, string(tk.Number))
			require.NoError(t, err)
			page, err := d.List(t.Context(), customer, ticket.Query{})
			require.NoError(t, err)
			require.NotEmpty(t, page.Tickets)
			hits, err := d.Search(t.Context(), system, ticket.SearchQuery{Text: tk.Subject})
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(hits, func(h ticket.Hit) bool {
				return h.Ticket.ID == tk.ID || h.Number == tk.Number // or it was merged into this one
			}), "%q", tk.Subject)
		}
	}
	return n
}

// Everything that an older version stored is there, and works.
func TestOldDatabase(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		dsn, o := b.old(t)
		db := b.connect(t, dsn)
		s, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		b.requireShapeOfToday(t, db)

		d := o.desk(t, s)
		require.Equal(t, len(o.Tickets), d.requireWhole(t))
		merged := 0
		for i := range o.Tickets {
			was := &o.Tickets[i]
			is, err := d.Lookup(t.Context(), ticket.System("check").InTenant(was.Tenant), string(was.Number))
			require.NoError(t, err)
			requireSameJSON(t, was, is)
			page, err := d.List(t.Context(), ticket.System("check").InTenant(was.Tenant), ticket.Query{Queue: []string{was.Queue}, Assignee: []string{was.Assignee}})
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(page.Tickets, func(tk ticket.Ticket) bool { return tk.ID == was.ID }), "%q %q", was.Queue, was.Assignee)
			if !was.MergedInto.IsZero() {
				merged++
			}
		}
		require.NotZero(t, merged)
		o.requireLinks(t, d)
		o.requireKeys(t, d)
		o.requireDeliveries(t, d)
		for i := range o.Tickets {
			was := &o.Tickets[i]
			if !was.MergedInto.IsZero() {
				is, err := d.Do(t.Context(), ticket.Agent("lin", 1, 2, 3).InTenant(was.Tenant), was.ID, ticket.Action{Name: ticket.ActionUnmerge})
				require.NoError(t, err)
				require.True(t, is.MergedInto.IsZero())
			}
		}
		d.wait(60 * 24 * time.Hour)
		fired, err := d.FireTimers(t.Context())
		require.NoError(t, err)
		require.NotZero(t, fired)
		fired, err = d.FireTimers(t.Context())
		require.NoError(t, err)
		require.Zero(t, fired)
		forgotten, err := d.PruneReceipts(t.Context())
		require.NoError(t, err)
		require.NotZero(t, forgotten)
		require.NoError(t, s.Maintain(t.Context()))
		require.Equal(t, len(o.Tickets), d.requireWhole(t))
	})
}

// requireShapeOfToday compares the tables with those of a new database.
func (b backend) requireShapeOfToday(t *testing.T, db *sql.DB) {
	t.Helper()
	fresh := b.connect(t, b.dsn(t))
	_, err := sqlstore.Open(t.Context(), fresh, b.dialect, b.search()...)
	require.NoError(t, err)
	require.Equal(t, b.shape(t, fresh), b.shape(t, db))
}

func requireSameJSON(t *testing.T, want, got any) {
	t.Helper()
	a, err := json.Marshal(want)
	require.NoError(t, err)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(a), string(b))
}

// requireLinks opens status links that an older version made.
func (o *oldDatabase) requireLinks(t *testing.T, d *oldDesk) {
	t.Helper()
	require.NotEmpty(t, o.Links)
	for _, l := range o.Links {
		_, err := d.Track(t.Context(), ticket.StatusLinkHolder(l.Token).InTenant(l.Tenant), l.Number)
		require.NoError(t, err)
	}
}

// requireKeys repeats old requests. Whatever the result, nothing happens twice.
func (o *oldDatabase) requireKeys(t *testing.T, d *oldDesk) {
	t.Helper()
	require.NotEmpty(t, o.Keys)
	for _, k := range o.Keys {
		i := slices.IndexFunc(o.Tickets, func(tk ticket.Ticket) bool { return tk.ID.String() == k.Ticket })
		require.GreaterOrEqual(t, i, 0)
		was := &o.Tickets[i]
		_, err := d.Do(t.Context(), ticket.Requester(was.Requester).InTenant(k.Tenant), was.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(k.Message), Key: k.Key})
		if err != nil {
			require.ErrorIs(t, err, ticket.ErrDuplicate)
		}
		is, err := d.Lookup(t.Context(), ticket.System("check").InTenant(was.Tenant), string(was.Number))
		require.NoError(t, err)
		require.Equal(t, was.Version, is.Version)
	}
}

// requireDeliveries sends the deliveries on their way, once, and no others.
func (o *oldDatabase) requireDeliveries(t *testing.T, d *oldDesk) {
	t.Helper()
	for range 40 {
		_, err := d.Deliver(t.Context())
		require.NoError(t, err)
		d.wait(time.Hour)
	}
	require.NotEmpty(t, d.sent)
	for id, n := range d.sent {
		require.Equal(t, 1, n, id)
		require.NotContains(t, o.Sent, id)
	}
	for _, tenant := range oldTenants {
		page, err := d.Deliveries(t.Context(), ticket.System("check").InTenant(tenant), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}})
		require.NoError(t, err)
		for _, row := range page.Deliveries { // these fail, and wait again
			require.True(t, strings.HasPrefix(row.To.Person.Email, "fail"), "%+v", row)
		}
	}
}

// The migration of an old database is cut off after each of its statements. The next
// run continues it. On SQLite nothing of the first run stays.
func TestMigrationOfAnOldDatabaseContinues(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		dsn, o := b.old(t)
		var s spy
		db := b.connectSpied(t, dsn, &s)
		before := b.shape(t, db)
		for at := 1; ; at++ {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			s.on(func(st spiedStep) {
				first, _, _ := strings.Cut(st.text, " ")
				if st.after && st.what == "exec" && slices.Contains([]string{"CREATE", "DROP", "INSERT", "ALTER", "UPDATE", "DELETE", "SET", "PREPARE", "EXECUTE", "DEALLOCATE"}, first) {
					if n++; n == at {
						cancel()
					}
				}
			})
			_, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
			s.on(nil)
			done := ctx.Err() == nil || err == nil // or it was cut off after its last statement
			cancel()
			if done {
				require.NoError(t, err)
				require.Greater(t, at, 5)
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			if b.dialect == sqlstore.SQLite {
				require.Equal(t, before, b.shape(t, db))
			}
		}
		b.requireShapeOfToday(t, db)
		store, err := sqlstore.New(db, b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, store.Check(t.Context()))
		require.NoError(t, store.Maintain(t.Context()))
		require.Equal(t, len(o.Tickets), o.desk(t, store).requireWhole(t))
	})
}

// Several processes migrate an old database at once.
func TestOldDatabaseIsMigratedByOneOfMany(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		dsn, o := b.old(t)
		stores, faults := make([]*sqlstore.Store, 4), make([]error, 4)
		var all sync.WaitGroup
		for i := range stores {
			db := b.connect(t, dsn)
			all.Go(func() { stores[i], faults[i] = sqlstore.Open(t.Context(), db, b.dialect, b.search()...) })
		}
		all.Wait()
		require.NoError(t, errors.Join(faults...))
		b.requireShapeOfToday(t, b.connect(t, dsn))
		require.Equal(t, len(o.Tickets), o.desk(t, stores[0]).requireWhole(t))
	})
}
