package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	actor := as(ticket.Agent("lin", 1))
	for name, c := range map[string]struct {
		cfg  ConsoleConfig
		says string
	}{
		"no actor":         {ConsoleConfig{}, "ConsoleConfig.Actor"},
		"unknown language": {ConsoleConfig{Actor: actor, Look: Look{Language: "xx"}}, "Look.Language"},
		"unknown text":     {ConsoleConfig{Actor: actor, Look: Look{Texts: map[string]map[string]string{"en": {"no.such": "x"}}}}, "no.such"},
		"placeholder":      {ConsoleConfig{Actor: actor, Look: Look{Texts: map[string]map[string]string{"en": {"time.in": "{who}"}}}}, "{who}"},
		"origin":           {ConsoleConfig{Actor: actor, Look: Look{TrustedOrigins: []string{"shop.example.org"}}}, "TrustedOrigins"},
		"ancestor":         {ConsoleConfig{Actor: actor, Look: Look{FrameAncestors: []string{"'self'; script-src *"}}}, "FrameAncestors"},
		"unknown template": {ConsoleConfig{Actor: actor, Look: Look{Templates: fstest.MapFS{"foo.html": {Data: []byte("x")}}}}, "foo.html"},
		"broken template":  {ConsoleConfig{Actor: actor, Look: Look{Templates: fstest.MapFS{"console_queue.html": {Data: []byte("{{")}}}}, "console_queue.html"},
		"failing template": {ConsoleConfig{Actor: actor, Look: Look{Templates: fstest.MapFS{"error.html": {Data: []byte(`{{define "main"}}{{.Data.Nothing}}{{end}}`)}}}}, "error.html"},
		"text of template": {ConsoleConfig{Actor: actor, Look: Look{Templates: fstest.MapFS{"error.html": {Data: []byte(`{{define "main"}}{{.T "no.such"}}{{end}}`)}}}}, "no.such"},
	} {
		_, err := NewConsole(desk, c.cfg)
		require.ErrorContains(t, err, c.says, name)
	}
	_, err := NewConsole(nil, ConsoleConfig{Actor: actor})
	require.ErrorContains(t, err, "desk")
}

func TestEveryTextIsInBothLanguagesAndUsed(t *testing.T) {
	x, err := loadTexts(nil, nil)
	require.NoError(t, err)
	var source strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			data, err := os.ReadFile(f)
			require.NoError(t, err)
			source.Write(data)
		}
	}
	used := source.String()
	for key, text := range x["en"] {
		german, ok := x["de"][key]
		require.True(t, ok, "%s is not in German", key)
		assert.ElementsMatch(t, placeholders(text), placeholders(german), key)
		found := strings.Contains(used, `"`+key+`"`)
		for i := range key { // a key may be put together: "error." + name
			found = found || key[i] == '.' && strings.Contains(used, `"`+key[:i+1]+`"`)
		}
		if base, ok := strings.CutSuffix(key, ".one"); ok {
			found = found || strings.Contains(used, `"`+base+`"`)
		}
		if base, ok := strings.CutSuffix(key, ".other"); ok {
			found = found || strings.Contains(used, `"`+base+`"`)
		}
		assert.True(t, found, "%s is not used", key)
	}
	assert.Len(t, x["de"], len(x["en"]), "German has texts that English lacks")
}

func TestHeadersOfAPage(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	w := get(c, "/tickets")
	require.Equal(t, http.StatusOK, w.Code)
	csp := w.Header().Get("Content-Security-Policy")
	assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", csp)
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))

	c = newConsole(t, newDesk(t, ticket.Config{}), func(cfg *ConsoleConfig) {
		cfg.FrameAncestors = []string{"https://intranet.example.org"}
		cfg.Logo = "https://cdn.example.org/logo.png"
	})
	w = get(c, "/tickets")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors https://intranet.example.org")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "img-src 'self' https://cdn.example.org;")
	assert.Empty(t, w.Header().Get("X-Frame-Options"))
}

func TestAssetsAreHashedSmallAndImmutable(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), func(cfg *ConsoleConfig) { cfg.Style = ":root { --accent: red; }" })
	page := get(c, "/tickets").Body.String()
	for kind, most := range map[string]int{"css": 30_000, "js": 10_000, "svg": 1_000} {
		name := regexp.MustCompile(`assets/desk-[0-9a-f]{16}\.` + kind).FindString(page)
		require.NotEmpty(t, name)
		w := get(c, "/"+name)
		require.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, "public, max-age=31536000, immutable", w.Header().Get("Cache-Control"))
		assert.Less(t, w.Body.Len(), most, "the %s is too large", kind)
		assert.Contains(t, w.Header().Get("Content-Type"), map[string]string{"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[kind])
		if kind == "css" {
			assert.Contains(t, w.Body.String(), "--accent: red")
		}
	}
	assert.Equal(t, http.StatusNotFound, get(c, "/assets/desk-0000000000000000.css").Code)
}

// What a browser loads before anything is shown: the page and all it names.
func TestTheFirstViewIsSmall(t *testing.T) {
	b := newBench(t, nil)
	var last ticket.Ticket
	for i := range 60 {
		last = b.open(fmt.Sprintf("A subject of usual length, number %d", i))
	}
	customer, err := NewCustomer(b.desk, CustomerConfig{Look: testLook()})
	require.NoError(t, err)
	for name, v := range map[string]struct {
		handler http.Handler
		path    string
	}{"the form": {customer, "/"}, "a queue": {b, "/tickets?view=open"}, "a ticket": {b, "/tickets/" + string(last.Number)}} {
		w := get(v.handler, v.path)
		require.Equal(t, http.StatusOK, w.Code, name)
		size := w.Body.Len()
		assets := regexp.MustCompile(`assets/desk-[0-9a-f]{16}\.[a-z]+`).FindAllString(w.Body.String(), -1)
		require.Len(t, assets, 3, name)
		for _, a := range assets {
			size += get(v.handler, "/"+a).Body.Len()
		}
		t.Logf("%s: %d bytes, of which the page has %d", name, size, w.Body.Len())
		assert.Less(t, size, 100_000, name)
	}
	logo := newConsole(t, b.desk, func(cfg *ConsoleConfig) { cfg.Logo = "/logo.png" })
	assert.Contains(t, get(logo, "/tickets").Body.String(), `<link rel="icon" href="/logo.png">`)
}

func TestErrorsArePages(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	c := newConsole(t, desk, nil)
	for _, address := range []string{"/nothing", "/tickets/", "//tickets", "/tickets%2F", "/%2e%2e/tickets"} {
		w := get(c, address)
		assert.Equal(t, http.StatusNotFound, w.Code, address)
		assert.Contains(t, w.Body.String(), "Nothing is here", address)
	}
	w := post(c, "/tickets", flat, strings.NewReader(""))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))

	c = newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Actor = func(*http.Request) (ticket.Actor, error) { return ticket.Actor{}, errors.New("secret of the host") }
	})
	w = get(c, "/tickets")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotContains(t, w.Body.String(), "secret")

	c = newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Actor = as(ticket.Actor{}); cfg.SignIn = "/login" })
	w = get(c, "/tickets")
	assert.Equal(t, http.StatusForbidden, w.Code)
	assert.Contains(t, w.Body.String(), `href="/login"`)
	for address, want := range map[string]string{
		"/tickets?view=mine&q=a+b":    "%2Ftickets%3Fview%3Dmine%26q%3Da%2Bb",
		"http://x.example/tickets?q=": "%2Ftickets%3Fq%3D",
	} {
		c = newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Actor = as(ticket.Actor{}); cfg.SignIn = "/login?next={page}" })
		assert.Contains(t, get(c, address).Body.String(), `href="/login?next=`+want+`"`, address)
	}

	c = newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Actor = func(*http.Request) (ticket.Actor, error) { panic("a bug of the host") }
	})
	w = get(c, "/tickets")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotContains(t, w.Body.String(), "bug of the host")
}

// A template may pass its examples and fail on one page.
func TestATemplateThatFailsOnOnePageGivesAnErrorPage(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: "ada"}), ticket.Draft{Subject: "boom", Message: "m"})
	require.NoError(t, err)
	c := newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Templates = fstest.MapFS{"console_queue.html": {Data: []byte(
			`{{define "main"}}begun {{range .Data.Tickets}}{{if eq .Subject "boom"}}{{.Nothing}}{{end}}{{end}}{{end}}`)}}
	})
	w := get(c, "/tickets")
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	assert.Contains(t, w.Body.String(), "This page is broken")
	assert.NotContains(t, w.Body.String(), "begun")
	assert.NotContains(t, w.Body.String(), "Nothing")
}

func TestFormsOfOtherOriginsAreRefused(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	s := formSite(t, desk, nil)
	for name, c := range map[string]struct {
		header, value string
		want          int
	}{
		"no header":      {"X-None", "x", http.StatusSeeOther},
		"same origin":    {"Sec-Fetch-Site", "same-origin", http.StatusSeeOther},
		"cross-site":     {"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		"another origin": {"Origin", "https://evil.example", http.StatusForbidden},
		"trusted origin": {"Origin", "https://shop.example.org", http.StatusSeeOther},
	} {
		w := post(s, "/form", flat, strings.NewReader("a=b"), header(c.header, c.value))
		assert.Equal(t, c.want, w.Code, name)
	}
}

// formSite is a site with one form, which tells what it read.
func formSite(t *testing.T, desk *ticket.Desk, seen func(*form)) *site {
	t.Helper()
	look := testLook()
	look.TrustedOrigins = []string{"https://shop.example.org"}
	s, err := newSite(desk, "console", look, as(ticket.Agent("lin", 1)))
	require.NoError(t, err)
	s.post("form", func(p *page) error {
		f, err := p.readForm(formOptions{})
		if err != nil {
			return err
		}
		if _, err := f.one("a"); err != nil {
			return err
		}
		if seen != nil {
			seen(f)
		}
		return p.redirect("done", url.Values{"n": {"1"}})
	})
	return s
}

func TestLinksAndRedirectsWorkWhereverItIsMounted(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	for name, mount := range map[string]func(h http.Handler) (http.Handler, string){
		"root":   func(h http.Handler) (http.Handler, string) { return on("/", h), "/" },
		"prefix": func(h http.Handler) (http.Handler, string) { return on("/help/", h), "/help/" },
		"stripped": func(h http.Handler) (http.Handler, string) {
			return on("/help/", http.StripPrefix("/help", h)), "/help/"
		},
		"stripped wholly": func(h http.Handler) (http.Handler, string) {
			return on("/help/", http.StripPrefix("/help/", h)), "/help/"
		},
		"named like a page": func(h http.Handler) (http.Handler, string) { return on("/tickets/", h), "/tickets/" },
		"stripped, named like a page": func(h http.Handler) (http.Handler, string) {
			return on("/tickets/", http.StripPrefix("/tickets", h)), "/tickets/"
		},
		"below what is stripped": func(h http.Handler) (http.Handler, string) {
			return on("/x/", http.StripPrefix("/x", on("/tickets/", h))), "/x/tickets/"
		},
		"deep":       func(h http.Handler) (http.Handler, string) { return on("/a/b/", h), "/a/b/" },
		"variable":   func(h http.Handler) (http.Handler, string) { return on("/{shop}/desk/", h), "/north%2F1/desk/" },
		"rest":       func(h http.Handler) (http.Handler, string) { return on("/help/{rest...}", h), "/help/" },
		"no pattern": func(h http.Handler) (http.Handler, string) { return h, "/help/" },
	} {
		c := newConsole(t, desk, func(cfg *ConsoleConfig) {
			if name == "no pattern" {
				cfg.Prefix = "/help/"
			}
		})
		h, at := mount(c)
		w := get(h, at)
		require.Equal(t, http.StatusSeeOther, w.Code, name)
		assert.Equal(t, "tickets", w.Header().Get("Location"), name)
		w = get(h, at+"tickets")
		require.Equal(t, http.StatusOK, w.Code, name)
		style := between(w.Body.String(), `rel="stylesheet" href="`, `"`)
		base, err := url.Parse("http://example.com" + at + "tickets")
		require.NoError(t, err)
		ref, err := base.Parse(style)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, get(h, ref.RequestURI()).Code, "%s: %s", name, ref)
		assert.Equal(t, http.StatusNotFound, get(h, at+"x/y/z").Code, name)
	}
}

func on(pattern string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	return mux
}

// A router may pass the mount point itself without a slash at its end.
func TestTheMountPointGetsItsSlash(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	w := get(http.StripPrefix("/help", c), "/help?lang=de")
	assert.Equal(t, http.StatusPermanentRedirect, w.Code)
	assert.Equal(t, "help/?lang=de", w.Header().Get("Location"))
}

func TestRelativeLinks(t *testing.T) {
	for _, c := range []struct{ rest, to, want string }{
		{"", "", "./"},
		{"", "tickets", "tickets"},
		{"tickets", "", "./"},
		{"tickets/7", "tickets", "../tickets"},
		{"tickets/7", "", "../"},
		{"t/x/files/y", "find", "../../../find"},
		{"tickets/a%2Fb", "find", "../find"},
		{"", "javascript:alert(1)", "./javascript:alert(1)"},
	} {
		p := &page{rest: c.rest}
		assert.Equal(t, c.want, p.link(c.to), "from %q", c.rest)
	}
	p := &page{rest: "tickets/7"}
	assert.Equal(t, "../tickets/2026%2F17%3F/files", p.link("tickets", "2026/17?", "files"))
}

func TestTheLanguageIsTheReaders(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	german := func(address string, change ...func(*http.Request)) bool {
		return strings.Contains(get(c, address, change...).Body.String(), `<html lang="de">`)
	}
	assert.False(t, german("/tickets"))
	assert.True(t, german("/tickets?lang=de"))
	assert.True(t, german("/tickets", header("Cookie", languageCookie+"=de")))
	assert.True(t, german("/tickets", header("Accept-Language", "fr, de-AT;q=0.8, en;q=0.5")))
	assert.False(t, german("/tickets", header("Accept-Language", "fr, de-AT;q=0.4, en;q=0.5")))
	assert.False(t, german("/tickets?lang=en", header("Accept-Language", "de")))
	w := get(c, "/tickets?lang=de")
	assert.Contains(t, w.Header().Get("Set-Cookie"), languageCookie+"=de")
	assert.Empty(t, get(c, "/tickets?lang=xx").Header().Get("Set-Cookie"))
	c = newConsole(t, newDesk(t, ticket.Config{}), func(cfg *ConsoleConfig) {
		cfg.Actor = as(ticket.Actor{Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin", Locale: "de-CH"}})
	})
	assert.True(t, german("/tickets", header("Accept-Language", "en")))
}
