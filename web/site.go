package web

// How to add a page:
//
//  1. Route: in the function that makes the handler, s.get("tickets/{number}", c.ticket) or
//     s.post(…). A path has no slash at its ends; {name} is one segment, read by p.arg("name").
//     Routes are matched in no order: two routes must not match the same path.
//  2. Handler: func (c *Console) ticket(p *page) error. It reads p.actor, p.r, p.arg and
//     p.query, calls the desk, and ends with p.render(status, "console_ticket.html", data) or,
//     after a POST, with p.redirect("tickets/…", query), which is a 303. It returns the desk's errors
//     as they are: fail turns them into pages. p.readForm reads a POST.
//  3. Template: templates/console_ticket.html defines "title" and "main". Its dot is a view:
//     .Data is the data, and the methods of view and page are the functions: {{.T "key"
//     "name" value}}, {{.Link "tickets" .Data.Number}}, {{.When .Data.At}}. Within range and
//     with, write $.T. Parts of several pages are in templates/base_*.html or in
//     templates/console_frame.html; call them by {{template "part" ($.With value)}}.
//  4. Texts: texts/console.en.json and texts/console.de.json, with {name} for placeholders.
//     .Frame may be nil: an error page is shown before the frame is known.
//  5. Fixture: s.fixture("console_ticket.html", data…) beside the route. A replaced template is
//     executed on each when the handler is made. Have one that is full and one that is empty.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/handler"
)

// A site is what both handlers have in common.
type site struct {
	desk   *ticket.Desk
	look   Look
	kind   string // "customer" or "console": the beginning of the names of its templates
	actor  ActorFunc
	policy string
	frame  func(*page) (any, error) // what templates get as .Frame; nil means nothing

	routes    []route
	templates templates
	texts     texts
	assets    assets
	origins   *http.CrossOriginProtection
	fixtures  []fixture
	patience  time.Duration // with slow clients

	agents func(context.Context, ticket.Actor) ([]ticket.Person, error) // of the console
}

// A route is a method and a path, split at slashes.
type route struct {
	method   string
	segments []string
	handle   func(*page) error
}

type fixture struct {
	template string
	data     any
}

func newSite(desk *ticket.Desk, kind string, look Look, actor ActorFunc) (*site, error) {
	if desk == nil {
		return nil, errNoDesk
	}
	look, err := look.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &site{desk: desk, look: look, kind: kind, actor: actor, policy: look.policy(), origins: http.NewCrossOriginProtection(), patience: usualPatience}
	for _, o := range look.TrustedOrigins {
		if err := s.origins.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("web: Look.TrustedOrigins: %w", err)
		}
	}
	if s.texts, err = loadTexts(look.Texts, desk.Workflows()); err != nil {
		return nil, err
	}
	if _, ok := s.texts[look.Language]; !ok {
		return nil, fmt.Errorf("web: Look.Language: there are no texts in %q", look.Language)
	}
	if s.templates, err = loadTemplates(kind, look.Templates); err != nil {
		return nil, err
	}
	s.assets = makeAssets(look.Style)
	s.fixture("error.html", errorData{Status: 404, Key: "not_found"}, errorData{Status: 410, Key: "expired", Retry: "find"}, errorData{Status: 503, Key: "unavailable", Words: "Printer"})
	return s, nil
}

// get and post add a route.
func (s *site) get(path string, h func(*page) error)  { s.route(http.MethodGet, path, h) }
func (s *site) post(path string, h func(*page) error) { s.route(http.MethodPost, path, h) }

func (s *site) route(method, path string, h func(*page) error) {
	s.routes = append(s.routes, route{method, strings.Split(path, "/"), h})
}

// fixture adds examples of the data of a template.
func (s *site) fixture(template string, data ...any) {
	for _, d := range data {
		s.fixtures = append(s.fixtures, fixture{template, d})
	}
}

// ready executes every template on its fixtures in every language.
func (s *site) ready() error {
	seen := map[string]bool{}
	for _, f := range s.fixtures {
		seen[f.template] = true
		for _, lang := range s.texts.languages() {
			p := s.example(lang)
			if s.frame != nil {
				data, err := s.frame(p)
				if err != nil {
					return err
				}
				p.frame = data
			}
			if _, err := p.execute(f.template, f.data); err != nil {
				return fmt.Errorf("web: the template %s fails on an example (in %q): %w", f.template, lang, err)
			}
		}
	}
	for name := range s.templates.pages {
		if !seen[name] {
			return fmt.Errorf("web: the template %s has no example", name)
		}
	}
	return nil
}

// example returns a page of no request, for fixtures. Its handler must not be called.
func (s *site) example(lang string) *page {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}}
	return &page{s: s, r: r, lang: lang, zone: s.look.Zone, now: s.look.Now(), example: true}
}

// deepest is how many slashes a path has that gets a page. Each link of a page repeats "../" for
// each of them, so that one of a long path would be many times as long.
const deepest = 50

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest := handler.Below(r, s.look.Prefix)
	p := s.newPage(w, r, rest)
	p.headers()
	if strings.Count(rest, "/") > deepest {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	if rest == "" && !strings.HasSuffix(handler.Requested(r), "/") {
		// Links are relative to the directory, so there must be one.
		p.location(http.StatusPermanentRedirect, relative(path.Base(handler.Requested(r))+"/"), r.URL.RawQuery)
		return
	}
	if name, ok := strings.CutPrefix(rest, assetsPath); ok {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			if s.assets.serve(w, name) {
				return
			}
		}
	}
	if err := s.serve(p); err != nil {
		p.fail(err) //nolint:contextcheck // a page has the context of its request
	}
}

// serve calls the handler of the page. A panic is an error like any other.
func (s *site) serve(p *page) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v) //nolint:forbidigo // net/http expects it
		default:
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	to, vars, allow := handler.Find(s.routes, func(r route) (string, []string) { return r.method, r.segments }, p.r.Method, p.rest)
	switch {
	case to.handle == nil && allow != nil:
		p.w.Header().Set("Allow", strings.Join(allow, ", "))
		return &fault{status: http.StatusMethodNotAllowed, key: "method"}
	case to.handle == nil:
		return ticket.ErrNotFound
	}
	p.vars = vars
	if err := s.origins.Check(p.r); err != nil && !p.ownSecret() {
		return &fault{status: http.StatusForbidden, key: "origin", err: err}
	}
	p.own = true
	if s.actor != nil {
		if p.actor, err = s.actor(p.r); err != nil {
			return &fault{status: http.StatusServiceUnavailable, key: "unavailable", err: err}
		}
	}
	p.settle()
	if s.kind == "console" && p.actor.Role != ticket.RoleAgent && p.actor.Role != ticket.RoleSystem {
		return &fault{status: http.StatusForbidden, key: "sign_in"}
	}
	if s.frame != nil {
		if p.frame, err = s.frame(p); err != nil {
			return err
		}
	}
	return to.handle(p)
}

var errPanic = errors.New("panic")

// safely calls a function that runs code of the application, such as its store, outside a request,
// where a panic would end the program. Here it is an error.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	return f()
}

// ownSecret reports whether a form was sent to an address that is itself a secret, by a
// browser that hides the origin: it does for pages with "no-referrer" on a site without TLS.
// Who knows the address needs no other site to use it.
func (p *page) ownSecret() bool {
	return p.isLink() && p.r.Header.Get("Origin") == "null" && p.r.Header.Get("Sec-Fetch-Site") == ""
}

// log reports an error that the reader does not see.
func (s *site) log(ctx context.Context, what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.look.Logger.LogAttrs(ctx, slog.LevelError, what, slog.Any("error", err))
}
