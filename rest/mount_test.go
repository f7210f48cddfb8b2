package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/rest"
)

// A program that follows Location, Content-Location and the links to next pages gets everywhere,
// wherever the handler is mounted.
func TestLinksLeadWhereTheyShouldUnderEveryMount(t *testing.T) {
	plain := func(prefix string) func(*http.ServeMux, *rest.Handler) {
		return func(mux *http.ServeMux, h *rest.Handler) { mux.Handle(prefix, h) }
	}
	stripped := func(prefix string) func(*http.ServeMux, *rest.Handler) {
		return func(mux *http.ServeMux, h *rest.Handler) {
			mux.Handle(prefix, http.StripPrefix(strings.TrimSuffix(prefix, "/"), h))
		}
	}
	for name, c := range map[string]struct {
		base  string
		cfg   rest.Config
		mount func(*http.ServeMux, *rest.Handler)
	}{
		"at the root":                  {base: "/", mount: plain("/")},
		"under a path":                 {base: "/help/", mount: plain("/help/")},
		"under a path, without prefix": {base: "/help/", mount: stripped("/help/")},
		"under a long path":            {base: "/a/b/", mount: plain("/a/b/")},
		"under a long path, stripped":  {base: "/a/b/", mount: stripped("/a/b/")},
		"under a path like a resource": {base: "/tickets/", mount: plain("/tickets/")},
		"under a pattern with a star": {base: "/api/", mount: func(mux *http.ServeMux, h *rest.Handler) {
			mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { r.Pattern = "/api/*"; h.ServeHTTP(w, r) })
		}},
		"under a path with escapes": {base: "/%61pi/", mount: plain("/api/")},
		"like a resource, stripped": {base: "/tickets/", mount: stripped("/tickets/")},
		"like a resource, in another": {base: "/docs/tickets/", mount: func(mux *http.ServeMux, h *rest.Handler) {
			inner := http.NewServeMux()
			inner.Handle("/tickets/", h)
			mux.Handle("/docs/", http.StripPrefix("/docs", inner))
		}},
		"under a variable":            {base: "/acme/api/", mount: plain("/{tenant}/api/")},
		"under a pattern with a rest": {base: "/api/", mount: plain("/api/{rest...}")},
		"by a router without a pattern": {base: "/v1/", cfg: rest.Config{Prefix: "/v1/"}, mount: func(mux *http.ServeMux, h *rest.Handler) {
			mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { r.Pattern = ""; h.ServeHTTP(w, r) })
		}},
		"as the only handler": {base: "/", mount: nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := newHandler(t, w.desk, c.cfg)
			var top http.Handler = h
			if c.mount != nil {
				mux := http.NewServeMux()
				c.mount(mux, h)
				top = mux
			}
			server := httptest.NewServer(top)
			defer server.Close()
			do := func(method, address, body string) (*http.Response, map[string]any) {
				r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
				require.NoError(t, err)
				r.Header.Set("Authorization", "Bearer lin")
				if body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				res, err := server.Client().Do(r)
				require.NoError(t, err)
				defer func() { require.NoError(t, res.Body.Close()) }()
				data, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				var v map[string]any
				if strings.HasSuffix(res.Header.Get("Content-Type"), "json") {
					require.NoError(t, json.Unmarshal(data, &v), "%s", data)
				}
				return res, v
			}
			follow := func(from *http.Response, link string) string {
				u, err := from.Request.URL.Parse(link)
				require.NoError(t, err)
				return u.String()
			}
			base := server.URL + c.base
			for range 3 {
				res, v := do("POST", base+"tickets", `{"subject":"x","requester":{"id":"ada"}}`)
				require.Equal(t, http.StatusCreated, res.StatusCode, v)
				res, got := do("GET", follow(res, res.Header.Get("Location")), "")
				require.Equal(t, http.StatusOK, res.StatusCode)
				require.Equal(t, v["id"], got["id"])
				res, _ = do("POST", follow(res, v["id"].(string)+"/actions"), `{"action":"take"}`)
				require.Equal(t, http.StatusOK, res.StatusCode)
				_, got = do("GET", follow(res, res.Header.Get("Content-Location")), "")
				require.Equal(t, v["id"], got["id"])
			}
			n, address := 0, base+"tickets?limit=1"
			for address != "" {
				res, v := do("GET", address, "")
				require.Equal(t, http.StatusOK, res.StatusCode)
				n += len(v["tickets"].([]any))
				next, _ := v["next"].(string)
				if address = ""; next != "" {
					address = follow(res, next)
				}
			}
			assert.Equal(t, 3, n)
			res, _ := do("GET", base+"docs", "")
			require.Equal(t, http.StatusOK, res.StatusCode)
			for _, link := range []string{"docs.css", "openapi.json"} {
				res, _ := do("GET", follow(res, link), "")
				assert.Equal(t, http.StatusOK, res.StatusCode)
			}
			res, _ = do("GET", base+"tickets/"+url.PathEscape("a/b"), "")
			assert.Equal(t, http.StatusNotFound, res.StatusCode)
		})
	}
}

func TestFaultyConfigurationsAreRefused(t *testing.T) {
	w := newWorld(t)
	for field, cfg := range map[string]rest.Config{
		"actor":           {},
		"challenge":       {Challenge: "Bearer\r\nX: y"},
		"prefix":          {Prefix: "api"},
		"trusted_origins": {TrustedOrigins: []string{"shop.example"}},
		"limits.time":     {Limits: rest.Limits{Time: -1}},
		"limits.stall":    {Limits: rest.Limits{Stall: -1}},
		"limits.file":     {Limits: rest.Limits{File: -1}},
		"limits.stream":   {Limits: rest.Limits{Stream: 1 << 62}},
		"limits.streams":  {Limits: rest.Limits{Streams: -1}},
		"limits.each":     {Limits: rest.Limits{Each: -1}},
		"limits.header":   {Limits: rest.Limits{Header: -1}},
		"limits.body":     {Limits: rest.Limits{Body: -1}},
	} {
		if field != "actor" {
			cfg.Actor = actorOf
		}
		_, err := rest.New(w.desk, cfg)
		var bad *rest.ConfigError
		require.ErrorAs(t, err, &bad, field)
		assert.Equal(t, field, bad.Field)
		require.ErrorContains(t, err, "rest: config."+field)
	}
	_, err := rest.New(nil, rest.Config{Actor: actorOf})
	require.Error(t, err)
	_, err = rest.New(w.desk, rest.Config{Actor: func(*http.Request) (ticket.Actor, error) { return ada, nil }})
	require.NoError(t, err)
}

// A function for the pages of package web says here, too, who makes a request.
func TestNobodyAndNobodyKnows(t *testing.T) {
	desk := newWorld(t).desk
	for want, err := range map[int]error{http.StatusUnauthorized: nil, http.StatusServiceUnavailable: fmt.Errorf("%w: the store of sessions is down", rest.ErrUnavailable)} {
		h := newHandler(t, desk, rest.Config{Actor: func(*http.Request) (ticket.Actor, error) { return ticket.Actor{}, err }})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tickets", http.NoBody))
		assert.Equal(t, want, w.Code)
		assert.NotContains(t, w.Body.String(), "sessions")
	}
}
