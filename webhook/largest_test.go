package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/limits"
	"github.com/ticketkit/ticket/memstore"
)

// handing is a transport that passes requests to a receiver.
type handing struct {
	to      http.Handler
	longest int64
}

func (h *handing) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.longest = max(h.longest, int64(len(body)))
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	h.to.ServeHTTP(w, r)
	return w.Result(), nil
}

// A receiver with the default limits accepts everything that a desk with the default
// limits accepts, even if escaping makes its JSON longer.
func TestTheLargestTicketArrives(t *testing.T) {
	fill := func(n int, with string) string { return strings.Repeat(with, n/len(with)) }
	const wide = "<" // six bytes in JSON
	draft := ticket.Draft{Subject: fill(limits.Subject, wide), Message: ticket.Message(fill(limits.Message, "\x01")), Fields: ticket.Fields{}}
	person := func(i int) ticket.Person {
		return ticket.Person{ID: fmt.Sprint(i, fill(limits.Name-4, wide)), Name: fill(limits.Name, wide), Phone: fill(limits.Name, wide), Organisation: fill(limits.Name, wide),
			Email: fmt.Sprintf("%d%s@example.org", i, fill(limits.Email-20, "&"))}
	}
	draft.Requester = person(0)
	for i := range limits.Followers {
		draft.Followers = append(draft.Followers, person(1000+i))
	}
	for i := range limits.Tags {
		draft.Tags = append(draft.Tags, fmt.Sprint(i, fill(limits.Name-4, wide)))
	}
	for i := range limits.Fields {
		draft.Fields[fmt.Sprint(i, fill(limits.Name-4, wide))] = fill(limits.FieldValue, wide)
	}
	for i := range limits.Attachments {
		draft.Attachments = append(draft.Attachments, ticket.Attachment{Name: fmt.Sprint(i, fill(250, "&")), MediaType: "image/png", Size: 1, Ref: fill(limits.Ref, wide)})
	}
	var taken []ticket.Kind
	transport := &handing{to: Receiver{Secrets: []string{specSecret}, Handle: func(_ context.Context, p Payload) error {
		taken = append(taken, p.Data.Kind)
		return nil
	}}}
	hook, err := New(Config{URL: "https://hooks.example.org/", Secrets: []string{specSecret}, Transport: transport})
	require.NoError(t, err)
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler),
		Notifiers: map[string]ticket.Notifier{"crm": hook}, EventNotifiers: []string{"crm"}})
	require.NoError(t, err)
	_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), draft)
	require.NoError(t, err)
	sum, err := desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1}, sum)
	require.Equal(t, []ticket.Kind{ticket.KindEvent}, taken)
	require.Greater(t, transport.longest, int64(5<<20))
}
