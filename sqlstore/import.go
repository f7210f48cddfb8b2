package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Imported counts the work of [Store.Import].
type Imported struct {
	Tickets int // written, either new or with a continued history
	Events  int // written
	Skipped int // histories that were already stored
}

// ImportError says at which ticket an import stopped. Reach the category and its
// data with [errors.Is] and [errors.As].
type ImportError struct {
	Ticket ticket.ID // zero if the history has no ticket ID
	Reason string    // empty if Err says enough
	Err    error
}

func (e *ImportError) Error() string {
	text := e.Reason
	if text == "" {
		text = e.Err.Error()
	}
	if e.Ticket.IsZero() {
		return "sqlstore: import: " + text
	}
	return fmt.Sprintf("sqlstore: import of ticket %s: %s", e.Ticket, text)
}

func (e *ImportError) Unwrap() error { return e.Err }

// Import writes tickets with their histories, of any tenants. Each element is the
// whole history of one ticket from event 1 on, whose first event has the number and
// the tenant. The ticket becomes the result of [ticket.Replay] of these events. To
// move from one database to another:
//
//	done, err := dst.Import(ctx, src.Export(ctx, ticket.ID{}))
//
// Import writes many tickets in a transaction. A ticket becomes visible with its
// whole history. If an import was interrupted, run it again:
//
//   - It skips a history that is already stored with the same number of events and
//     the same last digest. It also skips a history whose stored copy has more
//     events, because the ticket has changed since.
//   - It adds the remaining events if the stored history is the beginning of the
//     imported one.
//   - It stops with [ticket.ErrConflict] if the two histories differ.
//
// Events that were erased with [ticket.Event.Erase] do not count as a difference,
// and the stored events stay as they are. Import does not erase.
//
// Import stops at the first error. Every history before it is stored then, and none
// after it. The error is an [*ImportError] with the ticket. It wraps
// [ticket.ErrChain] for a history that has a gap or events of another ticket,
// [ticket.ErrInvalid] for a history that is empty or that no desk could have written
// (text that is not UTF-8, an invalid number, events without digests, see
// [ticket.Chain.Seal]), and [ticket.ErrDuplicate] for a number that another ticket
// has. Import does not compute digests again. If you do not trust the source, use
// [ticket.Chain.Verify] with the key. An error of the iterator ends the import and
// is returned unchanged. Import checks the context between transactions.
//
// Import creates no deliveries, so nobody is notified. A store made with [Search]
// indexes the tickets with the next calls of [Store.Maintain].
//
// Any number of processes may import the same histories at the same time. If they
// collide too often, one stops with ErrConflict; run it again. On a store made with
// [Store.WithTx] the import is part of that transaction.
func (s *Store) Import(ctx context.Context, histories iter.Seq2[[]ticket.Event, error]) (Imported, error) {
	b := batch{s: s}
	if err := ctx.Err(); err != nil {
		return b.done, err
	}
	for events, err := range histories {
		var in *incoming
		if err == nil {
			in, err = s.receive(events)
		}
		if err != nil { // write the histories before it
			if first := b.write(ctx); first != nil {
				err = first
			}
			return b.done, err
		}
		if b.add(in); b.full() {
			if err := b.write(ctx); err != nil {
				return b.done, err
			}
		}
	}
	return b.done, b.write(ctx)
}

// incoming is a history, encoded for the database. It shares no memory with the
// caller's events.
type incoming struct {
	changing // as a new ticket, without Events
	digests  []ticket.Digest
	at       []int64 // of the events
	size     int     // of the JSON, in bytes
}

// receive checks a history and encodes it.
func (s *Store) receive(events []ticket.Event) (*incoming, error) {
	if len(events) == 0 {
		return nil, &ImportError{Err: invalid("import.history", "must not be empty")}
	}
	in, err := s.encodeHistory(events)
	if err != nil {
		return nil, &ImportError{Ticket: events[0].Ticket, Err: err}
	}
	return in, nil
}

func (s *Store) encodeHistory(history []ticket.Event) (*incoming, error) {
	events := slices.Clone(history)
	in := &incoming{digests: make([]ticket.Digest, len(events)), at: make([]int64, len(events))}
	in.events = make([]string, len(events))
	for i := range events {
		e := &events[i]
		inMicroseconds(e)
		doc, err := encodeEvent(e)
		if err != nil {
			return nil, err
		}
		in.events[i], in.digests[i], in.at[i] = doc, e.Digest, e.At.UnixMicro()
		in.size += len(doc)
	}
	t, err := ticket.Replay(events)
	if err != nil {
		return nil, err
	}
	var n ticket.Number
	switch err := n.UnmarshalText([]byte(t.Number)); {
	case t.ID.IsZero():
		return nil, invalid("import.event.ticket", "is missing")
	case err != nil || n == "":
		return nil, &ticket.InvalidError{Field: "import.event.set.number", Reason: "of the first event must be a number such as 7Q4K-92MX-F or INC-000001", Err: err}
	}
	c := ticket.Commit{Changes: []ticket.Change{{Ticket: t, Events: events}}}
	if err := c.Check(); err != nil {
		return nil, err
	}
	if err := fits(&c); err != nil {
		return nil, err
	}
	c.Changes[0].Events = nil
	in.Change, in.bits = &c.Changes[0], everyColumn
	in.identify(in.Ticket.ID.String())
	in.labels, in.words = fileLabels(labelsOf(&t), events), s.search
	in.at[len(events)-1] = t.Touched.UnixMicro() // see eventArgs
	for i := range in.at {
		in.at[i] -= stageShift(stageNumber(t.Stage))
	}
	return in, in.encode()
}

// inMicroseconds truncates the times of an event to microseconds, as a desk does.
// Digests cover no more of them.
func inMicroseconds(e *ticket.Event) {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	cut := func(times ...*time.Time) {
		for _, t := range times {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
	p := &e.Set
	if p.Timer != nil {
		p.Timer = new(*p.Timer)
		cut(&p.Timer.At, &p.Timer.From)
	}
	p.Clocks = slices.Clone(p.Clocks)
	for i := range p.Clocks {
		c := &p.Clocks[i]
		cut(&c.Started, &c.Since, &c.Due, &c.Breached, &c.Next)
	}
	if p.Promised != nil {
		p.Promised = new(*p.Promised)
		cut(p.Promised)
	}
	if p.Snoozed != nil {
		p.Snoozed = new(*p.Snoozed)
		cut(p.Snoozed)
	}
	if p.FeedbackDue != nil {
		p.FeedbackDue = new(*p.FeedbackDue)
		cut(p.FeedbackDue)
	}
	if p.Alert != nil {
		p.Alert = new(*p.Alert)
		cut(&p.Alert.At, &p.Alert.Due)
	}
}

// encodeEvent returns the JSON of an event. It fails if the JSON does not decode to
// the same event.
func encodeEvent(e *ticket.Event) (string, error) {
	switch {
	case e.Action == "":
		return "", invalid("import.event.action", "is missing in event %d", e.Seq)
	case e.At.UnixMicro() == (time.Time{}).UnixMicro():
		return "", invalid("import.event.at", "is missing in event %d", e.Seq)
	case e.Digest.IsZero():
		return "", invalid("import.event.digest", "is missing in event %d: Chain.Seal sets it", e.Seq)
	}
	for _, v := range e.Fields {
		switch v.(type) {
		case nil, string, bool, int64, float64, time.Time, []string:
		default:
			return "", invalid("import.event.fields", "must be a string, bool, int64, float64, time or list of strings in event %d", e.Seq)
		}
	}
	doc, err := eventJSON(e)
	if err != nil {
		return "", &ticket.InvalidError{Field: "import.event", Reason: fmt.Sprintf("%d cannot be written as JSON", e.Seq), Err: err}
	}
	// encoding/json writes this escape for invalid UTF-8 and for nothing else.
	if escaped(doc, `\ufffd`) || escaped(doc, `\u0000`) {
		return "", invalid("import.event", "%d must have text that is UTF-8 without NUL bytes", e.Seq)
	}
	return doc, nil
}

// escaped reports whether the JSON has this escape. It ignores one whose backslash
// is itself escaped.
func escaped(doc, escape string) bool {
	for at := 0; ; {
		i := strings.Index(doc[at:], escape)
		if i < 0 {
			return false
		}
		at += i
		before := doc[:at]
		if (len(before)-len(strings.TrimRight(before, `\`)))%2 == 0 {
			return true
		}
		at += len(escape)
	}
}

// These limit one transaction of an import. They limit the memory that an import
// takes, and how long it blocks other writers on SQLite.
const (
	mostImportTickets = 200
	mostImportEvents  = 1000
	mostImportBytes   = 4 << 20
)

// A batch holds the histories that are written together.
type batch struct {
	s      *Store
	list   []*incoming
	events int
	size   int
	done   Imported
}

func (b *batch) add(in *incoming) {
	b.list = append(b.list, in)
	b.events += len(in.events)
	b.size += in.size
}

func (b *batch) full() bool {
	return len(b.list) >= mostImportTickets || b.events >= mostImportEvents || b.size >= mostImportBytes
}

// write writes the batch. If that fails as a whole, it writes one history after the
// other, up to the first error.
func (b *batch) write(ctx context.Context) error {
	list := b.list
	b.list, b.events, b.size = nil, 0, 0
	if len(list) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(list) > 1 {
		done, err := b.s.importAll(ctx, list)
		if err == nil {
			b.done.add(done)
			return nil
		}
		if !b.s.meeting(err) {
			return b.s.explain(ctx, "import", err)
		}
	}
	for _, in := range list {
		done, err := b.s.importOne(ctx, in)
		if err != nil {
			return err
		}
		b.done.add(done)
	}
	return nil
}

func (n *Imported) add(more Imported) {
	n.Tickets += more.Tickets
	n.Events += more.Events
	n.Skipped += more.Skipped
}

// meeting reports whether the import met rows that are stored or being written, so
// that a retry may help.
func (s *Store) meeting(err error) bool {
	if f := s.lang.classify(err); f == taken || f == conflict && s.tx == nil {
		return true
	}
	_, ours := err.(*ImportError)  //nolint:errorlint // made here, and not wrapped
	return ours || err == errStale //nolint:errorlint // this very one
}

// importAttempts limits how often one history is tried. After that, another process
// with the same import has always moved on to the next history.
const importAttempts = 5

func (s *Store) importOne(ctx context.Context, in *incoming) (Imported, error) {
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return Imported{}, err
		}
		done, err := s.importAll(ctx, []*incoming{in})
		if err == nil {
			return done, nil
		}
		if _, ours := err.(*ImportError); ours || !s.meeting(err) { //nolint:errorlint // made here, and not wrapped
			return Imported{}, s.explain(ctx, "import", err)
		}
		if s.lang.classify(err) == taken {
			var other string
			found, bad := s.numberOf(ctx, in, &other)
			if bad != nil {
				return Imported{}, s.explain(ctx, "import", bad)
			}
			if found && other != in.id {
				return Imported{}, &ImportError{Ticket: in.Ticket.ID, Reason: fmt.Sprintf("its number %s is taken by ticket %s", in.Ticket.Number, other),
					Err: &ticket.DuplicateError{What: "number"}}
			}
		}
		if attempt == importAttempts {
			return Imported{}, &ImportError{Ticket: in.Ticket.ID, Reason: "other processes write it at the same time; run the import again",
				Err: &ticket.ConflictError{Ticket: in.Ticket.ID, Actual: -1}}
		}
		pause := time.NewTimer(rand.N(time.Duration(attempt) * 5 * time.Millisecond)) //nolint:gosec // a moment to wait is no secret
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// numberOf finds the ticket that has the number of the imported one.
func (s *Store) numberOf(ctx context.Context, in *incoming, id *string) (found bool, err error) {
	defer s.hold()()
	return s.here().one(ctx, []any{id}, "SELECT id FROM {t}tickets WHERE number = ?", string(in.Ticket.Number))
}

// importAll writes histories in one transaction. It looks up the stored ones first.
// It fails if another process writes them in between.
func (s *Store) importAll(ctx context.Context, list []*incoming) (done Imported, err error) {
	defer s.hold()()
	have, err := s.here().stored(ctx, list)
	if err != nil {
		return done, err
	}
	var fresh []*incoming
	var grown []*writing
	for _, in := range list {
		h, found := have[in.id]
		if !found {
			fresh = append(fresh, in)
			done.Tickets++
			done.Events += len(in.events)
			continue
		}
		w, err := s.compare(ctx, in, h)
		switch {
		case err != nil:
			return Imported{}, err
		case w == nil:
			done.Skipped++
		default:
			grown = append(grown, w)
			done.Tickets++
			done.Events += len(w.changes[0].Events)
		}
	}
	if len(fresh)+len(grown) == 0 {
		return done, nil
	}
	// In the order of their IDs, as in every transaction that writes several rows.
	slices.SortFunc(fresh, func(a, b *incoming) int { return strings.Compare(a.id, b.id) })
	slices.SortFunc(grown, func(a, b *writing) int { return strings.Compare(a.changes[0].id, b.changes[0].id) })
	err = s.write(ctx, func(ctx context.Context, x *session) error {
		if err := x.insertFresh(ctx, fresh); err != nil {
			return err
		}
		for _, w := range grown {
			if err := w.steps(ctx, x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Imported{}, err
	}
	return done, nil
}

// A head is the end of a stored history.
type head struct {
	tenant  string
	version int64
	digest  ticket.Digest
}

// stored looks up the heads of stored histories.
func (x *session) stored(ctx context.Context, list []*incoming) (map[string]head, error) {
	have := map[string]head{}
	for part := range slices.Chunk(list, paddedCounts[0]) {
		n := paddedCount(len(part))
		args := make([]any, n)
		for i := range args {
			args[i] = part[min(i, len(part)-1)].id
		}
		err := x.rows(ctx, func(r *sql.Rows) error {
			var h head
			var id string
			var digest sql.RawBytes
			if err := r.Scan(&id, &h.tenant, &h.version, &digest); err != nil {
				return err
			}
			err := parseDigest(digest, &h.digest)
			have[id] = h
			return err
		}, "SELECT id, tenant, version, digest FROM {t}tickets{by tickets_id} WHERE id IN (?"+strings.Repeat(", ?", n-1)+")", args...)
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}

// compare returns the events to add to a stored history, or nil for none.
func (s *Store) compare(ctx context.Context, in *incoming, h head) (*writing, error) {
	n := int64(len(in.events))
	same := h.tenant == in.Ticket.Tenant
	switch {
	case !same:
	case h.version <= n:
		same = in.digests[h.version-1] == h.digest
	default:
		var doc string
		found, err := s.here().one(ctx, []any{&doc}, "SELECT doc FROM {t}events WHERE ticket = ? AND seq = ?", in.id, n)
		if err != nil {
			return nil, err
		}
		var e ticket.Event
		if found {
			if err := decodeEvent([]byte(doc), &e); err != nil {
				return nil, fmt.Errorf("sqlstore: event %d of ticket %s: %w", n, in.id, err)
			}
		}
		same = e.Digest == in.digests[n-1]
	}
	switch {
	case !same:
		return nil, &ImportError{Ticket: in.Ticket.ID, Reason: fmt.Sprintf("the stored history of %d events differs from this one of %d events", h.version, n),
			Err: &ticket.ConflictError{Ticket: in.Ticket.ID, Expected: n, Actual: h.version}}
	case h.version >= n:
		return nil, nil
	}
	ch := ticket.Change{Expect: h.version, Ticket: in.Ticket, Events: make([]ticket.Event, n-h.version)}
	for i := range ch.Events {
		if err := decodeEvent([]byte(in.events[h.version+int64(i)]), &ch.Events[i]); err != nil {
			return nil, fmt.Errorf("sqlstore: an event of ticket %s: %w", in.id, err)
		}
	}
	w, err := s.prepare(&ticket.Commit{Changes: []ticket.Change{ch}})
	if err == nil {
		// Write all columns: changed relies on events that were checked against the
		// events before them, and these were not.
		w.changes[0].bits = everyColumn | labelsChange
		err = w.changes[0].encode()
	}
	return w, err
}

// insertFresh writes tickets that are not stored yet.
func (x *session) insertFresh(ctx context.Context, list []*incoming) error {
	var tickets, labels, events, unindexed []any
	for _, in := range list {
		tickets = in.ticketArgs(tickets)
		created := in.Ticket.Created.UnixMicro()
		for _, l := range in.labels {
			labels = append(labels, in.Ticket.Tenant, l, created, in.key)
		}
		for i, doc := range in.events {
			events = append(events, in.key, int64(i+1), in.Ticket.Tenant, in.at[i], doc)
		}
		if in.words {
			unindexed = append(unindexed, in.key)
		}
	}
	for _, table := range [...]struct {
		into    string
		columns int
		args    []any
	}{
		{intoTickets + "VALUES ", ticketColumnCount, tickets},
		{insertLabel, 4, labels},
		{intoEvents + "VALUES ", 5, events},
		{"INSERT INTO {t}unindexed (ticket) VALUES ", 1, unindexed},
	} {
		if err := x.insertRows(ctx, table.into, table.columns, table.args); err != nil {
			return err
		}
	}
	return nil
}

// rowCounts are the numbers of rows that one statement of an import writes or looks
// up. There are few, so that there are few texts to prepare.
var rowCounts = [...]int{mostImportTickets, 50, 10, 3, 1}

// mostStatementBytes limits the text that one statement of several rows writes,
// because a server may reject long packets.
const mostStatementBytes = 1 << 20

// insertRows writes any number of rows.
func (x *session) insertRows(ctx context.Context, into string, columns int, args []any) error {
	for len(args) > 0 {
		n := rowsOf(args, columns)
		if _, err := x.exec(ctx, several(into, columns, n), args[:n*columns]...); err != nil {
			return err
		}
		args = args[n*columns:]
	}
	return nil
}

// rowsOf returns how many rows the next statement writes.
func rowsOf(args []any, columns int) int {
	n := 0
	for size := 0; n < rowCounts[0] && n*columns < len(args); n++ {
		for _, a := range args[n*columns : (n+1)*columns] {
			if text, ok := a.(string); ok {
				size += len(text)
			}
		}
		if size > mostStatementBytes {
			break
		}
	}
	for _, count := range rowCounts {
		if count <= n {
			return count
		}
	}
	return 1
}
