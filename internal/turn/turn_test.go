package turn_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/turn"
)

func TestCallersHaveTheirTurnInTheOrderOfJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[string]
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 10 {
			place := q.Join("a")
			all.Go(func() {
				defer place.Leave()
				if place.Wait(t.Context()) == nil {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}
			})
		}
		require.True(t, q.Busy("a"))
		require.False(t, q.Busy("b"), "each key has a line of its own")
		begin := time.Now()
		other := q.Join("b")
		require.NoError(t, other.Wait(t.Context()))
		require.Zero(t, time.Since(begin))
		other.Leave()
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		require.False(t, q.Busy("a"))
	})
}

func TestACallerGoesAheadAfterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[int]
		first, second := q.Join(1), q.Join(1)
		begin := time.Now()
		require.NoError(t, first.Wait(t.Context()))
		require.NoError(t, second.Wait(t.Context()))
		require.Equal(t, turn.Patience, time.Since(begin))
		second.Leave()
		first.Leave()
		require.False(t, q.Busy(1))
	})
}

func TestACancelledCallerLeavesTheTurnToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[int]
		places := []turn.Place[int]{q.Join(1), q.Join(1), q.Join(1)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, places[1].Wait(ctx), context.DeadlineExceeded)
		places[1].Leave()
		begin := time.Now()
		places[0].Leave()
		require.NoError(t, places[2].Wait(t.Context()))
		require.Zero(t, time.Since(begin))
		places[2].Leave()
		require.False(t, q.Busy(1))
	})
}

// No two callers have the turn at the same time.
func TestOneCallerHasTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[int]
		var mu sync.Mutex
		var spans [][2]time.Time
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				place := q.Join(1)
				defer place.Leave()
				_ = place.Wait(t.Context())
				from := time.Now()
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				spans = append(spans, [2]time.Time{from, time.Now()})
			})
		}
		all.Wait()
		slices.SortFunc(spans, func(a, b [2]time.Time) int { return a[0].Compare(b[0]) })
		for i := 1; i < len(spans); i++ {
			require.False(t, spans[i][0].Before(spans[i-1][1]))
		}
	})
}
