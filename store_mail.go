package ticket

import (
	"context"
	"time"
)

// MailState is the state of a [Mail].
type MailState string

// The states of a mail. All but MailPending are settled: the mail no longer changes by
// itself. MailHeld waits for a person.
const (
	MailPending  MailState = "pending"  // stored, not decided; or claimed until Until
	MailDone     MailState = "done"     // is on a ticket, or opened one
	MailRepeated MailState = "repeated" // was taken before
	MailIgnored  MailState = "ignored"  // a rule says that nothing happens; Reason names it
	MailHeld     MailState = "held"     // could not be taken; Reason says why
)

// Mail is one mail that arrived, and what became of it. Its bytes are in a [FileStore].
type Mail struct {
	ID      ID        `json:"id"`
	Tenant  string    `json:"tenant,omitempty"`
	Mailbox string    `json:"mailbox"`          // the name of the mailbox that it came from
	Origin  string    `json:"origin,omitempty"` // its key in the mailbox, unique in it, such as UIDVALIDITY and UID; empty if there is none
	Raw     Digest    `json:"raw"`              // of its bytes; zero once they are erased
	Size    int64     `json:"size"`             // of its bytes
	Arrived time.Time `json:"arrived"`

	// From and To are the sender and the recipients of the envelope. HasSender says that
	// From is known; empty is the null sender then.
	From      string   `json:"from,omitempty"`
	HasSender bool     `json:"has_sender,omitempty"`
	To        []string `json:"to,omitempty"`
	Old       bool     `json:"old,omitempty"` // was there before the mailbox was first read: nobody is written to

	State       MailState `json:"state"`
	Reason      string    `json:"reason,omitempty"`     // the rule that decided, or why it is held, in words
	Fingerprint Digest    `json:"fingerprint,omitzero"` // of sender, date, subject and text; zero until it is parsed
	MessageID   string    `json:"message_id,omitempty"` // of its header, without angle brackets
	Ticket      ID        `json:"ticket,omitzero"`      // where it is
	Seq         int64     `json:"seq,omitempty"`        // its event there; zero if none
	Explained   []byte    `json:"explained,omitempty"`  // the decision with its reasons, as JSON

	Attempts int       `json:"attempts,omitempty"` // claims so far
	Due      time.Time `json:"due,omitzero"`       // earliest time of the next attempt, if pending
	Until    time.Time `json:"until,omitzero"`     // end of the lease, if claimed
	Settled  time.Time `json:"settled,omitzero"`
}

// MailStore (for stores) is an optional interface of a [Store] that keeps the mails which
// module mailbox takes in. A store that cannot do it returns [errors.ErrUnsupported].
type MailStore interface {
	// PutMail stores a new mail that is pending. If the tenant's mailbox has one with the
	// same Origin, and Origin is not empty, it stores nothing and returns that one.
	PutMail(ctx context.Context, m Mail) (Mail, error)

	// ClaimMails returns pending mails of these mailboxes, of all tenants, that are due and
	// not claimed, by Due, then by ID, at most c.Limit of them, and claims them until
	// c.Now+c.Lease: no other call returns them before. It counts an attempt for each.
	ClaimMails(ctx context.Context, c MailClaim) ([]Mail, error)

	// SettleMail stores m in place of the mail with its ID and tenant if that one is in the state
	// from and has the same Attempts. Otherwise it returns ErrClaimLost, or ErrNotFound
	// if there is no such mail. It must not change ID, Tenant, Mailbox, Origin, Size, Arrived
	// and the envelope.
	SettleMail(ctx context.Context, from MailState, m Mail) error

	// Mails returns the mails of the tenant that match q, newest first (by descending
	// Arrived, then by descending ID), at most q.Limit of them.
	Mails(ctx context.Context, q MailQuery) ([]Mail, error)

	// CountMails returns how many mails of a tenant are in each state. States without a
	// mail are left out.
	CountMails(ctx context.Context, tenant string) (map[MailState]int64, error)

	// ForgetMails removes settled mails of the tenant: those with these IDs, in any settled
	// state. It returns their number.
	ForgetMails(ctx context.Context, tenant string, ids []ID) (int, error)
}

// MailClaim (for stores) selects the mails that a worker claims.
type MailClaim struct {
	Now       time.Time
	Lease     time.Duration // must be positive
	Limit     int           // must be positive
	Mailboxes []string      // none means that nothing is claimed
}

// MailQuery selects mails. Zero fields match every mail.
type MailQuery struct {
	Tenant      string
	IDs         []ID
	States      []MailState
	Mailbox     string
	Origin      string
	Fingerprint Digest
	MessageID   string
	Ticket      ID
	Sender      string    // From, compared in lower case
	Since       time.Time // arrived at this time or later
	Before      time.Time // continue with mails that arrived before this, or then with an ID below BeforeID
	BeforeID    ID
	Limit       int // 1 to 1,000
}
