package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A status link for a text message: anyone who has it can see the ticket
// without an account, and can reply if the link allows it.
func ExampleDesk_StatusLink() {
	ctx := context.Background()
	key := ticket.StatusLinkKey{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)} // 32 random bytes that stay secret
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{key}}}))
	ada := ticket.Requester(ticket.Person{Phone: "+49 30 1234567"})
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "Parcel lost"}))

	token := must(desk.StatusLink(ctx, ada, t.ID, ticket.StatusLinkRequest{Reply: true, TTL: 7 * 24 * time.Hour}))
	fmt.Println(len("https://help.example.org/t/"+token) < 160)

	v := must(desk.Track(ctx, ticket.StatusLinkHolder(token), ""))
	fmt.Println(v.Subject, v.Phase, v.Actions)
	must(desk.Do(ctx, ticket.StatusLinkHolder(token), v.ID, ticket.Action{Name: ticket.ActionReply, Message: "It has come."}))

	must(desk.RevokeStatusLinks(ctx, ada, t.ID))
	_, err := desk.Track(ctx, ticket.StatusLinkHolder(token), "")
	fmt.Println(err)
	// Output:
	// true
	// Parcel lost received [reply]
	// ticket: the status link is not valid
}

// An access log has the paths of requests. Its readers must not be able to open
// the tickets.
func ExampleStatusLinks_Redact() {
	ctx := context.Background()
	links := ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}} // 32 random bytes that stay secret
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{StatusLinks: links}))
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "Parcel lost"}))
	token := must(desk.StatusLink(ctx, ada, t.ID, ticket.StatusLinkRequest{}))

	fmt.Println(links.Redact("GET /t/" + token + "?lang=en 200"))
	// Output:
	// GET /t/…?lang=en 200
}

// The desk asks the requester an hour after the ticket was closed. The page of the link shows
// a form if View.Actions has "rate", and the POST of that form calls Rate.
func ExampleDesk_Rate() {
	ctx := context.Background()
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	cfg := tickettest.Config(clock, sent)
	cfg.Feedback.After = time.Hour
	cfg.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}} // 32 random bytes that stay secret
	cfg.StatusLinks.URL = func(_, token string) string { return "https://help.example.org/t/" + token }
	desk := must(ticket.NewDesk(memstore.New(), cfg))
	ada, lin := ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "The fuse was gone."}))
	must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionConfirm}))

	clock.Advance(time.Hour)
	must(desk.FireTimers(ctx)) // Desk.Run does this, and delivers
	must(desk.Deliver(ctx))
	letters := sent.Sent()
	letter := letters[len(letters)-1]
	fmt.Println(letter.Kind, "to", letter.To.Person.Email)

	holder := ticket.StatusLinkHolder(strings.TrimPrefix(letter.StatusLink, "https://help.example.org/t/"))
	v := must(desk.Track(ctx, holder, ""))
	fmt.Println(v.Phase, v.Actions)
	must(desk.Rate(ctx, holder, v.ID, ticket.Rating{Score: 4, Message: "Quick, but the lamp flickers."}))
	t = must(desk.Get(ctx, lin, t.ID))
	fmt.Println(t.Score, t.Phase)
	_, err := desk.Rate(ctx, holder, v.ID, ticket.Rating{Score: 1})
	fmt.Println(err)
	// Output:
	// feedback to ada@example.org
	// closed [rate]
	// 4 closed
	// ticket: "rate" refused: the ticket was rated before
}

// Entries returns each event together with the deliveries that report it.
func ExampleDesk_Entries() {
	ctx := context.Background()
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	desk := must(ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent)))
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	must(desk.Deliver(ctx))

	clock.Advance(time.Hour)
	sent.FailWith(func(ticket.Notification) error {
		return &ticket.DeliveryFault{Err: errors.New("550 5.1.1 no such mailbox"), Bounced: true}
	})
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "Is the switch on?"}))
	must(desk.Deliver(ctx))

	for entry, err := range desk.Entries(ctx, lin, t.ID) {
		fmt.Println(entry.Event.Seq, entry.Event.Action, err)
		for _, d := range entry.Deliveries {
			fmt.Printf("  %s to %s: %s\n", d.Kind, d.To.Key(), d.Report(time.UTC))
		}
	}
	// Output:
	// 1 open <nil>
	//   received to mail:ada@example.org: sent 2026-01-05 09:00
	//   queued to queue:1:: sent 2026-01-05 09:00
	// 2 take <nil>
	// 3 reply <nil>
	//   answered to mail:ada@example.org: bounced 2026-01-05 10:00: 550 5.1.1 no such mailbox
}

// Deliveries that were given up are listed with their reasons. Redrive tries them again once the cause
// is fixed.
func ExampleDesk_Redrive() {
	ctx := context.Background()
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	desk := must(ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent)))
	sent.FailWith(func(ticket.Notification) error {
		return &ticket.DeliveryFault{Err: errors.New("554 5.7.1 our relay is on a block list"), Permanent: true}
	})
	must(desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"}))
	fmt.Println(must(desk.Deliver(ctx)))

	ops := ticket.System("ops")
	dead := ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}}
	for _, d := range must(desk.Deliveries(ctx, ops, dead)).Deliveries {
		fmt.Println(d.Kind, d.LastError)
	}
	sent.FailWith(nil) // the address is off the block list
	fmt.Println(must(desk.Redrive(ctx, ops, dead)))
	fmt.Println(must(desk.Deliver(ctx)))
	// Output:
	// {0 0 2 0}
	// queued 554 5.7.1 our relay is on a block list
	// received 554 5.7.1 our relay is on a block list
	// 2
	// {2 0 0 0}
}

// Shutdown lets the attempts in flight finish before the process ends.
func ExampleDesk_Shutdown() {
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{}))
	stopped := make(chan error)
	go func() { stopped <- desk.Run(context.Background()) }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // as long as the platform allows
	defer cancel()
	fmt.Println(desk.Shutdown(ctx))
	fmt.Println(<-stopped)
	// Output:
	// <nil>
	// <nil>
}

// An event notifier gets every event once, in addition to the notifications for
// people.
func ExampleConfig_eventNotifiers() {
	ctx := context.Background()
	broker := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		fmt.Println(n.Number, n.Event.Seq, n.Event.Action, n.Event.To)
		return nil
	})
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	cfg.Notifiers = map[string]ticket.Notifier{"broker": broker, "mail": nil} // another process mails
	cfg.EventNotifiers = []string{"broker"}
	desk := must(ticket.NewDesk(memstore.New(), cfg))
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"}))
	must(desk.Do(ctx, ticket.Agent("lin", 1), t.ID, ticket.Action{Name: ticket.ActionTake}))
	must(desk.Deliver(ctx))
	// Output:
	// 0000-0001-H 1 open new/1
	// 0000-0001-H 2 take open/1
}
