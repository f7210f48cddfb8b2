package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// lettersTable keeps the letters, so that the page with them survives a restart.
const lettersTable = `CREATE TABLE IF NOT EXISTS example_letters (
	id INTEGER PRIMARY KEY, at INTEGER NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL)`

// letters is a notifier that sends nothing: it keeps the letters for a page.
type letters struct {
	db    *sql.DB
	now   func() time.Time
	words *letter.Letters
}

func newLetters(db *sql.DB, now func() time.Time, base string) (*letters, error) {
	words, err := letter.New(letter.Config{
		Desk:     "The Example Shop",
		NoReply:  true,
		AgentURL: func(n ticket.Notification) string { return base + "/desk/tickets/" + string(n.Number) },
	})
	return &letters{db: db, now: now, words: words}, err
}

// Check reports missing templates at the start.
func (l *letters) Check(kinds []ticket.Kind, _ string) error { return l.words.Check(kinds) }

// Notify writes a letter. Like a mail server, it refuses some addresses.
func (l *letters) Notify(ctx context.Context, n ticket.Notification) error {
	to := n.To.Person.Email
	switch {
	case strings.HasSuffix(to, "@gone.example.com"):
		return &ticket.DeliveryFault{Err: errors.New("550 5.1.1 no such mailbox"), Bounced: true}
	case strings.HasSuffix(to, "@slow.example.com"):
		return &ticket.DeliveryFault{Err: errors.New("451 4.4.1 no answer from slow.example.com")}
	case to == "":
		return &ticket.DeliveryFault{Err: errors.New("there is no address"), Permanent: true}
	}
	text, err := l.words.Write(n)
	if err != nil {
		return err
	}
	_, err = l.db.ExecContext(ctx, "INSERT INTO example_letters (at, recipient, subject, body) VALUES (?, ?, ?, ?)",
		l.now().UnixMicro(), to, text.Subject, text.Text)
	return err
}

// sent is a letter on the page.
type sent struct {
	ID            int64
	At            time.Time
	To, Subject   string
	Before, After string // the words around the first address
	Link          string
}

// newestLetters returns letters, the newest first: those to an address, or all.
func newestLetters(ctx context.Context, db *sql.DB, to string) (list []sent, err error) {
	rows, err := db.QueryContext(ctx, `SELECT id, at, recipient, subject, body FROM example_letters
		WHERE ? = '' OR recipient = ? ORDER BY id DESC LIMIT 60`, to, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l sent
		var micros int64
		var body string
		if err := rows.Scan(&l.ID, &micros, &l.To, &l.Subject, &body); err != nil {
			return nil, err
		}
		l.At = time.UnixMicro(micros).In(berlin)
		l.Before, l.Link, l.After = cutLink(body)
		list = append(list, l)
	}
	return list, rows.Err()
}

// cutLink finds the first address of the example in a text. The address is returned
// without the host, so that it still leads somewhere when the port has changed.
func cutLink(text string) (before, link, after string) {
	for _, path := range []string{"/t/", "/desk/tickets/"} {
		i := strings.Index(text, path)
		if i < 0 {
			continue
		}
		begin := strings.LastIndex(text[:i], "http")
		if begin < 0 {
			continue
		}
		end := i + len(path)
		for end < len(text) && text[end] > ' ' {
			end++
		}
		return text[:begin], text[i:end], text[end:]
	}
	return text, "", ""
}
