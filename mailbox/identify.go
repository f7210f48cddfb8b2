package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

// The kinds of evidence for the ticket that a mail belongs to, the strongest first.
const (
	bySigned  = "signed address"  // a reply address with a valid signature
	byThread  = "answered letter" // In-Reply-To or References name a letter of the desk
	byEarlier = "earlier mail"    // they name a mail that was taken before
	byNumber  = "number"          // a number in the subject, or in an address without a signature
)

// evidence is one sign that a mail belongs to a ticket.
type evidence struct {
	kind   string
	where  string // such as "subject"
	ticket ticket.Ticket
	goes   ticket.Ticket // where it goes on, if it was merged
	reply  replyaddress.Reply

	part ticket.Person // who the sender is on it: its requester or a follower; zero if the sender has no part
}

// maxReferences limits the Message-IDs that are looked up.
const maxReferences = 50

// system is the actor for what nobody but the intake itself does.
func system(b *box) ticket.Actor { return ticket.System("mailbox").InTenant(b.Tenant) }

// identify returns all evidence, the strongest first. Evidence of one kind is in the order in
// which it counts.
func (in *Intake) identify(ctx context.Context, b *box, m ticket.Mail, msg *message) ([]evidence, error) {
	var list []evidence
	add := func(kind, where string, t ticket.Ticket, r replyaddress.Reply) error {
		goes := t
		if !t.MergedInto.IsZero() {
			var err error
			if goes, err = in.cfg.Desk.Find(ctx, system(b), t.ID.String()); err != nil {
				return fmt.Errorf("find a ticket: %w", err)
			}
		}
		list = append(list, evidence{kind: kind, where: where, ticket: t, goes: goes, reply: r})
		return nil
	}
	if err := in.byAddress(ctx, b, m, msg, add); err != nil {
		return nil, err
	}
	if err := in.byReferences(ctx, b, m, msg, add); err != nil {
		return nil, err
	}
	named, err := in.inSubject(ctx, b, msg.Subject)
	if err != nil {
		return nil, err
	}
	for _, t := range named {
		if err := add(byNumber, "subject", t, replyaddress.Reply{}); err != nil {
			return nil, err
		}
	}
	order := []string{bySigned, byThread, byEarlier, byNumber}
	slices.SortStableFunc(list, func(a, b evidence) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return list, nil
}

// byAddress finds tickets by the addresses that the mail was sent to.
func (in *Intake) byAddress(ctx context.Context, b *box, m ticket.Mail, msg *message, add func(string, string, ticket.Ticket, replyaddress.Reply) error) error {
	seen := map[string]bool{}
	for _, a := range recipients(m, msg) {
		if err := in.byBounce(ctx, b, a, add); err != nil {
			return err
		}
		if key := lower(a.address); seen[key] || !strings.Contains(a.address, "+") {
			continue
		} else {
			seen[key] = true
		}
		var r replyaddress.Reply
		text := afterPlus(a.address)
		if b.Replies != nil {
			read, ok := b.Replies.Read(b.Tenant, a.address)
			if !ok {
				continue
			}
			r, text = read, string(read.Number)
		}
		t, found, err := in.ticketOf(ctx, b, text)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		kind := byNumber
		if r.Signed() {
			kind = bySigned
		}
		if err := add(kind, a.where, t, r); err != nil {
			return err
		}
	}
	return nil
}

// byBounce finds the ticket of the letter that a bounce address was made for: programs answer the sender
// of the envelope (RFC 3834, section 4).
func (in *Intake) byBounce(ctx context.Context, b *box, a recipient, add func(string, string, ticket.Ticket, replyaddress.Reply) error) error {
	if b.Replies == nil {
		return nil
	}
	id, ok := b.Replies.ReadBounce(b.Tenant, a.address)
	if !ok {
		return nil
	}
	row, found, err := in.deliveryByID(ctx, b, id)
	if err != nil || !found {
		return err
	}
	t, err := in.cfg.Desk.Lookup(ctx, system(b), row.Ticket.String())
	if errors.Is(err, ticket.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up a ticket: %w", err)
	}
	return add(byThread, "bounce address", t, replyaddress.Reply{})
}

// recipient is an address that a mail was sent to, and where it stands.
type recipient struct{ address, where string }

func recipients(m ticket.Mail, msg *message) (list []recipient) {
	for _, a := range m.To {
		list = append(list, recipient{a, "envelope recipient"})
	}
	for _, a := range msg.DeliveredTo {
		list = append(list, recipient{a.Address, "Delivered-To"})
	}
	for _, a := range msg.To {
		list = append(list, recipient{a.Address, "To"})
	}
	for _, a := range msg.Cc {
		list = append(list, recipient{a.Address, "Cc"})
	}
	return list[:min(len(list), 200)]
}

// afterPlus returns what follows the plus sign before the @.
func afterPlus(address string) string {
	local, _ := split(address)
	_, tail, _ := strings.Cut(strings.Trim(local, `"`), "+")
	return tail
}

// byReferences finds tickets by In-Reply-To, and then by References from the right.
func (in *Intake) byReferences(ctx context.Context, b *box, m ticket.Mail, msg *message, add func(string, string, ticket.Ticket, replyaddress.Reply) error) error {
	type named struct{ id, where string }
	var ids []named
	for _, id := range msg.InReplyTo {
		ids = append(ids, named{id, "In-Reply-To"})
	}
	for _, id := range slices.Backward(msg.References) {
		if !slices.ContainsFunc(ids, func(o named) bool { return o.id == id }) {
			ids = append(ids, named{id, "References"})
		}
	}
	ids = slices.DeleteFunc(ids, func(n named) bool { return strings.TrimSpace(n.id) == "" })
	ids = ids[:min(len(ids), maxReferences)]
	var own []ticket.ID
	for _, n := range ids {
		if id, ok := b.ownID(n.id); ok {
			own = append(own, id)
		}
	}
	rows, err := in.deliveries(ctx, b, own)
	if err != nil {
		return fmt.Errorf("look up deliveries: %w", err)
	}
	for _, n := range ids {
		ref, ok := b.ownID(n.id)
		if !ok {
			continue
		}
		if row, found := rows[ref]; found { // else it is the ID that all letters about a ticket refer to
			ref = row.Ticket
		}
		t, err := in.cfg.Desk.Lookup(ctx, system(b), ref.String())
		if errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrMistyped) {
			continue
		}
		if err == nil {
			err = add(byThread, n.where, t, replyaddress.Reply{})
		}
		if err != nil {
			return err
		}
	}
	if msg.List {
		return nil // all mails of a list refer to one another
	}
	for _, n := range ids {
		mails, err := in.cfg.Store.Mails(ctx, ticket.MailQuery{Tenant: b.Tenant, MessageID: n.id, Limit: 20})
		if err != nil {
			return fmt.Errorf("look up a mail: %w", err)
		}
		var taken []ticket.ID // several mails can have the ID
		for _, o := range mails {
			if o.ID == m.ID {
				continue
			}
			if o.State == ticket.MailPending && earlier(o, m) && m.Attempts < mostLost {
				return &laterError{why: "the mail that it answers was not taken yet"}
			}
			if o.State != ticket.MailDone || o.Ticket.IsZero() || ofList(o) {
				continue
			}
			t, err := in.cfg.Desk.Lookup(ctx, system(b), o.Ticket.String())
			if errors.Is(err, ticket.ErrNotFound) {
				continue
			}
			if err == nil && !slices.Contains(taken, t.ID) {
				taken = append(taken, t.ID)
				err = add(byEarlier, n.where, t, replyaddress.Reply{})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// earlier reports whether a mail arrived before another one.
func earlier(o, m ticket.Mail) bool {
	if !o.Arrived.Equal(m.Arrived) {
		return o.Arrived.Before(m.Arrived)
	}
	return o.ID.Compare(m.ID) < 0
}

// ownID returns the ID in a Message-ID of the desk's domain.
func (b *box) ownID(messageID string) (ticket.ID, bool) {
	local, domain := split(strings.Trim(messageID, "<> "))
	if lower(domain) != b.domain {
		return ticket.ID{}, false
	}
	id, err := ticket.ParseID(local)
	return id, err == nil
}

// delivery returns the delivery of a Message-ID, and reports whether there is one.
func (in *Intake) delivery(ctx context.Context, b *box, messageID string) (ticket.Delivery, bool, error) {
	id, ok := b.ownID(messageID)
	if !ok {
		return ticket.Delivery{}, false, nil
	}
	return in.deliveryByID(ctx, b, id)
}

func (in *Intake) deliveryByID(ctx context.Context, b *box, id ticket.ID) (ticket.Delivery, bool, error) {
	rows, err := in.deliveries(ctx, b, []ticket.ID{id})
	row, found := rows[id]
	return row, found, err
}

// deliveries returns those of the deliveries with these IDs that there are.
func (in *Intake) deliveries(ctx context.Context, b *box, ids []ticket.ID) (map[ticket.ID]ticket.Delivery, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	page, err := in.cfg.Desk.Deliveries(ctx, system(b), ticket.DeliveryQuery{IDs: ids, Limit: len(ids)})
	rows := make(map[ticket.ID]ticket.Delivery, len(page.Deliveries))
	for _, row := range page.Deliveries {
		rows[row.ID] = row
	}
	return rows, err
}

// ticketOf returns the ticket with a number, and reports whether there is one.
func (in *Intake) ticketOf(ctx context.Context, b *box, number string) (ticket.Ticket, bool, error) {
	if number == "" {
		return ticket.Ticket{}, false, nil
	}
	if _, err := ticket.ParseID(number); err == nil {
		return ticket.Ticket{}, false, nil // an ID is no number
	}
	t, err := in.cfg.Desk.Lookup(ctx, system(b), number)
	if errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrMistyped) || errors.Is(err, ticket.ErrInvalid) {
		return ticket.Ticket{}, false, nil
	}
	if err != nil {
		return ticket.Ticket{}, false, fmt.Errorf("look up a number: %w", err)
	}
	return t, true, nil
}

// inSubject returns the tickets whose numbers the subject has, the likeliest first.
func (in *Intake) inSubject(ctx context.Context, b *box, subject string) ([]ticket.Ticket, error) {
	found := map[ticket.Number]ticket.Ticket{}
	var failed error
	numbers := subjectNumbers(subject, func(text string) (ticket.Number, error) {
		t, is, err := in.ticketOf(ctx, b, text)
		if err != nil {
			failed = err
		}
		if !is {
			return "", ticket.ErrNotFound
		}
		found[t.Number] = t
		return t.Number, nil
	})
	var list []ticket.Ticket
	for _, n := range numbers {
		list = append(list, found[n])
	}
	return list, failed
}

// ofList reports whether the record of a mail says that it came over a mailing list.
func ofList(m ticket.Mail) bool {
	e, err := explanationOf(m)
	return err == nil && e.List
}

// recent returns how many tickets a sender has opened within the last hour, at most most.
func (in *Intake) recent(ctx context.Context, b *box, p ticket.Person, most int) (int, error) {
	page, err := in.cfg.Desk.List(ctx, system(b), ticket.Query{Requester: p, CreatedFrom: in.now().Add(-time.Hour), Limit: min(most, ticket.MaxLimit)})
	if err != nil {
		return 0, fmt.Errorf("count the sender's tickets: %w", err)
	}
	return len(page.Tickets), nil
}

// countOn counts the newest mails on a ticket, those on the tickets where it goes on included: the
// ones with the same text, and the notes of strangers and machines within a day.
func (in *Intake) countOn(ctx context.Context, f *facts, e evidence) error {
	const mostFollowUps = 10
	texts, notes := f.body != "" && f.limits.Repeats > 0, f.limits.Notes > 0
	if f.mail.Old || !texts && !notes {
		return nil
	}
	ids := []ticket.ID{e.ticket.ID}
	if e.goes.ID != e.ticket.ID {
		ids = append(ids, e.goes.ID)
	}
	for _, l := range slices.Backward(e.goes.Links) {
		if l.Relation == ticket.RelationFollowedUpBy && len(ids) < mostFollowUps {
			ids = append(ids, l.Ticket)
		}
	}
	day := in.now().Add(-24 * time.Hour)
	for _, id := range ids {
		mails, err := in.cfg.Store.Mails(ctx, ticket.MailQuery{
			Tenant: f.mail.Tenant, Ticket: id, States: []ticket.MailState{ticket.MailDone}, Limit: min(max(100, 2*f.limits.Notes), ticket.MaxLimit),
		})
		if err != nil {
			return fmt.Errorf("compare with earlier mails: %w", err)
		}
		for _, o := range mails {
			was, err := explanationOf(o)
			if err != nil {
				continue
			}
			if texts && was.Body == f.body {
				f.repeats++
			}
			if o.Arrived.After(day) && was.foreign(o) {
				f.notes++
			}
		}
	}
	return nil
}

// foreign reports whether a mail became a note of somebody who has no part in the ticket, of a
// machine, or of a mail server.
func (e *Explanation) foreign(m ticket.Mail) bool {
	switch e.Outcome {
	case OutcomeNote:
		return e.Agent == "" || e.Automatic != "" || !strings.HasPrefix(e.Trust, string(trustVerified))
	case OutcomeReport:
		return m.Seq > 0 // it wrote a note
	}
	return false
}
