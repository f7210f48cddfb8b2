package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// The index has a list of all tickets of a tenant and stage. A search that asks for it reads
// the whole list if no ticket has all the words. Where it has most of the tickets, it
// is quicker to leave it out, and to pass over the tickets of others among those found.

const (
	// shareSample is how many tickets are looked at to estimate the share, and leastSample
	// how many are enough.
	shareSample, leastSample = 32, 8
	// shareLasts is how many searches use an estimate, and mostShares how many are kept.
	shareLasts, mostShares = 1000, 1000
)

// shares has for tenants and stages whether they have most of the tickets.
type shares struct {
	mu   sync.Mutex
	list map[string]*share
}

type share struct {
	most bool
	left int // how many searches still use it
}

// most reports whether a tenant has most of the indexed tickets in these stages, as far as a
// few tickets tell: those that follow instants at equal distances. If the times of most
// tickets are far from the first one or the last, they tell nothing.
func (x *session) most(ctx context.Context, tenant string, stages []int64) (bool, error) {
	key := fmt.Sprintf("%q%v", tenant, stages)
	if most, ok := x.s.shares.use(key); ok {
		return most, nil
	}
	most, err := x.share(ctx, tenant, stages)
	if err == nil {
		x.s.shares.keep(key, most)
	}
	return most, err
}

func (l *shares) use(key string) (most, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.list[key]
	if s == nil || s.left == 0 {
		return false, false
	}
	s.left--
	return s.most, true
}

func (l *shares) keep(key string, most bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil || len(l.list) >= mostShares {
		l.list = map[string]*share{}
	}
	l.list[key] = &share{most, shareLasts}
}

func (x *session) share(ctx context.Context, tenant string, stages []int64) (most bool, err error) {
	var first, last sql.NullInt64
	_, err = x.one(ctx, []any{&first, &last}, "SELECT (SELECT MIN(place) FROM {t}texts), (SELECT MAX(place) FROM {t}texts)")
	if err != nil || !first.Valid {
		return false, err
	}
	const one = "SELECT (SELECT ticket FROM {t}texts WHERE place >= ? ORDER BY place LIMIT 1) AS ticket"
	step := last.Int64/shareSample - first.Int64/shareSample
	var places []any
	for i := range int64(shareSample) {
		places = append(places, first.Int64+i*step)
	}
	seen := map[string]bool{}
	var ids []string
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id sql.NullString
		err := r.Scan(&id)
		if id.Valid && !seen[id.String] {
			seen[id.String] = true
			ids = append(ids, id.String)
		}
		return err
	}, one+strings.Repeat(" UNION ALL "+one, shareSample-1), places...)
	if err != nil || len(ids) < leastSample {
		return false, err
	}
	in, args := amongst(ids)
	args = append(slices.Clip(args), tenant)
	n := 0
	_, err = x.one(ctx, []any{&n}, "SELECT COUNT(*) FROM {t}tickets t{by tickets_id} WHERE t.id"+in+" AND t.tenant = ? AND "+notInOthers(stages), args...)
	return 2*n >= len(ids), err
}
