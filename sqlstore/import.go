package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Imported is what [Store.Import] did.
type Imported struct {
	Tickets int // that were written: new ones, and those whose history was continued
	Events  int // that were written
	Skipped int // histories of which nothing had to be written
}

// ImportError says at which ticket an import stopped. The category and its data
// are reached with [errors.Is] and [errors.As].
type ImportError struct {
	Ticket ticket.ID // zero where the history names none
	Reason string    // in words, where Err alone does not say it
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
// whole history of one ticket, from event 1 on, which carries number and tenant.
// The events are the truth: the ticket becomes what [ticket.Replay] makes of
// them. To move from one database to another:
//
//	done, err := dst.Import(ctx, src.Export(ctx, ticket.ID{}))
//
// It writes many tickets in a transaction, and nothing that could be seen of a
// ticket before all of it is there. An import that was cut off is run again:
//
//   - a history that is stored already, with the same number of events and the
//     same digest at its end, is skipped; so is one that the stored one goes on
//     from, because somebody worked on the ticket meanwhile;
//   - where the stored history is the beginning of the one given, the rest is
//     added;
//   - where the two differ, it stops with [ticket.ErrConflict].
//
// What was erased with [ticket.Event.Erase] does not count as a difference, and
// what is stored stays as it is: to erase is not what an import is for.
//
// It stops at the first fault; every history before that one is stored then, and
// none behind it. The error is an [*ImportError] with the ticket: of
// [ticket.ErrChain] for a history that has a gap or events of another ticket, of
// [ticket.ErrInvalid] for one that is empty or that no desk could have written
// (text that is not UTF-8, a number that is none, events that were not sealed, see
// [ticket.Chain.Seal]), of [ticket.ErrDuplicate] for a number that another ticket
// has. Digests are not computed anew; [ticket.Chain.Verify] does that, with the
// key, for a source that is not trusted. An error of the iterator ends the import
// and is returned as it is. Between the transactions it heeds the context.
//
// Nobody is told of anything: there are no deliveries. A store made with [Search]
// indexes the tickets with the next calls of [Store.Maintain].
//
// Any number of processes may import the same histories at the same time; where
// they meet too often, one stops with ErrConflict and may simply be run again. On
// a store made with [Store.WithTx] the import is part of that transaction.
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
		if err != nil { // what came before it is to be there
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

// incoming is a history in the form that the database takes it. It shares nothing
// with the caller's events.
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
	in.Change, in.id = &c.Changes[0], t.ID.String()
	in.labels, in.words = labelsOf(&t), s.search
	in.doc, err = docOf(&t)
	return in, err
}

// inMicroseconds gives an event's times the form that a desk gives them. Digests
// cover no more of them.
func inMicroseconds(e *ticket.Event) {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	if t := e.Set.Timer; t != nil {
		e.Set.Timer = &ticket.Timer{At: t.At.UTC().Truncate(time.Microsecond), Action: t.Action}
	}
}

// encodeEvent returns the JSON of an event that can be read back from it.
func encodeEvent(e *ticket.Event) (string, error) {
	switch {
	case e.Action == "":
		return "", invalid("import.event.action", "is missing, of event %d", e.Seq)
	case e.At.UnixMicro() == (time.Time{}).UnixMicro():
		return "", invalid("import.event.at", "is missing, of event %d", e.Seq)
	case e.Digest.IsZero():
		return "", invalid("import.event.digest", "is missing, of event %d: Chain.Seal makes it", e.Seq)
	}
	for _, v := range e.Fields {
		switch v.(type) {
		case nil, string, bool, int64, float64, time.Time, []string:
		default:
			return "", invalid("import.event.fields", "must be a string, bool, int64, float64, time or list of strings, of event %d", e.Seq)
		}
	}
	doc, err := eventJSON(e)
	if err != nil {
		return "", &ticket.InvalidError{Field: "import.event", Reason: fmt.Sprintf("%d cannot be written as JSON", e.Seq), Err: err}
	}
	// encoding/json puts this escape for what is not UTF-8, and for nothing else.
	if escaped(doc, `\ufffd`) || escaped(doc, `\u0000`) {
		return "", invalid("import.event", "%d must have text that is UTF-8 without NUL bytes", e.Seq)
	}
	return doc, nil
}

// escaped reports whether the JSON has this escape: not one whose backslash is
// itself escaped.
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

// The most of what is written in one transaction. They bound the memory that an
// import takes, and on SQLite how long it keeps others from writing.
const (
	mostImportTickets = 200
	mostImportEvents  = 1000
	mostImportBytes   = 4 << 20
)

// A batch is the histories that are written together.
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

// write writes the batch; where that does not work as a whole, one history after
// the other, up to the first fault.
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

// meeting reports whether the import met something that is stored, or is just
// being written, so that to look again may help.
func (s *Store) meeting(err error) bool {
	if f := s.lang.classify(err); f == taken || f == conflict && s.tx == nil {
		return true
	}
	_, ours := err.(*ImportError)  //nolint:errorlint // made here, and not wrapped
	return ours || err == errStale //nolint:errorlint // this very one
}

// importAttempts is how often one history is tried. Another process that imports
// the same is always on to the next one by then.
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
					Err: &ticket.DuplicateError{What: ticket.DuplicateNumber}}
			}
		}
		if attempt == importAttempts {
			return Imported{}, &ImportError{Ticket: in.Ticket.ID, Reason: "others write it at the same time; run the import again",
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

// numberOf finds the ticket that has the number of the one that comes in.
func (s *Store) numberOf(ctx context.Context, in *incoming, id *string) (found bool, err error) {
	defer s.hold()()
	return s.here().one(ctx, []any{id}, "SELECT id FROM {t}tickets WHERE number = ?", string(in.Ticket.Number))
}

// importAll writes histories in one transaction. What is stored of them is looked
// up before it, and what was written in between makes it fail.
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
	// In the order of their IDs, as everything that writes several.
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

// A head is where a stored history ends.
type head struct {
	tenant  string
	version int64
	digest  ticket.Digest
}

// stored looks up what is stored.
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

// compare returns what is to be added to a stored history; nil for nothing.
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
			if err := json.Unmarshal([]byte(doc), &e); err != nil {
				return nil, fmt.Errorf("sqlstore: event %d of ticket %s: %w", n, in.id, err)
			}
		}
		same = e.Digest == in.digests[n-1]
	}
	switch {
	case !same:
		return nil, &ImportError{Ticket: in.Ticket.ID, Reason: fmt.Sprintf("it is stored with another history, of %d events; this one has %d", h.version, n),
			Err: &ticket.ConflictError{Ticket: in.Ticket.ID, Expected: n, Actual: h.version}}
	case h.version >= n:
		return nil, nil
	}
	ch := ticket.Change{Expect: h.version, Ticket: in.Ticket, Events: make([]ticket.Event, n-h.version)}
	for i := range ch.Events {
		if err := json.Unmarshal([]byte(in.events[h.version+int64(i)]), &ch.Events[i]); err != nil {
			return nil, fmt.Errorf("sqlstore: an event of ticket %s: %w", in.id, err)
		}
	}
	w, err := s.prepare(&ticket.Commit{Changes: []ticket.Change{ch}})
	if err == nil {
		// Nobody has checked that each event goes on from the one before.
		w.changes[0].bits = everyColumn | labelsChange
		w.changes[0].doc, err = docOf(&in.Ticket)
	}
	return w, err
}

// insertFresh writes tickets that are not there yet.
func (x *session) insertFresh(ctx context.Context, list []*incoming) error {
	var tickets, labels, events, unindexed []any
	for _, in := range list {
		tickets = in.ticketArgs(tickets)
		created := in.Ticket.Created.UnixMicro()
		for _, l := range in.labels {
			labels = append(labels, in.Ticket.Tenant, l, created, in.id)
		}
		for i, doc := range in.events {
			events = append(events, in.id, int64(i+1), in.Ticket.Tenant, in.at[i], doc)
		}
		if in.words {
			unindexed = append(unindexed, in.id)
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

// rowCounts are how many rows a statement of an import writes or looks up: few
// choices, so that there are few texts to prepare.
var rowCounts = [...]int{mostImportTickets, 50, 10, 3, 1}

// mostStatementBytes bounds how much text one statement writes, if it is more than
// one row: a server may refuse packets that are too long.
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

// rowsOf returns how many of the rows the next statement writes.
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
