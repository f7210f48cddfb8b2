package webtests

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each page, in both languages and both themes: axe-core finds nothing, the browser reports
// nothing, and nothing scrolls sideways at 320, 390 and 1280 px. The pictures are for people.
func TestPages(t *testing.T) {
	base := exampleBase(t)
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, lang := range []string{"en", "de"} {
				b := newTab(t, base)
				b.as(p.as)
				status := p.status
				if status == 0 {
					status = 200
				} else {
					b.expect("Failed to load resource")
				}
				path := p.path
				if p.find != nil {
					path = p.find(b)
				}
				b.open("/start")
				require.Equal(t, status, b.open(withLanguage(path, lang)))
				if p.then != nil {
					p.then(b)
				}
				for _, theme := range []string{"light", "dark"} {
					b.theme(theme)
					name := p.name + "-" + lang + "-" + theme
					b.fits(t, name, 320)
					b.size(390, 800)
					b.axe(t, name+" at 390 px")
					b.picture(name + "-390")
					b.fits(t, name, 390)
					b.fits(t, name, 1280)
					b.axe(t, name+" at 1280 px")
					b.picture(name + "-1280")
				}
			}
		})
	}
}

// A page to look at.
type shown struct {
	name   string
	as     string // one of the people of the example; empty is a visitor
	path   string
	find   func(*tab) string // finds the path
	then   func(*tab)        // does something on the page first
	status int
}

var pages = []shown{
	{name: "example-start", path: "/start"},
	{name: "example-letters", path: "/letters"},
	{name: "console-queue", as: "lin", path: "/desk/tickets"},
	{name: "console-sign-in", as: "", path: "/desk/tickets", status: 403},
	{name: "console-not-found", as: "lin", path: "/desk/nothing", status: 404},
}
