package rest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

// The document says which conditions of lists are for agents and systems: customers get 422.
func TestConditionsForAgentsAreNamed(t *testing.T) {
	data, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	var doc struct {
		Components struct {
			Parameters map[string]struct{ Name, Description string }
		}
	}
	require.NoError(t, json.Unmarshal(data, &doc))
	w := newWorld(t)
	conditions := map[string]string{
		"status": "new", "phase": "received", "level": "1", "queue": "hardware", "assignee": "lin", "priority": "high", "channel": "web",
		"tag": "print", "fields": `{"a":1}`, "requester_id": "ada", "requester_email": "ada%40example.org", "participant_id": "ada",
		"not_merged": "true", "not_snoozed": "true", "stage": "archived", "known": "true", "solved_by": "01KE80FAR0000000000000ZZZZ",
		"metric": "solution", "missed": "true", "created_from": "2026-01-05T09:00:00Z", "created_before": "2026-01-05T09:00:00Z",
		"touched_from": "2026-01-05T09:00:00Z", "touched_before": "2026-01-05T09:00:00Z", "due_before": "2026-01-05T09:00:00Z",
	}
	for name, value := range conditions {
		require.Equal(t, 200, w.send(t, "lin", "GET", "tickets?"+name+"="+value, "").StatusCode, name)
		want := 200
		if strings.Contains(doc.Components.Parameters["q_"+name].Description, "For agents and systems.") {
			want = 422
		}
		assert.Equal(t, want, w.send(t, "ada", "GET", "tickets?"+name+"="+value, "").StatusCode, name)
	}
}

// A customer lists the tickets of their organisation where the policy of the desk says so.
func TestOrganisationIsForItsCustomers(t *testing.T) {
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	cfg.Policy = ticket.DefaultPolicy{Organisation: func(a ticket.Actor) bool { return a.Person.ID == "ada" }}
	desk := newDesk(t, memstore.New(), cfg)
	member := func(id string) ticket.Actor {
		return ticket.Requester(ticket.Person{ID: id, Email: id + "@example.org", Organisation: "mill"})
	}
	_, err := desk.Open(t.Context(), member("bob"), ticket.Draft{Subject: "Printer prints blank pages"})
	require.NoError(t, err)
	w := &world{handlers: map[string]*rest.Handler{"": newHandler(t, desk, rest.Config{Actor: func(r *http.Request) (ticket.Actor, error) {
		return member(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), nil
	}})}}
	for _, c := range []struct {
		as, query string
		status, n int
	}{
		{"ada", "", 200, 0}, {"ada", "?organisation=mill", 200, 1}, {"ada", "?organisation=dairy", 422, 0}, {"bob", "?organisation=mill", 422, 0},
	} {
		res := w.send(t, c.as, "GET", "tickets"+c.query, "")
		require.Equal(t, c.status, res.StatusCode, c)
		var page struct{ Tickets []any }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&page))
		require.Len(t, page.Tickets, c.n, c)
	}
}
