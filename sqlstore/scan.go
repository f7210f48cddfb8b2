package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"
)

// InnoDB's index reads the whole list of each word, and then the row of each ticket with
// all of them, to sort these by place. That takes a second and more for words of many
// tickets. To read tickets one after the other and to compare their tokens takes some
// microseconds each. So a search on MySQL scans where that is likely to end soon, and asks
// the index otherwise.

const (
	// mostScanned is how many of the newest tickets a search scans, as long as they promise
	// that so many have enough matches.
	mostScanned = 12 * window
	// mostLabelled is how many tickets with a label a search scans.
	mostLabelled = mostMatches
	// rareWord is how many of the newest tickets, a window of them, have a word that is so
	// rare that the index is asked for it alone.
	rareWord = 8
)

// byScan finds the tickets on MySQL. labels are those that the search asks for.
func (f *finder) byScan(ctx context.Context, labels, tokens [][]string) error {
	scan := func() (bool, error) { return f.scan(ctx, tokens) }
	if len(labels) > 0 {
		scan = func() (bool, error) { return f.scanLabelled(ctx, labels, tokens) }
	}
	if done, err := scan(); done || err != nil {
		return err
	}
	f.found, f.looked = nil, 0
	return f.byRarest(ctx, tokens)
}

// scan finds tickets among the newest. It reports whether they are all that is wanted.
func (f *finder) scan(ctx context.Context, tokens [][]string) (done bool, err error) {
	x := f.s.here()
	has := likes(tokens)
	for scanned, size, before := 0, window, int64(math.MaxInt64); ; {
		var end sql.NullInt64
		_, err := x.one(ctx, []any{&end}, "SELECT MAX(place) FROM (SELECT place FROM {t}texts{by texts_id} WHERE place < ? ORDER BY place DESC LIMIT 1 OFFSET ?) n", before, size)
		if err != nil {
			return false, err
		}
		// Tickets that were indexed meanwhile are more of this window, and not the last ones less.
		from := int64(math.MinInt64)
		if end.Valid {
			from = end.Int64 + 1
		}
		places, err := x.places(ctx, "SELECT place FROM {t}texts{by texts_id} WHERE place >= ? AND place < ? AND "+has.text+" ORDER BY place DESC LIMIT ?",
			append([]any{from, before}, append(slices.Clip(has.args), mostMatches)...)...)
		if err != nil {
			return false, err
		}
		last := len(places) - 1
		more := last >= 0 && end.Valid && instantOf(places[last]) == instantOf(end.Int64)
		if enough, err := f.take(ctx, places, more); enough || err != nil {
			return enough, err
		}
		if !end.Valid {
			return true, nil // these were all
		}
		before = end.Int64 + 1
		scanned += size
		if f.looked == 0 {
			return false, nil
		}
		// So many are needed for the page, or for as many matches as a search looks at, if they
		// come as often as up to here.
		needed := scanned * mostMatches / f.looked
		if n := len(f.found); n > 0 {
			needed = min(needed, scanned*f.want/n)
		}
		if scanned > mostScanned || needed > mostScanned && scanned > window { // one window may be chance
			return false, nil
		}
		size = min(max(needed-scanned, window), scanned) // and then it knows better
	}
}

// scanLabelled finds tickets among those with the labels that a search asks for, if
// they are few. tokens begins with a list for each list of labels.
func (f *finder) scanLabelled(ctx context.Context, labels, tokens [][]string) (done bool, err error) {
	x := f.s.here()
	for i, list := range labels[:min(len(labels), mostScopes)] {
		in, args := amongst(list)
		args = append([]any{f.q.Tenant}, args...)
		var n int
		_, err := x.one(ctx, []any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM {t}labels WHERE tenant = ? AND label"+in+" LIMIT ?) n", append(slices.Clip(args), mostLabelled+1)...)
		if err != nil {
			return false, err
		}
		if n > mostLabelled {
			continue
		}
		has := likes(slices.Delete(slices.Clone(tokens), i, i+1))
		places, err := x.places(ctx, "SELECT w.place FROM {t}labels l "+x.s.lang.join+" {t}texts w{by texts_ticket} ON w.ticket = l.ticket WHERE l.tenant = ? AND l.label"+in+
			" AND "+has.text, append(args, has.args...)...)
		if err != nil {
			return false, err
		}
		slices.SortFunc(places, func(a, b int64) int { return cmp.Compare(b, a) })
		_, err = f.take(ctx, slices.Compact(places), false) // a ticket can have two of the labels
		return true, err
	}
	return false, nil
}

// byRarest finds tickets with the index. The lists of the words come in the order of their
// lengths, because InnoDB compares the second with what it has found of the first. Beside a
// rare word the others are not looked up: the rows are read anyway.
func (f *finder) byRarest(ctx context.Context, tokens [][]string) error {
	counts, err := f.frequencies(ctx, tokens)
	if err != nil {
		return err
	}
	order := make([]int, len(tokens))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(counts[a], counts[b]) })
	sorted := make([][]string, len(tokens))
	for i, from := range order {
		sorted[i] = tokens[from]
	}
	asked := len(sorted)
	if asked > 1 && counts[order[0]] < rareWord {
		asked = 1
	}
	rest := likes(sorted[asked:])
	places, err := f.s.here().places(ctx, "SELECT place FROM {t}texts WHERE MATCH (tokens) AGAINST (? IN BOOLEAN MODE) AND "+rest.text+" ORDER BY place DESC LIMIT ?",
		append(append([]any{booleanQuery(sorted[:asked])}, rest.args...), mostMatches+1)...)
	if err != nil {
		return err
	}
	_, err = f.take(ctx, places, false)
	return err
}

// frequencies returns how many tickets have a token of each list, in a window of the newest.
func (f *finder) frequencies(ctx context.Context, tokens [][]string) ([]int64, error) {
	counts := make([]int64, len(tokens))
	if len(tokens) < 2 {
		return counts, nil
	}
	dest, parts := make([]any, len(tokens)), make([]string, len(tokens))
	var args []any
	for i := range tokens {
		has := likes(tokens[i : i+1])
		dest[i], parts[i] = &counts[i], "COALESCE(SUM("+has.text+"), 0)"
		args = append(args, has.args...)
	}
	_, err := f.s.here().one(ctx, dest, "SELECT "+strings.Join(parts, ", ")+" FROM (SELECT tokens FROM {t}texts{by texts_id} ORDER BY place DESC LIMIT ?) n", append(args, window)...)
	return counts, err
}

// likes returns the condition that the column tokens has one of each list.
func likes(all [][]string) clause {
	c := clause{text: "1 = 1"}
	for _, list := range all {
		some := make([]string, len(list))
		for i, token := range list {
			some[i] = "tokens LIKE ? ESCAPE '|'" // a backslash is none in every sql_mode
			token = strings.ReplaceAll(token, "_", "|_")
			if stem, prefix := strings.CutSuffix(token, "*"); prefix {
				token = stem + "%"
			} else {
				token += " %"
			}
			c.args = append(c.args, "% "+token)
		}
		c.text += " AND (" + strings.Join(some, " OR ") + ")"
	}
	return c
}
