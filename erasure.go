package ticket

import (
	"slices"
	"strings"
)

// Erasure asks for content to be erased; see [Desk.Erase]. It names either a ticket or a
// person.
type Erasure struct {
	// Ticket is the ticket to erase. Event limits the erasure to the event with this number;
	// zero means all events.
	Ticket ID
	Event  int64

	// Person is the customer to erase in all tickets of the actor's tenant; see
	// [Person.Same].
	Person Person

	// Groups limits what is erased. None means all groups or, with Event, all but Identities.
	Groups Groups
	// Reason says why. The history keeps it for ever, so it must not name anybody. It is
	// required.
	Reason string
	// Key makes the erasure of a ticket idempotent; see [Action].Key. It must not hold
	// personal data. The erasure of a person needs none: a repeat erases what is left.
	Key string
}

// Erased is the record of an erasure in the history of a ticket; see [Patch].
type Erased struct {
	Events []int64 `json:"events"`           // the numbers of the events
	Groups Groups  `json:"groups"`           // what was erased from at least one of them
	Reason string  `json:"reason,omitempty"` // why
	// Requester is set if the ticket has no requester any more.
	Requester bool `json:"requester,omitempty"`
}

// ErasureReport is the result of [Desk.Erase].
type ErasureReport struct {
	Tickets []ErasedTicket // in the order of IDs, without those that had nothing to erase
	Held    []ID           // tickets with a legal hold, from which nothing was erased
	// Mentions are texts of others that name the person and were not erased. Somebody has to
	// read them.
	Mentions []Mention
	Mails    int // that were erased, on tickets or not
}

// ErasedTicket says what was erased from a ticket.
type ErasedTicket struct {
	Ticket     ID
	Number     Number
	Events     int // from which content was erased
	Deliveries int // that were removed from the outbox
	Mails      int // on the ticket that were erased
	// Files are those of the erased events. The library does not have the files: delete them,
	// unless Config.RemoveFiles did. A file may also belong to another ticket.
	Files []Attachment
}

// Mention is a text of somebody else that names an erased person.
type Mention struct {
	Ticket ID
	Number Number
	Seq    int64 // of the event
}

// zero reports whether no group is named.
func (g Groups) zero() bool { return g == Groups{} }

// and returns the groups that are in both.
func (g Groups) and(o Groups) Groups {
	return Groups{g.PublicContent && o.PublicContent, g.InternalContent && o.InternalContent, g.Identities && o.Identities, g.Remarks && o.Remarks}
}

// or returns the groups that are in one of the two.
func (g Groups) or(o Groups) Groups {
	return Groups{g.PublicContent || o.PublicContent, g.InternalContent || o.InternalContent, g.Identities || o.Identities, g.Remarks || o.Remarks}
}

// allGroups names every group.
var allGroups = Groups{true, true, true, true}

// held returns the groups of the event that have content which can be erased.
func (e *Event) held() Groups {
	has := func(s Seal) bool { return !s.Salt.IsZero() }
	return Groups{has(e.Seals.PublicContent), has(e.Seals.InternalContent), has(e.Seals.Identities), has(e.Seals.Remarks)}
}

// Names reports whether the event names the person as a customer: as its actor, if By.Role is
// a customer's, as requester or follower, or as the author of a copied message.
func (e *Event) Names(p Person) bool {
	return e.By.Role&RoleCustomer != 0 && p.Same(e.Actor) || p.Same(e.Requester) || p.Same(e.Author) ||
		slices.ContainsFunc(e.Followed, p.Same) || slices.ContainsFunc(e.Unfollowed, p.Same)
}

// unsigned reports whether the event is a requester's who is no longer named in it, because
// somebody else was erased whom it named too.
func (e *Event) unsigned() bool {
	return e.By.Role == RoleRequester && e.Author.IsZero() && e.Seals.Identities.Erased()
}

// texts yields the texts of an event in which somebody can be named.
func (e *Event) texts(yield func(string) bool) {
	for _, s := range []string{e.Subject, string(e.Message), string(e.Feedback), e.Known.Title, string(e.Known.Text), string(e.Note)} {
		if s != "" && !yield(s) {
			return
		}
	}
	for _, list := range [...][]Attachment{e.Attachments, e.NoteAttachments} {
		for _, a := range list {
			if !yield(a.Name) {
				return
			}
		}
	}
	for _, k := range sortedKeys(e.Fields) {
		if !yield(k) {
			return
		}
		switch v := e.Fields[k].(type) {
		case string:
			if !yield(v) {
				return
			}
		case []string:
			if !yield(strings.Join(v, "\n")) {
				return
			}
		}
	}
	for _, s := range [...]*string{e.Set.Reason, e.Set.Resolution} {
		if s != nil && !yield(*s) {
			return
		}
	}
	for _, tag := range e.Set.AddTags {
		if !yield(tag) {
			return
		}
	}
}

// mentions reports whether a text of the event has the person's name, address, telephone
// number or ID in it, in any case of the letters. Shorter texts than three bytes do not count.
func (e *Event) mentions(p Person) bool {
	for text := range e.texts {
		text = strings.ToLower(text)
		for _, s := range [...]string{p.Name, p.Email, p.Phone, p.ID} {
			if len(s) >= 3 && strings.Contains(text, strings.ToLower(s)) {
				return true
			}
		}
	}
	return false
}
