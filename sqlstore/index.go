package sqlstore

import (
	"bytes"
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

// Search makes tickets searchable by their words; see [Store.Search]. The first Open
// with this option creates the tables of the index, and existing tickets are indexed
// afterwards. Every process that writes to the database needs this option; otherwise
// the changes of that process are not found. Default: no search, and no index to
// maintain.
//
// On SQLite it needs FTS5. mattn/go-sqlite3 has FTS5 only if it is built with the
// tag sqlite_fts5.
func Search() Option { return func(o *options) { o.search = true } }

// The index is a table of its own. Writing it in the ticket's own transaction would
// halve the rate of opening tickets. So a commit adds the ticket's ID to a list of
// tickets to index, and Maintain processes the list.

// indexBatch is how many tickets are indexed in one transaction.
const indexBatch = 100

// Maintain indexes all changes since the last time; see [ticket.Maintainer].
// [ticket.Desk.Run] calls it. [Store.Search] does a limited part of it, so you need
// not call Maintain if few changes happen between two searches. Any number of
// processes may call it at the same time.
//
// On SQLite, Maintain also overwrites what was erased since the last time; see
// [Store.Erase]. It merges the search index in small transactions, which read and write as
// much as the index is long, and truncates the write-ahead log.
//
// On another database and without [Search], it returns [errors.ErrUnsupported].
func (s *Store) Maintain(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.search {
		if s.dialect != SQLite {
			return unsearchable()
		}
		return s.scrub(ctx)
	}
	for {
		n, err := s.index(ctx)
		if err != nil {
			return err
		}
		if n < indexBatch {
			return s.scrub(ctx)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func unsearchable() error {
	return fmt.Errorf("sqlstore: the store was made without Search: %w", errors.ErrUnsupported)
}

// index indexes a batch of the list and returns the number of its entries.
func (s *Store) index(ctx context.Context) (int, error) {
	defer s.hold()()
	for try := 1; ; try++ {
		done, err := s.indexOnce(ctx)
		if err == errIndexed && try == 10 { //nolint:errorlint // this very one
			err = nil
		}
		if s.lang.classify(err) != taken && !s.collided(err) && err != errIndexed || try == 10 || s.tx != nil { //nolint:errorlint // this very one
			return done, s.explain(ctx, "index", err)
		}
		// Another process has indexed one of these tickets at the same time.
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
	err = s.apart(ctx, func(ctx context.Context, x *session) error {
		// Later changes add new entries to the list.
		in, args := amongst(entries)
		n, err := x.exec(ctx, "DELETE FROM {t}unindexed WHERE id"+in, args...)
		if err == nil && n < int64(len(entries)) && s.tx == nil {
			err = errIndexed
		}
		if err != nil {
			return err
		}
		return x.writeTexts(ctx, ids, list)
	})
	return len(entries), err
}

// errIndexed reports that another process has removed entries of the list: it has indexed the
// tickets, or deleted them with their tenant.
var errIndexed = errors.New("sqlstore: another process has indexed some of the tickets")

// Reindex makes the next call of [Store.Maintain] or [Store.Search] read a ticket's
// words from its events again. Call it after you have replaced stored events with
// erased ones (see [ticket.Event.Erase]). A search never finds erased words; Reindex
// removes them from the index as well. Without [Search] it returns
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

// amongst returns a list for IN. It repeats the last value up to one of a few
// lengths, so that there are few texts to prepare.
func amongst[T any](values []T) (string, []any) {
	args := make([]any, 0, len(values))
	for _, v := range values {
		args = append(args, v)
	}
	for _, n := range [...]int{1, 10, indexBatch, pruneBatch} {
		if len(args) <= n {
			for len(args) < n {
				args = append(args, args[len(args)-1])
			}
			break
		}
	}
	return " IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
}

// indexed is a ticket that is being indexed.
type indexed struct {
	id     string
	ticket ticket.Ticket
	spoken

	heard  []ticket.Event // the actions and messages, for the terms
	terms  [2]any         // of the solved ticket and of the known problem; nil: none
	stored bool           // the index has the ticket, at version as
	placed bool           // place is final
	place  int64
	as     int64     // the version in the index
	were   [2][]byte // the terms in the index
}

// mostText limits how many bytes of a ticket's messages are indexed, and how many of
// its notes.
const mostText = 128 << 10

// spoken holds the words of a ticket, read from its events. There is no other copy
// of them. So erased words are not found, whatever the index still contains.
type spoken struct {
	said, inside strings.Builder
	subject      string // the ticket's subject, if an event has it
	upto         int64  // the last event that added text
}

// hear adds the text of an event of a ticket with this subject. It returns the event with
// its action and message only.
func (p *spoken) hear(subject string, seq int64, doc []byte) (ticket.Event, error) {
	var e struct {
		Action                 ticket.ActionName
		Subject, Message, Note string
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return ticket.Event{}, err
	}
	if e.Subject != "" && e.Subject == subject {
		p.subject, p.upto = subject, seq
	}
	said, noted := add(&p.said, e.Message), add(&p.inside, e.Note)
	if said || noted {
		p.upto = seq
	}
	return ticket.Event{Action: e.Action, PublicContent: ticket.PublicContent{Message: ticket.Message(e.Message)}}, nil
}

// readTexts reads tickets and the texts of their events.
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
			return nil // written after the ticket was read
		}
		e, err := d.hear(d.ticket.Subject, seq, doc)
		d.heard = append(d.heard, e)
		return err
	}, "SELECT ticket, seq, doc FROM {t}events{by events_id} WHERE ticket"+in+" ORDER BY ticket, seq", args...)
}

// add adds text. It reports whether there was text, and room for it.
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

// writeTexts writes the tickets of which the index has no later version.
func (x *session) writeTexts(ctx context.Context, ids []any, list map[string]*indexed) error {
	in, args := amongst(ids)
	err := x.rows(ctx, func(r *sql.Rows) error {
		var id, terms, known sql.RawBytes
		var place, version int64
		err := r.Scan(&id, &place, &version, &terms, &known)
		if d := list[string(id)]; err == nil {
			d.stored, d.place, d.as, d.were = true, place, version, [2][]byte{bytes.Clone(terms), bytes.Clone(known)}
		}
		return err
	}, "SELECT ticket, place, version, terms, known FROM {t}texts WHERE ticket"+in+x.s.lang.forUpdate, args...)
	if err != nil {
		return err
	}
	counts := counter{}
	var fresh, words []*indexed
	for _, id := range ids {
		switch d := list[id.(string)]; {
		case d.ticket.Version == 0 || d.stored && d.as >= d.ticket.Version:
		case !d.stored:
			counts.add(d)
			fresh = append(fresh, d)
			words = append(words, d)
		default:
			counts.add(d)
			words = append(words, d)
			if err := d.rewrite(ctx, x); err != nil {
				return err
			}
		}
	}
	if err := counts.write(ctx, x); err != nil {
		return err
	}
	if err := x.place(ctx, fresh); err != nil {
		return err
	}
	l := x.s.lang
	err = inTens(fresh, func(some []*indexed) error {
		args := make([]any, 0, 8*len(some))
		for _, d := range some {
			args = append(args, d.ticket.Version, d.upto, d.terms[0], d.terms[1], d.place, d.id, d.ticket.Tenant)
			if x.s.dialect != SQLite { // the index is a column of the table
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

// inTens calls f with ten elements of the list at a time, and with the rest one by
// one, so that there are two texts to prepare.
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

// rewrite replaces an earlier version.
func (d *indexed) rewrite(ctx context.Context, x *session) error {
	args := []any{d.ticket.Version, d.upto, d.terms[0], d.terms[1]}
	if x.s.dialect != SQLite {
		args = append(args, d.tokens(x.s.lang))
	}
	// The frequencies were counted for this version.
	n, err := x.exec(ctx, x.s.lang.updateText, append(args, d.place, d.as)...)
	if err == nil && n == 0 {
		err = errOvertaken
	}
	if err == nil && x.s.dialect == SQLite {
		_, err = x.exec(ctx, "DELETE FROM {t}words WHERE rowid = ?", d.place)
	}
	return err
}

// The place of a ticket in the index is the microsecond of its creation, with some
// bits for other tickets of the same microsecond. From 1970 to 2094 they hold some
// two thousand tickets. The rest of the 64 bits holds the years 1 to 9999: 64
// tickets for a microsecond before that time, 4 after it.
const (
	placeRoom = 11 // bits
	earlyRoom = 6
	lateRoom  = 2
	lateFrom  = 1<<52 - 1<<49 // microseconds since 1970
)

// placeOf returns the first place of an instant, and the number of its bits that
// tell tickets of that instant apart.
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

// instantOf returns a number that only the places of one instant have in common.
func instantOf(place int64) [2]int64 {
	switch {
	case place < 0:
		return [2]int64{earlyRoom, place >> earlyRoom}
	case place < lateFrom<<placeRoom:
		return [2]int64{placeRoom, place >> placeRoom}
	default:
		return [2]int64{lateRoom, place >> lateRoom}
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
		if try == 3 { // too many in one microsecond: continue after the last one
			return x.placeAfter(ctx, list)
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

// placeAfter gives places after those of the same time that are used. It is for
// thousands of tickets with the same time, as from an import without exact times.
func (x *session) placeAfter(ctx context.Context, list []*indexed) error {
	const crowd = 1 << 31     // the places of a second, or of more time where a microsecond has fewer places
	next := map[int64]int64{} // the next free place, by the first place of the same time
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

// tokens returns the index entry of a ticket, separated by blanks:
//
//	s…   the tenant and the stage, or one of the ticket's labels in it, as a digest
//	p…   a word of the subject, a message or what is published
//	k…   a word of what is published as a known problem
//	i…   a word of a note
func (d *indexed) tokens(l *language) string {
	var b strings.Builder
	put := func(token string) {
		b.WriteByte(' ')
		b.WriteString(token)
	}
	put(scope(d.ticket.Tenant, stagePrefix(stageNumber(d.ticket.Stage))))
	for _, label := range labelsOf(&d.ticket) {
		put(scope(d.ticket.Tenant, label))
	}
	known := d.ticket.Known.Title + "\n" + string(d.ticket.Known.Text)
	for _, w := range words.Fold(known) {
		put(l.token("k", w))
	}
	public := words.Fold(d.subject + "\n" + d.said.String() + "\n" + known)
	for _, w := range public {
		put(l.token("p", w))
	}
	for _, w := range words.Fold(d.inside.String()) {
		put(l.token("i", w))
	}
	b.WriteByte(' ')
	return b.String()
}

// scope returns the token of a tenant, or of a label within a tenant.
func scope(tenant, label string) string {
	sum := sha256.Sum256([]byte(strconv.Quote(tenant) + label))
	return "s" + hex.EncodeToString(sum[:10])
}

// plainToken is a word with a letter in front that says where the word stands.
func plainToken(where, word string) string { return where + word }

// asciiToken is the same in letters, digits and underscores, with at least three
// characters. MySQL ignores shorter tokens, and splits others in its own way.
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

// longestToken is how many bytes of a token MySQL compares. MySQL ignores tokens of
// more than 84 characters.
const longestToken = 80

// mostScopes limits the labels in a query of the index. The tickets that it finds
// are checked for all labels.
const mostScopes = 20

// wantedTokens returns the tokens of a search: the index entry must have one of each
// list. A "*" at the end matches any ending. restricted reports whether the search
// is about few tickets of the tenant.
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
		var tokens []string
		for _, n := range stagesOf(&q.Query) {
			tokens = append(tokens, scope(q.Tenant, stagePrefix(n)))
		}
		all = append(all, tokens)
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

// ftsQuery returns a search in the syntax of FTS5.
func ftsQuery(all [][]string) string {
	return joined(all, " AND ", " OR ", func(token string) string {
		if stem, prefix := strings.CutSuffix(token, "*"); prefix {
			return `"` + stem + `" *`
		}
		return `"` + token + `"`
	})
}

// tsQuery returns a search in the syntax of a tsquery.
func tsQuery(all [][]string) string {
	return joined(all, " & ", " | ", func(token string) string {
		if stem, prefix := strings.CutSuffix(token, "*"); prefix {
			return "'" + stem + "':*"
		}
		return "'" + token + "'"
	})
}

// booleanQuery returns a search in the syntax of MySQL's boolean mode.
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
