package web

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

func goldAgreement(t *testing.T) *sla.Agreement {
	t.Helper()
	a, err := sla.Spec{Name: "contracts", Version: 1, Policies: []sla.Policy{{Name: "gold", Targets: []sla.Target{
		{Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour},
		{Metric: sla.MetricSolution, Within: 48 * time.Hour, Pause: []sla.Pause{{Status: ticket.StatusWaiting}}},
	}}}}.Compile()
	require.NoError(t, err)
	return a
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// What is due is said in words, in the queues and on the page of the ticket, and is told from
// the events of the ticket.
func TestClocks(t *testing.T) {
	a := goldAgreement(t)
	b := newBench(t, func(cfg *ticket.Config) { cfg.ServiceLevels = a })
	early := b.open("early")
	b.wait(90 * time.Minute)
	late := b.open("late")
	page := b.page("/tickets/" + string(early.Number))
	for _, want := range []string{"Service level: gold", "First answer", "in 29 min", `class="warn"`, `class="bar warn"`, `<rect width="75"`, "clocks/first%20answer"} {
		has(t, page, want)
	}
	require.Equal(t, []string{"early", "late"}, subjects(b.page("/tickets?view=due&metric=first+answer")), "within four hours")
	has(t, b.page("/tickets?view=due"), "First answer")
	b.wait(time.Hour)
	require.Equal(t, []string{"early"}, subjects(b.page("/tickets?view=overdue")))
	require.Equal(t, []string{"late"}, subjects(b.page("/tickets?view=due")), "what is late is not due soon")
	has(t, b.page("/tickets?view=overdue"), "min late")
	require.Equal(t, []string{"early", "late"}, subjects(b.page("/tickets?view=open&order=due")))

	w := post(b, "/next", "text/plain", nil)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code, "a form has fields")
	b.do(agLin, early, ticket.Action{Name: ticket.ActionAsk, Message: "Which?"})
	_, err := b.desk.Do(t.Context(), ticket.Requester(custAda), early.ID, ticket.Action{Name: ticket.ActionReply, Message: "This one."})
	require.NoError(t, err)
	page = b.page("/tickets/" + string(early.Number))
	has(t, page, "missed, took 2 h")
	page = b.page("/tickets/" + string(early.Number) + "/clocks/solution")
	for _, want := range []string{
		"Solution: why it is due then", "Promised within 2 d of open time", "<b>Ada B.</b> started the clock (Open): 2 d by policy gold",
		"<b>lin</b> paused it: waiting", "<b>Ada B.</b> made it run again: open",
	} {
		has(t, page, want)
	}
	has(t, b.page("/tickets/"+string(early.Number)+"/clocks/first%20answer"), "ended it (Ask) too late, after 2 h")
	require.Equal(t, http.StatusNotFound, get(b, "/tickets/"+string(early.Number)+"/clocks/nothing").Code)
	has(t, b.page("/tickets/"+string(early.Number), header("Accept-Language", "de")), "verfehlt, dauerte 2 Std.")
	b.do(agLin, late, ticket.Action{Name: ticket.ActionAsk, Message: "Which?"})
	has(t, b.page("/tickets?view=waiting"), "paused")
}

// The bar of a clock moves on while it runs, and stands while it is paused.
func TestFilled(t *testing.T) {
	c := ticket.Clock{Within: 4 * time.Hour, State: "running", Since: noon, Counted: time.Hour, Due: noon.Add(3 * time.Hour)}
	for at, want := range map[time.Duration]int{-time.Hour: 25, 0: 25, 90 * time.Minute: 62, 3 * time.Hour: 100, 9 * time.Hour: 100} {
		assert.Equal(t, want, filled(&c, noon.Add(at)), at)
	}
	c.State, c.Due = "paused", time.Time{}
	assert.Equal(t, 25, filled(&c, noon.Add(9*time.Hour)))
	c.Within = 0
	assert.Equal(t, 100, filled(&c, noon))
}

// Where the application explains clocks, the page of a clock draws it.
func TestClocksLeadToTheirExplanation(t *testing.T) {
	a := goldAgreement(t)
	desk := newDesk(t, ticket.Config{ServiceLevels: a})
	c := newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Explain = func(ctx context.Context, actor ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error) {
			return a.ExplainTicket(ctx, desk, actor, id, sla.Metric(metric), at)
		}
	})
	was, err := desk.Open(t.Context(), ticket.Requester(custAda), ticket.Draft{Subject: "s", Message: "m"})
	require.NoError(t, err)
	page := get(c, "/tickets/"+string(was.Number)).Body.String()
	has(t, page, `href="../tickets/`+string(was.Number)+`/clocks/first%20answer"`)
	w := get(c, "/tickets/"+string(was.Number)+"/clocks/first%20answer")
	require.Equal(t, http.StatusOK, w.Code)
	has(t, w.Body.String(), "<svg class=\"plot")
}
