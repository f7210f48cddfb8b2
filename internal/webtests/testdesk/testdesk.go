// Package testdesk makes a desk in memory, and knows who uses it.
package testdesk

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
)

// The customers of the desk.
var (
	Ada   = ticket.Person{ID: "c-1", Name: "Ada", Email: "ada@example.com", Organisation: "mills", Locale: "en", Zone: "Europe/Berlin"}
	Grace = ticket.Person{ID: "c-2", Name: "Grace", Email: "grace@example.com", Organisation: "mills"}
)

// New returns a desk in memory with everything that a desk can have, and sends nothing.
func New(t testing.TB) *ticket.Desk {
	t.Helper()
	agreement, err := sla.Spec{
		Name: "test", Version: 1,
		Calendars: []businesshours.Spec{{Name: "office", Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")}}},
		Policies: []sla.Policy{{Name: "everybody", Targets: []sla.Target{
			{Metric: sla.MetricFirstAnswer, Within: time.Hour}, {Metric: sla.MetricSolution, Within: 20 * time.Hour, Calendar: "office"},
		}}},
	}.Compile()
	require.NoError(t, err)
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Files: files.NewMemory(), ServiceLevels: agreement, Feedback: ticket.Feedback{After: time.Hour},
		StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 32)}}},
	})
	require.NoError(t, err)
	return desk
}

// As returns a function that lets a request be made by somebody whom ActorOf knows.
func As(who string) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("X-Test-Actor", who)
		return nil
	}
}

// ActorOf reads who makes a request from a header, for tests.
func ActorOf(r *http.Request) (ticket.Actor, error) {
	switch who := cmp.Or(r.Header.Get("X-Test-Actor"), "lin"); who {
	case "lin":
		return ticket.Agent("lin", 1, 2, 3), nil
	case "sam":
		return ticket.Agent("sam", 1), nil
	case "ada":
		return ticket.Requester(Ada), nil
	case "grace":
		return ticket.Requester(Grace), nil
	case "system":
		return ticket.System("test"), nil
	case "nobody":
		return ticket.Actor{}, errors.New("nobody")
	default:
		return ticket.StatusLinkHolder(who), nil
	}
}
