package rest

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/handler"
)

// streams counts and ends the open streams of events.
type streams struct {
	mu     sync.Mutex
	open   map[*stream]struct{}
	of     map[listener]int // the open streams of each
	closed bool
	empty  chan struct{} // closed once none is left after a shutdown
}

// stream is one open stream.
type stream struct {
	who listener
	end context.CancelFunc
}

// listener is whoever listens. Persons without an ID are known by their addresses. Holders of
// status links have no person: nobody can tell one from another.
type listener struct {
	tenant string
	role   ticket.Role
	person string
}

func listenerOf(a ticket.Actor) listener {
	person := ""
	switch p := a.Person; {
	case p.ID != "":
		person = "id " + p.ID
	case p.Email != "":
		person = "mail " + strings.ToLower(p.Email)
	case p.Phone != "":
		person = "phone " + p.Phone
	}
	return listener{a.Tenant, a.Role, person}
}

// join adds a stream. It returns false if there are too many, of all or of this listener, or
// after a shutdown.
func (s *streams) join(st *stream, l Limits) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.open) >= l.Streams || st.who.person != "" && s.of[st.who] >= l.Each {
		return false
	}
	if s.of == nil {
		s.of = map[listener]int{}
	}
	s.open[st] = struct{}{}
	s.of[st.who]++
	return true
}

func (s *streams) leave(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	if s.of[st.who]--; s.of[st.who] == 0 {
		delete(s.of, st.who)
	}
	if s.closed && len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *streams) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for st := range s.open {
		st.end()
	}
	var empty chan struct{}
	if len(s.open) > 0 {
		if s.empty == nil {
			s.empty = make(chan struct{})
		}
		empty = s.empty
	}
	s.mu.Unlock()
	if empty == nil {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notice is the data of an event "change" or "gone".
type notice struct {
	Ticket  ticket.ID         `json:"ticket"`
	Number  ticket.Number     `json:"number"`
	Version int64             `json:"version,omitempty"`
	Action  ticket.ActionName `json:"action,omitempty"`
}

// streamChanges sends changes as server-sent events, until the client leaves, the time is over or
// Shutdown ends it. It writes from the loop of the desk itself: a slow client holds up nobody
// else, and a listener who waits costs no second goroutine.
func (c *call) streamChanges() error {
	ctx, end := context.WithCancel(c.ctx())
	defer end()
	st := &stream{who: listenerOf(c.actor), end: end}
	if !c.h.streams.join(st, c.h.cfg.Limits) {
		return &problem{kind: kindUnavailable, detail: "There are too many streams, or the server is about to end.", header: http.Header{"Retry-After": {"5"}}}
	}
	defer c.h.streams.leave(st)
	var s *handler.Stream
	for change, err := range c.h.watch(ctx, c.actor, ticket.Cursor(c.r.Header.Get("Last-Event-ID"))) {
		if err != nil {
			if s != nil || ctx.Err() != nil {
				return nil // who connects again gets the answer
			}
			return err
		}
		if s == nil {
			s = handler.NewStream(c.w, c.h.cfg.Limits.Stall)
			if c.r.Method == http.MethodHead {
				return nil
			}
			defer s.End()
		}
		if !send(s, change) {
			return nil
		}
	}
	if s == nil { // the desk ends
		return &problem{kind: kindUnavailable, header: http.Header{"Retry-After": {"5"}}}
	}
	return nil
}

// send writes one change. It returns false if the client is gone or too slow.
func send(s *handler.Stream, change ticket.Changed) bool {
	id, name := string(change.Cursor), "change"
	switch {
	case change.Reset:
		return s.Send("reset", id, struct{}{})
	case change.Ticket.IsZero():
		return s.Alive(id)
	case change.Gone:
		name = "gone"
	}
	return s.Send(name, id, notice{Ticket: change.Ticket, Number: change.Number, Version: change.Version, Action: change.Action})
}
