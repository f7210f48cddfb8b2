package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ticketkit/ticket"
)

// Load says how much work a store gets. A zero field means its default.
type Load struct {
	Actions int    // number of random actions; default 3000, or 300 with -short
	Callers int    // number of concurrent callers; default 16
	Kills   int    // how often Crash kills the server; default 5, or 2 with -short
	Seed    uint64 // seed of the random choices, though not of their results; default 1
}

func (l Load) withDefaults() Load {
	actions, kills := 3000, 5
	if testing.Short() {
		actions, kills = 300, 2
	}
	return Load{cmp.Or(l.Actions, actions), cmp.Or(l.Callers, 16), cmp.Or(l.Kills, kills), cmp.Or(l.Seed, 1)}
}

// Soak runs two desks on one store. They do random things, many at once, while relays make
// the deliveries. At the end it checks everything: every ticket is the result of its
// events, every chain verifies, every list is complete and in order, every delivery is
// settled and no line was overtaken. Every action that was reported as done is there
// once, and none that was refused is there.
//
// It finds rules that conflict with each other, which cases of one rule each do not. It
// runs in real time, for some seconds.
//
// Each call of open returns a store on the same data, which is empty at first. open
// registers its cleanup with t.Cleanup.
func Soak(t *testing.T, open func(t *testing.T) ticket.Store, l Load) {
	t.Helper()
	endure(t, open, l, ordeal{})
}

// Crash is [Soak] while the store's server is killed and restarted. kill ends it as a
// crash would, and start returns when it answers. Meanwhile calls may fail, and some of
// those without an idempotency key may have taken effect nevertheless. But everything
// that was reported as done must be there at the end, and nothing may have happened twice or in part.
func Crash(t *testing.T, open func(t *testing.T) ticket.Store, kill, start func(), l Load) {
	t.Helper()
	l = l.withDefaults()
	endure(t, open, l, ordeal{
		tolerant: true,
		meanwhile: func(ctx context.Context) {
			for range l.Kills {
				if !pause(ctx, time.Duration(200+rand.IntN(300))*time.Millisecond) {
					return
				}
				kill()
				pause(ctx, 50*time.Millisecond)
				start()
			}
		},
		after: func() { kill(); start() },
	})
}

// pause waits, and reports whether the context lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// An ordeal is what happens to a store while it is in use.
type ordeal struct {
	tolerant  bool                      // whether calls may fail
	meanwhile func(ctx context.Context) // the work continues until it returns
	after     func()                    // when the work is done, before the store is opened again and looked at
}

func endure(t *testing.T, open func(t *testing.T) ticket.Store, l Load, o ordeal) {
	t.Helper()
	s := &soak{ordeal: o, Load: l.withDefaults(), sent: map[soakLine]int64{}}
	found, err := s.run(t.Context(), func() ticket.Store { return open(t) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d actions done, %d refused, %d failed, %d repeated until their result was known; %d notifications sent",
		s.done.Load(), s.refused.Load(), s.failed.Load(), s.repeated.Load(), s.notified.Load())
	for i, f := range found {
		if i == 20 {
			t.Errorf("and %d more", len(found)-i)
			return
		}
		t.Error(f)
	}
}

// A soak is one run.
type soak struct {
	ordeal
	Load
	desks []*ticket.Desk

	mu      sync.Mutex
	tickets []ticket.Ticket // in the version last seen
	acks    []ack
	never   []string // words that must not occur
	found   []string // faults found
	sent    map[soakLine]int64

	done, refused, failed, repeated, notified atomic.Int64
}

// ack is what a desk reported as done.
type ack struct {
	tenant string
	ticket ticket.Ticket
	words  string
}

type soakLine struct {
	ticket ticket.ID
	by, to string
}

var soakTenants = []string{"", "mill"}

func (s *soak) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, fmt.Sprintf(format, args...))
}

func (s *soak) run(ctx context.Context, open func() ticket.Store) ([]string, error) {
	for range 2 {
		d, err := s.desk(open())
		if err != nil {
			return nil, err
		}
		s.desks = append(s.desks, d)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var relays, callers sync.WaitGroup
	for _, d := range s.desks {
		relays.Go(func() { _ = d.Run(running) }) // until the context ends
	}
	var busy atomic.Bool
	if s.meanwhile != nil {
		busy.Store(true)
		relays.Go(func() {
			defer busy.Store(false)
			s.meanwhile(running)
		})
	}
	var left atomic.Int64
	left.Store(int64(s.Actions))
	for i := range s.Callers {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(s.Seed, uint64(i)))
			for ctx.Err() == nil && (left.Add(-1) >= 0 || busy.Load()) {
				if !s.step(ctx, r) {
					pause(ctx, 5*time.Millisecond)
				}
			}
		})
	}
	callers.Wait()
	if s.after != nil {
		s.after()
	}
	store := open()
	s.drain(ctx, store)
	stop()
	relays.Wait()
	d, err := s.desk(store)
	if err != nil {
		return nil, err
	}
	for _, tenant := range soakTenants {
		s.look(ctx, d, store, tenant)
	}
	return s.found, ctx.Err()
}

func (s *soak) desk(store ticket.Store) (*ticket.Desk, error) {
	notifier := func(by string) ticket.Notifier {
		return ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error { return s.notify(by, &n) })
	}
	return ticket.NewDesk(store, ticket.Config{
		Notifiers:      map[string]ticket.Notifier{"mail": notifier("mail"), "sms": notifier("sms"), "stream": notifier("stream")},
		EventNotifiers: []string{"stream"},
		SendLimits:     ticket.SendLimits{PerRecipient: -1, PerTicket: -1},
		Relay:          ticket.Relay{Backoff: time.Millisecond, MaxBackoff: 50 * time.Millisecond, Poll: 50 * time.Millisecond, Lease: 5 * time.Second},
		Logger:         slog.New(slog.DiscardHandler),
	})
}

// notify fails now and then, and checks the order of what it is given.
func (s *soak) notify(by string, n *ticket.Notification) error {
	s.notified.Add(1)
	switch rand.IntN(40) {
	case 0:
		return &ticket.DeliveryFault{Err: errors.New("not at all"), Permanent: true}
	case 1:
		return errors.New("not now")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line := soakLine{n.Ticket, by, n.To.Key()}
	if last := s.sent[line]; n.Seq < last && n.Attempt == 1 {
		s.found = append(s.found, fmt.Sprintf("%s to %s was notified of event %d of ticket %s after event %d", by, line.to, n.Seq, n.Ticket, last))
	}
	s.sent[line] = max(s.sent[line], n.Seq)
	return nil
}

// step does one random thing and reports whether the store answered.
func (s *soak) step(ctx context.Context, r *rand.Rand) bool {
	d := s.desks[r.IntN(len(s.desks))]
	words := fmt.Sprintf("words %016x <&\u2028\\\"ß漢\U0001F600>", r.Uint64())
	key := ""
	if r.IntN(2) == 0 {
		key = fmt.Sprintf("key %016x", r.Uint64())
	}
	one, other := s.pick(r), s.pick(r)
	if one.ID.IsZero() || r.IntN(20) == 0 {
		tenant := pick(r, soakTenants)
		n := r.IntN(30)
		who := ticket.Requester(ticket.Person{ID: fmt.Sprint("c-", n), Email: fmt.Sprintf("c%d@example.org", n), Organisation: "mill"}).InTenant(tenant)
		draft := ticket.Draft{Subject: "Printer", Message: ticket.Message(words), Key: key, Priority: ticket.Grade(1 + r.IntN(4)), Queue: pick(r, []string{"", "hardware", "lines"})}
		return s.ask(ctx, tenant, words, key, func() (ticket.Ticket, error) { return d.Open(ctx, who, draft) })
	}
	who := ticket.Agent(fmt.Sprint("a-", r.IntN(5)), 1, 2, 3).InTenant(one.Tenant)
	if r.IntN(3) == 0 {
		who = ticket.Requester(one.Requester).InTenant(one.Tenant)
	}
	t, err := d.Get(ctx, who, one.ID)
	if err != nil {
		if !errors.Is(err, ticket.ErrNotFound) && !s.tolerant {
			s.note("Get: %v", err)
		}
		return errors.Is(err, ticket.ErrNotFound)
	}
	a, ok := something(r, d.Actions(who, t), &one, &other, words)
	if !ok {
		return true
	}
	a.Key = key
	return s.ask(ctx, one.Tenant, words, key, func() (ticket.Ticket, error) { return d.Do(ctx, who, one.ID, a) })
}

// pick returns an existing ticket.
func (s *soak) pick(r *rand.Rand) ticket.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tickets) == 0 {
		return ticket.Ticket{}
	}
	return pick(r, s.tickets)
}

// rarelyDone lists actions that lead away from the usual course.
var rarelyDone = []ticket.ActionName{ticket.ActionMerge, ticket.ActionCancel, ticket.ActionClose, ticket.ActionConfirm, ticket.ActionSplit}

// something returns a random action among those that are allowed.
func something(r *rand.Rand, choices []ticket.Choice, one, other *ticket.Ticket, words string) (ticket.Action, bool) {
	choices = slices.DeleteFunc(choices, func(c ticket.Choice) bool {
		return !c.Allowed || slices.Contains(rarelyDone, c.Action) && r.IntN(6) > 0
	})
	if len(choices) == 0 {
		return ticket.Action{}, false
	}
	c := pick(r, choices)
	a := ticket.Action{Name: c.Action}
	if c.Needs.Message || c.Needs.Words {
		a.Message = ticket.Message(words)
	}
	if c.Needs.Note {
		a.Note = ticket.Note(words)
	}
	if c.Needs.Reason {
		a.Reason = "other"
	}
	if c.Needs.Queue {
		a.Queue = fmt.Sprint("q", r.IntN(3))
	}
	if c.Needs.Assignee {
		a.Assignee = fmt.Sprint("a-", r.IntN(5))
	}
	switch c.Action {
	case ticket.ActionHold:
		a.Until = one.Touched.Add(time.Duration(1+r.IntN(10)) * time.Second)
	case ticket.ActionEdit:
		a.Edit = &ticket.Edits{
			Priority: ticket.Grade(1 + r.IntN(4)), AddTags: []string{fmt.Sprint("tag", r.IntN(9))},
			Fields: ticket.Fields{"n": int64(r.IntN(9)), "f": 2.0, "t": one.Created},
		}
	case ticket.ActionMerge, ticket.ActionLink, ticket.ActionUnlink:
		if other.Tenant != one.Tenant || other.ID == one.ID {
			return a, false
		}
		a.Ticket = other.ID
		if c.Action != ticket.ActionMerge {
			a.Relation = ticket.RelationRelatedTo
		}
	case ticket.ActionSplit:
		a.Draft = &ticket.Draft{Subject: "Part"}
	}
	return a, true
}

// ask repeats a call with a key until its result is known.
func (s *soak) ask(ctx context.Context, tenant, words, key string, call func() (ticket.Ticket, error)) bool {
	for try := 0; ; try++ {
		t, err := call()
		if err == nil {
			t.Tenant = tenant // which customers cannot see
			s.acknowledge(ack{tenant, t, words})
			if try > 0 {
				s.repeated.Add(1)
			}
			return true
		}
		switch {
		case errors.Is(err, ticket.ErrDuplicate), errors.Is(err, ticket.ErrChain):
			s.note("a call failed that must not: %v", err)
			return true
		case errors.Is(err, ticket.ErrRefused), errors.Is(err, ticket.ErrInvalid), errors.Is(err, ticket.ErrStale), errors.Is(err, ticket.ErrNotFound), errors.Is(err, ticket.ErrConflict):
			s.refused.Add(1)
			if try == 0 {
				s.mu.Lock()
				s.never = append(s.never, words)
				s.mu.Unlock()
			}
			return true
		case !s.tolerant && ctx.Err() == nil:
			s.note("a call failed: %v", err)
			return true
		}
		s.failed.Add(1)
		if key == "" || try == 1000 || !pause(ctx, 10*time.Millisecond) {
			return false
		}
	}
}

func (s *soak) acknowledge(a ack) {
	s.done.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(s.acks, a)
	i := slices.IndexFunc(s.tickets, func(t ticket.Ticket) bool { return t.ID == a.ticket.ID })
	switch {
	case i < 0:
		s.tickets = append(s.tickets, a.ticket)
	default:
		s.tickets[i].Touched = a.ticket.Touched
	}
}

// drain waits until the outbox is empty or no longer shrinks.
func (s *soak) drain(ctx context.Context, store ticket.Store) {
	made := s.notified.Load()
	for idle := 0; idle < 200; idle++ { // ten seconds, twice a lease
		open := 0
		for _, tenant := range soakTenants {
			q := ticket.DeliveryQuery{Tenant: tenant, State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}, Limit: ticket.MaxLimit}
			page, err := store.Deliveries(ctx, q)
			if err != nil {
				open++
			}
			open += len(page.Deliveries)
		}
		if now := s.notified.Load(); now > made {
			made, idle = now, 0
		}
		if open == 0 || !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}
