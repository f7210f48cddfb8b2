package dbtests_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// customerOf says whose customer each person is.
var customerOf = map[string]string{"7": "the mill", "8": "the mill", "9": "Cyd alone", "v": "the vendor", "w": "the vendor"}

// A model is what the test knows of all tickets, by what it was told of their
// events, and rules of its own.
type model struct {
	tickets []ticket.ID
	of      map[ticket.ID]*record
	origin  map[ticket.ID]ticket.ID // what a follow-up follows
}

func newModel() model {
	return model{of: map[ticket.ID]*record{}, origin: map[ticket.ID]ticket.ID{}}
}

// A record is what is known of one ticket.
type record struct {
	id      ticket.ID
	number  string
	now     ticket.Ticket
	events  []ticket.Event
	turns   []turn          // whose it was
	since   int64           // the event by which it became its customer's
	follow  map[string]bool // who follows; true: by somebody's doing, and not by a merge
	revoked int             // how often its links were
}

type turn struct {
	from int64
	of   string
}

// refresh reads what changed, and returns which tickets did.
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

// record makes of a history what the model wants to know.
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

// part reports whether a person has one in the ticket.
func (r *record) part(p string) bool {
	_, follows := r.follow[p]
	return follows || r.owner() == p
}

// author is who among the customers said an event's words; "": nobody.
func author(e *ticket.Event) string {
	switch {
	case e.Author.ID != "":
		return e.Author.ID
	case e.By.Role&ticket.RoleCustomer != 0:
		return e.Actor.ID
	}
	return ""
}

// reads reports whether a customer who sees the ticket, or has it before itself
// where it was merged into another one, reads what was said in an event.
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

// hasWords reports whether an event says something to customers.
func hasWords(e *ticket.Event) bool { return e.Message != "" || len(e.Attachments) > 0 }

// sees reports whether an actor knows of a ticket.
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

// way are the tickets that one goes on as, itself first.
func (m *model) way(r *record) []*record {
	list := []*record{r}
	for !r.now.MergedInto.IsZero() {
		r = m.of[r.now.MergedInto]
		list = append(list, r)
	}
	return list
}

// leads returns the ticket that the number of one leads an actor to: the last that
// it sees; nil: there is none.
func (m *model) leads(a ticket.Actor, r *record) (last *record) {
	for _, next := range m.way(r) {
		if m.sees(a, next) {
			last = next
		}
	}
	return last
}

// holder is with whose desk the case is.
func (m *model) holder(r *record) *record {
	way := m.way(r)
	return way[len(way)-1]
}

// within are a ticket and all that were merged into it.
func (m *model) within(r *record) (list []*record) {
	for _, id := range m.tickets {
		if slices.Contains(m.way(m.of[id]), r) {
			list = append(list, m.of[id])
		}
	}
	return list
}

// thread is what a customer reads of a ticket that it sees, by number and event. A
// reader who has a link need not know whose it is, and gets no link at all.
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

// shown is what a customer reads as the text of an event: others' without links.
func (w *world) shown(p string, e *ticket.Event) string {
	if author(e) == p {
		return string(e.Message)
	}
	return string(w.cut(e.Message))
}

// cut takes the links out of words.
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

// place names an event; the number is that under which it is read.
func place(of, in *record, seq int64) string {
	if of == in {
		return fmt.Sprint("here ", seq)
	}
	return fmt.Sprint(of.number, " ", seq)
}

// where are the tickets in which an actor finds a word, and the numbers that each can
// be marked with: of those that were merged in and have it, none where it has it
// itself.
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

// underWay are the other tickets that a customer's case goes on as and that are not
// done: follow-ups of the ticket, of what it follows, and of what was merged into
// one of these.
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

// spelt are the names that come in with what nobody sees, as they are to be stored.
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

// cleanSubject is how those that [world.subject] makes are stored.
func cleanSubject(s string) string {
	return strings.Trim(strings.NewReplacer("\u202e", "", "o\u0308", "\u00f6").Replace(s), " \ufeff")
}

// storedAs checks that a ticket is stored as the draft says, in the form of names
// and lines; and texts as they came.
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

// public checks that what somebody gets holds nothing of another tenant, no note
// and no place of a file.
func (w *world) public(tenant string, v any) {
	w.Helper()
	b, err := json.Marshal(v)
	require.NoError(w, err)
	require.NotContains(w, string(b), foreign(tenant))
	require.NotContains(w, string(b), secretNote)
}
