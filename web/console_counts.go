package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// The times of the counts.
const (
	countsFresh    = 15 * time.Second      // how long a result is shown without counting again
	countsPatience = 20 * time.Millisecond // how long a page waits for a new result
	countsTime     = 2 * time.Second       // how long counting may take
	countsKept     = 1000                  // results that are kept
	mostCounted    = 10_000                // the largest result of Desk.Count
)

// A tally is the numbers of the side bar, as texts.
type tally struct {
	at     time.Time
	views  map[string]string
	queues map[string]string
}

// A counter counts tickets off the path of the pages. Each agent has a result, which a page
// shows as it is, while at most one count runs for the agent.
type counter struct {
	c  *Console
	mu sync.Mutex
	by map[string]*counted
}

type counted struct {
	tally *tally // nil before the first result
	busy  chan struct{}
}

func newCounter(c *Console) *counter { return &counter{c: c, by: map[string]*counted{}} }

// countKey returns the key of an agent's result: all that it depends on.
func countKey(a ticket.Actor) string {
	return fmt.Sprintf("%q %d %q %v %q", a.Tenant, a.Role, a.Person.ID, a.Levels, a.Queues)
}

// of returns the numbers for an agent, or nil if there are none yet.
func (k *counter) of(p *page) *tally {
	a := p.actor
	key := countKey(a)
	k.mu.Lock()
	e := k.by[key]
	if e == nil {
		e = &counted{}
		k.room()
		k.by[key] = e
	}
	now := time.Now() //nolint:forbidigo // the age of a cache
	if e.tally != nil && now.Sub(e.tally.at) < countsFresh {
		defer k.mu.Unlock()
		return e.tally
	}
	if e.busy == nil && k.c.work() {
		done := make(chan struct{})
		e.busy = done
		go func() {
			defer k.c.jobs.Done()
			n := &tally{}
			if err := safely(func() error { n = k.count(a, p.now); return nil }); err != nil {
				k.c.site.log(k.c.ctx, "web: tickets were not counted", err)
			}
			n.at = time.Now() //nolint:forbidigo // the age of a cache
			k.mu.Lock()
			e.tally, e.busy = n, nil
			k.mu.Unlock()
			close(done)
		}()
	}
	busy := e.busy
	k.mu.Unlock()
	if busy != nil {
		timer := time.NewTimer(countsPatience)
		defer timer.Stop()
		select {
		case <-busy:
		case <-timer.C:
		case <-p.ctx().Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.tally
}

// room drops results until there is room for one more. It drops any: they come back.
func (k *counter) room() {
	for key, e := range k.by {
		if len(k.by) < countsKept {
			return
		}
		if e.busy == nil {
			delete(k.by, key)
		}
	}
}

// count counts. What takes too long, or what the store cannot count, is left out.
func (k *counter) count(a ticket.Actor, now time.Time) *tally {
	ctx, cancel := context.WithTimeout(k.c.ctx, countsTime)
	defer cancel()
	n := &tally{views: map[string]string{}, queues: map[string]string{}}
	desk := k.c.site.desk
	list, err := desk.Counts(ctx, a)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) && ctx.Err() == nil {
			k.c.site.log(ctx, "web: tickets were not counted", err)
		}
		return n
	}
	open, queues := 0, map[string]int{}
	for _, c := range list {
		open += c.N
		queues[c.Queue] += c.N
	}
	n.views[viewOpen] = strconv.Itoa(open)
	for q, i := range queues {
		n.queues[q] = strconv.Itoa(i)
	}
	for _, view := range []string{viewMine, viewUnassigned, viewOverdue, viewDue, viewWaiting} {
		u := queueURL{View: view, Order: defaultOrder(view), Size: queueSizes[0]}
		q := u.query(a, now, k.c.cfg.DueSoon)
		i, err := desk.Count(ctx, a, q)
		if err != nil {
			break
		}
		if view == viewDue { // the count has no place to begin after
			if late, err := strconv.Atoi(strings.TrimSuffix(n.views[viewOverdue], "+")); err == nil {
				i = max(0, i-late)
			}
		}
		if n.views[view] = strconv.Itoa(i); i >= mostCounted {
			n.views[view] += "+"
		}
	}
	return n
}

// levelList writes the levels of an agent: "1, 2".
func levelList(levels []int) string {
	list := slices.Clone(levels)
	slices.Sort(list)
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ", ")
}
