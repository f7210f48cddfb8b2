package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// An event of a stream.
type sseEvent struct{ id, name, data string }

// listen connects to an event stream and returns its events.
func listen(t *testing.T, server *httptest.Server, path, who, after string) (<-chan sseEvent, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Agent", who)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	w, err := server.Client().Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, "text/event-stream", w.Header.Get("Content-Type"))
	require.Equal(t, "no-store", w.Header.Get("Cache-Control"))
	out := make(chan sseEvent, 100)
	go func() {
		defer close(out)
		defer func() { _ = w.Body.Close() }()
		var e sseEvent
		lines := bufio.NewScanner(w.Body)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					out <- e
				}
				e = sseEvent{}
			}
		}
	}()
	return out, cancel
}

// expect returns the next event of a name.
func expect(t *testing.T, events <-chan sseEvent, name string) sseEvent {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-events:
			require.True(t, ok, "the stream ended before %q", name)
			if e.name == name {
				return e
			}
		case <-limit:
			require.Fail(t, "no event", name)
		}
	}
}

// A page hears that a ticket has changed, and nothing about tickets that its agent may not see.
func TestEventStreams(t *testing.T) {
	b := newBench(t, nil)
	server := httptest.NewServer(b.Console)
	defer server.Close()
	was := b.open("printer")
	mine, stop := listen(t, server, "/events", "lin", "")
	defer stop()
	foreign, stopForeign := listen(t, server, "/events", "stranger", "")
	defer stopForeign()
	expect(t, mine, "beat")
	expect(t, foreign, "beat")
	b.do(agLin, was, ticket.Action{Name: ticket.ActionReply, Message: "secret words"})
	e := expect(t, mine, "change")
	var data streamedChange
	require.NoError(t, json.Unmarshal([]byte(e.data), &data))
	assert.Equal(t, streamedChange{Ticket: was.ID.String(), Number: string(was.Number), Version: 2}, data)
	hasNot(t, e.data, "secret")

	// After an interruption it goes on where it was.
	stop()
	b.do(agLin, was, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	again, stopAgain := listen(t, server, "/events", "lin", e.id)
	defer stopAgain()
	require.NoError(t, json.Unmarshal([]byte(expect(t, again, "change").data), &data))
	assert.EqualValues(t, 3, data.Version)
	unknown, stopUnknown := listen(t, server, "/events", "lin", "nonsense")
	defer stopUnknown()
	expect(t, unknown, "reset")

	// Shutdown ends all streams.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, b.Shutdown(ctx))
	for e := range foreign {
		require.NotEqual(t, "change", e.name, "another tenant hears nothing")
	}
	for range again { // until it ends
	}
}

// The page of a ticket hears who else looks at it.
func TestPresenceInAStream(t *testing.T) {
	b := newBench(t, nil)
	server := httptest.NewServer(b.Console)
	defer server.Close()
	was := b.open("printer")
	events, stop := listen(t, server, "/events?ticket="+string(was.Number), "lin", "")
	defer stop()
	expect(t, events, "beat")
	has(t, b.page("/tickets/"+string(was.Number), agent("kim")), "lin is looking at this too")
	b.do(agLin, was, ticket.Action{Name: ticket.ActionNote, Note: "n"}) // the stream looks with every value
	assert.JSONEq(t, `["kim"]`, expect(t, events, "looking").data)
	stop()
	require.Eventually(t, func() bool {
		return strings.Contains(b.page("/tickets/"+string(was.Number), agent("kim")), "data-looking></span>")
	}, 10*time.Second, 20*time.Millisecond, "who has closed the page no longer looks")
}

// A request for the header alone gets no more, and its stream ends.
func TestEventStreamOfTheHeaderAlone(t *testing.T) {
	b := newBench(t, nil)
	server := httptest.NewServer(b.Console)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/events", http.NoBody)
	require.NoError(t, err)
	w, err := server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	assert.Equal(t, "text/event-stream", w.Header.Get("Content-Type"))
	ended := make(chan struct{})
	go func() { b.jobs.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("a stream goes on that nobody reads")
	}
}
