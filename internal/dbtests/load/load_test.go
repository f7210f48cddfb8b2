package load

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Whoever holds what another one holds, or gets an attempt that another one got, is found.
func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := holds{now: map[ticket.ID]held{}, seen: map[attempt]bool{}}
		hold := func(n int, d time.Duration) bool {
			_, two := h.begin(held{attempt{ticket.ID{1}, n}, time.Now().Add(d), "a"})
			return two
		}
		take := func(n int) bool { return hold(n, time.Second) }
		require.False(t, take(1))
		require.True(t, take(1), "the same attempt")
		require.True(t, take(2), "before the end of the lease")
		time.Sleep(time.Second)
		require.False(t, take(3), "after the end of the lease")
		h.end(h.now[ticket.ID{1}])
		require.False(t, take(4), "after it was settled")
		require.False(t, hold(5, 0), "the call returned after the end of its lease")
		h.end(h.now[ticket.ID{1}])
		require.True(t, take(4), "an attempt that was settled")
	})
}
