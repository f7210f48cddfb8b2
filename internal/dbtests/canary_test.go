package dbtests_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/internal/words"
	"github.com/ticketkit/ticket/sqlstore"
)

// canaries are random words, one for each place where personal data can be.
type canaries map[string]string

func (c canaries) word(place string) string {
	if c[place] == "" {
		// In the middle is a letter that folding changes, and that JSON, UTF-8 and the
		// index of MySQL write in different ways. Tenths are random, to tell two words
		// apart by their ends alone.
		letters := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte('a' + rand.N(26))
			}
			return string(b)
		}
		c[place] = letters(6) + "É" + letters(12)
	}
	return c[place]
}

// plain returns a word of letters that are never folded, for places that take no other.
func (c canaries) plain(place string) string {
	c[place] = strings.ReplaceAll(c.word(place), "É", "e")
	return c[place]
}

// found returns the places whose word is in a file, with the names of the files. An index may
// store only the end of a word, and the words in lower case or folded.
func (c canaries) found(t *testing.T, dir string) map[string][]string {
	t.Helper()
	list := map[string][]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || d != nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, c := range content {
			if 'A' <= c && c <= 'Z' {
				content[i] = c + ('a' - 'A')
			}
		}
		for place, word := range c {
			if bytes.Contains(content, []byte(word[len(word)-12:])) {
				name, _ := filepath.Rel(dir, path)
				list[place] = append(list[place], name)
			}
		}
		return nil
	}))
	return list
}

// canaryServer starts a server of its own, and returns its data directory.
func (b backend) canaryServer(t *testing.T) (dsn, dir string) {
	t.Helper()
	var s *servers.Server
	var err error
	switch b.dialect {
	case sqlstore.SQLite:
		dir = t.TempDir()
		return sqliteDSN(b.driver, filepath.Join(dir, "tickets.db")), dir
	case sqlstore.Postgres:
		s, err = servers.StartPostgres(t.Context(), servers.Settings(canaryPostgres))
		servers.SkipMissing(t, "postgres", err)
	case sqlstore.MySQL:
		s, err = servers.StartMariaDB(t.Context(), servers.Settings(canaryMariaDB))
		servers.SkipMissing(t, "mariadb", err)
	}
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s.DSN(b.driver, s.Database(t)), s.Data()
}

// These are the settings that docs/erasure.md asks for.
var (
	canaryPostgres = map[string]string{"wal_recycle": "off"}
	canaryMariaDB  = map[string]string{"innodb_immediate_scrub_data_uncompressed": "ON"}
)

// A random word in every place where personal data can be is found in the raw bytes of the
// database's files, and not any more after it was erased and the database has done what
// docs/erasure.md says.
func TestErasureLeavesNoCanary(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		t.Parallel()
		ctx := t.Context()
		dsn, dir := b.canaryServer(t)
		db := b.connect(t, dsn)
		s, err := sqlstore.Open(ctx, db, b.dialect, append(b.search(), sqlstore.Files())...)
		require.NoError(t, err)
		c := canaries{}
		d := &erasingDesk{store: s, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
		address := ""
		bystander := ticket.Person{ID: "c-9", Email: "other@example.org"}
		d.Desk, err = ticket.NewDesk(s, ticket.Config{
			Now: func() time.Time { return d.now }, Logger: slog.New(slog.DiscardHandler), Files: s.Files(func() time.Time { return d.now }),
			Notifiers: map[string]ticket.Notifier{"mail": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
				if bystander.Same(n.To.Person) || n.To.Person.IsZero() {
					return nil
				}
				return errors.New("550 no " + address)
			})},
			Profile: func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (ticket.Profile, error) {
				if bystander.Same(to.Person) || to.Person.IsZero() {
					return ticket.Profile{}, nil
				}
				return ticket.Profile{Person: ticket.Person{Email: address}}, nil
			},
		})
		require.NoError(t, err)

		var stay []ticket.Ticket
		others := func() {
			for i := range 30 {
				tk, err := d.Open(ctx, ticket.Requester(bystander), ticket.Draft{Subject: "another one", Message: ticket.Message(fmt.Sprint("of somebody else ", i))})
				require.NoError(t, err)
				stay = append(stay, tk)
			}
		}
		do := func(a ticket.Actor, tk ticket.Ticket, act ticket.Action) ticket.Ticket {
			d.now = d.now.Add(time.Minute)
			tk, err := d.Do(ctx, a, tk.ID, act)
			require.NoError(t, err)
			return tk
		}
		// Everything of a ticket and its requester, and every value once replaced, because
		// the old version of a row is in the files too.
		open := func(of string) (ticket.Person, ticket.Ticket) {
			put := func(place string) string { return c.word(of + ": " + place) }
			address = c.plain(of+": address of a delivery") + "@example.org"
			p := ticket.Person{ID: put("ID"), Name: put("name"), Email: c.plain(of+": address") + "@example.org", Phone: put("phone"), Organisation: put("organisation")}
			var followers []ticket.Person
			if of == "by ticket" { // erasing somebody else leaves them
				followers = []ticket.Person{{Name: put("follower's name"), Phone: put("follower's phone")}}
			}
			file, err := d.Attach(ctx, ticket.Requester(p), put("file name"), "text/plain", strings.NewReader(put("bytes of a file")))
			require.NoError(t, err)
			tk, err := d.Open(ctx, ticket.Requester(p), ticket.Draft{
				Subject: put("subject"), Message: ticket.Message("said: " + put("message")), Fields: ticket.Fields{put("field name"): put("field value")},
				Attachments: []ticket.Attachment{file, {Name: put("other file's name"), Ref: put("file ref")}}, Key: put("key"),
				Followers: followers, MessageID: c.plain(of+": Message-ID") + "@example.org",
			})
			require.NoError(t, err)
			d.mail(t, tk, p.Email, put) //nolint:contextcheck // the test's, as everywhere
			agent := ticket.Agent("lin", 1)
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionTake})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(put("note")), NoteAttachments: []ticket.Attachment{{Name: put("note's file"), Ref: "r"}}})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
				AddTags: []string{put("tag"), put("removed tag")}, Subject: put("new subject"), Fields: ticket.Fields{put("field name"): put("new value")},
			}})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{put("removed tag")}}})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionHold, Reason: put("reason")})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionResume, Message: ticket.Message(put("answer")), Key: put("second key")})
			tk = do(agent, tk, ticket.Action{Name: ticket.ActionResolve, Message: "solved", Reason: put("resolution")})
			for range 3 {
				d.now = d.now.Add(time.Minute)
				_, err := d.Deliver(ctx)
				require.NoError(t, err)
			}
			return p, tk
		}
		others()
		_, byTicket := open("by ticket")
		b.flush(t, db)
		others()
		ada, byPerson := open("by person")
		others()
		if len(b.search()) > 0 {
			require.NoError(t, s.Maintain(ctx))
			require.Len(t, found(t, s, c["by ticket: message"]), 1)
		}
		b.flush(t, db)

		before := c.found(t, dir)
		for place := range c {
			require.Contains(t, before, place)
		}
		if len(b.search()) > 0 {
			require.True(t, strings.HasSuffix(words.Fold(c["by ticket: message"])[0], c["by ticket: message"][8:]), "what is looked for is not folded")
		}

		report, err := d.Erase(ctx, privacy, ticket.Erasure{Ticket: byTicket.ID, Reason: "x", Key: "erasure 1"})
		require.NoError(t, err)
		require.Len(t, report.Tickets, 1)
		report, err = d.Erase(ctx, privacy, ticket.Erasure{Person: ada, Reason: "x"})
		require.NoError(t, err)
		require.Len(t, report.Tickets, 1)
		require.Equal(t, 1, report.Mails)
		d.now = d.now.Add(25 * time.Hour)
		_, err = d.SweepFiles(ctx)
		require.NoError(t, err)
		b.forget(t, db, s)
		left := c.found(t, dir)
		for _, place := range slices.Sorted(maps.Keys(left)) {
			t.Logf("%s: %s", place, left[place])
		}
		require.Empty(t, left)

		for _, tk := range append(stay, byTicket, byPerson) {
			require.NoError(t, d.Verify(ctx, privacy, tk.ID))
		}
	})
}

// mail stores a mail that has arrived from an address and is on the ticket.
func (d *erasingDesk) mail(t *testing.T, tk ticket.Ticket, address string, put func(place string) string) {
	t.Helper()
	raw, err := d.store.Files(func() time.Time { return d.now }).Put(t.Context(), tk.Tenant, strings.NewReader("Subject: "+put("bytes of a mail")))
	require.NoError(t, err)
	_, err = d.store.PutMail(t.Context(), ticket.Mail{
		ID: ticket.NewID(d.now), Tenant: tk.Tenant, Mailbox: "support", Origin: "1 " + tk.ID.String(), Raw: raw.SHA256, Size: raw.Size, Arrived: d.now,
		From: address, HasSender: true, To: []string{put("envelope") + "@example.org"}, State: ticket.MailPending, Due: d.now,
	})
	require.NoError(t, err)
	list, err := d.store.ClaimMails(t.Context(), ticket.MailClaim{Now: d.now, Lease: time.Minute, Limit: 10, Mailboxes: []string{"support"}})
	require.NoError(t, err)
	require.Len(t, list, 1)
	m := list[0]
	m.State, m.Reason, m.MessageID, m.Author = ticket.MailDone, put("why a mail was taken"), strings.ToLower(strings.ReplaceAll(put("Message-ID of a mail"), "É", "e")), address
	m.Explained = []byte(`{"of":"` + put("explanation of a mail") + `"}`)
	m.Ticket, m.Seq, m.Settled, m.Due, m.Until = tk.ID, 1, d.now, time.Time{}, time.Time{}
	require.NoError(t, d.store.SettleMail(t.Context(), ticket.MailPending, m))
}

// flush makes the database write its pages to its main files.
func (b backend) flush(t *testing.T, db *sql.DB) {
	t.Helper()
	text := map[sqlstore.Dialect]string{
		sqlstore.SQLite: "PRAGMA wal_checkpoint", sqlstore.Postgres: "CHECKPOINT", sqlstore.MySQL: "SET GLOBAL innodb_max_dirty_pages_pct = 0, innodb_max_dirty_pages_pct_lwm = 0",
	}[b.dialect]
	_, err := db.ExecContext(t.Context(), text)
	require.NoError(t, err)
	if b.dialect != sqlstore.MySQL {
		return
	}
	// The index of words is in memory until then.
	for _, text := range []string{"SET GLOBAL innodb_optimize_fulltext_only = ON", "OPTIMIZE TABLE ticket_texts", "SET GLOBAL innodb_optimize_fulltext_only = OFF"} {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		var name string
		var dirty int
		require.NoError(t, db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").Scan(&name, &dirty))
		return dirty == 0
	}, time.Minute, 50*time.Millisecond)
}

// forget does what docs/erasure.md says.
func (b backend) forget(t *testing.T, db *sql.DB, s *sqlstore.Store) {
	t.Helper()
	if err := s.Maintain(t.Context()); b.dialect == sqlstore.SQLite || len(b.search()) > 0 {
		require.NoError(t, err)
	}
	for _, text := range map[sqlstore.Dialect][]string{
		sqlstore.Postgres: {"VACUUM FULL", "SELECT pg_switch_wal()", "CHECKPOINT"},
		sqlstore.MySQL: {
			"SET GLOBAL innodb_max_purge_lag_wait = 0",
			"OPTIMIZE TABLE ticket_tickets, ticket_events, ticket_labels, ticket_outbox, ticket_receipts, ticket_texts, ticket_unindexed, ticket_mails, ticket_files, ticket_chunks",
			"SET GLOBAL innodb_max_purge_lag_wait = 0",
			"SET GLOBAL innodb_log_file_size = 48 * 1024 * 1024",
			"CREATE TABLE filler (b VARBINARY(2000))", "INSERT INTO filler SELECT REPEAT('x', 2000) FROM seq_1_to_4000",
		},
	}[b.dialect] {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
	if b.dialect == sqlstore.MySQL {
		b.flush(t, db)
		// The application writes on, and so overwrites the doublewrite buffer. Only a batch
		// of many pages reaches its end, so they are collected before they are flushed.
		for _, text := range []string{"SET GLOBAL innodb_max_dirty_pages_pct = 99", "UPDATE filler SET b = REPEAT('y', 2000)"} {
			_, err := db.ExecContext(t.Context(), text)
			require.NoError(t, err)
		}
		b.flush(t, db)
	}
}
