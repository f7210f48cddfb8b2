package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"
)

// outside is the mail provider of the desk and of everybody else: an SMTP server that takes all
// mail, and an IMAP server with the mailbox of the desk.
type outside struct {
	smtp *net.TCPAddr
	imap string
	stop func()

	say    func(format string, args ...any)
	desk   *imapmemserver.User
	reader chan struct{} // closed when the desk waits for mail

	mu   sync.Mutex
	sent []letter // all mails to others than the desk
}

func serve(say func(format string, args ...any)) (*outside, error) {
	o := &outside{say: say, desk: imapmemserver.NewUser("support", "secret"), reader: make(chan struct{})}
	if err := o.desk.Create("INBOX", nil); err != nil {
		return nil, err
	}
	users := imapmemserver.New()
	users.AddUser(o.desk)
	quiet := log.New(io.Discard, "", 0)
	var once sync.Once
	imaps := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return session{users.NewSession(), func() { once.Do(func() { close(o.reader) }) }}, nil, nil
		},
		InsecureAuth: true, Logger: quiet,
	})
	smtps := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{outside: o}, nil }))
	smtps.Domain, smtps.ErrorLog = "mx.example.org", quiet

	fetch, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	post, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, fetch.Close())
	}
	var ok bool
	if o.smtp, ok = post.Addr().(*net.TCPAddr); !ok {
		return nil, errors.New("no TCP address to listen on")
	}
	o.imap = fetch.Addr().String()
	o.stop = func() { _, _ = imaps.Close(), smtps.Close() }
	go func() { _ = imaps.Serve(fetch) }()
	go func() { _ = smtps.Serve(post) }()
	return o, nil
}

// session is a session of the IMAP server. It tells when the client waits for mail.
type session struct {
	imapserver.Session

	waits func()
}

func (s session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	s.waits()
	return s.Session.Idle(w, stop)
}

// waitForReader waits until the desk waits for mail. The desk begins with the next one.
func (o *outside) waitForReader(ctx context.Context) error {
	select {
	case <-o.reader:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delivery is a session of the SMTP server.
type delivery struct {
	*outside

	from, to string
}

func (*delivery) Reset()        {}
func (*delivery) Logout() error { return nil }

func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	d.from = from
	return nil
}

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

// Data puts a mail into the mailbox of the desk, or keeps it for others.
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := read(raw)
	if err != nil {
		return err
	}
	d.say("%s -> %s: %s", m.from, shown(d.to), m.subject)
	local, domain, _ := strings.Cut(d.to, "@")
	local, _, _ = strings.Cut(local, "+")
	if domain == "example.org" && (local == "support" || local == "bounces") {
		for line := range strings.Lines(m.text) {
			d.say("    %s", strings.TrimSpace("| "+strings.TrimSpace(line)))
		}
		return d.deliver(raw)
	}
	m.envelope = d.from
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, m)
	return nil
}

// deliver puts a mail into the mailbox, with what a mail server writes above it.
func (d *delivery) deliver(raw []byte) error {
	// Only the people of example.org sign in to send mail. A real server checks SPF and DKIM.
	result := "dmarc=none"
	if strings.HasSuffix(d.from, "@example.org") {
		result = "dmarc=pass header.from=example.org"
	}
	top := fmt.Sprintf("Return-Path: <%s>\r\nDelivered-To: %s\r\nAuthentication-Results: mx.example.org; %s\r\n", d.from, d.to, result)
	_, err := d.desk.Append("INBOX", bytes.NewReader(append([]byte(top), raw...)), &imap.AppendOptions{})
	return err
}

// shown shortens a signed address.
func shown(address string) string {
	return regexp.MustCompile(`(\+.{9})[^@]+`).ReplaceAllString(address, "$1…")
}

// newest returns the newest letter to an address.
func (o *outside) newest(to string) (letter, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range slices.Backward(o.sent) {
		if m.to == to {
			return m, nil
		}
	}
	return letter{}, fmt.Errorf("no letter to %s", to)
}

// send hands a mail to the SMTP server.
func (o *outside) send(m letter) error {
	c, err := smtp.Dial(o.smtp.String())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	from := m.from
	if m.report != "" {
		from = "" // nobody gets a report about a report
	}
	if err := c.SendMail(from, []string{m.to}, strings.NewReader(m.raw())); err != nil {
		return err
	}
	return c.Quit()
}

// letter is a mail as a mail program shows it.
type letter struct {
	from, to, subject, text string
	id, replyTo, inReplyTo  string
	envelope                string // the sender to whom it comes back
	file                    string // the name of a file in it
	report                  string // the rest of a delivery report
}

// answer is what a mail program makes of "Reply".
func (m letter) answer(text string) letter {
	return letter{from: m.to, to: m.replyTo, subject: "Re: " + m.subject, text: text, inReplyTo: m.id}
}

// quoted is the text as a phone quotes it, below the answer.
func (m letter) quoted() string {
	return "> On Monday " + m.from + " wrote:\n>\n> " + strings.ReplaceAll(strings.TrimSpace(m.text), "\n", "\n> ") + "\n"
}

// answerTo is the address for answers to the customer, which letters to agents name.
func (m letter) answerTo() string {
	for _, address := range regexp.MustCompile(`support\+\S+@example\.org`).FindAllString(m.text, -1) {
		if address != m.replyTo {
			return address
		}
	}
	return ""
}

// returned is what the server of a recipient sends who does not exist (RFC 3464).
func (m letter) returned() letter {
	return letter{
		from: "MAILER-DAEMON@example.net", to: m.envelope, subject: "Undelivered mail", text: "There is no such user.",
		report: "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; " + m.to + "\nAction: failed\nStatus: 5.1.1\n",
	}
}

// raw is the mail as it is sent.
func (m letter) raw() string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	add("From: %s\nTo: %s\nSubject: %s", m.from, m.to, m.subject)
	add("Date: %s\nMessage-ID: <%d@example.com>", time.Now().Format(time.RFC1123Z), time.Now().UnixNano())
	if m.inReplyTo != "" {
		add("In-Reply-To: %s\nReferences: %s", m.inReplyTo, m.inReplyTo)
	}
	add("MIME-Version: 1.0")
	part := func(head, body string) { add("--part\n%s\n\n%s", head, body) }
	const plain = "Content-Type: text/plain; charset=utf-8"
	switch {
	case m.report != "":
		add("Content-Type: multipart/report; report-type=delivery-status; boundary=part\n")
		part(plain, m.text)
		part("Content-Type: message/delivery-status", m.report)
		add("--part--")
	case m.file != "":
		add("Content-Type: multipart/mixed; boundary=part\n")
		part(plain, m.text)
		part("Content-Type: image/png\nContent-Disposition: attachment; filename="+m.file+"\nContent-Transfer-Encoding: base64",
			base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n a crack in a lid")))
		add("--part--")
	default:
		add("%s\n\n%s", plain, m.text)
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}

// read reads a mail, with its first part as the text.
func read(raw []byte) (letter, error) {
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return letter{}, err
	}
	m := letter{subject: msg.Header.Get("Subject"), id: msg.Header.Get("Message-Id")}
	for name, field := range map[string]*string{"From": &m.from, "To": &m.to, "Reply-To": &m.replyTo} {
		if text := msg.Header.Get(name); text != "" {
			a, err := netmail.ParseAddress(text)
			if err != nil {
				return m, err
			}
			*field = a.Address
		}
	}
	body := msg.Body
	typ, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	if strings.HasPrefix(typ, "multipart/") {
		if body, err = multipart.NewReader(body, params["boundary"]).NextPart(); err != nil {
			return m, err
		}
	}
	text, err := io.ReadAll(body)
	m.text = strings.ReplaceAll(strings.TrimSpace(string(text)), "\r\n", "\n")
	return m, err
}
