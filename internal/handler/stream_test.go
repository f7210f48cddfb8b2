package handler_test

import (
	"io"
	"net"
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
	const stall = time.Second // a busy machine reads a request within it
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

// A client who reads all events, but not the end of the response, does not keep the connection.
func TestStreamEndsForAClientWhoDoesNotReadItsEnd(t *testing.T) {
	here, there := net.Pipe() // without buffers
	defer func() { _ = there.Close() }()
	closed := make(chan struct{})
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s := handler.NewStream(w, 50*time.Millisecond)
			defer s.End()
			s.Alive("a")
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(closed)
			}
		},
	}
	defer func() { _ = server.Close() }()
	l := make(oneConn, 1)
	l <- here
	go func() { _ = server.Serve(l) }()
	_, err := io.WriteString(there, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
	require.NoError(t, err)
	var said strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(said.String(), "id: a\n\n\r\n"); {
		_, err := there.Read(b)
		require.NoError(t, err)
		said.Write(b)
	}
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("the end of the response waits for a client that takes nothing")
	}
}

// oneConn is a listener with the connections that it holds.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l oneConn) Close() error   { close(l); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

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
