package charts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScalesAreRound(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64][2]float64{0: {1, 1}, 1: {0.2, 1}, 7: {2, 8}, 100: {20, 100}, 1150: {200, 1200}} {
		step, limit := scale(highest)
		require.InDelta(t, want[0], step, 1e-9, highest)
		require.InDelta(t, want[1], limit, 1e-9, highest)
	}
}
