package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/handler"
)

// The times of an event stream.
const (
	streamLife  = 30 * time.Minute // a browser connects again after it, and signs in again
	streamWrite = 10 * time.Second // how long a client may take for one write
	streamRetry = 3 * time.Second  // before it connects again
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
	var s *handler.Stream
	var told []string // who looks at the ticket
	looking := func(who []string, after string) bool {
		if slices.Equal(who, told) {
			return true
		}
		told = who
		return s.Send("looking", after, append([]string{}, who...))
	}
	for ch, err := range c.site.desk.Watch(ctx, p.actor, after) {
		if err != nil {
			if s != nil || ctx.Err() != nil {
				break // the browser connects again
			}
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if s == nil {
			s, p.begun = handler.NewStream(p.w, streamWrite), true
			if p.r.Method == http.MethodHead {
				return nil
			}
			defer s.End()
			if !s.Retry(streamRetry) {
				return nil
			}
		}
		var who []string
		if !here.ID.IsZero() { // before the event, so that who hears it is seen
			who = c.eyes.seen(p.actor, here.ID, c.whoIs(p.actor), c.site.look.Now())
		}
		var ok bool
		at := string(ch.Cursor)
		switch {
		case ch.Reset:
			ok = s.Send("reset", at, struct{}{})
		case ch.Ticket.IsZero():
			ok = s.Send("beat", at, struct{}{})
		default:
			ok = s.Send("change", at, streamedChange{ch.Ticket.String(), string(ch.Number), ch.Version, ch.Gone})
		}
		if !here.ID.IsZero() && (ch.Reset || ch.Gone && ch.Ticket == here.ID) {
			if _, err := c.site.desk.Get(ctx, p.actor, here.ID); errors.Is(err, ticket.ErrNotFound) {
				c.eyes.left(p.actor, here.ID)
				ok, here = ok && looking(nil, at), ticket.Ticket{}
			}
		}
		if ok && !here.ID.IsZero() {
			ok = looking(who, at)
		}
		if !ok {
			return nil
		}
	}
	if s == nil { // the console or the desk is shut down
		return &fault{status: http.StatusServiceUnavailable, key: "unavailable"}
	}
	return nil
}
