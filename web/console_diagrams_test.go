package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
)

func agreement(t *testing.T) *sla.Agreement {
	t.Helper()
	a, err := sla.Spec{
		Name: "contracts", Version: 3,
		Calendars: []businesshours.Spec{{Name: "office", Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Week{Monday: []businesshours.Span{"09:00-17:00"}, Tuesday: []businesshours.Span{"09:00-17:00"}}}}},
		Policies: []sla.Policy{
			{Name: "gold", When: sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh}, Queue: []string{"hardware"}}, Targets: []sla.Target{{
				Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
				Pause: []sla.Pause{{Status: ticket.StatusOnHold, Reasons: []string{"vendor"}}},
				Thresholds: []sla.Threshold{
					{Share: 50, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}}},
					{Before: 30 * time.Minute, Do: []sla.Reaction{{HandOver: "night"}}},
					{Share: 100, Do: []sla.Reaction{{Escalate: true}, {Tag: "late"}}},
					{After: time.Hour, Do: []sla.Reaction{{Raise: ticket.GradeCritical}}},
				},
			}}},
			{Name: "everybody", Targets: []sla.Target{{Metric: sla.MetricSolution, Within: 40 * time.Hour, Restart: true}}},
		},
	}.Compile()
	require.NoError(t, err)
	return a
}

func TestTheWorkflowIsDrawn(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	c := newConsole(t, desk, nil)
	body := get(c, "/workflow").Body.String()
	drawing := between(body, "<svg", "</svg>")
	spec := ticket.DefaultWorkflow()
	for _, s := range spec.Statuses {
		require.Contains(t, drawing, ">"+string(s.Name)+"<")
	}
	// Every transition is drawn or stays at its status, and is a row of the table.
	require.Equal(t, len(spec.Transitions), strings.Count(between(body, `<table class="list steps rules">`, "</table>"), "<tr>")-1)
	require.Contains(t, drawing, ">unmerge<")
	require.Contains(t, drawing, "any open: ask")
	require.Contains(t, body, "resolved: close after 7 d")
	require.Contains(t, body, "within 14 d, then a follow-up ticket")
	require.NotContains(t, body, `href="policies"`)
	german := get(c, "/workflow?lang=de").Body.String()
	require.Contains(t, german, ">gelöst<")
	require.NotContains(t, german, "figures.")
}

// What a drawing shows is what the workflow allows: every way from one status to another is an
// arrow with the action as its label, or a line of the box that it leads to.
func TestTheDrawingHasEveryWay(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	p := c.site.example("en")
	spec := ticket.DefaultWorkflow()
	drawing := p.states(&spec)
	index := map[ticket.Status]int{}
	for i, s := range spec.Statuses {
		index[s.Name] = i
	}
	for i := range spec.Transitions {
		tr := &spec.Transitions[i]
		for _, from := range tr.From {
			if tr.To == "" || tr.To == from {
				continue
			}
			found := false
			for _, a := range drawing.Arrows {
				for _, l := range a.Labels {
					found = found || a.From == index[from] && a.To == index[tr.To] && strings.HasPrefix(l, string(tr.Action))
				}
			}
			group := "any open: "
			if spec.Statuses[index[from]].Phase.Done() {
				group = "any finished: "
			}
			for _, line := range drawing.Boxes[index[tr.To]].Lines {
				found = found || strings.HasPrefix(line, group) && strings.Contains(line, string(tr.Action))
			}
			require.True(t, found, "%s from %s to %s", tr.Action, from, tr.To)
		}
	}
}

func TestWorkflowsAndVersions(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	one := spec.MustCompile(nil)
	spec.Version = 2
	two := spec.MustCompile(nil)
	small := ticket.WorkflowSpec{Name: "small", Version: 1, Levels: 1, Initial: "a", Statuses: []ticket.StatusSpec{{Name: "a", Phase: ticket.PhaseReceived}, {Name: "end", Phase: ticket.PhaseClosed, Final: true}},
		Transitions: []ticket.Transition{{Action: "end", From: []ticket.Status{"a"}, To: "end"}}}
	c := newConsole(t, newDesk(t, ticket.Config{Workflows: []*ticket.Workflow{one, two, small.MustCompile(nil)}}), nil)
	require.Contains(t, get(c, "/workflow").Body.String(), "<h1>support, version 2</h1>")
	require.Contains(t, get(c, "/workflow?name=support&version=1").Body.String(), "<h1>support, version 1</h1>")
	body := get(c, "/workflow?name=small").Body.String()
	require.Contains(t, body, "<h1>small, version 1</h1>")
	require.Contains(t, body, ">end<")
	require.Equal(t, http.StatusNotFound, get(c, "/workflow?name=other").Code)
	require.Equal(t, http.StatusNotFound, get(c, "/workflow?name=support&version=3").Code)
}

func TestPoliciesAreDrawn(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), func(cfg *ConsoleConfig) { cfg.Policies = agreement(t) })
	body := get(c, "/policies").Body.String()
	for _, want := range []string{
		"contracts, version 3", "priority high; queue hardware", "within 2 h", "hours of office", "paused: on hold (vendor)",
		"after 50 %: tell assignee", "30 min before due: hand over to night", "due: escalate, add tag late", "1 h after due: raise the priority to critical",
		"For every ticket", "within 40 h", "reopening starts again", "round the clock",
	} {
		require.Contains(t, body, want)
	}
	require.Contains(t, get(c, "/workflow").Body.String(), `href="policies"`)
	require.NotContains(t, get(c, "/policies?lang=de").Body.String(), "figures.")
	require.Equal(t, http.StatusNotFound, get(newConsole(t, newDesk(t, ticket.Config{}), nil), "/policies").Code)

	_, err := NewConsole(newDesk(t, ticket.Config{}), ConsoleConfig{Look: testLook(), Actor: as(ticket.Agent("lin", 1)), Policies: brokenJSON{}})
	require.ErrorContains(t, err, "ConsoleConfig.Policies")
}

type brokenJSON struct{}

func (brokenJSON) MarshalJSON() ([]byte, error) { return []byte(`{"policies": 1}`), nil }

func TestAClockIsExplained(t *testing.T) {
	a, now := agreement(t), newClock(noon)
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Now: now.now, ServiceLevels: a})
	require.NoError(t, err)
	lin := ticket.Agent("lin", 1)
	tk, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: "ada"}), ticket.Draft{Subject: "a <b>", Message: "m", Queue: "hardware", Priority: ticket.GradeHigh})
	require.NoError(t, err)
	now.set(noon.Add(30 * time.Minute))
	_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"})
	require.NoError(t, err)
	now.set(noon.Add(50 * time.Minute))
	_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResume})
	require.NoError(t, err)
	now.set(noon.Add(time.Hour))
	console := func(a2 ticket.Actor) *Console {
		return newConsole(t, desk, func(cfg *ConsoleConfig) {
			cfg.Now, cfg.Actor = now.now, as(a2)
			cfg.Explain = func(ctx context.Context, by ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error) {
				return a.ExplainTicket(ctx, desk, by, id, sla.Metric(metric), at)
			}
		})
	}
	c := console(lin)
	w := get(c, "/tickets/"+string(tk.Number)+"/clocks/first%20answer")
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.NotContains(t, body, "<title>closed</title>", "the office was open all the time")
	for _, want := range []string{"Within 2 h, hours of office, by policy gold.", "40 min", "1 h 20 min", "14:20", "paused: on hold (vendor)", "started: 2 h by policy gold", "a &lt;b&gt;", `class="plot timeline"`} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, get(c, "/tickets/"+string(tk.Number)+"/clocks/first%20answer?lang=de").Body.String(), "figures.")
	require.Equal(t, http.StatusNotFound, get(c, "/tickets/"+string(tk.Number)+"/clocks/solution").Code, "no such promise")
	require.Equal(t, http.StatusNotFound, get(c, "/tickets/0000-0000-0/clocks/first%20answer").Code)
	other := ticket.Agent("max", 1)
	other.Queues = []string{"billing"}
	require.Equal(t, http.StatusNotFound, get(console(other), "/tickets/"+string(tk.Number)+"/clocks/first%20answer").Code)
	now.set(noon.Add(24 * time.Hour))
	body = get(c, "/tickets/"+string(tk.Number)+"/clocks/first%20answer").Body.String()
	require.Contains(t, body, "<title>closed</title>", "the night does not count")
	require.Contains(t, body, `<span class="chip bad">late</span>`)
	plain := get(newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Now = now.now }), "/tickets/"+string(tk.Number)+"/clocks/first%20answer")
	require.Equal(t, http.StatusOK, plain.Code, "nobody explains: it has its history")
	require.NotContains(t, plain.Body.String(), "plot")
}
