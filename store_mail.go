package ticket

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
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

// Settled reports whether a mail in this state no longer changes by itself.
func (s MailState) Settled() bool { return s != MailPending }

var mailStates = []MailState{MailPending, MailDone, MailRepeated, MailIgnored, MailHeld}

// Mail is one mail that arrived, and what became of it. Its bytes are in a [FileStore].
//
// An erased mail has a zero Raw. What remains of it is a record that holds no words and no
// addresses: where it came from, when, how large it was, what became of it, and its
// fingerprint. By Origin and Fingerprint it is recognised if the mailbox shows it again.
type Mail struct {
	ID      ID        `json:"id"`
	Tenant  string    `json:"tenant,omitempty"`
	Mailbox string    `json:"mailbox"`          // the name of the mailbox that it came from
	Origin  string    `json:"origin,omitempty"` // its key in the mailbox, unique in it, such as UIDVALIDITY and UID; empty if there is none
	Raw     Digest    `json:"raw,omitzero"`     // of its bytes; zero once they are erased
	Size    int64     `json:"size"`             // of its bytes
	Arrived time.Time `json:"arrived"`

	// From and To are the sender and the recipients of the envelope. HasSender says that
	// From is known; empty is the null sender then. Erasing removes them.
	From      string   `json:"from,omitempty"`
	HasSender bool     `json:"has_sender,omitempty"`
	To        []string `json:"to,omitempty"`
	Old       bool     `json:"old,omitempty"` // was there before the mailbox was first read: nobody is written to

	State       MailState `json:"state"`
	Reason      string    `json:"reason,omitempty"`     // the rule that decided, or why it is held, in words; erasing replaces it
	Fingerprint Digest    `json:"fingerprint,omitzero"` // of sender, date, subject and text; zero until it is parsed
	Author      string    `json:"author,omitempty"`     // the address in its header From; empty until it is parsed; can be erased
	MessageID   string    `json:"message_id,omitempty"` // of its header, without angle brackets; can be erased
	Ticket      ID        `json:"ticket,omitzero"`      // where it is
	Seq         int64     `json:"seq,omitempty"`        // its event there; zero if none
	Explained   []byte    `json:"explained,omitempty"`  // the decision with its reasons, as JSON; can be erased

	Attempts int       `json:"attempts,omitempty"` // claims so far
	Due      time.Time `json:"due,omitzero"`       // earliest time of the next attempt, if pending
	Until    time.Time `json:"until,omitzero"`     // end of the lease, if claimed
	Settled  time.Time `json:"settled,omitzero"`   // when it was settled
}

// Erased reports whether the mail was erased.
func (m *Mail) Erased() bool { return m.Raw.IsZero() }

// Sender returns the address that MailQuery.Sender finds the mail by: Author or, if that is
// empty, From, with A to Z in lower case.
func (m *Mail) Sender() string { return asciiLower(cmp.Or(m.Author, m.From)) }

// Erase (for stores) changes the mail to what remains of it; see [MailStore].EraseMails.
func (m *Mail) Erase(at time.Time) {
	m.Raw, m.From, m.HasSender, m.To, m.Author, m.MessageID, m.Explained = Digest{}, "", false, nil, "", "", nil
	m.Reason = MailErased
	if m.State == MailPending || m.State == MailHeld {
		m.State, m.Settled, m.Due, m.Until = MailIgnored, at, time.Time{}, time.Time{}
	}
}

// MailErased is the Reason of an erased mail.
const MailErased = "erased"

// MailStore (for stores) is an optional interface of a [Store] that keeps the mails which
// module mailbox takes in. A store that cannot do it returns [errors.ErrUnsupported].
type MailStore interface {
	// PutMail stores a new mail that is pending, and returns it. If the tenant has a mail
	// with the same ID, or its mailbox one with the same Origin, and Origin is not empty, it
	// must store nothing and return that one. If another tenant has the ID, it must return
	// ErrDuplicate. It must return ErrInvalid if m does not pass Mail.CheckNew.
	PutMail(ctx context.Context, m Mail) (Mail, error)

	// ClaimMails returns pending mails of these mailboxes, of all tenants, that are due and
	// not claimed, by Due, then by ID, at most c.Limit of them, and claims them until
	// c.Now+c.Lease: no other call may return them before. It must count an attempt for each.
	// It must return ErrInvalid if c does not pass MailClaim.Check.
	ClaimMails(ctx context.Context, c MailClaim) ([]Mail, error)

	// SettleMail stores m in place of the mail with its ID and tenant if that one is in the
	// state from, has the same Attempts and is not erased. Otherwise it must return
	// ErrClaimLost, or ErrNotFound if there is no such mail. It must keep the stored Mailbox,
	// Origin, Raw, Size, Arrived, From, HasSender, To and Old. It must return ErrInvalid if
	// m does not pass Mail.CheckSettle.
	SettleMail(ctx context.Context, from MailState, m Mail) error

	// Mails returns the mails of the tenant that match q, newest first (by descending
	// Arrived, then by descending ID), at most q.Limit of them. MailQuery.Match defines the
	// matches. It must return ErrInvalid if q does not pass MailQuery.Check.
	Mails(ctx context.Context, q MailQuery) ([]Mail, error)

	// CountMails returns how many mails of a tenant are in each state. States without a
	// mail must be left out.
	CountMails(ctx context.Context, tenant string) (map[MailState]int64, error)

	// MailFiles returns those of the digests that are the Raw of a mail of the tenant, each
	// once, in any order.
	MailFiles(ctx context.Context, tenant string, sums []Digest) ([]Digest, error)

	// EraseMails erases the mails of the tenant with these IDs, in any state, as Mail.Erase
	// does, and returns how many it erased. It must leave mails as they are that were erased
	// before. Afterwards no read may return what was erased, and no index and no other table
	// may keep it.
	EraseMails(ctx context.Context, tenant string, ids []ID, at time.Time) (int, error)

	// PruneMails works on mails of all tenants that are done, repeated or ignored, with
	// Settled before the time before, at most limit of them. It must remove those without an
	// Origin, and erase the others, as Mail.Erase does, unless they are erased already. It
	// must leave all others, held ones too. It returns the number of mails it removed or
	// erased. A limit of 0 or less means none.
	PruneMails(ctx context.Context, before time.Time, limit int) (int, error)

	// ForgetMails removes settled mails of the tenant with these IDs, in any settled state,
	// and returns their number. If a mailbox shows such a mail again, it is a new one.
	ForgetMails(ctx context.Context, tenant string, ids []ID) (int, error)
}

// MailClaim (for stores) selects the mails that a worker claims.
type MailClaim struct {
	Now       time.Time
	Lease     time.Duration // must be positive
	Limit     int           // must be positive
	Mailboxes []string      // none means that nothing is claimed
}

// Check returns an [*InvalidError] if the claim is not valid. Stores call it first.
func (c MailClaim) Check() error {
	switch {
	case c.Now.IsZero():
		return invalid("mails.now", "is missing")
	case c.Lease <= 0:
		return invalid("mails.lease", "must be positive")
	case c.Limit <= 0:
		return invalid("mails.limit", "must be positive")
	case len(c.Mailboxes) > maxAlternatives:
		return invalid("mails.mailboxes", "has %d values, more than %d", len(c.Mailboxes), maxAlternatives)
	}
	return checkTimes(namedTime{"mails.now", c.Now}, namedTime{"mails.lease, from mails.now on,", c.Now.Add(c.Lease)})
}

// MailQuery selects mails. Zero fields match every mail, except Tenant. A list matches if one
// of its values does, and has at most 1000 values.
type MailQuery struct {
	Tenant      string
	IDs         []ID
	States      []MailState
	Mailbox     string
	Origin      string
	Origins     []string // any of these, none of them empty
	Fingerprint Digest
	MessageID   string
	MessageIDs  []string // any of these, none of them empty
	Ticket      ID
	Sender      string    // the address that Mail.Sender returns, in any case of A to Z
	Since       time.Time // arrived at this time or later
	Before      time.Time // continue with mails that arrived before this, or then with an ID below BeforeID
	BeforeID    ID
	Limit       int // 1 to 1,000
}

// Check returns an [*InvalidError] if the query is not valid. Stores call it first.
func (q MailQuery) Check() error {
	if q.Limit < 1 || q.Limit > MaxLimit {
		return invalid("mails.limit", "must be 1 to %d", MaxLimit)
	}
	if n := max(len(q.IDs), len(q.States), len(q.Origins), len(q.MessageIDs)); n > maxAlternatives {
		return invalid("mails", "has a list of %d values, more than %d", n, maxAlternatives)
	}
	if slices.Contains(q.Origins, "") || slices.Contains(q.MessageIDs, "") {
		return invalid("mails", "must not have an empty value in Origins or MessageIDs")
	}
	for _, s := range q.States {
		if !slices.Contains(mailStates, s) {
			return invalid("mails.states", "must be among %q", mailStates)
		}
	}
	return checkTimes(namedTime{"mails.since", q.Since}, namedTime{"mails.before", q.Before})
}

// Match (for stores) reports whether the mail matches the query, Before and BeforeID included.
func (q MailQuery) Match(m *Mail) bool {
	return q.Tenant == m.Tenant &&
		oneOf(q.IDs, m.ID) && oneOf(q.States, m.State) &&
		(q.Mailbox == "" || q.Mailbox == m.Mailbox) &&
		(q.Origin == "" || q.Origin == m.Origin) && oneOf(q.Origins, m.Origin) && oneOf(q.MessageIDs, m.MessageID) &&
		(q.Fingerprint.IsZero() || q.Fingerprint == m.Fingerprint) &&
		(q.MessageID == "" || q.MessageID == m.MessageID) &&
		(q.Ticket.IsZero() || q.Ticket == m.Ticket) &&
		(q.Sender == "" || asciiLower(q.Sender) == m.Sender()) &&
		(q.Since.IsZero() || !m.Arrived.Before(q.Since)) &&
		(q.Before.IsZero() || cmp.Or(m.Arrived.Compare(q.Before), m.ID.Compare(q.BeforeID)) < 0)
}

// The longest texts of a mail, in bytes. RFC 5321, section 4.5.3.1.3, allows 256 for an
// address, and RFC 5322, section 2.1.1, allows 998 for a line of a header.
const (
	mostTenant     = 255
	mostMailbox    = 200
	mostOrigin     = 500
	mostMailSender = 1000
	mostMailTo     = 1000 // recipients
	mostMessageID  = 998
	mostReason     = 2000
	mostExplained  = 64 << 10
)

// Check returns an [*InvalidError] if the mail is not valid. Stores call it first. Texts must
// be valid UTF-8 without NUL bytes. Their greatest lengths in bytes are: Tenant 255, Mailbox
// 200, Origin 500, MessageID 998, Reason 2,000, Explained 65,536, and 1,000 for From, Author
// and each of at most 1,000 recipients in To.
func (m Mail) Check() error {
	c := check{}
	for _, t := range [...]struct {
		field, is string
		most      int
	}{
		{"mail.tenant", m.Tenant, mostTenant}, {"mail.mailbox", m.Mailbox, mostMailbox}, {"mail.origin", m.Origin, mostOrigin},
		{"mail.from", m.From, mostMailSender}, {"mail.author", m.Author, mostMailSender},
		{"mail.message_id", m.MessageID, mostMessageID}, {"mail.reason", m.Reason, mostReason},
	} {
		c.most(t.field, t.is, t.most)
		c.letters(t.field, t.is)
	}
	if len(m.To) > mostMailTo {
		c.fail("mail.to", "has %d values, more than %d", len(m.To), mostMailTo)
	}
	for i, to := range m.To {
		c.most(fmt.Sprintf("mail.to[%d]", i), to, mostMailSender)
		c.letters(fmt.Sprintf("mail.to[%d]", i), to)
	}
	switch {
	case m.ID.IsZero():
		c.fail("mail.id", "is missing")
	case m.Mailbox == "":
		c.fail("mail.mailbox", "is missing")
	case m.Size < 0:
		c.fail("mail.size", "must not be negative")
	case m.Arrived.IsZero():
		c.fail("mail.arrived", "is missing")
	case m.From != "" && !m.HasSender:
		c.fail("mail.has_sender", "must be set with a sender")
	case !slices.Contains(mailStates, m.State):
		c.fail("mail.state", "must be among %q", mailStates)
	case m.State == MailPending && m.Due.IsZero():
		c.fail("mail.due", "is missing, with MailPending")
	case m.State == MailPending && !m.Settled.IsZero():
		c.fail("mail.settled", "must be zero, with MailPending")
	case m.State != MailPending && (!m.Due.IsZero() || !m.Until.IsZero()):
		c.fail("mail.due", "must be zero, and Until too, if the mail is settled")
	case m.State != MailPending && m.Settled.IsZero():
		c.fail("mail.settled", "is missing, with a settled state")
	case m.Seq < 0 || m.Seq > 0 && m.Ticket.IsZero():
		c.fail("mail.seq", "must be 0, or an event of Ticket")
	case m.Attempts < 0:
		c.fail("mail.attempts", "must not be negative")
	case len(m.Explained) > mostExplained:
		c.fail("mail.explained", "is %d bytes long, at most %d are allowed", len(m.Explained), mostExplained)
	case len(m.Explained) > 0 && (!utf8.Valid(m.Explained) || !json.Valid(m.Explained)):
		c.fail("mail.explained", "must be JSON in UTF-8")
	}
	if c.err != nil {
		return c.err
	}
	return checkTimes(namedTime{"mail.arrived", m.Arrived}, namedTime{"mail.due", m.Due}, namedTime{"mail.until", m.Until}, namedTime{"mail.settled", m.Settled})
}

// CheckNew (for stores) returns an [*InvalidError] if the mail is not one that PutMail accepts.
func (m Mail) CheckNew() error {
	switch {
	case m.State != MailPending:
		return invalid("mail.state", "must be pending, for a new mail")
	case m.Attempts != 0 || !m.Until.IsZero():
		return invalid("mail.attempts", "must be 0, and Until zero, for a new mail")
	}
	return m.CheckSettle()
}

// CheckSettle (for stores) returns an [*InvalidError] if the mail is not one that SettleMail
// accepts.
func (m Mail) CheckSettle() error {
	if m.Erased() {
		return invalid("mail.raw", "is missing")
	}
	return m.Check()
}
