package ticket_test

import (
	"context"
	"fmt"

	"github.com/ticketkit/ticket"
)

// An agent looks for tickets that were solved before, and says which one helped.
func ExampleDesk_Similar() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	ada, bob := ticket.Person{Email: "ada@example.org"}, ticket.Person{Email: "bob@example.org"}
	must(desk.Open(ctx, lin, ticket.Draft{Requester: ada, Subject: "Printer prints blank pages", Solution: "A new fuser was fitted."}))
	must(desk.Open(ctx, lin, ticket.Draft{Requester: ada, Subject: "Password forgotten", Solution: "Reset."}))

	t := must(desk.Open(ctx, ticket.Requester(bob), ticket.Draft{Subject: "Blank pages again", Message: "The printer in room 7."}))
	list := must(desk.Similar(ctx, lin, t.ID, 0))
	for _, s := range list {
		fmt.Printf("%s: %s (shared words: %s)\n", s.Ticket.Subject, s.Solution, s.Words)
	}
	t = must(desk.Do(ctx, lin, t.ID, ticket.Action{
		Name: ticket.ActionResolve, Message: "It was the fuser.", SolvedBy: list[0].Ticket.ID, Suggested: true,
	}))
	fmt.Println(must(desk.Count(ctx, lin, ticket.Query{SolvedBy: t.SolvedBy})), "ticket solved by it")
	// Output:
	// Printer prints blank pages: A new fuser was fitted. (shared words: [Blank pages printer])
	// 1 ticket solved by it
}

// A form shows known problems while a customer types.
func ExampleDesk_SimilarToDraft() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "c1"}, Subject: "Blank pages", Solution: "A new fuser was fitted."}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{
		Title: "The printer prints blank pages", Text: "Turn it off for ten seconds.",
	}}))

	bob := ticket.Requester(ticket.Person{ID: "c2"})
	for _, typed := range []string{"My", "My printer", "My printer has blank pages"} {
		for _, s := range must(desk.SimilarToDraft(ctx, bob, ticket.Draft{Subject: typed}, 3)) {
			fmt.Printf("%q: %s (%s)\n", typed, s.Known.Title, s.Words)
		}
	}
	// Output:
	// "My printer": The printer prints blank pages ([printer])
	// "My printer has blank pages": The printer prints blank pages ([printer blank pages])
}

// Everything that is published, for a page of frequent questions.
func ExampleDesk_KnownProblems() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "c1"}, Subject: "Blank pages", Solution: "A new fuser was fitted."}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{
		Title: "The printer prints blank pages", Text: "Turn it off for ten seconds.",
	}}))
	for p, err := range desk.KnownProblems(ctx, ticket.Requester(ticket.Person{ID: "c2"})) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Title)
		fmt.Println(p.Text)
	}
	// Output:
	// The printer prints blank pages
	// Turn it off for ten seconds.
}
