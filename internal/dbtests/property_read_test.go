package dbtests_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// look reads as a customer, with every call, and compares the results with the
// model.
func (w *world) look(p ticket.Person, tenant string) {
	w.Helper()
	a, id := ticket.Requester(p).InTenant(tenant), clean(p.ID)
	want := []string{}
	for _, at := range w.tickets {
		r := w.of[at]
		last := w.leads(a, r)
		if last == r {
			want = append(want, r.number)
		}
		if !w.sees(a, r) { // its number leads only those who see it
			w.hidden(a, r)
			continue
		}
		t, err := w.desk.Lookup(w.Context(), a, r.number)
		require.NoError(w, err)
		require.Equal(w, last.id, t.ID)
		w.public(tenant, t)
		require.Equal(w, w.thread(id, last, false), w.messages(a, r.number), "what %s reads under %s", id, r.number)
		w.kept(id, last)
		if last == r {
			w.history(a, r)
		}
	}
	got := []string{}
	for t, err := range w.desk.Tickets(w.Context(), a, ticket.Query{Limit: 3}) {
		require.NoError(w, err)
		w.public(tenant, t)
		got = append(got, string(t.Number))
	}
	require.ElementsMatch(w, want, got, "the tickets of %s", id)
	w.search(a)
	w.search(a)
	none, err := w.desk.Search(w.Context(), a, ticket.SearchQuery{Text: secretNote})
	require.NoError(w, err)
	require.Empty(w, none)
	_, err = w.desk.Deliveries(w.Context(), a, ticket.DeliveryQuery{})
	require.ErrorIs(w, err, ticket.ErrRefused)
}

// kept counts how often the steps reached each case of what a person may not read,
// or reads only because of a merge.
func (w *world) kept(p string, r *record) {
	for _, of := range w.within(r) {
		for i := range of.events {
			e := &of.events[i]
			switch reads := of.reads(p, e.Seq); {
			case !hasWords(e):
			case author(e) == p && e.Seq < of.since && !of.follow[p]:
				w.done["own words of before"]++
			case reads && !of.part(p):
				w.done["colleague's words"]++
			case !reads && of.owner() == p:
				w.done["kept from requester"]++
			case !reads && of.part(p):
				w.done["kept from follower"]++
			}
		}
	}
}

// hidden checks that an actor learns nothing of a ticket by its ID.
func (w *world) hidden(a ticket.Actor, r *record) {
	w.Helper()
	_, err := w.desk.Get(w.Context(), a, r.id)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	_, err = w.desk.Track(w.Context(), a, r.number)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	if !w.one(6) {
		return
	}
	_, err = w.desk.Find(w.Context(), a, r.number)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	_, err = w.desk.Lookup(w.Context(), a, r.number)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	_, err = w.desk.RevokeStatusLinks(w.Context(), a, r.id)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	_, err = w.desk.AtVersion(w.Context(), a, r.id, 1)
	require.ErrorIs(w, err, ticket.ErrNotFound)
	_, err = w.desk.AsOf(w.Context(), a, r.id, w.clock.Now())
	require.ErrorIs(w, err, ticket.ErrNotFound)
	require.ErrorIs(w, w.desk.Verify(w.Context(), a, r.id), ticket.ErrNotFound)
	for _, err := range w.desk.Events(w.Context(), a, r.id) {
		require.ErrorIs(w, err, ticket.ErrNotFound)
	}
	for _, err := range w.desk.History(w.Context(), a, r.id) {
		require.ErrorIs(w, err, ticket.ErrNotFound)
	}
	_, err = w.desk.StatusLink(w.Context(), a, r.id, ticket.StatusLinkRequest{})
	require.ErrorIs(w, err, ticket.ErrNotFound)
}

// messages returns the texts that Track and Messages show, by number and event.
func (w *world) messages(a ticket.Actor, ref string) map[string]string {
	w.Helper()
	v, err := w.desk.Track(w.Context(), a, ref)
	require.NoError(w, err)
	w.public(a.Tenant, v)
	list := v.Messages
	for at := v.Earlier; at != ""; {
		var page []ticket.ViewMessage
		page, at, err = w.desk.Messages(w.Context(), a, ref, at)
		require.NoError(w, err)
		w.public(a.Tenant, page)
		list = append(page, list...)
	}
	all := map[string]string{}
	for i, m := range list {
		number := "here"
		if m.Number != "" {
			number = string(m.Number)
		}
		all[fmt.Sprint(number, " ", m.Seq)] = string(m.Text)
		require.True(w, i == 0 || !m.At.Before(list[i-1].At), "messages are ordered by time")
	}
	require.Len(w, all, len(list), "each message appears once")
	return all
}

// history checks which events, and which past states, a customer reads of a ticket.
func (w *world) history(a ticket.Actor, r *record) {
	w.Helper()
	id, want, got := clean(a.Person.ID), w.thread(clean(a.Person.ID), r, false), map[string]string{}
	for e, err := range w.desk.History(w.Context(), a, r.id) {
		require.NoError(w, err)
		w.public(a.Tenant, e)
		of := w.of[e.Ticket]
		require.True(w, of.reads(id, e.Seq), "an event of %s that is not for %s", of.number, id)
		if hasWords(&e) {
			got[place(of, r, e.Seq)] = string(e.Message)
		}
	}
	require.Equal(w, want, got)
	version := 1 + w.rng.Int64N(r.now.Version)
	past, err := w.desk.AtVersion(w.Context(), a, r.id, version)
	require.NoError(w, err)
	w.public(a.Tenant, past)
	subject := ""
	for _, e := range r.events[:version] {
		if e.Subject != "" {
			subject = e.Subject
		}
	}
	if author(&r.events[version-1]) != id { // the library does not return its former place
		if !r.reads(id, version) {
			subject = ""
		}
		require.Equal(w, subject, past.Subject, "the subject at version %d", version)
	}
}

// search searches for some words, and checks that an actor finds exactly the tickets
// where it can read them.
func (w *world) search(a ticket.Actor) {
	w.Helper()
	word := wordOf(1 + w.rng.IntN(w.said))
	hits, err := w.desk.Search(w.Context(), a, ticket.SearchQuery{Text: word})
	require.NoError(w, err)
	want, got := w.where(a, word), map[ticket.ID]bool{}
	for _, h := range hits {
		w.public(a.Tenant, h.Snippet)
		require.Contains(w, h.Snippet.Text, word)
		require.Contains(w, want, h.Ticket.ID, "%s finds %s", a.Person.ID, word)
		require.Contains(w, want[h.Ticket.ID], string(h.Number))
		got[h.Ticket.ID] = true
	}
	require.Len(w, got, len(hits), "each ticket is found once")
	require.Len(w, got, len(want), "%s does not find %s", a.Person.ID, word)
	w.done[map[bool]string{true: "found", false: "not found"}[len(got) > 0]]++
}

// lookAs checks that an agent sees the tickets that it serves, and no others.
func (w *world) lookAs(a ticket.Actor) {
	w.Helper()
	serves := map[ticket.ID]bool{}
	for _, id := range w.tickets {
		r := w.of[id]
		if !w.sees(a, r) {
			w.hidden(a, r)
			for _, err := range w.desk.Entries(w.Context(), a, id) {
				require.ErrorIs(w, err, ticket.ErrNotFound)
			}
			continue
		}
		serves[id] = true
		t, err := w.desk.Lookup(w.Context(), a, r.number)
		require.NoError(w, err)
		require.Equal(w, id, t.ID, "the very ticket")
		t, err = w.desk.Find(w.Context(), a, r.number)
		require.NoError(w, err)
		require.Equal(w, w.leads(a, r).id, t.ID)
		if !w.one(4) {
			continue
		}
		got, want := map[ticket.ID]int{}, map[ticket.ID]int{}
		for _, of := range w.within(r) {
			if w.sees(a, of) {
				want[of.id] = len(of.events)
			}
		}
		for e, err := range w.desk.Entries(w.Context(), a, id) {
			require.NoError(w, err)
			got[e.Event.Ticket]++
		}
		require.Equal(w, want, got, "the history has its own events")
	}
	got := map[ticket.ID]bool{}
	counted := map[string]int{}
	for t, err := range w.desk.Tickets(w.Context(), a, ticket.Query{Limit: 3}) {
		require.NoError(w, err)
		b, err := json.Marshal(t)
		require.NoError(w, err)
		require.NotContains(w, string(b), foreign(a.Tenant))
		got[t.ID] = true
	}
	require.Equal(w, serves, got, "the tickets of %s", a.Person.ID)
	w.search(a)
	for q := (ticket.DeliveryQuery{Limit: 100}); ; {
		page, err := w.desk.Deliveries(w.Context(), a, q)
		require.NoError(w, err)
		for _, d := range page.Deliveries {
			require.True(w, serves[d.Ticket], "the agent of another queue was notified")
		}
		if q.After = page.Next; q.After.IsZero() || !w.one(4) {
			break
		}
	}
	counts, err := w.desk.Counts(w.Context(), a)
	require.NoError(w, err)
	for _, c := range counts {
		counted[c.Queue] += c.N
	}
	want := map[string]int{}
	for _, id := range w.tickets {
		r := w.of[id]
		if w.counts(a, r) && !r.now.Phase.Done() && r.now.MergedInto.IsZero() {
			want[r.now.Queue]++
		}
	}
	require.Equal(w, want, counted, "what %s counts", a.Person.ID)
}

// counts reports whether a ticket is in a queue that an agent serves.
func (w *world) counts(a ticket.Actor, r *record) bool {
	unassigned := *r
	unassigned.now.Assignee = ""
	return w.sees(a, &unassigned)
}

// chains checks every history, and that no ticket is its own ancestor.
func (w *world) chains() {
	w.Helper()
	parents := map[ticket.ID][]ticket.ID{}
	for _, id := range w.tickets {
		r := w.of[id]
		require.NoError(w, w.desk.Verify(w.Context(), boss(r.now.Tenant), id))
		folded, err := ticket.Replay(r.events)
		require.NoError(w, err)
		require.True(w, folded.Equal(r.now))
		for _, l := range r.now.Links {
			if l.Relation == ticket.RelationChildOf {
				parents[id] = append(parents[id], l.Ticket)
			}
		}
	}
	for id := range parents {
		seen, todo := map[ticket.ID]bool{}, slices.Clone(parents[id])
		for len(todo) > 0 {
			next := todo[0]
			todo = todo[1:]
			require.NotEqual(w, id, next, "its own ancestor")
			if !seen[next] {
				seen[next] = true
				todo = append(todo, parents[next]...)
			}
		}
	}
}

// state returns all contents except for random values.
func (w *world) state() string {
	w.Helper()
	var b strings.Builder
	for _, id := range w.tickets {
		t := w.of[id].now
		t.Digest = ticket.Digest{}
		b.WriteString(asText(w, t) + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(w.done)) {
		fmt.Fprintln(&b, name, w.done[name])
	}
	return b.String()
}
