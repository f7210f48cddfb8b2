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

// A caller that keeps its turn is passed by one caller at a time, and the others
// keep their order.
func TestOneCallerAtATimePassesOneThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[int]
		stuck := q.Join(1)
		require.NoError(t, stuck.Wait(t.Context()))
		begin := time.Now()
		var mu sync.Mutex
		var order []int
		var at []time.Duration
		var all sync.WaitGroup
		for i := range 5 {
			place := q.Join(1)
			all.Go(func() {
				defer place.Leave()
				if place.Wait(t.Context()) == nil {
					mu.Lock()
					order, at = append(order, i), append(at, time.Since(begin))
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			})
		}
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4}, order)
		for i, took := range at {
			require.Equal(t, turn.Patience+time.Duration(i)*time.Millisecond, took)
		}
		late := q.Join(1) // nobody is before it but the one that has had its turn
		require.NoError(t, late.Wait(t.Context()))
		require.Equal(t, turn.Patience+5*time.Millisecond, time.Since(begin))
		stuck.Leave()
		next := q.Join(1)
		require.True(t, q.Busy(1))
		begin = time.Now()
		require.NoError(t, next.Wait(t.Context()))
		require.Equal(t, turn.Patience, time.Since(begin), "one that was passed does not pass the turn on")
		next.Leave()
		late.Leave()
		require.False(t, q.Busy(1))
	})
}

// Callers wait as long as the line moves, however long it is.
func TestALongLineIsNotPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turn.Queue[int]
		var inside, most int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				place := q.Join(1)
				defer place.Leave()
				_ = place.Wait(t.Context())
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				time.Sleep(turn.Patience / 3)
				mu.Lock()
				inside--
				mu.Unlock()
			})
		}
		all.Wait()
		require.Equal(t, 1, most)
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
