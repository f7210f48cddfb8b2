package plusaddress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/plusaddress"
)

func TestEncode(t *testing.T) {
	is := func(n string) func(string) bool { return func(short string) bool { return short == n } }
	for _, c := range []struct {
		number  string
		same    func(string) bool
		encoded string
		decoded string
	}{
		{"7Q4K-92MX-F", is("7Q4K92MXF"), "7Q4K92MXF", "7Q4K92MXF"},
		{"A-12", is(""), "A-12", "A-12"},
		{"2026/A 1", is(""), "2026=2FA=201", "2026/A 1"},
		{"Ü=", is(""), "=C3=9C=3D", "Ü="},
	} {
		got := plusaddress.Encode(c.number, c.same)
		require.Equal(t, c.encoded, got)
		require.Equal(t, c.decoded, plusaddress.Decode(got))
	}
	for _, s := range []string{"=", "=4", "=ZZ", "a=G1"} {
		require.Equal(t, s, plusaddress.Decode(s), "is no code")
	}
}
