package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"time"

	"github.com/ticketkit/ticket"
)

// A mailer is a short notifier over SMTP.
type mailer struct{ addr string }

func newMailer(addr string) (ticket.Notifier, error) { return &mailer{addr}, nil }

// Notify sends a notification as mail, over a connection of its own.
func (m *mailer) Notify(ctx context.Context, n ticket.Notification) (err error) {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it was answered or failed by then
	end, _ := ctx.Deadline()
	if err := conn.SetDeadline(end); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	c, err := smtp.NewClient(conn, "post.example.net")
	if err != nil {
		return err
	}
	if err := c.Mail("desk@example.net"); err != nil {
		return final(err, ticket.Permanent)
	}
	if err := c.Rcpt(n.To.Person.Email); err != nil {
		return final(err, ticket.Bounce)
	}
	w, err := c.Data()
	if err != nil {
		return final(err, ticket.Permanent)
	}
	if _, err := w.Write(letter(n)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return final(err, ticket.Permanent)
	}
	return nil
}

// final marks an answer of SMTP that means for ever.
func final(err error, as func(error) error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok && answer.Code >= 500 {
		return as(err)
	}
	return err
}

func letter(n ticket.Notification) []byte {
	n.Attempt = 0
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-Id: <%s@example.net>\r\nSubject: [%s]\r\nContent-Type: application/json\r\n\r\n", n.ID, n.Number)
	_ = json.NewEncoder(&b).Encode(n) // a notification has nothing that JSON lacks
	return b.Bytes()
}
