package storetest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// blocking returns a fault: blocks wrongly decides whether a delivery holds up a later
// one in its line.
func blocking(blocks func(r ticket.ClaimRequest, before, d *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) { n.blocks = blocks }, "Claim")
}

// lining returns a fault: ahead wrongly decides whether two deliveries are in one line,
// or which of them is first.
func lining(ahead func(a, b *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) { n.ahead = ahead }, "Claim")
}

func sameLine(a, b *ticket.Delivery) bool {
	return a.Ticket == b.Ticket && a.Notifier == b.Notifier && a.To.Key() == b.To.Key()
}

// isOurs reports whether a claim is not part of the race in Line/race. The claims of
// the race have another lease.
func isOurs(r ticket.ClaimRequest) bool { return r.Lease == lease }

// joined returns a function for lining. It puts deliveries of a ticket into one line if
// notifier + sep + recipient is the same text.
func joined(sep string) func(a, b *ticket.Delivery) bool {
	line := func(d *ticket.Delivery) string { return d.Notifier + sep + d.To.Key() }
	return func(a, b *ticket.Delivery) bool {
		return a.Ticket == b.Ticket && line(a) == line(b) && cmp.Or(cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) < 0
	}
}

var lineFaults = []fault{
	{"has lines by ID", "Line/order", lining(func(a, b *ticket.Delivery) bool {
		return sameLine(a, b) && a.ID.Compare(b.ID) < 0
	})},
	{"has lines by the time", "Line/order", lining(func(a, b *ticket.Delivery) bool {
		return sameLine(a, b) && cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) < 0
	})},
	{"has no order for deliveries of one event", "Line/order", lining(func(a, b *ticket.Delivery) bool {
		return a.Before(b) && a.Seq < b.Seq
	})},
	{"compares the numbers of events as text", "Line/more than nine", lining(func(a, b *ticket.Delivery) bool {
		return sameLine(a, b) && cmp.Or(cmp.Compare(fmt.Sprint(a.Seq), fmt.Sprint(b.Seq)), a.ID.Compare(b.ID)) < 0
	})},
	{"joins notifier and recipient with a colon", "Line/run together", lining(joined(":"))},
	{"joins notifier and recipient with a bar", "Line/run together", lining(joined("|"))},
	{"joins notifier and recipient with a control character", "Line/run together", lining(joined("\x1f"))},
	{"joins notifier and recipient with nothing", "Line/run together", lining(joined(""))},
	{"distinguishes addresses by their case", "Line/same recipient", lining(func(a, b *ticket.Delivery) bool {
		return a.Before(b) && a.To.Person.Email == b.To.Person.Email
	})},
	{"distinguishes recipients by their names", "Line/same recipient", lining(func(a, b *ticket.Delivery) bool {
		return a.Before(b) && a.To.Person.Name == b.To.Person.Name
	})},
	{"distinguishes recipients by their roles", "Line/same recipient", lining(func(a, b *ticket.Delivery) bool {
		return a.Before(b) && a.To.Role == b.To.Role
	})},
	{"folds the case of all letters in addresses", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		if strings.EqualFold(a.To.Person.Email, b.To.Person.Email) {
			c.To.Person.Email = a.To.Person.Email
		}
		return a.Before(&c)
	})},
	{"has one line for all queues", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		if a.To.Person == b.To.Person {
			c.To = a.To
		}
		return a.Before(&c)
	})},
	{"has one line for all levels of a queue", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		c.To.Level = a.To.Level
		return a.Before(&c)
	})},
	{"folds the case of people's IDs", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		if strings.EqualFold(a.To.Person.ID, b.To.Person.ID) {
			c.To.Person.ID = a.To.Person.ID
		}
		return a.Before(&c)
	})},
	{"has one line for all tickets for a system", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		if a.To.Role == ticket.RoleSystem {
			c.Ticket = a.Ticket
		}
		return a.Before(&c)
	})},
	{"has one line for all notifiers to a system", "Line/others", lining(func(a, b *ticket.Delivery) bool {
		c := *b
		if a.To.Role == ticket.RoleSystem {
			c.Notifier = a.Notifier
		}
		return a.Before(&c)
	})},
	{"ignores pending ones in the line", "Line/blocked", blocking(func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return before.State == ticket.DeliveryClaimed
	})},
	{"ignores those that wait for the first time", "Line/blocked", blocking(func(r ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		waits := before.State == ticket.DeliveryPending && before.Attempts == 0 && before.Due.After(r.Now)
		return !before.State.Settled() && !waits
	})},
	{"ignores those that wait for another attempt", "Line/blocked", blocking(func(r ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		waits := before.State == ticket.DeliveryPending && before.Attempts > 0 && before.Due.After(r.Now)
		return !before.State.Settled() && !waits
	})},
	{"ignores claimed ones in the line", "Line/blocked", blocking(func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return before.State == ticket.DeliveryPending
	})},
	{"ignores those whose lease has expired", "Line/blocked", blocking(func(r ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return before.State == ticket.DeliveryPending || before.State == ticket.DeliveryClaimed && before.Until.After(r.Now)
	})},
	{"has no lines", "Line/blocked", blocking(func(ticket.ClaimRequest, *ticket.Delivery, *ticket.Delivery) bool { return false })},
	{"has dead ones hold up their line", "Line/freed", blocking(func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return !before.State.Settled() || before.State == ticket.DeliveryDead
	})},
	{"has bounced ones hold up their line", "Line/freed", blocking(func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return !before.State.Settled() || before.State == ticket.DeliveryBounced
	})},
	{"has suppressed ones hold up their line", "Line/freed", blocking(func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
		return !before.State.Settled() || before.State == ticket.DeliverySuppressed
	})},
	{"takes redriven ones out of the line", "Line/redriven", func(f *faulty) {
		var redriven register
		naively(func(n *naive) {
			n.updated = func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { redriven.put(d.ID, true) }
			n.blocks = func(_ ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
				_, was := redriven.get(before.ID)
				return !before.State.Settled() && !was
			}
		}, "Claim")(f)
	}},
	{"puts a redriven bounce into the line of the other address", "Line/bounced elsewhere", blocking(func(_ ticket.ClaimRequest, before, d *ticket.Delivery) bool {
		return !before.State.Settled() && (before.Address == "" || before.Address == d.Address)
	})},
	{"has redriven ones wait for later ones", "Line/redriven", func(f *faulty) {
		var redriven register
		naively(func(n *naive) {
			n.updated = func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { redriven.put(d.ID, true) }
			n.ahead = func(a, b *ticket.Delivery) bool {
				_, back := redriven.get(a.ID)
				_, held := redriven.get(b.ID)
				return a.Before(b) && !back || held && b.Before(a)
			}
		}, "Claim")(f)
	}},
	{"puts a retry at the head of its line", "Line/after a redrive", func(f *faulty) {
		var redriven, again register
		naively(func(n *naive) {
			n.updated = func(_ ticket.Delivery, d *ticket.Delivery, _ ticket.DeliveryUpdate) { redriven.put(d.ID, true) }
			n.settled = func(_ ticket.Delivery, d *ticket.Delivery, st ticket.Settlement) bool {
				if st.State == ticket.DeliveryPending {
					again.put(d.ID, true)
				}
				return true
			}
			n.blocks = func(_ ticket.ClaimRequest, before, d *ticket.Delivery) bool {
				_, back := redriven.get(before.ID)
				_, head := again.get(d.ID)
				return !before.State.Settled() && (!back || !head)
			}
		}, "Claim", "Settle")(f)
	}},
	{"does not see concurrent claims", "Line/race", func(f *faulty) {
		n := newNaive(f.Store)
		f.Store = n
		var mu sync.Mutex
		inside := 0
		n.blocks = func(r ticket.ClaimRequest, before, _ *ticket.Delivery) bool {
			return before.State == ticket.DeliveryPending || before.State == ticket.DeliveryClaimed && (isOurs(r) || inside < 2)
		}
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if isOurs(r) {
				return n.Claim(ctx, r)
			}
			mu.Lock()
			inside++
			mu.Unlock()
			f.window()
			mu.Lock()
			defer mu.Unlock()
			defer func() { inside-- }()
			return n.Claim(ctx, r)
		}
	}},
}
