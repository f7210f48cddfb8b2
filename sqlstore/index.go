package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/words"
)

// Search makes tickets searchable by their words; see [Store.Search]. The tables
// for that are made when a store is first opened with it, and what is there
// already is indexed then. Every process that writes to the database must have
// it, or what that one writes is not found. Default: no search, and nothing to
// keep up.
//
// It needs FTS5 on SQLite, which mattn/go-sqlite3 has only where it is built with
// the tag sqlite_fts5.
func Search() Option { return func(o *options) { o.search = true } }

// The index is a table of its own, since one that is written in the ticket's own
// transaction halves the rate of opening. A commit leaves the ticket's ID in a
// list of what has to be indexed; Maintain works the list off.

// indexBatch is how many tickets are indexed in one transaction.
const indexBatch = 100

// Maintain indexes what was written since the last time, until nothing is left;
// see [ticket.Maintainer]. [ticket.Desk.Run] calls it, and [Store.Search] does a
// bounded part of it, so that it need not be called at all where little is
// written between two searches. Any number of processes may do it at the same
// time. Without [Search] it is [errors.ErrUnsupported].
func (s *Store) Maintain(ctx context.Context) error {
	if !s.search {
		return unsearchable()
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.index(ctx)
		if err != nil || n < indexBatch {
			return err
		}
	}
}

func unsearchable() error {
	return fmt.Errorf("sqlstore: the store was made without Search: %w", errors.ErrUnsupported)
}

// index indexes a batch of the list and returns how many entries these were.
func (s *Store) index(ctx context.Context) (int, error) {
	defer s.hold()()
	for try := 1; ; try++ {
		done, err := s.indexOnce(ctx)
		if f := s.lang.classify(err); f != taken && f != conflict || try == 10 || s.tx != nil {
			return done, s.explain(ctx, "index", err)
		}
		// Somebody else has indexed one of these tickets at the same time.
	}
}

func (s *Store) indexOnce(ctx context.Context) (int, error) {
	x := s.here()
	var entries, ids []any
	list := map[string]*indexed{}
	err := x.rows(ctx, func(r *sql.Rows) error {
		var entry int64
		var id string
		err := r.Scan(&entry, &id)
		entries = append(entries, entry)
		if list[id] == nil {
			list[id] = &indexed{id: id}
			ids = append(ids, id)
		}
		return err
	}, "SELECT id, ticket FROM {t}unindexed ORDER BY id LIMIT ?", indexBatch)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	if err := x.readTexts(ctx, ids, list); err != nil {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, x *session) error {
		// What is written from here on is in the list anew.
		in, args := amongst(entries)
		if _, err := x.exec(ctx, "DELETE FROM {t}unindexed WHERE id"+in, args...); err != nil {
			return err
		}
		return x.writeTexts(ctx, ids, list)
	})
	return len(entries), err
}

// Reindex has a ticket's words taken from its events anew, with the next call of
// [Store.Maintain] or [Store.Search]. It is for a host that has stored erased events
// (see [ticket.Event.Erase]) in the place of others. What is erased is not found from
// then on; Reindex takes it out of the index as well. Without [Search] it is
// [errors.ErrUnsupported].
func (s *Store) Reindex(ctx context.Context, tenant string, id ticket.ID) error {
	if !s.search {
		return unsearchable()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.hold()()
	err := s.persistent(ctx, func() error {
		return s.write(ctx, func(ctx context.Context, x *session) error {
			text := id.String()
			if found, err := x.exists(ctx, "SELECT 1 FROM {t}tickets WHERE id = ? AND tenant = ?", text, tenant); err != nil || !found {
				return err
			}
			if _, err := x.exec(ctx, "UPDATE {t}texts SET version = 0 WHERE ticket = ?", text); err != nil {
				return err
			}
			_, err := x.exec(ctx, insertUnindexed, text)
			return err
		})
	})
	return s.explain(ctx, "reindex", err)
}

// amongst is a list after IN, made as long as one of a few lengths by repeating
// its last value, so that the texts to prepare stay few.
func amongst(values []any) (string, []any) {
	args := slices.Clip(values)
	for _, n := range [...]int{1, 10, indexBatch} {
		if len(args) <= n {
			for len(args) < n {
				args = append(args, args[len(args)-1])
			}
			break
		}
	}
	return " IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
}

// indexed is a ticket on its way into the index.
type indexed struct {
	id     string
	ticket ticket.Ticket
	spoken

	stored bool // it is in the index, as of version
	placed bool // for good
	place  int64
	as     int64 // of which version
}

// mostText bounds what of a ticket's messages, and of its notes, is indexed, in
// bytes.
const mostText = 128 << 10

// spoken is what stands in a ticket's events: the words to find it by. There is no
// other copy of them, so that what is erased there is not found any more, whatever the
// index still has.
type spoken struct {
	said, inside strings.Builder
	subject      string // the ticket's, if it stands in an event
	upto         int64  // the last event that something was taken from
}

// hear takes in an event of a ticket with this subject.
func (p *spoken) hear(subject string, seq int64, doc []byte) error {
	var e struct{ Subject, Message, Note string }
	if err := json.Unmarshal(doc, &e); err != nil {
		return err
	}
	if e.Subject != "" && e.Subject == subject {
		p.subject, p.upto = subject, seq
	}
	said, noted := add(&p.said, e.Message), add(&p.inside, e.Note)
	if said || noted {
		p.upto = seq
	}
	return nil
}

// readTexts reads tickets and what was said in them.
func (x *session) readTexts(ctx context.Context, ids []any, list map[string]*indexed) error {
	in, args := amongst(ids)
	err := x.rows(ctx, func(r *sql.Rows) error {
		t, err := scanTicket(r)
		if err == nil {
			list[t.ID.String()].ticket = t
		}
		return err
	}, "SELECT "+ticketColumns+" FROM {t}tickets t{by tickets_id} WHERE t.id"+in, args...)
	if err != nil {
		return err
	}
	return x.rows(ctx, func(r *sql.Rows) error {
		var id, doc sql.RawBytes
		var seq int64
		if err := r.Scan(&id, &seq, &doc); err != nil {
			return err
		}
		d := list[string(id)]
		if seq > d.ticket.Version {
			return nil // happened while we read
		}
		return d.hear(d.ticket.Subject, seq, doc)
	}, "SELECT ticket, seq, doc FROM {t}events{by events_id} WHERE ticket"+in+" ORDER BY ticket, seq", args...)
}

// add adds text, and reports whether there was any and room for it.
func add(b *strings.Builder, text string) bool {
	if text == "" || b.Len() >= mostText {
		return false
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(strings.ToValidUTF8(text[:min(len(text), mostText-b.Len())], ""))
	return true
}

// writeTexts writes them, but for those of which a later state is there already.
func (x *session) writeTexts(ctx context.Context, ids []any, list map[string]*indexed) error {
	in, args := amongst(ids)
	err := x.rows(ctx, func(r *sql.Rows) error {
		var id sql.RawBytes
		var place, version int64
		err := r.Scan(&id, &place, &version)
		if d := list[string(id)]; err == nil {
			d.stored, d.place, d.as = true, place, version
		}
		return err
	}, "SELECT ticket, place, version FROM {t}texts WHERE ticket"+in, args...)
	if err != nil {
		return err
	}
	var fresh, words []*indexed
	for _, id := range ids {
		switch d := list[id.(string)]; {
		case d.ticket.Version == 0 || d.stored && d.as >= d.ticket.Version:
		case !d.stored:
			fresh = append(fresh, d)
			words = append(words, d)
		default:
			words = append(words, d)
			if err := d.rewrite(ctx, x); err != nil {
				return err
			}
		}
	}
	if err := x.place(ctx, fresh); err != nil {
		return err
	}
	l := x.s.lang
	err = inTens(fresh, func(some []*indexed) error {
		args := make([]any, 0, 6*len(some))
		for _, d := range some {
			args = append(args, d.ticket.Version, d.upto, d.place, d.id, d.ticket.Tenant)
			if x.s.dialect != SQLite { // where the index is a column of the table
				args = append(args, d.tokens(l))
			}
		}
		_, err := x.exec(ctx, l.insertText+l.textRow+strings.Repeat(", "+l.textRow, len(some)-1), args...)
		return err
	})
	if err != nil || x.s.dialect != SQLite {
		return err
	}
	return inTens(words, func(some []*indexed) error {
		args := make([]any, 0, 2*len(some))
		for _, d := range some {
			args = append(args, d.place, d.tokens(l))
		}
		_, err := x.exec(ctx, several("INSERT INTO {t}words (rowid, tokens) VALUES ", 2, len(some)), args...)
		return err
	})
}

// inTens calls f with ten of the list at a time, and the rest one by one: two
// texts to prepare.
func inTens(list []*indexed, f func([]*indexed) error) error {
	for len(list) > 0 {
		n := 10
		if len(list) < n {
			n = 1
		}
		if err := f(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// rewrite replaces an earlier state.
func (d *indexed) rewrite(ctx context.Context, x *session) error {
	args := []any{d.ticket.Version, d.upto}
	if x.s.dialect != SQLite {
		args = append(args, d.tokens(x.s.lang))
	}
	// Others may have come before us with a later state.
	n, err := x.exec(ctx, x.s.lang.updateText, append(args, d.place, d.ticket.Version)...)
	if err == nil && n > 0 && x.s.dialect == SQLite {
		_, err = x.exec(ctx, "DELETE FROM {t}words WHERE rowid = ?", d.place)
	}
	return err
}

// The place of a ticket in the index goes by the microsecond of its creation, with
// room for others of the same one. From 1970 to 2094 that is room for some two
// thousand. What is left of the 64 bits holds the years 1 to 9999: before that time
// with room for 64, after it for 4.
const (
	placeRoom = 11 // bits
	earlyRoom = 6
	lateRoom  = 2
	lateFrom  = 1<<52 - 1<<49 // microseconds since 1970
)

// placeOf returns the first place of an instant, and how many bits of room it has.
func placeOf(t time.Time) (place int64, room int) {
	switch n := t.UnixMicro(); {
	case n < 0:
		return n << earlyRoom, earlyRoom
	case n < lateFrom:
		return n << placeRoom, placeRoom
	default:
		return lateFrom<<placeRoom + (n-lateFrom)<<lateRoom, lateRoom
	}
}

// place gives each ticket a free place.
func (x *session) place(ctx context.Context, list []*indexed) error {
	used := map[int64]bool{}
	var places []any
	choose := func(d *indexed) {
		for used[d.place] {
			d.place++
		}
		used[d.place] = true
		places = append(places, d.place)
	}
	for _, d := range list {
		id := d.ticket.ID
		place, room := placeOf(d.ticket.Created)
		d.place = place | (int64(id[14])<<8|int64(id[15]))&(1<<room-1)
		choose(d)
	}
	for try := 0; len(places) > 0; try++ {
		if try == 3 { // so many of the same microsecond: go on behind the last one
			return x.placeBehind(ctx, list)
		}
		in, args := amongst(places)
		taken := map[int64]bool{}
		err := x.rows(ctx, func(r *sql.Rows) error {
			var place int64
			err := r.Scan(&place)
			taken[place] = true
			return err
		}, "SELECT place FROM {t}texts WHERE place"+in, args...)
		if err != nil {
			return err
		}
		places = places[:0]
		for _, d := range list {
			if taken[d.place] {
				choose(d)
			}
		}
	}
	return nil
}

// placeBehind gives places behind those of the same time that are taken. It is for
// tickets of which thousands bear one time, as when an import had no better one.
func (x *session) placeBehind(ctx context.Context, list []*indexed) error {
	const crowd = 1 << 31     // a second, or as far as the rest has room
	next := map[int64]int64{} // by the first place of an instant
	for _, d := range list {
		base, _ := placeOf(d.ticket.Created)
		place, known := next[base]
		if !known {
			var last sql.NullInt64
			_, err := x.one(ctx, []any{&last}, "SELECT MAX(place) FROM {t}texts WHERE place >= ? AND place < ?", base, base+crowd)
			if err != nil {
				return err
			}
			place = max(base, last.Int64+1)
		}
		for slices.ContainsFunc(list, func(o *indexed) bool { return o != d && o.placed && o.place == place }) {
			place++
		}
		d.place, d.placed, next[base] = place, true, place+1
	}
	return nil
}

// tokens returns what stands in the index for a ticket, with blanks between:
//
//	s…   the tenant, or one of the ticket's labels in it, as a digest
//	p…   a word of the subject or a message
//	i…   a word of a note
func (d *indexed) tokens(l *language) string {
	var b strings.Builder
	put := func(token string) {
		b.WriteByte(' ')
		b.WriteString(token)
	}
	put(scope(d.ticket.Tenant, ""))
	for _, label := range labelsOf(&d.ticket) {
		put(scope(d.ticket.Tenant, label))
	}
	public := words.Fold(d.subject + "\n" + d.said.String())
	for _, w := range public {
		put(l.token("p", w))
	}
	for _, w := range words.Fold(d.inside.String()) {
		put(l.token("i", w))
	}
	b.WriteByte(' ')
	return b.String()
}

// scope is a token for a tenant, or a label within one.
func scope(tenant, label string) string {
	sum := sha256.Sum256([]byte(strconv.Quote(tenant) + label))
	return "s" + hex.EncodeToString(sum[:10])
}

// plainToken is a word with the letter that says where it stands.
func plainToken(where, word string) string { return where + word }

// asciiToken is the same in letters, digits and underscores, of three symbols or
// more: MySQL leaves out shorter ones, and takes others apart in its own way.
func asciiToken(where, word string) string {
	var b strings.Builder
	b.WriteString(where + "_")
	for _, r := range word {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		default:
			b.WriteString("_" + strconv.FormatInt(int64(r), 16) + "_")
		}
	}
	return b.String()[:min(b.Len(), longestToken)]
}

// longestToken is how much of a token is compared on MySQL, which leaves out those
// of more than 84 symbols.
const longestToken = 80

// mostScopes bounds how many labels the index is asked for; the tickets that it
// finds are asked for all of them.
const mostScopes = 20

// wantedTokens is a search as tokens: one of each list must stand there, a last
// "*" for any ending. restricted reports whether it is about few tickets of the tenant.
func (l *language) wantedTokens(q *ticket.SearchQuery) (all [][]string, restricted bool) {
	labels, _ := labelsWanted(&q.Query)
	for _, list := range labels[:min(len(labels), mostScopes)] {
		tokens := make([]string, len(list))
		for i, label := range list {
			tokens[i] = scope(q.Tenant, label)
		}
		all = append(all, tokens)
	}
	if len(labels) == 0 {
		all = append(all, []string{scope(q.Tenant, "")})
	}
	for _, term := range words.Parse(q.Text) {
		tokens := []string{l.token("p", term.Word)}
		if q.Notes {
			tokens = append(tokens, l.token("i", term.Word))
		}
		if term.Prefix {
			for i := range tokens {
				tokens[i] += "*"
			}
		}
		all = append(all, tokens)
	}
	return all, len(labels) > 0
}

// ftsQuery is a search in the words of FTS5.
func ftsQuery(all [][]string) string {
	return joined(all, " AND ", " OR ", func(token string) string {
		if stem, prefix := strings.CutSuffix(token, "*"); prefix {
			return `"` + stem + `" *`
		}
		return `"` + token + `"`
	})
}

// tsQuery is a search in the words of a tsquery.
func tsQuery(all [][]string) string {
	return joined(all, " & ", " | ", func(token string) string {
		if stem, prefix := strings.CutSuffix(token, "*"); prefix {
			return "'" + stem + "':*"
		}
		return "'" + token + "'"
	})
}

// booleanQuery is a search in the words of MySQL's boolean mode.
func booleanQuery(all [][]string) string {
	lists := make([]string, len(all))
	for i, list := range all {
		lists[i] = "+" + list[0]
		if len(list) > 1 {
			lists[i] = "+(" + strings.Join(list, " ") + ")"
		}
	}
	return strings.Join(lists, " ")
}

func joined(all [][]string, and, or string, put func(string) string) string {
	lists := make([]string, len(all))
	for i, list := range all {
		tokens := make([]string, len(list))
		for j, token := range list {
			tokens[j] = put(token)
		}
		lists[i] = "(" + strings.Join(tokens, or) + ")"
	}
	return strings.Join(lists, and)
}

// impossible reports whether nothing can match: one of the lists is empty.
func impossible(all [][]string) bool {
	return slices.ContainsFunc(all, func(list []string) bool { return len(list) == 0 })
}
