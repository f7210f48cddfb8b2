package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// reviving is a fault in which deliveries a revision changes.
func reviving(updates func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) { n.updates = updates }, "UpdateDeliveries")
}

// rewritten is a fault in what a delivery is after a revision.
func rewritten(updated func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate)) func(*faulty) {
	return naively(func(n *naive) { n.updated = updated }, "UpdateDeliveries")
}

// revising is a fault in what Revise returns, and in what it is asked.
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
	{"revives what is claimed", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || d.State == ticket.DeliveryClaimed)
	})},
	{"makes due what is pending", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || d.State == ticket.DeliveryPending)
	})},
	{"revives all that is settled", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && d.State.Settled()
	})},
	{"revives the dead where nothing is to be", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && (slices.Contains(r.From, d.State) || len(r.From) == 0 && d.State == ticket.DeliveryDead)
	})},
	{"revives one of two states", "UpdateDeliveries/from", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return d.Tenant == r.Tenant && slices.Contains(r.From, d.State) && (len(r.From) != 2 || r.From[0] == d.State)
	})},
	{"trims the words of a revision", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		d.LastError = strings.TrimSpace(r.Error)
	})},
	{"revives when it was due before", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Due = was.Due
		}
	})},
	{"revives with the failures", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.Failures = was.Failures })},
	{"revives what has ended", "UpdateDeliveries/pending", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Settled = was.Settled
		}
	})},
	{"revives when it was created", "UpdateDeliveries/pending", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Created = r.At
		}
	})},
	{"does not know when it bounced", "UpdateDeliveries/bounced", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Settled = was.Settled
		}
	})},
	{"forgets the failures of what bounced", "UpdateDeliveries/bounced", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Failures = 0
		}
	})},
	{"brings back attempts from the first", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryPending {
			d.Attempts = 0
		}
	})},
	{"counts a revision as an attempt", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.To == ticket.DeliveryBounced {
			d.Attempts++
		}
	})},
	{"forgets the address of what is revised", "UpdateDeliveries/kept", rewritten(func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.Address = "" })},
	{"keeps the error of what is revised", "UpdateDeliveries/kept", rewritten(func(was ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { d.LastError = was.LastError })},
	{"keeps the error where there is no other", "UpdateDeliveries/kept", rewritten(func(was ticket.Delivery, d *ticket.Delivery, r ticket.DeliveryUpdate) {
		if r.Error == "" {
			d.LastError = was.LastError
		}
	})},
	{"says how many were to be revised", "UpdateDeliveries/how many", updating(nil, func(r ticket.DeliveryUpdate, n int) int {
		if r.Tenant != acme {
			return n
		}
		return len(r.IDs)
	})},
	{"says only whether any was revised", "UpdateDeliveries/how many", updating(nil, func(ticket.DeliveryUpdate, int) int { return 1 })},
	{"revives under any tenant", "UpdateDeliveries/tenants", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool { return slices.Contains(r.From, d.State) })},
	{"takes the empty tenant for any when it revises", "UpdateDeliveries/tenants", reviving(func(r ticket.DeliveryUpdate, d *ticket.Delivery) bool {
		return (d.Tenant == r.Tenant || r.Tenant == "") && slices.Contains(r.From, d.State)
	})},
	{"revises to pending where nothing is said", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) {
		if r.To == "" {
			r.To = ticket.DeliveryPending
		}
	}, nil)},
	{"revises at any time", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) {
		if r.At.IsZero() {
			r.At = clock.Add(time.Hour)
		}
	}, nil)},
	{"revises as many as are named", "UpdateDeliveries/invalid", updating(func(r *ticket.DeliveryUpdate) { r.IDs = r.IDs[:min(len(r.IDs), 1000)] }, nil)},
}
