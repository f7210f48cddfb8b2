package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// slowStore takes a moment to commit, so that callers meet, and counts those who
// are thrown back.
type slowStore struct {
	ticket.Store
	mu        sync.Mutex
	conflicts int
}

func (s *slowStore) Commit(ctx context.Context, c ticket.Commit) error {
	time.Sleep(time.Millisecond)
	err := s.Store.Commit(ctx, c)
	if errors.Is(err, ticket.ErrConflict) {
		s.mu.Lock()
		s.conflicts++
		s.mu.Unlock()
	}
	return err
}

// Those who meet over a ticket go one after the other: nobody is thrown back
// more often than it meets somebody who came before the line was there.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: memstore.New()}
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1)
		tk, err := desk.Open(t.Context(), lin, ticket.Draft{Subject: "All want it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)
		begin := time.Now()
		const callers = 64
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				for n := range 3 {
					_, err := desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(fmt.Sprint(i, n))})
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		// One commit takes 1 ms. All begin at once, so that each but one is thrown
		// back at first; from then on the line holds.
		assert.Less(t, s.conflicts, 2*callers)
		assert.Less(t, time.Since(begin), 3*callers*2*time.Millisecond)
		require.NoError(t, desk.Verify(t.Context(), lin, tk.ID))
	})
}

// eager is a policy that acts on the very ticket it is asked about.
type eager struct {
	ticket.DefaultPolicy
	act func()
}

func (p *eager) MayDo(a ticket.Actor, t ticket.Ticket, n ticket.ActionName) error {
	if n == ticket.ActionTake {
		p.act()
	}
	return p.DefaultPolicy.MayDo(a, t, n)
}

// A policy that acts on a ticket whose line it holds up waits for a while, and
// not for ever. A caller that gives up leaves the line to the others.
func TestLineIsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: memstore.New()}
		lin := ticket.Agent("lin", 1)
		p := &eager{act: func() {}}
		desk, err := ticket.NewDesk(s, ticket.Config{Policy: p})
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), lin, ticket.Draft{Subject: "All want it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)
		asked := 0
		p.act = func() {
			if asked++; asked > 2 {
				return
			}
			// The first time there is no line yet; what is written here throws the
			// outer action back. The second time it stands in the line's front.
			_, err := desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "me too"})
			assert.NoError(t, err)
		}
		begin := time.Now()
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
		require.NoError(t, err)
		require.Equal(t, 3, asked)
		require.Less(t, time.Since(begin), 2*time.Second)

		asked = 1
		p.act = func() {
			if asked++; asked > 3 {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "me too"})
			if asked == 3 {
				assert.ErrorIs(t, err, context.DeadlineExceeded, "it waits for its turn no longer than its context")
			}
		}
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
		require.NoError(t, err)
		require.NoError(t, desk.Verify(t.Context(), lin, tk.ID))
	})
}
