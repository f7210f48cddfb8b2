package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var errNotYet = errors.New("not written yet")

// lacking is a store with some methods that are not written yet.
func lacking(missing func(method string) bool) *faulty {
	f := &faulty{Store: memstore.New()}
	if missing("Commit") {
		f.commit = func(context.Context, ticket.Commit) error { return errNotYet }
	}
	if missing("Ticket") {
		f.ticket = func(context.Context, string, ticket.ID) (ticket.Ticket, error) { return ticket.Ticket{}, errNotYet }
	}
	if missing("Lookup") {
		f.lookup = func(context.Context, string, ticket.Number) (ticket.Ticket, error) { return ticket.Ticket{}, errNotYet }
	}
	if missing("Receipt") {
		f.receipt = func(context.Context, string, string) (ticket.Receipt, error) { return ticket.Receipt{}, errNotYet }
	}
	if missing("Events") {
		f.events = func(context.Context, string, ticket.ID, int64, int) ([]ticket.Event, error) { return nil, errNotYet }
	}
	if missing("List") {
		f.list = func(context.Context, ticket.Query) (ticket.Page, error) { return ticket.Page{}, errNotYet }
	}
	if missing("Due") {
		f.due = func(context.Context, time.Time, int) ([]ticket.Ref, error) { return nil, errNotYet }
	}
	if missing("Claim") {
		f.claim = func(context.Context, ticket.ClaimRequest) ([]ticket.Delivery, error) { return nil, errNotYet }
	}
	if missing("Settle") {
		f.settle = func(context.Context, []ticket.Settlement) error { return errNotYet }
	}
	if missing("Deliveries") {
		f.deliveries = func(context.Context, ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			return ticket.DeliveryPage{}, errNotYet
		}
	}
	if missing("UpdateDeliveries") {
		f.update = func(context.Context, ticket.DeliveryUpdate) (int, error) { return 0, errNotYet }
	}
	return f
}

// storeMethods are the mandatory methods, in the recommended order of writing them.
var storeMethods = []string{"Commit", "Ticket", "Events", "Lookup", "Receipt", "List", "Claim", "Deliveries", "Settle", "UpdateDeliveries", "Due"}

// TestFailureNamesTheMethod has one method after the other fail.
func TestFailureNamesTheMethod(t *testing.T) {
	for _, method := range storeMethods {
		for _, r := range rules() {
			message := proveOn(t.Context(), r, lacking(func(m string) bool { return m == method }))
			if message != "" && !strings.Contains(strings.TrimPrefix(message, r.says), method) {
				t.Errorf("%s failed does not say so in %s: %s", method, r.name, message)
			}
		}
	}
}

// TestFailureIsOfItsSubject expects a failing Due to fail only the cases about it and
// the case about all methods.
func TestFailureIsOfItsSubject(t *testing.T) {
	for _, r := range rules() {
		own := strings.HasPrefix(r.name, "Due/") || slices.Contains([]string{"Ages/due", "Many/due", "Values/years due", "Context/cancelled"}, r.name)
		message := proveOn(t.Context(), r, lacking(func(m string) bool { return m == "Due" }))
		if (message != "") != own {
			t.Errorf("%s, on a store whose Due fails: %s", r.name, message)
		}
	}
}

// TestEndlessClaims runs the cases on a store that returns the same deliveries forever.
// The cases must fail and end.
func TestEndlessClaims(t *testing.T) {
	for _, r := range rules() {
		f := &faulty{Store: memstore.New()}
		f.claim = func(ctx context.Context, q ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if err := errors.Join(ctx.Err(), q.Check()); err != nil {
				return nil, err
			}
			page, err := f.Store.Deliveries(ctx, ticket.DeliveryQuery{Tenant: acme, Limit: min(q.Limit, ticket.MaxLimit)})
			for i := range page.Deliveries {
				page.Deliveries[i].State, page.Deliveries[i].Attempts = ticket.DeliveryClaimed, 1
			}
			return page.Deliveries, err
		}
		f.settle = func(context.Context, []ticket.Settlement) error { return nil }
		message := proveOn(t.Context(), r, f)
		if r.name == "Concurrency/claim" && message == "" {
			t.Errorf("%s passes", r.name)
		}
	}
}
