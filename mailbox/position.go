package mailbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// positionTenant is the tenant under which positions are stored, so that they count as no
// tenant's mails. They stay pending, because settled mails are removed after a time.
const positionTenant = "mailbox.positions"

// position says which mails of a folder are done.
type position struct {
	validity uint32    // UIDVALIDITY
	next     uint32    // mails with a lower UID are done
	old      uint32    // mails with a lower UID were there before the first run
	start    time.Time // of the first run, to the second
	moved    bool      // UIDVALIDITY has changed since the first run
}

func (p position) text() string {
	return fmt.Sprintf("%d %d %d %d %t", p.validity, p.next, p.old, p.start.Unix(), p.moved)
}

func parsePosition(s string) (p position, ok bool) {
	var start int64
	n, err := fmt.Sscanf(s, "%d %d %d %d %t", &p.validity, &p.next, &p.old, &start, &p.moved)
	p.start = time.Unix(start, 0).UTC()
	return p, n == 5 && err == nil
}

func positionName(b *box) string { return cut("position of "+b.Name, 200) }

// position returns where to go on in a folder, and stores it on the first run.
func (in *Intake) position(ctx context.Context, b *box, all bool, now folderState) (position, error) {
	list, err := in.positions(ctx, b)
	if err != nil {
		return position{}, err
	}
	for _, m := range list {
		p, ok := parsePosition(m.Origin)
		switch {
		case !ok:
			continue
		case p.validity == now.validity:
			return p, nil
		}
		// The UIDs have changed. All mails are listed again; those that were taken are
		// recognised by their fingerprints.
		p = position{validity: now.validity, next: 1, start: p.start, moved: true}
		return p, in.keepPosition(ctx, b, p)
	}
	p := position{validity: now.validity, next: now.next, old: now.next, start: in.now().Truncate(time.Second)}
	if all {
		p.next = 1
	}
	return p, in.keepPosition(ctx, b, p)
}

// positions returns the stored positions of a mailbox, the newest first.
func (in *Intake) positions(ctx context.Context, b *box) ([]ticket.Mail, error) {
	list, err := in.cfg.Store.Mails(ctx, ticket.MailQuery{Tenant: positionTenant, Mailbox: positionName(b), States: []ticket.MailState{ticket.MailPending}, Limit: 100})
	if err != nil {
		return nil, fmt.Errorf("read the position: %w", err)
	}
	return list, nil
}

// keepPosition stores a position in place of the earlier ones. Another process can store a lower
// one at the same time: then mails are looked up once more, and are known.
func (in *Intake) keepPosition(ctx context.Context, b *box, p position) error {
	before, err := in.positions(ctx, b)
	if err != nil {
		return err
	}
	now := in.now()
	m := ticket.Mail{
		ID: in.cfg.NewID(now), Tenant: positionTenant, Mailbox: positionName(b), Origin: p.text(), Raw: sha256.Sum256([]byte(p.text())),
		Arrived: now, State: ticket.MailPending, Due: now,
	}
	stored, err := in.cfg.Store.PutMail(ctx, m)
	if err != nil {
		return fmt.Errorf("store the position: %w", err)
	}
	before = slices.DeleteFunc(before, func(o ticket.Mail) bool { return o.ID == stored.ID })
	for _, o := range before {
		if was, ok := parsePosition(o.Origin); ok && was.validity == p.validity && was.next > p.next {
			continue
		}
		o.State, o.Settled, o.Due, o.Until = ticket.MailIgnored, now, time.Time{}, time.Time{}
		if err := in.cfg.Store.SettleMail(ctx, ticket.MailPending, o); err != nil {
			continue // another process has it
		}
		if _, err := in.cfg.Store.ForgetMails(ctx, positionTenant, []ticket.ID{o.ID}); err != nil {
			return fmt.Errorf("remove an old position: %w", err)
		}
	}
	return nil
}
