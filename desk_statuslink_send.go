package ticket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// linkPause is how long one person gets no second link of one ticket.
const linkPause = 15 * time.Minute

// SendStatusLink sends a person a status link of a ticket, with a notification of
// [KindLink], so that only the owner of the mailbox can use it. The person is the ticket's
// requester or one of its followers; the notification goes to the address that the ticket has.
// The link allows what [Config].StatusLinks says. The history records the actor, which is an
// agent or a system.
//
// A repeat for the same person within the same quarter of an hour sends nothing and is no
// error, so that nobody can flood a mailbox. Errors: [ErrNotFound] for a ticket that the actor
// may not see, [ErrRefused], and [ErrInvalid] for a person who has nothing to do with the
// ticket and for a desk without StatusLinks.URL.
func (d *Desk) SendStatusLink(ctx context.Context, a Actor, id ID, to Person) error {
	if err := d.checkActor(&a); err != nil {
		return err
	}
	c := check{Limits: d.cfg.Limits}
	if to = c.meant("link.for", to); c.err != nil {
		return c.err
	}
	switch {
	case d.cfg.StatusLinks.URL == nil:
		return invalid("config.status_links.url", "is missing: this desk sends no links")
	case to.IsZero():
		return invalid("link.for", "is missing")
	case a.Role&(RoleAgent|RoleSystem) == 0:
		return &RefusedError{Action: ActionMakeStatusLink, Role: a.Role, Why: whyRole, By: RoleAgent | RoleSystem, Detail: "customers see their tickets without a link"}
	}
	window := d.now().Truncate(linkPause).Unix()
	asked := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", id, window, linkName(to)))
	key := "status link " + hex.EncodeToString(asked[:])
	// The key says it all, so that two actors do not send two links.
	request := func() (Digest, error) { return asked, nil }
	_, err := d.commit(ctx, a, id, key, request, func(o *outcome) error {
		t, err := d.load(ctx, a, id)
		if err != nil {
			return err
		}
		if err := d.may(a, t, ActionMakeStatusLink); err != nil {
			return err
		}
		person, concerned := t.standing(Recipient{Person: to})
		if !concerned {
			return invalid("link.for", "must be the requester or a follower of the ticket")
		}
		w, err := d.workflowOf(&t)
		if err != nil {
			return err
		}
		e := ownEvent(w, &t, ActionMakeStatusLink, d.now())
		e.By, e.Actor = By{Role: a.Role}, Person{}
		e.by(a)
		after := d.add(o, t, e)
		d.tell(o, &after, KindLink, person)
		return nil
	})
	return err
}

// tell adds notifications of the last event that was put into the outcome, for a recipient
// that does not follow from the event.
func (d *Desk) tell(o *outcome, t *Ticket, k Kind, to Recipient) {
	e := &o.events[len(o.events)-1]
	for _, notifier := range d.notifiers {
		o.commit.Deliveries = append(o.commit.Deliveries, Delivery{
			ID: d.cfg.NewID(e.At), Tenant: t.Tenant, Ticket: t.ID, Seq: e.Seq, Kind: k, Notifier: notifier,
			To: to, Created: e.At, Due: e.At, State: DeliveryPending,
		})
	}
}
