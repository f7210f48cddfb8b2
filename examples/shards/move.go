package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Add makes a new tenant.
func (r *Router) Add(ctx context.Context, tenant, mailto, shard string) error {
	r.moves.Lock()
	defer r.moves.Unlock()
	s, err := r.shard(shard)
	if err != nil {
		return err
	}
	if tenant == "" || tenant == positions {
		return fmt.Errorf("%q cannot be a tenant", tenant)
	}
	made, err := r.app.ExecContext(ctx, "INSERT INTO app_tenants (name, mailto, shard) VALUES (?, ?, ?)", tenant, mailto, shard)
	if err != nil {
		return err
	}
	if n, err := made.LastInsertId(); err != nil || n > mostTenant {
		return errors.Join(err, errors.New("too many tenants for the form of numbers"))
	}
	return s.admit(ctx, tenant)
}

func (s *shard) admit(ctx context.Context, tenant string) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO app_residents (tenant) VALUES (?) ON CONFLICT DO NOTHING", tenant)
	return err
}

// dismiss returns when the last change of the tenant is committed, and no other will come.
func (s *shard) dismiss(ctx context.Context, tenant string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM app_residents WHERE tenant = ?", tenant)
	return err
}

// Move moves a tenant to another database. Reading works all the time. Writing fails with errAway
// while the rest is copied, which takes as long as reading the tenant's histories once. If Move
// fails before the tenant has its new place, it stays where it was, and another call goes on with
// what was copied. If the process dies, call Move again with the same target.
func (r *Router) Move(ctx context.Context, tenant, target string) error {
	r.moves.Lock()
	defer r.moves.Unlock()
	to, err := r.shard(target)
	if err != nil {
		return err
	}
	var source, begun, left string
	err = r.app.QueryRowContext(ctx, "SELECT shard, target, source FROM app_tenants WHERE name = ?", tenant).Scan(&source, &begun, &left)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("tenant %q: %w", tenant, errUnknown)
	case err != nil:
		return err
	case begun != "" && begun != target, left != "" && source != target:
		return fmt.Errorf("tenant %q: finish its move to %s%s first", tenant, begun, source)
	}
	if source != target {
		from, err := r.shard(source)
		if err != nil {
			return err
		}
		if err := r.transfer(ctx, tenant, from, to); err != nil {
			return err
		}
		left = source
	}
	if left == "" {
		return nil // it is there
	}
	// From here on there is only one way: forward.
	from, err := r.shard(left)
	if err != nil {
		return err
	}
	if err := to.admit(ctx, tenant); err != nil {
		return err
	}
	if _, err := from.store.DeleteTenant(ctx, tenant); err != nil {
		return err
	}
	_, err = r.app.ExecContext(ctx, "UPDATE app_tenants SET source = '' WHERE name = ?", tenant)
	return err
}

// transfer copies a tenant and gives it its new place.
func (r *Router) transfer(ctx context.Context, tenant string, from, to *shard) (err error) {
	for _, s := range []*shard{from, to} { // the tables that are copied as they are must be the same
		if err := s.store.Check(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if _, err := r.app.ExecContext(ctx, "UPDATE app_tenants SET target = ? WHERE name = ?", to.name, tenant); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stay(context.WithoutCancel(ctx), tenant, from))
		}
	}()
	// Most is copied while the others work.
	if err := copyTickets(ctx, tenant, from, to); err != nil {
		return err
	}
	if err := from.dismiss(ctx, tenant); err != nil {
		return err
	}
	if err := copyTickets(ctx, tenant, from, to); err != nil { // what has come since
		return err
	}
	quiet, err := from.store.quiet(ctx, tenant, 5*time.Second)
	if err != nil {
		return err
	}
	if err := copyRows(ctx, tenant, from, to, quiet); err != nil {
		return err
	}
	was, err := from.contents(ctx, tenant)
	if err != nil {
		return err
	}
	is, err := to.contents(ctx, tenant)
	if err != nil {
		return err
	}
	if was != is {
		return fmt.Errorf("tenant %q: the copy has %s, and not %s", tenant, is, was)
	}
	_, err = r.app.ExecContext(ctx, "UPDATE app_tenants SET shard = target, target = '', source = shard WHERE name = ?", tenant)
	return err
}

// stay gives up a move, unless the tenant has its new place after all.
func (r *Router) stay(ctx context.Context, tenant string, from *shard) error {
	n, err := r.app.ExecContext(ctx, "UPDATE app_tenants SET target = '' WHERE name = ? AND shard = ?", tenant, from.name)
	if err != nil {
		return err
	}
	if changed, err := n.RowsAffected(); err != nil || changed == 0 {
		return err
	}
	return from.admit(ctx, tenant)
}

// copyTickets copies files and histories. It writes what is not there yet, so it can be repeated.
// A file comes before the event that refers to it.
func copyTickets(ctx context.Context, tenant string, from, to *shard) error {
	source, target := from.store.Files(nil), to.store.Files(nil)
	for at := (ticket.File{Tenant: tenant}); ; {
		list, err := source.List(ctx, at, 1)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Tenant != tenant {
			break
		}
		at = list[0]
		content, err := source.Open(ctx, tenant, at.SHA256)
		if err != nil {
			return err
		}
		_, err = target.Put(ctx, tenant, content)
		if err := errors.Join(err, content.Close()); err != nil {
			return err
		}
	}
	_, err := to.store.Import(ctx, from.desk.Histories(ctx, mover.InTenant(tenant), ticket.ID{}))
	return err
}

var mover = ticket.System("move")

// copyRows copies what Import does not: letters on their way and sent, idempotency keys, mails. It
// is for databases of one kind with the same schema. In place of it, you can wait until no letter
// is on its way and no mail is pending, and do without the rest: then a request that is repeated
// is carried out again, bounced addresses are used again, and the limits for sending begin anew. A
// letter that takes longer than quiet waits is sent once more when its lease ends, with the same ID.
func copyRows(ctx context.Context, tenant string, from, to *shard, quiet bool) error {
	tx, err := to.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	for _, rows := range []struct{ which, value string }{
		{"ticket_outbox WHERE tenant = ?", tenant},
		{"ticket_receipts WHERE tenant = ?", tenant},
		{"ticket_mails WHERE tenant = ?", tenant},
		{"ticket_mails WHERE tenant = '" + positions + "' AND mailbox = ?", "position of " + tenant}, // its mailbox has its name
	} {
		// Those of a move that was given up, or of a time when the tenant was here before.
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+rows.which, rows.value); err != nil {
			return err
		}
		if err := copyThese(ctx, rows.which, rows.value, from.db, tx); err != nil {
			return fmt.Errorf("copy %s: %w", rows.which, err)
		}
	}
	if quiet { // a claim among them is one that is being given back
		if _, err := tx.ExecContext(ctx, "UPDATE ticket_outbox SET until = NULL WHERE tenant = ?", tenant); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func copyThese(ctx context.Context, which, value string, from *sql.DB, to *sql.Tx) error {
	rows, err := from.QueryContext(ctx, "SELECT * FROM "+which, value)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	table, _, _ := strings.Cut(which, " ")
	insert := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if _, err := to.ExecContext(ctx, insert, values...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// contents describes what a database has of a tenant.
type contents struct {
	tickets, events int
	digest          [sha256.Size]byte // over the ends of all histories
}

func (c contents) String() string {
	return fmt.Sprintf("%d tickets, %d events, digest %x…", c.tickets, c.events, c.digest[:4])
}

// contents verifies all histories of a tenant and returns what there is. Each history ends in a
// digest of all that comes before it, so equal digests mean equal histories.
func (s *shard) contents(ctx context.Context, tenant string) (c contents, err error) {
	sum := sha256.New()
	for history, err := range s.desk.Histories(ctx, mover.InTenant(tenant), ticket.ID{}) {
		if err != nil {
			return c, err
		}
		last := history[len(history)-1]
		if err := s.desk.Verify(ctx, mover.InTenant(tenant), last.Ticket); err != nil {
			return c, err
		}
		c.tickets++
		c.events += len(history)
		_, _ = fmt.Fprintln(sum, last.Ticket, last.Seq, last.Digest)
	}
	sum.Sum(c.digest[:0])
	return c, nil
}

// Remove removes a tenant who leaves, wherever something of it is: after a move that was given up,
// that can be more than one database. Backups keep it until they are gone.
func (r *Router) Remove(ctx context.Context, tenant string) (tickets int, err error) {
	r.moves.Lock()
	defer r.moves.Unlock()
	for name := range r.shards {
		s, err := r.shard(name)
		if err != nil {
			return tickets, err
		}
		if err := s.dismiss(ctx, tenant); err != nil {
			return tickets, err
		}
		n, err := s.store.DeleteTenant(ctx, tenant)
		tickets = max(tickets, n)
		if err != nil {
			return tickets, err
		}
	}
	_, err = r.app.ExecContext(ctx, "DELETE FROM app_tenants WHERE name = ?", tenant)
	return tickets, err
}
