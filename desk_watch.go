package ticket

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// Changed says that a ticket has changed; see [Desk.Watch]. One without a Ticket says that
// nothing has changed, or, with Reset, that much may have.
type Changed struct {
	Ticket ID     // zero: no ticket
	Number Number // its number
	// Version is the number of the last event that the actor may know of, and Action its
	// action. Several events that come close together are one Changed. Action is empty if
	// the desk has not read the events: after a reconnection to another process.
	Version int64
	Action  ActionName
	// Gone says that the actor could see the ticket before this change and no longer can.
	// Version and Action are empty then.
	Gone bool
	// Reset says that changes may have been missed: read everything again that you show.
	Reset bool
	// Cursor is where to continue, for Desk.Watch.
	Cursor Cursor
}

// Times and sizes of Watch. The overlap is the sum of what two clocks may differ by, the time
// between a decision and the end of its transaction, and the time that a walk takes.
const (
	watchPoll    = time.Second            // between looks if nothing wakes the desk
	watchGap     = 100 * time.Millisecond // between looks at least
	watchBeat    = 15 * time.Second       // between two values at most
	watchOverlap = 5 * time.Minute
	watchAge     = 2 * watchOverlap // of changes that are kept
	watchKeep    = 4096             // changes that are kept at most
)

// Watch yields the changes of tickets that the actor may see, as they happen, for pages that
// update themselves and for server-sent events:
//
//	for c, err := range desk.Watch(r.Context(), actor, ticket.Cursor(r.Header.Get("Last-Event-ID"))) {
//		…  // write c.Cursor as the event's id
//	}
//
// The first value comes at once and has no ticket. After it, read what you show: later changes
// will follow. At least every 15 seconds there is a value, if need be without a ticket; send it
// as a heartbeat, with its newer Cursor.
//
// To continue after an interruption, pass the Cursor of the last value, in this process or
// another one on the same store. Nothing is missed, but some changes may come again. If the
// cursor is more than about five minutes old or not known, the first value has Reset. An empty
// cursor begins now. A loop that takes so long for its values that 4096 changes or ten minutes
// pass gets a Reset, and holds up nobody else.
//
// The policy is asked about each change. Agents and systems get every change that touches the
// ticket (see Ticket.Touched): not those of clocks, erasures and the archive. Customers get
// those that [Desk.Track] shows: words, files, the subject, the phase, the level, a merge that
// brings messages, and their own rating; a note is no change for them. The holder of a status
// link gets those of its ticket and of the one it was merged into.
//
// While somebody watches a tenant, the desk looks for new changes of that tenant: right after
// commits of this desk, after those of other processes if the store is a [Listener], after
// [Desk.Wake], and otherwise once a second. The number of calls of Watch does not matter for
// that. Changes are found by the times that processes wrote into them, so the clocks of all
// processes should differ by less than two minutes.
//
// Watch ends with an error, or without one after [Desk.Shutdown]. Errors: that of ctx, those
// of [Desk.Get], [ErrStatusLink] once the link is no longer valid, [ErrInvalid] for a desk
// that is bound to a transaction, and the store's own errors at the beginning. An outage of
// the store later is logged, and the changes come when it is over.
func (d *Desk) Watch(ctx context.Context, a Actor, after Cursor) iter.Seq2[Changed, error] {
	return func(yield func(Changed, error) bool) {
		if err := d.watch(ctx, a, after, func(c Changed) bool { return yield(c, nil) }); err != nil {
			yield(Changed{}, err)
		}
	}
}

func (d *Desk) watch(ctx context.Context, a Actor, after Cursor, yield func(Changed) bool) error {
	w := watcher{d: d}
	if err := w.admit(ctx, a); err != nil {
		return err
	}
	h := d.watching.join(ctx, d, a.Tenant)
	if h == nil {
		return nil
	}
	defer d.watching.leave(h)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.ctx.Done():
		return h.fault
	case <-h.ready:
	}
	w.hub = h
	return w.follow(ctx, after, yield)
}

// A watcher is one call of Watch.
type watcher struct {
	d    *Desk
	hub  *hub
	a    Actor
	link Actor // the holder of a link, as it was given
	into ID    // the ticket that the link's ticket was merged into, or the ticket itself
	pos  int64 // the change to look at next
}

// admit checks the actor of the call.
func (w *watcher) admit(ctx context.Context, a Actor) (err error) {
	if w.d.bound {
		return invalid("desk", "is bound to a transaction, inside which nothing can be watched")
	}
	if a.token != "" {
		w.link = a
		return w.readmit(ctx)
	}
	w.a, err = w.d.admit(ctx, a)
	return err
}

// readmit checks a link again, and where its ticket is now.
func (w *watcher) readmit(ctx context.Context) error {
	a, t, err := w.d.tracked(ctx, w.link, "")
	if err == nil {
		w.a, w.into = a, t.ID
	}
	return err
}

// follow yields changes until the context or the hub ends.
func (w *watcher) follow(ctx context.Context, after Cursor, yield func(Changed) bool) error {
	h := w.hub
	pos, replay, since, reset := h.resume(after)
	w.pos = pos
	first := Changed{Reset: reset, Cursor: h.cursor(pos)}
	if len(replay) > 0 {
		first.Cursor = after // until all of them are told
	}
	if !yield(first) {
		return nil
	}
	for _, e := range replay {
		switch c, visible, err := w.judge(ctx, e, since); {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case visible:
			if c.Cursor = after; !yield(c) {
				return nil
			}
		}
	}
	if len(replay) > 0 && !yield(Changed{Cursor: h.cursor(pos)}) {
		return nil
	}
	beat := time.NewTimer(watchBeat/2 + rand.N(watchBeat/2)) //nolint:gosec // so that not all of them send at the same time
	defer beat.Stop()
	for {
		next := h.wake.next()
		told, err := w.catchUp(ctx, yield)
		if err != nil || told < 0 {
			return err
		}
		if told > 0 {
			beat.Reset(watchBeat)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.ctx.Done():
			return h.fault
		case <-next:
		case <-beat.C:
			beat.Reset(watchBeat)
			if held := w.a.held; held != nil && !w.d.now().Before(held.Until) {
				return &StatusLinkError{Expired: held.Until}
			}
			if !yield(Changed{Cursor: h.cursor(w.pos)}) {
				return nil
			}
		}
	}
}

// catchUp yields what the hub has for the watcher. It returns how many values it yielded, or
// a negative number if the loop has ended.
func (w *watcher) catchUp(ctx context.Context, yield func(Changed) bool) (told int, err error) {
	for ctx.Err() == nil && w.hub.ctx.Err() == nil {
		list, lost := w.hub.after(w.pos)
		if lost {
			w.pos = w.hub.head()
			if told++; !yield(Changed{Reset: true, Cursor: w.hub.cursor(w.pos)}) {
				return -1, nil
			}
			continue
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			c, visible, err := w.judge(ctx, e, time.Time{})
			if err != nil {
				return told, err
			}
			w.pos++
			if !visible {
				continue
			}
			c.Cursor = w.hub.cursor(w.pos)
			if told++; !yield(c) {
				return -1, nil
			}
		}
	}
	return told, nil
}

// judge returns what the actor may know of a change. Events from before since are not told.
func (w *watcher) judge(ctx context.Context, e *sighted, since time.Time) (Changed, bool, error) {
	if w.a.held != nil {
		if e.after.ID != w.a.only && e.after.ID != w.into {
			return Changed{}, false, nil
		}
		if err := w.readmit(ctx); err != nil {
			return Changed{}, false, err
		}
	}
	policy := w.d.cfg.Policy
	c := Changed{Ticket: e.after.ID, Number: e.after.Number}
	if !policy.MaySee(w.a, *e.after) {
		c.Gone = e.before != nil && policy.MaySee(w.a, *e.before)
		return c, c.Gone, nil
	}
	if w.a.Role != RoleRequester {
		c.Version = e.after.Version
		if n := len(e.news); n > 0 {
			c.Version, c.Action = e.news[n-1].seq, e.news[n-1].action
		}
		return c, true, nil
	}
	news, err := e.told(ctx, w.d)
	if err != nil {
		return Changed{}, false, err
	}
	for i := range slices.Backward(news) {
		n := &news[i]
		if n.at.Before(since) {
			continue
		}
		shows, err := w.shows(ctx, n, e.after)
		if err != nil {
			return Changed{}, false, err
		}
		if shows {
			c.Version, c.Action = n.seq, n.action
			return c, true, nil
		}
	}
	return Changed{}, false, nil
}

// shows reports whether an event changes a customer's view of a ticket.
func (w *watcher) shows(ctx context.Context, n *news, t *Ticket) (bool, error) {
	switch {
	case n.public, n.rated && w.a.RoleOn(*t) == RoleRequester, slices.ContainsFunc(n.people, w.a.Person.isThe):
		return true, nil
	case n.other.IsZero():
		return false, nil
	}
	o, err := w.d.store.Ticket(ctx, t.Tenant, n.other)
	if err != nil {
		if isNotFound(err) {
			err = nil
		}
		return false, err
	}
	return w.a.RoleOn(o) != 0 || w.d.oneCustomer(o.Requester, w.d.share(w.a, *t).as), nil
}

// A watchPlace is the place of a watcher, for its own hub and for others. The bytes of its
// cursor: a version, eight bytes each for the hub, the change and the time.
type watchPlace struct {
	hub uint64
	pos int64
	at  time.Time // what was committed before, by this hub's clock, was told
}

const (
	watchVersion    = 3 // 1 is a Place, 2 a spot
	watchCursorSize = 1 + 8 + 8 + 8
)

func (p watchPlace) cursor() Cursor {
	b := make([]byte, 0, watchCursorSize)
	b = append(b, watchVersion)
	b = binary.BigEndian.AppendUint64(b, p.hub)
	b = binary.BigEndian.AppendUint64(b, uint64(p.pos))
	b = binary.BigEndian.AppendUint64(b, uint64(p.at.UnixMicro()))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func parseWatchPlace(c Cursor) (watchPlace, bool) {
	if len(c) > 2*watchCursorSize {
		return watchPlace{}, false
	}
	b, err := decodeCursor(c)
	if err != nil || len(b) != watchCursorSize || b[0] != watchVersion {
		return watchPlace{}, false
	}
	return watchPlace{
		hub: binary.BigEndian.Uint64(b[1:]),
		pos: int64(binary.BigEndian.Uint64(b[9:])),
		at:  time.UnixMicro(int64(binary.BigEndian.Uint64(b[17:]))).UTC(),
	}, true
}
