package web

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A limiter counts what a client does. Each client has a number of tries that refills evenly.
type limiter struct {
	most int           // tries at once
	per  time.Duration // in which they are refilled

	mu   sync.Mutex
	full map[string]time.Time // client → when it has all its tries again
}

// mostClients is how many clients a limiter remembers. If there are more, it forgets the one
// that has most tries left among some.
const mostClients = 20_000

// longestClient bounds what is remembered of one, in bytes.
const longestClient = 64

// allow takes a try of the client and reports whether there was one. The client "" is not
// limited.
func (l *limiter) allow(client string, now time.Time) bool {
	if client == "" {
		return true
	}
	if len(client) > longestClient { // such as a header that your application passes on
		sum := sha256.Sum256([]byte(client))
		client = string(sum[:])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	step := l.per / time.Duration(l.most)
	full := l.full[client]
	if full.Before(now) || full.Sub(now) > l.per { // the latter if the clock was set back
		full = now
	}
	if full = full.Add(step); full.Sub(now) > l.per {
		return false
	}
	if l.full == nil {
		l.full = map[string]time.Time{}
	}
	if _, known := l.full[client]; !known && len(l.full) >= mostClients {
		l.forget(now)
	}
	l.full[client] = full
	return true
}

// forget removes a client that has nothing to remember, or the best of some. The order of a
// map is random enough for that.
func (l *limiter) forget(now time.Time) {
	best, tried := "", 0
	for client, full := range l.full {
		if !full.After(now) {
			delete(l.full, client)
			return
		}
		if best == "" || full.Before(l.full[best]) {
			best = client
		}
		if tried++; tried == 50 {
			break
		}
	}
	delete(l.full, best)
}

// clientOf returns the network of the client's address: the address, or the first half of an
// IPv6 address, which one household has.
func clientOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr()
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		if half, err := addr.Prefix(64); err == nil {
			return half.String()
		}
	}
	return addr.String()
}
