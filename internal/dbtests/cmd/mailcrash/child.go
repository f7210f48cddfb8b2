package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/internal/dbtests/imapbox"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/replyaddress"
	"github.com/ticketkit/ticket/sqlstore"
)

// taskVariable marks a process as a taker.
const taskVariable = "TICKET_MAILCRASH_TASK"

// A task is the order for a taker.
type task struct {
	ordeal.Place

	Files    string // the folder of the file store
	IMAP     string // the address of the server
	Socket   string // the Unix socket to serve LMTP on
	Sabotage string
	Calm     string // while this file is there, the file store does not fail
}

// The mailboxes of a run. The first two belong to one tenant.
const (
	inbox = "inbox" // read by IMAP
	desk  = "desk"  // by LMTP
	other = "other" // by LMTP, of another tenant

	otherTenant = "other"
)

// workers is the number of mails that a taker takes at the same time.
const workers = 3

// addressOf returns the address of a mailbox.
func addressOf(box string) string { return box + "@example.org" }

// signer returns what makes and reads signed reply addresses.
func signer() (*replyaddress.Addresses, error) {
	return replyaddress.New(replyaddress.Config{Mailbox: addressOf(desk), Keys: []replyaddress.Key{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}})
}

// perform takes in mail until it is killed.
func perform(path string) error {
	var t task
	if err := ordeal.ReadTask(path, &t); err != nil {
		return err
	}
	ctx := context.Background()
	clock, journal, store, err := t.open(ctx)
	if err != nil {
		return err
	}
	folder, err := files.NewFolder(t.Files)
	if err != nil {
		return err
	}
	spoiled := &spoiledStore{Store: store}
	cfg := mailbox.Config{Files: &flakyFiles{FileStore: folder, calm: t.Calm}, Workers: workers, Poll: 50 * time.Millisecond, Now: clock.Now, Logger: journal.Logger()}
	cfg.Store = spoiled
	// An attempt that was killed is repeated after this time and two minutes.
	cfg.Limits.Time = 20 * time.Second
	cfg.Limits.Notes = -1 // a long run has more on one ticket than a day has
	if err := spoil(t.Sabotage, spoiled, &cfg); err != nil {
		return err
	}
	if cfg.Desk, err = ticket.NewDesk(spoiled, ticket.Config{Now: clock.Now, Logger: journal.Logger()}); err != nil {
		return err
	}
	replies, err := signer()
	if err != nil {
		return err
	}
	cfg.Mailboxes = []mailbox.Mailbox{
		{Name: inbox, Addresses: []string{addressOf(inbox)}, Replies: replies, IMAP: &mailbox.IMAP{
			Addr: t.IMAP, Unencrypted: true, Username: imapbox.User, Password: imapbox.Password, Timeout: 10 * time.Second, Listing: time.Second,
		}},
		{Name: desk, Addresses: []string{addressOf(desk)}, Replies: replies},
		{Name: other, Tenant: otherTenant, Addresses: []string{addressOf(other)}},
	}
	// A broken connection is reported here. The next attempt comes after some seconds.
	cfg.Trouble = func(_ context.Context, box string, err error) {
		if err != nil {
			journal.Said("IMAP: " + err.Error())
		}
	}
	in, err := mailbox.New(cfg)
	if err != nil {
		return err
	}
	if err := os.Remove(t.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", t.Socket)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- in.ServeLMTP(ctx, l) }()
	go func() { failed <- in.Run(ctx) }()
	ordeal.Begun()
	return <-failed
}

// open opens the store. It tries again while connections are cut.
func (t *task) open(ctx context.Context) (c *ordeal.Clock, j *ordeal.Journal, s *sqlstore.Store, err error) {
	for range 20 {
		if c, j, s, err = t.Open(ctx); err == nil {
			return c, j, s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, nil, nil, err
}

// flakyFiles is a file store that fails for a moment now and then.
type flakyFiles struct {
	ticket.FileStore

	calm string // see task.Calm
}

var errDisk = errors.New("the disk is full for a moment")

// failing reports whether the store fails now: in 60 ms of two seconds.
func (f *flakyFiles) failing() bool {
	if time.Now().UnixMilli()%2000 >= 60 {
		return false
	}
	_, err := os.Stat(f.calm)
	return err != nil
}

func (f *flakyFiles) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	if f.failing() {
		return ticket.File{}, errDisk
	}
	return f.FileStore.Put(ctx, tenant, content)
}

func (f *flakyFiles) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if f.failing() {
		return nil, errDisk
	}
	return f.FileStore.Open(ctx, tenant, sum)
}
