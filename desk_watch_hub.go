package ticket

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// watching has the hubs of a desk, one for each tenant that somebody watches.
type watching struct {
	mu    sync.Mutex
	hubs  map[string]*hub
	shut  bool
	some  atomic.Int32  // how many hubs there are
	slots chan struct{} // of hubs that read at the same time
}

func newWatching() *watching {
	return &watching{hubs: map[string]*hub{}, slots: make(chan struct{}, 4)}
}

// join returns the tenant's hub, nil after Shutdown.
func (w *watching) join(ctx context.Context, d *Desk, tenant string) *hub {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return nil
	}
	h := w.hubs[tenant]
	if h == nil {
		h = newHub(context.WithoutCancel(ctx), d, tenant)
		w.hubs[tenant] = h
		w.some.Store(int32(len(w.hubs)))
		go h.run()
	}
	h.users++
	return h
}

// leave ends the hub with its last watcher, and waits until it has ended.
func (w *watching) leave(h *hub) {
	w.mu.Lock()
	h.users--
	last := h.users == 0
	if last {
		w.drop(h)
	}
	w.mu.Unlock()
	if last {
		<-h.done
	}
}

// drop ends a hub. New watchers get another one.
func (w *watching) drop(h *hub) {
	h.stop()
	if w.hubs[h.tenant] == h {
		delete(w.hubs, h.tenant)
		w.some.Store(int32(len(w.hubs)))
	}
}

// fail ends a hub that could not begin.
func (w *watching) fail(h *hub, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.ctx.Err() == nil {
		h.fault = err
	}
	w.drop(h)
}

func (w *watching) shutdown() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
	for _, h := range w.hubs {
		w.drop(h)
	}
}

// changed says that a tenant's tickets have changed.
func (w *watching) changed(tenant string) {
	if w.some.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hubs[tenant]; h != nil {
		h.poke()
	}
}

// all says that any tickets may have changed.
func (w *watching) all() {
	if w.some.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hubs {
		h.poke()
	}
}

// A hub reads the newest changes of a tenant for all who watch it.
//
// A store lists tickets by when they were touched, and not by when that was committed: a
// commit of a process whose clock is behind appears among older ones. So the hub remembers
// the versions of all tickets that were touched within the overlap, and compares them with
// those that the store has. At each look it reads the newest ones, as far as there are new
// versions. A walk through the rest of the overlap, a page or more a second, finds the others.
//
// Watchers read the log and have only a place in it. One that falls behind the log is told.
type hub struct {
	d      *Desk
	tenant string
	id     uint64
	users  int // guarded by watching.mu
	ctx    context.Context
	stop   context.CancelFunc
	fault  error         // why it could not begin; read after ctx is done
	ready  chan struct{} // closed when it has begun
	done   chan struct{} // closed when its goroutine has ended
	nudge  chan struct{}
	wake   wakeup

	mu    sync.Mutex
	log   []*sighted // only replaced and appended to: readers keep parts of it
	base  int64      // the number of the first one in log
	upTo  time.Time  // what was committed before, by this clock, is in the log, or was
	floor time.Time  // the log has all that were touched from then on

	// For the goroutine alone.
	seen   map[ID]known
	walk   *overlapWalk
	stride int // pages of a walk to read each time
}

// known is what the hub knows of a ticket that was touched within the overlap.
type known struct {
	version int64
	touched time.Time
	ticket  *Ticket // at this version; nil if it is no longer in the log
}

// An overlapWalk is a walk through all tickets that were touched within the overlap.
type overlapWalk struct {
	from, began time.Time
	after       Cursor
	pages       int
}

// sighted is a change that the hub has seen: some events of one ticket.
type sighted struct {
	before  *Ticket // nil: it is new, or nothing is known
	after   *Ticket
	news    []news    // the events; nil if they were not read
	arrived time.Time // when the hub saw it
	upTo    time.Time // hub.upTo at that time

	// A change from before the hub's time has no news until a customer asks.
	mu    sync.Mutex
	since time.Time // events from before do not count; zero: news was read
	late  []news
	read  bool // late was read
}

// news is what watchers need of an event.
type news struct {
	seq    int64
	at     time.Time
	action ActionName
	public bool     // it changes what every customer sees
	rated  bool     // it changes what the requester sees
	people []Person // whose part in the ticket it changes
	other  ID       // the other ticket of a merge
}

func newHub(ctx context.Context, d *Desk, tenant string) *hub {
	h := &hub{
		d: d, tenant: tenant, id: rand.Uint64(), //nolint:gosec // it need not be secret, only another one than before
		ready: make(chan struct{}), done: make(chan struct{}), nudge: make(chan struct{}, 1), base: 1, seen: map[ID]known{}, stride: 1,
	}
	h.ctx, h.stop = context.WithCancel(ctx)
	return h
}

func (h *hub) poke() {
	select {
	case h.nudge <- struct{}{}:
	default:
	}
}

func (h *hub) run() {
	defer close(h.done)
	defer h.d.hear(h.ctx)()
	if err := h.turn(h.begin); err != nil {
		h.d.watching.fail(h, err)
		return
	}
	close(h.ready)
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	failing := false
	for wait(h.ctx, watchGap) == nil {
		due := false
		select {
		case <-h.ctx.Done():
			return
		case <-h.nudge:
			select {
			case <-tick.C:
				due = true
			default:
			}
		case <-tick.C:
			due = true
		}
		err := h.turn(func(ctx context.Context) error { return h.look(ctx, due) })
		if err != nil && !failing && h.ctx.Err() == nil {
			h.d.trouble(h.ctx, "look for changes to show", err) // once, not every second
		}
		failing = err != nil
	}
}

// turn calls a function when few enough other hubs read.
func (h *hub) turn(read func(context.Context) error) error {
	select {
	case <-h.ctx.Done():
		return h.ctx.Err()
	case h.d.watching.slots <- struct{}{}:
	}
	defer func() { <-h.d.watching.slots }()
	return read(h.ctx)
}

// query lists the tenant's tickets that were touched from an instant on, the newest first.
func (h *hub) query(from time.Time, limit int) Query {
	return Query{Tenant: h.tenant, Stage: stages, TouchedFrom: from, Order: OrderMostRecent, Limit: limit}
}

// begin reads the tickets that were touched lately, for the comparison with later versions and
// for watchers that come from another hub.
func (h *hub) begin(ctx context.Context) error {
	now := h.d.now()
	from, overlap := now.Add(-watchAge), now.Add(-watchOverlap)
	q := h.query(from, 500)
	h.upTo, h.floor = now, from
	for {
		page, err := h.d.store.List(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Tickets {
			t := &page.Tickets[i]
			k := known{version: t.Version, touched: t.Touched}
			if len(h.log) < watchKeep {
				k.ticket = t
				h.log = append(h.log, &sighted{after: t, arrived: now, upTo: now, since: from})
			} else if len(h.log) == watchKeep && h.floor.Equal(from) {
				h.floor = h.log[watchKeep-1].after.Touched.Add(time.Microsecond)
			}
			if !t.Touched.Before(overlap) {
				h.seen[t.ID] = k
			}
		}
		full := len(page.Tickets) > 0 && len(h.log) >= watchKeep && page.Tickets[len(page.Tickets)-1].Touched.Before(overlap)
		if q.After = page.Next; q.After == "" || full {
			break
		}
	}
	slices.Reverse(h.log)
	return nil
}

// look reads new changes. If due, it also goes on with the walk.
func (h *hub) look(ctx context.Context, due bool) (err error) {
	defer func() {
		if err != nil {
			h.walk = nil // what it has passed was not told
		}
	}()
	now := h.d.now()
	from := now.Add(-watchOverlap)
	fresh := map[ID]Ticket{}
	q := h.query(from, 50)
	var upTo time.Time
	for {
		page, err := h.d.store.List(ctx, q)
		if err != nil {
			return err
		}
		n := h.compare(page.Tickets, fresh)
		if page.Next == "" {
			upTo, h.walk, h.stride = now, nil, 1 // that was all
			break
		}
		if n == 0 {
			break
		}
		q.After = page.Next
	}
	if due && upTo.IsZero() {
		if upTo, err = h.step(ctx, now, fresh); err != nil {
			return err
		}
	}
	list, err := h.read(ctx, fresh, from, now)
	if err != nil {
		upTo = time.Time{}
	}
	h.publish(list, upTo)
	if due {
		h.forget(now)
	}
	return err
}

// step goes on with the walk through the overlap. At its end it returns when it began.
func (h *hub) step(ctx context.Context, now time.Time, fresh map[ID]Ticket) (upTo time.Time, err error) {
	if h.walk == nil {
		h.walk = &overlapWalk{from: now.Add(-watchOverlap), began: now}
	}
	w := h.walk
	for range h.stride {
		q := h.query(w.from, 500)
		q.After = w.after
		page, err := h.d.store.List(ctx, q)
		if err != nil {
			return time.Time{}, err
		}
		h.compare(page.Tickets, fresh)
		w.pages++
		if w.after = page.Next; w.after == "" {
			h.walk, h.stride = nil, 1+w.pages/30 // so that a walk takes half a minute at most
			return w.began, nil
		}
	}
	return time.Time{}, nil
}

// compare adds the tickets with new versions to fresh, and returns how many they are.
func (h *hub) compare(list []Ticket, fresh map[ID]Ticket) (n int) {
	for i := range list {
		t := &list[i]
		if k, there := h.seen[t.ID]; there && k.version >= t.Version {
			continue
		}
		if f, there := fresh[t.ID]; there && f.Version >= t.Version {
			continue
		}
		fresh[t.ID] = *t
		n++
	}
	return n
}

// read reads the events of tickets with new versions. After an error it returns those that it
// has read. The others are still new.
func (h *hub) read(ctx context.Context, fresh map[ID]Ticket, from, now time.Time) (list []*sighted, err error) {
	order := slices.SortedFunc(maps.Values(fresh), func(t, o Ticket) int { return cmp.Or(t.Touched.Compare(o.Touched), t.ID.Compare(o.ID)) })
	for i := range order {
		t := &order[i]
		s := &sighted{after: t, arrived: now}
		switch err := h.learn(ctx, s, from); {
		case isNotFound(err): // it was removed
			continue
		case err != nil:
			return list, err
		}
		h.seen[t.ID] = known{t.Version, t.Touched, t}
		if len(s.news) > 0 { // else something happened to its clocks only
			list = append(list, s)
		}
	}
	return list, nil
}

// fewNews is how many events of a ticket the hub reads at most to find out what is new.
const fewNews = 200

// learn reads what is new about a ticket and, if need be, what the ticket was before. from is
// the time of the events that count for a ticket of which nothing is known.
func (h *hub) learn(ctx context.Context, s *sighted, from time.Time) error {
	t := s.after
	k, was := h.seen[t.ID]
	after := int64(0)
	if s.before = k.ticket; s.before != nil || t.Version > fewNews {
		after = max(k.version-1, t.Version-fewNews, 0) // the event before gives the phase
	}
	events, err := h.d.store.Events(ctx, h.tenant, t.ID, after, int(t.Version-after))
	if err != nil {
		return err
	}
	first := k.version + 1
	if !was {
		first = t.Version + 1
		for i := range slices.Backward(events) {
			if e := &events[i]; !e.aside() && !e.At.Before(from) {
				first = e.Seq
			}
		}
	}
	s.news = newsOf(events, first, t.Version)
	if s.before != nil || first == 1 || len(s.news) == 0 || h.d.unshared && !handsOver(events, first) {
		return nil
	}
	if after == 0 {
		var before Ticket
		for _, e := range events {
			if e.Seq < first {
				before = Apply(before, e)
			}
		}
		s.before = &before
		return nil
	}
	before, err := h.d.foldTo(ctx, h.tenant, t.ID, first-1)
	s.before = &before
	return err
}

// handsOver reports whether an event from first on can change who sees the ticket by the
// default policy.
func handsOver(events []Event, first int64) bool {
	return slices.ContainsFunc(events, func(e Event) bool {
		return e.Seq >= first && (e.Set.Queue != nil || e.Set.Assignee != nil || !e.Requester.IsZero() || len(e.Followed)+len(e.Unfollowed) > 0)
	})
}

// newsOf returns what watchers need of events from first to last.
func newsOf(events []Event, first, last int64) (list []news) {
	var before Phase
	for i := range events {
		e := &events[i]
		m := moment{*e, before}
		before = e.Phase
		if e.Seq < first || e.Seq > last || e.aside() {
			continue
		}
		n := news{seq: e.Seq, at: e.At, action: e.Action, public: m.public() || e.Subject != "", rated: e.Set.Score != 0, other: e.Set.Other}
		if !e.Requester.IsZero() {
			n.people = append(n.people, e.Requester)
		}
		n.people = append(append(n.people, e.Followed...), e.Unfollowed...)
		list = append(list, n)
	}
	return list
}

// told returns the events of a change. If the hub has not read them, because the change is
// from before its time, the first customer who may see the ticket makes the desk read them.
func (s *sighted) told(ctx context.Context, d *Desk) ([]news, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.since.IsZero():
		return s.news, nil
	case s.read:
		return s.late, nil
	}
	t := s.after
	after := max(t.Version-fewNews, 0)
	events, err := d.store.Events(ctx, t.Tenant, t.ID, after, int(t.Version-after))
	if err != nil {
		return nil, err
	}
	for _, n := range newsOf(events, after+min(after, 1), t.Version) {
		if !n.at.Before(s.since) {
			s.late = append(s.late, n)
		}
	}
	s.read = true
	return s.late, nil
}

// publish adds changes to the log and wakes the watchers. upTo is zero if no walk has ended.
func (h *hub) publish(list []*sighted, upTo time.Time) {
	h.mu.Lock()
	for _, s := range list {
		s.upTo = h.upTo
		h.log = append(h.log, s)
	}
	if !upTo.IsZero() {
		h.upTo = upTo
	}
	over := len(h.log) - watchKeep
	h.mu.Unlock()
	h.trim(over)
	if len(list) > 0 {
		h.wake.all()
	}
}

// forget drops what is too old: changes, and tickets that no walk returns any more.
func (h *hub) forget(now time.Time) {
	h.mu.Lock()
	n := 0
	for n < len(h.log) && now.Sub(h.log[n].arrived) > watchAge {
		n++
	}
	h.mu.Unlock()
	h.trim(n)
	if h.walk != nil {
		return
	}
	for id, k := range h.seen {
		if now.Sub(k.touched) > watchOverlap+time.Minute {
			delete(h.seen, id)
		}
	}
}

// trim drops the oldest n changes.
func (h *hub) trim(n int) {
	if n <= 0 {
		return
	}
	h.mu.Lock()
	gone := h.log[:n]
	h.log = slices.Clone(h.log[n:]) // so that the others can be collected
	h.base += int64(n)
	for _, s := range gone {
		// A clock that is ahead must not make the log look emptier than it is.
		touched := s.after.Touched
		if last := s.arrived.Add(watchOverlap); touched.After(last) {
			touched = last
		}
		if above := touched.Add(time.Microsecond); above.After(h.floor) {
			h.floor = above
		}
	}
	h.mu.Unlock()
	for _, s := range gone {
		if k, there := h.seen[s.after.ID]; there && k.ticket == s.after {
			k.ticket = nil
			h.seen[s.after.ID] = k
		}
	}
}

// after returns some changes from a place on. lost says that there were others, which the log
// no longer has.
func (h *hub) after(pos int64) (list []*sighted, lost bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := pos - h.base
	if i < 0 {
		return nil, true
	}
	return h.log[i:min(i+64, int64(len(h.log)))], false
}

// head returns the place after the last change.
func (h *hub) head() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.base + int64(len(h.log))
}

// cursor returns the cursor of a place.
func (h *hub) cursor(pos int64) Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := watchPlace{hub: h.id, pos: pos, at: h.upTo}
	if i := max(pos-h.base, 0); i < int64(len(h.log)) {
		p.at = h.log[i].upTo // later walks have found changes that were not told yet
	}
	return p.cursor()
}

// resume returns where a watcher with this cursor continues. From another hub's cursor only
// the time counts: the watcher gets the changes in replay, as far as they happened since.
func (h *hub) resume(after Cursor) (pos int64, replay []*sighted, since time.Time, reset bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := h.base + int64(len(h.log))
	if after == "" {
		return head, nil, since, false
	}
	p, ok := parseWatchPlace(after)
	if ok && p.hub == h.id && p.pos >= h.base && p.pos <= head {
		return p.pos, nil, since, false
	}
	since = p.at.Add(-watchOverlap)
	if !ok || since.Before(h.floor) || p.at.After(h.upTo.Add(watchOverlap)) {
		return head, nil, since, true
	}
	for _, s := range h.log {
		if !s.after.Touched.Before(since) {
			replay = append(replay, s)
		}
	}
	return head, replay, since, false
}
