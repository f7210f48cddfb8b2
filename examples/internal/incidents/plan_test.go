package incidents

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The log of the BPI Challenge 2013 has 13 states; the tests of replay go from each to each.
func TestEveryStateOfTheLogHasAStep(t *testing.T) {
	require.Len(t, steps, 13)
	for state, s := range steps {
		require.NotEmpty(t, s.status, state)
		require.NotEmpty(t, s.action, state)
	}
}
