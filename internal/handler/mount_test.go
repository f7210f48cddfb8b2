package handler_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/handler"
)

// The path below the mount does not depend on how the handler is mounted.
func TestBelow(t *testing.T) {
	mux := func(pattern string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle(pattern, h)
		return m
	}
	// A router that tells only this pattern. Net/http's own is never one with a star.
	router := func(pattern string, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { r.Pattern = pattern; h.ServeHTTP(w, r) })
	}
	strip, plain := http.StripPrefix, func(h http.Handler) http.Handler { return h }
	for name, c := range map[string]struct {
		mount       func(h http.Handler) http.Handler
		prefix      string
		asked, want string
	}{
		"alone":                  {plain, "", "/tickets/7", "tickets/7"},
		"alone, first page":      {plain, "", "/", ""},
		"at the root":            {func(h http.Handler) http.Handler { return mux("/", h) }, "", "/tickets/7", "tickets/7"},
		"pattern":                {func(h http.Handler) http.Handler { return mux("/help/", h) }, "", "/help/tickets/7", "tickets/7"},
		"pattern, first page":    {func(h http.Handler) http.Handler { return mux("/help/", h) }, "", "/help/?lang=de", ""},
		"pattern without slash":  {func(h http.Handler) http.Handler { return mux("/help", h) }, "", "/help", ""},
		"slash at the end":       {func(h http.Handler) http.Handler { return mux("/help/", h) }, "", "/help/tickets/", "tickets/"},
		"method":                 {func(h http.Handler) http.Handler { return mux("GET /help/", h) }, "", "/help/tickets", "tickets"},
		"method, host and tab":   {func(h http.Handler) http.Handler { return mux("GET\t example.com/help/", h) }, "", "/help/tickets", "tickets"},
		"host":                   {func(h http.Handler) http.Handler { return mux("example.com/help/", h) }, "", "/help/tickets", "tickets"},
		"deep":                   {func(h http.Handler) http.Handler { return mux("/a/b/", h) }, "", "/a/b/tickets", "tickets"},
		"variable":               {func(h http.Handler) http.Handler { return mux("/{shop}/help/", h) }, "", "/north%2F1/help/tickets", "tickets"},
		"variable alone":         {func(h http.Handler) http.Handler { return mux("/{shop}", h) }, "", "/north", ""},
		"rest":                   {func(h http.Handler) http.Handler { return mux("/help/{rest...}", h) }, "", "/help/tickets/7", "tickets/7"},
		"end":                    {func(h http.Handler) http.Handler { return mux("/help/{$}", h) }, "", "/help/", ""},
		"escapes stay":           {func(h http.Handler) http.Handler { return mux("/help/", h) }, "", "/help/tickets/a%2Fb", "tickets/a%2Fb"},
		"mount asked by escapes": {func(h http.Handler) http.Handler { return mux("/help/", h) }, "", "/%68elp/tickets", "tickets"},
		"pattern with escapes":   {func(h http.Handler) http.Handler { return mux("/h%2Flp/", h) }, "", "/h%2flp/tickets", "tickets"},
		"star":                   {func(h http.Handler) http.Handler { return router("/help/*", h) }, "", "/help/tickets", "tickets"},
		"star below a variable":  {func(h http.Handler) http.Handler { return router("/{shop:[a-z]+}/help/*", h) }, "", "/north/help/tickets", "tickets"},
		"another pattern":        {func(h http.Handler) http.Handler { return router("/other/*", h) }, "", "/help/tickets", "help/tickets"},
		"longer than the path":   {func(h http.Handler) http.Handler { return router("/help/desk/*", h) }, "", "/help", "help"},
		"named like a page":      {func(h http.Handler) http.Handler { return mux("/tickets/", h) }, "", "/tickets/tickets/7", "tickets/7"},

		"stripped":                    {func(h http.Handler) http.Handler { return mux("/help/", strip("/help", h)) }, "", "/help/tickets/7", "tickets/7"},
		"stripped, first page":        {func(h http.Handler) http.Handler { return mux("/help/", strip("/help", h)) }, "", "/help/", ""},
		"stripped, no pattern":        {func(h http.Handler) http.Handler { return strip("/help", h) }, "", "/help?lang=de", ""},
		"stripped with its slash":     {func(h http.Handler) http.Handler { return mux("/help/", strip("/help/", h)) }, "", "/help/tickets/7", "tickets/7"},
		"stripped, star":              {func(h http.Handler) http.Handler { return router("/help/*", strip("/help", h)) }, "", "/help/tickets", "tickets"},
		"stripped, like a page":       {func(h http.Handler) http.Handler { return mux("/tickets/", strip("/tickets", h)) }, "", "/tickets/tickets/7", "tickets/7"},
		"stripped, like its page":     {func(h http.Handler) http.Handler { return mux("/tickets/", strip("/tickets", h)) }, "", "/tickets/tickets", "tickets"},
		"wholly stripped, like a one": {func(h http.Handler) http.Handler { return mux("/tickets/", strip("/tickets/", h)) }, "", "/tickets/tickets/7", "tickets/7"},
		"stripped, escapes":           {func(h http.Handler) http.Handler { return mux("/help/", strip("/help", h)) }, "", "/help/tickets/a%2Fb", "tickets/a%2Fb"},
		"below what is stripped": {
			func(h http.Handler) http.Handler { return mux("/x/", strip("/x", mux("/tickets/", h))) }, "",
			"/x/tickets/tickets/7", "tickets/7",
		},
		"stripped below what is stripped": {
			func(h http.Handler) http.Handler {
				return mux("/x/", strip("/x", mux("/tickets/", strip("/tickets", h))))
			}, "",
			"/x/tickets/tickets/7", "tickets/7",
		},

		"prefix":                   {plain, "/help", "/help/tickets/7", "tickets/7"},
		"prefix, first page":       {plain, "/help", "/help/", ""},
		"prefix without slash":     {plain, "/help", "/help", ""},
		"prefix of a word":         {plain, "/help", "/helpless/tickets", "helpless/tickets"},
		"prefix, escapes":          {plain, "/a b", "/a%20b/tickets", "tickets"},
		"prefix, percent":          {plain, "/100%", "/100%25/tickets", "tickets"},
		"prefix, like a page":      {plain, "/tickets", "/tickets/tickets/7", "tickets/7"},
		"prefix, stripped":         {func(h http.Handler) http.Handler { return strip("/help", h) }, "/help", "/help/tickets", "tickets"},
		"prefix, stripped as page": {func(h http.Handler) http.Handler { return strip("/tickets", h) }, "/tickets", "/tickets/tickets/7", "tickets/7"},
		"prefix before a pattern":  {func(h http.Handler) http.Handler { return router("/*", h) }, "/help", "/help/tickets", "tickets"},
		"a proxy has removed it":   {plain, "/help", "/tickets/7", "tickets/7"},

		"the address has a host": {func(h http.Handler) http.Handler { return mux("/help/", strip("/help", h)) }, "", "http://example.com/help/tickets", "tickets"},
	} {
		got, called := "", false
		h := c.mount(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, called = handler.Below(r, c.prefix), true }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.asked, http.NoBody))
		require.True(t, called, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestRequestedIsWhatTheClientSent(t *testing.T) {
	for asked, want := range map[string]string{
		"/help/a%2Fb?x=/y": "/help/a%2Fb", "http://example.com/help/?x": "/help/", "": "/left", "/a%zz?x": "/a%zz",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/left", http.NoBody)
		r.RequestURI = asked
		assert.Equal(t, want, handler.Requested(r), asked)
	}
}
