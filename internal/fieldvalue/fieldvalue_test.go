package fieldvalue

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNormalize(t *testing.T) {
	local := time.FixedZone("here", 3600)
	for _, c := range []struct{ in, out any }{
		{1, int64(1)}, {int8(1), int64(1)}, {int16(1), int64(1)}, {int32(1), int64(1)}, {uint(1), int64(1)}, {uint8(1), int64(1)},
		{uint16(1), int64(1)}, {uint32(1), int64(1)}, {uint64(1), int64(1)}, {float32(0.5), 0.5}, {"x", "x"}, {true, true},
		{time.Date(2026, 1, 5, 10, 0, 0, 1999, local), time.Date(2026, 1, 5, 9, 0, 0, 1000, time.UTC)}, {[]string{"a"}, []string{"a"}},
	} {
		got, err := Normalize(c.in)
		require.NoError(t, err)
		require.Equal(t, c.out, got)
	}
	for _, bad := range []any{nil, uint64(math.MaxUint64), math.NaN(), math.Inf(1), []int{1}, struct{}{}, map[string]any{}, []byte("x"),
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := Normalize(bad)
		require.Error(t, err, "%v", bad)
	}
}

func TestEqual(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	values := []any{"a", "b", true, false, int64(1), int64(2), 1.0, 1.5, at, at.Add(1), []string{}, []string{"a"}, []string{"a", "b"}}
	for i, a := range values {
		for j, b := range values {
			require.Equal(t, i == j, Equal(a, b), "%v and %v", a, b)
		}
	}
	require.True(t, Equal(at, at.In(time.FixedZone("here", 3600))))
	require.False(t, Equal(1, 1), "an int is no value of a field")
	require.False(t, Equal(nil, nil))
}
