package memstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// A desk keeps its tickets in memory. They are gone when the process ends.
func ExampleNew() {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	t, err := desk.Open(context.Background(), ada, ticket.Draft{Subject: "Printer prints blank pages"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Subject, t.Status)
	// Output: Printer prints blank pages new
}
