package ticket_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// exampleDesk returns a desk with a fixed clock and consecutive numbers, so that the
// examples print the same each time. Your application can use the zero Config.
func exampleDesk() (*ticket.Desk, *tickettest.Clock) {
	clock := tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, nil))
	if err != nil {
		log.Fatal(err)
	}
	return desk, clock
}

// must keeps the examples short; your application handles its errors.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A ticket from the first call to the customer's confirmation, across two levels.
func Example() {
	ctx := context.Background()
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{}))

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)
	kim := ticket.Agent("kim", 2, 3)

	t := must(desk.Open(ctx, ada, ticket.Draft{
		Subject: "Printer prints blank pages",
		Message: "Since this morning, every second page.",
		Channel: ticket.ChannelPhone,
	}))
	show := func(t ticket.Ticket) { fmt.Println(t.State(), "-", t.Phase) }
	show(t)

	show(must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake})))
	show(must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault?"})))
	show(must(desk.Do(ctx, kim, t.ID, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"})))
	show(must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."})))
	show(must(desk.Do(ctx, kim, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."})))
	show(must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionConfirm})))
	// Output:
	// new/1 - received
	// open/1 - in progress
	// queued/2 - in progress
	// waiting/2 - your turn
	// open/2 - in progress
	// resolved/2 - solved
	// closed/2 - closed
}

// A question answered on the telephone: Solution opens and resolves the ticket in
// one commit.
func ExampleDesk_Open() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	t, err := desk.Open(ctx, ticket.Agent("lin", 1), ticket.Draft{
		Requester: ticket.Person{Name: "Ada Byron", Email: "ada@example.org"},
		Subject:   "Where is the scanner?",
		Solution:  "Room 2.14",
	})
	fmt.Println(t.Number, t.Status, t.Resolution, err)
	// Output:
	// 0000-0001-H resolved first contact <nil>
}

// All histories of a tenant, one after the other, for a report, an archive or a data
// warehouse.
func ExampleDesk_Histories() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	must(desk.Open(ctx, ada, ticket.Draft{Subject: "No heating"}))

	var last ticket.ID
	for history, err := range desk.Histories(ctx, ticket.System("export"), last) {
		if err != nil {
			fmt.Println(err)
			return
		}
		last = history[0].Ticket
		fmt.Println(history[0].Set.Number, len(history))
	}
	// A program that stopped continues after the last ticket.
	for history, err := range desk.Histories(ctx, ticket.System("export"), last) {
		fmt.Println(history, err)
	}
	// Output:
	// 0000-0001-H 2
	// 0000-0002-7 1
}

// With a Key, a request that may have succeeded can be repeated.
func ExampleDesk_Open_idempotent() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	draft := ticket.Draft{Subject: "Parcel lost", Key: "order-4711-complaint"}

	first := must(desk.Open(ctx, ada, draft))
	again := must(desk.Open(ctx, ada, draft))
	fmt.Println(first.ID == again.ID, again.Version)

	draft.Subject = "Another parcel lost"
	_, err := desk.Open(ctx, ada, draft)
	fmt.Println(err)
	// Output:
	// true 1
	// ticket: the idempotency key was used before for a different request
}

// Version refuses an action if the ticket has changed since the actor saw it.
func ExampleDesk_Do_pinned() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	seen := t.Version
	must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "It works again."}))

	_, err := desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionAsk, Message: "Which floor?", Version: seen})
	if stale, ok := errors.AsType[*ticket.StaleError](err); ok {
		for _, e := range stale.Since {
			fmt.Println("meanwhile:", e.Action, "-", e.Message)
		}
	}
	// Output:
	// meanwhile: reply - It works again.
}

// A refusal says which rule applies and which role may do it.
func ExampleDesk_Do_refused() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))

	_, err := desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	fmt.Println(err)
	_, err = desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionConfirm})
	fmt.Println(err)
	_, err = desk.Do(ctx, ticket.Agent("max", 2), t.ID, ticket.Action{Name: ticket.ActionTake})
	fmt.Println(err)
	_, err = desk.Do(ctx, ticket.Agent("lin", 1), t.ID, ticket.Action{Name: ticket.ActionEscalate})
	fmt.Println(err)
	// Output:
	// ticket: "resolve" refused: a requester may not do this (possible by agent)
	// ticket: "confirm" refused: not possible in new/1 (possible from resolved by requester)
	// ticket: "take" refused: the ticket is at level 1, the agent serves [2]
	// ticket: action.note is missing: "escalate" needs one
}

// Two tickets about the same problem become one. Both numbers stay valid.
func ExampleDesk_Do_merge() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	one := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	two := must(desk.Open(ctx, ada, ticket.Draft{Subject: "It is dark"}))
	must(desk.Do(ctx, lin, two.ID, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID}))

	found := must(desk.Find(ctx, ada, string(two.Number)))
	fmt.Println(two.Number, "leads to", found.Number)

	must(desk.Do(ctx, lin, two.ID, ticket.Action{Name: ticket.ActionUnmerge}))
	found = must(desk.Find(ctx, ada, string(two.Number)))
	fmt.Println(two.Number, "leads to", found.Number)
	// Output:
	// 0000-0002-7 leads to 0000-0001-H
	// 0000-0002-7 leads to 0000-0002-7
}

// After a merge, Track shows the messages of both tickets together. Lookup opens
// the merged ticket itself, for agents.
func ExampleDesk_Lookup() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	one := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light", Message: "In the whole house."}))
	clock.Advance(time.Minute)
	two := must(desk.Open(ctx, ada, ticket.Draft{Subject: "It is dark", Message: "The fuse is fine."}))
	clock.Advance(time.Minute)
	must(desk.Do(ctx, lin, two.ID, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID}))

	for _, m := range must(desk.Track(ctx, ada, string(two.Number))).Messages {
		fmt.Printf("%s: %s\n", cmp.Or(m.Number, one.Number), m.Text)
	}
	merged := must(desk.Lookup(ctx, lin, string(two.Number)))
	fmt.Println(merged.Number, merged.Status)
	for e, err := range desk.Events(ctx, lin, merged.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Action)
	}
	// Output:
	// 0000-0001-H: In the whole house.
	// 0000-0002-7: The fuse is fine.
	// 0000-0002-7 closed
	// 1 open
	// 2 merge
}

// Track returns the newest messages, and Messages the earlier ones page by page.
func ExampleDesk_Messages() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light", Message: "1"}))
	for i := range 120 {
		must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(fmt.Sprint(i + 2))}))
	}
	v := must(desk.Track(ctx, ada, string(t.Number)))
	fmt.Println(len(v.Messages), "from", v.Messages[0].Text)
	for at := v.Earlier; at != ""; {
		list, earlier, err := desk.Messages(ctx, ada, string(t.Number), at)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(list), "from", list[0].Text)
		at = earlier
	}
	// Output:
	// 100 from 22
	// 21 from 1
}

// Actions lists an actor's possible actions on a ticket, and why others are refused.
func ExampleDesk_Actions() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	for _, c := range desk.Actions(ada, t) {
		if c.Allowed || c.Action == ticket.ActionConfirm || c.Action == ticket.ActionEscalate {
			fmt.Printf("%s %v, needs: %q, because: %q\n", c.Action, c.Allowed, c.Needs, c.Reason)
		}
	}
	// Output:
	// cancel true, needs: "", because: ""
	// confirm false, needs: "", because: "not possible in new/1 (possible from resolved by requester)"
	// escalate false, needs: "", because: "a requester may not do this (possible by agent, system)"
	// reply true, needs: "words", because: ""
}

// Explain makes the same decision as Do, without doing anything.
func ExampleDesk_Explain() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{ID: "c1"}), ticket.Draft{Subject: "No light"}))
	fmt.Println(desk.Explain(ctx, lin, t, ticket.Action{Name: ticket.ActionHold}))
	fmt.Println(desk.Explain(ctx, lin, t, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"}))
	// Output:
	// ticket: action.reason is missing: "hold" needs one
	// <nil>
}

// Track finds a ticket by the number as the customer said it, and returns the
// customer's view.
func ExampleDesk_Track() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light", Message: "In the whole house."}))
	clock.Advance(5 * time.Minute)
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEscalate, Queue: "mains", Note: "again?", Message: "Our specialists look into it."}))

	v := must(desk.Track(ctx, ada, "oooo ooo1 h"))
	fmt.Println(v.Number, v.Phase, v.With)
	for _, m := range v.Messages {
		fmt.Println(m.At.Format(time.TimeOnly), m.Name, m.Text)
	}
	fmt.Println("may:", v.Actions)

	_, err := desk.Track(ctx, ada, "oooo ooo1 j")
	fmt.Println(errors.Is(err, ticket.ErrMistyped))
	// Output:
	// 0000-0001-H in progress with the specialists
	// 09:00:00 Ada Byron In the whole house.
	// 09:05:00  Our specialists look into it.
	// may: [cancel reply]
	// true
}

// History returns the events of a ticket, each actor's own view of them.
func ExampleDesk_History() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionNote, Note: "third time this month"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	for _, a := range []ticket.Actor{lin, ada} {
		for e, err := range desk.History(ctx, a, t.ID) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%d %s by %q: %s %q\n", e.Seq, e.Action, e.By.ID, e.To, e.Note)
		}
		fmt.Println("--")
	}
	// Output:
	// 1 open by "": new/1 ""
	// 2 note by "lin": new/1 "third time this month"
	// 3 take by "lin": open/1 ""
	// --
	// 1 open by "": new/1 ""
	// 3 take by "": open/1 ""
	// --
}

// The open tickets of a queue, the most urgent first, read page by page.
func ExampleDesk_Tickets() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	lin := ticket.Agent("lin", 1)
	for i, g := range []ticket.Grade{ticket.GradeLow, ticket.GradeHigh, ticket.GradeMedium, ticket.GradeHigh} {
		must(desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "c1"}, Subject: fmt.Sprint("case ", i+1), Queue: "mains", Priority: g}))
		clock.Advance(time.Minute)
	}
	open := ticket.Query{
		Queue: []string{"mains"}, Phase: ticket.OpenPhases(),
		Order: ticket.OrderMostUrgent, Limit: 2,
	}
	for t, err := range desk.Tickets(ctx, lin, open) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Subject, t.Priority)
	}
	// Output:
	// case 2 high
	// case 4 high
	// case 3 medium
	// case 1 low
}

// Agents search messages and notes; customers search messages only.
func ExampleDesk_Search() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	must(desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Every second page <sigh>."}))
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No paper", Message: "The printer in room 2.14 is out of paper."}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionNote, Note: "The facility manager has the key."}))

	for _, text := range []string{"page", "PAPER prin*", "key"} {
		for _, hit := range must(desk.Search(ctx, lin, ticket.SearchQuery{Text: text})) {
			fmt.Println(hit.Ticket.Subject, "-", hit.Snippet.HTML())
		}
	}
	fmt.Println(len(must(desk.Search(ctx, ada, ticket.SearchQuery{Text: "key"}))), "for the customer, who does not see notes")
	// Output:
	// Printer prints blank pages - Every second <mark>page</mark> &lt;sigh&gt;.
	// No paper - The <mark>printer</mark> in room 2.14 is out of <mark>paper</mark>.
	// No paper - The facility manager has the <mark>key</mark>.
	// 0 for the customer, who does not see notes
}

// The number of tickets in each state.
func ExampleDesk_Counts() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	lin := ticket.Agent("lin", 1).Serving("mains")
	ada := ticket.Person{ID: "c1"}
	for _, queue := range []string{"mains", "mains", "gas"} {
		must(desk.Open(ctx, lin, ticket.Draft{Requester: ada, Subject: "No power", Queue: queue}))
	}
	t := must(desk.Open(ctx, lin, ticket.Draft{Requester: ada, Subject: "Meter reads 0", Queue: "mains"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionHold, Reason: "part ordered", Until: clock.Now().Add(time.Hour)}))

	for _, c := range must(desk.Counts(ctx, lin)) {
		fmt.Println(c.Queue, c.Level, c.Status, c.N)
	}
	held := ticket.Query{Status: []ticket.Status{ticket.StatusOnHold}}
	for _, t := range must(desk.List(ctx, lin, held)).Tickets {
		fmt.Println(t.Subject, "goes on at", t.Timer.At.Format(time.TimeOnly))
	}
	// Output:
	// mains 1 new 2
	// mains 1 on hold 1
	// Meter reads 0 goes on at 10:00:00
}

// Overdue tickets are counted and listed by the targets of their policies.
func ExampleDesk_Count() {
	ctx, clock := context.Background(), tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.ServiceLevels = sla.Spec{Name: "support", Version: 1, Policies: []sla.Policy{{
		Name: "standard", Targets: []sla.Target{{Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour}, {Metric: sla.MetricSolution, Within: 24 * time.Hour}},
	}}}.MustCompile()
	desk := must(ticket.NewDesk(memstore.New(), cfg))
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "Meter reads 0"}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "Since when?"}))

	now := clock.Advance(3 * time.Hour)
	fmt.Println(must(desk.Count(ctx, lin, ticket.Query{DueBefore: now})), "overdue")
	soonest := ticket.Query{Order: ticket.OrderSoonestDue}
	for _, t := range must(desk.List(ctx, lin, soonest)).Tickets {
		fmt.Println(t.Subject, now.Sub(t.Due("")))
	}
	// Output:
	// 1 overdue
	// No light 1h0m0s
	// Meter reads 0 -21h0m0s
}

// A snoozed ticket comes back with a reminder.
func ExampleEdits_snooze() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	tomorrow := clock.Now().Add(24 * time.Hour)
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: &tomorrow}}))
	awake := ticket.Query{NotSnoozed: true}
	fmt.Println(len(must(desk.List(ctx, lin, awake)).Tickets))
	clock.Set(tomorrow)
	must(desk.FireTimers(ctx)) // Run does it in your application
	fmt.Println(len(must(desk.List(ctx, lin, awake)).Tickets))
	// Output:
	// 0
	// 1
}

// AsOf returns a ticket as it was at an earlier time.
func ExampleDesk_AsOf() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	before := clock.Now()
	clock.Advance(time.Hour)
	now := must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	then := must(desk.AsOf(ctx, lin, t.ID, before))
	fmt.Println(then.Status, now.Status)
	// Output:
	// new open
}

// Notifications are committed with the change; Deliver or Run sends them.
func ExampleDesk_Deliver() {
	ctx := context.Background()
	mail := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		if n.To.Role == ticket.RoleAgent {
			fmt.Printf("%s: level %d, %s\n", n.Kind, n.To.Level, n.Number)
			return nil
		}
		fmt.Printf("%s: %s, %s (%s)\n", n.Kind, n.To.Person.Email, n.Number, n.With)
		return nil
	})
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, mail) // ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": mail}}
	desk := must(ticket.NewDesk(memstore.New(), cfg))

	must(desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"}))
	did, err := desk.Deliver(ctx) // or go desk.Run(ctx)
	fmt.Println(did.Done, err)
	// Unordered output:
	// received: ada@example.org, 0000-0001-H (with the service desk)
	// queued: level 1, 0000-0001-H
	// 2 <nil>
}

// FireTimers performs the actions that are due, such as closing a ticket that was
// resolved a week ago.
func ExampleDesk_FireTimers() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "c1"}, Subject: "No light", Solution: "The switch is by the door."}))
	clock.Advance(7 * 24 * time.Hour)
	n := must(desk.FireTimers(ctx)) // Run does this
	t = must(desk.Get(ctx, lin, t.ID))
	fmt.Println(n, t.Status)
	// Output:
	// 1 closed
}

// WithStore works inside a transaction of your application, on a store that is bound
// to it.
func ExampleDesk_WithStore() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	tx := memstore.New() // a store for a database has something like store.WithTx(tx)
	t := must(desk.WithStore(tx).Open(ctx, ticket.Requester(ticket.Person{ID: "c1"}), ticket.Draft{Subject: "Parcel lost"}))

	_, err := desk.Get(ctx, ticket.System("shop"), t.ID)
	fmt.Println("outside:", errors.Is(err, ticket.ErrNotFound))
	_, err = desk.WithStore(tx).Get(ctx, ticket.System("shop"), t.ID)
	fmt.Println("inside:", err)
	// Output:
	// outside: true
	// inside: <nil>
}

// Compile checks a whole workflow and returns every error.
func ExampleWorkflowSpec_Compile() {
	spec := ticket.WorkflowSpec{
		Name: "returns", Version: 1, Levels: 2, Initial: "received",
		Statuses: []ticket.StatusSpec{
			{Name: "received", Phase: ticket.PhaseReceived},
			{Name: "inspecting", Phase: ticket.PhaseInProgress},
			{Name: "refunded", Phase: ticket.PhaseClosed, Final: true},
		},
		Transitions: []ticket.Transition{
			{Action: "inspect", From: []ticket.Status{"received"}, To: "inspecting", By: ticket.RoleAgent},
			{Action: ticket.ActionEscalate, From: []ticket.Status{"inspecting"}, To: "received", Level: "up", Needs: ticket.Inputs{Note: true}},
			{Action: "refund", From: []ticket.Status{"inspecting"}, To: "refunded", By: ticket.RoleAgent, Guards: []string{"within-90-days"}},
		},
	}
	within90 := func(d ticket.Decision) error {
		if d.Now.Sub(d.Ticket.Created) > 90*24*time.Hour {
			return errors.New("bought too long ago")
		}
		return nil
	}
	returns, err := spec.Compile(map[string]func(ticket.Decision) error{"within-90-days": within90})
	fmt.Println(returns.Actions(), err)

	spec.Statuses[2].Final = false
	spec.Transitions[0].To = "lost"
	_, err = spec.Compile(nil)
	fmt.Println(err)
	// Output:
	// [escalate inspect refund] <nil>
	// ticket: workflow "returns" version 1: transitions[0] (inspect): to: "lost" is not declared
	// ticket: workflow "returns" version 1: transitions[2] (refund): guard "within-90-days" is not known
}

// The default workflow with a status more: an estimate that the customer approves.
func ExampleDefaultWorkflow() {
	const estimated ticket.Status = "estimate sent"
	spec := ticket.DefaultWorkflow()
	spec.Name = "repairs"
	for i := range spec.Transitions { // what is possible in "waiting" is possible here, too
		if from := &spec.Transitions[i].From; slices.Contains(*from, ticket.StatusWaiting) {
			*from = append(*from, estimated)
		}
	}
	spec.Statuses = append(spec.Statuses, ticket.StatusSpec{Name: estimated, Phase: ticket.PhaseYourTurn})
	spec.Transitions = append(spec.Transitions,
		ticket.Transition{
			Action: "send estimate", From: []ticket.Status{ticket.StatusOpen}, To: estimated, Needs: ticket.Inputs{Message: true},
		},
		ticket.Transition{
			Action: "approve", From: []ticket.Status{estimated}, To: ticket.StatusOpen, By: ticket.RoleRequester,
		})
	repairs := must(spec.Compile(nil))

	sent := tickettest.NewRecorder()
	cfg := tickettest.Config(tickettest.NewClock(), sent)
	cfg.Workflows = []*ticket.Workflow{repairs}
	desk := must(ticket.NewDesk(memstore.New(), cfg))
	ctx, lin := context.Background(), ticket.Agent("lin", 1)
	ada := ticket.Requester(ticket.Person{ID: "17", Email: "ada@example.org"})

	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "The chain slips", Message: "On every hill."}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: "send estimate", Message: "A new one costs 40."}))
	fmt.Println(must(desk.Track(ctx, ada, string(t.Number))).Actions)
	t = must(desk.Do(ctx, ada, t.ID, ticket.Action{Name: "approve"}))
	must(desk.Deliver(ctx))
	for _, n := range sent.Sent() {
		fmt.Println(n.Kind, n.To.Key())
	}
	fmt.Println(t.Status)
	// Unordered output:
	// [approve cancel reply]
	// queued queue:1:
	// received mail:ada@example.org
	// asked mail:ada@example.org
	// open
}

func ExampleParseWorkflow() {
	spec, err := ticket.ParseWorkflow([]byte(`{
		"name": "suggestions", "version": 1, "levels": 1, "initial": "new",
		"statuses": [
			{"name": "new", "phase": "received", "then": "archive", "after": "720h"},
			{"name": "done", "phase": "closed", "final": true}
		],
		"transitions": [{"action": "archive", "from": ["new"], "to": "done", "by": "agent system"}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	w := must(spec.Compile(nil))
	fmt.Print(w.Mermaid())
	// Output:
	// stateDiagram-v2
	//     state "new (received)" as s1
	//     state "done (closed)" as s2
	//     [*] --> s1
	//     s1 --> s2: archive
	//     s2 --> [*]
}

func ExampleParseNumber() {
	for _, s := range []string{"7Q4K-92MX-F", "7q4k 92mx f", "7Q4K-92XM-F", "7Q4K"} {
		n, err := ticket.ParseNumber(s)
		fmt.Println(n, err)
	}
	// Output:
	// 7Q4K-92MX-F <nil>
	// 7Q4K-92MX-F <nil>
	//  ticket: mistyped: "7Q4K-92XM-F" has a wrong check symbol, so at least one symbol is wrong or two are swapped (a number looks like 7Q4K-92MX-F)
	//  ticket: mistyped: "7Q4K" has 4 symbols where a number has 9 (a number looks like 7Q4K-92MX-F)
}

// Numbers in your own form: INC-000001, INC-000002 … The counter is usually a
// sequence of the database.
func ExampleNumbers() {
	var last atomic.Int64
	inc := regexp.MustCompile(`(?i)^\W*(?:ticket\W*)?inc\W*(\d{1,9})\W*$`)
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Numbers: ticket.Numbers{
		New: func(context.Context, string) (ticket.Number, error) {
			return ticket.Number(fmt.Sprintf("INC-%06d", last.Add(1))), nil
		},
		Parse: func(text string) (ticket.Number, error) {
			m := inc.FindStringSubmatch(text)
			if m == nil {
				return "", errors.New("it looks like INC-000001")
			}
			n, err := strconv.Atoi(m[1])
			return ticket.Number(fmt.Sprintf("INC-%06d", n)), err
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	must(desk.Open(ctx, ada, ticket.Draft{Subject: "No heating"}))
	fmt.Println(must(desk.Find(ctx, ada, "[inc 2]")).Subject)
	_, err = desk.Find(ctx, ada, "2")
	fmt.Println(err)
	// Output:
	// No heating
	// ticket: mistyped: "2" is no number of this desk: it looks like INC-000001
}

// Verify detects a change of the past, but allows erased content.
func ExampleChain_Verify() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light", Message: "My address is 1 Example Road."}))
	must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	var events []ticket.Event
	for e, err := range desk.Events(ctx, lin, t.ID) {
		if err != nil {
			log.Fatal(err)
		}
		events = append(events, e)
	}
	fmt.Println(ticket.Chain{}.Verify(events))

	events[0] = events[0].Erase(ticket.Groups{PublicContent: true})
	fmt.Printf("%q %v\n", events[0].Message, ticket.Chain{}.Verify(events))

	events[1].By.ID = "eve"
	if fault, ok := errors.AsType[*ticket.ChainError](ticket.Chain{}.Verify(events)); ok {
		fmt.Println("event", fault.Seq, fault.Fault)
	}
	// Output:
	// <nil>
	// "" <nil>
	// event 2 altered
}

// Replay builds a ticket from its events.
func ExampleReplay() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	ada, lin := ticket.Requester(ticket.Person{ID: "c1"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))
	t = must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}))
	var events []ticket.Event
	for e, err := range desk.Events(ctx, lin, t.ID) {
		if err != nil {
			log.Fatal(err)
		}
		events = append(events, e)
	}
	folded := must(ticket.Replay(events))
	first := must(ticket.Replay(events[:1]))
	fmt.Println(folded.Equal(t), first.Status)
	// Output:
	// true new
}

// careful is a policy that embeds the default one and changes two rules.
type careful struct{ ticket.DefaultPolicy }

// MayDo refuses to cancel a ticket, unless the agent serves level 2.
func (careful) MayDo(a ticket.Actor, _ ticket.Ticket, action ticket.ActionName) error {
	if action == ticket.ActionCancel && a.Role == ticket.RoleAgent && !a.ServesLevel(2) {
		return errors.New("ask somebody of level 2")
	}
	return nil
}

// MaySee shows tickets with the tag "staff" only to agents who name the queue
// "people".
func (p careful) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	if t.HasTag("staff") && a.Role == ticket.RoleAgent {
		return slices.Contains(a.Queues, "people")
	}
	return p.DefaultPolicy.MaySee(a, t)
}

func ExamplePolicy() {
	ctx := context.Background()
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{Policy: careful{}}))
	lin, kim := ticket.Agent("lin", 1), ticket.Agent("kim", 1, 2).Serving("people", "mains")
	t := must(desk.Open(ctx, kim, ticket.Draft{Requester: ticket.Person{ID: "c1"}, Subject: "No light"}))
	_, err := desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionCancel, Reason: "by mistake"})
	fmt.Println(err)
	must(desk.Do(ctx, kim, t.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"staff"}}}))
	_, err = desk.Get(ctx, lin, t.ID)
	fmt.Println(errors.Is(err, ticket.ErrNotFound))
	must(desk.Do(ctx, kim, t.ID, ticket.Action{Name: ticket.ActionCancel, Reason: "by mistake"}))
	// Output:
	// ticket: "cancel" refused: not allowed by the policy: ask somebody of level 2
	// true
}

// List returns one page at a time, for a user interface.
func ExampleDesk_List() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	ada := ticket.Requester(ticket.Person{ID: "c1"})
	for i := range 5 {
		must(desk.Open(ctx, ada, ticket.Draft{Subject: fmt.Sprint("case ", i+1)}))
		clock.Advance(time.Minute)
	}
	query := ticket.Query{Order: ticket.OrderNewestFirst, Limit: 2}
	for {
		page := must(desk.List(ctx, ada, query))
		for _, t := range page.Tickets {
			fmt.Print(t.Subject, "; ")
		}
		fmt.Println("more:", page.Next != "")
		if page.Next == "" {
			break
		}
		query.After = page.Next // opaque text, fit for a URL
	}
	// Output:
	// case 5; case 4; more: true
	// case 3; case 2; more: true
	// case 1; more: false
}

// The tenant is part of the actor. An actor cannot reach another tenant.
func ExampleActor_InTenant() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{ID: "c1"}).InTenant("north"), ticket.Draft{Subject: "No light"}))
	_, err := desk.Get(ctx, lin.InTenant("south"), t.ID)
	fmt.Println(errors.Is(err, ticket.ErrNotFound))
	_, err = desk.Get(ctx, lin.InTenant("north"), t.ID)
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// Split opens a new ticket for a part of a ticket.
func ExampleDesk_Do_split() {
	ctx := context.Background()
	desk, _ := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{ID: "c1"}), ticket.Draft{Subject: "No light, no water"}))
	child := must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "No water"}}))
	fmt.Println(child.Number, child.Subject, "-", child.Links[0].Relation, child.Links[0].Number)
	// Output:
	// 0000-0002-7 No water - child of 0000-0001-H
}

// A hold with Until ends by itself.
func ExampleDesk_Do_hold() {
	ctx := context.Background()
	desk, clock := exampleDesk()
	lin := ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ticket.Requester(ticket.Person{ID: "c1"}), ticket.Draft{Subject: "No light"}))
	t = must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: clock.Now().Add(48 * time.Hour)}))
	fmt.Println(t.Status, t.Reason, t.Timer.At.Format(time.DateTime))
	clock.Advance(48 * time.Hour)
	must(desk.FireTimers(ctx)) // Run does this
	t = must(desk.Get(ctx, lin, t.ID))
	fmt.Println(t.Status, t.Assignee)
	// Output:
	// on hold vendor 2026-01-07 09:00:00
	// open lin
}

// Replaces reports whether all tickets of an old workflow can continue in a new one.
func ExampleWorkflow_Replaces() {
	old := ticket.DefaultWorkflow()
	changed := ticket.DefaultWorkflow()
	changed.Version = 2
	changed.Levels, changed.LevelNames = 2, nil
	now := must(changed.Compile(nil))
	fmt.Println(now.Replaces(must(old.Compile(nil))))
	// Output:
	// ticket: workflow "support" version 2: levels: has 2 levels, version 1 has 3
}

// A page of a customer learns that an agent has answered, and not that a note was written.
// docs/live.md has the handler of a server.
func ExampleDesk_Watch() {
	ctx := context.Background()
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{}))
	ada, lin := ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Agent("lin", 1)
	t := must(desk.Open(ctx, ada, ticket.Draft{Subject: "No light"}))

	for c, err := range desk.Watch(ctx, ada, "") {
		if err != nil {
			fmt.Println(err)
			return
		}
		if c.Ticket.IsZero() { // the first value: from now on, nothing is missed
			must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "Is the fuse in place?"}))
			must(desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionNote, Note: "Third one this week."}))
			continue
		}
		fmt.Println(c.Ticket == t.ID, c.Version, c.Action)
		break // the next page begins with c.Cursor
	}
	// Output:
	// true 2 reply
}

// Run, in a goroutine of its own, sends notifications until its context is cancelled.
func ExampleDesk_Run() {
	told := make(chan string, 2)
	mail := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		told <- string(n.Kind)
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	desk := must(ticket.NewDesk(memstore.New(), ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": mail}}))
	stopped := make(chan error)
	go func() { stopped <- desk.Run(ctx) }()

	must(desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"}))
	fmt.Println(<-told)
	fmt.Println(<-told)
	stop()
	fmt.Println(<-stopped)
	// Unordered output:
	// received
	// queued
	// context canceled
}
