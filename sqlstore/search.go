package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/words"
)

const (
	// window is how many of the newest tickets are scanned if the index cannot
	// return the newest matches first. A common word usually has enough matches among
	// them.
	window = 2000
	// smallWindow is the same in a search on PostgreSQL, where the index returns the matches of
	// a part of time in little time.
	smallWindow = 500
	// mostMatches limits how many matches are read from an index.
	mostMatches = 2000
	// sameInstant is how many more matches are read than needed, because the
	// index does not order tickets that were created in the same microsecond.
	sameInstant = 64
	// mostRanked is how many of the newest matches are ranked.
	mostRanked = 200
)

// Search returns the tickets that contain the words; see [ticket.Searcher].
//
// It first indexes up to 100 changes. So it finds every committed change, unless
// more than 100 were written since the last Search or [Store.Maintain]. The first
// 128 KiB of a ticket's messages are indexed, and the first 128 KiB of its notes.
//
// The words are compared with the stored events. Erased words are not found, though
// the index may contain them until [Store.Reindex].
//
// The newest matches come first. There is one exception on PostgreSQL, which limits the time
// of a search: if more than 2,000 tickets match that are older than the newest 500 tickets of
// the database, and the words were much more frequent long ago than of late, the page
// may have older matches in place of newer ones. With Best, the newest 200 matches are
// ranked. Conditions other than people, organisation, tags and fields are checked for at
// most 2,000 of the tickets that contain the words.
func (s *Store) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	if !s.search {
		return nil, unsearchable()
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	want := q.PageSize()
	if q.Best {
		want = max(want, mostRanked)
	}
	defer s.hold()()
	hits, err := s.find(ctx, &q, want)
	if err == nil {
		err = s.here().listen(ctx, hits)
	}
	if err != nil {
		return nil, s.explain(ctx, "search", err)
	}
	terms := words.Parse(q.Text)
	// The index may be out of date, and MySQL's tokens are cut, so compare again.
	hits = slices.DeleteFunc(hits, func(m match) bool { return !m.has(&q, terms) })
	if q.Best {
		slices.SortStableFunc(hits, func(a, b match) int { return b.score(&q, terms) - a.score(&q, terms) })
	}
	hits = hits[:min(len(hits), q.PageSize())]
	return s.shown(&q, hits), nil
}

// mostWait limits how long a search waits to write the index.
const mostWait = 200 * time.Millisecond

// catchUp indexes a batch of changes. If it cannot write now, the search uses the
// index as it is.
func (s *Store) catchUp(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, mostWait)
	defer cancel()
	_, err := s.index(short)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case short.Err() != nil, errors.Is(err, ErrReadOnly), errors.Is(err, ErrBusy), errors.Is(err, ErrFull), errors.Is(err, ticket.ErrConflict):
		return nil
	default:
		return err
	}
}

// A match is a ticket with its words.
type match struct {
	ticket ticket.Ticket
	*spoken
	heard bool // the words were read
	known int  // the score plus one; 0: not computed yet
}

func (m *match) has(q *ticket.SearchQuery, terms []words.Term) bool {
	return words.Match(terms, append(m.texts(q), m.subject)...)
}

func (m *match) texts(q *ticket.SearchQuery) []string {
	list := []string{m.said.String()}
	if k := &m.ticket.Known; !k.IsZero() {
		list = append(list, k.Title, string(k.Text))
	}
	if q.Notes {
		list = append(list, m.inside.String())
	}
	return list
}

func (m *match) score(q *ticket.SearchQuery, terms []words.Term) int {
	if m.known == 0 {
		m.known = 1 + words.Score(terms, m.subject, m.texts(q)...)
	}
	return m.known
}

func (s *Store) shown(q *ticket.SearchQuery, list []match) []ticket.Hit {
	terms := words.Parse(q.Text)
	hits := make([]ticket.Hit, len(list))
	for i := range list {
		m := &list[i]
		text, marks := words.Snippet(terms, append(m.texts(q), m.subject)...)
		hits[i] = ticket.Hit{Ticket: m.ticket, Snippet: ticket.Snippet{Text: text}}
		for _, at := range marks {
			hits[i].Snippet.Marks = append(hits[i].Snippet.Marks, [2]int{at[0], at[1]})
		}
	}
	return hits
}

// all joins conditions with AND.
func all(list []clause) (c clause) {
	parts := make([]string, len(list))
	for i, one := range list {
		parts[i] = one.text
		c.args = append(c.args, one.args...)
	}
	c.text = strings.Join(parts, " AND ")
	return c
}

// listen reads the words of tickets, up to the indexed event.
func (x *session) listen(ctx context.Context, list []match) error {
	byID := make(map[string]*match, len(list))
	var ids []any
	for i := range list {
		if m := &list[i]; !m.heard {
			m.heard = true
			id := m.ticket.ID.String()
			byID[id], ids = m, append(ids, id)
		}
	}
	for part := range slices.Chunk(ids, indexBatch) {
		in, args := amongst(part)
		err := x.rows(ctx, func(r *sql.Rows) error {
			var id, doc sql.RawBytes
			var seq int64
			if err := r.Scan(&id, &seq, &doc); err != nil {
				return err
			}
			m := byID[string(id)]
			_, err := m.hear(m.ticket.Subject, seq, doc)
			return err
		}, "SELECT e.ticket, e.seq, e.doc FROM {t}texts w "+x.s.lang.join+" {t}events e{by events_id} ON e.ticket = w.ticket AND e.seq <= w.upto WHERE w.ticket"+in+
			" ORDER BY e.ticket, e.seq", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// matching returns the query for the places of tickets with the tokens, before a place where
// the index can tell.
func (s *Store) matching(tokens [][]string, before int64, most int) (string, []any) {
	switch s.dialect {
	case SQLite:
		return "SELECT rowid AS place FROM {t}words WHERE {t}words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?", []any{ftsQuery(tokens), before, most}
	case Postgres:
		return "SELECT place FROM {t}texts WHERE tokens @@ ?::tsquery AND place < ? LIMIT ?", []any{tsQuery(tokens), before, most}
	default:
		return "SELECT place FROM {t}texts WHERE MATCH (tokens) AGAINST (? IN BOOLEAN MODE) ORDER BY place DESC LIMIT ?", []any{booleanQuery(tokens), most}
	}
}

// windowed returns the same query for the newest tickets only.
func (s *Store) windowed(tokens [][]string, newest int) (string, []any) {
	const from = "(SELECT place, tokens FROM {t}texts ORDER BY place DESC LIMIT ?) n"
	if s.dialect == Postgres {
		return "SELECT place FROM " + from + " WHERE tokens @@ ?::tsquery", []any{newest, tsQuery(tokens)}
	}
	has := likes(tokens)
	return "SELECT place FROM " + from + " WHERE " + has.text, append([]any{newest}, has.args...)
}

// byIndex makes PostgreSQL's planner use the index. On other databases it only calls f. The
// planner assumes that many tickets contain two common words together, and so it scans the
// rows until it has enough. If no ticket contains both, it scans the whole table. A plan for any words would
// not know whether few tickets are in a part of time. The tickets are spread over the disk, so
// the server reads many at once, where the system can.
func (s *Store) byIndex(ctx context.Context, f func(*session) error) error {
	if s.lang.searchPlan == "" {
		return f(s.here())
	}
	work := func(ctx context.Context, x *session) error {
		var set [5]sql.NullString
		if _, err := x.one(ctx, []any{&set[0], &set[1], &set[2], &set[3], &set[4]}, s.lang.searchPlan); err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
		return errLooked // rolls the savepoint back, and the settings with it
	}
	var err error
	if s.tx != nil {
		err = (&session{s: s, tx: s.tx}).guarded(ctx, work)
	} else {
		err = s.transaction(ctx, &sql.TxOptions{ReadOnly: true}, work)
	}
	if err == errLooked { //nolint:errorlint // this very one
		err = nil
	}
	return err
}

// errLooked ends a transaction that only read.
var errLooked = errors.New("sqlstore: looked")
