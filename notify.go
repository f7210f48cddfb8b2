package ticket

// Kind says what a notification tells.
type Kind string

// The kinds for customers, and those for agents.
const (
	KindReceived  Kind = "received"  // the confirmation, with the number
	KindAnswered  Kind = "answered"  // an agent wrote
	KindAsked     Kind = "asked"     // an agent wants to know something; the customer's turn
	KindEscalated Kind = "escalated" // it changed level
	KindSolved    Kind = "solved"
	KindReopened  Kind = "reopened"
	KindClosed    Kind = "closed"
	KindCancelled Kind = "cancelled"
	KindMerged    Kind = "merged" // it goes on under another number; the old one stays valid

	KindQueued   Kind = "queued"   // to a queue: there is work
	KindAssigned Kind = "assigned" // to an agent: it is yours
	KindCustomer Kind = "customer" // to the agent who has it: the customer wrote
)

// Recipient is who is to be told: a customer (Role Requesters or Followers, and
// the Person), an agent (Role Agents, and the Person's ID), or everybody who
// serves a queue at a level (Role Agents, and no Person).
type Recipient struct {
	Role   Role   `json:"role"`
	Person Person `json:"person,omitzero"`
	Queue  string `json:"queue,omitempty"`
	Level  int    `json:"level,omitempty"`
}
