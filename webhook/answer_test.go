package webhook

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	const year = 365 * 24 * time.Hour
	for v, want := range map[string]time.Duration{
		"0":                              0,
		"120":                            2 * time.Minute,
		" 120 ":                          2 * time.Minute,
		"007":                            7 * time.Second,
		"99999999":                       year,
		"9223372036854775807":            year,
		"99999999999999999999999999":     year,
		"Mon, 05 Jan 2026 09:10:00 GMT":  10 * time.Minute,
		"Monday, 05-Jan-26 09:00:01 GMT": time.Second,
		"Mon Jan  5 09:00:02 2026":       2 * time.Second,
		"Mon, 05 Jan 2026 08:00:00 GMT":  0,
		"Fri, 31 Dec 9999 23:59:59 GMT":  year,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
		"":                               -1,
		"-1":                             -1,
		"+5":                             -1,
		"1.5":                            -1,
		"soon":                           -1,
		"1e3":                            -1,
		"2026-01-05T09:10:00Z":           -1,
		strings.Repeat("1", 65):          -1,
	} {
		wait, ok := retryAfter(v, now)
		require.Equal(t, want >= 0, ok, v)
		if ok {
			require.Equal(t, want, wait, v)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "", "-1", "99999999999999999999", "Mon, 05 Jan 2026 09:10:00 GMT", "Mon Jan  5 09:00:02 2026"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		wait, ok := retryAfter(s, now)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, 366*24*time.Hour)
		if !ok {
			require.Zero(t, wait)
		}
	})
}

func TestExcerpt(t *testing.T) {
	for _, tc := range []struct{ kind, body, want string }{
		{"text/plain", "no such tenant\n", "no such tenant"},
		{"text/plain; charset=utf-8", "a\r\nb\t\x1b[31mred\x00\u2028c\u202ed", "a b [31mred c d"},
		{"application/problem+json", `{"title":"x"}`, `{"title":"x"}`},
		{"Application/JSON", "{}", "{}"},
		{"text/html", "<h1>sorry</h1>", ""},
		{"", "what is this", ""},
		{"text/plain", strings.Repeat("ü", 100), strings.Repeat("ü", 60) + "…"},
		{"text/plain", "x" + strings.Repeat("ü", 100), "x" + strings.Repeat("ü", 59) + "…"},
		{"text/plain", "\xff\xfe", ""},
	} {
		require.Equal(t, tc.want, excerpt(http.Header{"Content-Type": {tc.kind}}, []byte(tc.body)), tc.body)
	}
}

// At most the allowed number of bytes of a body is read, even if more would arrive
// in time.
func TestReadIsBounded(t *testing.T) {
	body := &counting{Reader: io.LimitReader(neverEnding('x'), 1<<20)}
	got := read(&http.Response{Body: io.NopCloser(body)}, 1000, func() {})
	require.Len(t, got, 1000)
	require.Equal(t, 1000, body.n)
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]*Error{
		`webhook: https://hooks.example.org answered 503 Service Unavailable ("busy")`:                           {Endpoint: "https://hooks.example.org", Status: 503, Excerpt: "busy"},
		`webhook: https://hooks.example.org answered 599`:                                                        {Endpoint: "https://hooks.example.org", Status: 599},
		`webhook: https://hooks.example.org answered 410: the endpoint is gone, take it out`:                     {Endpoint: "https://hooks.example.org", Status: 410},
		`webhook: https://hooks.example.org answered 302: redirects are not followed, set the URL that is meant`: {Endpoint: "https://hooks.example.org", Status: 302},
		`webhook: https://hooks.example.org did not answer: x ` + strings.Repeat("y", 198) + "…":                 {Endpoint: "https://hooks.example.org", Err: errors.New("x\n" + strings.Repeat("y", 999))},
	} {
		require.EqualError(t, err, want)
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("a\nb", 3)
	f.Add("üü", 1)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = min(max(most, 0), 1000)
		got := oneLine(s, most)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), most+len("…"))
		require.NotContains(t, got, "  ")
		for _, r := range got {
			require.True(t, unicode.IsPrint(r))
		}
	})
}
