package report_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/report"
	"github.com/ticketkit/ticket/tickettest"
)

// at reads a time of March 2026, such as "02 09:30", in UTC.
func at(s string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", "2026-03-"+s)
	if err != nil {
		panic(err)
	}
	return at
}

var march = report.Config{
	From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	To:   time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
	Now:  time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
}

// An edit changes an event.
type edit = func(e *ticket.Event)

// made counts histories.
var made uint32

// history returns the history of a new ticket, one event for each edit. An event has the
// state of the one before it.
func history(edits ...edit) []ticket.Event {
	made++
	id := ticket.ID{14: byte(made >> 8), 15: byte(made)}
	var list []ticket.Event
	last := ticket.Event{To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived}
	for i, f := range edits {
		e := ticket.Event{Ticket: id, Seq: int64(i) + 1, At: last.At, From: last.To, To: last.To, Phase: last.Phase}
		f(&e)
		list = append(list, e)
		last = e
	}
	return list
}

func event(when string, status ticket.Status, more ...edit) edit {
	return func(e *ticket.Event) {
		e.At, e.To.Status = at(when), status
		e.By = ticket.By{Role: ticket.RoleAgent, ID: "lin"}
		e.Phase = map[ticket.Status]ticket.Phase{
			ticket.StatusNew: ticket.PhaseReceived, ticket.StatusQueued: ticket.PhaseInProgress, ticket.StatusOpen: ticket.PhaseInProgress,
			ticket.StatusWaiting: ticket.PhaseYourTurn, ticket.StatusOnHold: ticket.PhaseInProgress, ticket.StatusResolved: ticket.PhaseSolved,
			ticket.StatusClosed: ticket.PhaseClosed, ticket.StatusCancelled: ticket.PhaseClosed,
		}[status]
		for _, f := range more {
			f(e)
		}
	}
}

func opened(when string, more ...edit) edit { return event(when, ticket.StatusNew, more...) }

func answer(e *ticket.Event)    { e.Answer, e.Message = true, "answer" }
func automatic(e *ticket.Event) { e.Automatic = true }
func words(e *ticket.Event) {
	e.By, e.Message = ticket.By{Role: ticket.RoleRequester}, "question"
}
func by(agent string) edit   { return func(e *ticket.Event) { e.By.ID = agent } }
func level(n int) edit       { return func(e *ticket.Event) { e.To.Level = n } }
func queue(name string) edit { return func(e *ticket.Event) { e.Set.Queue = &name } }
func act(a ticket.ActionName) edit {
	return func(e *ticket.Event) { e.Action = a }
}
func mergedInto(id byte) edit {
	return func(e *ticket.Event) { e.Set.MergedInto = &ticket.ID{0: id} }
}
func clocks(list ...ticket.Clock) edit { return func(e *ticket.Event) { e.Set.Clocks = list } }

// reportOn returns a report of histories.
func reportOn(t *testing.T, cfg report.Config, histories ...[]ticket.Event) *report.Report {
	t.Helper()
	r, err := report.New(cfg)
	require.NoError(t, err)
	for _, h := range histories {
		require.NoError(t, r.Add(h))
	}
	return r
}

// rows returns the rows of a table, each as one text.
func rows(t *testing.T, r *report.Report, name string) []string {
	t.Helper()
	table, ok := r.Table(name)
	require.True(t, ok, name)
	return texts(table)
}

func texts(table report.Table) (list []string) {
	for _, row := range table.Rows {
		text := ""
		for i, v := range row {
			if i > 0 {
				text += " | "
			}
			text += v.String()
		}
		list = append(list, text)
	}
	return list
}

func asJSON(t *testing.T, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	return b.String()
}

// A day has 24 hours, and is open from 9 to 17 o'clock UTC, weekends included.
type officeHours struct{}

func (officeHours) Name() string { return "office" }

func (officeHours) Between(from, to time.Time) (open time.Duration) {
	for day := from.Truncate(24 * time.Hour); day.Before(to); day = day.Add(24 * time.Hour) {
		a, b := day.Add(9*time.Hour), day.Add(17*time.Hour)
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		open += max(0, b.Sub(a))
	}
	return open
}

// randomDesk acts at random on a desk and returns all histories, in the order of IDs.
func randomDesk(t *testing.T, seed uint64, steps int) [][]ticket.Event {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	clock := tickettest.NewClock()
	clock.Set(time.Date(2026, 2, 20, 8, 0, 0, 0, time.UTC))
	store := memstore.New()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.Silent = true
	desk, err := ticket.NewDesk(store, cfg)
	require.NoError(t, err)
	ctx := t.Context()
	customer := func(i int) ticket.Person {
		return ticket.Person{ID: fmt.Sprintf("c%d", i), Name: "Ada", Organisation: "mill"}
	}
	agents := []ticket.Actor{ticket.Agent("lin", 1, 2, 3), ticket.Agent("max", 1, 2, 3), ticket.Agent("eve", 1, 2, 3)}
	var ids []ticket.ID
	pick := func() ticket.ID { return ids[random.IntN(len(ids))] }
	refused := 0
	for range steps {
		clock.Advance(time.Duration(random.Int64N(int64(100 * time.Minute))))
		agent := agents[random.IntN(len(agents))]
		var err error
		if len(ids) == 0 || random.IntN(8) == 0 {
			d := ticket.Draft{Requester: customer(random.IntN(3)), Subject: "s", Message: "m", Queue: []string{"", "billing", "technik"}[random.IntN(3)]}
			if random.IntN(6) == 0 {
				d.Solution = "solved at once"
			}
			var opened ticket.Ticket
			if opened, err = desk.Open(ctx, agent, d); err == nil {
				ids = append(ids, opened.ID)
			}
			require.NoError(t, err)
			continue
		}
		id := pick()
		person := ticket.Requester(customer(random.IntN(3)))
		actor := agent
		var action ticket.Action
		switch random.IntN(20) {
		case 0, 1:
			action = ticket.Action{Name: ticket.ActionTake}
		case 2, 3:
			action = ticket.Action{Name: ticket.ActionReply, Message: "answer", Automatic: random.IntN(4) == 0}
		case 4:
			action = ticket.Action{Name: ticket.ActionAsk, Message: "question"}
		case 5:
			action = ticket.Action{Name: ticket.ActionHold, Reason: "vendor"}
		case 6:
			action = ticket.Action{Name: ticket.ActionResume}
		case 7:
			action = ticket.Action{Name: ticket.ActionEscalate, Note: "n", Queue: "technik"}
		case 8:
			action = ticket.Action{Name: ticket.ActionHandBack, Note: "n"}
		case 9:
			action = ticket.Action{Name: ticket.ActionHandOver, Queue: "billing"}
		case 10, 11:
			action = ticket.Action{Name: ticket.ActionResolve, Message: "solution"}
		case 12:
			action = ticket.Action{Name: ticket.ActionReopen, Note: "n"}
		case 13:
			action = ticket.Action{Name: ticket.ActionCancel, Reason: "r"}
		case 14:
			action = ticket.Action{Name: ticket.ActionMerge, Ticket: pick()}
		case 15:
			action = ticket.Action{Name: ticket.ActionUnmerge}
		case 16:
			action = ticket.Action{Name: ticket.ActionAmend, Note: "n", Status: []ticket.Status{ticket.StatusResolved, ticket.StatusClosed, ticket.StatusCancelled}[random.IntN(3)]}
		default:
			actor, action = person, ticket.Action{Name: ticket.ActionReply, Message: "words", Automatic: random.IntN(5) == 0}
			if random.IntN(5) == 0 {
				action = ticket.Action{Name: ticket.ActionConfirm}
			}
		}
		if _, err = desk.Do(ctx, actor, id, action); err != nil {
			refused++
		}
		if random.IntN(5) == 0 {
			_, err = desk.FireTimers(ctx)
			require.NoError(t, err)
		}
	}
	require.Less(t, refused, steps*9/10, "most actions were refused")
	var all [][]ticket.Event
	for h, err := range desk.Histories(context.WithoutCancel(ctx), ticket.System("report"), ticket.ID{}) {
		require.NoError(t, err)
		all = append(all, h)
	}
	return all
}
