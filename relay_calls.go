package ticket

import (
	"strings"
	"sync"
)

// calls tracks the notifier calls of a desk that have not returned, including those
// that were given up, of all calls of Run and Deliver. Each takes a place of its
// notifier, so that calls that never return are bounded.
type calls struct {
	mu     sync.Mutex
	of     map[ID]bool
	late   map[ID]Settlement // what came of calls that were given up and delivered nevertheless, or perhaps
	taken  map[string]int    // places by notifier
	lost   map[string]int    // of these, of calls that were given up
	astray map[ID]bool       // those
	freed  wakeup            // tells that a place was freed
}

// mostLate bounds what is remembered: a repeat is better than memory without end.
const mostLate = 1000

// under is how many places of a notifier are taken.
func (c *calls) under(notifier string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken[notifier]
}

// stray reports whether there are calls of a notifier and all were given up.
func (c *calls) stray(notifier string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken[notifier] > 0 && c.taken[notifier] == c.lost[notifier]
}

// reserve takes up to n of the places of a notifier, and returns how many.
func (c *calls) reserve(notifier string, all, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken == nil {
		c.of, c.late, c.astray = map[ID]bool{}, map[ID]Settlement{}, map[ID]bool{}
		c.taken, c.lost = map[string]int{}, map[string]int{}
	}
	n = max(0, min(n, all-c.taken[notifier]))
	c.taken[notifier] += n
	return n
}

// release gives places back.
func (c *calls) release(notifier string, n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	c.taken[notifier] -= n
	c.mu.Unlock()
	c.freed.all()
}

// enter begins a call, unless the one before has not returned, or did so late and has
// delivered, perhaps: then it returns what came of that.
func (c *calls) enter(id ID) (late Settlement, entered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] {
		return Settlement{}, false
	}
	if late, ok := c.late[id]; ok {
		delete(c.late, id)
		return late, false
	}
	c.of[id] = true
	return Settlement{}, true
}

// lose is for a call that is given up.
func (c *calls) lose(notifier string, id ID) {
	c.mu.Lock()
	if c.of[id] {
		c.astray[id] = true
		c.lost[notifier]++
	}
	c.mu.Unlock()
	c.freed.all() // those waiting look again
}

// leave is for a call that has returned, and what came of it.
func (c *calls) leave(notifier string, id ID, s Settlement) {
	c.mu.Lock()
	delete(c.of, id)
	if c.astray[id] {
		delete(c.astray, id)
		c.lost[notifier]--
		if s.Outcome == OutcomeDone || strings.HasPrefix(s.Error, perhaps) {
			if len(c.late) >= mostLate {
				clear(c.late)
			}
			c.late[id] = s
		}
	}
	c.mu.Unlock()
	c.release(notifier, 1)
}
