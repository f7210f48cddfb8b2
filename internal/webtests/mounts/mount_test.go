package mounts

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/webtests/testdesk"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/web"
)

// The handlers work below any path of the routers that many applications have. docs/web.md
// shows the same lines.
func TestMountingIntoRouters(t *testing.T) {
	desk := testdesk.New(t)
	_, err := desk.Open(t.Context(), ticket.Requester(testdesk.Ada), ticket.Draft{Subject: "Printer prints blank pages"})
	require.NoError(t, err)
	gin.SetMode(gin.ReleaseMode)
	for name, mount := range map[string]func(at map[string]http.Handler) http.Handler{
		"net/http": func(at map[string]http.Handler) http.Handler {
			mux := http.NewServeMux()
			for path, h := range at {
				mux.Handle(path+"/", h)
			}
			return mux
		},
		"net/http with StripPrefix": func(at map[string]http.Handler) http.Handler {
			mux := http.NewServeMux()
			for path, h := range at {
				mux.Handle(path+"/", http.StripPrefix(path, h))
			}
			return mux
		},
		"chi": func(at map[string]http.Handler) http.Handler {
			r := chi.NewRouter()
			for path, h := range at {
				r.Mount(path, http.StripPrefix(path, h))
			}
			return r
		},
		"chi, which tells its pattern": func(at map[string]http.Handler) http.Handler {
			r := chi.NewRouter()
			for path, h := range at {
				r.Mount(path, h)
			}
			return r
		},
		"gin": func(at map[string]http.Handler) http.Handler {
			r := gin.New()
			for path, h := range at {
				r.Any(path+"/*path", gin.WrapH(http.StripPrefix(path, h)))
			}
			return r
		},
		"echo": func(at map[string]http.Handler) http.Handler {
			e := echo.New()
			for path, h := range at {
				e.Any(path+"/*", echo.WrapHandler(http.StripPrefix(path, h)))
			}
			return e
		},
	} {
		t.Run(name, func(t *testing.T) { requestAll(t, mount(handlers(t, desk, false))) })
	}
	// Routers that tell the handler nothing, and Prefix in place of StripPrefix.
	for name, mount := range map[string]func(at map[string]http.Handler) http.Handler{
		"chi": func(at map[string]http.Handler) http.Handler {
			r := chi.NewRouter()
			for path, h := range at {
				r.Handle(path+"/*", h)
			}
			return r
		},
		"gin": func(at map[string]http.Handler) http.Handler {
			r := gin.New()
			for path, h := range at {
				r.Any(path+"/*path", gin.WrapH(h))
			}
			return r
		},
		"echo": func(at map[string]http.Handler) http.Handler {
			e := echo.New()
			for path, h := range at {
				e.Any(path+"/*", echo.WrapHandler(h))
			}
			return e
		},
	} {
		t.Run(name+" with Prefix", func(t *testing.T) { requestAll(t, mount(handlers(t, desk, true))) })
	}
}

// handlers returns all handlers by the path that they are mounted at.
func handlers(t *testing.T, desk *ticket.Desk, told bool) map[string]http.Handler {
	t.Helper()
	prefix := func(path string) string {
		if told {
			return path
		}
		return ""
	}
	customers, err := web.NewCustomer(desk, web.CustomerConfig{
		Look: web.Look{Prefix: prefix("/help")}, Actor: func(*http.Request) (ticket.Actor, error) { return ticket.Requester(testdesk.Ada), nil },
	})
	require.NoError(t, err)
	console, err := web.NewConsole(desk, web.ConsoleConfig{Look: web.Look{Prefix: prefix("/staff/desk")}, Actor: testdesk.ActorOf})
	require.NoError(t, err)
	api, err := rest.New(desk, rest.Config{Prefix: prefix("/api"), Actor: testdesk.ActorOf})
	require.NoError(t, err)
	return map[string]http.Handler{"/help": customers, "/staff/desk": console, "/api": api}
}

var hrefs = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// requestAll requests a page of each kind with all that it links, and the list of the
// interface. A form of the customer's pages leads to the page of its ticket.
func requestAll(t *testing.T, h http.Handler) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	do := func(method, address string, form url.Values) (page string, at *url.URL) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode, "%s: %s", address, body)
		return string(body), answer.Request.URL
	}
	for _, path := range []string{"/help/tickets", "/staff/desk/"} {
		page, at := do(http.MethodGet, server.URL+path, nil)
		require.Contains(t, page, "Printer prints blank pages")
		for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if strings.HasPrefix(to, "#") {
				continue
			}
			address, err := at.Parse(to)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(address.Path, path[:strings.LastIndex(path, "/")+1]), "%s leads out", to)
			do(http.MethodGet, address.String(), nil)
		}
	}
	form, at := do(http.MethodGet, server.URL+"/help/", nil)
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(form)
	require.NotNil(t, key)
	action := regexp.MustCompile(`<form[^>]* method="post" action="([^"]*)"`).FindStringSubmatch(form)
	require.NotNil(t, action)
	to, err := at.Parse(action[1])
	require.NoError(t, err)
	page, at := do(http.MethodPost, to.String(), url.Values{"key": {key[1]}, "subject": {"Monitor flickers"}, "message": {"Since today."}})
	require.Regexp(t, `^/help/`, at.Path)
	require.NotEqual(t, "/help/", at.Path, "the confirmation is a page of its own")
	require.Regexp(t, `[0-9A-Z]{4}-[0-9A-Z]{4}-.`, page, "with the number")
	list, _ := do(http.MethodGet, server.URL+"/api/tickets", nil)
	require.Contains(t, list, "Monitor flickers")
	do(http.MethodGet, server.URL+"/api/openapi.json", nil)
}
