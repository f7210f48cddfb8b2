package sqlstore

import (
	"context"
	"database/sql"

	"github.com/ticketkit/ticket"
)

// PruneReceipts removes old receipts, and replaces the digests of others with keyed
// ones; see [ticket.ReceiptPruner]. Each of the two is a transaction of its own.
func (s *Store) PruneReceipts(ctx context.Context, f ticket.ReceiptPruneRequest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := f.Check(); err != nil {
		return 0, err
	}
	defer s.hold()()
	n := 0
	do := func(work func(context.Context, *session, ticket.ReceiptPruneRequest) (int, error)) error {
		done := 0
		err := s.persistent(ctx, func() error {
			return s.write(ctx, func(ctx context.Context, x *session) (err error) {
				done, err = work(ctx, x, f)
				return err
			})
		})
		if err == nil {
			n += done
		}
		return err
	}
	err := do(removeReceipts)
	if err == nil && f.Key != nil {
		err = do(keyReceipts)
	}
	return n, s.explain(ctx, "prune receipts", err)
}

// An index that begins with "keyed" finds the receipts.
const (
	oldReceipts  = "FROM {t}receipts WHERE keyed = ? AND at < ? ORDER BY at LIMIT ?"
	bareReceipts = "SELECT tenant, name, request FROM {t}receipts WHERE keyed = 0 AND at >= ? ORDER BY at LIMIT ?"
)

func removeReceipts(ctx context.Context, x *session, f ticket.ReceiptPruneRequest) (int, error) {
	text := "DELETE FROM {t}receipts WHERE (tenant, name) IN (SELECT tenant, name " + oldReceipts + ")"
	if x.s.dialect == MySQL { // MySQL does not allow LIMIT in the subquery
		text = "DELETE " + oldReceipts
	}
	all := 0
	for keyed := range 2 {
		n, err := x.exec(ctx, text, keyed, f.Before.UnixMicro(), f.Limit-all)
		if err != nil {
			return 0, err
		}
		all += int(n)
	}
	return all, nil
}

func keyReceipts(ctx context.Context, x *session, f ticket.ReceiptPruneRequest) (int, error) {
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
	}, bareReceipts, f.Before.UnixMicro(), f.Limit)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, b := range list {
		n, err := x.exec(ctx, "UPDATE {t}receipts SET request = ?, keyed = 1 WHERE tenant = ? AND name = ? AND keyed = 0", hexOf(f.Key(b.request)), b.tenant, b.name)
		if err != nil {
			return 0, err
		}
		all += int(n)
	}
	return all, nil
}
