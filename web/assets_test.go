package web

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStyleSheetIsCompact(t *testing.T) {
	for css, want := range map[string]string{
		"a { color : red; }\n\n/* a { b } */ b > c:hover , d { x: y; z: 1px 2px; }": "a{color :red}b > c:hover ,d{x:y;z:1px 2px}",
		"@media (max-width: 45rem) { a { b: c; } }":                                  "@media (max-width:45rem){a{b:c}}",
		"a { b: calc(1px + 2px); } /* open":                                          "a{b:calc(1px + 2px)}",
		"a::before { content: \"\"; }":                                               "a::before{content:\"\"}",
	} {
		require.Equal(t, want, string(compact([]byte(css))))
	}
}
