package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
)

// An intake has fixed mailboxes, and each mailbox has a tenant, a name and addresses of its own. So
// there is an intake for each tenant, on the database where the tenant is now. Here a mail server
// hands over each mail. If the mailbox is read by IMAP, a move ends Intake.Run on the one database
// and starts one on the other.
func (r *Router) intake(ctx context.Context, tenant, address string) (*mailbox.Intake, error) {
	s, err := r.home(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return mailbox.New(mailbox.Config{
		Desk: s.desk, Store: s.store, Files: s.store.Files(nil),
		Mailboxes: []mailbox.Mailbox{{Name: tenant, Tenant: tenant, Addresses: []string{address}}},
	})
}

// TakeMail takes a mail for one of the tenants' addresses. The address alone says whose it is: a
// signed reply address names a ticket, and is valid for its tenant only. An error means that the
// mail server keeps the mail and tries again, as when the tenant is being moved.
func (r *Router) TakeMail(ctx context.Context, to string, raw io.Reader) (*ticket.Mail, error) {
	local, domain, _ := strings.Cut(strings.ToLower(to), "@")
	local, _, _ = strings.Cut(local, "+")
	address := local + "@" + domain
	var tenant string
	err := r.app.QueryRowContext(ctx, "SELECT name FROM app_tenants WHERE mailto = ?", address).Scan(&tenant)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("address %s: %w", to, errUnknown)
	}
	if err != nil {
		return nil, err
	}
	in, err := r.intake(ctx, tenant, address)
	if err != nil {
		return nil, err
	}
	m, err := in.Take(ctx, tenant, raw, mailbox.Envelope{To: []string{to}})
	if err != nil {
		return nil, err
	}
	_, err = in.Drain(ctx) // a server has Intake.Run for that
	return &m, err
}
