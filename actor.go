package ticket

import (
	"fmt"
	"slices"
	"strings"
)

// Person is somebody outside the library. The host owns its users; tickets
// carry a snapshot of what was known when they acted. Every field may be empty.
type Person struct {
	ID           string `json:"id,omitempty"`           // the host's own key for this person; best given
	Name         string `json:"name,omitempty"`         // as the person wants to be addressed
	Email        string `json:"email,omitempty"`        // one address, without a display name
	Phone        string `json:"phone,omitempty"`        // in any form
	Locale       string `json:"locale,omitempty"`       // BCP 47, such as "de-CH"; what is none counts as unknown
	Zone         string `json:"zone,omitempty"`         // of the IANA time zone database, such as "Europe/Berlin"; one that the machine does not know counts as UTC
	Organisation string `json:"organisation,omitempty"` // the host's own key for the customer organisation
}

// IsZero reports whether nothing is known of the person.
func (p Person) IsZero() bool { return p == Person{} }

// known reports whether there is anything to tell the person by.
func (p Person) known() bool { return p.ID != "" || p.Email != "" || p.Phone != "" }

// Same reports whether p and q are the same person. Where both have an ID, the
// IDs decide alone. Otherwise equal e-mail addresses decide (in any case of the
// letters A to Z), and where neither has an address, equal phone numbers.
//
// The desk believes what the host says of its actors. A host that takes an
// e-mail address from a form without checking it must not act with it.
func (p Person) Same(q Person) bool {
	switch {
	case p.ID != "" && q.ID != "":
		return p.ID == q.ID
	case p.Email != "" || q.Email != "":
		return p.Email != "" && asciiLower(p.Email) == asciiLower(q.Email)
	default:
		return p.Phone != "" && p.Phone == q.Phone
	}
}

// asciiLower folds A to Z only: Unicode's folding would make a Kelvin sign
// equal to a k, and so one mailbox equal to another.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// Role is a set of kinds of actors. A workflow's transition names the roles
// that may do it; an [Actor] has one.
type Role uint8

// The roles.
const (
	RoleRequester Role = 1 << iota // the person the ticket is for
	RoleFollower                   // others who follow it with the requester's view
	RoleAgent                      // those who work on tickets
	RoleSystem                     // the host's own processes, and the desk's timers

	RoleCustomer = RoleRequester | RoleFollower // everybody with the customer's view

	everyRole = RoleCustomer | RoleAgent | RoleSystem
)

var roleNames = []string{"requester", "follower", "agent", "system"} // in the order of the bits

// String lists the roles, such as "requester, agent".
func (r Role) String() string { return flagString(uint8(r), roleNames, ", ") }

// MarshalText writes the names with blanks between them.
func (r Role) MarshalText() ([]byte, error) {
	if r&^everyRole != 0 {
		return nil, invalid("role", "is not a set of known roles")
	}
	return []byte(flagString(uint8(r), roleNames, " ")), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *Role) UnmarshalText(text []byte) error {
	v, err := flagParse(string(text), roleNames, "role")
	*r = Role(v)
	return err
}

// Actor is who does something now. Make one with [Requester], [Agent] or
// [System]; the zero Actor may do nothing.
type Actor struct {
	Role   Role     // one of Requesters, Agents, Systems
	Person Person   // for an agent or a system only ID, and Name where customers may see one
	Tenant string   // the tenant acted in, told apart by every byte; empty is a tenant too
	Levels []int    // the support levels an agent serves
	Queues []string // the queues an agent serves; nil: all of them; an empty list: none

	token string          // of the holder of a status link; see Holder
	only  ID              // the ticket that a link confines the actor to
	scope StatusLinkScope // what the link allows
	held  *heldLink       // the link itself
}

// Requester is somebody who asks for support, or follows a ticket: what the
// actor may see and do with a ticket depends on which of the two it is there.
func Requester(p Person) Actor { return Actor{Role: RoleRequester, Person: p} }

// Agent works on the tickets of the levels given, in every queue unless
// [Actor.Serving] says otherwise. An agent without a level can look and open tickets, not act on them.
func Agent(id string, levels ...int) Actor {
	return Actor{Role: RoleAgent, Person: Person{ID: id}, Levels: levels}
}

// System is a process of the host that acts by itself; it serves all levels and
// queues.
func System(name string) Actor { return Actor{Role: RoleSystem, Person: Person{ID: name}} }

// InTenant returns the actor acting in a tenant. No call lets it reach another one.
func (a Actor) InTenant(tenant string) Actor {
	a.Tenant = tenant
	return a
}

// noQueue is a queue that cannot be: no name holds a NUL byte. It stands for
// "none at all" in a list, since an empty list does not survive everything that
// copies one, and would come back as nil, which means all.
const noQueue = "\x00"

// Serving returns the agent confined to the queues given, and to the tickets that
// no queue holds yet. With none given it serves nothing: an empty list, wherever
// it was read from, opens no door.
func (a Actor) Serving(queues ...string) Actor {
	a.Queues = slices.Clone(queues)
	if len(queues) == 0 {
		a.Queues = []string{noQueue}
	}
	return a
}

// served returns the queues an agent serves, cleaned.
func served(c *check, queues []string) []string {
	if queues != nil && len(queues) == 0 || len(queues) == 1 && queues[0] == noQueue {
		return []string{noQueue}
	}
	return names(c, "actor.queues", queues)
}

// Named returns the actor with a name; customers see an agent's only if
// [Config].ShowAgents says so.
func (a Actor) Named(name string) Actor {
	a.Person.Name = name
	return a
}

// ServesLevel reports whether the actor acts on tickets of this level.
func (a Actor) ServesLevel(level int) bool {
	return a.Role == RoleSystem || slices.Contains(a.Levels, level)
}

// ServesQueue reports whether the actor acts on tickets of this queue. Tickets
// that no queue holds yet belong to everybody who serves one.
func (a Actor) ServesQueue(queue string) bool {
	switch {
	case a.Role == RoleSystem || a.Queues == nil:
		return true
	case len(a.Queues) == 0 || a.Queues[0] == noQueue:
		return false
	default:
		return queue == "" || slices.Contains(a.Queues, queue) || slices.Contains(a.Queues, tidyName(queue))
	}
}

// RoleOn returns as whom the actor meets this ticket: a requester may be its
// requester, one of its followers, or (0) a stranger.
func (a Actor) RoleOn(t Ticket) Role {
	if a.Role != RoleRequester {
		return a.Role
	}
	if a.Person.isThe(t.Requester) {
		return RoleRequester
	}
	if slices.ContainsFunc(t.Followers, a.Person.isThe) {
		return RoleFollower
	}
	return 0
}

// isThe reports whether p, whom the desk has cleaned, is the person that a ticket
// has stored, perhaps before the desk cleaned what it takes in.
func (p Person) isThe(q Person) bool {
	if p.Same(q) || plain(q.ID) && plain(q.Email) && plain(q.Phone) {
		return p.Same(q)
	}
	c := check{Limits: DefaultLimits()}
	return p.Same(c.person("", q))
}

// String names the actor for logs, without anything personal of a requester.
func (a Actor) String() string {
	if a.Role == RoleAgent || a.Role == RoleSystem {
		return fmt.Sprintf("%s %s", a.Role, quote(a.Person.ID))
	}
	return a.Role.String()
}
