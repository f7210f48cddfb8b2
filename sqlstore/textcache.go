package sqlstore

import (
	"strings"
	"sync"
)

// A textCache holds the texts of statements that are put together from parts, by what they
// consist of. A busy store uses a few dozen.
type textCache[K comparable] struct {
	mu sync.RWMutex
	m  map[K]string
}

// get returns the text for a key. It calls build if there is none.
func (t *textCache[K]) get(key K, build func(K) string) string {
	t.mu.RLock()
	text, ok := t.m[key]
	t.mu.RUnlock()
	if ok {
		return text
	}
	text = build(key)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[K]string{}
	}
	if len(t.m) < mostTexts {
		t.m[key] = text
	}
	return text
}

// mostTexts limits how many texts are held of each kind.
const mostTexts = 1000

// repeated is the key of a statement with several rows of placeholders.
type repeated struct {
	into    string
	columns int
	n       int
	end     string
}

var repeatedTexts textCache[repeated]

// several appends n rows of placeholders to a statement that ends in VALUES.
func several(into string, columns, n int) string { return severalEnding(into, columns, n, "") }

// severalEnding is like several, for a statement that ends in end.
func severalEnding(into string, columns, n int, end string) string {
	return repeatedTexts.get(repeated{into, columns, n, end}, func(r repeated) string {
		row := "(" + strings.Repeat("?, ", r.columns-1) + "?)"
		return r.into + strings.Repeat(row+", ", r.n-1) + row + r.end
	})
}
