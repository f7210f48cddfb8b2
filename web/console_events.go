package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// The times of an event stream.
const (
	streamLife  = 30 * time.Minute // a browser connects again after it, and signs in again
	streamWrite = 10 * time.Second // how long a client may take for one write
)

// A streamedChange is the data of a "change" event: that a ticket has changed, and not how.
type streamedChange struct {
	Ticket  string `json:"ticket"` // its ID
	Number  string `json:"number"`
	Version int64  `json:"version,omitempty"`
	Gone    bool   `json:"gone,omitempty"`
}

// events tells a page of changes by server-sent events: "change" with the ticket, "reset" if
// some may have been missed, "looking" with the names of others who look at the page's ticket,
// and "beat" so that a dead connection is noticed. What changed, the page reads itself.
func (c *Console) events(p *page) error {
	var here ticket.Ticket
	if ref := p.query("ticket"); ref != "" {
		var err error
		if here, err = c.site.desk.Lookup(p.ctx(), p.actor, ref); err != nil {
			return err
		}
		defer c.eyes.left(p.actor, here.ID)
	}
	ctx, cancel := c.streams(p)
	defer cancel()
	after := ticket.Cursor(p.r.Header.Get("Last-Event-ID"))
	s := stream{p: p, rc: http.NewResponseController(p.w)}
	for ch, err := range c.site.desk.Watch(ctx, p.actor, after) {
		if err != nil {
			if s.begun || ctx.Err() != nil {
				break // the browser connects again
			}
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if !s.begin() {
			return nil
		}
		var who []string
		if !here.ID.IsZero() { // before the event, so that who hears it is seen
			who = c.eyes.seen(p.actor, here.ID, c.whoIs(p.actor), c.site.look.Now())
		}
		var ok bool
		switch {
		case ch.Reset:
			ok = s.send("reset", ch.Cursor, struct{}{})
		case ch.Ticket.IsZero():
			ok = s.send("beat", ch.Cursor, struct{}{})
		default:
			ok = s.send("change", ch.Cursor, streamedChange{ch.Ticket.String(), string(ch.Number), ch.Version, ch.Gone})
		}
		if !here.ID.IsZero() && (ch.Reset || ch.Gone && ch.Ticket == here.ID) {
			if _, err := c.site.desk.Get(ctx, p.actor, here.ID); errors.Is(err, ticket.ErrNotFound) {
				c.eyes.left(p.actor, here.ID)
				ok, here = ok && s.looking(nil, ch.Cursor), ticket.Ticket{}
			}
		}
		if ok && !here.ID.IsZero() {
			ok = s.looking(who, ch.Cursor)
		}
		if !ok {
			return nil
		}
	}
	if !s.begun { // the console or the desk is shut down
		return &fault{status: http.StatusServiceUnavailable, key: "unavailable"}
	}
	return nil
}

// A stream is a response of server-sent events.
type stream struct {
	p     *page
	rc    *http.ResponseController
	begun bool
	eyes  []string
}

// begin sends the headers, once. It reports whether the connection can stream.
func (s *stream) begin() bool {
	if s.begun {
		return true
	}
	s.begun, s.p.begun = true, true
	h := s.p.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx
	s.p.w.WriteHeader(http.StatusOK)
	return s.write([]byte("retry: 3000\n\n"))
}

// send sends an event. The cursor lets the browser continue from there.
func (s *stream) send(event string, after ticket.Cursor, data any) bool {
	body, err := json.Marshal(data)
	if err != nil {
		return false
	}
	b := append([]byte("id: "), after...)
	b = append(append(b, "\nevent: "...), event...)
	b = append(append(b, "\ndata: "...), body...)
	return s.write(append(b, "\n\n"...))
}

// looking tells who else looks at the ticket, if that has changed.
func (s *stream) looking(who []string, after ticket.Cursor) bool {
	if slices.Equal(who, s.eyes) {
		return true
	}
	s.eyes = who
	return s.send("looking", after, append([]string{}, who...))
}

func (s *stream) write(b []byte) bool {
	_ = s.rc.SetWriteDeadline(time.Now().Add(streamWrite)) //nolint:forbidigo // of the network; not every server can
	if _, err := s.p.w.Write(b); err != nil {
		return false
	}
	return s.rc.Flush() == nil
}
