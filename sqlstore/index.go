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
		n, err := s.index(ctx, indexBatch)
		if err != nil || n < indexBatch {
			return err
		}
	}
}

func unsearchable() error {
	return fmt.Errorf("sqlstore: the store was made without Search: %w", errors.ErrUnsupported)
}

// index indexes at most n entries of the list and returns how many these were.
func (s *Store) index(ctx context.Context, n int) (int, error) {
	defer s.hold()()
	x := s.here()
	var entries []any
	seen := map[string]bool{}
	var list []indexed
	err := x.rows(ctx, func(r *sql.Rows) error {
		var entry int64
		var id string
		err := r.Scan(&entry, &id)
		entries = append(entries, entry)
		if !seen[id] {
			seen[id] = true
			list = append(list, indexed{id: id})
		}
		return err
	}, "SELECT id, ticket FROM {t}unindexed ORDER BY id LIMIT ?", n)
	if err != nil || len(entries) == 0 {
		return 0, s.explain(ctx, "look for what is to be indexed", err)
	}
	for i := range list {
		if err := list[i].read(ctx, x); err != nil {
			return 0, s.explain(ctx, "read a ticket to index it", err)
		}
	}
	err = s.write(ctx, func(ctx context.Context, x *session) error {
		// What is written from here on is in the list anew.
		_, err := x.exec(ctx, "DELETE FROM {t}unindexed WHERE id IN (?"+strings.Repeat(", ?", len(entries)-1)+")", entries...)
		for i := range list {
			if err == nil && list[i].ticket.Version > 0 {
				err = list[i].store(ctx, x)
			}
		}
		return err
	})
	return len(entries), s.explain(ctx, "index", err)
}

// indexed is a ticket on its way into the index.
type indexed struct {
	id     string
	ticket ticket.Ticket
	said   strings.Builder
	inside strings.Builder
	place  int64
}

// mostText bounds what of a ticket's messages, and of its notes, is indexed, in
// bytes.
const mostText = 128 << 10

func (d *indexed) read(ctx context.Context, x *session) error {
	found, err := x.ticket(ctx, &d.ticket, "SELECT "+ticketColumns+" FROM {t}tickets t WHERE t.id = ?", d.id)
	if err != nil || !found {
		return err
	}
	return x.rows(ctx, func(r *sql.Rows) error {
		var doc sql.RawBytes
		var e struct{ Message, Note string }
		err := r.Scan(&doc)
		if err == nil {
			err = json.Unmarshal(doc, &e)
		}
		add(&d.said, e.Message)
		add(&d.inside, e.Note)
		return err
	}, "SELECT doc FROM {t}events WHERE ticket = ? AND seq <= ? ORDER BY seq", d.id, d.ticket.Version)
}

func add(b *strings.Builder, text string) {
	if text == "" || b.Len()+len(text) > mostText {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(text)
}

// store writes it, unless a later state is there already.
func (d *indexed) store(ctx context.Context, x *session) error {
	t := &d.ticket
	var version int64
	found, err := x.one(ctx, []any{&d.place, &version}, "SELECT place, version FROM {t}texts WHERE ticket = ?", d.id)
	if err != nil || found && version >= t.Version {
		return err
	}
	args := []any{t.Version, t.Subject, d.said.String(), d.inside.String()}
	tokens, own := d.tokens(x.s.lang), x.s.dialect != SQLite // the index is a column of the table
	switch {
	case !found:
		if d.place, err = freePlace(ctx, x, t); err != nil {
			return err
		}
		args = append(args, d.place, d.id, t.Tenant)
		if own {
			args = append(args, tokens)
		}
		_, err = x.exec(ctx, x.s.lang.insertText, args...)
	case own:
		_, err = x.exec(ctx, x.s.lang.updateText, append(args, tokens, d.place)...)
	default:
		if _, err = x.exec(ctx, x.s.lang.updateText, append(args, d.place)...); err == nil {
			_, err = x.exec(ctx, "DELETE FROM {t}words WHERE rowid = ?", d.place)
		}
	}
	if err == nil && !own {
		_, err = x.exec(ctx, "INSERT INTO {t}words (rowid, tokens) VALUES (?, ?)", d.place, tokens)
	}
	return err
}

// freePlace is the microsecond of the ticket's creation, with room for some two
// thousand tickets in each.
func freePlace(ctx context.Context, x *session, t *ticket.Ticket) (int64, error) {
	const room = 11 // bits
	place := max(0, t.Created.UnixMicro()) << room & (1<<63 - 1)
	place |= (int64(t.ID[14])<<8 | int64(t.ID[15])) & (1<<room - 1)
	for {
		taken, err := x.exists(ctx, "SELECT 1 FROM {t}texts WHERE place = ?", place)
		if err != nil || !taken {
			return place, err
		}
		place++
	}
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
	public := words.Fold(d.ticket.Subject + "\n" + d.said.String())
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

// wantedTokens is a search as tokens: one of each list must stand there, a last
// "*" for any ending. restricted reports whether it is about few tickets of the tenant.
func (l *language) wantedTokens(q *ticket.SearchQuery) (all [][]string, restricted bool) {
	labels, _ := labelsWanted(&q.Query)
	for _, list := range labels {
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
