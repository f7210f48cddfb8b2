package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
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
	for change, err := range c.h.watch(ctx, c.actor, ticket.Cursor(c.r.Header.Get("Last-Event-ID"))) {
		if err != nil {
			if c.w.begun || ctx.Err() != nil {
				return nil // who connects again gets the answer
			}
			return err
		}
		if !c.w.begun {
			c.begin()
			if c.r.Method == http.MethodHead {
				return nil
			}
		}
		if !c.send(change) {
			return nil
		}
	}
	if !c.w.begun { // the desk ends
		return &problem{kind: kindUnavailable, header: http.Header{"Retry-After": {"5"}}}
	}
	return nil
}

// begin starts the stream. The server may have set a deadline for reading the request, at the end
// of which net/http would take the connection for one that is gone.
func (c *call) begin() {
	c.noDeadline()
	head := c.w.Header()
	head.Set("Content-Type", mediaEvents)
	head.Set("X-Accel-Buffering", "no") // so that nginx passes on each event at once
	c.w.WriteHeader(http.StatusOK)
}

// send writes one change. It returns false if the client is gone or too slow.
func (c *call) send(change ticket.Changed) bool {
	b := make([]byte, 0, 256)
	name := ""
	switch {
	case change.Reset:
		name = "reset"
	case change.Ticket.IsZero(): // a sign of life, which moves the place to continue from
		b = append(b, ":\n"...)
	case change.Gone:
		name = "gone"
	default:
		name = "change"
	}
	b = append(b, "id: "...)
	b = append(b, change.Cursor...)
	b = append(b, '\n')
	if name != "" {
		data := []byte("{}")
		if !change.Reset {
			var err error
			data, err = json.Marshal(notice{Ticket: change.Ticket, Number: change.Number, Version: change.Version, Action: change.Action})
			if err != nil {
				return false
			}
		}
		b = append(b, "event: "...)
		b = append(b, name...)
		b = append(b, "\ndata: "...)
		b = append(b, data...)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	c.writeDeadline(c.h.cfg.Limits.Stall)
	if _, err := c.w.Write(b); err != nil {
		return false
	}
	err := c.rc.Flush()
	return err == nil || errors.Is(err, errors.ErrUnsupported)
}
