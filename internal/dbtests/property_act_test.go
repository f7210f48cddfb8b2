package dbtests_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// people are a few persons: two of one organisation, two who share a mailbox, and
// two of other customers.
var people = []ticket.Person{
	{ID: "7\u200b", Name: "Ada\u200b", Email: "ada@example.org", Organisation: "mill "},
	{ID: "8", Name: "Be\u0301a", Email: "Shop@Example.org", Organisation: "mi\u00adll"},
	{ID: "9", Name: "Cyd", Email: "shop@example.ORG."},
	{ID: "v", Email: "vic@vendor.example", Organisation: "vendor"},
	{ID: " w\u2060", Email: "wyn@vendor.example", Organisation: "vendor"},
}

// agents have IDs that customers also have. Some serve only certain queues.
var agents = []ticket.Actor{
	ticket.Agent("7", 1, 2, 3), ticket.Agent("8", 1, 2, 3),
	ticket.Agent("lin", 1, 2, 3).Serving("ha\u200brd"), ticket.Agent("gus\u200b", 1, 2, 3).Serving("front "), ticket.Agent("nil", 1, 2, 3).Serving(),
}

func (w *world) person() ticket.Person { return pickOf(w, people...) }

func (w *world) agent(tenant string) ticket.Actor { return pickOf(w, agents...).InTenant(tenant) }

func (w *world) actor(tenant string) ticket.Actor {
	switch n := w.rng.IntN(12); {
	case n < 4:
		return ticket.Requester(w.person()).InTenant(tenant)
	case n == 4:
		return ticket.System(pickOf(w, "7", "cron")).InTenant(tenant)
	case n < 7:
		return w.agent(tenant)
	default:
		return pickOf(w, agents[:2]...).InTenant(tenant)
	}
}

// words returns words that identify a tenant and are never repeated.
func (w *world) words(tenant string) ticket.Message {
	w.said++
	quoted := ""
	if len(w.links) > 0 && w.one(6) { // a mail that quotes a letter contains its link
		quoted = " https://help.example.org/t/" + w.links[w.rng.IntN(len(w.links))].token
	}
	return ticket.Message(quoted + fmt.Sprintf("%s, said %s by %s", pickOf(w, "the loom\u200b stops", " thank you ", "where is it?", "\u200e7Q4K"), wordOf(w.said), mark(tenant)))
}

func wordOf(n int) string { return fmt.Sprintf("word%dx", n) }

func mark(tenant string) string { return "tenant(" + tenant + ")" }

// foreign is text that nobody in a tenant may read.
func foreign(tenant string) string {
	if tenant == worldTenants[0] {
		return mark(worldTenants[1])
	}
	return mark(worldTenants[0])
}

func (w *world) subject(tenant string) string {
	return pickOf(w, " loom\u200b ", "lo\u0308om\u202e", "loom") + fmt.Sprint(w.rng.IntN(1000)) + mark(tenant) + pickOf(w, "", " ", "\ufeff")
}

func (w *world) queue() string { return pickOf(w, "hard", " hard\u200b", "front", "fr\u00adont") }

func (w *world) open(tenant string) {
	w.Helper()
	a := w.actor(tenant)
	d := ticket.Draft{Subject: w.subject(tenant), Message: w.words(tenant), Automatic: w.one(8), Queue: pickOf(w, "", w.queue())}
	if a.Role != ticket.RoleRequester {
		d.Requester, d.Note, d.Tags = w.person(), secretNote, []string{mark(tenant) + " "}
	}
	if w.one(2) {
		d.Followers = []ticket.Person{w.person()}
	}
	w.clock.Advance(time.Minute)
	w.note("%s opens %+v", a, d)
	t, err := w.desk.Open(w.Context(), a, d)
	require.NoError(w, err)
	w.refresh()
	w.storedAs(a, d, w.of[t.ID])
}

// mergeable returns the tickets into which one can be merged.
func (w *world) mergeable(t ticket.Ticket) (list []ticket.ID) {
	for _, id := range w.tickets {
		o := w.of[id].now
		if id != t.ID && o.Tenant == t.Tenant && !o.Phase.Done() && o.MergedInto.IsZero() && customerOf[o.Requester.ID] == customerOf[t.Requester.ID] {
			list = append(list, id)
			if w.of[id].since > 0 { // here most mistakes would show
				list = append(list, id, id, id)
			}
		}
	}
	return list
}

var everyAction = sync.OnceValue(func() []ticket.ActionName { return ticket.DefaultWorkflow().MustCompile(nil).Actions() })

// takesNoWords are the actions that must have no words for a customer.
var takesNoWords = map[ticket.ActionName]bool{
	ticket.ActionMerge: true, ticket.ActionUnmerge: true, ticket.ActionSplit: true, ticket.ActionLink: true, ticket.ActionUnlink: true, ticket.ActionEdit: true,
}

func (w *world) action(t ticket.Ticket) ticket.Action {
	if !t.MergedInto.IsZero() && w.one(3) {
		return ticket.Action{Name: ticket.ActionUnmerge}
	}
	act := ticket.Action{Name: pickOf(w, everyAction()...), Channel: pickOf(w, "", ticket.ChannelMail)}
	if w.one(2) {
		act.Name = pickOf(w, ticket.ActionReply, ticket.ActionMerge, ticket.ActionMerge, ticket.ActionMerge, ticket.ActionUnmerge, ticket.ActionResolve, ticket.ActionResolve, ticket.ActionAmend, ticket.ActionSplit, ticket.ActionSplit, ticket.ActionEdit, ticket.ActionEdit)
	}
	if !w.one(4) {
		act.Message = w.words(t.Tenant)
	}
	if w.one(5) {
		act.Attachments = []ticket.Attachment{{Name: "pho\u200bto.png", Ref: secretNote}}
	}
	act.Automatic = w.one(6)
	if takesNoWords[act.Name] && !w.one(8) {
		act.Message, act.Attachments, act.Automatic = "", nil, false
	}
	switch act.Name {
	case ticket.ActionHold, ticket.ActionCancel:
		act.Reason = "part "
	case ticket.ActionHandOver, ticket.ActionEscalate, ticket.ActionHandBack:
		act.Queue = w.queue()
	case ticket.ActionAssign:
		act.Assignee = pickOf(w, "7", "8", "lin\u200b", "gus")
	case ticket.ActionMerge, ticket.ActionLink, ticket.ActionUnlink:
		act.Ticket = w.tickets[w.rng.IntN(len(w.tickets))]
		switch {
		case act.Name != ticket.ActionMerge:
			act.Relation = pickOf(w, ticket.RelationChildOf, ticket.RelationParentOf, ticket.RelationCausedBy, ticket.RelationRelatedTo)
		case !w.one(6):
			if list := w.mergeable(t); len(list) > 0 {
				act.Ticket = list[w.rng.IntN(len(list))]
			}
		}
	case ticket.ActionSplit:
		act.Draft = &ticket.Draft{Subject: w.subject(t.Tenant), From: int64(w.rng.IntN(1 + int(t.Version)))}
		for _, e := range w.of[t.ID].events {
			if author(&e) != "" && w.one(2) {
				act.Draft.From = e.Seq // mostly an event with a customer's words
			}
		}
		if w.one(2) {
			act.Draft.Requester = w.person()
		}
		if w.one(4) {
			act.Draft.Followers = []ticket.Person{w.person()}
		}
	case ticket.ActionEdit:
		act.Edit = w.edit(w.of[t.ID])
	}
	if w.one(3) {
		act.Key = fmt.Sprint("key", len(w.keyed))
	}
	return act
}

func (w *world) edit(r *record) *ticket.Edits {
	e := &ticket.Edits{Priority: ticket.Grade(w.rng.IntN(5)), Impact: ticket.Grade(w.rng.IntN(5))}
	switch w.rng.IntN(7) {
	case 0, 1:
		e.Requester = w.person()
		for _, ev := range r.events {
			if ev.By.Role&ticket.RoleCustomer != 0 && w.one(4) {
				e.Requester = ev.Actor // a person who wrote there
			}
		}
	case 2:
		e.Follow = []ticket.Person{w.person()}
	case 3:
		e.Unfollow = []ticket.Person{pickOf(w, append(slices.Clone(r.now.Followers), w.person())...)}
	case 4:
		e.AddTags, e.Fields = []string{"v\u200bip "}, ticket.Fields{"or\u00adder ": w.rng.IntN(3)}
	case 5:
		e.Subject = w.subject(r.now.Tenant)
	default:
		e.RemoveTags, e.Fields = []string{"vip"}, ticket.Fields{"order": nil}
	}
	return e
}

// act lets an actor do an action.
func (w *world) act() {
	w.Helper()
	r := w.of[w.tickets[w.rng.IntN(len(w.tickets))]]
	if list := w.followed(); len(list) > 0 && w.one(6) {
		r = list[w.rng.IntN(len(list))]
	}
	tenant := r.now.Tenant
	if w.one(10) {
		tenant = worldTenants[w.rng.IntN(2)]
	}
	a, act := w.actor(tenant), w.action(r.now)
	if o := w.of[w.merged]; o != nil && w.one(4) { // as if by mistake
		r, a, act = o, agents[0].InTenant(o.now.Tenant), ticket.Action{Name: ticket.ActionUnmerge}
	}
	w.merged = ticket.ID{}
	if a.Role == ticket.RoleRequester && !w.one(3) { // a person with a part in the ticket
		a.Person = pickOf(w, append(slices.Clone(r.now.Followers), r.now.Requester)...)
	}
	if a.Role == ticket.RoleRequester && !w.one(5) {
		act = ticket.Action{
			Name:    pickOf(w, ticket.ActionReply, ticket.ActionReply, ticket.ActionConfirm, ticket.ActionReopen, ticket.ActionCancel),
			Message: act.Message, Attachments: act.Attachments, Automatic: act.Automatic, Channel: act.Channel, Key: act.Key,
		}
		if w.one(8) {
			act.Version = 1 + w.rng.Int64N(r.now.Version)
		}
	}
	if a.Role != ticket.RoleRequester && !w.one(5) {
		act.Note = secretNote
	}
	if w.one(40) {
		w.revoke(a, r)
		return
	}
	w.step(a, r.id, act)
}

// followed returns the tickets that have a follow-up.
func (w *world) followed() (list []*record) {
	for _, id := range w.tickets {
		if o, is := w.origin[id]; is {
			list = append(list, w.of[o])
		}
	}
	return list
}

// A keyedCall was made with a key.
type keyedCall struct {
	a   ticket.Actor
	id  ticket.ID
	act ticket.Action
	got ticket.Ticket
}

// again repeats such a call after other changes. An actor who sees the ticket gets
// its current state, and any other actor gets the first result. The same key with
// another request, or from another actor, is refused.
func (w *world) again() {
	w.Helper()
	if len(w.keyed) == 0 {
		return
	}
	c := w.keyed[w.rng.IntN(len(w.keyed))]
	if w.one(2) {
		c = w.keyed[len(w.keyed)-1]
	}
	w.note("%s repeats %s %s", c.a, c.act.Name, c.act.Key)
	w.done["repeat"]++
	got, err := w.desk.Do(w.Context(), c.a, c.id, c.act)
	require.NoError(w, err)
	want := c.got
	if w.sees(c.a, w.of[c.got.ID]) {
		want, err = w.desk.Get(w.Context(), c.a, c.got.ID)
		require.NoError(w, err)
	} else {
		w.done["repeat out of sight"]++
	}
	require.True(w, want.Equal(got), "a repeat gives %+v and not %+v", got, want)
	other := c.act
	other.Channel = "other"
	others := ticket.Requester(ticket.Person{ID: "nobody"}).InTenant(c.a.Tenant)
	for _, try := range []keyedCall{{a: c.a, act: other}, {a: others, act: c.act}} {
		_, err = w.desk.Do(w.Context(), try.a, c.id, try.act)
		require.Error(w, err)
		require.NotContains(w, err.Error(), secretNote)
	}
	require.Empty(w, w.refresh(), "a repeat changed something")
}

// deliver runs the deliveries, and checks the notifications against the current
// state.
func (w *world) deliver() {
	w.Helper()
	w.note("deliver")
	_, err := w.desk.Deliver(w.Context())
	require.NoError(w, err)
	require.Empty(w, w.refresh())
	sent := w.sent.Sent()
	for _, n := range sent[w.read:] {
		r := w.of[n.Ticket]
		w.public(n.Tenant, n)
		require.Equal(w, w.cut(n.Message), n.Message, "a link is passed on")
		require.Equal(w, r.now.Tenant, n.Tenant)
		if n.To.Role&ticket.RoleCustomer != 0 {
			at := w.record(r.events[:n.Seq])
			require.True(w, r.part(n.To.Person.ID) && at.part(n.To.Person.ID), "%s was told of an event that did not concern it", n.To.Person.ID)
		}
	}
	w.read = len(sent)
}

func ids(list []ticket.Person) (all []string) {
	for _, p := range list {
		all = append(all, p.ID)
	}
	slices.Sort(all)
	return all
}
