package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/internal/dbtests/imapbox"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/mailbox"
)

// measureKnown measures how long it takes until a new mail is stored from a mailbox whose other mails
// are all known, and have new UIDs. The files are in memory.
func measureKnown(ctx context.Context, b ordeal.Backend, n int) (err error) {
	g, leave, err := ground(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = leave(err) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	account, stop, err := imapbox.Serve(l)
	if err != nil {
		return err
	}
	defer stop()
	folder, stored := files.NewMemory(), make(chan struct{}, 1)
	source := &mailbox.IMAP{Addr: l.Addr().String(), Unencrypted: true, Username: imapbox.User, Password: imapbox.Password, Listing: time.Second}
	run := func() (end func(), err error) {
		in, err := newIntakeOn(g, folder, source, func(_ context.Context, m ticket.Mail) {
			if m.State == ticket.MailPending {
				stored <- struct{}{}
			}
		})
		if err != nil {
			return nil, err
		}
		running, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		all.Go(func() { _ = in.Run(running) })
		return func() { cancel(); all.Wait() }, nil
	}

	end, err := run() // the empty folder, so that there is a position
	if err != nil {
		return err
	}
	for counts := map[ticket.MailState]int64{}; counts[ticket.MailPending] == 0 && err == nil; time.Sleep(5 * time.Millisecond) {
		counts, err = g.Store.CountMails(ctx, "mailbox.positions")
	}
	end()
	if err != nil {
		return err
	}
	if err := writeKnown(ctx, g, folder, n); err != nil {
		return err
	}
	if err := account.Renew(); err != nil {
		return err
	}
	for i := range n + 1 {
		if err := account.Append(text(i)); err != nil {
			return err
		}
	}
	begin := time.Now()
	end, err = run()
	if err != nil {
		return err
	}
	defer end()
	select {
	case <-stored:
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(begin)
	counts, err := g.Store.CountMails(ctx, "")
	if err != nil {
		return err
	}
	sum := int64(0)
	for _, c := range counts {
		sum += c
	}
	if sum != int64(n)+1 {
		return fmt.Errorf("%d known mails and a new one were stored as %d", n, sum)
	}
	fmt.Printf("%s: %d known mails with new UIDs were passed in %s (%.0f a second)\n", b.Name, n, took.Round(10*time.Millisecond), float64(n)/took.Seconds())
	return nil
}

// writeKnown stores mails as if they had been taken, a thousand in a transaction.
func writeKnown(ctx context.Context, g *ordeal.Ground, folder ticket.FileStore, n int) error {
	desk, err := ticket.NewDesk(g.Store, ticket.Config{})
	if err != nil {
		return err
	}
	const batch = 1000
	for from := 0; from < n; from += batch {
		err := g.Store.Transact(ctx, desk, func(tx *sql.Tx, _ *ticket.Desk) error {
			store := g.Store.WithTx(tx)
			for i := from; i < min(n, from+batch); i++ {
				raw := text(i)
				f, err := folder.Put(ctx, "", bytes.NewReader(raw))
				if err != nil {
					return err
				}
				now := time.Now().UTC().Truncate(time.Microsecond)
				m := ticket.Mail{
					ID: ticket.NewID(now), Mailbox: "support", Origin: fmt.Sprintf("imap 1 %d INBOX of before", i), Raw: f.SHA256, Size: f.Size,
					Arrived: now, State: ticket.MailPending, Due: now, MessageID: fmt.Sprintf("%d@example.com", i),
				}
				if m, err = store.PutMail(ctx, m); err != nil {
					return err
				}
				m.State, m.Due, m.Settled, m.Reason = ticket.MailIgnored, time.Time{}, now, "taken before"
				if err := store.SettleMail(ctx, ticket.MailPending, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
