package ticket

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Do performs an action on a ticket: it reads the ticket, decides, and commits
// everything or nothing. If the ticket changes in between, it decides again. It
// returns the ticket as it stands afterwards, or the new ticket if the action made
// one (a split, or a reply or reopen after the window), in the form the actor may
// hold.
//
// A customer's action on a merged ticket is applied to the ticket it was merged
// into. A customer who may not see that one, or has no part in it, can still reply:
// the message stays with the merged ticket and is sent to the agents who have the
// case.
//
// A reply or reopen after the window goes to the follow-up that is not done or whose
// own window is open. If there is none in which the actor has a part, Do opens one.
// A follow-up or split takes over the ticket's workflow, level, queue, tags, fields,
// priority, impact, urgency and followers, unless the draft of a split sets them
// ([Config].DeriveDraft may change that). Followers of another customer than the new
// requester are not taken over.
//
// A merge adds to the other ticket the tags and fields that it lacks, the higher
// priority, and, as followers, the people who may read both. Values that both
// tickets have stay as they are there; a note records those of the merged ticket.
// Unmerge takes back what the other ticket has only because of this merge, whatever
// was merged before or after; later changes by hand stay. The merged ticket gets
// back its status, level, queue, assignee, times and timer. A merge that would
// exceed the limits is [ErrInvalid], and so is a link that would make a ticket its
// own ancestor.
//
// Errors: [ErrNotFound] for a ticket the actor may not see, [ErrRefused] by the
// workflow or the policy, [ErrInvalid] for the content, [ErrStale] for a pinned
// version, [ErrConflict] if retries did not help, [ErrDuplicate] for a key that was
// used for another request, [ErrWorkflow] if the desk does not have the ticket's
// workflow, [ErrStatusLink] for the [StatusLinkHolder] of an invalid link, and the
// store's own errors.
func (d *Desk) Do(ctx context.Context, a Actor, id ID, act Action) (Ticket, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return Ticket{}, err
	}
	if act, err = d.checkAction(a, act); err != nil {
		return Ticket{}, err
	}
	if err := d.confined(ctx, a, id, &act); err != nil {
		return Ticket{}, err
	}
	leave, err := d.oneByOne(ctx, a.Tenant, &act)
	if err != nil {
		return Ticket{}, err
	}
	defer leave()
	// What the actor had seen is no part of what it asks for: who repeats a request because its
	// answer was lost may have read the ticket again.
	request := func() (Digest, error) { r := act; r.Key, r.Version = "", 0; return fingerprint(a, id, r) }
	return d.commit(ctx, a, id, act.Key, request, func(o *outcome) error {
		o.own = d.unshared
		if err := d.checkStored(ctx, a.Tenant, "action.attachments", act.Attachments); err != nil {
			return err
		}
		if err := d.checkStored(ctx, a.Tenant, "action.note_attachments", act.NoteAttachments); err != nil {
			return err
		}
		return d.decide(ctx, o, a, id, act)
	})
}

// decide reads the tickets of an action and decides on it.
func (d *Desk) decide(ctx context.Context, o *outcome, a Actor, id ID, act Action) error {
	t, err := d.load(ctx, a, id)
	if err == nil && a.Role == RoleRequester {
		t, err = d.followPart(ctx, a, t)
	}
	if err == nil {
		err = d.linkedTo(ctx, a, &t)
	}
	if err != nil {
		return err
	}
	if act.Version > 0 && t.ID != id { // the pin is for the merged ticket
		return &StaleError{Ticket: t.ID, Pinned: act.Version, Current: t.Version}
	}
	if act.Version > 0 && act.Version != t.Version {
		if err := d.stale(ctx, a, t, act.Version); err != nil {
			return err
		}
	}
	return d.decideOn(ctx, o, a, t, act, true)
}

// decideOn decides on an action on a ticket. If its window has passed and nothing
// may follow, it returns that refusal.
func (d *Desk) decideOn(ctx context.Context, o *outcome, a Actor, t Ticket, act Action, follows bool) error {
	w, err := d.workflowOf(&t)
	if err != nil {
		return err
	}
	if err := d.may(a, t, act.Name); err != nil {
		return err
	}
	dec := Decision{Ticket: t, Actor: a, Action: act, Now: d.now(), onePerson: d.cfg.MergeSameRequester, levels: d.cfg.ServiceLevels}
	if dec.Other, err = d.other(ctx, a, &t, act); err != nil {
		return err
	}
	if err := d.maySolve(ctx, a, t.ID, act.SolvedBy); err != nil {
		return err
	}
	if o := dec.Other; o != nil && (act.Name == ActionMerge || act.Name == ActionLink) {
		if err := d.may(a, *o, act.Name); err != nil {
			return err
		}
	}
	if act.Name == ActionUnmerge && !t.MergedInto.IsZero() {
		if dec.undone, err = d.mergeOf(ctx, &t); err != nil {
			return err
		}
	}
	err = w.permit(&dec)
	late := follows && tooLate(err) && dec.Transition.FollowUp
	if err != nil && !late {
		return err
	}
	if err := dec.content(); err != nil {
		return err
	}
	if late {
		return d.late(ctx, o, dec)
	}
	e, err := dec.event()
	if err != nil {
		return err
	}

	switch act.Name {
	case ActionSplit:
		dr, author, err := d.splitOff(ctx, a, &t, *act.Draft)
		if err != nil {
			return err
		}
		child, err := d.begin(o, a, dr, dec.Now, []Link{{RelationChildOf, t.ID, t.Number}}, author)
		if err != nil {
			return err
		}
		e.Set.AddLinks = []Link{{RelationParentOf, child.ID, child.Number}}
		d.add(o, t, e)
		return nil // the child comes first
	case ActionMerge, ActionUnmerge, ActionLink, ActionUnlink:
		return d.both(ctx, o, dec, e)
	case ActionEdit:
		if e.idle() && act.Key == "" { // a key has to be remembered, so it needs an event even then
			o.commit.Changes = append(o.commit.Changes, Change{Ticket: t})
			o.idle = true
			return nil
		}
		fallthrough
	default:
		if !t.MergedInto.IsZero() && act.words() && (act.Automatic || dec.Role&RoleCustomer != 0) {
			holder, err := d.holder(ctx, t)
			if err != nil {
				return err
			}
			o.holder = &holder
		}
		d.add(o, t, e)
		return nil
	}
}

// both puts the effects of an action on two tickets into the outcome. It takes a
// copy of the decision, so that other actions need none.
func (d *Desk) both(ctx context.Context, o *outcome, dec Decision, e Event) error {
	if err := d.noCircle(ctx, &dec); err != nil {
		return err
	}
	d.add(o, dec.Ticket, e)
	if dec.Other == nil {
		return nil
	}
	c, changes := dec.counterEvent()
	if dec.Action.Name == ActionUnmerge {
		if !dec.Other.MergedInto.IsZero() {
			return dec.refuse(whyMerged, "the other ticket was itself merged away: undo that first")
		}
		if err := d.takeBack(ctx, &dec, &c); err != nil {
			return err
		}
	}
	if changes {
		d.add(o, *dec.Other, c)
	}
	return nil
}

// other reads the second ticket of an action. For unlink and unmerge that ticket
// need not be visible to the actor, nor exist.
func (d *Desk) other(ctx context.Context, a Actor, t *Ticket, act Action) (*Ticket, error) {
	switch act.Name {
	case ActionMerge, ActionLink, ActionUnlink, ActionUnmerge:
		return d.second(ctx, a, t, act)
	default:
		return nil, nil
	}
}

// second calls other for the actions that need it. It is a separate function, so
// that the other actions need no memory for a second ticket.
func (d *Desk) second(ctx context.Context, a Actor, t *Ticket, act Action) (*Ticket, error) {
	var o Ticket
	var err error
	switch {
	case (act.Name == ActionMerge || act.Name == ActionLink) && !act.Ticket.IsZero() && act.Ticket != t.ID:
		o, err = d.load(ctx, a, act.Ticket)
	case act.Name == ActionUnlink && !act.Ticket.IsZero() && act.Ticket != t.ID:
		o, err = d.store.Ticket(ctx, a.Tenant, act.Ticket)
	case act.Name == ActionUnmerge && !t.MergedInto.IsZero():
		o, err = d.store.Ticket(ctx, a.Tenant, t.MergedInto)
	default:
		return nil, nil
	}
	if errors.Is(err, ErrNotFound) && (act.Name == ActionUnlink || act.Name == ActionUnmerge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// deskItself is the actor for the desk's own actions.
var deskItself = System("desk")

// tooLate reports whether an action was refused only because its window passed.
func tooLate(err error) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	return ok && refused.Why == whyWindow
}

// stale returns the error with the events since the version the caller had seen. It
// is nil if a customer could see none of them, or if they are about clocks only.
func (d *Desk) stale(ctx context.Context, a Actor, t Ticket, pinned int64) error {
	e := &StaleError{Ticket: t.ID, Pinned: pinned, Current: t.Version}
	if pinned > t.Version {
		return e
	}
	for ev, err := range d.history(ctx, a, t, pinned) {
		if err != nil {
			return err
		}
		if ev.aside() {
			continue
		}
		e.Since = append(e.Since, ev)
		if len(e.Since) == 100 { // enough to show
			break
		}
	}
	if len(e.Since) == 0 {
		return nil
	}
	return e
}

// checkActor cleans an actor and refuses one that identifies nobody.
func (d *Desk) checkActor(a *Actor) error {
	if a.token != "" {
		return &RefusedError{Role: a.Role, Why: whyStatusLink, Detail: "the holder of a status link can track its ticket, and do what the link allows"}
	}
	if a.held != nil {
		return nil // admit has already replaced it by the person that the ticket has
	}
	c := check{Limits: d.cfg.Limits}
	c.opaque("actor.tenant", a.Tenant, c.Name)
	a.Person = c.person("actor.person", a.Person)
	a.Queues = served(&c, a.Queues)
	switch a.Role {
	case RoleRequester:
		if !a.Person.known() {
			c.fail("actor.person", needsContact)
		}
	case RoleAgent, RoleSystem:
		if a.Person.ID == "" {
			c.fail("actor.person.id", "is missing")
		}
	default:
		c.fail("actor.role", "must be a requester, an agent or a system")
	}
	return c.err
}

// checkStaff is checkActor for a call that is not for customers.
func (d *Desk) checkStaff(a *Actor, action ActionName) error {
	if err := d.checkActor(a); err != nil {
		return err
	}
	if a.Role&(RoleAgent|RoleSystem) == 0 {
		return &RefusedError{Action: action, Role: a.Role, Why: whyRole, Detail: "not for customers", By: RoleAgent | RoleSystem}
	}
	return nil
}

// checkDraft cleans a draft, checks it against the limits and completes it.
func (d *Desk) checkDraft(at string, a Actor, dr Draft) (Draft, error) {
	c := check{Limits: d.cfg.Limits}
	split := at != "draft"
	if dr.Subject = c.line(at+".subject", dr.Subject, c.Subject); dr.Subject == "" {
		c.fail(at+".subject", "is missing")
	}
	dr.Requester = c.person(at+".requester", dr.Requester)
	if a.Role == RoleRequester {
		if !dr.Requester.IsZero() && !dr.Requester.Same(a.Person) {
			c.fail(at+".requester", "must be the actor: only agents and systems open tickets for others")
		}
		dr.Requester = a.Person // as your application knows it, not as a form says
	}
	if r := dr.Requester; !r.known() && (!split || !r.IsZero()) {
		c.fail(at+".requester", needsContact)
	}
	solved := dr.Solution != ""
	dr.Followers = c.people(at+".followers", dr.Followers)
	dr.Message = text(&c, at+".message", dr.Message, c.Message)
	dr.Note = text(&c, at+".note", dr.Note, c.Note)
	if dr.Solution = text(&c, at+".solution", dr.Solution, c.Message); solved && dr.Solution == "" {
		c.fail(at+".solution", "shows nothing")
	}
	dr.Attachments = c.attachments(at+".attachments", dr.Attachments)
	dr.Channel = name(&c, at+".channel", dr.Channel)
	c.messageID(at+".message_id", dr.MessageID)
	dr.Queue = name(&c, at+".queue", dr.Queue)
	dr.Workflow = name(&c, at+".workflow", dr.Workflow)
	c.grade(at+".priority", dr.Priority)
	c.grade(at+".impact", dr.Impact)
	c.grade(at+".urgency", dr.Urgency)
	dr.Tags = c.tags(at+".tags", dr.Tags)
	dr.Fields = c.fields(at+".fields", dr.Fields, false)
	c.key(at+".key", dr.Key, maxKey)
	switch {
	case dr.From < 0:
		c.fail(at+".from", "must be the number of an event, or 0")
	case dr.From > 0 && at != "action.draft":
		c.fail(at+".from", "is for splits: there is no ticket to take words from")
	case dr.From > 0 && dr.MessageID != "":
		c.fail(at+".message_id", "has no use with from: it is that of the event")
	case dr.From > 0 && (dr.Message != "" || len(dr.Attachments) > 0):
		c.fail(at+".from", "has no use beside a message or attachments: the words are those of the event, or the draft's own")
	}
	if dr.Level < 0 {
		c.fail(at+".level", "must be 1 or more, or 0 for the first")
	}
	if a.Role == RoleRequester {
		for _, f := range []struct {
			name  string
			given bool
		}{
			{".level", dr.Level > 1}, {".note", dr.Note != ""}, {".tags", len(dr.Tags) > 0},
		} {
			if f.given {
				c.fail(at+f.name, "is for agents and systems")
			}
		}
	}
	if dr.Solution != "" && (split || a.Role != RoleAgent) {
		c.fail(at+".solution", "is for agents who open a ticket")
	}
	switch {
	case !dr.SolvedBy.IsZero() && dr.Solution == "":
		c.fail(at+".solved_by", "has no use without a solution")
	case dr.Suggested && dr.SolvedBy.IsZero():
		c.fail(at+".suggested", "has no use without solved_by")
	}
	if split && dr.Key != "" {
		c.fail(at+".key", "has no use here: the action has one")
	}
	return dr, c.err
}

// checkAction cleans an action and checks it against the limits.
func (d *Desk) checkAction(a Actor, act Action) (Action, error) {
	c := check{Limits: d.cfg.Limits}
	act.Message = text(&c, "action.message", act.Message, c.Message)
	act.Note = text(&c, "action.note", act.Note, c.Note)
	act.Attachments = c.attachments("action.attachments", act.Attachments)
	act.NoteAttachments = c.attachments("action.note_attachments", act.NoteAttachments)
	act.Name = name(&c, "action.name", act.Name)
	act.Status = name(&c, "action.status", act.Status)
	act.Queue = name(&c, "action.queue", act.Queue)
	act.Assignee = name(&c, "action.assignee", act.Assignee)
	act.Reason = name(&c, "action.reason", act.Reason)
	act.Channel = name(&c, "action.channel", act.Channel)
	c.messageID("action.message_id", act.MessageID)
	act.Relation = name(&c, "action.relation", act.Relation)
	act.Until = c.time("action.until", act.Until)
	c.key("action.key", act.Key, maxKey)
	if act.Version < 0 {
		c.fail("action.version", "must not be negative")
	}
	if act.Edit != nil {
		act.Edit = c.edits("action.edit", *act.Edit)
	}
	if act.Known != nil {
		act.Known = c.known("action.known", *act.Known)
	}
	if act.Draft != nil && c.err == nil {
		dr, err := d.checkDraft("action.draft", a, *act.Draft)
		act.Draft, c.err = &dr, err
	}
	return act, c.err
}

// known returns the cleaned title and text of a known problem.
func (c *check) known(at string, k KnownProblem) *KnownProblem {
	k.Title = c.line(at+".title", k.Title, c.Subject)
	k.Text = text(c, at+".text", k.Text, c.Message)
	return &k
}

// edits returns the cleaned edits. It refuses contradictions, because it cannot
// know which of the two was meant.
func (c *check) edits(at string, e Edits) *Edits {
	given := e.Subject != ""
	if e.Subject = c.line(at+".subject", e.Subject, c.Subject); given && e.Subject == "" {
		c.fail(at+".subject", "shows nothing")
	}
	c.grade(at+".priority", e.Priority)
	c.grade(at+".impact", e.Impact)
	c.grade(at+".urgency", e.Urgency)
	e.Requester = c.meant(at+".requester", e.Requester)
	if r := e.Requester; !r.IsZero() && !r.known() {
		c.fail(at+".requester", needsContact)
	}
	e.AddTags = c.tags(at+".add_tags", e.AddTags)
	e.RemoveTags = c.tags(at+".remove_tags", e.RemoveTags)
	e.Follow = c.people(at+".follow", e.Follow)
	e.Unfollow = c.people(at+".unfollow", e.Unfollow)
	e.Fields = c.fields(at+".fields", e.Fields, true)
	if e.Snooze != nil {
		e.Snooze = new(c.time(at+".snooze", *e.Snooze))
	}
	for i, tag := range e.RemoveTags {
		if slices.Contains(e.AddTags, tag) {
			c.fail(fmt.Sprintf("%s.remove_tags[%d]", at, i), "is among the tags to add as well")
		}
	}
	for i, p := range e.Unfollow {
		if slices.ContainsFunc(e.Follow, p.Same) {
			c.fail(fmt.Sprintf("%s.unfollow[%d]", at, i), "is among those to follow as well")
		}
	}
	return &e
}
