package rest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

type changes = iter.Seq2[ticket.Changed, error]

// watched returns a server whose desk yields these changes, and then waits.
func watched(t *testing.T, cfg rest.Config, list []ticket.Changed, end error) (*httptest.Server, *rest.Handler) {
	t.Helper()
	h := newHandler(t, newDesk(t, memstore.New(), tickettest.Config(tickettest.NewClock(), nil)), cfg)
	rest.SetWatch(h, func(ctx context.Context, _ ticket.Actor, after ticket.Cursor) changes {
		return func(yield func(ticket.Changed, error) bool) {
			for _, c := range list {
				if c.Cursor == "after" {
					c.Cursor += after
				}
				if !yield(c, nil) {
					return
				}
			}
			if end != nil {
				yield(ticket.Changed{}, end)
				return
			}
			<-ctx.Done()
			yield(ticket.Changed{}, ctx.Err())
		}
	})
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server, h
}

func listen(t *testing.T, server *httptest.Server, last string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer lin")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestStreamHasTheFormOfServerSentEvents(t *testing.T) {
	id := ticket.NewID(tickettest.Start)
	server, _ := watched(t, rest.Config{}, []ticket.Changed{
		{Cursor: "after"},
		{Reset: true, Cursor: "b"},
		{Ticket: id, Number: "0000-0001-H", Version: 3, Action: ticket.ActionHandOver, Cursor: "c"},
		{Cursor: "d"},
		{Ticket: id, Number: "0000-0001-H", Gone: true, Cursor: "e"},
	}, errors.New("secret-host is gone"))
	res := listen(t, server, "-a")
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, ":\nid: after-a\n\n"+
		"id: b\nevent: reset\ndata: {}\n\n"+
		"id: c\nevent: change\ndata: {\"ticket\":\""+id.String()+"\",\"number\":\"0000-0001-H\",\"version\":3,\"action\":\"hand over\"}\n\n"+
		":\nid: d\n\n"+
		"id: e\nevent: gone\ndata: {\"ticket\":\""+id.String()+"\",\"number\":\"0000-0001-H\"}\n\n", string(body))
}

// Who may not listen gets an answer and no stream.
func TestStreamThatCannotBeginIsAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"a forged link":         {ticket.ErrStatusLink, http.StatusNotFound},
		"an expired link":       {&ticket.StatusLinkError{Expired: tickettest.Start}, http.StatusGone},
		"a store that is down":  {errors.New("secret-host"), http.StatusServiceUnavailable},
		"a desk in transaction": {&ticket.InvalidError{Field: "desk", Reason: "is bound"}, http.StatusUnprocessableEntity},
	} {
		server, h := watched(t, rest.Config{}, nil, c.err)
		res := listen(t, server, "")
		assert.Equal(t, c.status, res.StatusCode, name)
		assert.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), name)
		assert.Zero(t, rest.Streams(h), name)
	}
}

func TestStreamsAreLimitedAndEndWithShutdown(t *testing.T) {
	server, h := watched(t, rest.Config{Limits: rest.Limits{Streams: 2}}, []ticket.Changed{{Cursor: "a"}}, nil)
	first, second := listen(t, server, ""), listen(t, server, "")
	third := listen(t, server, "")
	assert.Equal(t, http.StatusServiceUnavailable, third.StatusCode)
	assert.Equal(t, "5", third.Header.Get("Retry-After"))

	require.NoError(t, second.Body.Close()) // a client that leaves makes room
	require.Eventually(t, func() bool { return rest.Streams(h) == 1 }, 10*time.Second, time.Millisecond)
	listen(t, server, "")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, h.Shutdown(ctx))
	assert.Zero(t, rest.Streams(h))
	body, err := io.ReadAll(first.Body)
	require.NoError(t, err)
	assert.Equal(t, ":\nid: a\n\n", string(body), "the stream ends, and the client can go on from its last place")
	assert.Equal(t, http.StatusServiceUnavailable, listen(t, server, "").StatusCode)
	require.NoError(t, h.Shutdown(ctx), "twice is once")
}

// Streams of one actor take no place from others: of another role, of another person, or with no
// ID and another address.
func TestOneActorCannotTakeAllStreams(t *testing.T) {
	people := []ticket.Actor{
		ticket.Agent("a", 1), ticket.Requester(ticket.Person{ID: "a"}), ticket.Requester(ticket.Person{ID: "b"}).InTenant("t"),
		ticket.Requester(ticket.Person{Email: "a@example.org"}), ticket.Requester(ticket.Person{Email: "b@example.org"}),
	}
	var now ticket.Actor
	cfg := rest.Config{Limits: rest.Limits{Each: 2}, Actor: func(*http.Request) (ticket.Actor, error) { return now, nil }}
	server, h := watched(t, cfg, []ticket.Changed{{Cursor: "a"}}, nil)
	for i, a := range people {
		now = a
		first := listen(t, server, "")
		assert.Equal(t, http.StatusOK, first.StatusCode, a)
		assert.Equal(t, http.StatusOK, listen(t, server, "").StatusCode, a)
		assert.Equal(t, http.StatusServiceUnavailable, listen(t, server, "").StatusCode, a)
		require.NoError(t, first.Body.Close())
		require.Eventually(t, func() bool { return rest.Streams(h) == i+1 }, 10*time.Second, time.Millisecond)
	}
	now = people[0]
	assert.Equal(t, http.StatusOK, listen(t, server, "").StatusCode, "there is room again")
	for i := range 4 { // one holder of a link takes no place from the others
		now = ticket.StatusLinkHolder(fmt.Sprint("token", i))
		assert.Equal(t, http.StatusOK, listen(t, server, "").StatusCode, "a holder of a link")
	}
}

func TestStreamEndsAfterItsTime(t *testing.T) {
	server, h := watched(t, rest.Config{Limits: rest.Limits{Stream: 50 * time.Millisecond}}, []ticket.Changed{{Cursor: "a"}}, nil)
	_, err := io.ReadAll(listen(t, server, "").Body)
	require.NoError(t, err)
	assert.Zero(t, rest.Streams(h))
}

// A deadline of the server for reading requests does not end a stream.
func TestStreamOutlivesTheDeadlinesOfTheServer(t *testing.T) {
	h := newHandler(t, newDesk(t, memstore.New(), tickettest.Config(tickettest.NewClock(), nil)), rest.Config{})
	rest.SetWatch(h, func(ctx context.Context, _ ticket.Actor, _ ticket.Cursor) changes {
		return func(yield func(ticket.Changed, error) bool) {
			for i := range 6 {
				if ctx.Err() != nil || !yield(ticket.Changed{Cursor: ticket.Cursor(rune('a' + i))}, ctx.Err()) {
					return
				}
				time.Sleep(60 * time.Millisecond)
			}
		}
	})
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	body, err := io.ReadAll(listen(t, server, "").Body)
	require.NoError(t, err)
	assert.Equal(t, 6, strings.Count(string(body), "id: "), "%s", body)
}

// A listener that does not read is left, and holds up no other.
func TestListenerWhoDoesNotReadIsLeft(t *testing.T) {
	h := newHandler(t, newDesk(t, memstore.New(), tickettest.Config(tickettest.NewClock(), nil)), rest.Config{Limits: rest.Limits{Stall: 100 * time.Millisecond}})
	rest.SetWatch(h, func(context.Context, ticket.Actor, ticket.Cursor) changes {
		return func(yield func(ticket.Changed, error) bool) {
			for yield(ticket.Changed{Ticket: ticket.NewID(tickettest.Start), Number: "0000-0001-H", Cursor: ticket.Cursor(strings.Repeat("x", 1000))}, nil) {
				continue // until the client is gone
			}
		}
	})
	server := httptest.NewServer(h)
	defer server.Close()
	idle := listen(t, server, "")
	reading := bufio.NewReader(listen(t, server, "").Body)
	for range 100 {
		_, err := reading.ReadString('\n')
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return rest.Streams(h) < 2 }, 20*time.Second, 10*time.Millisecond)
	_ = idle
}
