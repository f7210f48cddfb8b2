package ticket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
)

// late handles an action after its window: it is applied to the follow-up that is
// under way or whose own window is open. If there is none, it opens one.
func (d *Desk) late(ctx context.Context, o *outcome, dec Decision) error {
	if err := d.lateInTurn(ctx, o, dec.Ticket.Tenant); err != nil {
		return err
	}
	list, err := d.followUps(ctx, dec.Actor, dec.Ticket)
	if err != nil {
		return err
	}
	for _, f := range list {
		if !f.over {
			if done, err := d.join(ctx, o, dec, f.Ticket); done || err != nil {
				return err
			}
		}
	}
	for _, f := range list {
		if f.over && f.MergedInto.IsZero() {
			act := dec.Action
			act.Version = 0 // it pinned the ticket that is done
			err := d.decideOn(ctx, o, dec.Actor, f.Ticket, act, false)
			if err == nil || !errors.Is(err, ErrRefused) {
				return err
			}
		}
	}
	return d.followUp(o, dec)
}

// lateInTurn makes late actions of a tenant take turns within this process, until
// the decision is committed. Two actions on one ticket meet at its version, but two
// on different tickets of a case would each see no follow-up and open one.
func (d *Desk) lateInTurn(ctx context.Context, o *outcome, tenant string) error {
	if d.bound {
		return nil // your application commits
	}
	sum := sha256.Sum256([]byte("late actions in " + tenant))
	line := ID(sum[:16])
	place := d.turns.Join(line)
	o.leave = place.Leave
	return place.Wait(ctx)
}

// A further is a ticket that continues the case of a ticket that is over.
type further struct {
	Ticket
	over bool // this one is over, too
}

// followUps returns the other tickets of a case in which the actor has a part, the
// newest first: the follow-ups of the ticket and of the tickets that it follows, and
// their follow-ups. A merged ticket is replaced by the ticket it was merged into, if
// the actor has a part in that.
func (d *Desk) followUps(ctx context.Context, a Actor, t Ticket) (list []further, err error) {
	next, seen, err := d.beginnings(ctx, t)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(next); i++ {
		for _, l := range next[i].Links {
			if l.Relation != RelationFollowedUpBy || seen[l.Ticket] {
				continue
			}
			seen[l.Ticket] = true
			f, err := d.store.Ticket(ctx, t.Tenant, l.Ticket)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			next = append(next, f)
			if f, err = d.followPart(ctx, a, f); err != nil {
				return nil, err
			}
			if f.ID != l.Ticket {
				if seen[f.ID] {
					continue
				}
				seen[f.ID] = true
				next = append(next, f)
			}
			if !d.cfg.Policy.MaySee(a, f) || a.RoleOn(f) == 0 {
				continue
			}
			end, err := d.holder(ctx, f)
			if err != nil {
				return nil, err
			}
			list = append(list, further{f, end.Phase.Done()})
		}
	}
	slices.SortStableFunc(list, func(a, b further) int { return cmp.Or(b.Created.Compare(a.Created), b.ID.Compare(a.ID)) })
	return list, nil
}

// beginnings returns a ticket and the earlier tickets of its case: those that it
// follows, in any number of steps, and those that were merged into one of them.
func (d *Desk) beginnings(ctx context.Context, t Ticket) (list []Ticket, seen map[ID]bool, err error) {
	list, seen = []Ticket{t}, map[ID]bool{t.ID: true}
	for i := 0; i < len(list); i++ {
		for _, l := range list[i].Links {
			if l.Relation != RelationFollowUpOf && l.Relation != RelationDuplicatedBy || seen[l.Ticket] {
				continue
			}
			b, err := d.store.Ticket(ctx, t.Tenant, l.Ticket)
			switch {
			case errors.Is(err, ErrNotFound):
			case err != nil:
				return nil, nil, err
			case l.Relation == RelationFollowUpOf || b.MergedInto == list[i].ID:
				seen[b.ID] = true
				list = append(list, b)
			}
		}
	}
	return list, seen, nil
}

// join applies a late action to a follow-up that is under way. If its workflow does
// not have the action there, because nothing has to be reopened, the message counts
// as a reply or is recorded as it is. It reports false if an agent cannot act there.
func (d *Desk) join(ctx context.Context, o *outcome, dec Decision, f Ticket) (done bool, err error) {
	act := dec.Action
	act.Version = 0
	err = d.decideOn(ctx, o, dec.Actor, f, act, false)
	if joinable(err) && act.Name != ActionReply && (act.Message != "" || len(act.Attachments) > 0) {
		act.Name = ActionReply
		err = d.decideOn(ctx, o, dec.Actor, f, act, false)
	}
	if !joinable(err) {
		return true, err
	}
	if dec.Actor.Role != RoleRequester {
		return false, nil
	}
	w, err := d.workflowOf(&f)
	if err != nil {
		return false, err
	}
	here := Decision{Workflow: w, Ticket: f, Actor: dec.Actor, Role: dec.Actor.RoleOn(f), Action: dec.Action, Now: dec.Now}
	e := here.blank(&f, f.State())
	e.Channel, e.Automatic, e.Quiet, e.MessageID = act.Channel, act.Automatic, act.Quiet, act.MessageID
	e.Message, e.Attachments = act.Message, act.Attachments
	d.add(o, f, e)
	return true, nil
}

// joinable reports whether an action was refused because of the ticket's status or
// the actor's role, and not by a policy or a guard.
func joinable(err error) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	return ok && refused.Why != whyGuard && refused.Why != whyPolicy
}

// followUp opens the ticket for a late action and links the two.
func (d *Desk) followUp(o *outcome, dec Decision) error {
	t, act := dec.Ticket, dec.Action
	dr, err := d.derive(o.ctx, dec.Actor, &t, t.Followers, Draft{
		Subject: t.Subject, Message: act.Message, Attachments: act.Attachments, Channel: act.Channel, Automatic: act.Automatic,
		Quiet: act.Quiet, MessageID: act.MessageID,
	})
	if err != nil {
		return err
	}
	next, err := d.begin(o, dec.Actor, dr, dec.Now, []Link{{RelationFollowUpOf, t.ID, t.Number}}, Person{})
	if err != nil {
		return err
	}
	e := ownEvent(dec.Workflow, &t, ActionLink, dec.Now)
	e.Set.AddLinks = []Link{{RelationFollowedUpBy, next.ID, next.Number}}
	d.put(o, t, e) // even if its links are full: the next late reply finds the ticket by this one
	return nil     // the new ticket, which comes first
}

// derive completes the draft of a ticket that comes out of another one. Fields that
// the draft does not set are copied, so that the same agents can work on both. If
// limits were lowered since, it copies as much as they allow. Its followers are
// those given.
func (d *Desk) derive(ctx context.Context, a Actor, from *Ticket, follow []Person, dr Draft) (Draft, error) {
	l := &d.cfg.Limits
	if dr.Requester.IsZero() {
		dr.Requester = from.Requester
	}
	if len(dr.Followers) == 0 && d.oneCustomer(dr.Requester, from.Requester) {
		dr.Followers = d.carriedOver(a, follow)
		if !dr.Requester.Same(from.Requester) { // a follower may be the requester now
			dr.Followers = slices.DeleteFunc(slices.Clone(dr.Followers), dr.Requester.Same)
		}
	}
	dr.Queue = cmp.Or(dr.Queue, from.Queue)
	dr.Workflow = cmp.Or(dr.Workflow, from.Workflow)
	if w, err := d.workflow(dr.Workflow); err == nil && dr.Level == 0 {
		dr.Level = min(from.Level, w.spec.Levels)
	}
	if dr.Priority|dr.Impact|dr.Urgency == 0 {
		dr.Impact, dr.Urgency = from.Impact, from.Urgency
		if from.priorityStays() {
			dr.Priority = from.Priority
		}
	}
	if len(dr.Tags) == 0 {
		dr.Tags = slices.Clone(from.Tags[:min(len(from.Tags), l.Tags)])
	}
	if len(dr.Fields) == 0 {
		dr.Fields = from.Fields.clone()
		for _, k := range slices.Backward(slices.Sorted(maps.Keys(dr.Fields))) {
			if len(dr.Fields) > l.Fields {
				delete(dr.Fields, k)
			}
		}
	}
	if d.cfg.DeriveDraft == nil {
		return dr, nil
	}
	// If the draft is invalid before the call, because limits were lowered, the
	// function is not to blame.
	_, before := d.checkDraft("config.derive_draft", deskItself, dr)
	err := hook("Config.DeriveDraft", func() (err error) { dr, err = d.cfg.DeriveDraft(ctx, from.Clone(), dr); return err })
	if err != nil {
		return Draft{}, err
	}
	if checked, err := d.checkDraft("config.derive_draft", deskItself, dr); err == nil {
		return checked, nil
	} else if before == nil {
		return dr, err
	}
	return dr, nil
}

// carriedOver returns the followers of a ticket who follow the next one: all, unless
// the limit was lowered meanwhile, and in any case the customer who acts.
func (d *Desk) carriedOver(a Actor, follow []Person) []Person {
	most := d.cfg.Limits.Followers
	if len(follow) <= most {
		return follow
	}
	list := slices.Clone(follow)
	if i := slices.IndexFunc(list, a.Person.Same); a.Role == RoleRequester && i >= most {
		list[0] = list[i]
	}
	return list[:most]
}
