package dbtests_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// tenantTables are the tables with rows of a tenant, or with counts of them.
var tenantTables = []string{"tickets", "events", "labels", "outbox", "receipts", "mails", "texts", "words", "unindexed", "frequencies", "files", "chunks"}

// contents returns the rows of a table, sorted. It leaves out a table that is not there.
func contents(t *testing.T, db *sql.DB, table string) (list []string) {
	t.Helper()
	what := "*"
	if table == "words" { // SQLite's, which keeps no text
		what = "rowid"
	}
	rows, err := db.QueryContext(t.Context(), "SELECT "+what+" FROM ticket_"+table)
	if err != nil {
		require.Contains(t, []string{"texts", "words", "unindexed", "frequencies"}, table, "%s", err)
		return nil
	}
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(t, rows.Scan(to...))
		list = append(list, fmt.Sprint(values))
	}
	require.NoError(t, rows.Err())
	slices.Sort(list)
	return list
}

// settle fills a tenant: tickets that are open and solved, words, tags, files, keys, letters
// on their way, sent and failed, and mails.
func settle(t *testing.T, s *sqlstore.Store, tenant string, tickets int) {
	t.Helper()
	ctx := t.Context()
	desk, err := ticket.NewDesk(s, ticket.Config{
		Files: s.Files(nil), Logger: slog.New(slog.DiscardHandler),
		Relay: ticket.Relay{Backoff: time.Hour, MaxBackoff: time.Hour}, // what one tenant has does not change while another comes
		Notifiers: map[string]ticket.Notifier{"mail": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.To.Person.ID == "c-1" {
				return errors.New("later")
			}
			return nil
		})},
	})
	require.NoError(t, err)
	ada, lin := ticket.Requester(ticket.Person{ID: "c-1", Email: "ada@example.org"}).InTenant(tenant), ticket.Agent("lin", 1).InTenant(tenant)
	photo, err := desk.Attach(ctx, ada, "photo.png", "image/png", strings.NewReader(strings.Repeat(tenant, 100_000)))
	require.NoError(t, err)
	for i := range tickets {
		tk, err := desk.Open(ctx, lin, ticket.Draft{
			Requester: ada.Person,
			Subject:   "Broken teapot", Message: "The lid has a crack.", Fields: ticket.Fields{"order": int64(i)},
			Tags: []string{"pot", fmt.Sprint("order ", i)}, Key: fmt.Sprint("key ", i), Attachments: []ticket.Attachment{photo},
		})
		require.NoError(t, err)
		if i%10 == 0 {
			_, err = desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "A new lid is on its way.", Key: fmt.Sprint("solve ", i)})
			require.NoError(t, err)
		}
	}
	_, err = desk.Deliver(ctx)
	require.NoError(t, err)
	for i := range 3 {
		m := ticket.Mail{ID: ticket.NewID(time.Now()), Tenant: tenant, Mailbox: "support", Origin: fmt.Sprint(i), Raw: ticket.Digest{1}, Size: 1,
			State: ticket.MailPending, Arrived: time.Now().UTC(), Due: time.Now().UTC()}
		_, err = s.PutMail(ctx, m)
		require.NoError(t, err)
	}
	maintain(t, s)
}

func maintain(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	if err := s.Maintain(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err)
	}
}

// A patient context ends at the nth question whether it has.
type patient struct {
	context.Context

	left atomic.Int64
}

func (p *patient) Err() error {
	if p.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// After the tenant is gone the database has what it had before it came, in every table, and the
// tenant can come back.
func TestDeleteTenant(t *testing.T) {
	t.Parallel()
	const tickets = 230
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect, append(b.search(), sqlstore.Files())...)
		require.NoError(t, err)
		settle(t, s, "mill", 3)
		settle(t, s, "", 3) // the empty tenant is one of its own
		before := map[string][]string{}
		for _, table := range tenantTables {
			before[table] = contents(t, db, table)
		}
		unchanged := func(t *testing.T) {
			t.Helper()
			for _, table := range tenantTables {
				require.Equal(t, before[table], contents(t, db, table), table)
			}
		}
		n, err := s.DeleteTenant(t.Context(), "acme")
		require.NoError(t, err, "there is none")
		require.Zero(t, n)
		unchanged(t)

		settle(t, s, "acme", tickets)
		kept := s.Export(t.Context(), ticket.ID{})
		list := [][]ticket.Event{}
		for h, err := range kept {
			require.NoError(t, err)
			if h[0].Set.Tenant == "acme" {
				list = append(list, h)
			}
		}
		require.Len(t, list, tickets)

		// An interruption leaves a part, and the next call goes on.
		calls := 0
		for {
			calls++
			ctx := &patient{Context: t.Context()}
			ctx.left.Store(int64(10 * calls))
			some, err := s.DeleteTenant(ctx, "acme")
			n += some
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, calls, 100)
		}
		require.LessOrEqual(t, n, tickets, "a call that was interrupted at a commit does not know whether it counts")
		require.Greater(t, calls, 3)
		maintain(t, s)
		unchanged(t)

		// A tenant that comes back is complete. In one call, it goes again.
		done, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		require.Equal(t, tickets, done.Tickets)
		if len(b.search()) > 0 {
			maintain(t, s)
			hits, err := s.Search(t.Context(), ticket.SearchQuery{Query: ticket.Query{Tenant: "acme", Limit: 1000}, Text: "teapot"})
			require.NoError(t, err)
			require.Len(t, hits, tickets)
		}
		n, err = s.DeleteTenant(t.Context(), "acme")
		require.NoError(t, err)
		require.Equal(t, tickets, n)
		maintain(t, s)
		unchanged(t)
		require.NoError(t, s.Check(t.Context()))
	})
}

// The words and files of a tenant are removed by a store that was made without the options that
// keep them, and in a transaction of the application.
func TestDeleteTenantInATransaction(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(ctx, db, b.dialect, append(b.search(), sqlstore.Files())...)
		require.NoError(t, err)
		settle(t, s, "acme", 5)
		file := func() error {
			files, err := s.Files(nil).List(ctx, ticket.File{}, 1)
			require.NoError(t, err)
			if len(files) == 0 {
				return ticket.ErrNotFound
			}
			r, err := s.Files(nil).Open(ctx, "acme", files[0].SHA256)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, r)
			return errors.Join(err, r.Close())
		}
		require.NoError(t, file())

		undone := errors.New("undone")
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		remove := func(result error) error {
			return s.Transact(ctx, desk, func(tx *sql.Tx, _ *ticket.Desk) error {
				n, err := s.WithTx(tx).DeleteTenant(ctx, "acme")
				require.NoError(t, err)
				require.Equal(t, 5, n)
				return result
			})
		}
		require.ErrorIs(t, remove(undone), undone)
		require.Empty(t, found(t, s, "teapot"), "of the empty tenant")
		hits, err := s.Search(ctx, ticket.SearchQuery{Query: ticket.Query{Tenant: "acme"}, Text: "teapot"})
		require.NoError(t, err)
		require.Len(t, hits, 5)
		require.NoError(t, file())

		require.NoError(t, remove(nil))
		require.ErrorIs(t, file(), ticket.ErrNotFound)
		for _, table := range tenantTables {
			require.Empty(t, contents(t, db, table), table)
		}

		settle(t, s, "acme", 1)
		plain, err := sqlstore.New(db, b.dialect)
		require.NoError(t, err)
		_, err = plain.DeleteTenant(ctx, "acme")
		require.NoError(t, err)
		require.Empty(t, contents(t, db, "texts"))
		require.NotEmpty(t, contents(t, db, "files"), "they belong to a store with Files")
	})
}

// A process that indexes tickets while their tenant is deleted does not bring their words back.
func TestDeleteTenantDuringIndexing(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		dsn := b.dsn(t)
		db := b.connect(t, dsn)
		s, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
		require.NoError(t, err)
		var spied spy
		other, err := sqlstore.Open(ctx, b.connectSpied(t, dsn, &spied), b.dialect, b.search()...)
		require.NoError(t, err)
		list := histories(20) // of two tenants
		_, err = s.Import(ctx, all(list))
		require.NoError(t, err)
		spied.on(func(st spiedStep) {
			if st.after && strings.HasPrefix(st.text, "SELECT ticket, seq, doc FROM") {
				spied.on(nil)
				n, err := s.DeleteTenant(ctx, "acme")
				require.NoError(t, err)
				require.Equal(t, 10, n)
			}
		})
		require.NoError(t, other.Maintain(ctx))
		require.Len(t, contents(t, db, "tickets"), 10)
		require.Len(t, contents(t, db, "texts"), 10, "of the other tenant")
		require.Empty(t, contents(t, db, "unindexed"))
	})
}

// Two processes delete a tenant, while others write and index another one.
func TestDeleteTenantBesideOthers(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		open := func() *sqlstore.Store {
			s, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect, append(b.search(), sqlstore.Files())...)
			require.NoError(t, err)
			return s
		}
		s := open()
		settle(t, s, "acme", 230)
		before := len(contents(t, b.connect(t, dsn), "frequencies"))
		require.NotZero(t, before)
		ended := make(chan struct{})
		faults := make(chan error, 4)
		removed := atomic.Int64{}
		for range 2 {
			one := open()
			go func() {
				n, err := one.DeleteTenant(t.Context(), "acme")
				removed.Add(int64(n))
				faults <- err
			}()
		}
		other := open()
		go func() {
			for {
				if err := other.Maintain(t.Context()); err != nil && !errors.Is(err, sqlstore.ErrBusy) {
					faults <- err
					return
				}
				select {
				case <-ended:
					faults <- nil
					return
				default:
				}
			}
		}()
		settle(t, s, "acm%", 40)
		close(ended)
		for range 3 {
			require.NoError(t, <-faults)
		}
		require.EqualValues(t, 230, removed.Load())
		maintain(t, s)
		db := b.connect(t, dsn)
		for table, n := range map[string]int{"tickets": 40, "texts": 40, "unindexed": 0, "receipts": 44, "files": 1, "mails": 3} {
			require.Len(t, contents(t, db, table), n, table)
		}
		_, err := s.DeleteTenant(t.Context(), "acm%")
		require.NoError(t, err)
		for _, table := range tenantTables {
			require.Empty(t, contents(t, db, table), table)
		}
	})
}
