package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var little = Load{Actions: 400, Callers: 8, Kills: 2}

func TestSoak(t *testing.T) {
	s := memstore.New()
	Soak(t, func(*testing.T) ticket.Store { return s }, little)
}

// soaked returns the faults that a soak finds.
func soaked(t *testing.T, s ticket.Store, o ordeal) string {
	t.Helper()
	run := &soak{ordeal: o, Load: little.withDefaults(), sent: map[soakLine]int64{}}
	found, err := run.run(t.Context(), func() ticket.Store { return s })
	require.NoError(t, err)
	require.Positive(t, run.done.Load())
	return strings.Join(found, "\n")
}

// A soak finds the faults of broken stores.
func TestSoakFinds(t *testing.T) {
	for _, c := range []struct {
		name, found string
		with        func(f *faulty)
	}{
		{"ignores the queue", "in another order", asking(func(q *ticket.Query) { q.Queue = nil })},
		{"has the most recent last", "in another order", sorting(ticket.OrderMostRecent, func(a, b ticket.Ticket) int { return a.Touched.Compare(b.Touched) })},
		{"loses an event in ten", "is not the fold of its events", func(f *faulty) {
			s := f.Store
			f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
				events, err := s.Events(ctx, tenant, id, after, limit)
				if limit == 0 && len(events) > 3 {
					events = events[:3]
				}
				return events, err
			}
		}},
		{"reports success without writing", "was reported as done, but is not there", func(f *faulty) {
			s := f.Store
			var n atomic.Int64
			f.commit = func(ctx context.Context, c ticket.Commit) error {
				if c.Changes[0].Expect > 0 && n.Add(1)%25 == 0 {
					return ctx.Err()
				}
				return s.Commit(ctx, c)
			}
		}},
		{"writes and returns an error", "was refused, but is there", func(f *faulty) {
			s := f.Store
			f.commit = func(ctx context.Context, c ticket.Commit) error {
				err := s.Commit(ctx, c)
				if err == nil && c.Changes[0].Ticket.Version%4 == 0 {
					err = &ticket.InvalidError{Field: "commit", Reason: "is bad luck"}
				}
				return err
			}
		}},
		{"loses a delivery in ten while it is claimed", "at the end", func(f *faulty) {
			s := f.Store
			f.settle = func(ctx context.Context, list []ticket.Settlement) error {
				return s.Settle(ctx, slices.DeleteFunc(slices.Clone(list), func(st ticket.Settlement) bool { return st.ID[15]%64 == 0 }))
			}
			f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
				r.Lease = 24 * time.Hour
				return s.Claim(ctx, r)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{Store: memstore.New()}
			c.with(f)
			require.Contains(t, soaked(t, f, ordeal{}), c.found)
		})
	}
}

// A remote is a store behind a connection. The connection carries numbers of calls, and
// the server carries out a call each time its number arrives.
type remote struct {
	ticket.Store
	dial  func() (io.ReadWriteCloser, error)
	tries int // how often a call is tried, as some drivers do on their own

	mu    sync.Mutex
	calls map[uint64]func()
	last  uint64
}

var errLost = errors.New("the connection is lost")

func (r *remote) call(do func()) error {
	r.mu.Lock()
	r.last++
	n := r.last
	r.calls[n] = do
	r.mu.Unlock()
	for range r.tries {
		if r.ask(n) == nil {
			return nil
		}
	}
	return errLost
}

func (r *remote) ask(n uint64) error {
	line, err := r.dial()
	if err != nil {
		return err
	}
	defer func() { _ = line.Close() }()
	if err := binary.Write(line, binary.BigEndian, n); err != nil {
		return err
	}
	return binary.Read(line, binary.BigEndian, &n)
}

// serve is the server's end of a connection.
func (r *remote) serve(line io.ReadWriteCloser) {
	defer func() { _ = line.Close() }()
	var n uint64
	if binary.Read(line, binary.BigEndian, &n) != nil {
		return
	}
	r.mu.Lock()
	do := r.calls[n]
	r.mu.Unlock()
	do()
	_ = binary.Write(line, binary.BigEndian, n)
}

func (r *remote) Commit(ctx context.Context, c ticket.Commit) (err error) {
	// The answer to an earlier attempt is lost with its connection.
	if lost := r.call(func() { err = r.Store.Commit(ctx, c) }); lost != nil {
		return lost
	}
	return err
}

// wired returns a remote store and the wire to it.
func wired(t *testing.T, tries int) (*remote, Wire) {
	t.Helper()
	r := &remote{Store: memstore.New(), tries: tries, calls: map[uint64]func(){}}
	lines := make(chan io.ReadWriteCloser)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	r.dial = func() (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		select {
		case lines <- theirs:
			return ours, nil
		case <-done:
			return nil, errLost
		}
	}
	return r, Wire{
		Accept: func() (io.ReadWriteCloser, error) {
			select {
			case line := <-lines:
				return line, nil
			case <-done:
				return nil, net.ErrClosed
			}
		},
		Dial: func() (io.ReadWriteCloser, error) {
			ours, theirs := net.Pipe()
			go r.serve(theirs)
			return ours, nil
		},
	}
}

func TestCut(t *testing.T) {
	r, wire := wired(t, 1)
	Cut(t, wire, func(*testing.T) ticket.Store { return r }, little)
}

// A store whose driver repeats calls does some things twice.
func TestCutFindsRetries(t *testing.T) {
	r, wire := wired(t, 2)
	var cuts atomic.Int64
	go wire.serve(func() bool { return cuts.Add(1)%10 == 0 })
	found := soaked(t, r, ordeal{tolerant: true, after: func() { cuts.Store(-1 << 40) }})
	require.Contains(t, found, "was done 2 times")
}

// killed is a store whose server can be killed. Calls to a killed server fail, unless
// the store is credulous: then it accepts commits and loses them.
type killed struct {
	ticket.Store
	credulous   bool
	away        atomic.Bool
	kills, lost atomic.Int64
}

func (k *killed) kill()  { k.kills.Add(1); k.away.Store(true) }
func (k *killed) start() { k.away.Store(false) }

func (k *killed) Commit(ctx context.Context, c ticket.Commit) error {
	switch {
	case !k.away.Load():
		return k.Store.Commit(ctx, c)
	case k.credulous:
		k.lost.Add(1)
		return nil
	}
	return errLost
}

func (k *killed) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	if k.away.Load() && !k.credulous {
		return ticket.Ticket{}, errLost
	}
	return k.Store.Ticket(ctx, tenant, id)
}

func (k *killed) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if k.away.Load() {
		return nil, errLost
	}
	return k.Store.Claim(ctx, r)
}

func (k *killed) Settle(ctx context.Context, list []ticket.Settlement) error {
	if k.away.Load() {
		return errLost
	}
	return k.Store.Settle(ctx, list)
}

func TestCrash(t *testing.T) {
	k := &killed{Store: memstore.New()}
	Crash(t, func(*testing.T) ticket.Store { return k }, k.kill, k.start, little)
	require.EqualValues(t, little.Kills+1, k.kills.Load())
}

func TestCrashFindsLostCommits(t *testing.T) {
	k := &killed{Store: memstore.New(), credulous: true}
	found := soaked(t, k, ordeal{tolerant: true, meanwhile: func(ctx context.Context) {
		for k.lost.Load() < 9 && pause(ctx, 10*time.Millisecond) {
			k.kill()
			for before := k.lost.Load(); k.lost.Load() < before+3 && pause(ctx, time.Millisecond); {
				continue // a busy machine may commit nothing for a while
			}
			k.start()
		}
	}})
	require.Contains(t, found, "was reported as done, but is not there")
}
