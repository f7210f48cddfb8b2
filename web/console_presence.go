package web

import (
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// lookFor is how long somebody counts as looking at a ticket after the last sign of it. A
// page with scripts gives one every half of that.
const lookFor = 2 * time.Minute

// mostLooks bounds the tickets that the presence remembers.
const mostLooks = 10_000

// presence knows who looks at which ticket now, in this process. It holds no more than the
// last minutes. The zero presence is ready to use.
type presence struct {
	mu sync.Mutex
	by map[lookKey]map[string]look // by agent
}

type lookKey struct {
	tenant string
	id     ticket.ID
}

type look struct {
	name string
	last time.Time
}

// seen records that an agent looks at a ticket, and returns the names of the others, sorted.
func (e *presence) seen(a ticket.Actor, id ticket.ID, name string, now time.Time) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = map[lookKey]map[string]look{}
	}
	key := lookKey{a.Tenant, id}
	if e.by[key] == nil {
		e.room(now)
		e.by[key] = map[string]look{}
	}
	e.by[key][a.Person.ID] = look{name, now}
	var others []string
	for who, l := range e.by[key] {
		switch {
		case now.Sub(l.last).Abs() > lookFor: // or the clock was set back
			delete(e.by[key], who)
		case who != a.Person.ID:
			others = append(others, l.name)
		}
	}
	slices.Sort(others)
	return others
}

// left records that an agent looks elsewhere now.
func (e *presence) left(a ticket.Actor, id ticket.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := lookKey{a.Tenant, id}
	delete(e.by[key], a.Person.ID)
	if len(e.by[key]) == 0 {
		delete(e.by, key)
	}
}

// room forgets the tickets that nobody looks at any more, and any ticket if there are too many.
func (e *presence) room(now time.Time) {
	if len(e.by) < mostLooks {
		return
	}
	for key, looks := range e.by {
		gone := true
		for _, l := range looks {
			gone = gone && now.Sub(l.last).Abs() > lookFor
		}
		if gone {
			delete(e.by, key)
		}
	}
	for key := range e.by {
		if len(e.by) < mostLooks {
			return
		}
		delete(e.by, key)
	}
}
