package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/web"
)

// shop is the application: its database, the desk that works in it, and the pages of the desk.
type shop struct {
	db        *sql.DB
	store     *sqlstore.Store
	desk      *ticket.Desk
	customers *web.Customer
	console   *web.Console
	mails     *mailbox.Intake
	outbox    *outbox // the letters if there is no mail server, otherwise nil
	base      string  // the beginning of addresses in letters
	now       func() time.Time
	hangUp    func(context.Context) // ends the connections to the mail server
}

type config struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	secret  []byte // 32 bytes
	base    string

	smtp, smtpUser, smtpPassword string
	imap, imapUser, imapPassword string
	authServer                   string // see mailbox.Mailbox
}

// noReply says that nobody reads what is answered to a letter: letters are sent, and no
// mailbox is read.
func (c config) noReply() bool { return c.smtp != "" && c.imap == "" }

// open creates the shop's tables and makes the desk. Tests pass their own
// configuration of the desk; the program passes the zero one.
func open(ctx context.Context, cfg config, desk ticket.Config) (*shop, error) {
	s := &shop{db: cfg.db, base: strings.TrimSuffix(cfg.base, "/"), now: time.Now, hangUp: func(context.Context) {}}
	if desk.Now != nil {
		s.now = desk.Now
	}
	if err := s.createTables(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.store, err = sqlstore.Open(ctx, cfg.db, cfg.dialect, sqlstore.Search(), sqlstore.Files()); err != nil {
		return nil, err
	}
	formKey, replyKey, err := s.keys(&desk, cfg.secret)
	if err != nil {
		return nil, err
	}
	addresses, err := replies(replyKey)
	if err != nil {
		return nil, err
	}
	if err := s.letters(&desk, cfg, addresses); err != nil {
		return nil, err
	}
	promised, err := promises()
	if err != nil {
		return nil, err
	}
	desk.ServiceLevels = promised
	desk.ShowAgents = true
	desk.Feedback.After = 24 * time.Hour
	desk.Files = s.store.Files(s.now)
	desk.Limits.AttachmentSize = maxFile
	if s.desk, err = ticket.NewDesk(s.store, desk); err != nil {
		return nil, err
	}
	if err := s.intake(cfg, desk, addresses); err != nil {
		return nil, err
	}
	return s, s.pages(cfg, promised, formKey)
}

// keys derives the desk's keys from the shop's one secret, and those that sign what forms
// keep in the browser, and the addresses in letters.
func (s *shop) keys(desk *ticket.Config, secret []byte) (forms, replies []byte, err error) {
	var links []byte
	for purpose, key := range map[string]*[]byte{
		"history": &desk.ChainKey, "receipts": &desk.ReceiptKey, "links": &links, "forms": &forms, "replies": &replies,
	} {
		if *key, err = hkdf.Key(sha256.New, secret, nil, "shop "+purpose, 32); err != nil {
			return nil, nil, err
		}
	}
	desk.StatusLinks = ticket.StatusLinks{
		Keys:  []ticket.StatusLinkKey{{ID: 1, Secret: links}},
		URL:   func(_, token string) string { return s.base + "/help/t/" + token },
		Reply: true, Upload: true,
	}
	return forms, replies, nil
}

// createTables creates the shop's own tables, with some users and orders to
// try.
func (s *shop) createTables(ctx context.Context) error {
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS shop_users (
			id text PRIMARY KEY, name text NOT NULL, email text NOT NULL,
			locale text NOT NULL, zone text NOT NULL, level integer NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS shop_sessions (
			token text PRIMARY KEY, user_id text NOT NULL, ends bigint NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS shop_orders (
			id bigint PRIMARY KEY, user_id text, item text NOT NULL, placed text NOT NULL,
			state text NOT NULL, ticket text)`,
	} {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	var users int
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM shop_users").Scan(&users); err != nil || users > 0 {
		return err
	}
	return s.stock(ctx)
}

func (s *shop) stock(ctx context.Context) error {
	for _, u := range []user{
		{"ada", "Ada Byron", "ada@example.org", "en", "Europe/London", 0},
		{"bert", "Bert Brecher", "bert@example.de", "de", "Europe/Berlin", 0},
		{"cleo", "Cleo Marsh", "cleo@example.org", "en", "America/New_York", 0},
		{"lin", "Lin", "lin@shop.example", "en", "Europe/Berlin", 1},
		{"kim", "Kim", "kim@shop.example", "de", "Europe/Berlin", 3},
	} {
		if _, err := s.db.ExecContext(ctx, "INSERT INTO shop_users (id, name, email, locale, zone, level) VALUES ($1, $2, $3, $4, $5, $6)",
			u.ID, u.Name, u.Email, u.Locale, u.Zone, u.Level); err != nil {
			return err
		}
	}
	for i, o := range []order{
		{User: "ada", Item: "Teapot, blue", Placed: "2026-01-02"},
		{User: "ada", Item: "Six cups", Placed: "2026-01-02"},
		{User: "bert", Item: "Schreibtischlampe", Placed: "2025-12-30"},
		{User: "bert", Item: "Glühbirne E27", Placed: "2025-12-30"},
		{User: "cleo", Item: "Walking boots, 39", Placed: "2025-12-28"},
	} {
		if _, err := s.db.ExecContext(ctx, "INSERT INTO shop_orders (id, user_id, item, placed, state) VALUES ($1, $2, $3, $4, 'delivered')",
			1001+i, o.User, o.Item, o.Placed); err != nil {
			return err
		}
	}
	return nil
}
