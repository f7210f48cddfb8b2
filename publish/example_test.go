package publish_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/publish"
)

// This desk sends its events to a broker in memory. Your application uses the
// Watermill publisher for its own broker.
func Example() {
	ctx := context.Background()
	broker := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 10}, watermill.NopLogger{})
	messages, err := broker.Subscribe(ctx, "tickets")
	if err != nil {
		fmt.Println(err)
		return
	}
	events, err := publish.New(broker, publish.Config{Source: "https://shop.example.org/desk"})
	if err != nil {
		fmt.Println(err)
		return
	}
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Notifiers:      map[string]ticket.Notifier{"broker": events},
		EventNotifiers: []string{"broker"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	lin := ticket.Agent("lin", 1)
	t, err := desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{Email: "ada@example.org"}, Subject: "Printer"})
	if err == nil {
		_, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "stays inside"})
	}
	if err == nil {
		_, err = desk.Deliver(ctx)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		m := <-messages
		var e struct {
			Type string       `json:"type"`
			Data ticket.Event `json:"data"`
		}
		if err := json.Unmarshal(m.Payload, &e); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Type, e.Data.Seq, e.Data.To)
		m.Ack()
	}
	// Output:
	// com.github.ticketkit.ticket.event.open 1 new/1
	// com.github.ticketkit.ticket.event.escalate 2 queued/2
}
