package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ticketkit/ticket"
)

const reasonReleased = "released"

// Held returns the mails of the actor's tenant that wait for a person, newest first, at most
// 1,000 of them that arrived before the given time; the zero time means the newest. The
// actor must be an agent or a system, as for all methods that look at mails.
func (in *Intake) Held(ctx context.Context, a ticket.Actor, before time.Time) ([]ticket.Mail, error) {
	return in.Mails(ctx, a, ticket.MailQuery{States: []ticket.MailState{ticket.MailHeld}, Before: before})
}

// Mails returns the mails of the actor's tenant that match, newest first. A Limit of zero
// means 1,000.
func (in *Intake) Mails(ctx context.Context, a ticket.Actor, q ticket.MailQuery) ([]ticket.Mail, error) {
	if err := staff(a); err != nil {
		return nil, err
	}
	q.Tenant = a.Tenant
	if q.Limit == 0 {
		q.Limit = ticket.MaxLimit
	}
	return in.cfg.Store.Mails(ctx, q)
}

// Raw returns the bytes of a mail as it arrived. The caller closes them. They are what a
// stranger has sent: do not show them as HTML.
func (in *Intake) Raw(ctx context.Context, a ticket.Actor, id ticket.ID) (io.ReadCloser, error) {
	m, err := in.mail(ctx, a, id)
	if err != nil {
		return nil, err
	}
	return in.cfg.Files.Open(ctx, m.Tenant, m.Raw)
}

// Counts returns how many mails of the actor's tenant are in each state. Their sum is the number
// of mails that were received and not forgotten.
func (in *Intake) Counts(ctx context.Context, a ticket.Actor) (map[ticket.MailState]int64, error) {
	if err := staff(a); err != nil {
		return nil, err
	}
	return in.cfg.Store.CountMails(ctx, a.Tenant)
}

// Retake takes a held or ignored mail again, with all rules: after what held it was repaired.
func (in *Intake) Retake(ctx context.Context, a ticket.Actor, id ticket.ID) error {
	return in.again(ctx, a, id, "taken again by "+a.String())
}

// Release takes a held or ignored mail again and lets it pass the limits on senders, equal texts
// and rounds. All other rules still apply.
func (in *Intake) Release(ctx context.Context, a ticket.Actor, id ticket.ID) error {
	return in.again(ctx, a, id, reasonReleased+" by "+a.String())
}

// Forget removes a settled mail: the record at once, and the bytes when the desk sweeps its
// files. What it has done on tickets stays. A mail that is still in its mailbox is taken
// again, as a new one.
func (in *Intake) Forget(ctx context.Context, a ticket.Actor, id ticket.ID) error {
	m, err := in.mail(ctx, a, id)
	if err != nil {
		return err
	}
	if m.State == ticket.MailPending {
		return invalid("mail", "must be settled: this one is pending")
	}
	n, err := in.cfg.Store.ForgetMails(ctx, a.Tenant, []ticket.ID{id})
	if err == nil && n == 0 { // meanwhile somebody has forgotten it or takes it again
		return fmt.Errorf("mailbox: forget a mail: %w", ticket.ErrClaimLost)
	}
	return err
}

// again makes a mail pending.
func (in *Intake) again(ctx context.Context, a ticket.Actor, id ticket.ID, reason string) error {
	m, err := in.mail(ctx, a, id)
	if err != nil {
		return err
	}
	if m.State != ticket.MailHeld && m.State != ticket.MailIgnored {
		return invalid("mail", "must be held or ignored: this one is %s", m.State)
	}
	from := m.State
	m.State, m.Reason, m.Settled, m.Due, m.Until = ticket.MailPending, heard(m, reason), time.Time{}, in.now(), time.Time{}
	if err := in.cfg.Store.SettleMail(ctx, from, m); err != nil {
		return fmt.Errorf("mailbox: take a mail again: %w", err)
	}
	in.nudge()
	return nil
}

func (in *Intake) mail(ctx context.Context, a ticket.Actor, id ticket.ID) (ticket.Mail, error) {
	list, err := in.Mails(ctx, a, ticket.MailQuery{IDs: []ticket.ID{id}, Limit: 1})
	if err != nil {
		return ticket.Mail{}, err
	}
	if len(list) == 0 {
		return ticket.Mail{}, &ticket.NotFoundError{What: "mail", Ref: id.String()}
	}
	return list[0], nil
}

// staff refuses customers.
func staff(a ticket.Actor) error {
	if a.Role != ticket.RoleAgent && a.Role != ticket.RoleSystem {
		return &ticket.RefusedError{Action: "look at mails", Role: a.Role, Why: "role", By: ticket.RoleAgent | ticket.RoleSystem, Detail: "only agents and systems may see mails"}
	}
	return nil
}

func isHeld(err error) bool {
	var h *heldError
	return errors.As(err, &h)
}
