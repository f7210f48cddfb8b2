package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// noon is the time of the tests, a Monday.
var noon = time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC)

func newDesk(t *testing.T, cfg ticket.Config) *ticket.Desk {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	return desk
}

// testLook is a Look with the time of the tests and no log.
func testLook() Look {
	return Look{Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)}
}

// as returns an ActorFunc for one actor.
func as(a ticket.Actor) ActorFunc {
	return func(*http.Request) (ticket.Actor, error) { return a, nil }
}

func newConsole(t *testing.T, desk *ticket.Desk, change func(*ConsoleConfig)) *Console {
	t.Helper()
	cfg := ConsoleConfig{Look: testLook(), Actor: as(ticket.Agent("lin", 1, 2))}
	if change != nil {
		change(&cfg)
	}
	c, err := NewConsole(desk, cfg)
	require.NoError(t, err)
	return c
}

func get(h http.Handler, address string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, http.NoBody)
	return do(h, r, change...)
}

func post(h http.Handler, address, mediaType string, body io.Reader, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, address, body)
	r.Header.Set("Content-Type", mediaType)
	return do(h, r, change...)
}

const flat = "application/x-www-form-urlencoded"

func do(h http.Handler, r *http.Request, change ...func(*http.Request)) *httptest.ResponseRecorder {
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}
