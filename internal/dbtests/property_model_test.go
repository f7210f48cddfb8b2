package dbtests_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// customerOf names the customer to whom each person belongs.
var customerOf = map[string]string{"7": "the mill", "8": "the mill", "9": "Cyd alone", "v": "the vendor", "w": "the vendor"}

// A model is the test's own view of all tickets, from their events and its own
// rules.
type model struct {
	tickets []ticket.ID
	of      map[ticket.ID]*record
	origin  map[ticket.ID]ticket.ID // the ticket that a follow-up follows
}

func newModel() model {
	return model{of: map[ticket.ID]*record{}, origin: map[ticket.ID]ticket.ID{}}
}

// A record is the model of one ticket.
type record struct {
	id      ticket.ID
	number  string
	now     ticket.Ticket
	events  []ticket.Event
	turns   []turn          // the requesters over time
	since   int64           // the event that gave it to its current customer
	follow  map[string]bool // the followers; true: added by an actor, not by a merge
	revoked int             // how often its links were revoked
}

type turn struct {
	from int64
	of   string
}

// refresh reads the changes, and returns the tickets that changed.
func (w *world) refresh() (changed []ticket.ID) {
	w.Helper()
	for _, tenant := range worldTenants {
		page, err := w.desk.List(w.Context(), boss(tenant), ticket.Query{Limit: ticket.MaxLimit})
		require.NoError(w, err)
		for _, t := range page.Tickets {
			old := w.of[t.ID]
			if old == nil {
				w.tickets = append(w.tickets, t.ID)
			} else if old.now.Version == t.Version {
				require.True(w, old.now.Equal(t), "nothing changes without an event")
				continue
			}
			var events []ticket.Event
			for e, err := range w.desk.Events(w.Context(), boss(tenant), t.ID) {
				require.NoError(w, err)
				events = append(events, e)
			}
			r := w.record(events)
			r.now = t
			require.Equal(w, t.Requester.ID, r.owner())
			w.of[t.ID] = r
			changed = append(changed, t.ID)
		}
	}
	return changed
}

// record builds the model of a history.
func (w *world) record(events []ticket.Event) *record {
	r := &record{id: events[0].Ticket, number: string(events[0].Set.Number), events: events, follow: map[string]bool{}}
	for _, e := range events {
		if id := e.Requester.ID; id != "" {
			if len(r.turns) > 0 && customerOf[id] != customerOf[r.owner()] {
				r.since = e.Seq
			}
			r.turns = append(r.turns, turn{e.Seq, id})
		}
		for _, p := range e.Unfollowed {
			delete(r.follow, p.ID)
		}
		for _, p := range e.Followed {
			r.follow[p.ID] = e.Action != ticket.ActionMerge
		}
		if e.Action == ticket.ActionRevokeStatusLinks {
			r.revoked++
		}
	}
	return r
}

func (r *record) owner() string { return r.turns[len(r.turns)-1].of }

// part reports whether a person has a part in the ticket.
func (r *record) part(p string) bool {
	_, follows := r.follow[p]
	return follows || r.owner() == p
}

// author returns the customer who wrote an event's words, or "" for none.
func author(e *ticket.Event) string {
	switch {
	case e.Author.ID != "":
		return e.Author.ID
	case e.By.Role&ticket.RoleCustomer != 0:
		return e.Actor.ID
	}
	return ""
}

// reads reports whether a customer reads the words of an event. The customer sees
// the ticket, or the ticket that it was merged into.
func (r *record) reads(p string, seq int64) bool {
	if !r.part(p) && customerOf[r.owner()] != customerOf[p] {
		return false
	}
	then := ""
	for _, t := range r.turns {
		if t.from <= seq {
			then = t.of
		}
	}
	return author(&r.events[seq-1]) == p || r.follow[p] || seq >= r.since || customerOf[then] == customerOf[p]
}

// hasWords reports whether an event contains words for customers.
func hasWords(e *ticket.Event) bool { return e.Message != "" || len(e.Attachments) > 0 }

// sees reports whether an actor may know of a ticket.
func (m *model) sees(a ticket.Actor, r *record) bool {
	switch {
	case a.Tenant != r.now.Tenant:
		return false
	case a.Role == ticket.RoleRequester:
		return r.part(clean(a.Person.ID))
	case a.Role == ticket.RoleSystem:
		return true
	}
	id := clean(a.Person.ID)
	queues, confined := map[string][]string{"lin": {"", "hard"}, "gus": {"", "front"}, "nil": nil}[id]
	return !confined || r.now.Assignee == id || slices.Contains(queues, r.now.Queue)
}

// way returns a ticket and those it was merged into, in order.
func (m *model) way(r *record) []*record {
	list := []*record{r}
	for !r.now.MergedInto.IsZero() {
		r = m.of[r.now.MergedInto]
		list = append(list, r)
	}
	return list
}

// leads returns the ticket to which the number of a ticket leads an actor: the last
// one that the actor sees, or nil.
func (m *model) leads(a ticket.Actor, r *record) (last *record) {
	for _, next := range m.way(r) {
		if m.sees(a, next) {
			last = next
		}
	}
	return last
}

// holder returns the ticket that has the case now.
func (m *model) holder(r *record) *record {
	way := m.way(r)
	return way[len(way)-1]
}

// within returns a ticket and all that were merged into it.
func (m *model) within(r *record) (list []*record) {
	for _, id := range m.tickets {
		if slices.Contains(m.way(m.of[id]), r) {
			list = append(list, m.of[id])
		}
	}
	return list
}

// thread returns the texts that a customer reads of a ticket, by number and event.
// The holder of a link may be an unknown person, and gets no link at all.
func (w *world) thread(p string, r *record, holds bool) map[string]string {
	all := map[string]string{}
	for _, of := range w.within(r) {
		for i := range of.events {
			if e := &of.events[i]; hasWords(e) && of.reads(p, e.Seq) {
				reader := p
				if holds {
					reader = "somebody"
				}
				all[place(of, r, e.Seq)] = w.shown(reader, e)
			}
		}
	}
	return all
}

// shown returns the text of an event for a customer. Texts of others have no links.
func (w *world) shown(p string, e *ticket.Event) string {
	if author(e) == p {
		return string(e.Message)
	}
	return string(w.cut(e.Message))
}

// cut removes links from words.
func (w *world) cut(text ticket.Message) ticket.Message {
	s := string(text)
	for _, l := range w.links {
		s = strings.ReplaceAll(s, l.token, "…")
	}
	if s != string(text) {
		w.done["link cut"]++
	}
	return ticket.Message(s)
}

// place names an event. The number is the one under which it is read.
func place(of, in *record, seq int64) string {
	if of == in {
		return fmt.Sprint("here ", seq)
	}
	return fmt.Sprint(of.number, " ", seq)
}

// where returns the tickets in which an actor finds a word, with the numbers of the
// merged tickets that contain it. There are none if the ticket itself contains it.
func (m *model) where(a ticket.Actor, word string) map[ticket.ID][]string {
	all := map[ticket.ID][]string{}
	for _, id := range m.tickets {
		r := m.of[id]
		last := m.leads(a, r)
		if last == nil || a.Role != ticket.RoleRequester && !m.sees(a, r) {
			continue
		}
		has := func(e ticket.Event) bool {
			return strings.Contains(string(e.Message), word) && (a.Role != ticket.RoleRequester || r.reads(clean(a.Person.ID), e.Seq))
		}
		switch {
		case !slices.ContainsFunc(r.events, has):
		case last == r:
			all[id] = []string{""}
		case !slices.Contains(all[last.id], ""):
			all[last.id] = append(all[last.id], r.number)
		}
	}
	return all
}

// underWay returns the other tickets in which a customer's case continues and that
// are not done: follow-ups of the ticket, of the ticket it follows, and of tickets
// that were merged into one of these.
func (m *model) underWay(a ticket.Actor, r *record) (list []*record) {
	before := map[ticket.ID]bool{r.id: true}
	for n := 0; n != len(before); {
		n = len(before)
		for _, id := range m.tickets {
			if o, is := m.origin[id]; is && before[id] {
				before[o] = true
			}
			if into := m.of[id].now.MergedInto; before[into] {
				before[id] = true
			}
		}
	}
	after := map[ticket.ID]bool{}
	for n := -1; n != len(after); {
		n = len(after)
		for _, id := range m.tickets {
			if o, is := m.origin[id]; is && (before[o] || after[o]) && !before[id] {
				after[id] = true
			}
		}
	}
	for _, id := range m.tickets {
		if last := m.leads(a, m.of[id]); after[id] && last != nil && !before[last.id] && !m.holder(last).now.Phase.Done() {
			list = append(list, last)
		}
	}
	return list
}

// spelt maps names with invisible characters to their stored form.
var spelt = map[string]string{
	"7\u200b": "7", " w\u2060": "w", "Ada\u200b": "Ada", "Be\u0301a": "B\u00e9a", "mill ": "mill", "mi\u00adll": "mill",
	"Shop@Example.org": "Shop@example.org", "shop@example.ORG.": "shop@example.org",
	"ha\u200brd": "hard", " hard\u200b": "hard", "fr\u00adont": "front", "front ": "front",
	"gus\u200b": "gus", "lin\u200b": "lin", "part ": "part", "v\u200bip ": "vip", "or\u00adder ": "order", "pho\u200bto.png": "photo.png",
}

func clean(s string) string {
	if is, given := spelt[s]; given {
		return is
	}
	return s
}

func cleanPerson(p ticket.Person) ticket.Person {
	return ticket.Person{ID: clean(p.ID), Name: clean(p.Name), Email: clean(p.Email), Organisation: clean(p.Organisation)}
}

// cleanSubject returns the stored form of a subject of [world.subject].
func cleanSubject(s string) string {
	return strings.Trim(strings.NewReplacer("\u202e", "", "o\u0308", "\u00f6").Replace(s), " \ufeff")
}

// storedAs checks that a ticket is stored as in the draft: names and lines in their
// stored form, and texts unchanged.
func (w *world) storedAs(a ticket.Actor, d ticket.Draft, r *record) {
	w.Helper()
	e := r.events[0]
	require.Equal(w, cleanSubject(d.Subject), r.now.Subject)
	require.Equal(w, clean(d.Queue), r.now.Queue)
	if a.Role == ticket.RoleRequester {
		d.Requester = a.Person
	}
	require.Equal(w, cleanPerson(d.Requester), r.now.Requester)
	var follow []ticket.Person
	for _, p := range d.Followers {
		follow = append(follow, cleanPerson(p))
	}
	require.Equal(w, follow, e.Followed)
	require.Equal(w, d.Message, e.Message)
	for _, tag := range d.Tags {
		require.Contains(w, r.now.Tags, strings.TrimSpace(tag))
	}
}

// public checks that a result contains nothing of another tenant, no note and no
// location of a file.
func (w *world) public(tenant string, v any) {
	w.Helper()
	b, err := json.Marshal(v)
	require.NoError(w, err)
	require.NotContains(w, string(b), foreign(tenant))
	require.NotContains(w, string(b), secretNote)
}
