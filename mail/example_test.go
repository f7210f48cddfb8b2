package mail_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	netmail "net/mail"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/memstore"
)

// A desk confirms a request by mail. The server of this example listens on loopback.
// Your application names its own server, sets Username and Password, and keeps the
// default encryption.
func Example() {
	ctx := context.Background()
	port, stop := mailbox()
	defer stop()

	letters, err := letter.New(letter.Config{Desk: "The Example Shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	notifier, err := mail.New(mail.Config{
		Host: "127.0.0.1", Port: port, Encryption: mail.Unencrypted, // on loopback only
		From:      "Example Shop <support@example.org>",
		ReplyPlus: "support@example.org",
		Address:   func(ticket.Recipient) string { return "team@example.org" }, // agents and queues
		Letters:   letters,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer notifier.Close(ctx)
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Notifiers: map[string]ticket.Notifier{"mail": notifier},
		Now:       func() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) },
		Numbers:   ticket.Numbers{New: func(context.Context, string) (ticket.Number, error) { return "7Q4K-92MX-F", nil }},
		Relay:     ticket.Relay{Batch: 1}, // one at a time, so that the output has a fixed order
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	if _, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"}); err != nil {
		fmt.Println(err)
		return
	}
	done, err := desk.Deliver(ctx)
	fmt.Println(done.Done, err)
	// Output:
	// To: "Ada Byron" <ada@example.org>
	// Reply-To: "Example Shop" <support+7Q4K92MXF@example.org>
	// Subject: [7Q4K-92MX-F] Printer prints blank pages
	// To: <team@example.org>
	// Reply-To: "Example Shop" <support+7Q4K92MXF@example.org>
	// Subject: [7Q4K-92MX-F] Printer prints blank pages
	// 2 <nil>
}

func ExampleNumberOf() {
	n, err := mail.NumberOf("Example Shop <support+7q4k92mxf@example.org>")
	fmt.Println(n, err)
	_, err = mail.NumberOf("support+7q4k92mxg@example.org")
	fmt.Println(err)
	// Output:
	// 7Q4K-92MX-F <nil>
	// ticket: mistyped: "7q4k92mxg" has a wrong check symbol, so at least one symbol is wrong or two are swapped (a number looks like 7Q4K-92MX-F)
}

// A sender address that nobody reads must be allowed explicitly, or replaced for
// replies.
func ExampleNew_noReply() {
	cfg := mail.Config{Host: "smtp.example.org", From: "no-reply@example.org"}
	_, err := mail.New(cfg)
	fmt.Println(err)
	cfg.ReplyPlus = "support@example.org"
	m, err := mail.New(cfg)
	fmt.Println(m, err)
	// Output:
	// ticket: mail.from is an address that nobody reads: use another, or set ReplyPlus, ReplyTo or AllowNoReply
	// mail from no-reply@example.org by smtp.example.org:587 <nil>
}

// mailbox starts an SMTP server on loopback that prints the letters it receives.
func mailbox() (port int, stop func()) {
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return printer{}, nil }))
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, func() {}
	}
	go func() { _ = srv.Serve(l) }()
	return l.Addr().(*net.TCPAddr).Port, func() { _ = srv.Close() }
}

type printer struct{}

func (printer) Reset()                               {}
func (printer) Logout() error                        { return nil }
func (printer) Mail(string, *smtp.MailOptions) error { return nil }
func (printer) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (printer) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	for _, field := range []string{"To", "Reply-To", "Subject"} {
		fmt.Printf("%s: %s\n", field, m.Header.Get(field))
	}
	_, err = io.Copy(io.Discard, m.Body)
	return err
}
