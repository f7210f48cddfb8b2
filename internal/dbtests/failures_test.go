package dbtests_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

var (
	failAgent    = ticket.Agent("lin", 1)
	failCustomer = ticket.Requester(ticket.Person{ID: "c-1", Name: "Ada", Email: "ada@example.org"})
	failDraft    = ticket.Draft{Subject: "Printer prints blank pages", Message: "Since this morning."}
)

func failDesk(tb testing.TB, s ticket.Store) *ticket.Desk {
	tb.Helper()
	d, err := ticket.NewDesk(s, ticket.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	return d
}

// requireWhole verifies that every ticket is the fold of its events, and that its
// chain is intact. It returns the tickets.
func requireWhole(tb testing.TB, s ticket.Store) (list []ticket.Ticket) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	page, err := s.List(ctx, ticket.Query{Limit: ticket.MaxLimit})
	require.NoError(tb, err)
	require.Empty(tb, page.Next)
	for i := range page.Tickets {
		t := &page.Tickets[i]
		events, err := s.Events(ctx, t.Tenant, t.ID, 0, 0)
		require.NoError(tb, err)
		require.NoError(tb, ticket.Chain{}.Verify(events))
		var fold ticket.Ticket
		for _, e := range events {
			fold = ticket.Apply(fold, e)
		}
		require.True(tb, fold.Equal(*t), "%+v\nis not the fold of its events\n%+v", *t, fold)
	}
	return page.Tickets
}

// everyCall calls every method of a store.
func everyCall(ctx context.Context, s ticket.Store, c ticket.Commit) map[string]error {
	id := c.Changes[0].Ticket.ID
	errs := map[string]error{}
	errs["Commit"] = s.Commit(ctx, c)
	_, errs["Ticket"] = s.Ticket(ctx, "", id)
	_, errs["Lookup"] = s.Lookup(ctx, "", c.Changes[0].Ticket.Number)
	_, errs["Receipt"] = s.Receipt(ctx, "", "key")
	_, errs["Events"] = s.Events(ctx, "", id, 0, 0)
	_, errs["List"] = s.List(ctx, ticket.Query{})
	_, errs["Due"] = s.Due(ctx, time.Now(), 10)
	_, errs["Claim"] = s.Claim(ctx, ticket.ClaimRequest{Now: time.Now(), Lease: time.Minute, Limit: 10, Notifiers: []string{""}})
	errs["Settle"] = s.Settle(ctx, []ticket.Settlement{{ID: id, Attempts: 1, State: ticket.DeliverySent, At: time.Now()}})
	_, errs["Deliveries"] = s.Deliveries(ctx, ticket.DeliveryQuery{})
	_, errs["UpdateDeliveries"] = s.UpdateDeliveries(ctx, ticket.DeliveryUpdate{IDs: []ticket.ID{id}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: time.Now()})
	_, errs["DeliveryContexts"] = s.(ticket.DeliveryLoader).DeliveryContexts(ctx, []ticket.Delivery{{ID: id, Ticket: id, Seq: 1}}, time.Time{}, 0)
	_, errs["Counts"] = s.(ticket.Counter).Counts(ctx, "")
	return errs
}

// opening is the commit of a new ticket as a desk makes it, with a receipt and
// deliveries.
func opening(tb testing.TB, key string) ticket.Commit {
	tb.Helper()
	r := &recorder{}
	draft := failDraft
	draft.Key = key
	_, err := failDesk(tb, r).Open(tb.Context(), failCustomer, draft)
	require.NoError(tb, err)
	require.Len(tb, r.commits, 1)
	return r.commits[0]
}

// recorder is an empty store that keeps the commits it receives.
type recorder struct {
	ticket.Store
	commits []ticket.Commit
}

func (r *recorder) Receipt(context.Context, string, string) (ticket.Receipt, error) {
	return ticket.Receipt{}, ticket.ErrNotFound
}

func (r *recorder) Commit(_ context.Context, c ticket.Commit) error {
	copied := ticket.Commit{Deliveries: append([]ticket.Delivery(nil), c.Deliveries...), Receipt: c.Receipt}
	for _, ch := range c.Changes {
		ch.Ticket, ch.Events = ch.Ticket.Clone(), append([]ticket.Event(nil), ch.Events...)
		copied.Changes = append(copied.Changes, ch)
	}
	r.commits = append(r.commits, copied)
	return nil
}

func TestOpenRefusesNonsense(t *testing.T) {
	_, db := modernc.open(t)
	for name, try := range map[string]func() error{
		"no database":     func() error { _, err := sqlstore.New(nil, sqlstore.SQLite); return err },
		"no dialect":      func() error { _, err := sqlstore.New(db, 0); return err },
		"unknown dialect": func() error { _, err := sqlstore.Open(t.Context(), db, 99); return err },
		"empty prefix":    func() error { _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix("")); return err },
		"SQL as prefix": func() error {
			_, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix("x; DROP TABLE y"))
			return err
		},
		"capital prefix": func() error { _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix("Desk_")); return err },
		"digit first":    func() error { _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix("1x")); return err },
		"long prefix": func() error {
			_, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix(strings.Repeat("x", 32)))
			return err
		},
		"schema on SQLite": func() error { _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Schema("desk")); return err },
		"schema on MySQL":  func() error { _, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Schema("desk")); return err },
		"SQL as schema":    func() error { _, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Schema(`a"b`)); return err },
		"a bad option, then a good one": func() error {
			_, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Prefix("A"), sqlstore.Prefix("a"))
			return err
		},
		"no dialect for migrations": func() error { _, err := sqlstore.Migrations(0); return err },
		"bad prefix of migrations":  func() error { _, err := sqlstore.Migrations(sqlstore.SQLite, sqlstore.Prefix("A")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := try()
			require.ErrorIs(t, err, ticket.ErrInvalid)
			require.Greater(t, len(err.Error()), 20, "%v", err)
		})
	}
}

// Each of the six wrong pairs of driver and dialect is found.
func TestWrongDialect(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		for _, d := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres, sqlstore.MySQL} {
			if d == b.dialect {
				continue
			}
			t.Run("as "+d.String(), func(t *testing.T) {
				_, err := sqlstore.Open(t.Context(), db, d)
				require.ErrorIs(t, err, sqlstore.ErrDialect)
				require.ErrorContains(t, err, d.String())
				s, err := sqlstore.New(db, d)
				require.NoError(t, err)
				require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrDialect)
				require.Empty(t, b.tables(t, t.Context(), db), "nothing was made")
			})
		}
	})
}

func TestUnreachableDatabase(t *testing.T) {
	for _, c := range []struct {
		backend
		dsn string
	}{
		{modernc, "file:/nowhere/at/all.db"}, {mattn, "file:/nowhere/at/all.db"},
		{pgx, "host=/nowhere dbname=x"}, {pq, "host=/nowhere dbname=x sslmode=disable"}, {mariadb, "root@unix(/nowhere/at/all)/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sqlstore.Open(t.Context(), c.connect(t, c.dsn), c.dialect)
			require.Error(t, err)
			require.NotErrorIs(t, err, sqlstore.ErrDialect)
			require.NotErrorIs(t, err, sqlstore.ErrSchema)
		})
	}
}

// If a table or column is missing, Check and every call that needs it return
// ErrSchema.
func TestMissingParts(t *testing.T) {
	for _, c := range []struct {
		ddl   string
		calls []string
	}{
		{"DROP TABLE ticket_tickets", []string{"Commit", "Ticket", "Lookup", "Events", "List", "Due", "Counts", "DeliveryContexts"}},
		{"DROP TABLE ticket_events", []string{"Commit", "Events", "DeliveryContexts"}},
		{"DROP TABLE ticket_labels", []string{"Commit"}},
		{"DROP TABLE ticket_outbox", []string{"Commit", "Claim", "Settle", "Deliveries", "UpdateDeliveries", "DeliveryContexts"}},
		{"DROP TABLE ticket_receipts", []string{"Commit", "Receipt"}},
		{"ALTER TABLE ticket_tickets RENAME COLUMN reopened TO opened_again", []string{"Commit", "Ticket", "Lookup", "List", "DeliveryContexts"}},
		{"ALTER TABLE ticket_outbox RENAME COLUMN failures TO fails", []string{"Commit", "Claim", "Settle", "Deliveries", "UpdateDeliveries"}},
		{"ALTER TABLE ticket_outbox RENAME COLUMN settled TO ended", []string{"Claim", "Settle", "Deliveries", "UpdateDeliveries", "DeliveryContexts"}},
	} {
		t.Run(c.ddl, func(t *testing.T) {
			each(t, databases, func(t *testing.T, b backend) {
				db := b.connect(t, b.dsn(t))
				s, err := sqlstore.Open(t.Context(), db, b.dialect)
				require.NoError(t, err)
				_, err = db.ExecContext(t.Context(), c.ddl)
				require.NoError(t, err)
				for name, err := range map[string]error{"Check": s.Check(t.Context()), "Check of another store": func() error {
					again, err := sqlstore.New(db, b.dialect)
					require.NoError(t, err)
					return again.Check(t.Context())
				}()} {
					require.ErrorIs(t, err, sqlstore.ErrSchema, name)
					schema := &sqlstore.SchemaError{}
					require.ErrorAs(t, err, &schema)
					require.Equal(t, "tickets", schema.Part)
					require.ErrorContains(t, err, "incomplete")
				}
				errs := everyCall(t.Context(), s, opening(t, "key"))
				for _, call := range c.calls {
					require.ErrorIs(t, errs[call], sqlstore.ErrSchema, "%s", call)
				}
			})
		})
	}
}

// A schema of another version is reported.
func TestOtherVersions(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		exec := func(text string) {
			_, err := db.ExecContext(t.Context(), text)
			require.NoError(t, err)
		}

		exec("UPDATE ticket_schema SET version = 99")
		for name, try := range map[string]func() error{
			"Open":    func() error { _, err := sqlstore.Open(t.Context(), db, b.dialect); return err },
			"Check":   func() error { return s.Check(t.Context()) },
			"Migrate": func() error { return s.Migrate(t.Context()) },
		} {
			err := try()
			require.ErrorIs(t, err, sqlstore.ErrSchema, name)
			schema := &sqlstore.SchemaError{}
			require.ErrorAs(t, err, &schema, name)
			require.Equal(t, sqlstore.SchemaError{Part: "tickets", Have: 99, Want: schema.Want}, *schema, name)
			require.ErrorContains(t, err, "newer")
		}

		exec("UPDATE ticket_schema SET version = 0")
		require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrSchema)
		exec("DELETE FROM ticket_schema")
		err = s.Check(t.Context())
		require.ErrorIs(t, err, sqlstore.ErrSchema)
		require.ErrorContains(t, err, "does not exist")
		exec("DROP TABLE ticket_schema")
		require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrSchema)
	})
}

// A database without tables of the store is reported.
func TestNoSchema(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.New(db, b.dialect)
		require.NoError(t, err)
		err = s.Check(t.Context())
		require.ErrorIs(t, err, sqlstore.ErrSchema)
		require.ErrorContains(t, err, "does not exist")
		for call, err := range everyCall(t.Context(), s, opening(t, "key")) {
			require.ErrorIs(t, err, sqlstore.ErrSchema, call)
		}
	})
}

// On a read-only database, opening and reading succeed, and writing returns
// ErrReadOnly.
func TestReadOnly(t *testing.T) {
	for _, c := range []struct {
		backend
		name, how string
	}{
		{modernc, "modernc query_only", "&_pragma=query_only(1)"},
		{modernc, "modernc mode=ro", "&mode=ro"},
		{mattn, "mattn query_only", "&_query_only=1"},
		{mattn, "mattn mode=ro", "&mode=ro"},
		{pgx, "pgx", " default_transaction_read_only=on"},
		{pq, "pq", " default_transaction_read_only=on"},
		{mariadb, "mariadb", "?transaction_read_only=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := c.dsn(t)
			first, err := sqlstore.Open(t.Context(), c.connect(t, dsn), c.dialect)
			require.NoError(t, err)
			made := opening(t, "before")
			require.NoError(t, first.Commit(t.Context(), made))

			how := c.how
			if c.driver == "mysql" {
				how = "?tx_read_only=1" // the name that MariaDB has for it
			}
			db := c.connect(t, dsn+how)
			s, err := sqlstore.Open(t.Context(), db, c.dialect)
			require.NoError(t, err, "the schema is current")
			require.NoError(t, s.Check(t.Context()))
			errs := everyCall(t.Context(), s, made)
			for call, err := range errs {
				switch call {
				case "UpdateDeliveries":
					if c.name == pq.name { // it begins every transaction as READ WRITE
						require.NoError(t, err, call)
						continue
					}
					require.ErrorIs(t, err, sqlstore.ErrReadOnly, call)
				case "Commit", "Claim", "Settle":
					require.ErrorIs(t, err, sqlstore.ErrReadOnly, call)
				case "Receipt":
					require.ErrorIs(t, err, ticket.ErrNotFound)
				default:
					require.NoError(t, err, call)
				}
			}
			require.ErrorIs(t, s.Commit(t.Context(), opening(t, "")), sqlstore.ErrReadOnly)
			// Several commits run together.
			var all sync.WaitGroup
			for range 8 {
				commit := opening(t, "")
				all.Go(func() { assert.ErrorIs(t, s.Commit(t.Context(), commit), sqlstore.ErrReadOnly) })
			}
			all.Wait()
			require.Len(t, requireWhole(t, first), 1)
		})
	}
}

// A read-only database without tables cannot be migrated.
func TestReadOnlyAndEmpty(t *testing.T) {
	for _, c := range []struct {
		backend
		how string
	}{
		{modernc, "&_pragma=query_only(1)"}, {mattn, "&_query_only=1"},
		{pgx, " default_transaction_read_only=on"}, {pq, " default_transaction_read_only=on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := c.dsn(t)
			require.NoError(t, c.connect(t, dsn).PingContext(t.Context()))
			_, err := sqlstore.Open(t.Context(), c.connect(t, dsn+c.how), c.dialect)
			require.ErrorIs(t, err, sqlstore.ErrReadOnly)
		})
	}
}

// On a full disk nothing of a commit is written, commits that share a transaction
// all fail, and commits succeed again once there is space.
func TestFull(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		limit := "&_pragma=max_page_count(%d)"
		if b.name == mattn.name {
			limit = "" // by hand
		}
		first := b.connect(t, dsn)
		_, err := sqlstore.Open(t.Context(), first, b.dialect)
		require.NoError(t, err)
		var pages int
		require.NoError(t, first.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))

		if limit != "" {
			dsn += fmt.Sprintf(limit, pages+12)
		}
		db := b.connect(t, dsn)
		db.SetMaxOpenConns(2)
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		if limit == "" {
			db.SetMaxOpenConns(1)
			var set int
			require.NoError(t, db.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages+12)).Scan(&set))
		}

		big := func() ticket.Commit {
			r := &recorder{}
			draft := failDraft
			draft.Message = ticket.Message(strings.Repeat("Every second page is blank. ", 300))
			_, err := failDesk(t, r).Open(t.Context(), failCustomer, draft)
			require.NoError(t, err)
			return r.commits[0]
		}
		written := 0
		for err = nil; err == nil; {
			if err = s.Commit(t.Context(), big()); err == nil {
				written++
			}
			require.Less(t, written, 100)
		}
		require.ErrorIs(t, err, sqlstore.ErrFull)
		require.ErrorContains(t, err, "full")

		var all sync.WaitGroup
		for range 12 {
			commit := big()
			all.Go(func() { assert.ErrorIs(t, s.Commit(t.Context(), commit), sqlstore.ErrFull) })
		}
		all.Wait()
		require.Len(t, requireWhole(t, s), written)

		// There is space again.
		if limit == "" {
			var set int
			require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA max_page_count = 1000000").Scan(&set))
		} else {
			require.NoError(t, db.Close())
			db = b.connect(t, strings.Replace(dsn, fmt.Sprintf(limit, pages+12), "", 1))
			s, err = sqlstore.Open(t.Context(), db, b.dialect)
			require.NoError(t, err)
		}
		for range 12 {
			commit := big()
			all.Go(func() { assert.NoError(t, s.Commit(t.Context(), commit)) })
		}
		all.Wait()
		require.Len(t, requireWhole(t, s), written+12)
		var verdict string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
		require.Equal(t, "ok", verdict)
	})
}

// The connection breaks in the middle of a commit, so the outcome is unknown. With
// an idempotency key the action is stored exactly once.
func TestCutInCommit(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		for _, c := range []struct {
			name string
			cut  cutting
		}{{"it was not committed", ask}, {"it was committed", answer}} {
			t.Run(c.name, func(t *testing.T) {
				var s spy
				dsn := b.lend(t)
				store, err := sqlstore.Open(t.Context(), b.connectSpied(t, dsn, &s), b.dialect)
				require.NoError(t, err)
				d := failDesk(t, store)
				draft := failDraft
				// The first attempt prepares the statements.
				for try := range 4 {
					draft.Key = fmt.Sprintf("open-%d", try)
					tk, err := d.Open(t.Context(), failCustomer, draft)
					require.NoError(t, err)
					action := ticket.Action{Name: ticket.ActionNote, Note: "exactly once", Key: fmt.Sprintf("note-%d", try)}
					cuts := 0
					s.on(func(st spiedStep) {
						last := st.what == "commit" || st.what == "exec" && strings.HasPrefix(st.text, "WITH ticket AS")
						if last && !st.after && cuts == 0 {
							cuts++
							s.arm(c.cut)
						}
					})
					_, err = d.Do(t.Context(), failAgent, tk.ID, action)
					s.on(nil)
					require.Equal(t, 1, cuts)
					require.True(t, s.armed(uncut), "it was cut")
					first := err
					if err != nil {
						_, err = d.Do(t.Context(), failAgent, tk.ID, action)
					}
					if c.cut == answer {
						require.NoError(t, first, "the receipt shows that it was committed")
					}
					require.NoError(t, err)
				}
				tickets := requireWhole(t, store)
				require.Len(t, tickets, 4)
				for i := range tickets {
					events, err := store.Events(t.Context(), "", tickets[i].ID, 0, 0)
					require.NoError(t, err)
					require.Len(t, events, 2)
				}
				// Opening behaves the same: one ticket for the key.
				s.on(func(st spiedStep) {
					if st.what == "commit" || st.what == "exec" && strings.HasPrefix(st.text, "WITH ticket AS") {
						if !st.after {
							s.on(nil)
							s.arm(c.cut)
						}
					}
				})
				draft.Key = "the last"
				tk, err := d.Open(t.Context(), failCustomer, draft)
				if err != nil {
					tk, err = d.Open(t.Context(), failCustomer, draft)
				}
				require.NoError(t, err)
				require.Len(t, requireWhole(t, store), 5)
				again, err := d.Open(t.Context(), failCustomer, draft)
				require.NoError(t, err)
				require.Equal(t, tk.ID, again.ID)
			})
		}
	})
}

// The context is cancelled at every step of every call, before and after the
// driver's work. The call returns the context's error, or succeeds, and leaves
// nothing half done.
func TestCancelledAtEveryStep(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		d := failDesk(t, store)
		tk, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)
		other, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)

		n := 0
		key := func(what string) string { n++; return fmt.Sprintf("%s-%d", what, n) }
		for _, call := range []struct {
			name string
			do   func(ctx context.Context) error
		}{
			{"New", func(ctx context.Context) error { // every statement is prepared again
				fresh, err := sqlstore.Open(ctx, db, b.dialect)
				if err == nil {
					_, err = failDesk(t, fresh).Do(ctx, failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "fresh"})
				}
				return err
			}},
			{"Check", store.Check},
			{"Open", func(ctx context.Context) error {
				draft := failDraft
				draft.Key = key("open")
				_, err := d.Open(ctx, failCustomer, draft)
				return err
			}},
			{"Do", func(ctx context.Context) error {
				_, err := d.Do(ctx, failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "n"})
				return err
			}},
			{"Do with labels and a receipt", func(ctx context.Context) error {
				_, err := d.Do(ctx, failAgent, tk.ID, ticket.Action{Name: ticket.ActionEdit, Key: key("edit"), Edit: &ticket.Edits{AddTags: []string{key("tag")}}})
				return err
			}},
			{"Do on two tickets", func(ctx context.Context) error {
				now, err := d.Get(ctx, failAgent, tk.ID)
				if err != nil {
					return err
				}
				act := ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: other.ID}
				if _, linked := now.LinkTo(ticket.RelationRelatedTo, other.ID); linked {
					act.Name = ticket.ActionUnlink
				}
				_, err = d.Do(ctx, failAgent, tk.ID, act)
				return err
			}},
			{"List", func(ctx context.Context) error {
				_, err := store.List(ctx, ticket.Query{Queue: []string{"", "x"}, Phase: ticket.OpenPhases(), Order: ticket.OrderMostUrgent})
				return err
			}},
			{"Events", func(ctx context.Context) error { _, err := store.Events(ctx, "", tk.ID, 0, 0); return err }},
			{"Due", func(ctx context.Context) error { _, err := store.Due(ctx, time.Now(), 10); return err }},
			{"Counts", func(ctx context.Context) error { _, err := store.Counts(ctx, ""); return err }},
			{"Claim and Settle", func(ctx context.Context) error {
				list, err := store.Claim(ctx, ticket.ClaimRequest{Now: time.Now(), Lease: time.Minute, Limit: 2, Notifiers: []string{""}})
				if err != nil {
					return err
				}
				states := []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed}
				var outcomes []ticket.Settlement
				for i, del := range list {
					outcomes = append(outcomes, ticket.Settlement{ID: del.ID, Attempts: del.Attempts, State: states[(i+n)%len(states)], At: time.Now(), Due: time.Now()})
				}
				n++
				return store.Settle(ctx, outcomes)
			}},
			{"Deliveries", func(ctx context.Context) error {
				_, err := store.Deliveries(ctx, ticket.DeliveryQuery{Ticket: tk.ID})
				return err
			}},
			{"DeliveryContexts", func(ctx context.Context) error {
				_, err := store.DeliveryContexts(ctx, []ticket.Delivery{{Ticket: tk.ID, Seq: 1}, {Ticket: other.ID, Seq: 1}}, time.Time{}, 3)
				return err
			}},
			{"UpdateDeliveries", func(ctx context.Context) error {
				page, err := store.Deliveries(context.WithoutCancel(ctx), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryDead}})
				if err != nil {
					return err
				}
				r := ticket.DeliveryUpdate{From: []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryDead}, To: ticket.DeliveryPending, At: time.Now()}
				for _, del := range page.Deliveries {
					r.IDs = append(r.IDs, del.ID)
				}
				_, err = store.UpdateDeliveries(ctx, r)
				return err
			}},
			{"With a transaction", func(ctx context.Context) error {
				// Another goroutine rolls back a transaction whose context has
				// ended. Closing the connection waits for that. Otherwise the next
				// transaction may find the lock taken, and SQLite does not wait for
				// it in a transaction that has read.
				conn, err := db.Conn(context.WithoutCancel(ctx))
				if err != nil {
					return err
				}
				defer conn.Close() //nolint:errcheck // the driver may have closed it
				tx, err := conn.BeginTx(ctx, nil)
				if ctx.Err() != nil || err != nil {
					return cmp.Or(ctx.Err(), err) // the driver's own error does not count
				}
				defer tx.Rollback() //nolint:errcheck // it may have been committed
				if _, err := d.WithStore(store.WithTx(tx)).Do(ctx, failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "tx"}); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := tx.Commit(); err != nil && ctx.Err() == nil {
					return err
				}
				return ctx.Err()
			}},
		} {
			t.Run(call.name, func(t *testing.T) {
				for at := 0; ; at++ {
					ctx, cancel := context.WithCancel(t.Context())
					step, reached := 0, spiedStep{}
					var mu sync.Mutex
					s.on(func(st spiedStep) {
						if st.what == "rollback" {
							return
						}
						mu.Lock()
						defer mu.Unlock()
						if step == at {
							reached = st
							cancel()
						}
						step++
					})
					err := call.do(ctx)
					s.on(nil)
					cancel()
					mu.Lock()
					done := step <= at
					mu.Unlock()
					if err != nil {
						require.ErrorIs(t, err, context.Canceled, "cancelled at %+v", reached)
					}
					if done {
						require.NoError(t, err)
						break
					}
					require.Less(t, at, 200)
				}
				requireWhole(t, store)
			})
		}
		// The store still works, with as many connections as before.
		_, err = d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser."})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return db.Stats().InUse == 0 }, 10*time.Second, time.Millisecond, "connections were not returned")
	})
}

// The connection breaks after the commit was made, and there is no idempotency key.
// With lib/pq database/sql sends the statement again, which must not look like a
// conflict. The other drivers return an error.
func TestCutAnswerWithoutKeyIsNoConflict(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		var s spy
		store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.lend(t), &s), b.dialect)
		require.NoError(t, err)
		d := failDesk(t, store)
		cut := func(do func() error) {
			var cuts atomic.Int32
			s.on(func(st spiedStep) {
				last := st.what == "commit" || st.what == "exec" && strings.HasPrefix(st.text, "WITH ticket AS")
				if last && !st.after && cuts.Add(1) == 1 {
					s.arm(answer)
				}
			})
			err := do()
			s.on(nil)
			require.NotZero(t, cuts.Load())
			require.True(t, s.armed(uncut), "it was cut")
			if b.name == pq.name {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
		}
		for try := range 3 { // the first attempt prepares the statements
			tk, err := d.Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)
			cut(func() error { _, err := d.Do(t.Context(), failAgent, tk.ID, note("once")); return err })
			events, err := store.Events(t.Context(), "", tk.ID, 0, 0)
			require.NoError(t, err)
			require.Len(t, events, 2)
			cut(func() error { _, err := d.Open(t.Context(), failCustomer, failDraft); return err })
			require.Len(t, requireWhole(t, store), 2*(try+1))
		}
	})
}
