package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A fenced store refuses changes for tenants that do not live in its database. The table of
// residents is in the same database as the tickets, and is read in the transaction that writes.
// So it holds for everybody: other processes, requests that have their desk already, timers,
// retention, mail. Where the router is the sign on the door, this is the lock. The price is a
// statement for each change, and that changes of several tickets do not share a transaction.
type fenced struct {
	*sqlstore.Store

	db *sql.DB
}

// resident runs a write in a transaction if the tenant lives here.
func resident[T any](ctx context.Context, f *fenced, tenant string, write func(*sqlstore.Store) (T, error)) (result T, err error) {
	tx, err := f.db.BeginTx(ctx, nil) // takes the lock for writing, by _txlock=immediate
	if err != nil {
		return result, err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	// PostgreSQL and MySQL also need FOR SHARE here, so that a move waits for this transaction.
	var found string
	err = tx.QueryRowContext(ctx, "SELECT tenant FROM app_residents WHERE tenant = ?", tenant).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return result, fmt.Errorf("tenant %q: %w", tenant, errAway)
	}
	if err == nil {
		result, err = write(f.WithTx(tx))
	}
	if err != nil {
		return result, err
	}
	return result, tx.Commit()
}

// Commit implements ticket.Store.
func (f *fenced) Commit(ctx context.Context, c ticket.Commit) error {
	if len(c.Changes) == 0 {
		return f.Store.Commit(ctx, c) // it says what is wrong
	}
	_, err := resident(ctx, f, c.Changes[0].Ticket.Tenant, func(s *sqlstore.Store) (any, error) { return nil, s.Commit(ctx, c) })
	return err
}

// Erase implements ticket.Eraser.
func (f *fenced) Erase(ctx context.Context, e ticket.EraseCommit) error {
	if len(e.Changes) == 0 {
		return f.Store.Erase(ctx, e)
	}
	_, err := resident(ctx, f, e.Changes[0].Ticket.Tenant, func(s *sqlstore.Store) (any, error) { return nil, s.Erase(ctx, e) })
	return err
}

// UpdateDeliveries implements ticket.Store.
func (f *fenced) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
	return resident(ctx, f, r.Tenant, func(s *sqlstore.Store) (int, error) { return s.UpdateDeliveries(ctx, r) })
}

// PutMail implements ticket.MailStore.
func (f *fenced) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	return resident(ctx, f, m.Tenant, func(s *sqlstore.Store) (ticket.Mail, error) { return s.PutMail(ctx, m) })
}

// SettleMail implements ticket.MailStore.
func (f *fenced) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	_, err := resident(ctx, f, m.Tenant, func(s *sqlstore.Store) (any, error) { return nil, s.SettleMail(ctx, from, m) })
	return err
}

// EraseMails implements ticket.MailStore.
func (f *fenced) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	return resident(ctx, f, tenant, func(s *sqlstore.Store) (int, error) { return s.EraseMails(ctx, tenant, ids, at) })
}

// ForgetMails implements ticket.MailStore.
func (f *fenced) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	return resident(ctx, f, tenant, func(s *sqlstore.Store) (int, error) { return s.ForgetMails(ctx, tenant, ids) })
}

// Claim implements ticket.Store. It hands out no deliveries of tenants that are not here. They are
// given back, due a second later, so that they do not come first again and again.
func (f *fenced) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	list, err := f.Store.Claim(ctx, r)
	if err != nil || len(list) == 0 {
		return list, err
	}
	residents, err := texts(ctx, f.db, "SELECT tenant FROM app_residents")
	if err != nil {
		return nil, err // the claims end with their lease
	}
	var back []ticket.Settlement
	list = slices.DeleteFunc(list, func(d ticket.Delivery) bool {
		if slices.Contains(residents, d.Tenant) {
			return false
		}
		back = append(back, ticket.Settlement{
			ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryPending, At: r.Now, Failures: d.Failures,
			Due: r.Now.Add(time.Second), Error: d.LastError, Address: d.Address,
		})
		return true
	})
	if len(back) > 0 {
		if err := f.Settle(ctx, back); err != nil && !errors.Is(err, ticket.ErrClaimLost) { // they may have been deleted
			return nil, err
		}
	}
	return list, nil
}

// quiet waits until no letter of a tenant who has left is being sent, for some seconds at most: a
// process that has ended keeps its claims until their lease ends. It reports whether none is. Claims
// that are made after that are given back.
func (f *fenced) quiet(ctx context.Context, tenant string, patience time.Duration) (bool, error) {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		sending, err := texts(ctx, f.db, "SELECT id FROM ticket_outbox WHERE tenant = ? AND state = 0 AND until IS NOT NULL LIMIT 1", tenant)
		if err != nil || len(sending) == 0 {
			return err == nil, err
		}
		pause := time.NewTimer(5 * time.Millisecond)
		select {
		case <-pause.C:
		case <-end.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
