package rest

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// The parameters of a ticket.Query. Those of pages and of the order come in addition.
var (
	queryParams = []string{
		"status", "phase", "level", "queue", "assignee", "priority", "channel", "tag", "fields", "organisation",
		"requester_id", "requester_email", "requester_phone", "participant_id", "participant_email", "participant_phone",
		"not_merged", "not_snoozed", "stage", "known", "solved_by", "metric", "missed",
		"created_from", "created_before", "touched_from", "touched_before", "due_before",
	}
	listParams     = append([]string{"order", "after", "limit"}, queryParams...)
	searchParams   = append([]string{"q", "best", "limit"}, queryParams...)
	deliveryParams = []string{"id", "ticket", "state", "kind", "notifier", "to_id", "to_email", "to_phone", "to_queue", "to_role", "to_level", "settled_from", "settled_before", "after", "limit"}
)

// reader reads parameters and keeps the faults.
type reader struct {
	c      *call
	faults []fault
}

func (r *reader) fail(name, detail string) {
	if len(r.faults) < mostFaults {
		r.faults = append(r.faults, fault{Parameter: name, Detail: detail})
	}
}

func (r *reader) err() error {
	if r.faults == nil {
		return nil
	}
	return &problem{kind: kindRequest, faults: r.faults}
}

func (r *reader) given(name string) bool { return r.c.query.Has(name) }

// one returns a parameter that is there at most once.
func (r *reader) one(name string) string {
	values := r.c.query[name]
	if len(values) > 1 {
		r.fail(name, "must be there once")
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (r *reader) number(name string, least, most int) int {
	text := r.one(name)
	if !r.given(name) {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail(name, "must be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		return 0
	}
	return n
}

func (r *reader) flag(name string) bool {
	switch text := r.one(name); {
	case !r.given(name) || text == "false":
		return false
	case text == "true":
		return true
	}
	r.fail(name, "must be true or false")
	return false
}

func (r *reader) time(name string) time.Time {
	text := r.one(name)
	if !r.given(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.IsZero() { // which would mean that there is no such condition
		r.fail(name, "must be a time as in RFC 3339, such as 2026-01-05T09:00:00Z")
	}
	return t
}

func (r *reader) id(name string) ticket.ID {
	text := r.one(name)
	if !r.given(name) {
		return ticket.ID{}
	}
	id, err := ticket.ParseID(text)
	if err != nil {
		r.fail(name, "must be an ID")
	}
	return id
}

func (r *reader) person(prefix string) ticket.Person {
	p := ticket.Person{ID: r.one(prefix + "_id"), Email: r.one(prefix + "_email"), Phone: r.one(prefix + "_phone")}
	for _, name := range []string{"_id", "_email", "_phone"} {
		if r.given(prefix+name) && r.one(prefix+name) == "" {
			r.fail(prefix+name, "must not be empty")
		}
	}
	return p
}

// texts returns the values of a parameter that may be there several times.
func texts[T ~string](r *reader, name string) []T {
	var list []T
	for _, v := range r.c.query[name] {
		list = append(list, T(v))
	}
	return list
}

// whole are conditions that would mean "everything" if they were empty by mistake.
func (r *reader) named(names ...string) {
	for _, name := range names {
		for _, v := range r.c.query[name] {
			if strings.TrimSpace(v) == "" {
				r.fail(name, "must not be empty")
				break
			}
		}
	}
}

// tickets reads the parameters of a ticket.Query.
func (r *reader) tickets() ticket.Query {
	r.named("status", "phase", "level", "priority", "channel", "tag", "organisation", "metric", "solved_by", "order", "after", "limit")
	q := ticket.Query{
		Status:        texts[ticket.Status](r, "status"),
		Phase:         texts[ticket.Phase](r, "phase"),
		Queue:         texts[string](r, "queue"),
		Assignee:      texts[string](r, "assignee"),
		Channel:       texts[ticket.Channel](r, "channel"),
		Tags:          texts[string](r, "tag"),
		Organisation:  r.one("organisation"),
		Requester:     r.person("requester"),
		Participant:   r.person("participant"),
		NotMerged:     r.flag("not_merged"),
		NotSnoozed:    r.flag("not_snoozed"),
		Known:         r.flag("known"),
		SolvedBy:      r.id("solved_by"),
		Metric:        r.one("metric"),
		Missed:        r.flag("missed"),
		CreatedFrom:   r.time("created_from"),
		CreatedBefore: r.time("created_before"),
		TouchedFrom:   r.time("touched_from"),
		TouchedBefore: r.time("touched_before"),
		DueBefore:     r.time("due_before"),
		Order:         ticket.Order(r.one("order")),
		After:         ticket.Cursor(r.one("after")),
		Limit:         r.number("limit", 1, ticket.MaxLimit),
	}
	if q.Order == "oldest" {
		q.Order = ticket.OrderOldestFirst
	}
	for _, v := range r.c.query["stage"] {
		if v == "active" {
			v = string(ticket.StageActive)
		}
		q.Stage = append(q.Stage, ticket.Stage(v))
	}
	for _, v := range r.c.query["level"] {
		n, err := strconv.Atoi(v)
		if err != nil {
			r.fail("level", "must be a whole number")
			break
		}
		q.Level = append(q.Level, n)
	}
	for _, v := range r.c.query["priority"] {
		var g ticket.Grade
		if err := g.UnmarshalText([]byte(v)); err != nil || g == 0 {
			r.fail("priority", "must be low, medium, high or critical")
			break
		}
		q.Priority = append(q.Priority, g)
	}
	if text := r.one("fields"); text != "" { // ogen's clients send an empty one for none
		if err := decode([]byte(text), &q.Fields); err != nil {
			r.fail("fields", `must be an object of JSON in which no member is twice, such as {"printer":"LJ-4"}`)
		}
	}
	return q
}

// deliveries reads the parameters of a ticket.DeliveryQuery.
func (r *reader) deliveries() ticket.DeliveryQuery {
	r.named("state", "kind", "notifier", "to_queue")
	q := ticket.DeliveryQuery{
		Ticket:        r.id("ticket"),
		State:         texts[ticket.DeliveryState](r, "state"),
		Kind:          texts[ticket.Kind](r, "kind"),
		Notifiers:     texts[string](r, "notifier"),
		SettledFrom:   r.time("settled_from"),
		SettledBefore: r.time("settled_before"),
		After:         r.id("after"),
		Limit:         r.number("limit", 1, ticket.MaxLimit),
	}
	for _, v := range r.c.query["id"] {
		id, err := ticket.ParseID(v)
		if err != nil {
			r.fail("id", "must be an ID")
			break
		}
		q.IDs = append(q.IDs, id)
	}
	q.To = ticket.Recipient{Person: r.person("to"), Queue: r.one("to_queue"), Level: r.number("to_level", 1, 1000)}
	if role := r.one("to_role"); role != "" {
		if err := q.To.Role.UnmarshalText([]byte(role)); err != nil {
			r.fail("to_role", "must be requester, follower, agent or system")
		}
	}
	return q
}

// next returns a link to the next page, relative to the address of this one.
func (c *call) next(cursor string) string {
	if cursor == "" {
		return ""
	}
	q := make(map[string][]string, len(c.query)+1)
	maps.Copy(q, c.query)
	return c.link(q, "after", cursor)
}

// link returns a relative link with other parameters, and puts it into the header.
func (c *call) link(query map[string][]string, name, value string) string {
	query[name] = []string{value}
	l := "?" + encode(query)
	c.w.Header().Set("Link", "<"+l+`>; rel="next"`)
	return l
}

// encode writes a query, sorted by name.
func encode(query map[string][]string) string { return url.Values(query).Encode() }
