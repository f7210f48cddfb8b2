package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
)

// A desk that keeps the files of its customers.
func Example() {
	ctx := context.Background()
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Files: files.NewMemory()}) // or files.NewFolder
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	bob := ticket.Requester(ticket.Person{Email: "bob@example.org"})

	a, err := desk.Attach(ctx, ada, "page.txt", "text/plain", strings.NewReader("every second page is blank"))
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer", Attachments: []ticket.Attachment{a}})
	if err != nil {
		fmt.Println(err)
		return
	}

	about, r, err := desk.File(ctx, ada, t.ID, a.SHA256)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Close() }()
	text, err := io.ReadAll(r)
	fmt.Printf("%s, %d bytes: %s %v\n", about.Name, about.Size, text, err)

	_, _, err = desk.File(ctx, bob, t.ID, a.SHA256)
	fmt.Println("for somebody else:", errors.Is(err, ticket.ErrNotFound))
	// Output:
	// page.txt, 26 bytes: every second page is blank <nil>
	// for somebody else: true
}

// A scanner looks through each file before anybody can read it.
func ExampleNewQuarantine() {
	ctx := context.Background()
	store, err := files.NewQuarantine(files.NewMemory(), func(_ context.Context, content io.Reader) (string, error) {
		b, err := io.ReadAll(content) // your application asks its scanner
		if strings.Contains(string(b), "virus") {
			return "Test.Virus", err
		}
		return "", err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Files: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	_, err = desk.Attach(ctx, ada, "page.txt", "text/plain", strings.NewReader("a blank page"))
	fmt.Println(err)
	_, err = desk.Attach(ctx, ada, "game.exe", "application/octet-stream", strings.NewReader("a virus"))
	var bad *ticket.FileError
	fmt.Println(errors.As(err, &bad))
	// Output:
	// <nil>
	// true
}
