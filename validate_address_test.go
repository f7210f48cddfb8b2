package ticket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMailboxesAreEqualInAnyCaseAndAnyFormOfTheDomain(t *testing.T) {
	for _, c := range []struct {
		a, b string
		one  bool
	}{
		{"ada@example.org", "ada@example.org", true},
		{"Ada@EXAMPLE.org", "ada@example.ORG", true},
		{"ada@example.org.", "ada@example.org", true},
		{"ada@example.org ", "ada@example.org", false}, // the caller cleans the input
		{"ada@müller.example", "ada@xn--mller-kva.example", true},
		{"ada@MÜLLER.example.", "ADA@XN--MLLER-KVA.EXAMPLE", true},
		{"ada@mu\u0308ller.example", "ada@müller.example", true},
		{"ada@ｅｘａｍｐｌｅ。org", "ada@example.org", true},
		{"ada+x@example.org", "ada@example.org", false},
		{"a.da@example.org", "ada@example.org", false},
		{"zoé@example.org", "ZOÉ@example.org", false}, // only the server knows
		{"ada@example.org", "ada@example.com", false},
		{"\u212Aai@example.org", "kai@example.org", false}, // a Kelvin sign is not a k
		{"ada@\u212Aelvin.example", "ada@kelvin.example", true},
		{"ada@a_b.example", "ada@A_B.example", true},
		{"a@b@example.org", "a@b@EXAMPLE.org", true},
		{"ada", "ADA", true}, // not an address, but comparable
		{"", "", false},
	} {
		require.Equal(t, c.one, sameMailbox(c.a, c.b), "%q and %q", c.a, c.b)
	}
}

func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"ada@example.org", "@", "@.", "a@\xff", "ä@ü.example.", "a@xn--", "a@[192.0.2.1]", "@@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := mailbox(s)
		require.Equal(t, m, mailbox(m), "the form of a form of %q", s)
	})
}
