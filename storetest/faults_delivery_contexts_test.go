package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// contextsWith returns a fault in the arguments or the result of DeliveryContexts.
func contextsWith(ask func(r *contextsRequest), change func(r contextsRequest, b []ticket.DeliveryContext) []ticket.DeliveryContext) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.DeliveryLoader)
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			asked := r
			if ask != nil {
				ask(&asked)
			}
			b, err := s.DeliveryContexts(ctx, asked.rows, asked.since, asked.most)
			if change != nil && err == nil {
				b = change(r, b)
			}
			return b, err
		}
	}
}

// knowing returns a fault in one function of a naive outbox that DeliveryContexts uses.
func knowing(spoil func(n *naive)) func(*faulty) { return naively(spoil, "DeliveryContexts") }

// counted returns a fault in the deliveries that count as sent.
func counted(counts func(r contextsRequest, d, o *ticket.Delivery) bool) func(*faulty) {
	return knowing(func(n *naive) { n.counts = counts })
}

func preceding(previous func(d, o *ticket.Delivery) bool) func(*faulty) {
	return knowing(func(n *naive) { n.previous = previous })
}

func bouncing(bounced func(d, o *ticket.Delivery) bool) func(*faulty) {
	return knowing(func(n *naive) { n.bounced = bounced })
}

func sameKey(d, o *ticket.Delivery) bool { return d.To.Key() == o.To.Key() }

func isSent(r contextsRequest, o *ticket.Delivery) bool {
	return o.State == ticket.DeliverySent && !o.Settled.Before(r.since)
}

func isBounced(o *ticket.Delivery) bool { return o.State == ticket.DeliveryBounced }

var loaderFaults = []fault{
	{"returns contexts in the order of the tickets", "DeliveryContexts/found", contextsWith(nil, func(_ contextsRequest, b []ticket.DeliveryContext) []ticket.DeliveryContext {
		slices.SortStableFunc(b, func(a, b ticket.DeliveryContext) int { return a.Ticket.ID.Compare(b.Ticket.ID) })
		return b
	})},
	{"has the one before by its number as text", "DeliveryContexts/previous of many", func(f *faulty) {
		s := f.Store.(ticket.DeliveryLoader)
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			contexts, err := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i := range contexts {
				d := r.rows[i]
				page, err := f.Store.Deliveries(ctx, ticket.DeliveryQuery{
					Tenant: d.Tenant, Ticket: d.Ticket, Notifiers: []string{d.Notifier}, To: d.To, State: []ticket.DeliveryState{ticket.DeliverySent},
				})
				last := ""
				for _, o := range page.Deliveries {
					if n := fmt.Sprint(o.Seq); err == nil && o.Seq < d.Seq && n > last {
						last, contexts[i].Previous = n, o.ID
					}
				}
			}
			return contexts, err
		}
	}},
	{"has one before that was sent and then redriven", "DeliveryContexts/previous redriven", func(f *faulty) {
		var sent register
		naively(func(n *naive) {
			n.settled = func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.Settlement) bool {
				if d.State == ticket.DeliverySent {
					sent.put(d.ID, true)
				}
				return true
			}
			n.previous = func(d, o *ticket.Delivery) bool {
				_, was := sent.get(o.ID)
				return o.Before(d) && o.Seq < d.Seq && was
			}
		}, "DeliveryContexts", "Settle")(f)
	}},
	{"caches the tickets of contexts", "DeliveryContexts/copies", func(f *faulty) {
		s, cache := f.Store.(ticket.DeliveryLoader), &register{}
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			contexts, err := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i, b := range contexts {
				key := atVersion{b.Ticket.ID, b.Ticket.Version}
				if old, ok := cache.get(key); ok {
					contexts[i].Ticket = old.(ticket.Ticket)
				} else {
					cache.put(key, b.Ticket)
				}
			}
			return contexts, err
		}
	}},
	{"finds bounces of any notifier", "DeliveryContexts/notifiers", bouncing(func(d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && isBounced(o) && d.To.Key() == o.Key()
	})},
	{"finds every ticket", "DeliveryContexts/found", contextsWith(nil, func(_ contextsRequest, b []ticket.DeliveryContext) []ticket.DeliveryContext {
		for i := range b {
			b[i].Found = true
		}
		return b
	})},
	{"finds tickets without the event", "DeliveryContexts/found", func(f *faulty) {
		s := f.Store
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			b, err := s.(ticket.DeliveryLoader).DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i := range b {
				_, missing := s.Ticket(ctx, r.rows[i].Tenant, r.rows[i].Ticket)
				b[i].Found = missing == nil
			}
			return b, err
		}
	}},
	{"returns the last event", "DeliveryContexts/found", contextsWith(nil, func(_ contextsRequest, b []ticket.DeliveryContext) []ticket.DeliveryContext {
		last := map[ticket.ID]ticket.Event{}
		for i := range b {
			if b[i].Event.Seq > last[b[i].Ticket.ID].Seq {
				last[b[i].Ticket.ID] = b[i].Event
			}
		}
		for i := range b {
			b[i].Event = last[b[i].Ticket.ID]
		}
		return b
	})},
	{"returns the ticket at the event's version", "DeliveryContexts/found", contextsWith(nil, func(_ contextsRequest, b []ticket.DeliveryContext) []ticket.DeliveryContext {
		for i := range b {
			if b[i].Found {
				b[i].Ticket.Version = b[i].Event.Seq
			}
		}
		return b
	})},
	{"has the one before by its ID", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return sameLine(d, o) && o.ID.Compare(d.ID) < 0 && o.State == ticket.DeliverySent
	})},
	{"has one of the same event before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return o.Before(d) && o.State == ticket.DeliverySent
	})},
	{"has one that was not sent before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return o.Before(d) && o.Seq < d.Seq && o.State.Settled()
	})},
	{"has one that was given up before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return o.Before(d) && o.Seq < d.Seq && (o.State == ticket.DeliverySent || o.State == ticket.DeliveryDead)
	})},
	{"has one of another ticket before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && o.Seq < d.Seq && o.State == ticket.DeliverySent
	})},
	{"has one to another before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return d.Ticket == o.Ticket && d.Notifier == o.Notifier && o.Seq < d.Seq && o.State == ticket.DeliverySent
	})},
	{"has no one before to the same address in another case", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return o.Before(d) && o.Seq < d.Seq && o.State == ticket.DeliverySent && o.To == d.To
	})},
	{"has the last of the line before", "DeliveryContexts/previous", preceding(func(d, o *ticket.Delivery) bool {
		return sameLine(d, o) && o.ID != d.ID && o.State == ticket.DeliverySent
	})},
	{"has the dead among what bounced", "DeliveryContexts/bounced", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && (isBounced(o) || o.State == ticket.DeliveryDead)
	})},
	{"has what came back among what bounced", "DeliveryContexts/bounced", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && (isBounced(o) || o.State == ticket.DeliveryUndelivered)
	})},
	{"has what bounced to another", "DeliveryContexts/bounced", bouncing(func(d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && d.Notifier == o.Notifier && isBounced(o)
	})},
	{"has what bounced of this ticket only", "DeliveryContexts/bounced", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && isBounced(o) && d.Ticket == o.Ticket
	})},
	{"has what bounced to the same address in the same case", "DeliveryContexts/bounced", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && isBounced(o) && d.To.Person.Email == o.To.Person.Email
	})},
	{"has what bounced after it was redriven", "DeliveryContexts/bounced", func(f *faulty) {
		var ever register
		knowing(func(n *naive) {
			n.bounced = func(d, o *ticket.Delivery) bool {
				if sameRecipient(d, o) && isBounced(o) {
					ever.put(o.ID, true)
				}
				_, was := ever.get(o.ID)
				return was && sameRecipient(d, o)
			}
		})(f)
	}},
	{"has a bounce at another address for the recipient", "DeliveryContexts/bounced elsewhere", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && isBounced(o)
	})},
	{"has a bounce at another address for nobody", "DeliveryContexts/bounced elsewhere", bouncing(func(d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && isBounced(o) && o.Address == ""
	})},
	{"has an address that bounced in the same case", "DeliveryContexts/bounced elsewhere", bouncing(func(d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && d.Notifier == o.Notifier && isBounced(o) && (o.Address == "" && sameKey(d, o) || o.Address != "" && d.To.Person.Email == o.Address)
	})},
	{"has a message sent to another address for a bounce", "DeliveryContexts/bounced elsewhere", bouncing(func(d, o *ticket.Delivery) bool {
		was := *o
		if was.State == ticket.DeliverySent && was.Address != "" {
			was.State = ticket.DeliveryBounced
		}
		return d.Tenant == o.Tenant && d.Notifier == o.Notifier && was.State == ticket.DeliveryBounced && d.To.Key() == was.Key()
	})},
	{"has a late bounce at another address for the recipient", "DeliveryContexts/bounced elsewhere", func(f *faulty) {
		var late register
		n := newNaive(f.Store)
		n.updated = func(was ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) {
			if was.State == ticket.DeliverySent {
				late.put(d.ID, true)
			}
		}
		n.bounced = func(d, o *ticket.Delivery) bool {
			if _, is := late.get(o.ID); is {
				return sameRecipient(d, o) && isBounced(o)
			}
			return d.Tenant == o.Tenant && d.Notifier == o.Notifier && isBounced(o) && d.To.Key() == o.Key()
		}
		f.Store, f.update, f.contexts = n, n.UpdateDeliveries, n.contexts
	}},
	{"counts what failed", "DeliveryContexts/sent", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && (isSent(r, o) || o.State == ticket.DeliveryDead && !o.Settled.Before(r.since))
	})},
	{"counts what is pending", "DeliveryContexts/sent", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && (isSent(r, o) || o.State == ticket.DeliveryPending && o.ID != d.ID)
	})},
	{"counts what bounced", "DeliveryContexts/sent", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && (isSent(r, o) || isBounced(o) && !o.Settled.Before(r.since))
	})},
	{"counts what was sent to others", "DeliveryContexts/sent", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && d.Notifier == o.Notifier && isSent(r, o)
	})},
	{"counts what was sent in the same case", "DeliveryContexts/sent", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return sameRecipient(d, o) && isSent(r, o) && d.To.Person.Email == o.To.Person.Email
	})},
	{"has since exclude the time", "DeliveryContexts/sent", contextsWith(func(r *contextsRequest) { r.since = r.since.Add(tick) }, nil)},
	{"counts from the beginning", "DeliveryContexts/sent", contextsWith(func(r *contextsRequest) { r.since = past.Add(-year) }, nil)},
	{"counts without a limit", "DeliveryContexts/sent", contextsWith(func(r *contextsRequest) { r.most = 1000 }, nil)},
	{"counts one too many", "DeliveryContexts/sent", contextsWith(func(r *contextsRequest) { r.most++ }, nil)},
	{"counts all tickets as this one", "DeliveryContexts/sent here", knowing(func(n *naive) { n.here = func(_, _ *ticket.Delivery) bool { return true } })},
	{"counts here from the beginning", "DeliveryContexts/sent here", func(f *faulty) {
		s := f.Store.(ticket.DeliveryLoader)
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			b, err := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			r.since = past.Add(-year)
			all, _ := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i := range b {
				b[i].SentHere = all[i].SentHere
			}
			return b, err
		}
	}},
	{"counts here without a limit", "DeliveryContexts/sent here", func(f *faulty) {
		s := f.Store.(ticket.DeliveryLoader)
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			b, err := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			r.most = 1000
			all, _ := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i := range b {
				b[i].SentHere = all[i].SentHere
			}
			return b, err
		}
	}},
	{"counts what other notifiers sent", "DeliveryContexts/notifiers", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && sameKey(d, o) && isSent(r, o)
	})},
	{"counts what notifiers sent whose names differ in case", "DeliveryContexts/notifiers", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return d.Tenant == o.Tenant && strings.EqualFold(d.Notifier, o.Notifier) && sameKey(d, o) && isSent(r, o)
	})},
	{"has one by another notifier before", "DeliveryContexts/notifiers", preceding(func(d, o *ticket.Delivery) bool {
		c := *o
		c.Notifier = d.Notifier
		return c.Before(d) && o.Seq < d.Seq && o.State == ticket.DeliverySent
	})},
	{"counts what other tenants sent", "DeliveryContexts/tenants", counted(func(r contextsRequest, d, o *ticket.Delivery) bool {
		return d.Notifier == o.Notifier && sameKey(d, o) && isSent(r, o)
	})},
	{"has what bounced of other tenants", "DeliveryContexts/tenants", bouncing(func(d, o *ticket.Delivery) bool {
		return d.Notifier == o.Notifier && d.To.Key() == o.Key() && isBounced(o)
	})},
	{"has what bounced of any tenant for the empty one", "DeliveryContexts/tenants", bouncing(func(d, o *ticket.Delivery) bool {
		return (d.Tenant == o.Tenant || d.Tenant == "") && d.Notifier == o.Notifier && d.To.Key() == o.Key() && isBounced(o)
	})},
}
