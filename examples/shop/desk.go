package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// queue is the page with the work.
type queue struct {
	Counts  []ticket.Count
	Tickets []ticket.Ticket
	Mine    bool
	Search  string
	Hits    []ticket.Hit
	Next    string // the address of the next page
	Notice  string
}

// Snippet shows the words in their text. The library has escaped everything
// around the marks.
func (queue) Snippet(h ticket.Hit) template.HTML { return template.HTML(h.Snippet.HTML()) }

// queuePage shows the open work or the results of a search, and the counts.
func (s *shop) queuePage(w http.ResponseWriter, r *http.Request, u user) error {
	q := queue{Mine: r.FormValue("mine") != "", Search: text(r, "q")}
	var err error
	if q.Counts, err = s.desk.Counts(r.Context(), u.actor()); err != nil {
		return err
	}
	if q.Search == "" {
		err = s.openWork(r, u, &q)
	} else {
		err = s.search(r.Context(), u, &q)
	}
	if err != nil {
		return err
	}
	return s.show(w, http.StatusOK, u, "queue", q)
}

const pageOfTickets = 25

// openWork lists a page of the open tickets, the most urgent first.
func (s *shop) openWork(r *http.Request, u user, q *queue) error {
	open := ticket.Query{
		Phase: ticket.OpenPhases(), Order: ticket.OrderMostUrgent, NotMerged: true,
		Limit: pageOfTickets, After: ticket.Cursor(r.FormValue("after")),
	}
	if q.Mine {
		open.Assignee = []string{u.ID}
	}
	found, err := s.desk.List(r.Context(), u.actor(), open)
	if err != nil {
		return err
	}
	q.Tickets = found.Tickets
	if found.Next != "" {
		next := r.URL.Query()
		next.Set("after", string(found.Next))
		q.Next = "/desk?" + next.Encode()
	}
	return nil
}

// search lists the tickets with the words, or the one with the number.
func (s *shop) search(ctx context.Context, u user, q *queue) (err error) {
	q.Hits, err = s.desk.Search(ctx, u.actor(), ticket.SearchQuery{Text: q.Search, Query: ticket.Query{Limit: pageOfTickets}})
	if errors.Is(err, ticket.ErrInvalid) { // for example a text without a word
		_, q.Notice = fault(err, u)
		return nil
	}
	return err
}

// work is a ticket as its agents see it.
type work struct {
	ticket.Ticket

	Entries []ticket.Entry
	Into    ticket.Number // of the ticket that it was merged into, if any
	Forms   []form        // the actions that this agent may do now
	Key     string
	Notice  string     // why an action was refused
	Since   []string   // the actions since the agent looked
	Sent    url.Values // the input of the refused action
	Agents  []user     // the agents to whom it can be assigned
}

// Levels are the levels that an agent can choose.
func (work) Levels() []int { return []int{1, 2, 3} }

// Relations are the relations that an agent can choose.
func (work) Relations() []ticket.Relation {
	return []ticket.Relation{ticket.RelationRelatedTo, ticket.RelationDuplicateOf, ticket.RelationCausedBy, ticket.RelationCauseOf, ticket.RelationChildOf, ticket.RelationParentOf}
}

// deskPage shows a ticket, and a form for each action that is possible now.
func (s *shop) deskPage(w http.ResponseWriter, r *http.Request, u user) error {
	return s.showWork(w, r, u, nil)
}

// showWork shows the page. After a refused action it has the changes of the
// ticket, and the input of the agent.
func (s *shop) showWork(w http.ResponseWriter, r *http.Request, u user, failed error) (err error) {
	page := work{Key: newKey()}
	// Lookup, not Find: an agent opens a merged ticket too, to undo the merge.
	if page.Ticket, err = s.desk.Lookup(r.Context(), u.actor(), r.PathValue("number")); err != nil {
		return err
	}
	if page.Agents, err = s.agents(r.Context()); err != nil {
		return err
	}
	for e, err := range s.desk.Entries(r.Context(), u.actor(), page.ID) {
		if err != nil {
			return err
		}
		page.Entries = append(page.Entries, e)
	}
	if !page.MergedInto.IsZero() {
		into, err := s.desk.Get(r.Context(), u.actor(), page.MergedInto)
		if err != nil && !errors.Is(err, ticket.ErrNotFound) {
			return err
		}
		page.Into = into.Number
	}
	page.Forms = forms(s.desk.Actions(u.actor(), page.Ticket))
	status := http.StatusOK
	if failed != nil {
		status, page.Notice = fault(failed, u)
		page.Sent = r.PostForm
		if stale, is := errors.AsType[*ticket.StaleError](failed); is {
			page.Since = since(stale)
		}
	}
	return s.show(w, status, u, "work", page)
}

// since lists the actions on the ticket since the agent loaded the page.
func since(stale *ticket.StaleError) (list []string) {
	for _, e := range stale.Since {
		who := e.By.ID
		if e.By.Role&ticket.RoleCustomer != 0 {
			who = "the customer"
		}
		list = append(list, fmt.Sprintf("%s: %s", who, e.Action))
	}
	return list
}

func (s *shop) agents(ctx context.Context) ([]user, error) {
	list, err := s.users(ctx)
	return slices.DeleteFunc(list, func(u user) bool { return u.Level == 0 }), err
}

// form is one action that an agent may do now.
type form struct {
	Action ticket.ActionName
	Fields []field
}

// field is one field of such a form. Its kind says how the page shows it.
type field struct {
	Name, Label, Kind string
	Needed            bool
}

// The inputs for which a form has a field. Every action accepts a message, which
// the form asks for only where it is required. Actions that need more than these
// inputs (an edit, a split) would have pages of their own.
var asked = []struct {
	of       func(*ticket.Inputs) *bool
	field    field
	optional bool // asked for wherever the action accepts it
}{
	{func(n *ticket.Inputs) *bool { return &n.Ticket }, field{"ticket", "the other ticket's number", "line", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Relation }, field{"relation", "this ticket is …", "relation", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Message }, field{"message", "message to the customer", "text", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Words }, field{"message", "message to the customer", "text", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Note }, field{"note", "note, for the desk only", "text", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Reason }, field{"reason", "reason, in a word", "line", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Assignee }, field{"assignee", "who has it from now on", "agent", true}, false},
	{func(n *ticket.Inputs) *bool { return &n.Status }, field{"status", "new status", "line", false}, true},
	{func(n *ticket.Inputs) *bool { return &n.Level }, field{"level", "level", "level", false}, true},
	{func(n *ticket.Inputs) *bool { return &n.Queue }, field{"queue", "queue", "line", false}, true},
	{func(n *ticket.Inputs) *bool { return &n.Until }, field{"until", "stays so until", "date", false}, true},
}

// forms makes a form for each action that is allowed now.
func forms(choices []ticket.Choice) (list []form) {
	for _, c := range choices {
		if !c.Allowed {
			continue
		}
		f := form{Action: c.Action}
		left := c.Needs
		for _, a := range asked {
			needed := *a.of(&left)
			*a.of(&left) = false
			if needed || a.optional && *a.of(&c.Takes) {
				f.Fields = append(f.Fields, a.field)
				f.Fields[len(f.Fields)-1].Needed = needed
			}
		}
		if left == (ticket.Inputs{}) {
			list = append(list, f)
		}
	}
	// The most frequent actions come first.
	daily := []ticket.ActionName{ticket.ActionTake, ticket.ActionReply, ticket.ActionAsk, ticket.ActionResolve, ticket.ActionNote}
	slices.SortStableFunc(list, func(a, b form) int { return place(daily, a.Action) - place(daily, b.Action) })
	return list
}

func place(list []ticket.ActionName, name ticket.ActionName) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}

// agentActs performs an agent's action. The form has the version of the ticket
// that the agent saw. If the ticket has changed since, the agent sees the
// changes first.
func (s *shop) agentActs(w http.ResponseWriter, r *http.Request, u user) error {
	if err := readForm(r); err != nil {
		return err
	}
	t, err := s.desk.Lookup(r.Context(), u.actor(), r.PathValue("number"))
	if err != nil {
		return err
	}
	act, err := s.action(r, u)
	if err == nil {
		_, err = s.desk.Do(r.Context(), u.actor(), t.ID, act)
	}
	if err != nil {
		if status, _ := fault(err, u); status < http.StatusInternalServerError {
			return s.showWork(w, r, u, err)
		}
		return err
	}
	http.Redirect(w, r, "/desk/"+string(t.Number), http.StatusSeeOther)
	return nil
}

// action reads an action from a form. A field that the form does not have stays
// empty, as the desk requires.
func (s *shop) action(r *http.Request, u user) (act ticket.Action, err error) {
	act = ticket.Action{
		Name:     ticket.ActionName(r.PostFormValue("action")),
		Message:  ticket.Message(text(r, "message")),
		Note:     ticket.Note(text(r, "note")),
		Reason:   text(r, "reason"),
		Assignee: text(r, "assignee"),
		Queue:    text(r, "queue"),
		Status:   ticket.Status(text(r, "status")),
		Relation: ticket.Relation(text(r, "relation")),
		Channel:  ticket.ChannelWeb,
		Key:      r.PostFormValue("key"),
	}
	if act.Version, err = version(r); err != nil {
		return act, err
	}
	if level := text(r, "level"); level != "" {
		if act.Level, err = strconv.Atoi(level); err != nil {
			return act, &ticket.InvalidError{Field: "level", Reason: "must be a number"}
		}
	}
	if until := text(r, "until"); until != "" {
		zone, err := time.LoadLocation(u.Zone)
		if err != nil {
			return act, err
		}
		if act.Until, err = time.ParseInLocation(time.DateOnly, until, zone); err != nil {
			return act, &ticket.InvalidError{Field: "until", Reason: "must be a date"}
		}
	}
	if other := text(r, "ticket"); other != "" { // people write numbers, but an action has IDs
		t, err := s.desk.Find(r.Context(), u.actor(), other)
		if err != nil {
			return act, err
		}
		act.Ticket = t.ID
	}
	return act, nil
}

// version reads the version of the ticket that the sender of a form had seen.
func version(r *http.Request) (int64, error) {
	v, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil || v < 1 {
		return 0, &ticket.InvalidError{Field: "version", Reason: "is missing"}
	}
	return v, nil
}
