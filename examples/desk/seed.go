package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/sqlstore"
)

// storage is the database of the example.
type storage struct {
	db    *sql.DB
	store *sqlstore.Store
}

func openStorage(ctx context.Context, file, options string) (*storage, error) {
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate"+"&_pragma=journal_mode(wal)"+options)
	if err != nil {
		return nil, err
	}
	s := &storage{db: db}
	if s.store, err = sqlstore.Open(ctx, db, sqlstore.SQLite, sqlstore.Search(), sqlstore.Files()); err == nil {
		_, err = db.ExecContext(ctx, lettersTable)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// recent is how much of the log is performed on the database itself, with letters. What
// happened before is performed in memory, which is faster, and imported.
const recent = 8 * 24 * time.Hour

// seed makes the database by replaying the log. It writes another file first, so that a
// program that is ended meanwhile leaves no half of a desk.
func seed(ctx context.Context, file string, cfg deskConfig, now time.Time) (err error) {
	part := file + ".part"
	for _, f := range []string{part, part + "-wal", part + "-shm"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s, err := openStorage(ctx, part, "&_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	if err := s.fill(ctx, cfg, now); err != nil {
		return errors.Join(err, s.db.Close())
	}
	if err := s.db.Close(); err != nil {
		return err
	}
	return os.Rename(part, file)
}

func (s *storage) fill(ctx context.Context, cfg deskConfig, now time.Time) error {
	office, _ := cfg.agreement.Calendar("office")
	lines, err := writeLog(office, now)
	if err != nil {
		return err
	}
	var c clock
	c.set(lines[0].At)
	old := now.Add(-recent)
	split, _ := slices.BinarySearchFunc(lines, old, func(l line, t time.Time) int { return l.At.Compare(t) })

	quick := memstore.New()
	silent := cfg
	silent.silent = true
	r := &replay{clock: &c, cases: map[int]ticket.ID{}, solved: map[string]ticket.ID{}, step: 30 * time.Minute}
	for _, p := range everybody() {
		if p.agent() && !p.Manages {
			r.read = append(r.read, p.actor())
		}
	}
	files := s.store.Files(c.now)
	if r.desk, err = silent.desk(quick, files, nil, c.now); err != nil {
		return err
	}
	if err := r.run(ctx, lines[:split], old); err != nil {
		return err
	}
	if _, err := s.store.Import(ctx, quick.Export(ctx, ticket.ID{})); err != nil {
		return err
	}

	r.deliver = true
	if r.desk, err = cfg.desk(s.store, files, s.db, c.now); err != nil {
		return err
	}
	if err := r.run(ctx, lines[split:], now); err != nil {
		return err
	}
	if _, err := r.desk.Deliver(ctx); err != nil {
		return err
	}
	if err := s.mail(ctx, r.desk, c.now); err != nil {
		return err
	}
	return s.store.Maintain(ctx)
}

// deskConfig is what the desk of the example needs.
type deskConfig struct {
	agreement *sla.Agreement
	secret    []byte
	base      string // where the pages are, such as http://127.0.0.1:8080
	silent    bool
	logger    *slog.Logger
}

// desk makes the desk on a store.
func (c deskConfig) desk(store ticket.Store, files ticket.FileStore, db *sql.DB, now func() time.Time) (*ticket.Desk, error) {
	cfg := ticket.Config{
		Now: now, Files: files, Silent: c.silent, ServiceLevels: c.agreement, ShowAgents: true, ChainKey: c.secret, Logger: c.logger,
		Feedback: ticket.Feedback{After: 24 * time.Hour},
		StatusLinks: ticket.StatusLinks{
			Keys:  []ticket.StatusLinkKey{{ID: 1, Secret: c.secret}},
			URL:   func(_, token string) string { return c.base + "/t/" + token },
			Reply: true, Upload: true, Confirm: true, Reopen: true, Cancel: true,
		},
		Profile: profile,
		Policy:  colleagues{},
	}
	if !c.silent {
		letters, err := newLetters(db, now, c.base)
		if err != nil {
			return nil, err
		}
		cfg.Notifiers = map[string]ticket.Notifier{"mail": letters}
	}
	return ticket.NewDesk(store, cfg)
}

// colleagues lets customers see the tickets of their organisation. What they may do there is what
// the default policy says.
type colleagues struct{ ticket.DefaultPolicy }

// MaySee reports whether the actor may know of the ticket.
func (p colleagues) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) ||
		a.Role == ticket.RoleRequester && a.Person.Organisation != "" && a.Person.Organisation == t.Requester.Organisation
}

// profile gives agents and queues their addresses, which tickets do not have.
func profile(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (ticket.Profile, error) {
	if to.Role != ticket.RoleAgent {
		return ticket.Profile{}, nil
	}
	if p, ok := find(to.Person.ID); ok {
		return ticket.Profile{Person: p.Person}, nil
	}
	name := cmp.Or(to.Queue, "desk")
	return ticket.Profile{Person: ticket.Person{Name: "The team " + name, Email: name + "@desk.example.com"}}, nil
}

// intake takes in the mails of the example.
func (s *storage) intake(desk *ticket.Desk, now func() time.Time, logger *slog.Logger) (*mailbox.Intake, error) {
	return mailbox.New(mailbox.Config{
		Desk: desk, Store: s.store, Files: s.store.Files(now), Now: now, Logger: logger,
		Mailboxes: []mailbox.Mailbox{{Name: "help", Addresses: []string{"help@desk.example.com"}, Queue: "shop"}},
	})
}

// mail brings some mails, most of which a person has to look at.
func (s *storage) mail(ctx context.Context, desk *ticket.Desk, now func() time.Time) error {
	in, err := s.intake(desk, now, nil)
	if err != nil {
		return err
	}
	for _, m := range mails {
		raw := strings.ReplaceAll(strings.TrimSpace(m.raw), "\n", "\r\n") + "\r\n"
		env := mailbox.Envelope{From: m.from, To: []string{"help@desk.example.com"}, HasFrom: true}
		if _, err := in.Take(ctx, "help", strings.NewReader(raw), env); err != nil {
			return err
		}
	}
	_, err = in.Drain(ctx)
	return err
}

// dataFile is the database in the folder of the example.
func dataFile(dir string) string { return filepath.Join(dir, "desk.db") }
