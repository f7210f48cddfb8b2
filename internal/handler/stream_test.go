package handler_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/handler"
)

func TestStreamHasTheFormOfServerSentEvents(t *testing.T) {
	w := httptest.NewRecorder()
	s := handler.NewStream(w, time.Second)
	assert.True(t, s.Retry(3*time.Second))
	assert.True(t, s.Alive("a"))
	assert.True(t, s.Send("change", "b", map[string]string{"text": "two\nlines"}))
	assert.False(t, s.Send("change", "b", func() {}), "no JSON")
	assert.True(t, s.Send("reset", "c", struct{}{}))
	s.End()
	assert.Equal(t, "retry: 3000\n\n:\nid: a\n\nid: b\nevent: change\ndata: {\"text\":\"two\\nlines\"}\n\nid: c\nevent: reset\ndata: {}\n\n", w.Body.String())
	assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	assert.True(t, w.Flushed)
}

// A middleware may hide that the connection can flush.
func TestStreamWithoutFlushes(t *testing.T) {
	w := httptest.NewRecorder()
	assert.True(t, handler.NewStream(struct{ http.ResponseWriter }{w}, time.Second).Alive("a"))
	assert.Equal(t, ":\nid: a\n\n", w.Body.String())
}

// Neither the deadlines of the server nor its own break a stream in which nothing happens.
func TestStreamOutlivesDeadlines(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := handler.NewStream(w, stall)
		defer s.End()
		for _, id := range []string{"a", "b"} {
			if r.Context().Err() != nil || !s.Alive(id) {
				return
			}
			time.Sleep(stall * 4 / 3)
		}
	}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = stall, stall
	server.Start()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, ":\nid: a\n\n:\nid: b\n\n", string(body))
}

func TestStreamLeavesAClientWhoDoesNotRead(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		s := handler.NewStream(w, 50*time.Millisecond)
		defer s.End()
		for s.Alive(strings.Repeat("x", 1<<20)) {
			continue // until the client is gone
		}
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the stream waits for a client that takes nothing")
	}
}
