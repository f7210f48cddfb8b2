package ticket

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket/internal/chars"
)

// Person describes a user of your application: a customer, or the person behind an
// [Actor]. The library has no user table. A ticket keeps a copy of the Person as it
// was when it acted. Every field may be empty; to be a requester or a follower, a
// person needs an ID, an e-mail address or a phone number.
type Person struct {
	ID           string `json:"id,omitempty"`           // your application's key for the person; recommended
	Name         string `json:"name,omitempty"`         // how to address the person
	Email        string `json:"email,omitempty"`        // one address, without a display name
	Phone        string `json:"phone,omitempty"`        // in any form
	Locale       string `json:"locale,omitempty"`       // a BCP 47 tag, such as "de-CH"; an invalid one counts as unknown
	Zone         string `json:"zone,omitempty"`         // a name of the IANA time zone database, such as "Europe/Berlin"; an unknown one counts as UTC
	Organisation string `json:"organisation,omitempty"` // your application's key for the organisation of a customer
}

// IsZero reports whether all fields are empty.
func (p Person) IsZero() bool { return p == Person{} }

// known reports whether the person can be identified.
func (p Person) known() bool { return p.ID != "" || p.Email != "" || p.Phone != "" }

// Same reports whether p and q are the same person. If both have an ID, only the
// IDs count. Otherwise the e-mail addresses must be equal (the case of the letters
// A to Z does not count), or, if neither has an address, the phone numbers.
//
// The desk trusts the identity of its actors. Your application must not act with an
// e-mail address from a form that it has not verified.
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

// asciiLower lowers A to Z only. Unicode's rules would make a Kelvin sign equal to
// a k, and so one mailbox equal to another.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// Role is a set of roles. An [Actor] has one role; a [Transition] names the roles
// that may use it.
type Role uint8

// The roles. RoleCustomer and RoleAny are sets of the others.
const (
	RoleRequester Role = 1 << iota // the person that the ticket is for
	RoleFollower                   // other people who see what the requester sees
	RoleAgent                      // the people who work on tickets
	RoleSystem                     // your application's processes, and the desk's timers

	RoleCustomer = RoleRequester | RoleFollower // requesters and followers

	everyRole = RoleCustomer | RoleAgent | RoleSystem
)

var roleNames = []string{"requester", "follower", "agent", "system"} // in the order of the bits

// String lists the roles, such as "requester, agent".
func (r Role) String() string { return flagString(uint8(r), roleNames, ", ") }

// MarshalText returns the names, separated by spaces.
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

// Actor is the person or process that makes a call: your application passes one to
// each method of [Desk]. Make it with [Requester], [Agent], [System] or
// [StatusLinkHolder]. The zero Actor may do nothing.
type Actor struct {
	Role   Role     // RoleRequester, RoleAgent or RoleSystem
	Person Person   // of an agent or a system: the ID, and a Name that customers may see
	Tenant string   // the tenant to act in, compared byte by byte; "" is a tenant too
	Levels []int    // the support levels that an agent serves
	Queues []string // the queues that an agent serves; nil means all, an empty list none

	token string    // of the holder of a status link; see StatusLinkHolder
	only  ID        // the only ticket that a status link gives access to
	held  *heldLink // the link itself
}

// Requester returns a customer as an actor. The actor's rights on a ticket depend
// on whether the person is its requester or one of its followers.
func Requester(p Person) Actor { return Actor{Role: RoleRequester, Person: p} }

// Agent returns an agent who serves these support levels, in every queue unless
// [Actor.Serving] names some. An agent without a level can read and open tickets,
// but not act on them.
func Agent(id string, levels ...int) Actor {
	return Actor{Role: RoleAgent, Person: Person{ID: id}, Levels: levels}
}

// System returns a process of your application as an actor. It serves all levels
// and queues.
func System(name string) Actor { return Actor{Role: RoleSystem, Person: Person{ID: name}} }

// InTenant returns the actor in this tenant. No call reaches another tenant.
func (a Actor) InTenant(tenant string) Actor {
	a.Tenant = tenant
	return a
}

// noQueue stands for "no queue" in a list. No queue has this name, since names have
// no NUL byte. An empty list cannot be used: some ways to copy a list turn it into
// nil, which means all queues.
const noQueue = "\x00"

// Serving returns the agent limited to these queues and to the tickets without a
// queue. Without arguments it serves no ticket at all, so that an empty list from
// your database gives no access.
func (a Actor) Serving(queues ...string) Actor {
	a.Queues = slices.Clone(queues)
	if len(queues) == 0 {
		a.Queues = []string{noQueue}
	}
	return a
}

// served returns the cleaned queues of an agent.
func served(c *check, queues []string) []string {
	if queues != nil && len(queues) == 0 || len(queues) == 1 && queues[0] == noQueue {
		return []string{noQueue}
	}
	return names(c, "actor.queues", queues)
}

// Named returns the actor with a name. Customers see the name of an agent only if
// [Config].ShowAgents is set.
func (a Actor) Named(name string) Actor {
	a.Person.Name = name
	return a
}

// ServesLevel reports whether the actor may act on tickets of this level.
func (a Actor) ServesLevel(level int) bool {
	return a.Role == RoleSystem || slices.Contains(a.Levels, level)
}

// ServesQueue reports whether the actor may act on tickets of this queue. The
// tickets without a queue, "", belong to every actor who serves at least one.
func (a Actor) ServesQueue(queue string) bool {
	switch {
	case a.Role == RoleSystem || a.Queues == nil:
		return true
	case len(a.Queues) == 0 || a.Queues[0] == noQueue:
		return false
	default:
		return queue == "" || slices.Contains(a.Queues, queue) || slices.Contains(a.Queues, chars.Tidy(queue))
	}
}

// RoleOn returns the role of the actor on this ticket. A [Requester] is the
// ticket's requester, a follower, or 0 if the ticket concerns somebody else.
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

// isThe reports whether p, which the desk has cleaned, is the stored person q. Old
// tickets may have persons that were stored without being cleaned.
func (p Person) isThe(q Person) bool {
	if p.Same(q) || chars.Plain(q.ID) && chars.Plain(q.Email) && chars.Plain(q.Phone) {
		return p.Same(q)
	}
	c := check{Limits: defaultLimits()}
	return p.Same(c.person("", q))
}

// String returns the role and the ID of an agent or a system, for logs. Of a
// requester it returns the role only, which is not personal.
func (a Actor) String() string {
	if a.Role == RoleAgent || a.Role == RoleSystem {
		return fmt.Sprintf("%s %s", a.Role, quote(a.Person.ID))
	}
	return a.Role.String()
}
