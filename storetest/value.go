package storetest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/limits"
)

const (
	saysCopies  = "Arguments and results are copies: a caller that later changes a slice, map or pointer it passed or received must not change what is stored."
	saysText    = "Text must come back byte for byte, if it is valid UTF-8 without NUL bytes. Times come back in UTC, to the microsecond, and zero values as zero values."
	saysTypes   = "A value is a string, bool, int64, float64, time.Time or []string."
	saysErased  = "Each enters the digest as a salted commitment only (see [Seals]), so that it can be erased later (see [Desk.Erase]) and the chain still verifies."
	saysHistory = "[Apply] builds it from its events."
	saysYears   = "A store must accept times of the years 1 to 9999, in UTC, and refuse all others with ErrInvalid, as the Check methods do. Due accepts any time."
	saysAlike   = "Texts that differ in one byte must be different texts, whatever their length and wherever the byte is."
	saysLists   = "A store must answer queries whose lists are as long as their Check allows."
	saysClock   = "A store must not read a clock. All times come from the desk."
)

var valueRules = []rule{
	{name: "Values/copies in", says: saysCopies, upon: []string{"Settle/", "Claim/kept"}, prove: copiesIn},
	{name: "Values/copies out", says: saysCopies, upon: []string{"Claim/kept"}, prove: copiesOut},
	{name: "Values/text", says: saysText, prove: valueText},
	{name: "Values/long text", says: saysText, prove: valueLongText},
	{name: "Values/alike except the end", says: saysAlike, upon: []string{"Commit/", "List/", "Claim/", "Line/", "Deliveries/", "Tenants/", "Receipt", "Values/long text"}, prove: valueAlike},
	{name: "Values/long lists", says: saysLists, upon: []string{"Commit/", "List/", "Deliveries/", "Values/long text"}, prove: valueLists},
	{name: "Values/times", says: saysText, prove: valueTimes},
	{name: "Values/years taken", says: saysYears, upon: []string{"Commit/", "List/", "Ticket/", "Events/", "Values/times"}, prove: valueYearsTaken},
	{name: "Values/years refused", says: saysYears, upon: []string{"Commit/", "List/", "Claim/", "Settle/", "UpdateDeliveries/", "Deliveries/", "Values/no clock"}, prove: valueYearsRefused},
	{name: "Values/years due", says: saysYears, upon: []string{"Commit/", "Due/"}, prove: valueYearsDue},
	{name: "Values/zero", says: saysText, prove: valueZero},
	{name: "Values/fields", says: saysTypes, prove: valueFields},
	{name: "Values/erased", says: saysErased, prove: valueErased},
	{name: "Values/history", says: saysHistory, prove: valueHistory},
	{name: "Values/no clock", says: saysClock, prove: valueNoClock},
}

// filled returns a commit of a new ticket with every field set.
func (k *kit) filled(f *filler, tenant string) ticket.Commit {
	c := k.opened(tenant, f.event, f.event)
	d := k.delivery(c.Ticket)
	f.delivery(&d)
	r := receiptFor(c.Ticket, "")
	f.receipt(r)
	return ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: r}
}

// A reading is everything that can be read of one ticket without changing it.
type reading struct {
	Ticket  ticket.Ticket
	Number  ticket.Ticket
	Listed  []ticket.Ticket
	Events  []ticket.Event
	Receipt ticket.Receipt
	Outbox  []ticket.Delivery
}

func (k *kit) read(t ticket.Ticket, key string) reading {
	k.Helper()
	byNumber, err := k.store.Lookup(k.Context(), t.Tenant, t.Number)
	k.ok(err, "Lookup")
	outbox := k.deliveries(ticket.DeliveryQuery{Tenant: t.Tenant, Ticket: t.ID}).Deliveries
	return reading{
		Ticket: k.ticket(t), Number: byNumber, Events: k.events(t), Receipt: k.receipt(t.Tenant, key),
		Outbox: outbox, Listed: k.list(ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages()}).Tickets,
	}
}

func (r reading) clone() reading {
	c := r
	c.Ticket, c.Number, c.Listed, c.Events = r.Ticket.Clone(), r.Number.Clone(), nil, nil
	c.Outbox = slices.Clone(r.Outbox)
	for _, t := range r.Listed {
		c.Listed = append(c.Listed, t.Clone())
	}
	for _, e := range r.Events {
		c.Events = append(c.Events, e.Clone())
	}
	return c
}

// wrote returns the reading that a commit of one new ticket must lead to.
func wrote(c ticket.Commit) reading {
	t := c.Changes[0].Ticket
	return reading{Ticket: t, Number: t, Listed: []ticket.Ticket{t}, Events: c.Changes[0].Events, Receipt: *c.Receipt, Outbox: c.Deliveries}
}

// copiesIn overwrites its arguments after each call.
func copiesIn(k *kit) {
	c := k.filled(plainly(), acme)
	t, key, d := c.Changes[0].Ticket.Clone(), c.Receipt.Key, c.Deliveries[0]
	k.put(c)
	before := k.read(t, key).clone()
	scribble(&c)
	k.same(k.read(t, key), before, "read after the caller changed its commit")

	r := ticket.ClaimRequest{Now: soon, Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}}
	k.same(asCommitted(k.claimWith(r)), []ticket.Delivery{d}, "claimed after the caller changed its commit")

	s := []ticket.Settlement{{ID: d.ID, Attempts: 1, State: ticket.DeliveryPending, At: clock, Due: clock, Error: "first"}}
	k.ok(k.store.Settle(k.Context(), s), "Settle")
	scribble(&s)
	again := asCommitted(k.claimWith(r))
	d.LastError = "first"
	again[0].Due, d.Failures = d.Due, again[0].Failures // checked by Settle/again
	k.same(again, []ticket.Delivery{d}, "claimed after the caller changed its settlements")
}

// copiesOut overwrites the results of each call.
func copiesOut(k *kit) {
	c := k.filled(plainly(), acme)
	t, key := c.Changes[0].Ticket.Clone(), c.Receipt.Key
	k.put(c)
	for range 2 { // the first reading may have filled a cache
		got := k.read(t, key)
		before := got.clone()
		scribble(&got)
		k.same(k.read(t, key), before, "read after the caller changed an earlier result")
	}

	d := c.Deliveries[0]
	r := ticket.ClaimRequest{Now: soon, Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}}
	for range 2 {
		got := k.claimWith(r)
		r.Now = r.Now.Add(2 * lease)
		scribble(&got)
	}
	last := asCommitted(k.claimWith(r))
	last[0].Failures = d.Failures // checked by Claim/taken over
	k.same(last, []ticket.Delivery{d}, "claimed after the caller changed an earlier result")
}

// stores expects a commit of one new ticket to come back in full from every method.
func (k *kit) stores(c ticket.Commit) {
	k.Helper()
	k.put(c)
	t, d := c.Changes[0].Ticket, c.Deliveries[0]
	k.same(k.read(t, c.Receipt.Key), wrote(c), "read back")
	r := ticket.ClaimRequest{Now: soon, Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}}
	k.same(asCommitted(k.claimWith(r)), []ticket.Delivery{d}, "claimed")
}

func valueText(k *kit) {
	half := len(awkward) / 2
	f := plainly()
	f.text = func(n int) string {
		begin, end := awkward[n%len(awkward)], awkward[(n+half)%len(awkward)]
		return fmt.Sprintf("%s%d%s", begin, n, end)
	}
	f.fields = func(n int) ticket.Fields {
		s, t := f.text(n), f.text(n+1)
		return ticket.Fields{s: t, t + s: []string{s, "", t}}
	}
	for i := range half + 1 { // so that each value is used for each field
		f.n = i
		k.stores(k.filled(f, f.text(i)))
	}
}

// valueLongText uses texts as long as the desk accepts; see ticket.Limits.
func valueLongText(k *kit) {
	const words = "naïve 日本-"
	long := func(n int) string { return strings.Repeat(words, n/len(words)) }
	c := k.opened(acme, func(e *ticket.Event) {
		e.Subject, e.Message, e.Note = long(limits.Subject), ticket.Message(long(limits.Message)), ticket.Note(long(limits.Note))
		e.Fields = ticket.Fields{long(limits.Name): long(limits.FieldValue)}
		e.Requester.Name, e.Requester.Email = long(limits.Name), long(limits.Email)
		e.Attachments = []ticket.Attachment{{Name: long(limits.Name), Size: limits.AttachmentSize, Ref: long(limits.Ref)}}
		e.Set.AddTags, e.Set.Queue = []string{long(limits.Name)}, new(long(limits.Name))
	})
	d := k.delivery(c.Ticket)
	d.Notifier = long(limits.Name)
	const maxKey = 200 // see ticket.Action.Key
	k.stores(ticket.Commit{
		Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: receiptFor(c.Ticket, long(maxKey)),
	})
}

// valueTimes fills all times with different microseconds of different years.
func valueTimes(k *kit) {
	f := plainly()
	f.time = func(n int) time.Time {
		return time.Date(2031+n, 2, 28, 23, 59, 59, (999_999-n)*1000, time.UTC)
	}
	f.fields = func(n int) ticket.Fields {
		return ticket.Fields{
			"early": time.Date(1, 2, 3, 4, 5, 6, 7000, time.UTC), "before 1970": time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			"late": time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), "now": f.time(n),
		}
	}
	precisely := func(e *ticket.Event) {
		f.event(e)
		e.Phase = ticket.PhaseSolved
		e.At = clock.Add(time.Duration(e.Seq) * 1001 * time.Microsecond)
	}
	c := k.opened(acme, precisely, precisely)
	d := k.delivery(c.Ticket)
	f.delivery(&d)
	r := receiptFor(c.Ticket, "key")
	f.receipt(r)
	commit := ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: r}
	k.put(commit)
	got := k.read(c.Ticket, r.Key)
	k.same(got, wrote(commit), "read back")

	claimed := k.claimWith(ticket.ClaimRequest{Now: d.Due.Add(lease), Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}})
	k.same(asCommitted(claimed), []ticket.Delivery{d}, "claimed")
	times(reflect.ValueOf([]any{got, claimed}), func(t time.Time) {
		if t.Location() != time.UTC {
			k.fail("got the time %v in the location %v", t, t.Location())
		}
	})
}

// valueZero sets as few fields as possible, and then many of them to zero values.
func valueZero(k *kit) {
	bare := func(e *ticket.Event) {
		*e = ticket.Event{
			Ticket: e.Ticket, Seq: e.Seq, At: e.At, Action: e.Action, To: e.To, Phase: e.Phase,
			Set: ticket.Patch{Number: e.Set.Number},
		}
	}
	// An empty queue differs from an unchanged queue.
	explicit := func(e *ticket.Event) {
		e.Set.Queue, e.Set.Assignee, e.Set.Reason, e.Set.Resolution = new(""), new(""), new(""), new("")
		e.Set.Timer, e.Set.MergedInto = &ticket.Timer{}, &ticket.ID{}
		e.Set.Stage, e.Set.LegalHold, e.Set.Erased = new(ticket.StageActive), new(false), &ticket.Erased{}
		e.Attachments = []ticket.Attachment{{}}
		e.Fields = ticket.Fields{
			"text": "", "bool": false, "int": int64(0), "float": float64(0), "time": time.Time{}, "list": []string{}, "blanks": []string{""},
			"": "no name", "removed": nil,
		}
	}
	c := k.opened("", bare, func(*ticket.Event) {}, explicit)
	d := k.delivery(c.Ticket)
	d.Seq, d.Kind, d.Notifier, d.To, d.Created = 0, "", "", ticket.Recipient{}, time.Time{}
	r := receiptFor(c.Ticket, "key")
	r.Version, r.Request, r.At = 0, ticket.Digest{}, time.Time{}
	k.stores(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: r})

	times(reflect.ValueOf(k.ticket(c.Ticket)), func(t time.Time) {
		if t.Year() != clock.Year() && t != (time.Time{}) {
			k.fail("a time that was zero came back as %v", t)
		}
	})
}

func valueFields(k *kit) {
	c := k.opened(acme, func(e *ticket.Event) {
		e.Fields = ticket.Fields{
			"text": "1", "text null": "null", "text time": "2100-01-01T00:00:00Z", "text list": "[]", "text object": `{"time":"2100-01-01T00:00:00Z"}`,
			"yes": true, "no": false,
			"int": int64(1), "least": int64(math.MinInt64), "most": int64(math.MaxInt64), "precise": int64(1<<53 + 1),
			"float": float64(1), "tenth": 0.1, "large": 1e21, "huge": math.MaxFloat64, "tiny": math.SmallestNonzeroFloat64, "negative": -2.5,
			"time": clock, "instant": clock.Add(123_457 * time.Microsecond),
			"list": []string{"b", "a", "b"}, "numbers": []string{"1", "null"},
		}
	})
	changed := next(c.Ticket, func(e *ticket.Event) {
		e.Fields = ticket.Fields{"text": int64(1), "int": float64(1), "float": "1", "list": "a", "yes": nil}
	})
	k.stores(ticket.Commit{
		Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{k.delivery(c.Ticket)}, Receipt: receiptFor(c.Ticket, "key"),
	})
	k.commit(changed)
	k.stands(changed.Ticket, append(c.Events, changed.Events...))
}

// everything names all groups that an erasure can erase.
var everything = ticket.Groups{PublicContent: true, InternalContent: true, Identities: true, Remarks: true}

// valueErased imports a history of which parts were already erased.
func valueErased(k *kit) {
	f := plainly()
	c := k.opened(acme, f.event, f.event, f.event, f.event, f.event)
	for i, g := range []ticket.Groups{{PublicContent: true}, {InternalContent: true}, {Identities: true}, {Remarks: true}, everything} {
		c.Events[i] = c.Events[i].Erase(g)
	}
	t, err := ticket.Replay(c.Events)
	k.ok(err, "Replay")
	c.Ticket = t
	k.commit(c)
	k.stands(c.Ticket, c.Events)
	k.ok(ticket.Chain{}.Verify(k.events(t)), "Verify of the history that was read back")
}

// valueHistory applies every possible action to one ticket, step by step, and checks the
// chain and the fold after each step.
func valueHistory(k *kit) {
	zoe := ticket.Person{ID: "c-2", Name: "Zoë", Email: "zoe@example.org"}
	other := ticket.Link{Relation: ticket.RelationRelatedTo, Ticket: k.id(), Number: k.number()}
	later := ticket.Link{Relation: ticket.RelationChildOf, Ticket: k.id(), Number: k.number()}
	to := func(action ticket.ActionName, s ticket.Status, level int, p ticket.Phase) edit {
		return func(e *ticket.Event) {
			e.Action, e.To, e.Phase = action, ticket.State{Status: s, Level: level}, p
		}
	}
	steps := []edit{
		both(to(ticket.ActionTake, ticket.StatusOpen, 1, ticket.PhaseInProgress), func(e *ticket.Event) { e.Set.Assignee = new("lin") }),
		func(e *ticket.Event) {
			e.Set.AddTags, e.Fields = []string{"vip", "fuser"}, ticket.Fields{"order": int64(7), "site": "B"}
		},
		func(e *ticket.Event) { e.Followed, e.Set.AddLinks = []ticket.Person{zoe}, []ticket.Link{other, later} },
		both(to(ticket.ActionEscalate, ticket.StatusQueued, 2, ticket.PhaseInProgress), func(e *ticket.Event) {
			e.Note, e.Set.Queue, e.Set.Assignee = "fuser fault?", new("hardware"), new("")
		}),
		func(e *ticket.Event) { e.Set.RemoveTags, e.Fields = []string{"vip"}, ticket.Fields{"site": nil} },
		func(e *ticket.Event) { e.Unfollowed, e.Set.RemoveLinks = []ticket.Person{zoe}, []ticket.Link{other} },
		both(to(ticket.ActionAsk, ticket.StatusWaiting, 2, ticket.PhaseYourTurn), func(e *ticket.Event) {
			e.Message, e.Answer, e.Set.Timer = "Which model?", true, &ticket.Timer{At: clock.Add(year), Action: ticket.ActionResume}
		}),
		func(e *ticket.Event) {
			quiet(e)
			clocks(dueClock("first answer", soon), dueClock("level", soon))(e)
			e.Set.Policy, e.Set.PolicyVersion = new("standard"), new(3)
		},
		func(e *ticket.Event) {
			quiet(e)
			c := dueClock("first answer", soon)
			c.Breached, c.Fired = soon, []string{"30m before due", "due"}
			clocks(c)(e)
			e.Set.Alert = &ticket.ClockAlert{Metric: c.Metric, Clock: c.Event, Threshold: "due", At: soon, Due: soon, Tell: []string{"queue"}, Tags: []string{"late"}}
			e.Set.AddTags = []string{"late"}
		},
		func(e *ticket.Event) { e.Set.Snoozed, e.Set.Promised = new(soon), new(soon) },
		func(e *ticket.Event) { e.Set.Snoozed = new(time.Time{}) },
		both(to(ticket.ActionResolve, ticket.StatusResolved, 2, ticket.PhaseSolved), func(e *ticket.Event) { e.Set.Resolution = new("fixed") }),
		to(ticket.ActionReopen, ticket.StatusOpen, 2, ticket.PhaseInProgress),
		both(to(ticket.ActionClose, ticket.StatusClosed, 2, ticket.PhaseClosed), func(e *ticket.Event) { e.Set.FeedbackDue = new(soon) }),
		func(e *ticket.Event) {
			quiet(e)
			e.Set.FeedbackDue, e.Set.FeedbackAsked = new(time.Time{}), true
		},
		func(e *ticket.Event) { e.Message, e.MessageID, e.Quiet = "By mail.", "4711@example.org", true },
		func(e *ticket.Event) { e.Note, e.Automatic, e.MessageID = "away", true, "4712@example.org" },
		func(e *ticket.Event) { e.Action, e.Set.Score, e.Feedback = ticket.ActionRate, 2, "Too slow. Zoë" },
	}
	c := k.opened(acme)
	k.commit(c)
	for i, step := range steps {
		c = next(c.Ticket, step)
		k.commit(c)
		events := k.events(c.Ticket)
		k.ok(ticket.Chain{}.Verify(events), "Verify of the history after step %d", i+1)
		folded, err := ticket.Replay(events)
		k.ok(err, "Replay of the history after step %d", i+1)
		k.same(k.ticket(c.Ticket), folded, "ticket after step %d, compared with the fold of its events", i+1)
	}
}

// then is far in the past for the clock of any machine.
var then = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// valueNoClock does everything far in the past, with its own clock.
func valueNoClock(k *kit) {
	c := k.opened(acme, at(then))
	d := k.delivery(c.Ticket)
	d.Created, d.Due = then, then.Add(time.Hour)
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}})
	k.stands(c.Ticket, c.Events)
	k.same(len(k.claim(then)), 0, "claimed in 2001, an hour before it is due")
	k.same(len(k.claim(then.Add(2*time.Hour))), 1, "claimed in 2001, an hour after it is due")
	k.same(len(k.claim(then.Add(2*time.Hour))), 0, "claimed in 2001, while the lease runs")
	k.same(len(k.claim(then.Add(3*time.Hour))), 1, "claimed in 2001, after the lease")
}

// The first and the last time that are accepted, and some that are refused.
var (
	firstYear = time.Time{}.Add(time.Microsecond)
	lastYear  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	outside   = []time.Time{
		time.Time{}.Add(-1), lastYear.Add(time.Microsecond), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), time.UnixMicro(math.MinInt64), time.UnixMicro(math.MaxInt64),
		time.Unix(math.MinInt64/2, 0), time.Unix(math.MaxInt64/2, 0),
	}
)

// valueYearsTaken commits tickets far in the past and future and finds them by their times.
func valueYearsTaken(k *kit) {
	for _, at := range []time.Time{firstYear, time.Date(1582, 10, 4, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(2112, 9, 1, 0, 0, 0, 0, time.UTC), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), lastYear} {
		tenant := at.String()
		c := k.opened(tenant, func(e *ticket.Event) {
			due(at)(e)
			e.At, e.Set.Timer = at, &ticket.Timer{At: at, Action: ticket.ActionResume}
		})
		k.commit(c)
		k.same(k.ticket(c.Ticket), c.Ticket, "ticket of %s", tenant)
		k.same(k.events(c.Ticket), c.Events, "events of %s", tenant)
		want := []ticket.Ticket{c.Ticket}
		k.same(k.list(ticket.Query{Tenant: tenant, CreatedFrom: at, TouchedFrom: at}).Tickets, want, "listed from %s on", tenant)
		if at.Before(lastYear) {
			q := ticket.Query{Tenant: tenant, CreatedBefore: lastYear, TouchedBefore: lastYear, DueBefore: lastYear}
			k.same(k.list(q).Tickets, want, "of %s, listed from before the end", tenant)
		}
		k.same(len(k.list(ticket.Query{Tenant: tenant, CreatedBefore: at}).Tickets), 0, "listed from before %s", tenant)
	}
}

func valueYearsRefused(k *kit) {
	d := k.delivery(k.opened(acme).Ticket)
	for _, at := range outside {
		c := k.opened(acme, func(e *ticket.Event) { e.At = at })
		k.refused(k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{c}}), ticket.ErrInvalid, "Commit at %s", at)
		c = k.opened(acme, timer(at))
		k.refused(k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{c}}), ticket.ErrInvalid, "Commit with a timer at %s", at)
		for what, set := range map[string]func(p *ticket.Patch){
			"a clock that is due":                func(p *ticket.Patch) { p.Clocks = []ticket.Clock{{Metric: "update", Due: at}} },
			"a clock whose promise was broken":   func(p *ticket.Patch) { p.Clocks = []ticket.Clock{{Metric: "update", Breached: at}} },
			"a clock to look at":                 func(p *ticket.Patch) { p.Clocks = []ticket.Clock{{Metric: "update", Next: at}} },
			"a clock that started":               func(p *ticket.Patch) { p.Clocks = []ticket.Clock{{Metric: "update", Started: at}} },
			"a clock in its state":               func(p *ticket.Patch) { p.Clocks = []ticket.Clock{{Metric: "update", Since: at}} },
			"a snooze":                           func(p *ticket.Patch) { p.Snoozed = &at },
			"a question for feedback":            func(p *ticket.Patch) { p.FeedbackDue = &at },
			"an answer promised":                 func(p *ticket.Patch) { p.Promised = &at },
			"a threshold reached":                func(p *ticket.Patch) { p.Alert = &ticket.ClockAlert{At: at} },
			"a threshold of a clock that is due": func(p *ticket.Patch) { p.Alert = &ticket.ClockAlert{Due: at} },
		} {
			c := k.opened(acme, func(e *ticket.Event) { set(&e.Set) })
			k.refused(k.try(c), ticket.ErrInvalid, "Commit with %s at %s", what, at)
		}
		for what, q := range map[string]ticket.Query{
			"CreatedFrom": {CreatedFrom: at}, "CreatedBefore": {CreatedBefore: at}, "TouchedFrom": {TouchedFrom: at},
			"TouchedBefore": {TouchedBefore: at}, "DueBefore": {DueBefore: at},
		} {
			_, err := k.store.List(k.Context(), q)
			k.refused(err, ticket.ErrInvalid, "List with %s of %s", what, at)
		}
		for what, q := range map[string]ticket.DeliveryQuery{"SettledFrom": {SettledFrom: at}, "SettledBefore": {SettledBefore: at}} {
			_, err := k.store.Deliveries(k.Context(), q)
			k.refused(err, ticket.ErrInvalid, "Deliveries with %s of %s", what, at)
		}
		_, err := k.store.Claim(k.Context(), ticket.ClaimRequest{Now: at, Lease: time.Minute, Limit: 1, Notifiers: []string{d.Notifier}})
		k.refused(err, ticket.ErrInvalid, "Claim at %s", at)
		for _, s := range []ticket.Settlement{{ID: d.ID, State: ticket.DeliverySent, At: at}, {ID: d.ID, State: ticket.DeliveryPending, At: clock, Due: at}} {
			k.refused(k.store.Settle(k.Context(), []ticket.Settlement{s}), ticket.ErrInvalid, "Settle at %s, due at %s", s.At, s.Due)
		}
		_, err = k.store.UpdateDeliveries(k.Context(), ticket.DeliveryUpdate{Tenant: acme, IDs: []ticket.ID{d.ID}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: at})
		k.refused(err, ticket.ErrInvalid, "UpdateDeliveries at %s", at)
	}
}

func valueYearsDue(k *kit) {
	c := k.opened(acme, timer(clock))
	k.commit(c)
	for _, now := range outside {
		want := []ticket.Ref{}
		if now.After(clock) {
			want = append(want, refTo(c))
		}
		k.same(k.due(now, 10), want, "due at %s", now)
	}
}
