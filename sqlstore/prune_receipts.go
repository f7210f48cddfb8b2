package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/ticketkit/ticket"
)

// PruneReceipts removes old receipts, and replaces the digests of others with keyed
// ones; see [ticket.ReceiptPruner]. Each of the two is a transaction of its own.
func (s *Store) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if limit <= 0 {
		return 0, nil
	}
	defer s.hold()()
	n := 0
	do := func(work func(context.Context, *session) (int, error)) error {
		done := 0
		err := s.persistent(ctx, func() error {
			return s.write(ctx, func(ctx context.Context, x *session) (err error) {
				done, err = work(ctx, x)
				return err
			})
		})
		if err == nil {
			n += done
		}
		return err
	}
	from := bounded(before)
	err := do(func(ctx context.Context, x *session) (int, error) { return removeReceipts(ctx, x, from, limit) })
	if err == nil && key != nil {
		err = do(func(ctx context.Context, x *session) (int, error) { return keyReceipts(ctx, x, from, limit, key) })
	}
	return n, s.explain(ctx, "prune receipts", err)
}

// An index that begins with "keyed" finds the receipts.
const (
	oldReceipts  = "FROM {t}receipts WHERE keyed = ? AND at < ? ORDER BY at LIMIT ?"
	bareReceipts = "SELECT tenant, name, request FROM {t}receipts WHERE keyed = 0 AND at >= ? ORDER BY at LIMIT ?"
)

func removeReceipts(ctx context.Context, x *session, before int64, limit int) (int, error) {
	text := "DELETE FROM {t}receipts WHERE (tenant, name) IN (SELECT tenant, name " + oldReceipts + ")"
	if x.s.dialect == MySQL { // MySQL does not allow LIMIT in the subquery
		text = "DELETE " + oldReceipts
	}
	all := 0
	for keyed := range 2 {
		n, err := x.exec(ctx, text, keyed, before, limit-all)
		if err != nil {
			return 0, err
		}
		all += int(n)
	}
	return all, nil
}

func keyReceipts(ctx context.Context, x *session, before int64, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	type bare struct {
		tenant, name string
		request      ticket.Digest
	}
	var list []bare
	err := x.rows(ctx, func(r *sql.Rows) error {
		var b bare
		var request sql.RawBytes
		if err := r.Scan(&b.tenant, &b.name, &request); err != nil {
			return err
		}
		err := parseDigest(request, &b.request)
		list = append(list, b)
		return err
	}, bareReceipts, before, limit)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, b := range list {
		n, err := x.exec(ctx, "UPDATE {t}receipts SET request = ?, keyed = 1 WHERE tenant = ? AND name = ? AND keyed = 0 AND request = ?",
			hexOf(key(b.request)), b.tenant, b.name, hexOf(b.request))
		if err != nil {
			return 0, err
		}
		all += int(n)
	}
	return all, nil
}
