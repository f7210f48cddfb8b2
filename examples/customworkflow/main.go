// Customworkflow declares a workflow for goods returned to a shop, in Go and in JSON. It
// shows the faults that Compile finds, draws the workflow, and takes two returns through
// it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

//go:embed returns.json
var returnsJSON []byte

// returns is the workflow in Go. A transition is for agents unless it says otherwise.
func returns() ticket.WorkflowSpec {
	return ticket.WorkflowSpec{
		Name: "returns", Version: 1, Levels: 2, Initial: "received",
		LevelNames: []string{"with the shop", "with the workshop"},
		Statuses: []ticket.StatusSpec{
			{Name: "received", Phase: ticket.PhaseReceived},
			{Name: "inspecting", Phase: ticket.PhaseInProgress},
			{Name: "refunded", Phase: ticket.PhaseClosed, Final: true},
			{Name: "refused", Phase: ticket.PhaseClosed, Final: true},
		},
		Transitions: []ticket.Transition{
			{Action: "inspect", From: []ticket.Status{"received"}, To: "inspecting", Assign: "actor"},
			{Action: ticket.ActionEscalate, From: []ticket.Status{"inspecting"}, To: "received", Level: "up", Needs: ticket.Inputs{Note: true}, Assign: "nobody"},
			{Action: "refund", From: []ticket.Status{"inspecting"}, To: "refunded", Guards: []string{"within-90-days"}},
			{Action: "refuse", From: []ticket.Status{"inspecting"}, To: "refused", Needs: ticket.Inputs{Message: true}},
		},
	}
}

const day = 24 * time.Hour

// guards are conditions that a declaration cannot express. They see only the decision, so
// their data must be in the fields of the ticket.
var guards = map[string]func(ticket.Decision) error{
	"within-90-days": func(d ticket.Decision) error {
		bought, ok := d.Ticket.Fields["bought"].(time.Time)
		if !ok {
			return errors.New("the day of purchase is not known")
		}
		if age := d.Now.Sub(bought); age > 90*day {
			return fmt.Errorf("bought %d days ago", age/day)
		}
		return nil
	},
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "customworkflow:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout io.Writer) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }

	spec, err := ticket.ParseWorkflow(returnsJSON)
	if err != nil {
		return err
	}
	say("The same in Go and in JSON: %v", reflect.DeepEqual(spec, returns()))

	// Compile reports all faults at once.
	broken := returns()
	broken.Statuses = slices.Concat(broken.Statuses, []ticket.StatusSpec{{Name: "lost", Phase: "gone"}})
	broken.Transitions[1].Levels = []int{3}
	broken.Transitions[2].Guards = []string{"within-90-dys"}
	broken.Transitions[3].To = "denied"
	_, err = broken.Compile(guards)
	say("\nA broken one:\n%v", err)

	workflow, err := spec.Compile(guards)
	if err != nil {
		return err
	}
	say("\nThe right one, for a Mermaid diagram:\n%s", workflow.Mermaid())

	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Workflows: []*ticket.Workflow{workflow}})
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin, workshop := ticket.Agent("lin", 1), ticket.Agent("max", 2)

	inTime, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Lamp flickers", Fields: boughtDaysAgo(10)})
	if err != nil {
		return err
	}
	tooLate, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Kettle leaks", Fields: boughtDaysAgo(120)})
	if err != nil {
		return err
	}
	for _, step := range []struct {
		t    *ticket.Ticket
		by   ticket.Actor
		does ticket.Action
	}{
		{&inTime, lin, ticket.Action{Name: "inspect"}},
		{&inTime, lin, ticket.Action{Name: "refund"}},
		{&tooLate, lin, ticket.Action{Name: "inspect"}},
		{&tooLate, lin, ticket.Action{Name: "refund"}},
		{&tooLate, lin, ticket.Action{Name: ticket.ActionEscalate, Note: "a known fault of this make?"}},
		{&tooLate, workshop, ticket.Action{Name: "inspect"}},
		{&tooLate, workshop, ticket.Action{Name: "refuse", Message: "It was dropped, sorry."}},
	} {
		t, err := desk.Do(ctx, step.by, step.t.ID, step.does)
		if errors.Is(err, ticket.ErrRefused) {
			say("%s: %v", step.t.Subject, err)
			continue
		}
		if err != nil {
			return err
		}
		*step.t = t
		say("%s: %s by %s → %s", t.Subject, step.does.Name, step.by.Person.ID, t.State())
	}
	return nil
}

func boughtDaysAgo(days int) ticket.Fields {
	return ticket.Fields{"bought": time.Now().Add(-time.Duration(days) * day)}
}
