package web

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// A page is one request.
type page struct {
	s     *site
	w     http.ResponseWriter
	r     *http.Request
	rest  string // the escaped path below the mount point
	vars  map[string]string
	frame any
	data  any // of the page that is rendered

	actor ticket.Actor
	lang  string
	zone  *time.Location
	now   time.Time

	example bool  // there is no request: a fixture
	hidden  bool  // the address is a secret
	own     bool  // the request is not a form of another site
	sent    *form // what a POST brought so far
	begun   bool  // the answer

	colleagues func() []ticket.Person // the agents that the application lists
}

func (s *site) newPage(w http.ResponseWriter, r *http.Request, rest string) *page {
	p := &page{s: s, w: w, r: r, rest: rest, now: s.look.Now()}
	p.colleagues = sync.OnceValue(p.listAgents)
	p.settle()
	return p
}

// settle chooses the language and the zone.
func (p *page) settle() {
	p.lang = p.s.texts.choose(p.r, p.actor.Person.Locale, p.s.look.Language)
	p.zone = zoneOf(p.r, p.actor.Person.Zone, p.s.look.Zone)
}

func (p *page) ctx() context.Context { return p.r.Context() }

// arg returns a variable of the path.
func (p *page) arg(name string) string { return p.vars[name] }

// query returns a parameter of the address.
func (p *page) query(name string) string { return p.r.URL.Query().Get(name) }

// headers sets the headers of every response.
func (p *page) headers() {
	h := p.w.Header()
	h.Set("Content-Security-Policy", p.s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if len(p.s.look.FrameAncestors) == 0 {
		h.Set("X-Frame-Options", "DENY")
	}
	if p.isLink() {
		p.secret()
	}
	if want := p.r.URL.Query().Get("lang"); want != "" && p.s.texts[want] != nil {
		http.SetCookie(p.w, &http.Cookie{ //nolint:gosec // it has a language, and no secret
			Name: languageCookie, Value: want, Path: "/", MaxAge: 365 * 24 * 60 * 60,
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.r.TLS != nil,
		})
	}
}

// link returns a relative address: of a path below the mount point, which is escaped, and
// further segments, which it escapes.
func (p *page) link(path string, segments ...string) string {
	var b strings.Builder
	for range strings.Count(p.rest, "/") {
		b.WriteString("../")
	}
	up := b.Len()
	b.WriteString(path)
	for _, s := range segments {
		if b.Len() > up {
			b.WriteByte('/')
		}
		b.WriteString(url.PathEscape(s))
	}
	return relative(b.String())
}

// relative returns a path as a relative address, which never begins with a scheme.
func relative(path string) string {
	if first, _, _ := strings.Cut(path, "/"); path == "" || strings.Contains(first, ":") {
		return "./" + path
	}
	return path
}

// redirect sends the browser to another page of the handler, with a GET.
func (p *page) redirect(path string, query url.Values) error {
	p.location(http.StatusSeeOther, p.link(path), query.Encode())
	return nil
}

// location answers with a redirect. http.Redirect would make the address absolute, from a
// path without the prefix.
func (p *page) location(status int, address, query string) {
	if query != "" {
		address += "?" + query
	}
	p.w.Header().Set("Location", address)
	p.begun = true
	p.w.WriteHeader(status)
}

// A view is what a template gets.
type view struct {
	*page
	Data any
}

// With returns the view for a part of a page.
func (v view) With(data any) view { return view{v.page, data} }

// execute returns a page.
func (p *page) execute(name string, data any) ([]byte, error) {
	t, ok := p.s.templates.pages[name]
	if !ok {
		return nil, errors.New("web: there is no template " + name)
	}
	var b bytes.Buffer
	p.data = data
	if err := t.ExecuteTemplate(&b, "layout.html", view{p, data}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// render sends a page. Nothing is sent if the template fails.
func (p *page) render(status int, name string, data any) error {
	body, err := p.execute(name, data)
	if err != nil {
		return &fault{status: http.StatusInternalServerError, key: "internal", err: err}
	}
	p.send(status, body)
	return nil
}

// renderPart sends one block of a page, for the script.
func (p *page) renderPart(name, block string, data any) error {
	var b bytes.Buffer
	t, ok := p.s.templates.pages[name]
	if !ok {
		return errors.New("web: there is no template " + name)
	}
	if err := t.ExecuteTemplate(&b, block, view{p, data}); err != nil {
		return &fault{status: http.StatusInternalServerError, key: "internal", err: err}
	}
	p.send(http.StatusOK, b.Bytes())
	return nil
}

func (p *page) send(status int, body []byte) {
	h := p.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.lang)
	p.begun = true
	p.w.WriteHeader(status)
	if p.r.Method == http.MethodHead {
		return
	}
	to := hasty{p.w, http.NewResponseController(p.w), p.s.patience}
	for part := range slices.Chunk(body, 32<<10) {
		if _, err := to.Write(part); err != nil {
			return // the client is gone
		}
	}
}

// The rest are the functions of templates.

// T returns a text in the language of the page. The values replace its placeholders: name,
// value, and so on. If one of them is HTML, the text is too.
func (p *page) T(key string, values ...any) (any, error) { return p.s.texts.text(p.lang, key, values) }

// N returns the text for a number: that of key.one or of key.other.
func (p *page) N(key string, n int, values ...any) (any, error) {
	form := ".other"
	if n == 1 {
		form = ".one"
	}
	return p.T(key+form, append([]any{"n", n}, values...)...)
}

// Has reports whether there is a text.
func (p *page) Has(key string) bool { return p.s.texts.has(p.lang, key) }

// Link returns the relative address of a page: a path below the mount point, which is
// escaped, and further segments, which it escapes. Without arguments it is the first page.
func (p *page) Link(segments ...any) string {
	if len(segments) == 0 {
		return p.link("")
	}
	list := make([]string, len(segments))
	for i, s := range segments {
		list[i] = plain(s)
	}
	return p.link(list[0], list[1:]...)
}

// Asset returns the address of "style", "script" or "icon".
func (p *page) Asset(name string) string { return p.link(assetsPath + p.s.assets.name(name)) }

// Lang returns the language of the page, a BCP 47 tag.
func (p *page) Lang() string { return p.lang }

// Languages lists the languages of the site.
func (p *page) Languages() []language {
	var list []language
	for _, code := range p.s.texts.languages() {
		q := p.r.URL.Query()
		q.Set("lang", code)
		list = append(list, language{Code: code, Name: p.s.texts.name(code), Current: code == p.lang, Link: p.link(p.rest) + "?" + q.Encode()})
	}
	return list
}

// A language is one that the reader can choose.
type language struct {
	Code, Name, Link string
	Current          bool
}

// Title returns the name of the site.
func (p *page) Title() (any, error) {
	if p.s.look.Title != "" {
		return p.s.look.Title, nil
	}
	return p.T("site." + p.s.kind)
}

// Logo, Home and SignIn return the addresses that the configuration has.
func (p *page) Logo() string { return p.s.look.Logo }

// Home returns the address that the title leads to.
func (p *page) Home() string {
	if p.s.look.Home != "" {
		return p.s.look.Home
	}
	return p.link("")
}

// SignIn returns the address of the page where people sign in, or nothing.
func (p *page) SignIn() string {
	return strings.ReplaceAll(p.s.look.SignIn, "{page}", url.QueryEscape(p.from()))
}

// from returns the path and the query of the request as the client sent it, and nothing for a
// page whose address is a secret.
func (p *page) from() string {
	u, err := url.ParseRequestURI(p.r.RequestURI)
	if err != nil || u.Opaque != "" || p.hidden {
		return ""
	}
	if u.Scheme, u.Host, u.User = "", "", nil; strings.HasPrefix(u.EscapedPath(), "//") {
		return "" // it would be another host
	}
	return u.RequestURI()
}

// isLink reports whether the page is the one behind a status link. Like the routes, it reads
// "%74/" as "t/".
func (p *page) isLink() bool {
	first, _, found := strings.Cut(p.rest, "/")
	first, err := url.PathUnescape(first)
	return found && err == nil && first == "t" && p.s.kind == "customer"
}

// Frame returns the data of the frame around the page.
func (p *page) Frame() any { return p.frame }

// Actor returns the person who looks at the page.
func (p *page) Actor() ticket.Actor { return p.actor }

// SignedIn reports whether there is one.
func (p *page) SignedIn() bool { return p.actor.Role != 0 }

// Words returns a text of several paragraphs: an empty line ends one, and line breaks stay.
func (p *page) Words(text any) template.HTML { return words(plain(text)) }
