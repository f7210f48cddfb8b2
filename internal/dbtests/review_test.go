package dbtests_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"path/filepath"
	"slices"
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

func note(text string) ticket.Action {
	return ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(text)}
}

// within fails the test where f takes longer.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		require.FailNow(t, "it hangs")
	}
}

// found returns the tickets that a search finds.
func found(t *testing.T, s *sqlstore.Store, text string) (ids []ticket.ID) {
	t.Helper()
	hits, err := s.Search(t.Context(), ticket.SearchQuery{Text: text, Notes: true})
	require.NoError(t, err)
	for _, h := range hits {
		ids = append(ids, h.Ticket.ID)
	}
	return ids
}

// The connection breaks after the commit was done, and there is no idempotency
// key. lib/pq has database/sql send the statement again, which must not be taken
// for a conflict with somebody else; the others say that it broke.
func TestCutWithoutKey(t *testing.T) {
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
		for try := range 3 { // the first one prepares the statements
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

// A driver panics in the middle of a commit: the panic reaches its caller, and
// neither those who wait with it nor those who come later hang.
func TestPanicInCommit(t *testing.T) {
	for name, is := range map[string]func(spiedStep) bool{
		"writing": func(st spiedStep) bool { return st.what == "exec" && strings.HasPrefix(st.text, "INSERT") },
		"commit":  func(st spiedStep) bool { return st.what == "commit" || st.text == "COMMIT" },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
				var s spy
				store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.dsn(t), &s), b.dialect)
				require.NoError(t, err)
				require.NoError(t, store.Commit(t.Context(), opening(t, ""))) // its statements are prepared
				commits := make([]ticket.Commit, 6)
				for i := range commits {
					commits[i] = opening(t, "")
				}
				reached, release := make(chan struct{}), make(chan struct{})
				var steps atomic.Int32
				s.on(func(st spiedStep) {
					if st.after || !is(st) {
						return
					}
					switch steps.Add(1) {
					case 1: // the first, while all others queue
						close(reached)
						<-release
						panic("the driver is broken")
					case 2: // and the one who leads the others
						panic("the driver is broken")
					}
				})
				var panics atomic.Int32
				within(t, 10*time.Second, func() {
					var all sync.WaitGroup
					for i := range commits {
						all.Go(func() {
							defer func() {
								if recover() != nil {
									panics.Add(1)
								}
							}()
							_ = store.Commit(t.Context(), commits[i])
						})
						if i == 0 {
							<-reached
						}
					}
					time.Sleep(50 * time.Millisecond)
					close(release)
					all.Wait()
				})
				require.EqualValues(t, 2, panics.Load())
				within(t, 10*time.Second, func() {
					assert.NoError(t, store.Commit(t.Context(), opening(t, ""))) //nolint:testifylint // require is not for other goroutines
					requireWhole(t, store)
				})
			})
		})
	}
}

// The same where the store's transaction is one of the pool's own: it gives its
// connection back.
func TestPanicInTransaction(t *testing.T) {
	each(t, []backend{pgx, mariadb}, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		db.SetMaxOpenConns(1)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		first := opening(t, "")
		require.NoError(t, store.Commit(t.Context(), first))
		second := opening(t, "") // of two tickets, so that it is no single statement
		second.Changes = append(second.Changes, next(first.Changes[0].Ticket))
		s.on(func(st spiedStep) {
			if st.what == "exec" && !st.after {
				panic("the driver is broken")
			}
		})
		within(t, 10*time.Second, func() {
			assert.Panics(t, func() { _ = store.Commit(t.Context(), second) })
			s.on(nil)
			assert.NoError(t, store.Commit(t.Context(), second))
		})
		require.Len(t, requireWhole(t, store), 2)
	})
}

// Settling on MariaDB touches the rows that it is about, and no others, which
// somebody may hold.
func TestSettleAlone(t *testing.T) {
	s, db := mariadb.open(t)
	for range 4 {
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	}
	claim := func(limit int) (done []ticket.Settlement) {
		list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Minute, Limit: limit, Notifiers: []string{""}})
		require.NoError(t, err)
		require.Len(t, list, limit)
		for _, d := range list {
			done = append(done, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, Outcome: ticket.OutcomeDone, At: time.Now()})
		}
		return done
	}
	one, several := claim(1), claim(3)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // it is only there to hold locks
	require.NoError(t, s.WithTx(tx).Commit(t.Context(), opening(t, "")))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, s.Settle(ctx, one))
	require.NoError(t, s.Settle(ctx, several))
}

// Relays and committers at once: no deadlock reaches them.
func TestRelaysTogether(t *testing.T) {
	s, _ := mariadb.open(t)
	for range 200 {
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range 3 {
		d := failDesk(t, s)
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := d.Open(t.Context(), failCustomer, failDraft) //nolint:contextcheck // the test's, as everywhere
				if !assert.NoError(t, err) {
					return
				}
			}
		})
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: 2 * time.Hour, Limit: 10, Notifiers: []string{""}}) //nolint:contextcheck // the test's, as everywhere
				if !assert.NoError(t, err) {
					return
				}
				var outcomes []ticket.Settlement
				for i, d := range list {
					o := ticket.Settlement{ID: d.ID, Attempts: d.Attempts, Outcome: ticket.OutcomeDone, At: time.Now()}
					if (n+i)%5 == 0 {
						o.Outcome, o.Due = ticket.OutcomeRetry, time.Now()
					}
					outcomes = append(outcomes, o)
				}
				if !assert.NoError(t, s.Settle(t.Context(), outcomes)) { //nolint:contextcheck // the test's, as everywhere
					return
				}
			}
		})
	}
	all.Wait()
}

// Several processes begin with a new file, and SQLite does not wait for a lock.
func TestOpenTogetherImpatient(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		for try := range 4 {
			dsn := "file:" + filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", try))
			if b.name == mattn.name {
				dsn += "?_busy_timeout=0"
			}
			var all sync.WaitGroup
			for range 6 {
				db := b.connect(t, dsn)
				all.Go(func() {
					_, err := sqlstore.Open(t.Context(), db, b.dialect)
					assert.NoError(t, err)
				})
			}
			all.Wait()
		}
	})
}

// Who waited for another process to migrate sees what that one did, whatever the
// isolation that the host has set.
func TestMigrateRepeatableRead(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		dsn := b.dsn(t) + " default_transaction_isolation='repeatable read'"
		var all sync.WaitGroup
		for range 5 {
			db := b.connect(t, dsn)
			var level string
			require.NoError(t, db.QueryRowContext(t.Context(), "SHOW transaction_isolation").Scan(&level))
			require.Equal(t, "repeatable read", level)
			all.Go(func() {
				_, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
				assert.NoError(t, err)
			})
		}
		all.Wait()
	})
}

// A process that indexes slowly does not write over a later state of the ticket.
func TestIndexKeepsLaterState(t *testing.T) {
	var s spy
	dsn := pgx.lend(t)
	slow, err := sqlstore.Open(t.Context(), pgx.connectSpied(t, dsn, &s), pgx.dialect, sqlstore.Search())
	require.NoError(t, err)
	db := pgx.connect(t, dsn)
	quick, err := sqlstore.Open(t.Context(), db, pgx.dialect, sqlstore.Search())
	require.NoError(t, err)
	d := failDesk(t, quick)
	tk, err := d.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)
	require.NoError(t, quick.Maintain(t.Context()))
	_, err = d.Do(t.Context(), failAgent, tk.ID, note("alpha"))
	require.NoError(t, err)

	begun, written := false, false
	s.on(func(st spiedStep) {
		switch {
		case st.after:
		case st.what == "begin" && !begun: // it has read the ticket
			// A third process, which had read an earlier state, takes the entry.
			begun = true
			_, err := db.ExecContext(t.Context(), "DELETE FROM ticket_unindexed")
			assert.NoError(t, err) //nolint:testifylint // require is not for other goroutines
		case st.what == "exec" && strings.HasPrefix(st.text, "UPDATE ticket_texts") && !written:
			written = true
			_, err := d.Do(t.Context(), failAgent, tk.ID, note("beta"))
			assert.NoError(t, err)
			assert.NoError(t, quick.Maintain(t.Context()))
		}
	})
	require.NoError(t, slow.Maintain(t.Context()))
	s.on(nil)
	require.True(t, begun && written)
	require.Equal(t, []ticket.ID{tk.ID}, found(t, quick, "alpha beta"))
}

// Where somebody else writes for long, a search gives what is indexed.
func TestSearchDoesNotWait(t *testing.T) {
	for name, dsn := range map[string]string{
		"impatient": "file:" + filepath.Join(t.TempDir(), "tickets.db"),
		"patient":   modernc.dsn(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), modernc.connect(t, dsn), modernc.dialect, sqlstore.Search())
			require.NoError(t, err)
			made := opening(t, "")
			require.NoError(t, s.Commit(t.Context(), made))
			require.NoError(t, s.Maintain(t.Context()))
			require.NoError(t, s.Commit(t.Context(), opening(t, ""))) // not indexed yet
			tx, err := modernc.connect(t, dsn+map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")]+"_txlock=immediate").BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // it is only there to hold the lock
			begin := time.Now()
			require.Equal(t, []ticket.ID{made.Changes[0].Ticket.ID}, found(t, s, "printer"))
			require.Less(t, time.Since(begin), 1500*time.Millisecond)
			require.NoError(t, tx.Rollback())
			require.Len(t, found(t, s, "printer"), 2)
		})
	}
}

// Of a message that is too long to be indexed as a whole, the beginning is.
func TestSearchLongMessage(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		draft := failDraft
		draft.Message = ticket.Message("Quetzalcoatl " + strings.Repeat("printed blank pages. ", 160_000/21))
		tk, err := failDesk(t, s).Open(t.Context(), failCustomer, draft)
		require.NoError(t, err)
		require.Equal(t, []ticket.ID{tk.ID}, found(t, s, "quetzalcoatl"))
	})
}

// Long words that differ at the end only, in a script that takes more room in the
// index than others do.
func TestSearchLongWords(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		for _, word := range []string{"достопримечательности", "достопримечательностью"} {
			draft := failDraft
			draft.Message = ticket.Message(word)
			tk, err := failDesk(t, s).Open(t.Context(), failCustomer, draft)
			require.NoError(t, err)
			require.Equal(t, []ticket.ID{tk.ID}, found(t, s, word))
		}
		require.Len(t, found(t, s, "достопримечательност*"), 2)
	})
}

// The rest of a history whose first event does not say where the one before it
// ended.
func TestImportGoesOnElsewhere(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		h := history(1, 2)
		h[1].From = ticket.State{Status: ticket.StatusOpen, Level: 2}
		h[1].To, h[1].Set.Assignee = h[1].From, nil
		h = sealed(h)
		_, err := s.Import(t.Context(), all([][]ticket.Event{h[:1]}))
		require.NoError(t, err)
		done, err := s.Import(t.Context(), all([][]ticket.Event{h}))
		require.NoError(t, err)
		require.Equal(t, sqlstore.Imported{Tickets: 1, Events: 1}, done)
		requireHistories(t, s, [][]ticket.Event{h})
		page, err := s.List(t.Context(), ticket.Query{Tenant: "acme", Level: []int{2}})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1)
	})
}

// No tag is taken for a longer one that the store keeps in a shorter form.
func TestForgedTag(t *testing.T) {
	s, _ := modernc.open(t)
	d := failDesk(t, s)
	long := strings.Repeat("x", 200)
	tk, err := d.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)
	_, err = d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{long}}})
	require.NoError(t, err)
	page, err := s.List(t.Context(), ticket.Query{Tags: []string{long}})
	require.NoError(t, err)
	require.Len(t, page.Tickets, 1)
	sum := sha256.Sum256([]byte("tag:" + long))
	for n := 100; n <= len(long); n++ {
		page, err := s.List(t.Context(), ticket.Query{Tags: []string{long[:n] + "~" + hex.EncodeToString(sum[:16])}})
		require.NoError(t, err)
		require.Empty(t, page.Tickets, "cut after %d", n)
	}
}

// Those who would share a transaction while another process holds the database
// wait no longer than their contexts.
func TestGroupInTime(t *testing.T) {
	for name, dsn := range map[string]string{
		"impatient": "file:" + filepath.Join(t.TempDir(), "tickets.db"),
		"patient":   modernc.dsn(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), modernc.connect(t, dsn), modernc.dialect)
			require.NoError(t, err)
			conn, err := modernc.connect(t, dsn).Conn(t.Context())
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			require.NoError(t, err)

			var all sync.WaitGroup
			commit := func(ctx context.Context, check func(error)) {
				c := opening(t, "") //nolint:contextcheck // the test's, as everywhere
				all.Go(func() { check(s.Commit(ctx, c)) })
				time.Sleep(10 * time.Millisecond)
			}
			first, cancel := context.WithCancel(t.Context())
			commit(first, func(err error) { assert.ErrorIs(t, err, context.Canceled) })
			commit(t.Context(), func(err error) { assert.NoError(t, err) }) // it leads the rest
			begin := time.Now()
			short, stop := context.WithTimeout(t.Context(), 600*time.Millisecond)
			defer stop()
			for range 4 {
				commit(short, func(err error) {
					assert.ErrorIs(t, err, context.DeadlineExceeded) //nolint:testifylint // require is not for other goroutines
					assert.Less(t, time.Since(begin), 1500*time.Millisecond)
				})
			}
			cancel()
			time.Sleep(2*time.Second - time.Since(begin))
			_, err = conn.ExecContext(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			all.Wait()
			require.Len(t, requireWhole(t, s), 1)
		})
	}
}

// Conditions that no ticket can meet.
func TestListBeyondBounds(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // it only reads
		bound := s.WithTx(tx)
		over, under := int64(math.MaxInt32)+1, int64(math.MinInt32)-1 // where an int has 32 bits they become other levels that no ticket has
		for _, levels := range [][]int{{int(over)}, {math.MaxInt}, {int(under), math.MinInt}} {
			page, err := bound.List(t.Context(), ticket.Query{Level: levels})
			require.NoError(t, err)
			require.Empty(t, page.Tickets)
		}
		page, err := bound.List(t.Context(), ticket.Query{Level: []int{math.MaxInt, 1}})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1, "the transaction goes on")

		many := slices.Repeat([]string{"x"}, 1000)
		_, err = bound.List(t.Context(), ticket.Query{Queue: many})
		require.NoError(t, err)
		for name, q := range map[string]ticket.Query{
			"queue": {Queue: append(many, "x")}, "assignee": {Assignee: append(many, "x")}, "tags": {Tags: append(many, "x")},
			"level": {Level: slices.Repeat([]int{1}, 1001)}, "status": {Status: slices.Repeat([]ticket.Status{ticket.StatusNew}, 1001)},
		} {
			_, err = bound.List(t.Context(), q)
			require.ErrorIs(t, err, ticket.ErrInvalid, name)
		}
		_, err = bound.List(t.Context(), ticket.Query{})
		require.NoError(t, err)
	})
}

// More tickets of one microsecond than the index has room for there, as from an
// import that had no better time.
func TestIndexOfOneInstant(t *testing.T) {
	s, _ := modernc.open(t, sqlstore.Search())
	list := make([][]ticket.Event, 3000)
	for i := range list {
		h := history(0, 1)
		id := h[0].Ticket
		binary.BigEndian.PutUint32(id[12:], uint32(i)<<16) // the index would put all of them in the same place
		h[0].Ticket = id
		list[i] = sealed(h)
	}
	_, err := s.Import(t.Context(), all(list))
	require.NoError(t, err)
	begin := time.Now()
	require.NoError(t, s.Maintain(t.Context()))
	require.Less(t, time.Since(begin), 15*time.Second)
	hits, err := s.Search(t.Context(), ticket.SearchQuery{Text: "case", Query: ticket.Query{Limit: 100}})
	require.NoError(t, err)
	require.Len(t, hits, 100)
	require.True(t, slices.IsSortedFunc(hits, func(a, b ticket.Hit) int { return b.Ticket.ID.Compare(a.Ticket.ID) }))
}

func TestLongNumber(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		for n, want := range map[int]error{32: nil, 33: ticket.ErrInvalid, 200: ticket.ErrInvalid} {
			c := opening(t, "")
			number := ticket.Number(strings.Repeat("7", n))
			c.Changes[0].Ticket.Number, c.Changes[0].Events[0].Set.Number = number, number
			require.ErrorIs(t, s.Commit(t.Context(), c), want)
		}
	})
}

// A schema whose name is a word of SQL's.
func TestReservedSchema(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		_, err := db.ExecContext(t.Context(), `CREATE SCHEMA "user"`)
		require.NoError(t, err)
		for range 2 { // the second one finds the tables
			s, err := sqlstore.Open(t.Context(), db, b.dialect, append(b.search(), sqlstore.Schema("user"))...)
			require.NoError(t, err)
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
			require.NotEmpty(t, found(t, s, "printer"))
		}
	})
}
