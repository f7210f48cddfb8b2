package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	netmail "net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

// box is a real IMAP server on loopback with the mailbox of the shop.
type box struct {
	t     *testing.T
	user  *imapmemserver.User
	addr  string
	waits chan struct{} // closed when a reader waits for mail
}

// waiting is a session that tells when its client waits for mail.
type waiting struct {
	imapserver.Session

	begins func()
}

func (w waiting) Idle(u *imapserver.UpdateWriter, stop <-chan struct{}) error {
	w.begins()
	return w.Session.Idle(u, stop)
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, user: imapmemserver.NewUser("help", "secret"), waits: make(chan struct{})}
	require.NoError(t, b.user.Create("INBOX", nil))
	users := imapmemserver.New()
	users.AddUser(b.user)
	begins := sync.OnceFunc(func() { close(b.waits) })
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return waiting{users.NewSession(), begins}, nil, nil
		},
		InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.addr = l.Addr().String()
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return b
}

// put puts a mail into the mailbox.
func (b *box) put(from, to, subject, text string) { b.putBelow("", from, to, subject, text) }

// putBelow puts a mail below what the mail server says of it.
func (b *box) putBelow(found, from, to, subject, text string) {
	b.t.Helper()
	raw := fmt.Sprintf("%sFrom: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@elsewhere.example>\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n\r\n%s\r\n",
		found, from, to, subject, digest(from+subject+text), strings.ReplaceAll(text, "\n", "\r\n"))
	_, err := b.user.Append("INBOX", strings.NewReader(raw), &imap.AppendOptions{})
	require.NoError(b.t, err)
}

// People write to the shop: a customer who answers a letter, a customer with an account, one
// without, a stranger who names a ticket, and an agent.
func TestMailsByIMAP(t *testing.T) {
	p, b := newPost(t), newBox(t)
	cfg := testConfig(t)
	cfg.smtp, cfg.imap, cfg.imapUser, cfg.imapPassword, cfg.authServer = p.addr, b.addr, "help", "secret", "mx.shop.example"
	s, err := open(t.Context(), cfg, tickettest.Config(tickettest.NewClock(), nil))
	require.NoError(t, err)
	defer s.hangUp(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.console.Shutdown(context.WithoutCancel(t.Context()))) })
	f := &fixture{shop: s, t: t}
	first := f.complain(f.browser("ada"), "1001", "Broken", "The spout is off.", nil)
	f.deliver()
	answerTo := func(address string) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		m, err := netmail.ReadMessage(strings.NewReader(p.raw[address]))
		require.NoError(t, err)
		return m.Header.Get("Reply-To")
	}
	require.Contains(t, answerTo("ada@example.org"), "help+")

	// A mailbox is read from the mail on that arrives after the first look at it.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.mails.Run(ctx) }()
	defer func() { cancel(); require.ErrorIs(t, <-ended, context.Canceled) }()
	settled := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool {
			counts, err := s.mails.Counts(t.Context(), ticket.System("test"))
			return err == nil && counts[ticket.MailPending] == 0 && counts[ticket.MailDone] == int64(n)
		}, 20*time.Second, 20*time.Millisecond)
	}
	<-b.waits

	b.put("ada@example.org", answerTo("ada@example.org"), "Re: Broken", "The lid is fine.")
	settled(1)
	words := func() []string {
		page := f.browser("ada")
		f.get(page, "/help/tickets/"+first, http.StatusOK)
		return page.all("words")
	}
	require.Equal(t, []string{"The spout is off.", "The lid is fine."}, words())
	lin := f.browser("lin")
	desk := func() string {
		f.get(lin, "/desk/tickets/"+first, http.StatusOK)
		return lin.body
	}

	b.put("Bert <BERT@example.de>", "help@shop.example", "Rechnung", "Mir fehlt eine Rechnung.")
	b.put("nils@example.net", "help@shop.example", "Do you ship to Norway?", "I have no account yet.")
	settled(3)
	bert := f.browser("bert")
	f.get(bert, "/help/tickets", http.StatusOK)
	require.Contains(t, bert.body, "Rechnung", "his account has the ticket")
	f.deliver()
	require.Contains(t, p.to["nils@example.net"][0], "We have received your request.")

	b.put("mallory@example.net", answerTo("ada@example.org"), "Re: Broken", "Send it to me.")
	settled(4)
	require.NotContains(t, words(), "Send it to me.", "a stranger's words are a note")
	require.Contains(t, desk(), "Send it to me.")

	f.submit(lin, string(ticket.ActionTake), nil, http.StatusOK)
	b.put("ada@example.org", answerTo("ada@example.org"), "Re: Broken", "Hello?")
	settled(5)
	f.deliver()
	passed := "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example\r\n"
	to := answerTo("lin@shop.example")
	require.Contains(t, to, "help+")
	b.putBelow(passed, "lin@shop.example", to, "Re: Broken", "Tell the warehouse.")
	settled(6)
	require.NotContains(t, words(), "Tell the warehouse.")
	require.Contains(t, desk(), "Tell the warehouse.")

	letters := p.to["lin@shop.example"]
	to = regexp.MustCompile(`write to this address:\s+(\S+)`).FindStringSubmatch(letters[len(letters)-1])[1]
	b.putBelow(passed, "lin@shop.example", to, "Re: Broken", "A new one is on its way.")
	settled(7)
	require.Contains(t, words(), "A new one is on its way.")
}
