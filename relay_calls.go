package ticket

import (
	"strings"
	"sync"
)

// calls tracks the notifier calls that have not returned, of all calls of Run and
// Deliver of a desk. Abandoned calls are included. Each call takes a place of its
// notifier, so that the calls that never return are bounded.
type calls struct {
	mu     sync.Mutex
	of     map[ID]bool
	late   map[ID]Settlement // outcomes of abandoned calls that delivered, or perhaps delivered
	taken  map[string]int    // places by notifier
	lost   map[string]int    // places of abandoned calls, by notifier
	astray map[ID]bool       // the abandoned calls
	freed  wakeup            // signals that a place was freed
}

// mostLate bounds calls.late: a repeated delivery is better than unbounded memory.
const mostLate = 1000

// under returns how many places of a notifier are taken.
func (c *calls) under(notifier string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken[notifier]
}

// stray reports whether a notifier has calls and all of them were abandoned.
func (c *calls) stray(notifier string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken[notifier] > 0 && c.taken[notifier] == c.lost[notifier]
}

// reserve takes up to n places of a notifier and returns how many it took.
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

// release gives n places back.
func (c *calls) release(notifier string, n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	c.taken[notifier] -= n
	c.mu.Unlock()
	c.freed.all()
}

// enter begins a call. It returns false if the previous call for this delivery has
// not returned. If that call returned late and delivered, or perhaps delivered,
// enter returns false and its outcome.
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

// lose marks a call as abandoned.
func (c *calls) lose(notifier string, id ID) {
	c.mu.Lock()
	if c.of[id] {
		c.astray[id] = true
		c.lost[notifier]++
	}
	c.mu.Unlock()
	c.freed.all() // waiting workers check again
}

// leave removes a call that has returned with this outcome.
func (c *calls) leave(notifier string, id ID, s Settlement) {
	c.mu.Lock()
	delete(c.of, id)
	if c.astray[id] {
		delete(c.astray, id)
		c.lost[notifier]--
		if s.State == DeliverySent || strings.HasPrefix(s.Error, perhaps) {
			if len(c.late) >= mostLate {
				clear(c.late)
			}
			c.late[id] = s
		}
	}
	c.mu.Unlock()
	c.release(notifier, 1)
}
