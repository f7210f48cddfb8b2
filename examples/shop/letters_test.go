package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	netmail "net/mail"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

// post is a real SMTP server on loopback that keeps what it gets.
type post struct {
	addr string
	mu   sync.Mutex
	to   map[string][]string // the texts that each address got
	raw  map[string]string   // the newest letter of each, as it was sent
}

func newPost(t *testing.T) *post {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &post{addr: l.Addr().String(), to: map[string][]string{}, raw: map[string]string{}}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &conversationWith{post: p, t: t}, nil }))
	srv.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return p
}

type conversationWith struct {
	post *post
	t    *testing.T
	to   string
}

func (c *conversationWith) Reset()                                        {}
func (c *conversationWith) Logout() error                                 { return nil }
func (c *conversationWith) Mail(string, *smtp.MailOptions) error          { return nil }
func (c *conversationWith) Rcpt(to string, _ *smtp.RcptOptions) (_ error) { c.to = to; return nil }

func (c *conversationWith) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	words := textOf(c.t, body)
	c.post.mu.Lock()
	defer c.post.mu.Unlock()
	c.post.to[c.to] = append(c.post.to[c.to], words)
	c.post.raw[c.to] = string(body)
	return nil
}

// textOf returns the plain text of a letter.
func textOf(t *testing.T, letter []byte) string {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(letter))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextPart()
	require.NoError(t, err)
	words, err := io.ReadAll(part)
	require.NoError(t, err)
	return string(words)
}

// Confirmations go out by SMTP, in the customer's language, with a link by which
// the customer answers.
func TestLettersBySMTP(t *testing.T) {
	p := newPost(t)
	cfg := testConfig(t)
	cfg.smtp = p.addr
	desk := tickettest.Config(tickettest.NewClock(), nil)
	s, err := open(t.Context(), cfg, desk)
	require.NoError(t, err)
	defer s.hangUp(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.console.Shutdown(context.WithoutCancel(t.Context()))) })
	f := &fixture{shop: s, t: t}
	f.complain(f.browser("ada"), "1001", "Broken", "The spout is off.", nil)
	f.complain(f.browser("bert"), "1003", "Lampe flackert", "An jeder Steckdose.", nil)
	f.deliver()
	require.Len(t, p.to["ada@example.org"], 1)
	require.Len(t, p.to["bert@example.de"], 1)
	assert.Contains(t, p.to["ada@example.org"][0], "We have received your request. Its number is 0000-0001-H.")
	assert.Contains(t, p.to["bert@example.de"][0], "Wir haben Ihre Anfrage erhalten.")
	assert.Len(t, p.to["lin@shop.example"], 2, "those who serve the queue each get one")
	assert.Len(t, p.to["kim@shop.example"], 2)

	phone := f.browser("")
	f.get(phone, statusLink.FindString(p.to["bert@example.de"][0]), http.StatusOK)
	f.submit(phone, "reply", map[string]string{"message": "Auch mit neuer Birne."}, http.StatusOK)
	assert.Len(t, phone.all("words"), 2)
	f.get(f.browser("lin"), "/outbox", http.StatusNotFound)
	page, err := s.desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryBounced}})
	require.NoError(t, err)
	assert.Empty(t, page.Deliveries)
}

// The promise counts the hours of the office, in which nobody works at night.
func TestTheConfirmationSaysWhenToExpectAnAnswer(t *testing.T) {
	f := newFixture(t)
	friday := time.Date(2026, time.March, 6, 15, 0, 0, 0, time.UTC) // four o'clock in Berlin
	f.clock.Advance(friday.Sub(f.clock.Now()))
	f.complain(f.browser("ada"), "1001", "Broken", "The spout is off.", nil)
	f.deliver()
	received := f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.Equal(t, time.Date(2026, time.March, 9, 15, 0, 0, 0, time.UTC), received.Expected.UTC())
}
