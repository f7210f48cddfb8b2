package letter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinksAreWrittenInASCII(t *testing.T) {
	for address, want := range map[string]string{
		"https://help.example.org/t/abc?x=1&y=2":    "https://help.example.org/t/abc?x=1&y=2",
		"http://localhost:8080/t/abc":               "http://localhost:8080/t/abc",
		"https://[2001:db8::1]:8443/t/abc":          "https://[2001:db8::1]:8443/t/abc",
		"https://hilfe.müller.example/t/abc":        "https://hilfe.xn--mller-kva.example/t/abc",
		"https://HILFE.MÜLLER.example:8443/t/abc":   "https://hilfe.xn--mller-kva.example:8443/t/abc",
		"https://example.org/anfragen/übersicht":    "https://example.org/anfragen/%C3%BCbersicht",
		"https://example.org/t?für=abc#überblick":   "https://example.org/t?f%C3%BCr=abc#%C3%BCberblick",
		"https://例え.テスト/t/abc":                      "https://xn--r8jz45g.xn--zckzah/t/abc",
		"abc":                                       "",
		"":                                          "",
		"/t/abc":                                    "",
		"//example.org/t/abc":                       "",
		"ftp://example.org/t/abc":                   "",
		"javascript:alert(1)":                       "",
		"https:///t/abc":                            "",
		"https://ada:secret@example.org/t/abc":      "",
		"https://example.org/t/ abc":                "",
		"https://example.org/t/\nabc":               "",
		"https://example.org/t/<abc>":               "",
		"https://exa\u200bmple.org/t/abc":           "",
		"https://\xff.example.org/":                 "",
		"https://ü.example.org/" + repeated("ü"):    "",
		"https://example.org/" + repeated("abcdef"): "",
	} {
		require.Equal(t, want, link(address), address)
		require.Equal(t, want == "", CheckLink(address) != nil, address)
	}
}

func repeated(s string) string { return strings.Repeat(s, 400) }
