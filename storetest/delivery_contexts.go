package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysContexts = "DeliveryContexts returns a DeliveryContext for every delivery of rows, in the order of rows."
	saysPrevious = "the Sent delivery of its line with the greatest Seq below its own; zero means none"
	saysBounced  = "a Bounced delivery whose Delivery.Key is the recipient's Key; zero means none"
	saysSent     = "deliveries to the same recipient, about any ticket, that are Sent with Settled not before since; at most limit"
	saysHere     = "the same, about this ticket only"
	saysSameVia  = "Previous, Bounced, Sent and SentHere cover only deliveries by the same notifier in the same tenant."
)

var loaderRules = []rule{
	{name: "DeliveryContexts/found", says: saysContexts, lacks: noLoader, prove: loaderFound},
	{name: "DeliveryContexts/previous", says: saysPrevious, lacks: noLoader, upon: []string{"Settle/", "Line/", "DeliveryContexts/found"}, prove: loaderPrevious},
	{name: "DeliveryContexts/previous of many", says: saysPrevious, lacks: noLoader, upon: []string{"Settle/", "Line/", "DeliveryContexts/found", "DeliveryContexts/previous"}, prove: loaderMany},
	{name: "DeliveryContexts/previous redriven", says: saysPrevious, lacks: noLoader, upon: []string{"Settle/", "Line/", "UpdateDeliveries/", "DeliveryContexts/found", "DeliveryContexts/previous"}, prove: loaderRedriven},
	{name: "DeliveryContexts/copies", says: saysCopies, lacks: noLoader, upon: []string{"DeliveryContexts/found"}, prove: loaderCopies},
	{name: "DeliveryContexts/bounced", says: saysBounced, lacks: noLoader, upon: []string{"Settle/", "UpdateDeliveries/"}, prove: loaderBounced},
	{name: "DeliveryContexts/bounced elsewhere", says: saysBounced, lacks: noLoader, upon: []string{"Settle/", "UpdateDeliveries/", "DeliveryContexts/bounced"}, prove: loaderElsewhere},
	{name: "DeliveryContexts/sent", says: saysSent, lacks: noLoader, upon: []string{"Settle/", "UpdateDeliveries/", "Line/", "DeliveryContexts/found"}, prove: loaderSent},
	{name: "DeliveryContexts/sent here", says: saysHere, lacks: noLoader, upon: []string{"Settle/", "UpdateDeliveries/", "Line/", "DeliveryContexts/found", "DeliveryContexts/sent"}, prove: loaderHere},
	{name: "DeliveryContexts/notifiers", says: saysSameVia, lacks: noLoader, upon: []string{"Settle/", "Line/", "DeliveryContexts/found", "DeliveryContexts/sent"}, prove: loaderNotifiers},
	{name: "DeliveryContexts/tenants", says: saysTenant, lacks: noLoader, upon: []string{"Settle/", "DeliveryContexts/found", "DeliveryContexts/sent"}, prove: loaderTenants},
	{name: "DeliveryContexts/cancelled", says: saysCancelled, lacks: noLoader, prove: loaderCancelled},
}

// noLoader names the feature if the store lacks it.
func noLoader(ctx context.Context, s ticket.Store) string {
	loader, ok := s.(ticket.DeliveryLoader)
	if ok {
		_, err := loader.DeliveryContexts(ctx, nil, time.Time{}, 0)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "contexts of deliveries"
	}
	return ""
}

// contexts loads the contexts of deliveries, with counts over all time and no limit.
func (k *kit) contexts(rows ...ticket.Delivery) []ticket.DeliveryContext {
	k.Helper()
	return k.contextsFor(contextsRequest{rows: rows, since: past.Add(-year), most: 1000})
}

// A contextsRequest holds the arguments of DeliveryContexts.
type contextsRequest struct {
	rows  []ticket.Delivery
	since time.Time
	most  int
}

func (k *kit) contextsFor(r contextsRequest) []ticket.DeliveryContext {
	k.Helper()
	contexts, err := k.store.DeliveryContexts(k.Context(), r.rows, r.since, r.most)
	k.ok(err, "DeliveryContexts")
	k.same(len(contexts), len(r.rows), "number of contexts")
	return contexts
}

// loaderFound asks for existing and missing tickets and events, in no
// particular order.
func loaderFound(k *kit) {
	north, south, stray := k.opened(acme, note("one"), note("two")), k.opened(acme), k.opened("other", note("one"))
	k.commit(north, south)
	k.commit(stray)
	row := func(c ticket.Change, seq int64) ticket.Delivery {
		d := k.delivery(c.Ticket)
		d.Seq = seq
		return d
	}
	alien := row(north, 1)
	alien.Tenant = "other"
	rows := []ticket.Delivery{
		row(south, 1), row(north, 2), row(north, 3), row(k.opened(acme), 1), row(stray, 1), row(north, 1), alien, row(north, 4), row(north, 6), row(north, 0),
	}
	changed := next(north.Ticket, note("later"), note("and later"))
	k.commit(changed)
	rows = append(rows, row(changed, 5))
	of := map[ticket.ID]ticket.Change{south.Ticket.ID: south, stray.Ticket.ID: stray}
	changed.Events = slices.Concat(north.Events, changed.Events)
	of[north.Ticket.ID] = changed

	k.same(len(k.contexts()), 0, "contexts of no deliveries")
	for i, b := range k.contexts(rows...) {
		d := rows[i]
		c, ok := of[d.Ticket]
		ok = ok && d.Tenant == c.Ticket.Tenant && d.Seq > 0 && d.Seq <= c.Ticket.Version
		k.same(b.Found, ok, "found, for event %d of a ticket, the %d. asked for", d.Seq, i+1)
		if ok {
			k.same(b.Ticket, c.Ticket, "ticket of the %d. context", i+1)
			k.same(b.Event, c.Events[d.Seq-1], "event of the %d. context", i+1)
		}
	}
}

// work claims and settles deliveries of one line, or of no line, one after the other,
// with the given outcomes.
func (k *kit) work(list []ticket.Delivery, outcomes ...ticket.DeliveryState) {
	k.Helper()
	for i, o := range outcomes {
		r := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1, Notifiers: []string{list[i].Notifier}}
		claimed := k.claimWith(r)
		k.same(deliveryIDs(claimed), []ticket.ID{list[i].ID}, "delivery claimed, to be settled")
		s := settlement(claimed[0], o)
		s.At = clock.Add(-time.Duration(i) * time.Second) // the clocks differ
		k.settle(s)
	}
}

// loaderPrevious uses a line whose IDs and settling times are in the opposite order of
// the events, and other lines in which more was sent.
func loaderPrevious(k *kit) {
	k.tell(6, acme, ticket.Recipient{Role: ticket.RoleRequester, Person: ada}, "mail")
	c, line := k.line(7)
	slices.Reverse(line)
	for i := range line {
		line[i].Seq = int64(i + 1)
	}
	line[1].To.Person = ticket.Person{Email: "ADA@example.org"}
	line[6].Seq = 6 // of the same event as the one before, with a lesser ID
	line[5], line[6] = line[6], line[5]
	other := k.delivery(c.Ticket)
	other.Seq, other.To, other.Due = 4, to(1), past.Add(-time.Hour)
	k.enter(c, append([]ticket.Delivery{other}, line...))

	k.work([]ticket.Delivery{other}, ticket.DeliverySent)
	k.work(line, ticket.DeliverySent, ticket.DeliverySent, ticket.DeliveryDead, ticket.DeliverySuppressed, ticket.DeliveryBounced, ticket.DeliverySent)
	want := []ticket.ID{{}, line[0].ID, line[1].ID, line[1].ID, line[1].ID, line[1].ID, line[1].ID}
	for i, b := range k.contexts(line...) {
		k.same(b.Previous, want[i], "Previous of the %d. of the line", i+1)
	}
}

// loaderMany uses event numbers that sort differently as text.
func loaderMany(k *kit) {
	c, list := k.manyInLine()
	k.enter(c, list)
	k.work(list, slices.Repeat([]ticket.DeliveryState{ticket.DeliverySent}, len(list))...)
	var before ticket.ID
	for i, b := range k.contexts(list...) {
		k.same(b.Previous, before, "Previous of event %d, when all were sent", list[i].Seq)
		before = list[i].ID
	}
}

// loaderRedriven redrives the sent deliveries one by one.
func loaderRedriven(k *kit) {
	list := k.lined(4)
	k.work(list, ticket.DeliverySent, ticket.DeliverySent, ticket.DeliverySent)
	previous := func(want ticket.ID, when string) {
		k.Helper()
		k.same(k.contexts(list[3])[0].Previous, want, "Previous, %s", when)
	}
	previous(list[2].ID, "when three were sent")
	k.update(updateTo(ticket.DeliveryPending, settledStates, list[2]))
	previous(list[1].ID, "when the third one was redriven")
	k.update(updateTo(ticket.DeliveryBounced, settledStates, list[1]))
	previous(list[0].ID, "after the second one became Bounced")
	k.update(updateTo(ticket.DeliveryPending, settledStates, list[0]))
	previous(ticket.ID{}, "when no sent one is left")
}

// loaderCopies overwrites its results.
func loaderCopies(k *kit) {
	c := k.filled(plainly(), acme)
	k.put(c)
	for range 2 { // the first one may have filled a cache
		b := k.contexts(c.Deliveries[0])
		k.same(b[0].Ticket, c.Changes[0].Ticket, "ticket of a context, after the caller changed that of another one")
		scribble(&b)
	}
	k.stands(c.Changes[0].Ticket, c.Changes[0].Events)
}

// loaderBounced redrives the bounced delivery and has another one bounce.
func loaderBounced(k *kit) {
	c := k.opened(acme)
	asked := k.delivery(c.Ticket)
	asked.To.Person.Email = "ADA@example.org"
	bounced := func(want ticket.ID, when string) {
		k.Helper()
		k.same(k.contexts(asked)[0].Bounced, want, "Bounced, %s", when)
	}
	of := func(to ticket.Recipient, o ticket.DeliveryState) ticket.Delivery {
		k.Helper()
		c := k.opened(acme)
		d := k.delivery(c.Ticket)
		d.To = to
		k.enter(c, []ticket.Delivery{d})
		return k.end(d, o)
	}
	bounced(ticket.ID{}, "before any")
	of(asked.To, ticket.DeliveryDead)
	of(asked.To, ticket.DeliverySuppressed)
	sent := of(asked.To, ticket.DeliverySent)
	of(to(1), ticket.DeliveryBounced)
	bounced(ticket.ID{}, "when one was given up, one was suppressed, and one to another bounced")
	d := of(ticket.Recipient{Role: ticket.RoleFollower, Person: ada}, ticket.DeliveryBounced)
	bounced(d.ID, "about another ticket")
	k.update(updateTo(ticket.DeliveryPending, settledStates, d))
	bounced(ticket.ID{}, "after it was redriven")
	k.update(updateTo(ticket.DeliveryUndelivered, settledStates, sent))
	bounced(ticket.ID{}, "after one came back for another reason than its address")
	k.update(updateTo(ticket.DeliveryBounced, settledStates, sent))
	bounced(sent.ID, "after a report that one bounced that had been sent")
}

// loaderElsewhere uses bounces at addresses other than the recipient's.
func loaderElsewhere(k *kit) {
	enter := func(to ticket.Recipient) ticket.Delivery {
		k.Helper()
		c := k.opened(acme)
		d := k.delivery(c.Ticket)
		d.To = to
		k.enter(c, []ticket.Delivery{d})
		return d
	}
	mail := func(address string) ticket.Recipient {
		return ticket.Recipient{Role: ticket.RoleFollower, Person: ticket.Person{Email: address}}
	}
	c := k.opened(acme)
	bounced := func(to ticket.Recipient, want ticket.ID, what string) {
		k.Helper()
		asked := k.delivery(c.Ticket)
		asked.To = to
		k.same(k.contexts(asked)[0].Bounced, want, "Bounced, for %s", what)
	}
	zoe := ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{ID: "c-2", Email: "zoe@example.org"}}
	d := k.endAt(enter(zoe), "Moved@example.org", ticket.DeliveryBounced)
	bounced(mail("moved@EXAMPLE.org"), d.ID, "the address that bounced")
	bounced(zoe, ticket.ID{}, "the recipient, whose own address did not")
	sent := k.endAt(enter(zoe), "late@example.org", ticket.DeliverySent)
	bounced(mail("late@example.org"), ticket.ID{}, "an address that accepted a message")
	k.update(updateTo(ticket.DeliveryBounced, settledStates, sent, d))
	bounced(mail("late@example.org"), sent.ID, "an address that bounced late")
	bounced(mail("moved@example.org"), d.ID, "one that bounced twice")
	bounced(zoe, ticket.ID{}, "the recipient, after that")
	k.update(updateTo(ticket.DeliveryPending, settledStates, d, sent))
	bounced(mail("moved@example.org"), ticket.ID{}, "an address, after a redrive")
	bounced(mail("late@example.org"), ticket.ID{}, "the other address, after a redrive")
	for _, d := range k.claim(soon) {
		s := settlement(d, ticket.DeliveryBounced)
		s.Address = ""
		k.settle(s)
	}
	asked := k.delivery(c.Ticket)
	asked.To = zoe
	if id := k.contexts(asked)[0].Bounced; id != d.ID && id != sent.ID {
		k.fail("the recipient's own address has bounced, but the context has none")
	}
}

// tell sends n deliveries about a new ticket, one second apart.
func (k *kit) tell(n int, tenant string, to ticket.Recipient, by string) []ticket.Delivery {
	k.Helper()
	c, list := k.line(n)
	if tenant != acme {
		c = k.opened(tenant)
	}
	for i := range list {
		list[i].Tenant, list[i].Ticket, list[i].To, list[i].Notifier = tenant, c.Ticket.ID, to, by
	}
	k.enter(c, list)
	for i := range list {
		claimed := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1, Notifiers: []string{by}})
		s := settlement(claimed[0], ticket.DeliverySent)
		s.At = clock.Add(time.Duration(i) * time.Second)
		k.settle(s)
	}
	return list
}

// loaderSent counts over several tickets, from several times on and up to several
// limits.
func loaderSent(k *kit) {
	asked := k.tell(3, acme, ticket.Recipient{Role: ticket.RoleRequester, Person: ada}, "mail")[0]
	k.tell(2, acme, ticket.Recipient{Role: ticket.RoleFollower, Person: ticket.Person{Email: "ADA@example.org"}}, "mail")
	k.tell(2, acme, to(1), "mail")
	for _, o := range []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed} {
		c := k.opened(acme)
		d := k.delivery(c.Ticket)
		k.enter(c, []ticket.Delivery{d})
		k.end(d, o)
	}
	c, waiting := k.line(1)
	k.enter(c, waiting)
	for _, q := range []struct {
		since time.Time
		most  int
		want  int
	}{
		{clock.Add(-year), 100, 5},
		{clock, 100, 5},
		{clock.Add(time.Microsecond), 100, 3},
		{clock.Add(time.Second), 100, 3},
		{clock.Add(time.Second + time.Microsecond), 100, 1},
		{clock.Add(2 * time.Second), 100, 1},
		{clock.Add(time.Minute), 100, 0},
		{clock, 5, 5},
		{clock, 4, 4},
		{clock, 1, 1},
		{clock, 0, 0},
	} {
		b := k.contextsFor(contextsRequest{rows: []ticket.Delivery{asked}, since: q.since, most: q.most})[0]
		k.same(b.Sent, q.want, "sent to one recipient since %v, counted up to %d", q.since, q.most)
	}
	k.update(updateTo(ticket.DeliveryBounced, settledStates, asked))
	k.same(k.contexts(asked)[0].Sent, 4, "sent to one recipient, when one of five became Bounced")
}

func loaderHere(k *kit) {
	ours := ticket.Recipient{Role: ticket.RoleRequester, Person: ada}
	asked := k.tell(3, acme, ours, "mail")[0]
	k.tell(2, acme, ours, "mail")
	c := k.opened(acme)
	other := k.delivery(c.Ticket)
	other.To = to(1)
	k.enter(c, []ticket.Delivery{other})
	for _, q := range []struct {
		row   ticket.Delivery
		since time.Time
		most  int
		want  int
	}{
		{asked, clock, 100, 3},
		{asked, clock.Add(time.Second), 100, 2},
		{asked, clock.Add(2*time.Second + time.Microsecond), 100, 0},
		{asked, clock, 2, 2},
		{asked, clock, 0, 0},
		{other, clock.Add(-year), 100, 0},
	} {
		b := k.contextsFor(contextsRequest{rows: []ticket.Delivery{q.row}, since: q.since, most: q.most})[0]
		k.same(b.SentHere, q.want, "sent to one recipient about one ticket since %v, counted up to %d", q.since, q.most)
	}
	k.update(updateTo(ticket.DeliveryBounced, settledStates, asked))
	k.same(k.contexts(asked)[0].SentHere, 2, "sent to one recipient about one ticket, when one of three became Bounced")
}

// loaderNotifiers uses names that a lenient database treats as equal.
func loaderNotifiers(k *kit) {
	ours := ticket.Recipient{Role: ticket.RoleRequester, Person: ada}
	c, list := k.line(2)
	for i, by := range []string{"Mail", "sms", "mail "} {
		d := list[0]
		d.ID, d.Notifier = k.id(), by
		list = append(list, d)
		k.tell(i+1, acme, ours, by)
	}
	k.enter(c, list)
	for _, d := range list[2:] {
		k.work([]ticket.Delivery{d}, ticket.DeliverySent)
	}
	bounced, one := k.line(1)
	one[0].Notifier = "Mail"
	k.enter(bounced, one)
	k.work(one, ticket.DeliveryBounced)
	b := k.contexts(list[1])[0]
	k.same(b.Bounced, ticket.ID{}, "Bounced, by another notifier only")
	k.same(b.Previous, ticket.ID{}, "Previous, when only other notifiers have sent some")
	k.same(b.Sent, 0, "sent to one recipient, by other notifiers only")
	k.same(b.SentHere, 0, "sent to one recipient about one ticket, by other notifiers only")
}

func loaderTenants(k *kit) {
	var theirs []ticket.Delivery
	for _, tenant := range tenants[1:] {
		c := k.opened(tenant)
		d := k.delivery(c.Ticket)
		k.enter(c, []ticket.Delivery{d})
		theirs = append(theirs, k.end(d, ticket.DeliveryBounced))
		k.tell(1, tenant, d.To, "mail")
	}
	c := k.opened("")
	d := k.delivery(c.Ticket)
	k.enter(c, []ticket.Delivery{d})
	b := k.contexts(d)[0]
	k.same(b.Sent, 0, "sent to one recipient, under other tenants only")
	k.same(b.Bounced, ticket.ID{}, "Bounced, under other tenants only")
	for i, b := range k.contexts(theirs...) {
		k.same(b.Sent, 1, "sent to one recipient under tenant %q", theirs[i].Tenant)
		k.same(b.Bounced, theirs[i].ID, "Bounced under tenant %q", theirs[i].Tenant)
	}
}

func loaderCancelled(k *kit) {
	d := k.outbox(past)[0]
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.DeliveryContexts(ctx, []ticket.Delivery{d}, clock, 1)
	k.refused(err, context.Canceled, "DeliveryContexts with a cancelled context")
}
