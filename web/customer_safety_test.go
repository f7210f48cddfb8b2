package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

var canaries = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `javascript:alert(1)`, `{{.Data}}`, `</textarea><script>alert(2)</script>`, `</title><script>alert(3)</script>`,
}

// Nothing that a person writes becomes markup, on any page.
func TestCanariesAreInert(t *testing.T) {
	for i, canary := range canaries {
		w := newWorld(t, func(cfg *ticket.Config, c *CustomerConfig) {
			cfg.Policy, c.Organisation, cfg.ShowAgents = colleagues{}, true, true
			c.Fields = []Field{{Name: "f", Label: canary, Hint: canary, Type: "choice", Options: []Option{{Value: canary, Label: canary}}}}
			c.Title = canary
		})
		w.actor = ticket.Requester(ticket.Person{ID: "c9", Name: canary, Email: "x@example.org", Organisation: canary})
		page := w.follow("/", w.send("/", url.Values{"subject": {canary}, "message": {canary}, "f-f": {canary}, "key": {"k"}}, upload{canary, canary, canary}))
		tk := w.tickets()[0]
		agent := ticket.Agent("lin", 1, 2, 3).Named(canary)
		w.do(agent, tk, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(canary)})
		w.do(agent, tk, ticket.Action{Name: ticket.ActionResolve, Message: ticket.Message(canary)})
		w.do(agent, tk, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: canary + " alert", Text: ticket.Message(canary)}})
		at := "/tickets/" + string(tk.Number)
		pages := map[string]string{
			"sent": page.Body.String(), "ticket": w.get(at).Body.String(), "list": w.get("/tickets").Body.String(), "org": w.get("/tickets?of=organisation").Body.String(),
			"form":  w.get("/?subject=" + url.QueryEscape(canary) + "&message=" + url.QueryEscape(canary)).Body.String(),
			"wrong": w.send("/", url.Values{"subject": {canary}, "message": {""}, "f-f": {canary + "z"}, "key": {canary}}, upload{canary, canary, canary}).Body.String(),
			"known": post(w.pages, "/known", flat, strings.NewReader(url.Values{"subject": {"alert script"}, "message": {canary}}.Encode())).Body.String(),
			"reply": w.send(at, url.Values{"action": {"rate"}, "message": {canary}, "comment": {canary}, "score": {canary}}, upload{canary, canary, canary}).Body.String(),
			"find":  w.send("/find", url.Values{"number": {canary}, "email": {canary}}).Body.String(),
			"error": w.get("/" + url.PathEscape(canary) + "?lang=" + url.QueryEscape(canary)).Body.String(),
			"query": w.get(at + "?done=" + url.QueryEscape(canary) + "&number=" + url.QueryEscape(canary)).Body.String(),
		}
		for name, body := range pages {
			require.NotEmpty(t, body, name)
			assert.NotContains(t, body, "<script>alert", "%s %d", name, i)
			assert.NotContains(t, body, "<img src=x", "%s %d", name, i)
			assert.NotRegexp(t, `(?i)(href|src|action)="\s*javascript:`, body, "%s %d", name, i)
			for _, tag := range tags.FindAllString(body, -1) {
				assert.NotRegexp(t, `(?i)\son[a-z]+\s*=\s*[^"]*alert`, quoted.ReplaceAllString(tag, ""), "%s %d: %s", name, i, tag)
			}
		}
		assert.Contains(t, html.UnescapeString(pages["ticket"]), canary)
	}
}

var (
	tags   = regexp.MustCompile(`<[a-zA-Z][^>]*>`)
	quoted = regexp.MustCompile(`"[^"]*"`)
)

// No page has an inline script, style or handler: the policy would forbid it.
func TestPagesHaveNothingInline(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "s")
	for _, address := range []string{"/", "/tickets", "/find", "/nothing", "/tickets/" + string(tk.Number), w.link(tk, everyScope)} {
		body := w.get(address).Body.String()
		assert.NotRegexp(t, `(?i)<script[^>]*>[^<]`, body, address)
		assert.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=`, body, address)
	}
}

func TestFormsOfOtherSitesChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "s")
	link := w.link(tk, everyScope)
	v := url.Values{"action": {"cancel"}, "subject": {"x"}, "message": {"x"}, "number": {string(tk.Number)}, "email": {"ada@example.org"}}.Encode()
	version := w.current(tk).Version
	for _, address := range []string{"/", "/find", "/known", "/tickets/" + string(tk.Number), link} {
		for _, change := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			r := post(w.pages, address, flat, strings.NewReader(v), header(change[0], change[1]))
			assert.Equal(t, http.StatusForbidden, r.Code, "%s %s", address, change)
			assert.Contains(t, r.Body.String(), "another site")
		}
	}
	assert.Equal(t, http.StatusForbidden, post(w.pages, "/", flat, strings.NewReader(v), header("Origin", "null")).Code)
	assert.Equal(t, version, w.current(tk).Version)
	require.Len(t, w.tickets(), 1)
	// A page with "no-referrer" sends the origin "null", and on a site without TLS nothing else.
	assert.Equal(t, http.StatusSeeOther, post(w.pages, link, flat, strings.NewReader(v), header("Origin", "null")).Code)
}

func TestAStoreThatIsDownGivesAnHonestPage(t *testing.T) {
	var logged bytes.Buffer
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	w.actor = ada
	tk := w.open(ada, "s")
	at, link := "/tickets/"+string(tk.Number), w.link(tk, everyScope)
	w.store.down.Store(true)
	answers := map[string]func() (int, string){
		"list":   func() (int, string) { r := w.get("/tickets"); return r.Code, r.Body.String() },
		"ticket": func() (int, string) { r := w.get(at); return r.Code, r.Body.String() },
		"link":   func() (int, string) { r := w.get(link); return r.Code, r.Body.String() },
		"find": func() (int, string) {
			r := w.send("/find", url.Values{"number": {string(tk.Number)}, "email": {"a@b.c"}})
			return r.Code, r.Body.String()
		},
	}
	for name, ask := range answers {
		code, body := ask()
		assert.Equal(t, http.StatusServiceUnavailable, code, name)
		assert.Contains(t, body, "We cannot answer at the moment", name)
		for _, inside := range []string{"dial", "db.internal", "5432", "refused", "panic", ".go:"} {
			assert.NotContains(t, body, inside, name)
		}
	}
	r := w.send("/", url.Values{"subject": {"s"}, "message": {"These words."}, "key": {"k"}}, upload{"f.txt", "text/plain", "abc"})
	assert.Equal(t, http.StatusServiceUnavailable, r.Code)
	assert.NotContains(t, r.Body.String(), "db.internal")
	kept := valuesOf(r.Body.String(), nil)
	assert.Equal(t, "These words.", kept.Get("message"))
	assert.Contains(t, logged.String(), "db.internal")
	assert.NotContains(t, logged.String(), "ada@example.org")
	assert.Equal(t, http.StatusOK, w.get("/").Code, "the form itself needs no store")
	w.store.down.Store(false)
	assert.Contains(t, w.follow("/", w.send("/", kept)).Body.String(), sumOf("abc"), "the same form can be sent again")
	assert.Len(t, w.tickets(), 2)
}

func TestATemplateThatFailsOnOneTicketLosesNothing(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Templates = fstest.MapFS{"customer_ticket.html": {Data: []byte(`{{define "main"}}begun{{if eq .Data.View.Subject "bad"}}{{index .Data.View.Messages 99}}{{end}}{{end}}`)}}
	})
	w.actor = ada
	good, bad := w.open(ada, "good"), w.open(ada, "bad")
	assert.Equal(t, http.StatusOK, w.get("/tickets/"+string(good.Number)).Code)
	r := w.get("/tickets/" + string(bad.Number))
	assert.Equal(t, http.StatusInternalServerError, r.Code)
	assert.NotContains(t, r.Body.String(), "begun")
	assert.NotContains(t, r.Body.String(), "index")
	assert.Equal(t, http.StatusSeeOther, w.send("/tickets/"+string(bad.Number), url.Values{"action": {"reply"}, "message": {"Still works."}}).Code)
}

func TestNewCustomerRefusesWhatCannotWork(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	for says, cfg := range map[string]CustomerConfig{
		"MaxUpload": {MaxUpload: -1}, "Key": {Key: []byte("short")}, "Fields[0].Name": {Fields: []Field{{Name: "a b", Label: "x"}}},
		"Fields[1].Name is used": {Fields: []Field{{Name: "a", Label: "x"}, {Name: "a", Label: "x"}}}, "Label is missing": {Fields: []Field{{Name: "a"}}},
		"Options are missing": {Fields: []Field{{Name: "a", Label: "x", Type: "choice"}}}, "Options are for": {Fields: []Field{{Name: "a", Label: "x", Options: []Option{{Value: "v"}}}}},
		"Type is none": {Fields: []Field{{Name: "a", Label: "x", Type: "color"}}}, "System": {System: strings.Repeat("x", 300)},
		"customer_sent.html": {Look: Look{Templates: fstest.MapFS{"customer_sent.html": {Data: []byte(`{{define "main"}}{{.Data.Nope}}{{end}}`)}}}},
	} {
		_, err := NewCustomer(desk, cfg)
		require.ErrorContains(t, err, says)
	}
	_, err := NewCustomer(desk, CustomerConfig{})
	require.NoError(t, err, "the zero configuration works")
}

// A crawl finds no dead link and no redirect that loses the prefix, wherever the pages are mounted.
func TestACrawlFindsNoDeadLink(t *testing.T) {
	for _, prefix := range []string{"/", "/help/", "/a/b/"} {
		for _, strip := range []bool{false, true} {
			t.Run(fmt.Sprint(prefix, strip), func(t *testing.T) {
				w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.Organisation = true })
				w.actor = ada
				file, err := w.desk.Attach(t.Context(), ada, "f.png", "image/png", strings.NewReader("\x89PNG\r\n\x1a\n"))
				require.NoError(t, err)
				tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Attachments: []ticket.Attachment{file}})
				require.NoError(t, err)
				for range 30 {
					w.open(ada, "more")
				}
				for range 110 {
					w.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
				}
				var h http.Handler = w.pages
				if strip {
					h = http.StripPrefix(strings.TrimSuffix(prefix, "/"), h)
				}
				h = on(prefix, h)
				body, mediaType := parts(t, url.Values{"subject": {"s"}, "message": {"m"}}, upload{"f.txt", "text/plain", "abc"})
				sent := post(h, prefix, mediaType, body)
				require.Equal(t, http.StatusSeeOther, sent.Code)
				link := prefix + w.link(tk, everyScope)[1:]
				crawl(t, h, prefix, prefix+"sent"+strings.TrimPrefix(sent.Header().Get("Location"), "sent"), prefix+"find", link, prefix+"nothing/at/all")
			})
		}
	}
}

var addresses = regexp.MustCompile(`(?:href|src|action|data-known)="([^"]*)"`)

func crawl(t *testing.T, h http.Handler, prefix string, start ...string) {
	t.Helper()
	type place struct{ from, to string }
	seen, todo := map[string]bool{}, []place{{"", prefix}}
	for _, s := range start {
		todo = append(todo, place{"", s})
	}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if seen[at.to] {
			continue
		}
		seen[at.to] = true
		require.True(t, strings.HasPrefix(at.to, prefix), "%s leads out to %s", at.from, at.to)
		require.Less(t, len(seen), 500)
		r := get(h, at.to)
		switch {
		case r.Code == http.StatusMethodNotAllowed: // the action of a form
			assert.Contains(t, r.Header().Get("Allow"), "POST", at.to)
			continue
		case strings.Contains(at.to, "nothing"):
			assert.Equal(t, http.StatusNotFound, r.Code, at.to)
		default:
			require.Equal(t, http.StatusOK, r.Code, "%s leads to %s", at.from, at.to)
		}
		if !strings.HasPrefix(r.Header().Get("Content-Type"), "text/html") {
			continue
		}
		base, err := url.Parse("http://example.com" + at.to)
		require.NoError(t, err)
		for _, m := range addresses.FindAllStringSubmatch(r.Body.String(), -1) {
			address := html.UnescapeString(m[1])
			to, err := base.Parse(address)
			require.NoError(t, err)
			to.Fragment = ""
			require.Equal(t, "example.com", to.Host, address)
			todo = append(todo, place{at.to, to.RequestURI()})
		}
	}
	assert.Greater(t, len(seen), 30)
}

// brokenFiles is a file store whose disk is full.
type brokenFiles struct{ ticket.FileStore }

func (brokenFiles) Put(context.Context, string, io.Reader) (ticket.File, error) {
	return ticket.File{}, errors.New("write /var/lib/desk: no space left on device")
}

func TestAFileStoreThatIsFullKeepsTheWords(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) { cfg.Files = brokenFiles{cfg.Files} })
	r := w.send("/", typed(nil), upload{"f.txt", "text/plain", "abc"})
	assert.Equal(t, http.StatusServiceUnavailable, r.Code)
	assert.Contains(t, r.Body.String(), "The file f.txt cannot be stored at the moment.")
	assert.NotContains(t, r.Body.String(), "/var/lib")
	assert.Equal(t, "It prints blank pages.", valuesOf(r.Body.String(), nil).Get("message"))
	assert.Empty(t, w.tickets())
}

type closedShop struct{ ticket.DefaultPolicy }

func (closedShop) MayDo(_ ticket.Actor, _ ticket.Ticket, a ticket.ActionName) error {
	if a == ticket.ActionOpen {
		return errors.New("the contract has ended")
	}
	return nil
}

func TestAPolicyThatRefusesKeepsTheWords(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) { cfg.Policy = closedShop{} })
	w.actor = ada
	r := w.send("/", typed(nil))
	assert.Equal(t, http.StatusForbidden, r.Code)
	assert.Contains(t, r.Body.String(), "You may not do this.")
	assert.NotContains(t, r.Body.String(), "contract")
	assert.Equal(t, "It prints blank pages.", valuesOf(r.Body.String(), nil).Get("message"))
}

func TestTheApplicationsLayoutTextsAndLanguages(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Templates = fstest.MapFS{"layout.html": {Data: []byte(`<!doctype html><html lang="{{.Lang}}"><title>{{block "title" .}}{{end}}</title>{{block "head" .}}{{end}}<body id="own">{{template "body" .}}</body></html>`)}}
		c.Fields = []Field{{Name: "order", Label: "Order", Hint: "On the note."}}
		c.Texts = map[string]map[string]string{
			"en": {"form.title": "Ask us anything"},
			"fr": {"language.name": "Français", "form.title": "Comment pouvons-nous aider ?", "field.order": "Commande"},
		}
	})
	body := w.get("/").Body.String()
	assert.Contains(t, body, `<body id="own">`)
	assert.Contains(t, body, "Ask us anything")
	assert.Contains(t, body, `lang="fr" hreflang="fr">Français</a>`)
	body = w.get("/", header("Accept-Language", "fr-CA")).Body.String()
	assert.Contains(t, body, "Comment pouvons-nous aider ?")
	assert.Contains(t, body, "Commande")
	assert.Contains(t, body, "On the note.")
	assert.Contains(t, body, "What happened?", "what is missing is English")
}
