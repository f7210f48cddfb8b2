package dbtests_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// step runs an action, and checks the result.
func (w *world) step(a ticket.Actor, id ticket.ID, act ticket.Action) {
	w.Helper()
	r := w.of[id]
	before, seen, target := r.now, w.sees(a, r), r
	var open []*record
	if a.Role == ticket.RoleRequester && seen {
		target = w.leads(a, r)
		open = w.underWay(a, target)
	}
	was := w.model
	was.of = maps.Clone(w.of)
	w.note("%s does %s to %s: %s", a, act.Name, before.Number, asText(w, act))
	got, err := w.desk.Do(w.Context(), a, id, act)
	changed := w.refresh()
	if act.Draft != nil && act.Draft.From > 0 && seen {
		w.splitFrom(r, act, got, err)
	}
	if err != nil {
		require.Empty(w, changed, "a refused action changes nothing")
		require.True(w, errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) || errors.Is(err, ticket.ErrNotFound) ||
			errors.Is(err, ticket.ErrDuplicate) || errors.Is(err, ticket.ErrStale), "%s: %v", act.Name, err)
		require.NotContains(w, err.Error(), secretNote)
		if stale := (*ticket.StaleError)(nil); errors.As(err, &stale) {
			w.done["stale"]++
			w.public(a.Tenant, stale)
			for _, e := range stale.Since {
				require.True(w, w.of[e.Ticket].reads(clean(a.Person.ID), e.Seq), "a change was shown to an actor who must not read it")
			}
		}
		if !seen && a.Role == ticket.RoleAgent && a.Tenant == before.Tenant {
			w.done["hidden from an agent"]++
		}
		return
	}
	require.True(w, seen, "an actor changed a ticket that it does not see")
	if a.Role == ticket.RoleRequester {
		w.public(a.Tenant, got)
		require.Empty(w, got.Queue+got.Assignee, "a customer gets public contents only")
	}
	if act.Key != "" {
		w.keyed = append(w.keyed, keyedCall{a, id, act, got})
	}
	for _, id := range changed {
		if o := was.of[id]; o != nil && act.Name != ticket.ActionUnmerge && act.Name != ticket.ActionUnlink { // these can remove a ticket that the actor does not see
			require.True(w, was.sees(a, o), "a ticket changed that the actor does not see")
		}
	}
	switch now := w.of[got.ID]; {
	case was.of[got.ID] == nil && act.Name != ticket.ActionSplit:
		w.done["follow-up"]++
		require.Empty(w, open, "a second follow-up")
		w.origin[got.ID] = target.id
	case len(open) > 0 && got.ID != target.id:
		w.done["joined"]++
		require.True(w, slices.ContainsFunc(open, func(o *record) bool { return o.id == got.ID }) || now.now.Phase.Done())
	}
	r = w.of[id]
	if r.now.Version == before.Version { // another ticket, or nothing to change
		return
	}
	w.done[string(act.Name)]++
	e := r.events[len(r.events)-1]
	if act.Name == e.Action {
		require.Equal(w, act.Message, e.Message, "texts stay unchanged")
		if act.Queue != "" {
			require.Equal(w, clean(act.Queue), r.now.Queue)
		}
		if act.Assignee != "" {
			require.Equal(w, clean(act.Assignee), r.now.Assignee)
		}
		if len(act.Attachments) > 0 {
			require.Equal(w, clean(act.Attachments[0].Name), e.Attachments[0].Name)
		}
	}
	if act.Edit != nil {
		w.edited(*act.Edit, r.now)
	}
	w.checkNotified(before, r, e)
	w.undoneRight(before, r, act)
}

func asText(w *world, v any) string {
	b, err := json.Marshal(v)
	require.NoError(w, err)
	return string(b)
}

// edited checks that a ticket has the values of an edit, in their stored form.
func (w *world) edited(e ticket.Edits, t ticket.Ticket) {
	w.Helper()
	if e.Subject != "" {
		require.Equal(w, cleanSubject(e.Subject), t.Subject)
	}
	if !e.Requester.IsZero() {
		require.Equal(w, cleanPerson(e.Requester), t.Requester)
	}
	for _, p := range e.Follow {
		require.Contains(w, ids(t.Followers), clean(p.ID))
	}
	for _, p := range e.Unfollow {
		require.NotContains(w, ids(t.Followers), clean(p.ID))
	}
	for _, tag := range e.AddTags {
		require.Contains(w, t.Tags, clean(tag))
	}
	for _, tag := range e.RemoveTags {
		require.NotContains(w, t.Tags, tag)
	}
	for k, v := range e.Fields {
		if v == nil {
			require.NotContains(w, t.Fields, clean(k))
		} else {
			require.EqualValues(w, v, t.Fields[clean(k)])
		}
	}
}

// splitFrom checks that a split copies the customer's words, and shows them to
// nobody who could not read them before, unless an actor decided so.
func (w *world) splitFrom(r *record, act ticket.Action, got ticket.Ticket, err error) {
	w.Helper()
	e := r.events[act.Draft.From-1]
	who := author(&e)
	if who == "" && e.Seq == 1 {
		who = e.Requester.ID
	}
	mayRead := func(p string) bool { return customerOf[p] == customerOf[who] || r.reads(p, e.Seq) }
	requester := clean(act.Draft.Requester.ID)
	if requester == "" {
		requester = r.owner()
	}
	shared := len(act.Draft.Followers) > 0 && clean(act.Draft.Followers[0].ID) == requester
	if invalid := (*ticket.InvalidError)(nil); errors.As(err, &invalid) && invalid.Field == "action.draft.from" {
		require.True(w, who == "" || !hasWords(&e) || !mayRead(requester) && !shared, "%v", err)
		if hasWords(&e) && who != "" {
			w.done["split refused"]++
		}
	}
	if err != nil {
		return
	}
	w.done["split from"]++
	part := w.of[got.ID]
	require.Equal(w, e.Message, part.events[0].Message)
	require.Equal(w, who, part.events[0].Author.ID)
	require.Equal(w, requester, part.owner())
	require.True(w, mayRead(requester) || shared, "%s is shown what %s said", requester, who)
	for p := range part.follow {
		require.True(w, mayRead(p) || len(act.Draft.Followers) > 0, "%s follows, and is shown what %s said", p, who)
	}
}

// checkNotified checks who was notified of an event.
func (w *world) checkNotified(before ticket.Ticket, r *record, e ticket.Event) {
	w.Helper()
	after, all := r.now, boss(r.now.Tenant)
	told := w.deliveriesOf(all, after, e.Seq)
	desk := w.holder(r).now
	for _, d := range told {
		switch {
		case d.To.Role&ticket.RoleAgent == 0:
		case d.To.Person.ID != "":
			require.Contains(w, []string{before.Assignee, after.Assignee, desk.Assignee}, d.To.Person.ID, "an agent without a part in the ticket was notified")
		default:
			require.Contains(w, []string{after.Queue, desk.Queue}, d.To.Queue, "another queue was notified")
		}
	}
	switch {
	case e.Automatic && hasWords(&e):
		w.done["automatic"]++
		same := after
		same.Version, same.Digest, same.Touched = before.Version, before.Digest, before.Touched
		require.True(w, before.Equal(same), "automatic words changed a state: %s", e.Action)
		for _, d := range told {
			require.Zero(w, d.To.Role&ticket.RoleCustomer, "%s", d.Kind)
		}
	case e.Answer && e.Action != ticket.ActionUnmerge:
		w.everyMailbox(after, told)
	}
	mailboxes := map[string]int{}
	for _, d := range told {
		if d.To.Role&ticket.RoleCustomer != 0 {
			mailboxes[d.To.Key()]++
		}
		own := e.By.Role&ticket.RoleCustomer != 0 && d.To.Role&ticket.RoleCustomer != 0 && e.Actor.Same(d.To.Person)
		require.False(w, own && d.Kind != ticket.KindUploaded, "a person was notified of their own words: %s", d.Kind)
	}
	for m, n := range mailboxes {
		require.Equal(w, 1, n, "%s was told %d times", m, n)
	}
	w.joiners(before, e, told)
	if before.Assignee != "" && after.Assignee != before.Assignee && e.By.Role == ticket.RoleAgent && e.By.ID != before.Assignee {
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool {
			return d.Kind == ticket.KindUnassigned && d.To.Person.ID == before.Assignee
		}), "who lost the ticket was not told")
	}
}

// undoneRight checks corrections, merges and unmerges.
func (w *world) undoneRight(before ticket.Ticket, r *record, act ticket.Action) {
	w.Helper()
	after := r.now
	switch act.Name {
	case ticket.ActionMerge:
		w.merged = r.id
	case ticket.ActionEdit:
		if r.since == after.Version {
			w.done["new customer"]++
		}
	case ticket.ActionAmend:
		require.Equal(w, [3]any{before.Resolved, before.Closed, before.Timer}, [3]any{after.Resolved, after.Closed, after.Timer})
		require.Equal(w, before.Reopened, after.Reopened)
	case ticket.ActionUnmerge:
		at := before.Version
		for ; r.events[at-1].Action != ticket.ActionMerge; at-- {
		}
		was, err := ticket.Replay(r.events[:at-1])
		require.NoError(w, err)
		require.Equal(w, was.State(), after.State())
		require.Equal(w, [6]any{was.Assignee, was.Queue, was.Resolution, was.Resolved, was.Closed, was.Reopened},
			[6]any{after.Assignee, after.Queue, after.Resolution, after.Resolved, after.Closed, after.Reopened})
		w.survivor(w.of[before.MergedInto])
	}
}

// joiners checks that a person with a new part in the ticket is notified of any
// event, unless it was their own.
func (w *world) joiners(before ticket.Ticket, e ticket.Event, told []ticket.Delivery) {
	w.Helper()
	if e.Action != ticket.ActionEdit {
		return
	}
	had := map[string]bool{}
	for _, p := range append([]ticket.Person{before.Requester}, before.Followers...) {
		had[ticket.Recipient{Role: ticket.RoleFollower, Person: p}.Key()] = true
	}
	for _, p := range append([]ticket.Person{e.Requester}, e.Followed...) {
		key := ticket.Recipient{Role: ticket.RoleFollower, Person: p}.Key()
		if p.IsZero() || had[key] {
			continue
		}
		w.done["added"]++
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool { return d.To.Role&ticket.RoleCustomer != 0 && d.To.Key() == key }),
			"%s joined and was not told", key)
	}
}

// survivor checks that a merge that is undone at once leaves the remaining ticket as
// it was, except for the record of the merge.
func (w *world) survivor(r *record) {
	w.Helper()
	was, events := r.now, r.events
	n := len(events)
	if n < 3 || events[n-1].Action != ticket.ActionUnmerge || events[n-2].Action != ticket.ActionMerge || events[n-1].Set.Other != events[n-2].Set.Other {
		return
	}
	w.done["undone at once"]++
	before, err := ticket.Replay(events[:n-2])
	require.NoError(w, err)
	was.Version, was.Digest, was.Touched = before.Version, before.Digest, before.Touched
	require.JSONEq(w, asText(w, before), asText(w, was), "the undone merge left a trace")
}

// deliveriesOf returns the deliveries of one event.
func (w *world) deliveriesOf(a ticket.Actor, t ticket.Ticket, seq int64) (list []ticket.Delivery) {
	w.Helper()
	for q := (ticket.DeliveryQuery{Ticket: t.ID, Limit: ticket.MaxLimit}); ; {
		page, err := w.desk.Deliveries(w.Context(), a, q)
		require.NoError(w, err)
		for _, d := range page.Deliveries {
			if d.Seq == seq {
				list = append(list, d)
			}
		}
		if q.After = page.Next; q.After.IsZero() {
			return list
		}
	}
}

// everyMailbox checks that an answer reaches everyone who has a part in the ticket.
func (w *world) everyMailbox(t ticket.Ticket, told []ticket.Delivery) {
	w.Helper()
	for _, p := range append([]ticket.Person{t.Requester}, t.Followers...) {
		key := ticket.Recipient{Role: ticket.RoleFollower, Person: p}.Key()
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool { return d.To.Role&ticket.RoleCustomer != 0 && d.To.Key() == key }),
			"%s heard nothing of an answer", key)
	}
}
