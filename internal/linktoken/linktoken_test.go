package linktoken_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/linktoken"
)

var (
	key    = linktoken.Key{ID: 7, Secret: bytes.Repeat([]byte{9}, 32)}
	ticket = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

func granted(s linktoken.Scope, until time.Time) linktoken.Grant {
	return linktoken.Grant{Ticket: ticket, Scope: s, Until: until, Epoch: 513, Person: key.Person("acme", ticket, "id:c1")}
}

func grant(reply, upload bool, until time.Time) linktoken.Grant {
	return granted(linktoken.Scope{Reply: reply, Upload: upload}, until)
}

func rating(until time.Time) linktoken.Grant { return granted(linktoken.Scope{Rate: true}, until) }

var everything = linktoken.Scope{Reply: true, Upload: true, Rate: true, Confirm: true, Reopen: true, Cancel: true}

// Tokens are in letters that were sent, so their form never changes.
var (
	soon  = time.Date(2026, 1, 5, 9, 0, 0, 1, time.UTC)
	later = time.Date(2126, 1, 5, 9, 0, 1, 0, time.UTC)

	golden = []struct {
		grant linktoken.Grant
		end   time.Time
		token string
	}{
		{grant(false, false, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0039bdys20g1q1z6q8qh6wxzh6w0qfeh26z25ed1tr4a"},
		{grant(true, false, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h00b9bdys20g1q1z6q8jy6xw7vz663c52j5thn9v6gqpb"},
		{grant(false, true, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h00k9bdys20g1q1z6q8nd6kpff7882k1h50jx03ved7jd"},
		{grant(true, true, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h00v9bdys20g1q1z6q8jmhr7a2wz0qwqhpdfyn1q6j9bs"},
		{grant(false, false, later), later.Add(59 * time.Second), "043g20g30g2gc1r81450p30d1r7h0004wg6xt0g1q1z6q8htp5effn4vewhzddhqde8ck400"},
		{grant(true, false, later), later.Add(59 * time.Second), "043g20g30g2gc1r81450p30d1r7h0084wg6xt0g1q1z6q8hp6fvj2gve9pe3mpne5n58m8nd"},
		{grant(false, true, later), later.Add(59 * time.Second), "043g20g30g2gc1r81450p30d1r7h00g4wg6xt0g1q1z6q8k8rbhtc3gw9p2b76n4n88mw72e"},
		{grant(true, true, later), later.Add(59 * time.Second), "043g20g30g2gc1r81450p30d1r7h00r4wg6xt0g1q1z6q8jxgwq627nejj39dmg4dd56qe7s"},
		{rating(soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0139bdys20g1q1z6q8pqzck3tsj7j5qyge8z7crnwspa"},
		{rating(later), later.Add(59 * time.Second), "043g20g30g2gc1r81450p30d1r7h0104wg6xt0g1q1z6q8nvrk6v12f2xqkjp6qw78hqwb1b"},
		{granted(linktoken.Scope{Confirm: true}, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0239bdys20g1q1z6q8kd7dqht28h4nqrwvq0e5vytvj3"},
		{granted(linktoken.Scope{Reopen: true}, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0439bdys20g1q1z6q8hzd077dgncjxerwjmv8k6tw18x"},
		{granted(linktoken.Scope{Cancel: true}, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0839bdys20g1q1z6q8q064yzqyaq2p6mx1sggp1v0gfy"},
		{granted(everything, soon), soon.Add(time.Second - 1), "083g20g30g2gc1r81450p30d1r7h0fv9bdys20g1q1z6q8g6xcz2x7dg0saanbq4fjresb8x"},
	}
)

func TestTheBytesOfATokenNeverChange(t *testing.T) {
	require.Equal(t, [4]byte{0xb8, 0x7e, 0x6b, 0xa2}, key.Person("acme", ticket, "id:c1"))
	for _, g := range golden {
		require.Equal(t, g.token, key.Sign("acme", g.grant))
		require.Len(t, g.token, linktoken.Size)
		for _, written := range []string{g.token, strings.ToUpper(g.token), strings.NewReplacer("0", "o", "1", "l").Replace(g.token), strings.NewReplacer("0", "O", "1", "I").Replace(g.token)} {
			got, ok := linktoken.Parse(written)
			require.True(t, ok, written)
			require.True(t, got.Verify(key, "acme"))
			require.Equal(t, key.ID, got.KeyID)
			want := g.grant
			want.Until = g.end
			require.Equal(t, want, got.Grant)
		}
	}
}

func TestATokenIsOfOneKeyAndOneTenant(t *testing.T) {
	for _, g := range golden {
		got, ok := linktoken.Parse(g.token)
		require.True(t, ok)
		require.False(t, got.Verify(key, ""), "another tenant")
		require.False(t, got.Verify(linktoken.Key{ID: 7, Secret: bytes.Repeat([]byte{8}, 32)}, "acme"), "another secret")
		require.False(t, got.Verify(linktoken.Key{ID: 6, Secret: key.Secret}, "acme"), "another ID")
	}
	require.False(t, linktoken.Token{}.Verify(key, "acme"))
	require.NotEqual(t, key.Person("acme", ticket, "id:c1"), key.Person("", ticket, "id:c1"))
	require.NotEqual(t, key.Person("acme", ticket, "id:c1"), key.Person("acme", [16]byte{}, "id:c1"))
}

func TestAChangedTokenIsRefused(t *testing.T) {
	token := golden[3].token
	for i := range token {
		for _, c := range []byte("07az") {
			if token[i] == c {
				continue
			}
			b := []byte(token)
			b[i] = c
			got, ok := linktoken.Parse(string(b))
			require.False(t, ok && got.Verify(key, "acme"), "symbol %d", i)
		}
	}
	for _, bad := range []string{"", "x", token[:71], token + "0", strings.Repeat("0", 72), strings.Repeat("u", 72), strings.Repeat("\xff", 72), strings.Repeat("é", 36)} {
		_, ok := linktoken.Parse(bad)
		require.False(t, ok, bad)
	}
}

// A later version may know more scopes. This one ignores them.
func TestAnUnknownScopeAllowsNothing(t *testing.T) {
	got, ok := linktoken.Parse("083g20g30g2gc1r81450p30d1r7h1gb9bdys20g1q1z6q8hvy2kyj3aep1sdjty231z55d84") // 0xc1
	require.True(t, ok)
	require.True(t, got.Verify(key, "acme"))
	require.Equal(t, linktoken.Scope{Reply: true}, got.Grant.Scope)
}

func FuzzParse(f *testing.F) {
	for _, g := range golden {
		f.Add(g.token)
		f.Add(strings.ToUpper(g.token))
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		got, ok := linktoken.Parse(token)
		if !ok || !got.Verify(key, "acme") {
			return
		}
		if again := key.Sign("acme", got.Grant); again != strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(token)) {
			// A time that fits version 2 may be written in version 1, by an older program.
			require.Equal(t, byte('4'), token[1], "%q is signed and was not made by Sign", token)
		}
	})
}

var text = linktoken.Text{
	Known:  func(id uint8) bool { return id == key.ID },
	Unseen: func(r rune) bool { return unicode.Is(unicode.Cf, r) },
	Vacant: func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) },
}

func TestTokensAreCutOutOfText(t *testing.T) {
	a, b := golden[3].token, golden[4].token
	other := linktoken.Key{ID: 8, Secret: key.Secret}.Sign("acme", golden[0].grant)
	for in, want := range map[string]string{
		"": "",
		a:  "…",
		key.Sign("acme", granted(everything, soon)): "…",
		a + b:                                 "……",
		"no " + a + " and " + b + "!":         "no … and …!",
		"https://example.org/t/" + a + "?x=1": "https://example.org/t/…?x=1",
		"u=https%3A%2F%2Fexample.org%2Ft%2F" + a + "&":                        "u=https%3A%2F%2Fexample.org%2Ft%2F…&",
		"> " + a[:40] + "\n> > " + a[40:] + "\n> Ada":                         "> …\n> Ada",
		a[:40] + "=\r\n" + a[40:]:                                             "…",
		a[:40] + "\u200b" + a[40:]:                                            "…",
		a[:20] + "<wbr>" + a[20:40] + "&shy;" + a[40:60] + "&#8203;" + a[60:]: "…",
		a[:40] + "&#65;" + a[40:]:                                             a[:40] + "&#65;" + a[40:],
		a[:40] + " " + a[40:]:                                                 a[:40] + " " + a[40:],
		a[:71]:                                                                a[:71],
		other:                                                                 other,
		strings.Repeat("deadbeef", 20):                                        strings.Repeat("deadbeef", 20),
	} {
		require.Equal(t, want, text.Cut(in), "%q", in)
	}
}

func TestPartsOfTokensAreFound(t *testing.T) {
	a := golden[3].token
	for in, want := range map[string]bool{
		a: true, "see " + a[:8]: true, a[:4] + "=\n" + a[4:8]: true,
		a[:7]: false, "printers everywhere": false, "": false, "12345678": true,
	} {
		require.Equal(t, want, text.HasPart(in), in)
	}
}
