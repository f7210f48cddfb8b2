package sqlstore

import (
	"encoding/json"

	"github.com/ticketkit/ticket"
)

// A relay reads an event and a recipient for every delivery, and a history all events of a
// ticket. This file reads what eventJSON and recipientJSON write by hand. As with the
// document of a ticket, encoding/json reads the whole of it if there is anything unusual.

// decodeEvent reads an event into a zero one.
func decodeEvent(doc []byte, e *ticket.Event) error {
	if r := readerOf(doc); r.event(e) && len(r.rest) == 0 {
		return nil
	}
	*e = ticket.Event{}
	return json.Unmarshal(doc, e)
}

// decodeRecipient reads a recipient into a zero one.
func decodeRecipient(doc []byte, to *ticket.Recipient) error {
	r := readerOf(doc)
	if r.object(func(key string) bool {
		switch key {
		case "role":
			return r.parsed(to.Role.UnmarshalText)
		case "person":
			return r.person(&to.Person)
		case "queue":
			return r.text(&to.Queue)
		case "level":
			return r.number(&to.Level)
		}
		return false
	}) && len(r.rest) == 0 {
		return nil
	}
	*to = ticket.Recipient{}
	return json.Unmarshal(doc, to)
}

func (r *docReader) event(e *ticket.Event) bool {
	return r.object(func(key string) bool {
		switch key {
		case "ticket":
			return r.parsed(e.Ticket.UnmarshalText)
		case "seq":
			return r.integer(&e.Seq)
		case "at":
			return r.time(&e.At)
		case "action":
			return r.text((*string)(&e.Action))
		case "by":
			return r.by(&e.By)
		case "from":
			return r.state(&e.From)
		case "to":
			return r.state(&e.To)
		case "phase":
			return r.text((*string)(&e.Phase))
		case "channel":
			return r.text((*string)(&e.Channel))
		case "answer":
			return r.yes(&e.Answer)
		case "automatic":
			return r.yes(&e.Automatic)
		case "quiet":
			return r.yes(&e.Quiet)
		case "set":
			return r.patch(&e.Set)
		case "subject":
			return r.text(&e.Subject)
		case "message":
			return r.text((*string)(&e.Message))
		case "fields":
			e.Fields = ticket.Fields{}
			return r.object(func(key string) bool { return r.field(e.Fields, key) })
		case "note":
			return r.text((*string)(&e.Note))
		case "actor":
			return r.person(&e.Actor)
		case "requester":
			return r.person(&e.Requester)
		case "followed":
			return r.persons(&e.Followed)
		case "unfollowed":
			return r.persons(&e.Unfollowed)
		case "author":
			return r.person(&e.Author)
		case "message_id":
			return r.text(&e.MessageID)
		case "seals":
			return r.seals(&e.Seals)
		case "digest":
			return r.parsed(e.Digest.UnmarshalText)
		}
		return false
	})
}

func (r *docReader) by(by *ticket.By) bool {
	return r.object(func(key string) bool {
		switch key {
		case "role":
			return r.parsed(by.Role.UnmarshalText)
		case "id":
			return r.text(&by.ID)
		}
		return false
	})
}

func (r *docReader) state(s *ticket.State) bool {
	return r.object(func(key string) bool {
		switch key {
		case "status":
			return r.text((*string)(&s.Status))
		case "level":
			return r.number(&s.Level)
		}
		return false
	})
}

func (r *docReader) seals(s *ticket.Seals) bool {
	return r.object(func(key string) bool {
		switch key {
		case "words":
			return r.seal(&s.PublicContent)
		case "inside":
			return r.seal(&s.InternalContent)
		case "people":
			return r.seal(&s.Identities)
		case "remarks":
			return r.seal(&s.Remarks)
		}
		return false
	})
}

func (r *docReader) seal(s *ticket.Seal) bool {
	return r.object(func(key string) bool {
		switch key {
		case "salt":
			return r.parsed(s.Salt.UnmarshalText)
		case "sum":
			return r.parsed(s.Sum.UnmarshalText)
		}
		return false
	})
}

// patch reads the changes that usual actions make.
func (r *docReader) patch(p *ticket.Patch) bool {
	return r.object(func(key string) bool {
		switch key {
		case "number":
			return r.parsed(p.Number.UnmarshalText)
		case "tenant":
			return r.text(&p.Tenant)
		case "workflow":
			return r.text(&p.Workflow)
		case "workflow_version":
			return r.number(&p.WorkflowVersion)
		case "priority":
			return r.grade(&p.Priority)
		case "impact":
			return r.grade(&p.Impact)
		case "urgency":
			return r.grade(&p.Urgency)
		case "queue":
			return r.text(fresh(&p.Queue))
		case "assignee":
			return r.text(fresh(&p.Assignee))
		case "reason":
			return r.text(fresh(&p.Reason))
		case "resolution":
			return r.text(fresh(&p.Resolution))
		case "timer":
			return r.timer(fresh(&p.Timer))
		case "add_tags":
			return r.texts(&p.AddTags)
		case "remove_tags":
			return r.texts(&p.RemoveTags)
		case "priority_given":
			return r.yes(fresh(&p.PriorityGiven))
		case "new_customer":
			return r.yes(&p.NewCustomer)
		case "policy":
			return r.text(fresh(&p.Policy))
		case "policy_version":
			return r.number(fresh(&p.PolicyVersion))
		case "clocks":
			return r.clocks(&p.Clocks)
		case "promised":
			return r.time(fresh(&p.Promised))
		case "snoozed":
			return r.time(fresh(&p.Snoozed))
		case "feedback_due":
			return r.time(fresh(&p.FeedbackDue))
		case "feedback_asked":
			return r.yes(&p.FeedbackAsked)
		case "score":
			return r.number(&p.Score)
		}
		return false
	})
}

// fresh sets a pointer that is nil.
func fresh[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

func (r *docReader) timer(t *ticket.Timer) bool {
	return r.object(func(key string) bool {
		switch key {
		case "at":
			return r.time(&t.At)
		case "action":
			return r.text((*string)(&t.Action))
		case "from":
			return r.time(&t.From)
		}
		return false
	})
}

func (r *docReader) yes(to *bool) bool {
	*to = true
	return r.word("true")
}
