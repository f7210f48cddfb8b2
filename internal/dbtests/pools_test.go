package dbtests_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Stores of one process share memory for arguments, JSON and texts. With different prefixes and
// options, many callers, and contexts that end in the middle, each ticket keeps what its caller
// wrote, and what a caller has read does not change.
func TestStoresOfOneProcessDoNotMixTheirContents(t *testing.T) {
	each(t, []backend{modernc, mattn, pgx, pq}, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		var stores []*sqlstore.Store
		for i, opts := range [][]sqlstore.Option{nil, b.search(), {sqlstore.Unprepared()}} {
			s, err := sqlstore.Open(t.Context(), db, b.dialect, append(opts, sqlstore.Prefix(fmt.Sprintf("p%d_", i)))...)
			require.NoError(t, err)
			stores = append(stores, s)
		}
		type kept struct{ value, text any }
		good := func(err error) bool { return assert.NoError(t, err) }
		var all sync.WaitGroup
		for g := range 12 {
			s := stores[g%len(stores)]
			desk := failDesk(t, s)
			all.Go(func() {
				agent := ticket.Agent(fmt.Sprintf("lin-%d", g), 1)
				var list []kept
				keep := func(v any) {
					text, err := json.Marshal(v)
					good(err)
					list = append(list, kept{v, string(text)})
				}
				for i := range 12 {
					who := fmt.Sprintf("c-%d-%d", g, i)
					draft := failDraft
					draft.Subject, draft.Tags, draft.Fields = who, []string{who}, ticket.Fields{who: int64(i + 1), "text": who, "odd": "ä\"\\" + who}
					draft.Message = ticket.Message(who + strings.Repeat(" blank", (i%4)*900))
					if i%3 == 0 {
						draft.Key = who
					}
					ctx, cancel := context.WithCancel(t.Context())
					if i%4 == 3 {
						time.AfterFunc(time.Duration(g*50)*time.Microsecond, cancel)
					}
					draft.Requester = ticket.Person{ID: who, Email: who + "@example.org"}
					tk, err := desk.Open(ctx, agent, draft)
					cancel()
					if errors.Is(err, context.Canceled) {
						continue
					}
					if !good(err) {
						return
					}
					keep(tk)
					done, err := desk.Do(t.Context(), agent, tk.ID, ticket.Action{Name: ticket.ActionAsk, Message: ticket.Message("for " + who)})
					if !good(err) {
						return
					}
					keep(done)
					read, err := s.Ticket(t.Context(), "", tk.ID)
					good(err)
					keep(read)
					assert.Equal(t, done.Digest, read.Digest)
					events, err := s.Events(t.Context(), "", tk.ID, 0, 0)
					good(err)
					keep(events)
					assert.Equal(t, draft.Message, events[0].Message)
					assert.Equal(t, draft.Fields, events[0].Fields)
					assert.Equal(t, who+"@example.org", events[0].Requester.Email)
					assert.Equal(t, ticket.Message("for "+who), events[1].Message)
					assert.Equal(t, []string{who}, read.Tags)
					claimed, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Hour, Limit: 3, Notifiers: []string{""}})
					if good(err) && len(claimed) > 0 {
						keep(claimed)
						found, err := s.DeliveryContexts(t.Context(), claimed, time.Now(), 3)
						good(err)
						keep(found)
						var outcomes []ticket.Settlement
						for i, d := range claimed {
							assert.True(t, found[i].Found)
							assert.Equal(t, d.Ticket, found[i].Ticket.ID)
							assert.Equal(t, d.Seq, found[i].Event.Seq)
							outcomes = append(outcomes, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryDead, Error: "of " + d.ID.String(), At: time.Now()})
						}
						good(s.Settle(t.Context(), outcomes))
					}
				}
				for _, k := range list {
					text, err := json.Marshal(k.value)
					good(err)
					assert.Equal(t, k.text, string(text))
				}
			})
		}
		all.Wait()
		for _, s := range stores {
			require.NotEmpty(t, requireWhole(t, s))
			page, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}, Limit: ticket.MaxLimit})
			require.NoError(t, err)
			require.NotEmpty(t, page.Deliveries)
			for _, d := range page.Deliveries {
				require.Equal(t, "of "+d.ID.String(), d.LastError)
			}
		}
	})
}

// Texts that mean something in an array of PostgreSQL are stored as they are.
func TestTextsOfArrays(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		texts := []string{"", "NULL", "null", `"`, `\`, `\\"`, "{}", "{a,b}", ",", " ", "a b ", "'", "''", "$1 ?", "ä€😀", "\n\t\r", "\x01\x7f", `\N`, "{by outbox_id}", strings.Repeat(`\"`, 5000)}
		var done []ticket.Settlement
		for range texts {
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		}
		list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Hour, Limit: 100, Notifiers: []string{""}})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(list), len(texts))
		list = list[:len(texts)]
		for i, d := range list {
			o := ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryDead, Error: texts[i], At: time.Now()}
			if i%2 == 0 {
				o.State, o.Due, o.Failures = ticket.DeliveryPending, time.Now().Add(time.Hour), 1
			}
			done = append(done, o)
		}
		require.NoError(t, s.Settle(t.Context(), done))
		page, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{Limit: ticket.MaxLimit})
		require.NoError(t, err)
		got := map[ticket.ID]ticket.Delivery{}
		for _, d := range page.Deliveries {
			got[d.ID] = d
		}
		for i, o := range done {
			require.Equal(t, texts[i], got[o.ID].LastError)
			require.Equal(t, o.State, got[o.ID].State)
		}

		rows := make([]ticket.Delivery, 0, 2100)
		for i := range cap(rows) {
			d := list[i%len(list)]
			if i >= len(list) && i%3 == 0 {
				d.Notifier, d.Tenant = texts[i%(len(texts)-1)], texts[i%7]
			}
			rows = append(rows, d)
		}
		found, err := s.DeliveryContexts(t.Context(), rows, time.Now(), 3)
		require.NoError(t, err)
		for i := range rows {
			require.Equal(t, rows[i].Tenant == "", found[i].Found, "%q", rows[i].Tenant)
		}
	})
}

// If an index or trigger of the application refuses one of several outcomes, none of that call is
// recorded, though SQLite keeps no journal of the statement.
func TestSettleRefusedInTheMiddle(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		s, db := b.open(t)
		for range 3 {
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		}
		_, err := db.ExecContext(t.Context(), "CREATE UNIQUE INDEX own ON ticket_outbox (last_error) WHERE last_error <> ''")
		require.NoError(t, err)
		list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Hour, Limit: 3, Notifiers: []string{""}})
		require.NoError(t, err)
		var outcomes []ticket.Settlement
		for _, d := range list {
			outcomes = append(outcomes, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryDead, Error: "the same", At: time.Now()})
		}
		require.Error(t, s.Settle(t.Context(), outcomes))
		page, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}})
		require.NoError(t, err)
		require.Empty(t, page.Deliveries)
	})
}
