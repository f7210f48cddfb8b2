package ticket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// flaky is a store that counts calls of List, and fails while it is down.
type flaky struct {
	ticket.Store
	down  atomic.Bool
	calls atomic.Int64
}

func (s *flaky) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	s.calls.Add(1)
	if s.down.Load() {
		return ticket.Page{}, errFlaky
	}
	return s.Store.List(ctx, q)
}

// reconnecting lets two desks with skewed clocks act on tickets, while watchers go from one
// desk to the other and the desks are restarted.
func reconnecting(t *testing.T, store ticket.Store, skew [2]time.Duration, rounds int, sleep func(time.Duration)) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	desks := [2]*ticket.Desk{skewed(t, store, skew[0]), skewed(t, store, skew[1])}
	customers := []ticket.Actor{ada, bob}
	var tickets [2][]ticket.Ticket
	for i, a := range customers {
		for range 3 {
			tickets[i] = append(tickets[i], opened(t, desks[i], a, ticket.Draft{}))
		}
	}
	// Others write so much that changes of the clock that is behind are deep in the list.
	noise := func(n int) {
		ahead := desks[0]
		if skew[1] > skew[0] {
			ahead = desks[1]
		}
		for range n {
			opened(t, ahead, ticket.Requester(ticket.Person{ID: "noise"}), ticket.Draft{})
		}
	}
	noise(150)
	type client struct {
		actor ticket.Actor
		*listener
		side     int
		versions map[ticket.ID]int64 // the latest that it knows
	}
	var clients []*client
	for _, a := range []ticket.Actor{ada, bob, cron} {
		clients = append(clients, &client{a, listen(t, desks[0], a, ""), 0, map[ticket.ID]int64{}})
	}
	collect := func(c *client) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, g := range c.got {
			c.versions[g.Ticket] = max(c.versions[g.Ticket], g.Version)
		}
		c.got = nil
	}
	for round := range rounds {
		noise(1)
		side, who, which := r.IntN(2), r.IntN(2), r.IntN(3)
		if which < 2 {
			side = which // so that its times are all of one clock
		}
		tk := tickets[who][which]
		_, err := desks[side].Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(fmt.Sprint("m ", round))})
		require.NoError(t, err)
		c := clients[r.IntN(len(clients))]
		switch r.IntN(6) {
		case 0: // the connection breaks, and comes back to either process
			cursor := c.end()
			collect(c)
			sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			c.side = r.IntN(2)
			c.listener = listen(t, desks[c.side], c.actor, cursor)
		case 1: // a process is replaced
			if r.IntN(4) == 0 {
				require.NoError(t, desks[side].Shutdown(t.Context()))
				desks[side] = skewed(t, store, skew[side])
				for _, c := range clients {
					if c.side != side {
						continue
					}
					<-c.done
					require.NoError(t, c.err)
					collect(c)
					c.side = r.IntN(2)
					c.listener = listen(t, desks[c.side], c.actor, c.last.Cursor)
				}
			}
		default:
			sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		}
	}
	sleep(10 * time.Second)
	for i, c := range clients {
		require.Zero(t, c.sets)
		c.end()
		collect(c)
		for who, list := range tickets {
			for _, tk := range list {
				now, err := desks[0].Get(t.Context(), cron, tk.ID)
				require.NoError(t, err)
				if i == 2 || i == who {
					require.Equal(t, now.Version, c.versions[tk.ID], "client %d", i)
				} else {
					require.NotContains(t, c.versions, tk.ID)
				}
			}
		}
	}
}
