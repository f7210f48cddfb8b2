package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
)

// event is a server-sent event.
type event struct {
	id, name string
	notice   struct {
		Ticket  ticket.ID         `json:"ticket"`
		Version int64             `json:"version"`
		Action  ticket.ActionName `json:"action"`
	}
}

// follow reads events until the stream ends or handle returns false. It returns the last ID.
func follow(t *testing.T, server *httptest.Server, as, last string, handle func(event) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+as)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // the end of the test of a stream that goes on
	require.Equal(t, http.StatusOK, res.StatusCode)
	lines := bufio.NewScanner(res.Body)
	var e event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			require.NoError(t, json.Unmarshal([]byte(value), &e.notice))
		case "":
			last = e.id
			if !handle(e) {
				return last
			}
			e = event{}
		}
	}
	return last
}

// Two processes, one with a clock that is half a minute behind, serve a client that is cut off
// again and again and goes on at either of them. It misses no change.
func TestStreamMissesNothingThroughReconnectsAndProcesses(t *testing.T) {
	store := memstore.New()
	desks := []*ticket.Desk{
		newDesk(t, store, ticket.Config{}),
		newDesk(t, store, ticket.Config{Now: func() time.Time { return time.Now().Add(-30 * time.Second) }}),
	}
	var servers []*httptest.Server
	for _, d := range desks {
		h := newHandler(t, d, rest.Config{})
		servers = append(servers, httptest.NewServer(h))
		defer func() { require.NoError(t, h.Shutdown(context.WithoutCancel(t.Context()))) }()
	}
	for _, s := range servers {
		defer s.Close()
	}
	const n = 60
	var mu sync.Mutex
	due := map[ticket.ID]bool{}
	started := make(chan struct{})
	go func() {
		<-started
		for i := range n {
			tk, err := desks[i%2].Open(t.Context(), ada, ticket.Draft{Subject: fmt.Sprint("ticket ", i)})
			if !assert.NoError(t, err) {
				return
			}
			mu.Lock()
			due[tk.ID] = true
			mu.Unlock()
			time.Sleep(time.Duration(rand.N(20)) * time.Millisecond)
		}
	}()
	r := rand.New(rand.NewPCG(15, 15))
	seen, resets, last, first := map[ticket.ID]bool{}, 0, "", true
	deadline := time.Now().Add(30 * time.Second)
	for len(seen) < n && time.Now().Before(deadline) {
		left := 1 + r.IntN(12)
		last = follow(t, servers[r.IntN(2)], "lin", last, func(e event) bool {
			if first {
				first = false
				close(started)
			}
			switch e.name {
			case "reset":
				resets++
			case "change":
				seen[e.notice.Ticket] = true
			}
			if e.id != last { // what comes again after a reconnection is over
				left--
			}
			return left > 0 && len(seen) < n
		})
	}
	assert.Zero(t, resets, "nothing had to be read again")
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, seen, n)
	for id := range due {
		assert.Contains(t, seen, id)
	}
}

// Customers are told of what they see and of nothing else.
func TestStreamTellsWhatTheActorMayKnow(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.handlers[""])
	defer server.Close()
	ctx := t.Context()
	mine, err := w.desk.Open(ctx, ada, ticket.Draft{Subject: "mine"})
	require.NoError(t, err)
	other, err := w.desk.Open(ctx, bob, ticket.Draft{Subject: "other"})
	require.NoError(t, err)
	do := func(id ticket.ID, act ticket.Action) {
		_, err := w.desk.Do(ctx, lin, id, act)
		assert.NoError(t, err)
	}
	var got []ticket.ActionName
	begun := false
	follow(t, server, "ada", "", func(e event) bool {
		if !begun {
			begun = true
			do(other.ID, ticket.Action{Name: ticket.ActionTake})
			do(mine.ID, ticket.Action{Name: ticket.ActionNote, Note: "SECRET"})
			do(mine.ID, ticket.Action{Name: ticket.ActionTake})
		}
		if e.name != "change" {
			return true
		}
		assert.Equal(t, mine.ID, e.notice.Ticket)
		got = append(got, e.notice.Action)
		if e.notice.Action == ticket.ActionTake {
			do(mine.ID, ticket.Action{Name: ticket.ActionAsk, Message: "Which model?"})
		}
		return e.notice.Action != ticket.ActionAsk
	})
	assert.Equal(t, []ticket.ActionName{ticket.ActionTake, ticket.ActionAsk}, got)
}
