package crockford

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValueReadsEitherCaseAndLookAlikes(t *testing.T) {
	for v, c := range []byte(Alphabet) {
		require.Equal(t, v, Value(c))
		require.Equal(t, v, Value(strings.ToLower(string(c))[0]))
	}
	for c, v := range map[byte]int{'O': 0, 'o': 0, 'I': 1, 'i': 1, 'L': 1, 'l': 1} {
		require.Equal(t, v, Value(c), "%q", c)
	}
	symbols := 0
	for c := range 256 {
		if Value(byte(c)) >= 0 {
			symbols++
		}
	}
	require.Equal(t, 10+22*2+6, symbols, "no other byte is a symbol")
}

func TestDecodeReadsWhatEncodeWrites(t *testing.T) {
	for n := range 12 {
		b := []byte(strings.Repeat("\xa5\x00\xff", 4))[:n]
		s := Encode(b)
		require.Equal(t, strings.ToLower(s), s)
		for _, spelt := range []string{s, strings.ToUpper(s), strings.ReplaceAll(strings.ReplaceAll(s, "0", "O"), "1", "l")} {
			got, ok := Decode(spelt)
			require.True(t, ok, spelt)
			require.Equal(t, b, got, spelt)
		}
	}
}

func TestDecodeRefusesWhatEncodeDoesNotWrite(t *testing.T) {
	for _, s := range []string{"0", "01", "000", "zzu0", "zz-0", "zz\xff0", "zz 0"} { // 01 has one bit too many, and 0 and 000 have one symbol too many
		_, ok := Decode(s)
		require.False(t, ok, "%q", s)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "00", "7q4k92mx", "OIL", "zz-0", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, ok := Decode(s)
		if !ok {
			return
		}
		canonical := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(s))
		require.Equal(t, canonical, Encode(b))
	})
}
