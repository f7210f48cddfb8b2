package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// DeleteTenant removes everything that the database has of a tenant: tickets with their
// histories, notifications on their way, receipts, mails, what the search index has of it, and
// the files of [Store.Files] if the store was opened with [Files]. It returns the number of
// tickets. It is for a tenant who leaves, and for one whose tickets were moved to another
// database: otherwise [ticket.Desk.Run] goes on with the timers of the copy that stays.
//
// There is no way back, nobody is asked, and a legal hold does not count. Nobody may write for
// the tenant meanwhile, or what is written may stay. Files elsewhere stay: remove them with
// [ticket.FileStore].Delete, or wait for [ticket.Desk.SweepFiles].
//
// Notifications go first and tickets later, in transactions of some hundred rows, so others can
// write in between. After an interruption, call it again; the number may then lack those of the
// batch that was interrupted. It reads the list of the search index once, of all tenants. How the
// bytes in the files of the database are overwritten is as after [Store.Erase].
func (s *Store) DeleteTenant(ctx context.Context, tenant string) (tickets int, err error) {
	d := deletion{s: s, tenant: tenant}
	for _, step := range []func(context.Context) (bool, error){
		d.rowsOf("outbox", "id", "id"),
		d.rowsOf("receipts", "name", "name"),
		d.rowsOf("mails", "id", "state, arrived, id"),
		d.someTickets, d.someLabels, d.unlisted(), d.indexed(), d.someFiles,
	} {
		for more := true; more; {
			if err = ctx.Err(); err == nil {
				more, err = step(ctx)
			}
			if err != nil {
				return d.tickets, s.explain(ctx, "delete a tenant", err)
			}
		}
	}
	return d.tickets, nil
}

// A deletion removes a tenant. Each of its steps removes a batch and reports whether there may
// be more.
type deletion struct {
	s       *Store
	tenant  string
	tickets int // removed so far
}

// keys returns the keys of some rows of the tenant.
func (d *deletion) keys(ctx context.Context, x *session, table, key, order string) (list []string, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		var k string
		err := r.Scan(&k)
		list = append(list, k)
		return err
	}, "SELECT "+key+" FROM {t}"+table+" WHERE tenant = ? ORDER BY "+order+" LIMIT ?", d.tenant, indexBatch)
	return list, err
}

// rowsOf returns the step for a table that has one row for each key. An index has the order.
func (d *deletion) rowsOf(table, key, order string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		n, err := d.s.removing(ctx, func(ctx context.Context, x *session) (int64, error) {
			list, err := d.keys(ctx, x, table, key, order)
			if err != nil || len(list) == 0 {
				return 0, err
			}
			in, args := amongst(list)
			_, err = x.exec(ctx, "DELETE FROM {t}"+table+" WHERE tenant = ? AND "+key+in, append([]any{d.tenant}, args...)...)
			return int64(len(list)), err
		})
		return n == indexBatch, err
	}
}

// someTickets removes tickets with their events.
func (d *deletion) someTickets(ctx context.Context) (bool, error) {
	removed := int64(0) // another call may be faster
	n, err := d.s.removing(ctx, func(ctx context.Context, x *session) (int64, error) {
		list, err := d.keys(ctx, x, "tickets", "id", "stage, created, id")
		if removed = 0; err != nil || len(list) == 0 {
			return 0, err
		}
		in, args := amongst(list)
		if removed, err = x.exec(ctx, "DELETE FROM {t}tickets WHERE id"+in, args...); err != nil {
			return 0, err
		}
		_, err = x.exec(ctx, "DELETE FROM {t}events WHERE ticket"+in, args...)
		return int64(len(list)), err
	})
	if err == nil {
		d.tickets += int(removed)
	}
	return n == indexBatch, err
}

// someLabels removes the first labels, up to one that has enough before it.
func (d *deletion) someLabels(ctx context.Context) (more bool, err error) {
	_, err = d.s.removing(ctx, func(ctx context.Context, x *session) (int64, error) {
		var label string
		var created int64
		more, err = x.one(ctx, []any{&label, &created},
			"SELECT label, created FROM {t}labels WHERE tenant = ? ORDER BY label, created, ticket LIMIT 1 OFFSET ?", d.tenant, pruneBatch-1)
		if err != nil {
			return 0, err
		}
		text, args := "DELETE FROM {t}labels WHERE tenant = ?", []any{d.tenant}
		switch {
		case !more:
		case x.s.lang.rowValues:
			text, args = text+" AND (label, created) <= (?, ?)", append(args, label, created)
		default:
			text, args = text+" AND (label < ? OR label = ? AND created <= ?)", append(args, label, label, created)
		}
		return x.exec(ctx, text, args...)
	})
	return more, err
}

// unlisted returns the step that removes tickets that are gone from the list of those to index.
// A process that has read them to index them has yet to remove the same entries, or has done
// so and written the index, which the next step then sees.
func (d *deletion) unlisted() func(context.Context) (bool, error) {
	last := int64(math.MinInt64)
	return func(ctx context.Context) (more bool, err error) {
		gone, more, err := d.gone(ctx, &last)
		if err == nil && len(gone) > 0 {
			_, err = d.s.removing(ctx, func(ctx context.Context, x *session) (int64, error) {
				in, args := amongst(gone)
				return x.exec(ctx, "DELETE FROM {t}unindexed WHERE id"+in, args...)
			})
		}
		return more, err
	}
}

// gone returns entries of a part of the list whose tickets are not there, and moves last to
// the end of the part.
func (d *deletion) gone(ctx context.Context, last *int64) (list []int64, more bool, err error) {
	defer d.s.hold()()
	x := d.s.here()
	if searched, err := x.searched(ctx); err != nil || !searched {
		return nil, false, err
	}
	entries := map[string][]int64{}
	n := 0
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(last, &id)
		entries[id] = append(entries[id], *last)
		n++
		return err
	}, "SELECT id, ticket FROM {t}unindexed WHERE id > ? ORDER BY id LIMIT ?", *last, indexBatch)
	if err != nil || n == 0 {
		return nil, false, err
	}
	in, args := amongst(slices.Collect(maps.Keys(entries)))
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		delete(entries, id)
		return err
	}, "SELECT t.id FROM {t}tickets t{by tickets_id} WHERE t.id"+in, args...)
	for _, some := range entries {
		list = append(list, some...)
	}
	slices.Sort(list) // one order everywhere
	return list, n == indexBatch, err
}

// searched reports whether the database has a search index.
func (x *session) searched(ctx context.Context) (bool, error) {
	return x.exists(ctx, "SELECT 1 FROM {t}schema WHERE part = 'search'")
}

// indexed returns the step that removes entries of the search index, also if this store was
// made without Search.
func (d *deletion) indexed() func(context.Context) (bool, error) {
	last := int64(math.MinInt64)
	return func(ctx context.Context) (bool, error) {
		places, err := d.places(ctx, &last)
		if err != nil || len(places) == 0 {
			return false, err
		}
		_, err = d.s.removing(ctx, func(ctx context.Context, x *session) (int64, error) {
			return int64(len(places)), d.unindex(ctx, x, places)
		})
		return len(places) == indexBatch, err
	}
}

// places returns the next places of the tenant in the search index, and moves last to their end.
// The index has no key for it, so it reads the places of all tenants, outside of a transaction.
func (d *deletion) places(ctx context.Context, last *int64) (list []int64, err error) {
	defer d.s.hold()()
	x := d.s.here()
	if searched, err := x.searched(ctx); err != nil || !searched {
		return nil, err
	}
	err = x.rows(ctx, func(r *sql.Rows) error {
		err := r.Scan(last)
		list = append(list, *last)
		return err
	}, "SELECT place FROM {t}texts WHERE tenant = ? AND place > ? ORDER BY place LIMIT ?", d.tenant, *last, indexBatch)
	return list, err
}

// unindex removes entries of the search index, and their words from the counts.
func (d *deletion) unindex(ctx context.Context, x *session, places []int64) error {
	counts := counter{}
	in, args := amongst(places)
	places = nil // another call may have removed them, and another tenant may have one now
	err := x.rows(ctx, func(r *sql.Rows) error {
		var terms [2]sql.RawBytes
		var place int64
		err := r.Scan(&place, &terms[0], &terms[1])
		places = append(places, place)
		for i, known := range [...]bool{false, true} {
			counts.change(populationOf(d.tenant, known), everyone(known), terms[i], -1)
		}
		return err
	}, "SELECT place, terms, known FROM {t}texts WHERE place"+in+" AND tenant = ?"+x.s.lang.forUpdate, append(args, d.tenant)...)
	if err != nil || len(places) == 0 {
		return err
	}
	in, args = amongst(places)
	if _, err := x.exec(ctx, "DELETE FROM {t}texts WHERE place"+in, args...); err != nil {
		return err
	}
	if x.s.dialect == SQLite {
		if _, err := x.exec(ctx, "DELETE FROM {t}words WHERE rowid"+in, args...); err != nil {
			return err
		}
	}
	return counts.write(ctx, x)
}

// someFiles removes files.
func (d *deletion) someFiles(ctx context.Context) (more bool, err error) {
	if !d.s.files {
		return false, nil
	}
	f := d.s.Files(nil)
	list, err := f.page(ctx, ticket.File{Tenant: d.tenant}, indexBatch)
	for _, file := range list {
		if err != nil || file.Tenant != d.tenant {
			return false, err
		}
		_, err = f.Delete(ctx, d.tenant, file.SHA256, time.UnixMicro(math.MaxInt64))
	}
	return len(list) == indexBatch, err
}
