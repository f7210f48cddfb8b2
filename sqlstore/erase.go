package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Erase replaces stored events with erased ones; see [ticket.Eraser]. It also removes the
// ticket from the search index at once; [Store.Maintain] and [Store.Search] index what is
// left of it.
//
// Afterwards no query returns what was erased. The bytes in the database's files are
// overwritten later. On SQLite, [Store.Maintain] does so. On other databases the administrator
// does; the page docs/erasure.md of the repository says how.
func (s *Store) Erase(ctx context.Context, e ticket.EraseCommit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	if err := fits(&e.Commit); err != nil {
		return err
	}
	if err := twice(&e.Commit); err != nil {
		return err
	}
	docs := make([]string, len(e.Events))
	for i := range e.Events {
		var err error
		if docs[i], err = eventJSON(&e.Events[i]); err != nil {
			return invalid("erase.events", "cannot be written as JSON: %v", err)
		}
	}
	defer s.hold()()
	w, err := s.prepare(&e.Commit)
	if err == nil {
		ch := &w.changes[0]
		ch.bits, ch.words = everyColumn|labelsChange, s.search
		err = ch.encode()
	}
	if err == nil {
		err = s.apart(ctx, func(ctx context.Context, x *session) error { return w.erase(ctx, x, &e, docs) })
	}
	if err == nil {
		return nil
	}
	return s.explain(ctx, "erase", s.refusal(ctx, w, err))
}

// erase writes the commit and everything else that an erasure changes.
func (w *writing) erase(ctx context.Context, x *session, e *ticket.EraseCommit, docs []string) error {
	if err := x.overwrite(ctx); err != nil {
		return err
	}
	if err := w.steps(ctx, x); err != nil {
		return err
	}
	ch := &w.changes[0]
	files, err := ch.fileLabelsOf(ctx, x, e.Events)
	if err != nil {
		return err
	}
	for i, doc := range docs {
		if _, err := x.exec(ctx, "UPDATE {t}events SET doc = ? WHERE ticket = ? AND seq = ?", doc, ch.id, e.Events[i].Seq); err != nil {
			return err
		}
	}
	if err := ch.unlabelFiles(ctx, x, files); err != nil {
		return err
	}
	if err := ch.label(ctx, x, fileLabels(nil, e.Events), x.s.lang.ifNew("label")); err != nil {
		return err
	}
	removal := "DELETE FROM {t}outbox WHERE " + x.s.lang.hidden("ticket") + " = ? AND id"
	for part := range slices.Chunk(e.Remove, indexBatch) {
		in, args := amongst(idTexts(part))
		if _, err := x.exec(ctx, removal+in, append([]any{ch.id}, args...)...); err != nil {
			return err
		}
	}
	text, args := "DELETE FROM {t}receipts WHERE ticket = ?", []any{ch.id}
	if r := e.Receipt; r != nil {
		text, args = text+" AND NOT (tenant = ? AND name = ?)", append(args, r.Tenant, r.Key)
	}
	if _, err := x.exec(ctx, text, args...); err != nil {
		return err
	}
	if x.s.search {
		if err := ch.unindex(ctx, x); err != nil {
			return err
		}
	}
	return x.toScrub(ctx)
}

// removing runs work, which returns how many rows it removed or changed, in one transaction. On
// SQLite the bytes are then overwritten; see Erase.
func (s *Store) removing(ctx context.Context, work func(context.Context, *session) (int64, error)) (changed int64, err error) {
	defer s.hold()()
	err = s.together(ctx, func(ctx context.Context, x *session) error {
		err := x.overwrite(ctx)
		if err == nil {
			changed, err = work(ctx, x)
		}
		if err == nil && changed > 0 {
			err = x.toScrub(ctx)
		}
		return err
	})
	return changed, err
}

// toScrub counts an erasure for scrub.
func (x *session) toScrub(ctx context.Context) error {
	if x.s.dialect != SQLite {
		return nil
	}
	_, err := x.exec(ctx, "INSERT INTO {t}schema (part, version) VALUES ('erased', 1) ON CONFLICT (part) DO UPDATE SET version = version + 1")
	return err
}

// scrubPages is how many pages of the search index one transaction merges.
const scrubPages = 500

// scrub overwrites what was erased in the files of SQLite since the last time. The segments
// of the search index keep the words of deleted entries until they are merged, and the
// write-ahead log keeps old pages until it is truncated. If a reader is in the way of the
// latter, the next call tries again. Other databases do this by themselves or not at all.
func (s *Store) scrub(ctx context.Context) error {
	if s.dialect != SQLite || s.tx != nil {
		return nil
	}
	defer s.hold()()
	x := s.here()
	var erased, version int64
	found, err := x.one(ctx, []any{&erased}, "SELECT version FROM {t}schema WHERE part = 'erased'")
	if err != nil || !found {
		return s.explain(ctx, "overwrite what was erased", err)
	}
	if !s.search {
		// A store with Search must do it, if there is one.
		found, err = x.one(ctx, []any{&version}, "SELECT version FROM {t}schema WHERE part = 'search'")
		if err != nil || found {
			return s.explain(ctx, "overwrite what was erased", err)
		}
	}
	for pages := int64(-scrubPages); s.search && err == nil; pages = scrubPages { // negative: begin
		var more bool
		if more, err = s.merge(ctx, pages); !more {
			break
		}
	}
	inTheWay := int64(1)
	if err == nil {
		err = s.direct().QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&inTheWay, new(int64), new(int64))
	}
	if err == nil && inTheWay == 0 {
		err = s.write(ctx, func(ctx context.Context, x *session) error {
			_, err := x.exec(ctx, "DELETE FROM {t}schema WHERE part = 'erased' AND version = ?", erased)
			return err
		})
	}
	if s.lang.classify(err) == busy {
		return nil
	}
	return s.explain(ctx, "overwrite what was erased", err)
}

// merge merges some pages of the search index, and reports whether there may be more.
func (s *Store) merge(ctx context.Context, pages int64) (more bool, err error) {
	err = s.write(ctx, func(ctx context.Context, x *session) error {
		var before, after int64
		_, err := x.one(ctx, []any{&before}, "SELECT total_changes()")
		if err == nil {
			_, err = x.exec(ctx, "INSERT INTO {t}words ({t}words, rank) VALUES ('merge', ?)", pages)
		}
		if err == nil {
			_, err = x.one(ctx, []any{&after}, "SELECT total_changes()")
		}
		more = after-before >= 2 // as the documentation of FTS5 says
		return err
	})
	return more, err
}

// overwrite makes SQLite overwrite what this transaction deletes. The connection of the
// store's writer does so anyway.
func (x *session) overwrite(ctx context.Context) error {
	if x.s.dialect != SQLite || x.s.writer != nil {
		return nil
	}
	var on int
	return x.tx.QueryRowContext(ctx, "PRAGMA secure_delete = ON").Scan(&on)
}

// unindex empties the ticket's entry in the search index. The entry stays, at the version
// before the change: a process that is indexing that version must not write the old words
// again, and the next one must write the new version.
func (ch *changing) unindex(ctx context.Context, x *session) error {
	if x.s.dialect != SQLite {
		_, err := x.exec(ctx, "UPDATE {t}texts SET version = ?, tokens = '' WHERE ticket = ?", ch.Expect, ch.id)
		return err
	}
	if _, err := x.exec(ctx, "DELETE FROM {t}words WHERE rowid IN (SELECT place FROM {t}texts WHERE ticket = ?)", ch.id); err != nil {
		return err
	}
	_, err := x.exec(ctx, "UPDATE {t}texts SET version = ? WHERE ticket = ?", ch.Expect, ch.id)
	return err
}

// tracedTickets is how many tickets one query looks through.
const tracedTickets = 500

// Traces returns the tickets that name a person; see [ticket.Eraser]. It reads the events
// of all tickets after the given ID, those of 500 tickets with one query, and holds no
// connection between two queries.
func (s *Store) Traces(ctx context.Context, tenant string, p ticket.Person, after ticket.ID, limit int) ([]ticket.ID, error) {
	if limit <= 0 {
		return nil, ctx.Err()
	}
	filter, args := s.naming(p)
	if filter == "" {
		return nil, ctx.Err()
	}
	var found []ticket.ID
	for from := after.String(); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to, more, err := s.trace(ctx, tenant, p, from, filter, args, &found)
		if err != nil {
			return nil, s.explain(ctx, "find the tickets that name a person", err)
		}
		if len(found) >= limit || !more {
			return found[:min(len(found), limit)], nil
		}
		from = to
	}
}

// trace looks through the tickets after an ID. It returns the last one, and whether there
// are more.
func (s *Store) trace(ctx context.Context, tenant string, p ticket.Person, from, filter string, args []any, found *[]ticket.ID) (to string, more bool, err error) {
	defer s.hold()()
	x := s.here()
	if to, more, err = x.stretch(ctx, from); err != nil {
		return "", false, err
	}
	start := len(*found)
	err = x.rows(ctx, func(r *sql.Rows) error {
		e, err := scanEvent(r)
		if err != nil {
			return err
		}
		if n := len(*found); e.Names(p) && (n == start || (*found)[n-1] != e.Ticket) {
			*found = append(*found, e.Ticket)
		}
		return nil
	}, "SELECT doc FROM {t}events{by events_id} WHERE ticket > ? AND ticket <= ? AND {hidden tenant} = ?"+filter+" ORDER BY ticket, seq",
		append([]any{from, to, tenant}, args...)...)
	return to, more, err
}

// stretch returns the last one of the tickets after an ID that one query looks through, and
// whether there are more.
func (x *session) stretch(ctx context.Context, from string) (to string, more bool, err error) {
	more, err = x.one(ctx, []any{&to}, "SELECT id FROM {t}tickets{by tickets_id} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?", from, tracedTickets-1)
	if err == nil && !more {
		to = "~" // after every ID
	}
	return to, more, err
}

// naming returns a condition that holds for every event which names the person, and for
// others. It is empty if no event does.
func (s *Store) naming(p ticket.Person) (filter string, args []any) {
	var parts []string
	for _, v := range [...]string{p.ID, p.Email, p.Phone} {
		if v == "" {
			continue
		}
		sought := unescaped(v)
		if sought == "" {
			return " AND 1 = 1", nil
		}
		parts = append(parts, s.lang.contains)
		args = append(args, sought)
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " AND (" + strings.Join(parts, " OR ") + ")", args
}

// unescaped returns the longest part of a text that encoders of JSON write as it is, in lower
// case. If that is the whole text, it has the quotes around it.
func unescaped(text string) string {
	longest := ""
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"\/<>&'`, r)
	}) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	if longest != "" && longest == text {
		longest = `"` + text + `"`
	}
	return lower(longest)
}
