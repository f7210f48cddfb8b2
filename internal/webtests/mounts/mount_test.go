package mounts

import (
	"io"
	"net/http"
	"net/http/httptest"
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
	for name, mount := range map[string]func(console, api http.Handler) http.Handler{
		"net/http": func(console, api http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/staff/desk/", console)
			mux.Handle("/api/", api)
			return mux
		},
		"net/http with StripPrefix": func(console, api http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/staff/desk/", http.StripPrefix("/staff/desk", console))
			mux.Handle("/api/", http.StripPrefix("/api", api))
			return mux
		},
		"chi": func(console, api http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Mount("/staff/desk", http.StripPrefix("/staff/desk", console))
			r.Mount("/api", http.StripPrefix("/api", api))
			return r
		},
		"gin": func(console, api http.Handler) http.Handler {
			r := gin.New()
			r.Any("/staff/desk/*path", gin.WrapH(http.StripPrefix("/staff/desk", console)))
			r.Any("/api/*path", gin.WrapH(http.StripPrefix("/api", api)))
			return r
		},
		"echo": func(console, api http.Handler) http.Handler {
			e := echo.New()
			e.Any("/staff/desk/*", echo.WrapHandler(http.StripPrefix("/staff/desk", console)))
			e.Any("/api/*", echo.WrapHandler(http.StripPrefix("/api", api)))
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			console, err := web.NewConsole(desk, web.ConsoleConfig{Actor: testdesk.ActorOf})
			require.NoError(t, err)
			api, err := rest.New(desk, rest.Config{Actor: testdesk.ActorOf})
			require.NoError(t, err)
			requestAll(t, mount(console, api))
		})
	}
	// Routers that tell the handler nothing, and Prefix in place of StripPrefix.
	for name, mount := range map[string]func(console, api http.Handler) http.Handler{
		"chi": func(console, api http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Handle("/staff/desk/*", console)
			r.Handle("/api/*", api)
			return r
		},
		"gin": func(console, api http.Handler) http.Handler {
			r := gin.New()
			r.Any("/staff/desk/*path", gin.WrapH(console))
			r.Any("/api/*path", gin.WrapH(api))
			return r
		},
		"echo": func(console, api http.Handler) http.Handler {
			e := echo.New()
			e.Any("/staff/desk/*", echo.WrapHandler(console))
			e.Any("/api/*", echo.WrapHandler(api))
			return e
		},
	} {
		t.Run(name+" with Prefix", func(t *testing.T) {
			console, err := web.NewConsole(desk, web.ConsoleConfig{Look: web.Look{Prefix: "/staff/desk"}, Actor: testdesk.ActorOf})
			require.NoError(t, err)
			api, err := rest.New(desk, rest.Config{Prefix: "/api", Actor: testdesk.ActorOf})
			require.NoError(t, err)
			requestAll(t, mount(console, api))
		})
	}
}

var hrefs = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// requestAll requests the queue with all that it links, and the list of the interface.
func requestAll(t *testing.T, h http.Handler) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	get := func(address string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode, "%s: %s", address, body)
		return string(body)
	}
	page := get(server.URL + "/staff/desk/")
	require.Contains(t, page, "Printer prints blank pages")
	for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
		to := strings.ReplaceAll(m[1], "&amp;", "&")
		if strings.HasPrefix(to, "#") {
			continue
		}
		base, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/staff/desk/tickets", nil)
		require.NoError(t, err)
		address, err := base.URL.Parse(to)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(address.Path, "/staff/desk/"), "%s leads out", to)
		get(address.String())
	}
	require.Contains(t, get(server.URL+"/api/tickets"), "Printer prints blank pages")
	get(server.URL + "/api/openapi.json")
}
