package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// Commit writes everything in c, or nothing; see [ticket.Store].
//
// On PostgreSQL a commit that changes one ticket is one statement, and so one round
// trip. Otherwise a commit is a transaction with one statement for each ticket, one
// for each event, and one for the outbox.
func (s *Store) Commit(ctx context.Context, c ticket.Commit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return err
	}
	if err := fits(&c); err != nil {
		return err
	}
	if err := twice(&c); err != nil {
		return err
	}
	defer s.hold()()
	w := writings.Get().(*writing)
	w.given = c
	err := w.prepare(s, &w.given)
	switch {
	case err != nil:
	case s.lang.distributed:
		err = s.persistent(ctx, func() error { return s.commit(ctx, w) })
	default:
		err = s.commit(ctx, w)
	}
	if err != nil {
		err = s.explain(ctx, "commit", s.refusal(ctx, w, err))
	}
	w.release() // not after a panic, when the driver may still have the arguments
	return err
}

func (s *Store) commit(ctx context.Context, w *writing) error {
	switch can := s.oneStatement(w); {
	case !can && w.delicate():
		return s.apart(ctx, w.steps)
	case !can:
		return s.write(ctx, w.steps)
	case s.tx != nil:
		return s.unlessStaged(ctx, w, s.write(ctx, w.one.run))
	default:
		return s.unlessStaged(ctx, w, sure(ctx, w.one.run(ctx, s.here())))
	}
}

// unlessStaged returns the outcome of the one statement. If the ticket has the expected version
// after all, and only its stage was in the way, it writes the commit step by step.
func (s *Store) unlessStaged(ctx context.Context, w *writing, outcome error) error {
	ch := &w.changes[0]
	if outcome != errStale || ch.Expect == 0 { //nolint:errorlint // this very one
		return outcome
	}
	same, err := s.here().exists(ctx, "SELECT 1 FROM {t}tickets{by tickets_id} WHERE id = ? AND tenant = ? AND version = ?", ch.id, ch.Ticket.Tenant, ch.Expect)
	if err != nil {
		return err
	}
	if !same {
		return errStale
	}
	return s.write(ctx, w.steps)
}

// twice returns an error if the commit has two equal numbers or delivery IDs. The
// database would find them only after it has written a part.
func twice(c *ticket.Commit) error {
	for i := range c.Changes {
		for j := range i {
			a, b := &c.Changes[i], &c.Changes[j]
			if a.Expect == 0 && b.Expect == 0 && a.Ticket.Number == b.Ticket.Number {
				return &ticket.DuplicateError{What: "number"}
			}
		}
	}
	if len(c.Deliveries) < 2 {
		return nil
	}
	seen := make(map[ticket.ID]bool, len(c.Deliveries))
	for i := range c.Deliveries {
		if seen[c.Deliveries[i].ID] {
			return &ticket.DuplicateError{What: "delivery"}
		}
		seen[c.Deliveries[i].ID] = true
	}
	return nil
}

// A writing is a commit, encoded for the database. Writings are used again, since their
// memory would be a large part of what a commit allocates.
type writing struct {
	given   ticket.Commit // that of a call of Commit
	c       *ticket.Commit
	changes []changing
	args    []any // of one statement at a time
	one     oneStatement
}

var writings = sync.Pool{New: func() any { return &writing{changes: make([]changing, 0, 1), args: make([]any, 0, 80)} }}

// release gives the writing back. It keeps nothing of a ticket.
func (w *writing) release() {
	clear(w.args[:cap(w.args)])
	for i := range w.changes {
		events := w.changes[i].events
		clear(events)
		w.changes[i] = changing{events: events[:0]}
	}
	w.given, w.c, w.changes, w.one = ticket.Commit{}, nil, w.changes[:0], oneStatement{}
	writings.Put(w)
}

type changing struct {
	*ticket.Change
	id     string
	key    any // the ID as an argument
	bits   columns
	labels []string // of a new ticket, or to add to the others; see missedLabels
	doc    string   // set if bits has docColumn
	clocks any      // the JSON, or nil; set if bits has clocksColumns
	events []string // JSON
	words  bool     // the search index needs an update
}

// columns says which columns of a ticket an action changes.
type columns uint16

const (
	stateColumns  columns = 1 << iota // status, level, phase and the columns that follow from them
	queueColumns                      // queue, pressing
	holderColumn                      // assignee
	timerColumns                      // timer_at, timer_action, timer_from
	docColumn                         // doc
	openColumn                        // open, stage
	wakeColumn                        // wake
	clocksColumns                     // clocks, missed, snoozed
	dueFirst                          // due and due_first; the others in the order of dueColumnNames
	_                                 // due and due_next
	_                                 // due and due_update
	_                                 // due and due_solution
	_                                 // due and due_level
	labelsChange                      // no column: the labels need an update
	dueColumns    = labelsChange - dueFirst
	everyColumn   = labelsChange - 1
)

// changed returns the columns that the events can have changed. A ticket is the fold
// of its events, so the other columns are as before.
func changed(ch *ticket.Change) columns {
	// The workflow maps a status to its phase, and the workflow may have changed. So
	// the columns that follow from the status are always written.
	bits := stateColumns
	for i := range ch.Events {
		e := &ch.Events[i]
		p := &e.Set
		if p.Queue != nil || p.Priority != 0 {
			bits |= queueColumns
		}
		if p.Assignee != nil {
			bits |= holderColumn
		}
		if p.Timer != nil {
			bits |= timerColumns | wakeColumn
		}
		for j := range p.Clocks {
			bits |= wakeColumn | clocksColumns | dueFirst<<metricIndex(p.Clocks[j].Metric)
		}
		if p.Snoozed != nil {
			bits |= wakeColumn | clocksColumns
		}
		if p.FeedbackDue != nil {
			bits |= wakeColumn
		}
		if p.FeedbackDue != nil || p.FeedbackAsked || p.Score != 0 {
			bits |= docColumn
		}
		if p.Policy != nil || p.PolicyVersion != nil || p.Promised != nil {
			bits |= clocksColumns
		}
		if len(e.Fields) > 0 || !e.Requester.IsZero() || len(e.Followed)+len(e.Unfollowed) > 0 || len(p.AddTags)+len(p.RemoveTags) > 0 ||
			p.MergedInto != nil || p.Published != nil || p.SolvedBy != nil {
			bits |= docColumn | labelsChange
		}
		if e.Subject != "" || p.Workflow != "" || p.WorkflowVersion != 0 || p.Impact|p.Urgency != 0 ||
			len(p.AddLinks)+len(p.RemoveLinks) > 0 || p.LinkEpoch != 0 || p.PriorityGiven != nil || p.NewCustomer ||
			p.Erased != nil || p.LegalHold != nil || e.MessageID != "" {
			bits |= docColumn
		}
		if p.NewCustomer {
			bits |= clocksColumns // nothing was promised to the new one
		}
	}
	return bits
}

// prepare encodes a commit before anything is locked.
func (s *Store) prepare(c *ticket.Commit) (*writing, error) {
	w := &writing{}
	return w, w.prepare(s, c)
}

func (w *writing) prepare(s *Store, c *ticket.Commit) error {
	w.c, w.changes = c, slices.Grow(w.changes, len(c.Changes))[:len(c.Changes)]
	for i := range c.Changes {
		ch := &w.changes[i]
		ch.Change = &c.Changes[i]
		ch.identify(ch.Ticket.ID.String())
		var err error
		if ch.Expect == 0 {
			ch.bits, ch.labels = everyColumn, fileLabels(labelsOf(&ch.Ticket), ch.Events)
		} else {
			ch.bits = changed(ch.Change)
			ch.labels = fileLabels(stageLabels([]int64{stageNumber(ch.Ticket.Stage)}, missedLabels(ch.Change)), ch.Events)
		}
		if err = ch.encode(); err != nil {
			return invalid("commit.changes.ticket", "cannot be written as JSON: %v", err)
		}
		ch.events = ch.events[:0]
		for j := range ch.Events {
			doc, err := eventJSON(&ch.Events[j])
			if err != nil {
				return invalid("commit.changes.events", "cannot be written as JSON: %v", err)
			}
			ch.events = append(ch.events, doc)
		}
		ch.words = s.search && (ch.Expect == 0 || ch.bits&labelsChange != 0 || hasWords(ch.Events))
	}
	// Tickets are written in the order of their IDs, so that two commits to the same
	// tickets do not deadlock.
	slices.SortFunc(w.changes, func(a, b changing) int { return strings.Compare(a.id, b.id) })
	return nil
}

// identify sets the ID.
func (ch *changing) identify(id string) { ch.id, ch.key = id, id }

// keyOf returns the ID of a changed ticket as an argument.
func (w *writing) keyOf(id ticket.ID) any {
	for i := range w.changes {
		if w.changes[i].Ticket.ID == id {
			return w.changes[i].key
		}
	}
	return id.String()
}

// encode sets the columns with JSON.
func (ch *changing) encode() (err error) {
	if ch.bits&docColumn != 0 {
		if ch.doc, err = docOf(&ch.Ticket); err != nil {
			return err
		}
	}
	if ch.bits&clocksColumns != 0 {
		ch.clocks, err = clocksJSON(&ch.Ticket)
	}
	return err
}

// hasWords reports whether the events have words for the search index, or change whether the
// ticket is a solved one. A merge changes labels.
func hasWords(events []ticket.Event) bool {
	return slices.ContainsFunc(events, func(e ticket.Event) bool {
		return e.Subject != "" || e.Message != "" || e.Note != "" ||
			e.Action == ticket.ActionReopen || e.To.Status == ticket.StatusCancelled || e.Set.Restored != nil
	})
}

// delicate reports whether the commit can fail after it has written something. Such
// a commit needs a savepoint if it shares a transaction.
func (w *writing) delicate() bool {
	return len(w.changes) > 1 || w.c.Receipt != nil
}

// errStale reports that the ticket has another version than the commit expects.
var errStale = fmt.Errorf("sqlstore: %w", ticket.ErrConflict)

// steps writes the commit statement by statement.
func (w *writing) steps(ctx context.Context, x *session) error {
	if r := w.c.Receipt; r != nil {
		if _, err := x.exec(ctx, insertReceipt, receiptArgs(w.args[:0], r)...); err != nil {
			return err
		}
	}
	for i := range w.changes {
		ch := &w.changes[i]
		var err error
		if ch.Expect == 0 {
			err = ch.insert(ctx, x, w.args[:0])
		} else {
			err = ch.update(ctx, x, w.args[:0])
		}
		if err != nil {
			return err
		}
		if err := ch.append(ctx, x, w.args[:0]); err != nil {
			return err
		}
		if ch.words {
			if _, err := x.exec(ctx, insertUnindexed, ch.key); err != nil {
				return err
			}
		}
	}
	for list := range slices.Chunk(w.c.Deliveries, mostRows) {
		w.args = slices.Grow(w.args[:0], len(list)*outboxColumnCount)
		args := w.args
		for i := range list {
			var err error
			if args, err = w.deliveryArgs(args, &list[i]); err != nil {
				return err
			}
		}
		if _, err := x.exec(ctx, several(insertDelivery, outboxColumnCount, len(list)), args...); err != nil {
			return err
		}
	}
	if len(w.c.Deliveries) > 0 {
		return x.announce(ctx)
	}
	return nil
}

func (ch *changing) insert(ctx context.Context, x *session, args []any) error {
	if _, err := x.exec(ctx, insertTicket, ch.ticketArgs(args)...); err != nil {
		return err
	}
	return ch.label(ctx, x, ch.labels, "")
}

// label writes labels. The statement ends in end.
func (ch *changing) label(ctx context.Context, x *session, labels []string, end string) error {
	for list := range slices.Chunk(labels, mostRows) {
		args := make([]any, 0, 4*len(list))
		for _, l := range list {
			args = append(args, ch.Ticket.Tenant, l, ch.Ticket.Created.UnixMicro(), ch.key)
		}
		if _, err := x.exec(ctx, severalEnding(insertLabel, 4, len(list), end), args...); err != nil {
			return err
		}
	}
	return nil
}

// update changes the ticket's row if it still has the expected version. It may use the
// memory behind args.
func (ch *changing) update(ctx context.Context, x *session, args []any) error {
	bits, relabel := ch.bits&everyColumn, ch.bits&labelsChange != 0
	var old ticket.Ticket
	n, err := int64(0), error(nil)
	if relabel {
		if old, err = x.before(ctx, ch); err != nil {
			return err
		}
	}
	switch {
	case ch.staged(), relabel && old.Stage != ch.Ticket.Stage:
	case x.s.dialect == SQLite:
		// SQLite writes every index that contains a column named here, changed or not.
		// Most indexes contain "open", so it is named only if it changes. And an event
		// of clocks alone rarely changes when they are due.
		same := keptStage | openColumn
		if quiet(ch.Events) {
			same |= bits & dueColumns
		}
		n, err = x.exec(ctx, updateText(bits&^same, same), ch.keptArgs(ch.updateArgs(args, bits&^same), same)...)
	default:
		bits = x.s.named(bits)
		n, err = x.exec(ctx, updateText(bits, keptStage), ch.keptArgs(ch.updateArgs(args, bits), keptStage)...)
	}
	if err == nil && n == 0 {
		// Perhaps the stage changes, because the ticket becomes active again.
		if !relabel {
			old, err = x.before(ctx, ch)
			relabel = old.Stage != ch.Ticket.Stage
		}
		if err == nil {
			bits = x.s.named(bits)
			n, err = x.exec(ctx, updateText(bits, 0), ch.updateArgs(args[:0], bits)...)
		}
	}
	switch {
	case err != nil:
		return err
	case n == 0:
		return errStale
	case relabel:
		return ch.relabel(ctx, x, &old)
	case len(ch.labels) > 0:
		return ch.label(ctx, x, ch.labels, x.s.lang.ifNew("label"))
	default:
		return nil
	}
}

// before locks the ticket's row and returns the ticket as it is in the database, if it has the
// expected version.
func (x *session) before(ctx context.Context, ch *changing) (old ticket.Ticket, err error) {
	found, err := x.ticket(ctx, &old, selectTicket+" AND t.version = ?"+x.s.lang.forUpdate, ch.id, ch.Ticket.Tenant, ch.Expect)
	if err == nil && !found {
		err = errStale
	}
	return old, err
}

// staged reports whether an event sets the stage.
func (ch *changing) staged() bool {
	return slices.ContainsFunc(ch.Events, func(e ticket.Event) bool { return e.Set.Stage != nil })
}

// named returns the columns that an UPDATE names to change these.
func (s *Store) named(bits columns) columns {
	bits |= openColumn
	if s.dialect != SQLite && bits&dueColumns != 0 {
		bits |= dueColumns // an unchanged one costs nothing, and so there are few texts to prepare
	}
	return bits
}

// quiet reports whether the events are about clocks only, and leave the ticket's last
// touch as it is.
func quiet(events []ticket.Event) bool {
	return !slices.ContainsFunc(events, func(e ticket.Event) bool { return e.Action != ticket.ActionClock })
}

// relabel replaces the labels of a ticket that had another stage before, or may have other
// labels. If the stage changes, it also moves the events and queues the ticket for the search
// index.
func (ch *changing) relabel(ctx context.Context, x *session, old *ticket.Ticket) error {
	if old.Stage != ch.Ticket.Stage {
		ch.words = x.s.search
		if err := ch.moveEvents(ctx, x); err != nil {
			return err
		}
	}
	have, want := labelsOf(old), labelsOf(&ch.Ticket)
	for _, l := range without(have, want) {
		if _, err := x.exec(ctx, deleteLabel, ch.Ticket.Tenant, l, ch.Ticket.Created.UnixMicro(), ch.id); err != nil {
			return err
		}
	}
	// Labels of missed targets may be stored already; see missedLabels.
	return ch.label(ctx, x, append(without(want, have), ch.labels...), x.s.lang.ifNew("label"))
}

// without returns the elements of a that are not in b. Both are sorted.
func without(a, b []string) (list []string) {
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			list = append(list, s)
		}
	}
	return list
}

// append writes the events.
func (ch *changing) append(ctx context.Context, x *session, args []any) error {
	for i := range ch.Events {
		if _, err := x.exec(ctx, insertEvent, ch.eventArgs(args[:0], i)...); err != nil {
			return err
		}
	}
	return nil
}

// refusal returns the reason why a commit failed, in the order of the contract: a
// used key comes before every other reason.
func (s *Store) refusal(ctx context.Context, w *writing, err error) error {
	if w == nil || ctx.Err() != nil && !isOurs(err) {
		return err
	}
	stale := err == errStale //nolint:errorlint // this very one
	f := s.lang.classify(err)
	if !stale && f != taken && f != conflict {
		return err
	}
	x := s.here()
	if f == conflict && s.tx != nil {
		return err // the transaction is lost, so no query can run in it
	}
	is := func(text string, args ...any) bool {
		if ctx.Err() != nil {
			return false
		}
		found, bad := x.exists(ctx, text, args...)
		return bad == nil && found
	}
	if r := w.c.Receipt; r != nil && is("SELECT 1 FROM {t}receipts WHERE tenant = ? AND name = ?", r.Tenant, r.Key) {
		return &ticket.DuplicateError{What: "key"}
	}
	if f == conflict {
		return err
	}
	for i := range w.changes {
		ch := &w.changes[i]
		if ch.Expect == 0 && f == taken {
			if is("SELECT 1 FROM {t}tickets WHERE id = ?", ch.id) {
				return &ticket.DuplicateError{What: "id"}
			}
			if is("SELECT 1 FROM {t}tickets WHERE number = ?", string(ch.Ticket.Number)) {
				return &ticket.DuplicateError{What: "number"}
			}
		}
	}
	if f == taken {
		for i := range w.c.Deliveries {
			if is("SELECT 1 FROM {t}outbox WHERE id = ?", w.c.Deliveries[i].ID.String()) {
				return &ticket.DuplicateError{What: "delivery"}
			}
		}
	}
	// The commit failed because of another one, whose rows may have changed since.
	return s.staleness(ctx, w)
}

// staleness returns the conflict with its data.
func (s *Store) staleness(ctx context.Context, w *writing) error {
	e := &ticket.ConflictError{Ticket: w.changes[0].Ticket.ID, Expected: w.changes[0].Expect, Actual: -1}
	for i := range w.changes {
		ch := &w.changes[i]
		if ch.Expect == 0 {
			continue
		}
		e.Ticket, e.Expected = ch.Ticket.ID, ch.Expect
		if len(w.changes) == 1 {
			return e // the desk decides again, so a query for the version is not worthwhile
		}
		var version int64
		found, err := s.here().one(ctx, []any{&version}, "SELECT version FROM {t}tickets WHERE id = ? AND tenant = ?", ch.id, ch.Ticket.Tenant)
		if err == nil && (!found || version != ch.Expect) {
			e.Actual = version
			return e
		}
	}
	return e
}
