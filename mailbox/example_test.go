package mailbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// memory is a file store for these examples. Your application uses one of package files or
// sqlstore.
type memory struct{ files sync.Map }

func (m *memory) Put(_ context.Context, _ string, content io.Reader) (ticket.File, error) {
	b, err := io.ReadAll(content)
	sum := ticket.Digest(sha256.Sum256(b))
	if err == nil {
		m.files.Store(sum, b)
	}
	return ticket.File{SHA256: sum, Size: int64(len(b))}, err
}

func (m *memory) Open(_ context.Context, _ string, sum ticket.Digest) (io.ReadCloser, error) {
	b, ok := m.files.Load(sum)
	if !ok {
		return nil, &ticket.NotFoundError{What: "file", Ref: sum.String()}
	}
	return io.NopCloser(bytes.NewReader(b.([]byte))), nil
}

func (m *memory) Delete(_ context.Context, _ string, sum ticket.Digest, _ time.Time) (bool, error) {
	m.files.Delete(sum)
	return true, nil
}

func (m *memory) List(context.Context, ticket.File, int) ([]ticket.File, error) {
	return nil, errors.ErrUnsupported
}

// setUp returns a desk and an intake of its mail.
func setUp() (*ticket.Desk, *mailbox.Intake, error) {
	store := memstore.New()
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	desk, err := ticket.NewDesk(store, cfg)
	if err != nil {
		return nil, nil, err
	}
	in, err := mailbox.New(mailbox.Config{
		Desk: desk, Store: store, Files: &memory{}, Now: cfg.Now, NewID: cfg.NewID,
		Mailboxes: []mailbox.Mailbox{{Name: "support", Addresses: []string{"support@example.org"}}},
	})
	return desk, in, err
}

const mail = `From: Ada Byron <ada@example.com>
To: support@example.org
Subject: Printer prints blank pages
Message-ID: <1@example.com>
Date: Mon, 2 Mar 2026 09:30:00 +0000

It is the printer on the second floor.
`

// An application that has mails as bytes, for example from a provider's webhook, gives them to
// Take. Run, or Drain, puts them on tickets.
func Example() {
	ctx := context.Background()
	desk, in, err := setUp()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := in.Take(ctx, "support", strings.NewReader(mail), mailbox.Envelope{From: "ada@example.com", HasFrom: true}); err != nil {
		fmt.Println(err) // tell the provider to send it again
		return
	}
	n, err := in.Drain(ctx)
	fmt.Println(n, err)
	for t, err := range desk.Tickets(ctx, ticket.System("example"), ticket.Query{}) {
		fmt.Println(t.Subject, "of", t.Requester.Name, err)
	}
	// Output:
	// 1 <nil>
	// Printer prints blank pages of Ada Byron <nil>
}

// Explain says what would become of a mail and why.
func ExampleIntake_Explain() {
	_, in, err := setUp()
	if err != nil {
		fmt.Println(err)
		return
	}
	absence := "Auto-Submitted: auto-replied\n" + mail
	e, err := in.Explain(context.Background(), "support", strings.NewReader(absence), mailbox.Envelope{})
	fmt.Println(e.Outcome, err)
	fmt.Println(e.Reason)
	// Output:
	// ignored <nil>
	// is an automatic answer that belongs to no ticket: Auto-Submitted is auto-replied
}

// A program behind an alias of a mail server: it stores the mail of its standard input, and
// its exit status says whether that succeeded. In your program it is
//
//	os.Exit(in.Pipe(ctx, "support", os.Stdin, os.Getenv, os.Stderr))
func ExampleIntake_Pipe() {
	_, in, err := setUp()
	if err != nil {
		fmt.Println(err)
		return
	}
	env := map[string]string{"SENDER": "ada@example.com", "RECIPIENT": "support@example.org"}
	status := in.Pipe(context.Background(), "support", strings.NewReader(mail), func(name string) string { return env[name] }, os.Stdout)
	fmt.Println("exit status", status)
	status = in.Pipe(context.Background(), "sales", strings.NewReader(mail), os.Getenv, os.Stdout)
	fmt.Println("exit status", status)
	// Output:
	// exit status 0
	// mailbox: no such mailbox: "sales"
	// exit status 75
}

// A colleague of the customer answers a mail. An agent makes that a reply.
func ExampleIntake_Accept() {
	ctx := context.Background()
	desk, in, err := setUp()
	if err != nil {
		fmt.Println(err)
		return
	}
	const colleague = "From: Bob <bob@example.com>\nIn-Reply-To: <1@example.com>\nSubject: Re: Printer\n\nThe one on the third floor, too.\n"
	for _, raw := range []string{mail, colleague} {
		if _, err := in.Take(ctx, "support", strings.NewReader(raw), mailbox.Envelope{}); err != nil {
			fmt.Println(err)
			return
		}
		if _, err := in.Drain(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	lin := ticket.Agent("lin", 1)
	mails, err := in.Mails(ctx, lin, ticket.MailQuery{Limit: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mails[0].Reason)
	t, err := in.Accept(ctx, lin, mails[0].ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range desk.History(ctx, ticket.Requester(t.Requester), t.ID) {
		fmt.Println(e.Action, e.Message, err)
	}
	// Output:
	// the earlier mail names the ticket, and the sender has no part in it
	// open It is the printer on the second floor. <nil>
	// reply The one on the third floor, too. <nil>
}

// Held mails wait for a person, who looks at them, and has them taken again or forgets them.
func ExampleIntake_Held() {
	ctx := context.Background()
	_, in, err := setUp()
	if err != nil {
		fmt.Println(err)
		return
	}
	lin := ticket.Agent("lin", 1)
	if _, err := in.Take(ctx, "support", strings.NewReader("Subject: no sender\n\nHello\n"), mailbox.Envelope{}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := in.Drain(ctx); err != nil {
		fmt.Println(err)
		return
	}
	held, err := in.Held(ctx, lin, time.Time{})
	if err != nil || len(held) == 0 {
		fmt.Println(err)
		return
	}
	fmt.Println(held[0].Reason)
	fmt.Println(in.Forget(ctx, lin, held[0].ID))
	// Output:
	// has no sender: the field From is missing or has no address
	// <nil>
}
