package ticket

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// Ages of mails; see Config.MailAge. Mail servers try for five days to deliver a mail (RFC 5321,
// section 4.5.4.1).
const (
	defaultMailAge = 365 * 24 * time.Hour
	leastMailAge   = 7 * 24 * time.Hour
	mailPage       = 200
)

// PruneMails erases the mails that were settled longer than Config.MailAge ago, except those that
// are held. Of a mail with an origin it leaves what identifies it, because its mailbox may show it
// again; a mail without an origin is removed. It returns the number of mails it erased or
// removed. [Desk.Run] calls it once an hour; without Run, call it now and then. A store that cannot
// do it returns [errors.ErrUnsupported].
func (d *Desk) PruneMails(ctx context.Context) (int, error) {
	s, ok := d.store.(MailStore)
	if !ok {
		return 0, unsupported("mails", errors.ErrUnsupported)
	}
	if d.cfg.MailAge < 0 {
		return 0, nil
	}
	before := d.now().Add(-d.cfg.MailAge)
	for all := 0; ; {
		n, err := s.PruneMails(ctx, before, forgetBatch)
		all += n
		if err != nil || n == 0 {
			return all, unsupported("mails", err)
		}
	}
}

// storedMails yields all mails that match. If the store keeps no mails, there are none.
func (d *Desk) storedMails(ctx context.Context, q MailQuery) iter.Seq2[*Mail, error] {
	return func(yield func(*Mail, error) bool) {
		s, ok := d.store.(MailStore)
		for q.Limit = mailPage; ok; {
			page, err := s.Mails(ctx, q)
			if errors.Is(err, errors.ErrUnsupported) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page {
				if !yield(&page[i], nil) {
					return
				}
			}
			if len(page) < mailPage {
				return
			}
			q.Before, q.BeforeID = page[mailPage-1].Arrived, page[mailPage-1].ID
		}
	}
}

// eraseMails erases mails of the tenant.
func (x *eraser) eraseMails(ctx context.Context, ids []ID) (int, error) {
	all := 0
	for part := range slices.Chunk(ids, MaxLimit) {
		n, err := x.d.store.(MailStore).EraseMails(ctx, x.actor.Tenant, part, x.d.now())
		x.report.Mails += n
		if all += n; err != nil {
			return all, err
		}
	}
	return all, nil
}

// mailed reports whether the sender of a mail is the person to erase.
func (x *eraser) mailed(m *Mail) bool {
	p := &x.plan.Person
	return p.Email != "" && m.Sender() == asciiLower(p.Email)
}

// mails erases the mails of a ticket that the plan covers, before the events that were made of
// them: while those are there, an interrupted erasure still finds the mails.
func (x *eraser) mails(ctx context.Context, s *eraseStep) (int, error) {
	g := x.plan.Groups
	if s.mails == nil || x.keepFiles || !g.PublicContent && !g.InternalContent && !g.Identities {
		return 0, nil
	}
	var ids []ID
	for m, err := range x.d.storedMails(ctx, MailQuery{Tenant: x.actor.Tenant, Ticket: s.before.ID}) {
		if err != nil {
			return 0, err
		}
		if !m.Erased() && (s.mails(m) || x.mailed(m)) {
			ids = append(ids, m.ID)
		}
	}
	return x.eraseMails(ctx, ids)
}

// senderMails erases the mails of a person that are on no ticket, or on one that does not name
// the person. seen are the tickets that were looked at already.
func (x *eraser) senderMails(ctx context.Context, seen map[ID]bool) (faults []error, err error) {
	if x.plan.Person.Email == "" {
		return nil, nil
	}
	var ids []ID
	allowed := map[ID]bool{}
	for m, err := range x.d.storedMails(ctx, MailQuery{Tenant: x.actor.Tenant, Sender: x.plan.Person.Email}) {
		if err != nil {
			return faults, err
		}
		if id := m.Ticket; !id.IsZero() && !m.Erased() {
			if seen[id] {
				continue
			}
			may, known := allowed[id]
			if !known {
				t, err := x.d.load(ctx, x.actor, id)
				if err == nil {
					err = x.permit(&t)
				}
				refused, is := errors.AsType[*RefusedError](err)
				switch {
				case is && refused.Why == whyLegalHold:
					x.report.Held = append(x.report.Held, id)
				case isNotFound(err) || errors.Is(err, ErrRefused):
					if len(faults) < mostFaults {
						faults = append(faults, err)
					}
				case err != nil:
					return faults, err
				}
				may = err == nil
				allowed[id] = may
				if may && m.Seq > 0 {
					x.report.Mentions = append(x.report.Mentions, Mention{t.ID, t.Number, m.Seq})
				}
			}
			if !may {
				continue
			}
		}
		if !m.Erased() {
			ids = append(ids, m.ID)
		}
	}
	_, err = x.eraseMails(ctx, ids)
	return faults, err
}

// personalMails returns the mails of a person: those with the person's address as the sender, and
// more, which the person's events were made of. Mails on tickets that the actor may not see are
// left out.
func (d *Desk) personalMails(ctx context.Context, a Actor, p Person, more []PersonalMail) ([]PersonalMail, error) {
	list := more
	if p.Email != "" {
		allowed := map[ID]bool{{}: true}
		for m, err := range d.storedMails(ctx, MailQuery{Tenant: a.Tenant, Sender: p.Email}) {
			if err != nil {
				return nil, err
			}
			may, known := allowed[m.Ticket]
			if !known {
				t, err := d.load(ctx, a, m.Ticket)
				if err == nil {
					err = d.may(a, t, ActionErase)
				}
				if err != nil && !isNotFound(err) {
					return nil, err
				}
				may = err == nil
				allowed[m.Ticket] = may
			}
			if may {
				list = append(list, personalMail(m))
			}
		}
	}
	slices.SortFunc(list, func(x, y PersonalMail) int { return x.compare(&y) })
	return slices.CompactFunc(list, func(x, y PersonalMail) bool { return x.id == y.id }), nil
}

func personalMail(m *Mail) PersonalMail {
	return PersonalMail{id: m.ID, Arrived: m.Arrived, Mailbox: m.Mailbox, From: m.From, Author: m.Author, To: m.To, MessageID: m.MessageID, Size: m.Size, State: m.State}
}
