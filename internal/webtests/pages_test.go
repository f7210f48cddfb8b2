package webtests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Each page, in both languages and both themes: axe-core finds nothing, the browser reports
// nothing, and nothing scrolls sideways at 320, 390 and 1280 px. The pictures are for people.
// With -short, each language has one theme.
func TestPages(t *testing.T) {
	base := exampleBase(t)
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, lang := range []string{"en", "de"} {
				b := newTab(t, base)
				b.show(p, lang)
				for _, theme := range []string{"light", "dark"} {
					if testing.Short() && (lang == "de") != (theme == "dark") {
						continue // English by day and German by night
					}
					b.look(t, p.name+"-"+lang+"-"+theme, theme)
				}
			}
		})
	}
}

// show opens a page in a language.
func (b *tab) show(p shown, lang string) {
	b.t.Helper()
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
	if !p.plain {
		path = withLanguage(path, lang)
	}
	require.Equal(b.t, status, b.open(path), path)
	if p.then != nil {
		p.then(b)
	}
}

// look checks what is shown, and writes pictures of it.
func (b *tab) look(t *testing.T, name, theme string) {
	t.Helper()
	b.theme(theme)
	b.fits(t, name, 320)
	for _, width := range []int64{390, 1280} {
		b.fits(t, name, width)
		b.axe(t, fmt.Sprintf("%s at %d px", name, width))
		b.picture(fmt.Sprintf("%s-%d", name, width))
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
	plain  bool // it takes no language
}

// pathOf finds the path of a link on a page: the first one that the selector and the words fit.
func pathOf(page, selector, words string) func(*tab) string {
	return func(b *tab) string {
		b.t.Helper()
		require.Equal(b.t, 200, b.open(page))
		path := run(b, "link "+words, chromedp.Evaluate[string](fmt.Sprintf(
			`(([...document.querySelectorAll(%q)].find(a => a.textContent.includes(%q)) || {}).href || "")`, selector, words)))
		require.NotEmpty(b.t, path, "%s has no link %s %q", page, selector, words)
		return strings.TrimPrefix(path, b.base)
	}
}

// subject is a ticket in a list.
func subject(page, words string) func(*tab) string { return pathOf(page, "a.subject", words) }

// adding appends something to an address.
func adding(find func(*tab) string, more string) func(*tab) string {
	return func(b *tab) string { return find(b) + more }
}

const (
	lettersToAda = "/letters?to=ada@mills.example.com"
	all          = "/desk/tickets?view=open&n=200"
	ofLin        = all + "&level=1" // in which Lin can act
)

var pages = []shown{
	{name: "example-start", path: "/start"},
	{name: "example-letters", path: "/letters"},

	{name: "customer-form-visitor", path: "/"},
	{name: "customer-form", as: "ada", path: "/"},
	{name: "customer-form-errors", path: "/", then: func(b *tab) {
		b.expect("422")
		b.fill("#message", "Every second page comes out blank.")
		b.follow("form.form button.primary")
	}},
	{name: "customer-sent", as: "mary", path: "/", then: func(b *tab) {
		b.fill("#subject", "The lamp Glow flickers")
		b.fill("#message", "It flickers when it is dimmed.\n\nIs that a known fault?")
		b.attach("#files", testFile(b.t, "lamp.txt", "flicker"))
		require.Equal(b.t, 200, b.follow("form.form button.primary"))
	}},
	{name: "customer-known", as: "mary", path: "/", then: func(b *tab) {
		b.fill("#subject", "Battery lasts two hours since the update")
		b.fill("#message", "The battery is empty before noon since the update of last week. ")
		b.eventually("known problems are suggested", func() bool { return b.count("#known > *") > 0 })
	}},
	{name: "customer-find", path: "/find"},
	{name: "customer-find-mistyped", path: "/find", then: func(b *tab) {
		b.expect("422")
		b.fill("#number", "7Q4K-92MX-A")
		b.fill("#email", "ada@mills.example.com")
		b.follow("form.form button.primary")
	}},
	{name: "customer-find-sent", path: "/find", then: func(b *tab) {
		b.fill("#number", "7Q4K-92MX-F")
		b.fill("#email", "nobody@example.com")
		b.follow("form.form button.primary")
	}},
	{name: "customer-tickets", as: "ada", path: "/tickets"},
	{name: "customer-tickets-organisation", as: "ada", path: "/tickets?of=organisation"},
	{name: "customer-tickets-visitor", path: "/tickets", status: 403},
	{name: "customer-ticket-your-turn", as: "ada", find: subject("/tickets", "Screen of the")},
	{name: "customer-ticket-solved", as: "ada", find: subject("/tickets", "Invoice for order")},
	{name: "customer-ticket-at-work", as: "ada", find: subject("/tickets", "Battery of the")},
	{name: "customer-ticket-closed", as: "ada", find: pathOf("/tickets", "li:has(.chip:not(.open,.ok,.warn)) a.subject", "")},
	{name: "customer-link", find: pathOf(lettersToAda, "article a[href^='/t/']", "")},
	{name: "customer-link-forged", path: "/t/080g38hbame6c68qa4hs7vbap6tnm0vbgf5j0000nea6qjv4jn5can7sfjnq2fd5f0xnsnfd", status: 404},
	{name: "customer-not-found", as: "ada", path: "/tickets/7Q4K-92MX-F", status: 404},

	{name: "console-queue-mine", as: "lin", path: "/desk/tickets?view=mine"},
	{name: "console-queue-unassigned", as: "lin", path: "/desk/tickets?view=unassigned"},
	{name: "console-queue-overdue", as: "kim", path: "/desk/tickets?view=overdue"},
	{name: "console-queue-due", as: "kim", path: "/desk/tickets?view=due"},
	{name: "console-queue-waiting", as: "kim", path: "/desk/tickets?view=waiting"},
	{name: "console-queue-done", as: "kim", path: "/desk/tickets?view=done"},
	{name: "console-queue-billing", as: "lin", path: "/desk/tickets?queue=billing&view=open"},
	{name: "console-queue-empty", as: "eva", path: "/desk/tickets?view=mine"},
	{name: "console-ticket", as: "noor", find: subject(all, "Battery of the")},
	{name: "console-ticket-new", as: "lin", find: subject("/desk/tickets?view=unassigned", "Checkout ends")},
	{name: "console-ticket-done", as: "lin", find: pathOf("/desk/tickets?view=done", "a.subject", "")},
	{name: "console-ticket-note", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=note")},
	{name: "console-ticket-resolve", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=resolve")},
	{name: "console-ticket-escalate", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=escalate")},
	{name: "console-ticket-edit", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=edit")},
	{name: "console-ticket-link", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=link")},
	{name: "console-ticket-split", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=split")},
	{name: "console-ticket-errors", as: "lin", find: adding(subject(ofLin, "Screen of the"), "?do=escalate"), then: func(b *tab) {
		b.expect("422")
		b.follow("form.composer button.primary")
	}},
	{name: "console-clock", as: "lin", find: func(b *tab) string {
		return pathOf(subject(ofLin, "Screen of the")(b), ".clock a", "")(b)
	}},
	{name: "console-merge", as: "lin", find: func(b *tab) string {
		return pathOf(subject(ofLin, "Screen of the")(b), ".buttons a[href*='merge']", "")(b)
	}},
	{name: "console-search", as: "lin", path: "/desk/search?q=battery"},
	{name: "console-search-nothing", as: "lin", path: "/desk/search?q=zeppelin"},
	{name: "console-deliveries", as: "eva", path: "/desk/deliveries"},
	{name: "console-mails", as: "eva", path: "/desk/mails"},
	{name: "console-mail", as: "eva", find: pathOf("/desk/mails", "main a[href*='mails/']", "")},
	{name: "console-reports", as: "eva", path: "/desk/reports", then: func(b *tab) {
		b.eventually("the figures are there", func() bool {
			if b.count("main svg") > 0 {
				return true
			}
			b.open(b.address())
			return false
		})
	}},
	{name: "console-workflow", as: "eva", path: "/desk/workflow"},
	{name: "console-policies", as: "eva", path: "/desk/policies"},
	{name: "console-sign-in", path: "/desk/tickets", status: 403},
	{name: "console-not-found", as: "lin", path: "/desk/nothing", status: 404},
	{name: "rest-docs", path: "/api/docs", plain: true},
}

// testFile makes a file to send.
func testFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}
