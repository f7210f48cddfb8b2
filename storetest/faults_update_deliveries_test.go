package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// reviving returns a fault in the rule for which deliveries an update changes.
func reviving(updates func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) { n.updates = updates }, "UpdateDeliveries")
}

// rewritten returns a fault in a delivery after an update.
func rewritten(updated func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate)) func(*faulty) {
	return naively(func(n *naive) { n.updated = updated }, "UpdateDeliveries")
}

// updating returns a fault in the request or the result of UpdateDeliveries.
func updating(ask func(r *ticket.DeliveryUpdate), count func(r ticket.DeliveryUpdate, n int) int) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.update = func(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
			if ask != nil {
				ask(&r)
			}
			n, err := s.UpdateDeliveries(ctx, r)
			if count != nil && err == nil {
				n = count(r, n)
			}
			return n, err
		}
	}
}

var updateFaults = []fault{
	{"updates claimed ones", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || d.State == ticket.DeliveryClaimed)
	})},
	{"updates pending ones", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || d.State == ticket.DeliveryPending)
	})},
	{"updates all settled ones", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && d.State.Settled()
	})},
	{"updates dead ones without From", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || len(r.From) == 0 && d.State == ticket.DeliveryDead)
	})},
	{"updates one of two states", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && slices.Contains(r.From, d.State) && (len(r.From) != 2 || r.From[0] == d.State)
	})},
	{"trims the error of an update", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		d.LastError = strings.TrimSpace(r.Error)
	})},
	{"keeps the old due time", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Due = was.Due
		}
	})},
	{"keeps the failures of an updated one", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.Failures = was.Failures })},
	{"keeps Settled of an updated one", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Settled = was.Settled
		}
	})},
	{"makes updated ones due when they were created", "UpdateDeliveries/pending", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Created = r.At
		}
	})},
	{"does not store when it bounced", "UpdateDeliveries/bounced", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Settled = was.Settled
		}
	})},
	{"loses the failures of bounced ones", "UpdateDeliveries/bounced", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Failures = 0
		}
	})},
	{"takes what came back for what bounced", "UpdateDeliveries/undelivered", updating(func(r *ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryUndelivered {
			r.To = ticket.DeliveryBounced
		}
	}, nil)},
	{"does not store when it came back", "UpdateDeliveries/undelivered", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryUndelivered {
			d.Settled = was.Settled
		}
	})},
	{"does not take back what came back", "UpdateDeliveries/undelivered", updating(func(r *ticket.DeliveryUpdate) {
		r.From = slices.DeleteFunc(slices.Clone(r.From), func(s ticket.DeliveryState) bool { return s == ticket.DeliveryUndelivered })
	}, nil)},
	{"resets the attempts of an updated one", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Attempts = 0
		}
	})},
	{"counts an update as an attempt", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Attempts++
		}
	})},
	{"loses the address of an updated one", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.Address = "" })},
	{"keeps the old error of an updated one", "UpdateDeliveries/kept", rewritten(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.LastError = was.LastError })},
	{"keeps the old error if there is no new one", "UpdateDeliveries/kept", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.Error == "" {
			d.LastError = was.LastError
		}
	})},
	{"returns the number of IDs", "UpdateDeliveries/how many", updating(nil, func(r ticket.DeliveryUpdate, n int) int {
		if r.Tenant != acme {
			return n
		}
		return len(r.IDs)
	})},
	{"returns only whether any was updated", "UpdateDeliveries/how many", updating(nil, func(ticket.DeliveryUpdate, int) int { return 1 })},
	{"updates under any tenant", "UpdateDeliveries/tenants", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool { return slices.Contains(r.From, d.State) })},
	{"takes the empty tenant of an update for any", "UpdateDeliveries/tenants", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return (d.Tenant == r.Tenant || r.Tenant == "") && slices.Contains(r.From, d.State)
	})},
	{"takes no To for pending", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) {
		if r.To == "" {
			r.To = ticket.DeliveryPending
		}
	}, nil)},
	{"updates at any time", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) {
		if r.At.IsZero() {
			r.At = clock.Add(time.Hour)
		}
	}, nil)},
	{"updates any number of IDs", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) { r.IDs = r.IDs[:min(len(r.IDs), 1000)] }, nil)},
}
