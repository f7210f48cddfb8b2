package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A watching client keeps the latest version of each ticket that Watch told it of.
type watching struct {
	actor ticket.Actor
	stop  context.CancelFunc
	done  chan struct{}

	mu       sync.Mutex
	versions map[ticket.ID]int64
	cursor   ticket.Cursor
	resets   int
}

func (w *watching) begin(t *testing.T, desk *ticket.Desk) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w.stop, w.done = stop, make(chan struct{})
	ready := make(chan struct{})
	began := sync.OnceFunc(func() { close(ready) })
	go func() {
		defer close(w.done)
		defer began()
		for c, err := range desk.Watch(ctx, w.actor, w.cursor) {
			if err != nil {
				return
			}
			w.mu.Lock()
			w.cursor = c.Cursor
			if c.Reset {
				w.resets++
			}
			if !c.Ticket.IsZero() {
				w.versions[c.Ticket] = max(w.versions[c.Ticket], c.Version)
			}
			w.mu.Unlock()
			began()
		}
	}()
	<-ready
}

func (w *watching) end() {
	w.stop()
	<-w.done
}

func (w *watching) knows() map[ticket.ID]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.versions)
}

// Two processes on one database, with clocks two minutes apart: watchers that go from one to
// the other, while both processes are replaced, get every change that they may know of.
func TestWatchersMissNothing(t *testing.T) {
	t.Parallel()
	each(t, []backend{modernc}, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		var desks [2]*ticket.Desk
		process := func(i int) {
			db, err := sql.Open(b.driver, dsn)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			s, err := sqlstore.Open(t.Context(), db, b.dialect)
			require.NoError(t, err)
			desks[i], err = ticket.NewDesk(s, ticket.Config{Now: func() time.Time { return time.Now().Add(time.Duration(-2*i) * time.Minute) }})
			require.NoError(t, err)
		}
		process(0)
		process(1)
		r := rand.New(rand.NewPCG(1, 2))
		ada, lin := ticket.Requester(ticket.Person{ID: "ada"}), ticket.Agent("lin", 1)
		var tickets []ticket.Ticket
		public := map[ticket.ID][]int64{} // the events that the customer may know of
		for i := range 150 {              // so that the changes of the clock that is behind are deep in the list
			a := ada
			if i%3 > 0 {
				a = ticket.Requester(ticket.Person{ID: fmt.Sprint("c", i)})
			}
			tk, err := desks[i%2].Open(t.Context(), a, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
			tickets = append(tickets, tk)
			if i%3 == 0 {
				public[tk.ID] = []int64{1}
			}
		}
		clients := []*watching{{actor: ada}, {actor: ticket.System("cron")}}
		sides := make([]int, len(clients))
		for _, w := range clients {
			w.versions = map[ticket.ID]int64{}
			w.begin(t, desks[0])
		}
		want := []map[ticket.ID]int64{{}, {}}
		for round := range 150 {
			i := r.IntN(len(tickets))
			act := ticket.Action{Name: ticket.ActionReply, Message: "m"}
			if r.IntN(4) == 0 {
				act = note("n")
			}
			after, err := desks[i%2].Do(t.Context(), lin, tickets[i].ID, act)
			require.NoError(t, err)
			want[1][after.ID] = after.Version
			if i%3 == 0 && act.Name == ticket.ActionReply {
				want[0][after.ID] = after.Version
				public[after.ID] = append(public[after.ID], after.Version)
			}
			n := r.IntN(len(clients))
			switch {
			case round%40 == 39:
				side := r.IntN(2)
				require.NoError(t, desks[side].Shutdown(t.Context()))
				process(side)
				for n, w := range clients {
					if sides[n] == side {
						w.end()
						sides[n] = r.IntN(2)
						w.begin(t, desks[sides[n]])
					}
				}
			case r.IntN(5) == 0:
				clients[n].end()
				sides[n] = r.IntN(2)
				clients[n].begin(t, desks[sides[n]])
			default:
				time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
			}
		}
		for n, w := range clients {
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				knows := w.knows()
				for id, version := range want[n] {
					assert.Equal(c, version, knows[id])
				}
			}, 20*time.Second, 200*time.Millisecond)
			w.end()
			require.Zero(t, w.resets)
			if n == 0 {
				for id, version := range w.knows() {
					require.Contains(t, public[id], version, "a customer is told of no note, and of no other's ticket")
				}
			}
		}
	})
}
