package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/ticketkit/ticket"
)

// Accept makes a reply of a mail that became an internal note because its sender has no part in the
// ticket, or because it was not certain that the sender wrote it. The actor, an agent or a
// system, makes the sender a follower of the ticket, who from then on reads its messages and gets
// letters about it. Then the words of the mail and its files are a message by the sender, as if the
// mail had been taken so, and the ticket does what it does after a follower's reply. The note
// stays. It returns the ticket that the reply is on: where a merged one goes on, or a follow-up.
//
// Nobody checks who wrote the mail: that is what the actor decides. Accept can be repeated after an
// error. Errors: those of [ticket.Desk.Do] for the actor, who must be allowed to edit the ticket, and
// for the reply; [ticket.ErrInvalid] for a mail that is no such note, those of machines and agents
// included.
func (in *Intake) Accept(ctx context.Context, a ticket.Actor, id ticket.ID) (ticket.Ticket, error) {
	m, err := in.mail(ctx, a, id)
	if err != nil {
		return ticket.Ticket{}, err
	}
	was, err := explanationOf(m)
	switch {
	case err != nil:
		return ticket.Ticket{}, fmt.Errorf("mailbox: read what became of the mail: %w", err)
	case m.State != ticket.MailDone || was.Outcome != OutcomeNote || was.Automatic != "" || !was.foreign(m):
		return ticket.Ticket{}, invalid("mail", "must have become the note of somebody without a part in the ticket")
	}
	b := in.box(m.Mailbox)
	if b == nil {
		return ticket.Ticket{}, fmt.Errorf("%w: %q", ErrUnknown, m.Mailbox)
	}
	t, err := in.cfg.Desk.Find(ctx, a, m.Ticket.String())
	if err != nil {
		return ticket.Ticket{}, err
	}
	raw, err := in.raw(ctx, m)
	if err != nil {
		return ticket.Ticket{}, err
	}
	msg, err := in.read(ctx, b, &m, raw)
	if err != nil {
		return ticket.Ticket{}, err
	}
	now := m
	now.Old = false // the actor's decision is not old
	f := &facts{box: b, mail: now, msg: msg, limits: in.cfg.Limits, body: bodyDigest(msg), isOwn: in.isOwn, evidence: []evidence{{ticket: t, goes: t}}}
	if err := in.aboutSender(ctx, f); err != nil {
		return ticket.Ticket{}, err
	}
	if err := in.findParts(ctx, f); err != nil {
		return ticket.Ticket{}, err
	}
	part := f.evidence[0].part
	if part.IsZero() {
		part = f.person
		_, err := in.cfg.Desk.Do(ctx, a, t.ID, ticket.Action{
			Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{part}}, Channel: ticket.ChannelMail, Key: key(m) + " accepted",
		})
		if err != nil {
			return ticket.Ticket{}, err
		}
	}
	p := &plan{actor: ticket.Requester(part).InTenant(b.Tenant), target: t.ID, act: &ticket.Action{
		Name: ticket.ActionReply, Message: ticket.Message(f.text()), Channel: ticket.ChannelMail, Key: key(m) + " reply", MessageID: f.messageID(), Quiet: f.quiet() != "",
	}}
	if t, err = in.perform(ctx, b, now, msg, raw, p); err != nil {
		return ticket.Ticket{}, err
	}
	was.Outcome, was.Reason, was.Ticket, was.Number = OutcomeReply, "accepted by "+a.String(), t.ID, t.Number
	m.Ticket, m.Seq, m.Reason, m.Explained = t.ID, t.Version, was.Reason, was.json()
	if err := in.cfg.Store.SettleMail(ctx, ticket.MailDone, m); err != nil && !errors.Is(err, ticket.ErrClaimLost) { // somebody has erased it meanwhile
		return ticket.Ticket{}, fmt.Errorf("mailbox: record that the mail was accepted: %w", err)
	}
	return in.cfg.Desk.Find(ctx, a, t.ID.String()) // as the actor sees it
}
