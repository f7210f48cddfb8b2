package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

const statusEstimated ticket.Status = "estimate sent"

// estimates is the default workflow with an estimate that the customer approves or declines.
func estimates(t *testing.T) []*ticket.Workflow {
	t.Helper()
	spec := ticket.DefaultWorkflow()
	spec.Name = "estimates"
	for i := range spec.Transitions {
		if from := &spec.Transitions[i].From; slices.Contains(*from, ticket.StatusWaiting) {
			*from = append(*from, statusEstimated)
		}
	}
	spec.Statuses = append(spec.Statuses, ticket.StatusSpec{Name: statusEstimated, Phase: ticket.PhaseYourTurn})
	sent := []ticket.Status{statusEstimated}
	spec.Transitions = append(spec.Transitions,
		ticket.Transition{Action: "send estimate", From: []ticket.Status{ticket.StatusNew, ticket.StatusOpen}, To: statusEstimated, Needs: ticket.Inputs{Message: true}},
		ticket.Transition{Action: "approve", From: sent, To: ticket.StatusOpen, By: ticket.RoleRequester},
		ticket.Transition{Action: "decline", From: sent, To: ticket.StatusCancelled, By: ticket.RoleRequester, Needs: ticket.Inputs{Message: true}},
		ticket.Transition{Action: "pass on", From: sent, To: ticket.StatusOpen, By: ticket.RoleRequester, Needs: ticket.Inputs{Queue: true}},
	)
	w, err := spec.Compile(nil)
	require.NoError(t, err)
	return []*ticket.Workflow{w}
}

var estimateTexts = map[string]map[string]string{
	"en": {"button.approve": "Yes, repair it", "done.approve": "We begin.", "own.opening": "Open {from} to {to}"},
	"de": {
		"status.estimate_sent": "Angebot verschickt", "button.send_estimate": "Angebot schicken", "did.send_estimate": "{who} hat ein Angebot geschickt",
		"button.approve": "Ja, reparieren", "own.opening": "Offen von {from} bis {to}",
	},
}

func TestCustomersDoTheActionsOfAWorkflowOfYourOwn(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, own *CustomerConfig) { cfg.Workflows, own.Texts = estimates(t), estimateTexts })
	w.actor = ada
	tk := w.open(ada, "Bicycle")
	at := "/tickets/" + string(tk.Number)
	assert.NotContains(t, w.get(at).Body.String(), `value="approve"`)
	w.do(lin, tk, ticket.Action{Name: "send estimate", Message: "It costs 80."})

	body := w.get(at).Body.String()
	assert.Contains(t, body, `name="action" value="approve">Yes, repair it</button>`)
	assert.Contains(t, body, `name="action" value="decline">decline</button>`)
	assert.NotContains(t, body, "pass on", "the form has no field for a queue")
	assert.Contains(t, w.get(at+"?lang=de").Body.String(), "Ja, reparieren")
	assert.NotContains(t, w.get(w.link(tk, everyScope)).Body.String(), `value="approve"`, "links have no such scope")

	form := valuesOf(body, url.Values{"version": {between(body, `name="version" value="`, `"`)}})
	send := func(action string) int {
		form.Set("action", action)
		return w.send(at, form).Code
	}
	assert.Equal(t, http.StatusBadRequest, send("pass on"))
	assert.Equal(t, http.StatusBadRequest, send("take"))
	r := w.send(at, url.Values{"action": {"decline"}, "key": {"k"}})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), "Write a message")

	w.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "No, it costs 90."})
	assert.Equal(t, http.StatusConflict, send("approve"), "it is another estimate")
	form.Set("version", between(w.get(at).Body.String(), `name="version" value="`, `"`))
	form.Set("action", "approve")
	assert.Contains(t, w.follow(at, w.send(at, form)).Body.String(), "We begin.")
	assert.Equal(t, ticket.StatusOpen, w.current(tk).Status)
	assert.Equal(t, http.StatusSeeOther, send("approve"), "the same form once more does nothing")
	form.Set("key", "another")
	assert.Equal(t, http.StatusConflict, send("approve"), "it is no longer possible")

	w.do(lin, tk, ticket.Action{Name: "send estimate", Message: "Now it costs 100."})
	r = w.follow(at, w.send(at, url.Values{"action": {"decline"}, "message": {"Too much."}, "key": {"third"}}))
	assert.Contains(t, r.Body.String(), "Thank you. That is done.")
	assert.Equal(t, ticket.StatusCancelled, w.current(tk).Status)
}

func TestTextsForAWorkflowOfYourOwn(t *testing.T) {
	desk := newDesk(t, ticket.Config{Workflows: estimates(t)})
	layout := fstest.MapFS{"layout.html": {Data: []byte(`<p>{{.T "own.opening" "from" 9 "to" 18}}</p>{{template "body" .}}`)}}
	c := newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Texts, cfg.Templates = estimateTexts, layout })
	tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "Bicycle", Message: "It squeaks."})
	require.NoError(t, err)
	at := "/tickets/" + string(tk.Number) + "?lang="
	has(t, get(c, at+"de").Body.String(), "Angebot schicken")
	_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: "send estimate", Message: "It costs 80."})
	require.NoError(t, err)
	german, english := get(c, at+"de").Body.String(), get(c, at+"en").Body.String()
	has(t, german, "Angebot verschickt")
	has(t, german, "</b> hat ein Angebot geschickt")
	has(t, german, "Offen von 9 bis 18")
	has(t, german, "auf Ebene 1 nicht möglich")
	hasNot(t, german, "not possible")
	has(t, english, "estimate sent")
	has(t, english, "</b>: send estimate")
	has(t, english, "not possible at level 1")

	for key, says := range map[string]string{
		"status.estimate": `no text has the key "status.estimate"`, "button.approved": "no text has the key", "opening": "no text has the key",
	} {
		for name, make := range map[string]func(Look) error{
			"customer": func(l Look) error { _, err := NewCustomer(desk, CustomerConfig{Look: l}); return err },
			"console":  func(l Look) error { _, err := NewConsole(desk, ConsoleConfig{Look: l, Actor: as(lin)}); return err },
		} {
			require.ErrorContains(t, make(Look{Texts: map[string]map[string]string{"en": {key: "x"}}}), says, name)
			require.NoError(t, make(Look{Texts: estimateTexts}), name)
		}
	}
	_, err = NewCustomer(desk, CustomerConfig{Look: Look{Texts: map[string]map[string]string{"en": {"button.approve": "{who}"}}}})
	require.ErrorContains(t, err, "no value for {who}")
}

func TestTheConsoleNamesAgents(t *testing.T) {
	b := newBench(t, nil)
	asked, down := 0, false
	c := newConsole(t, b.desk, func(cfg *ConsoleConfig) {
		cfg.Agents = func(context.Context, ticket.Actor) ([]ticket.Person, error) {
			if asked++; down {
				return nil, errors.New("the directory is down")
			}
			return []ticket.Person{{ID: "lin"}, {ID: "kim", Name: "Kim K."}}, nil
		}
	})
	tk := b.open("printer")
	b.do(agLin, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "kim"})
	at := "/tickets/" + string(tk.Number)
	page := get(c, at+"?do=assign").Body.String()
	has(t, page, `<span class="chip plain">Kim K.</span>`)
	has(t, page, "assigned to Kim K.")
	has(t, page, "<dd>Kim K.</dd>")
	has(t, page, `<option value="lin"></option><option value="kim">Kim K.</option>`)
	assert.Equal(t, 1, asked, "once for a page")
	has(t, get(c, "/tickets").Body.String(), ">Kim K.</span>")
	down = true
	has(t, get(c, at).Body.String(), `<span class="chip plain">kim</span>`)
}
