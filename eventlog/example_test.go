package eventlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/eventlog"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// merged is a desk on which one of two tickets was merged into the other.
func merged() *ticket.Desk {
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, lin := context.Background(), ticket.Agent("lin@desk.example", 1)
	var list []ticket.Ticket
	for range 2 {
		t, err := desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "ada"}, Subject: "Printer"})
		if err != nil {
			log.Fatal(err)
		}
		list = append(list, t)
		clock.Advance(time.Minute)
	}
	if _, err := desk.Do(ctx, lin, list[1].ID, ticket.Action{Name: ticket.ActionMerge, Ticket: list[0].ID}); err != nil {
		log.Fatal(err)
	}
	return desk
}

// In XES a merge is in both traces.
func ExampleWriteXES() {
	ctx, desk := context.Background(), merged()
	var file strings.Builder // or an *os.File
	n, err := eventlog.WriteXES(ctx, &file, desk.Histories(ctx, ticket.System("export"), ticket.ID{}), eventlog.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", n)
	_, trace, _ := strings.Cut(file.String(), "<event>")
	event, _, _ := strings.Cut(trace, "</event>")
	fmt.Println(strings.TrimSpace(event))
	// Output:
	// {Tickets:2 Events:4 Agents:1}
	// <string key="concept:name" value="open"/>
	// <string key="lifecycle:transition" value="complete"/>
	// <date key="time:timestamp" value="2026-01-05T09:00:00Z"/>
	// <string key="org:resource" value="agent 1"/>
	// <string key="org:role" value="agent"/>
	// <id key="identity:id" value="5e7e0c94-4e82-47d9-4331-600a9b10e668"/>
	// <string key="status" value="new"/>
	// <string key="phase" value="received"/>
	// <int key="level" value="1"/>
}

// In OCEL a merge is one event on two tickets.
func ExampleWriteOCEL() {
	ctx, desk := context.Background(), merged()
	var file strings.Builder
	n, err := eventlog.WriteOCEL(ctx, &file, desk.Histories(ctx, ticket.System("export"), ticket.ID{}), eventlog.Config{Key: []byte("a secret of this desk")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", n)
	var read struct {
		Events []struct {
			Type          string
			Relationships []struct{ Qualifier string }
		}
	}
	if err := json.Unmarshal([]byte(file.String()), &read); err != nil {
		log.Fatal(err)
	}
	for _, e := range read.Events {
		fmt.Println(e.Type, e.Relationships)
	}
	// Output:
	// {Tickets:2 Events:3 Agents:1}
	// open [{of} {by}]
	// open [{of} {by}]
	// merge [{of} {into} {by}]
}
