package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/similar"
)

var _ ticket.Suggester = (*Store)(nil)

// A counter has changes of the table of frequencies.
type counter map[int64]int

// A population is the solved tickets of a tenant, or its known problems.
type population [8]byte

func populationOf(tenant string, known bool) population {
	sum := sha256.Sum256([]byte(strconv.FormatBool(known) + strconv.Quote(tenant)))
	return population(sum[:8])
}

// everyone is the solved tickets, or the known problems, of all tenants.
func everyone(known bool) population {
	var p population
	p[0] = byte(number(known))
	return p
}

// allOf stands for every ticket of a population, in place of the number of a word, which has
// 40 bits.
const allOf = 1 << 40

// count returns the key of a frequency.
func (p population) count(word uint64) int64 {
	var b [16]byte
	copy(b[:8], p[:])
	binary.BigEndian.PutUint64(b[8:], word)
	sum := sha256.Sum256(b[:])
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// add sets the terms of a ticket, and counts the difference to those in the index.
func (c counter) add(d *indexed) {
	for i, known := range [...]bool{false, true} {
		p := populationOf(d.ticket.Tenant, known)
		c.change(p, everyone(known), d.were[i], -1)
		_, terms := ticket.TermsOf(d.ticket, slices.Values(d.heard), known)
		if d.terms[i] = nil; terms != nil {
			d.terms[i] = terms
		}
		c.change(p, everyone(known), terms, 1)
	}
}

func (c counter) change(p, all population, terms []byte, by int) {
	if len(terms) == 0 {
		return
	}
	c[p.count(allOf)] += by
	c[all.count(allOf)] += by
	for _, w := range similar.Hashes(terms) {
		c[p.count(w)] += by
	}
}

// countBatch is how many counts one statement changes.
const countBatch = 100

// write changes the counts. It does so in one order everywhere, so that two processes do not
// deadlock.
func (c counter) write(ctx context.Context, x *session) error {
	var keys []int64
	var fewer []any
	for k, by := range c {
		if by != 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if c[k] < 0 {
			fewer = append(fewer, k)
		}
	}
	for len(keys) > 0 {
		n := countBatch
		if len(keys) < n {
			n = 1
		}
		args := make([]any, 0, 2*n)
		for _, k := range keys[:n] {
			args = append(args, k, c[k])
		}
		keys = keys[n:]
		into := "INSERT INTO {t}frequencies (word, n) VALUES "
		if x.s.dialect == Postgres {
			into = "INSERT INTO {t}frequencies AS f (word, n) VALUES "
		}
		if _, err := x.exec(ctx, several(into, 2, n)+x.s.lang.countWords, args...); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(fewer, indexBatch) {
		in, args := amongst(some)
		if _, err := x.exec(ctx, "DELETE FROM {t}frequencies WHERE n <= 0 AND word"+in, args...); err != nil {
			return err
		}
	}
	return nil
}

// Candidates returns tickets that have one of the words; see [ticket.Suggester]. Like
// [Store.Search], it first indexes up to 100 changes.
//
// The tickets with the rarest words are found with the index; of those with the same rarest
// word, the newest come first. There is one exception on PostgreSQL and MySQL, which limits
// the time of a call: of a word that more than 2,000 tickets have, only those among the
// newest 2,000 tickets of the database are found. On MySQL, this holds for words that so many
// tickets of all tenants have.
func (s *Store) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Candidates{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.Candidates{}, err
	}
	if !s.search {
		return ticket.Candidates{}, unsearchable()
	}
	if err := s.catchUp(ctx); err != nil {
		return ticket.Candidates{}, err
	}
	defer s.hold()()
	found, err := s.here().candidates(ctx, &q)
	if err != nil {
		return ticket.Candidates{}, s.explain(ctx, "find candidates", err)
	}
	return found, nil
}

func (x *session) candidates(ctx context.Context, q *ticket.CandidateQuery) (ticket.Candidates, error) {
	found := ticket.Candidates{With: make([]int, len(q.Words))}
	everywhere, err := x.frequencies(ctx, q, &found)
	if err != nil {
		return found, err
	}
	// Where the tenant has most of the tickets, the index is not asked for the tenant: it
	// would read the list of nearly all tickets.
	few := found.Total < everywhere/2
	order := make([]int, 0, len(q.Words))
	for i, n := range found.With {
		if n > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(found.With[a], found.With[b]) })
	// The rarest words together, as long as all tickets with them fit, and then one by one.
	rarest, sum := 0, 0
	for rarest < len(order) && (sum+found.With[order[rarest]] <= q.Limit || found.Total <= q.Limit) {
		sum += found.With[order[rarest]]
		rarest++
	}
	taken := map[ticket.ID]bool{}
	ask := func(some []int) error {
		return x.having(ctx, q, few, some, found.With[some[len(some)-1]], func(id ticket.ID, terms []byte) {
			if !taken[id] && len(found.List) < q.Limit {
				taken[id] = true
				found.List = append(found.List, ticket.Candidate{Ticket: id, Terms: terms})
			}
		})
	}
	if rarest > 0 {
		if err := ask(order[:rarest]); err != nil {
			return found, err
		}
	}
	for i := rarest; i < len(order) && len(found.List) < q.Limit; i++ {
		if err := ask(order[i : i+1]); err != nil {
			return found, err
		}
	}
	return found, nil
}

// frequencies reads how many tickets have the words, and how many there are of all tenants.
func (x *session) frequencies(ctx context.Context, q *ticket.CandidateQuery, found *ticket.Candidates) (everywhere int, err error) {
	p := populationOf(q.Tenant, q.Known)
	places := map[int64][]int{}
	keys := []any{p.count(allOf), everyone(q.Known).count(allOf)}
	for i, w := range q.Words {
		k := p.count(similar.Hash(w))
		places[k] = append(places[k], i)
		keys = append(keys, k)
	}
	for some := range slices.Chunk(keys, indexBatch) {
		in, args := amongst(some)
		err := x.rows(ctx, func(r *sql.Rows) error {
			var k int64
			var n int
			err := r.Scan(&k, &n)
			switch k {
			case keys[0]:
				found.Total = n
			case keys[1]:
				everywhere = n
			}
			for _, i := range places[k] {
				found.With[i] = n
			}
			return err
		}, "SELECT word, n FROM {t}frequencies WHERE word"+in, args...)
		if err != nil {
			return 0, err
		}
	}
	return everywhere, nil
}

// having calls f with the tickets that have one of the words, the newest first. most is how
// many tickets have the most frequent of them. few says that most tickets are of other
// tenants.
func (x *session) having(ctx context.Context, q *ticket.CandidateQuery, few bool, words []int, most int, f func(id ticket.ID, terms []byte)) error {
	where, column := "p", "w.terms"
	if q.Known {
		where, column = "k", "w.known"
	}
	s := x.s
	some := make([]string, len(words))
	for i, w := range words {
		some[i] = s.lang.token(where, q.Words[w])
	}
	tokens := [][]string{some}
	if few && s.dialect != MySQL { // it would read all tickets of the tenant first
		tokens = append(tokens, []string{scope(q.Tenant, "")})
	}
	common := !s.lang.newestFirst && most > mostMatches
	text, args := s.matching(tokens, math.MaxInt64, mostMatches)
	if common {
		text, args = s.windowed(tokens, window)
	}
	text = "SELECT w.ticket, " + column + " FROM (" + text + ") f " + s.lang.join + " {t}texts w ON w.place = f.place" +
		" WHERE w.tenant = ? AND " + column + " IS NOT NULL"
	if !s.lang.newestFirst { // SQLite reads them in order, and would sort all of them once more
		text += " ORDER BY f.place DESC"
	}
	text += " LIMIT ?"
	args = append(slices.Clip(args), q.Tenant, q.Limit)
	read := func(x *session) error {
		return x.rows(ctx, func(r *sql.Rows) error {
			var text sql.RawBytes
			var id ticket.ID
			var terms []byte
			if err := r.Scan(&text, &terms); err != nil {
				return err
			}
			if err := parseID(text, &id); err != nil {
				return err
			}
			f(id, terms)
			return nil
		}, text, args...)
	}
	if !common {
		return s.byIndex(ctx, read)
	}
	return read(x)
}
