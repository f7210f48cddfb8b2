package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/words"
)

const (
	// mostSpelt is how many words a prefix may stand for to be looked up one by one.
	mostSpelt = 64
	// mostSifted is how many tickets are read to compare their words with a prefix of more
	// words.
	mostSifted = 300
	// fewest is how many tickets one statement reads at least, if there are so many.
	fewest = 10
)

// A finder finds the tickets of a search. It first reads their places from the index, and
// then the tickets at as many of these places as it needs, newest first. So the tickets
// that are not shown are not read: they are spread over the disk.
type finder struct {
	s      *Store
	q      *ticket.SearchQuery
	terms  []words.Term
	filter clause
	want   int
	found  []match
	looked int // how many tickets were read
}

// find finds tickets, the newest first.
func (s *Store) find(ctx context.Context, q *ticket.SearchQuery, want int) ([]match, error) {
	tokens, restricted := s.lang.wantedTokens(q)
	if impossible(tokens) {
		return nil, nil
	}
	some := tokens
	if !restricted { // the first list of tokens is the scope
		most, err := s.here().most(ctx, q.Tenant, stagesOf(&q.Query))
		if err != nil {
			return nil, err
		}
		if most {
			some = tokens[1:]
		}
	}
	// The index finds candidates. The filter checks the other conditions, and the
	// labels again, because they may have changed since they were indexed.
	l := &listing{s: s}
	l.filter(&q.Query)
	in(l, "t.queue", q.Queue)
	in(l, "t.assignee", q.Assignee)
	labels, _ := labelsWanted(&q.Query)
	stages := stagesOf(&q.Query)
	l.and(notInOthers(stages)) // the index has it too
	l.having(q.Tenant, labels, len(stages))
	f := &finder{s: s, q: q, terms: words.Parse(q.Text), filter: all(l.where), want: want}
	run := func(tokens [][]string) (err error) {
		f.found, f.looked = nil, 0
		switch {
		case s.dialect == SQLite:
			err = f.inOrder(ctx, tokens)
		case s.dialect == MySQL:
			err = f.byScan(ctx, labels, tokens)
		case restricted: // usually about so few tickets that the index can return all of them
			if tooMany, err := f.anywhere(ctx, tokens, math.MaxInt64, false); !tooMany || err != nil {
				return err
			}
			err = f.fromNewest(ctx, tokens)
		default:
			err = f.fromNewest(ctx, tokens)
		}
		return err
	}
	err := run(some)
	if err == nil && len(some) < len(tokens) && len(f.found) < want && f.looked >= mostMatches {
		err = run(tokens) // too many of the newest matches were outside of the scope
	}
	slices.SortFunc(f.found, func(a, b match) int {
		return cmp.Or(b.ticket.Created.Compare(a.ticket.Created), bytes.Compare(b.ticket.ID[:], a.ticket.ID[:]))
	})
	return f.found[:min(len(f.found), want)], err
}

// inOrder finds the tickets with an index that returns the newest first.
func (f *finder) inOrder(ctx context.Context, tokens [][]string) error {
	tokens, certain, err := f.spelt(ctx, tokens)
	if err != nil || impossible(tokens) {
		return err
	}
	if len(certain) < len(tokens) {
		if done, err := f.sift(ctx, certain); done || err != nil {
			return err
		}
		f.found, f.looked = nil, 0
	}
	before := int64(math.MaxInt64)
	for f.looked < mostMatches {
		most := f.want + sameInstant
		if f.looked > 0 {
			most = mostMatches - f.looked
		}
		places, err := f.placesBefore(ctx, tokens, before, most)
		if err != nil {
			return err
		}
		if enough, err := f.take(ctx, places, len(places) == most); enough || err != nil || len(places) < most {
			return err
		}
		before = places[len(places)-1]
	}
	return nil
}

// placesBefore returns the newest places of tickets with the tokens; without tokens, of all
// tickets.
func (f *finder) placesBefore(ctx context.Context, tokens [][]string, before int64, most int) ([]int64, error) {
	if len(tokens) == 0 {
		return f.s.here().places(ctx, "SELECT place FROM {t}texts WHERE place < ? ORDER BY place DESC LIMIT ?", before, most)
	}
	return f.s.here().places(ctx, "SELECT rowid FROM {t}words WHERE {t}words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?", ftsQuery(tokens), before, most)
}

// spelt replaces each prefix by the words in the index that begin with it, unless they are
// too many. SQLite would merge the lists of all these words, with all their tickets, before
// it returns the first one. certain has the lists without a prefix.
func (f *finder) spelt(ctx context.Context, tokens [][]string) (all, certain [][]string, err error) {
	const list = "SELECT word FROM (WITH RECURSIVE w (word) AS (SELECT (SELECT term FROM {t}vocabulary WHERE term >= ? LIMIT 1)" +
		" UNION ALL SELECT (SELECT term FROM {t}vocabulary WHERE term >= w.word || char(1) LIMIT 1) FROM w WHERE w.word < ? LIMIT ?)" +
		" SELECT word FROM w WHERE word < ?)"
	for _, some := range tokens {
		spelt, vague := []string{}, false
		for _, token := range some {
			stem, prefix := strings.CutSuffix(token, "*")
			if !prefix {
				spelt = append(spelt, token)
				continue
			}
			end, n := stem+"\U0010FFFF", len(spelt)
			err := f.s.here().rows(ctx, func(r *sql.Rows) error {
				var word string
				err := r.Scan(&word)
				spelt = append(spelt, word)
				return err
			}, list, stem, end, mostSpelt+1, end)
			if err != nil {
				return nil, nil, err
			}
			if vague = len(spelt)-n > mostSpelt; vague {
				break
			}
		}
		if vague {
			all = append(all, some)
			continue
		}
		all, certain = append(all, spelt), append(certain, spelt)
	}
	return all, certain, nil
}

// sift reads the newest tickets with these tokens and keeps those with all words. It reports
// whether it has found the whole page. It soon gives up if few of them have the words.
func (f *finder) sift(ctx context.Context, tokens [][]string) (done bool, err error) {
	places, err := f.placesBefore(ctx, tokens, math.MaxInt64, mostSifted)
	if err != nil {
		return false, err
	}
	all := len(places) < mostSifted
	for some := range slices.Chunk(places, indexBatch) {
		had := len(f.found)
		if err := f.look(ctx, some); err != nil {
			return false, err
		}
		read := f.found[had:]
		if err := f.s.here().listen(ctx, read); err != nil {
			return false, err
		}
		f.found = f.found[:had+len(slices.DeleteFunc(read, func(m match) bool { return !m.has(f.q, f.terms) }))]
		left := len(places) - f.looked
		if n := len(f.found); n >= f.want && left > 0 && instantOf(some[len(some)-1]) != instantOf(places[f.looked]) {
			return true, nil
		} else if !all && n+left*n/f.looked < f.want {
			return false, nil
		}
	}
	return all, nil
}

// fromNewest finds the tickets with PostgreSQL's index, which does not return the newest first. A
// common word has enough matches in a window of the newest tickets. Otherwise the index is
// asked for the part of time in which there are enough, if they come as often as in the
// window, and then for all.
func (f *finder) fromNewest(ctx context.Context, tokens [][]string) error {
	x := f.s.here()
	text, args := f.s.windowed(tokens, smallWindow)
	matches, before := 0, int64(math.MaxInt64)
	for most := f.want + sameInstant; ; most = smallWindow {
		places, err := x.places(ctx, text+" AND place < ? ORDER BY place DESC LIMIT ?", append(slices.Clip(args), before, most)...)
		if err != nil {
			return err
		}
		if enough, err := f.take(ctx, places, true); enough || err != nil {
			return err
		}
		if matches += len(places); len(places) > 0 {
			before = places[len(places)-1]
		}
		if len(places) < most {
			break
		}
	}
	var first, last sql.NullInt64
	_, err := x.one(ctx, []any{&first, &last}, "SELECT MIN(place), MAX(place) FROM (SELECT place FROM {t}texts ORDER BY place DESC LIMIT ?) n", smallWindow)
	if err != nil || !first.Valid {
		return err
	}
	first.Int64 = min(first.Int64, before) // what was indexed meanwhile has moved the window
	times := 64.0
	if matches == 0 { // so few tickets match that the index can return all of them, if it was so before
		if tooMany, err := f.anywhere(ctx, tokens, first.Int64, false); !tooMany || err != nil {
			return err
		}
	} else if n := len(f.found); n > 0 {
		times = float64(2*f.want/n + 1)
	}
	from := int64(math.MinInt64)
	if start := float64(first.Int64) - times*(float64(last.Int64)-float64(first.Int64)); start > math.MinInt64 {
		from = int64(start)
	}
	if enough, err := f.between(ctx, tokens, from, first.Int64); enough || err != nil {
		return err
	}
	_, err = f.anywhere(ctx, tokens, from, true)
	return err
}

// between finds the newest tickets of a part of time on PostgreSQL.
func (f *finder) between(ctx context.Context, tokens [][]string, from, before int64) (enough bool, err error) {
	var places []int64
	err = f.s.byIndex(ctx, func(x *session) (err error) {
		places, err = x.places(ctx, "SELECT place FROM {t}texts WHERE tokens @@ ?::tsquery AND place >= ? AND place < ? ORDER BY place DESC LIMIT ?",
			tsQuery(tokens), from, before, mostMatches)
		return err
	})
	if err != nil {
		return false, err
	}
	return f.take(ctx, places, true)
}

// anywhere finds tickets of all times before a place on PostgreSQL. The index does not order them,
// so of too many it finds some, or only reports that they are too many.
func (f *finder) anywhere(ctx context.Context, tokens [][]string, before int64, some bool) (tooMany bool, err error) {
	var places []int64
	text, args := f.s.matching(tokens, before, mostMatches+1)
	err = f.s.byIndex(ctx, func(x *session) (err error) {
		places, err = x.places(ctx, text, args...)
		return err
	})
	if err != nil {
		return false, err
	}
	if len(places) > mostMatches && !some {
		return true, nil
	}
	slices.SortFunc(places, func(a, b int64) int { return cmp.Compare(b, a) })
	_, err = f.take(ctx, places, false)
	return false, err
}

// take reads the tickets at places that come newest first. It reports whether they are
// enough: the page is full, or it has read so many that the search ends. more says that
// other tickets of the last instant may follow.
func (f *finder) take(ctx context.Context, places []int64, more bool) (enough bool, err error) {
	for len(places) > 0 && f.looked < mostMatches {
		n := min(len(places), indexBatch, max(f.want-len(f.found), fewest, f.looked))
		if err := f.look(ctx, places[:n]); err != nil {
			return false, err
		}
		last := places[n-1]
		places = places[n:]
		// The index does not order the tickets of one instant.
		if len(f.found) >= f.want && len(places) > 0 && instantOf(places[0]) != instantOf(last) {
			return true, nil
		}
	}
	return len(f.found) >= f.want && !more || f.looked >= mostMatches, nil
}

// look reads the tickets at these places that pass the filter.
func (f *finder) look(ctx context.Context, places []int64) error {
	f.looked += len(places)
	in, args := amongst(places)
	j := f.s.lang.join
	return f.s.here().rows(ctx, func(r *sql.Rows) error {
		t, err := scanTicket(r)
		f.found = append(f.found, match{ticket: t, spoken: &spoken{}})
		return err
	}, "SELECT "+ticketColumns+" FROM {t}texts w "+j+" {t}tickets t{by tickets_id} ON t.id = w.ticket WHERE w.place"+in+" AND "+f.filter.text,
		append(args, f.filter.args...)...)
}

// places returns the places that a query finds.
func (x *session) places(ctx context.Context, text string, args ...any) (list []int64, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		var place int64
		err := r.Scan(&place)
		list = append(list, place)
		return err
	}, text, args...)
	return list, err
}
