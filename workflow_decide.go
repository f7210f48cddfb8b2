package ticket

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/ticketkit/ticket/internal/chars"
	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// Decision is the input of [Workflow.Decide] and the result so far. The caller of
// Decide sets the first group of fields. Decide sets the rest, and guards get all.
type Decision struct {
	Ticket Ticket
	Actor  Actor
	Action Action
	Now    time.Time
	Other  *Ticket // the ticket that Action.Ticket names; nil if it names none

	levels    ServiceLevels // of the desk; nil if there are none
	undone    *undone       // the merge that an unmerge undoes, if the desk has read it
	onePerson bool          // see Config.MergeSameRequester

	Workflow   *Workflow  // set by Decide, like all fields below
	Role       Role       // the actor's role on the ticket
	Transition Transition // the rule that applies
	To         State      // the state that the transition leads to
}

// Decide returns the event that an action makes on a ticket, or the reason to
// refuse the action. It has no side effects, reads no clock and calls only the
// workflow's guards. The event is complete except for its seals and digest, which
// [Chain.Seal] adds.
//
// Decide returns a [*RefusedError] if the workflow forbids the action, and an
// [*InvalidError] if the action lacks a field that the workflow needs or sets one
// that it does not use. Decide does not check whether the actor may see the ticket
// or whether the input is within limits; the desk does.
func (w *Workflow) Decide(d Decision) (Event, error) {
	if err := w.permit(&d); err != nil {
		return Event{}, err
	}
	if err := d.content(); err != nil {
		return Event{}, err
	}
	return d.event()
}

// permit finds the transition that applies, or returns the reason why none does.
func (w *Workflow) permit(d *Decision) error {
	t, act := &d.Ticket, &d.Action
	d.Workflow, d.Role = w, d.Actor.RoleOn(*t)
	rule := w.actions[act.Name]
	if rule == nil {
		return &RefusedError{Action: act.Name, State: t.State(), Role: d.Role, Why: whyUnknown,
			Detail: fmt.Sprintf("workflow %q has no action %s; it has %q", w.spec.Name, quote(string(act.Name)), w.names)}
	}
	if rule.by&d.Role == 0 {
		return d.refuse(whyRole, "%s may not do this", d.actorRole())
	}
	if d.Role == RoleAgent {
		if !d.Actor.ServesLevel(t.Level) {
			return d.refuse(whyLevel, "the ticket is at level %d, the agent serves %v", t.Level, d.Actor.Levels)
		}
		if !d.Actor.ServesQueue(t.Queue) {
			return d.refuse(whyQueue, "the agent does not serve the ticket's queue")
		}
	}
	if act.Automatic && act.words() {
		return d.record()
	}
	if !t.MergedInto.IsZero() && !slices.Contains(onMerged, act.Name) {
		if !d.recordsOnMerged() {
			return d.refuse(whyMerged, "the ticket was merged into %s", t.MergedInto)
		}
		if err := d.staysPut("a reply to a merged ticket"); err != nil {
			return err
		}
		return d.askGuards()
	}
	if act.Name == ActionUnmerge && t.MergedInto.IsZero() {
		return d.refuse(whyState, "the ticket was not merged")
	}
	if act.Name == ActionWithdraw && t.Known.IsZero() {
		return d.refuse(whyState, "nothing is published about the ticket")
	}
	if err := d.choose(); err != nil {
		return err
	}
	if err := d.askGuards(); err != nil {
		return err
	}
	if tr := &d.Transition; tr.Within > 0 && d.Now.Sub(t.doneAt()) > tr.Within {
		return d.refuse(whyWindow, "this is possible only within %v after the ticket was done", tr.Within)
	}
	return nil
}

// record permits a message that a machine wrote. The ticket keeps the message and
// its state, even if the workflow moves it for a message from a person. So no
// transition from the state is needed. If there is one, its guards are called.
func (d *Decision) record() error {
	t, act := &d.Ticket, &d.Action
	if slices.Contains(moreThanWords, act.Name) {
		return invalid("action.automatic", "has no use: %q does more than write", act.Name)
	}
	d.Transition, d.To = Transition{Action: act.Name}, t.State()
	if may := d.Workflow.edges[edgeKey{act.Name, d.Role, d.To}]; len(may) > 0 {
		d.Transition.Guards = may[0].Guards
	}
	if err := d.staysPut("an automatic message"); err != nil {
		return err
	}
	return d.askGuards()
}

// staysPut refuses a status or level in an action that does not move the ticket.
// [Decision.content] checks the other unused fields.
func (d *Decision) staysPut(subject string) error {
	switch act := &d.Action; {
	case act.Status != "":
		return invalid("action.status", "has no use: %s does not move the ticket", subject)
	case act.Level != 0 && act.Level != d.Ticket.Level:
		return invalid("action.level", "has no use: %s does not move the ticket", subject)
	}
	return nil
}

// moreThanWords are the actions that have an effect of their own.
var moreThanWords = []ActionName{ActionMerge, ActionUnmerge, ActionSplit, ActionLink, ActionUnlink, ActionEdit, ActionPublish, ActionWithdraw}

// words reports whether an action has a message or files for customers.
func (a *Action) words() bool { return a.Message != "" || len(a.Attachments) > 0 }

func (d *Decision) askGuards() error {
	for _, name := range d.Transition.Guards {
		if err := ask(d.Workflow.guards[name], *d); err != nil {
			e := d.refuse(whyGuard, "guard %q", name)
			e.Err = err
			return e
		}
	}
	return nil
}

// onMerged are the actions that a merged ticket still allows.
var onMerged = []ActionName{ActionUnmerge, ActionNote, ActionLink, ActionUnlink}

// doneAt is the time from which the window Transition.Within is counted.
func (t *Ticket) doneAt() time.Time {
	switch {
	case !t.Resolved.IsZero():
		return t.Resolved
	case !t.Closed.IsZero():
		return t.Closed
	default:
		return t.Touched
	}
}

// ask calls a guard. A panic in the guard counts as a refusal.
func ask(guard func(Decision) error, d Decision) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the guard panicked: %v", p)
		}
	}()
	d.Ticket = d.Ticket.Clone()
	return guard(d)
}

// choose finds the transition and runs it on the state machine.
func (d *Decision) choose() error {
	w, t, act := d.Workflow, &d.Ticket, &d.Action
	candidates := w.edges[edgeKey{act.Name, d.Role, t.State()}]
	if len(candidates) == 0 {
		for i := range roleNames {
			if role := Role(1 << i); len(w.edges[edgeKey{act.Name, role, t.State()}]) > 0 {
				e := d.refuse(whyRole, "%s may not do this in %s", d.actorRole(), t.State())
				e.By = role
				return e
			}
		}
		if slices.Contains(w.actions[act.Name].from, t.Status) {
			return d.refuse(whyState, "not possible at level %d", t.Level)
		}
		return d.refuse(whyState, "not possible in %s", t.State())
	}
	i := 0
	if candidates[0].Chosen {
		i = slices.IndexFunc(candidates, func(c *Transition) bool {
			return c.To == act.Status || c.To == "" && act.Status == t.Status
		})
		if i < 0 {
			return invalid("action.status", "%s is not one that %q leads to from %q", quote(string(act.Status)), act.Name, t.Status)
		}
	} else if act.Status != "" {
		return invalid("action.status", "has no use: %q does not choose a status", act.Name)
	}
	d.Transition = *candidates[i]

	level, err := d.level()
	if err != nil {
		return err
	}
	ev := eventKey{action: act.Name, role: d.Role, level: level}
	if d.Transition.Chosen {
		ev.status = d.Transition.To
		if ev.status == "" {
			ev.status = t.Status
		}
	}
	d.To, err = w.fire(t.State(), w.events[ev])
	if err != nil {
		return w.spec.fault("machine", "%v", err)
	}
	if d.restores() {
		d.To = d.undone.before.State()
	}
	return nil
}

// level returns the level that the action leads to.
func (d *Decision) level() (int, error) {
	at, want, top := d.Ticket.Level, d.Action.Level, d.Workflow.spec.Levels
	if want < 0 || want > top {
		return 0, invalid("action.level", "must be 1 to %d, or 0", top)
	}
	switch d.Transition.Level {
	case "up":
		if want == 0 {
			want = at + 1
		}
		if want <= at {
			return 0, invalid("action.level", "must be above %d", at)
		}
		return want, nil
	case "down":
		if want == 0 {
			want = at - 1
		}
		if want >= at {
			return 0, invalid("action.level", "must be below %d", at)
		}
		return want, nil
	case "any":
		if want == 0 {
			want = at
		}
		return want, nil
	default:
		if want != 0 && want != at {
			return 0, invalid("action.level", "has no use: %q does not move between levels", d.Action.Name)
		}
		return at, nil
	}
}

func (d *Decision) refuse(why, format string, args ...any) *RefusedError {
	e := &RefusedError{Action: d.Action.Name, State: d.Ticket.State(), Role: d.Role, Why: why,
		Detail: fmt.Sprintf(format, args...), Into: d.Ticket.MergedInto}
	if rule := d.Workflow.actions[d.Action.Name]; rule != nil {
		e.By, e.From = rule.by, slices.Clone(rule.from)
	}
	return e
}

func (d *Decision) actorRole() string {
	if d.Role == 0 {
		return "someone without a role in the ticket"
	}
	if d.Role == RoleAgent {
		return "an agent"
	}
	return "a " + d.Role.String()
}

// event returns the event of a permitted decision.
func (d *Decision) event() (Event, error) {
	t, act, tr := &d.Ticket, &d.Action, &d.Transition
	e := d.blank(t, d.To)
	e.Channel, e.Automatic, e.Quiet, e.MessageID = act.Channel, act.Automatic, act.Quiet, act.MessageID
	e.Message, e.Attachments = act.Message, act.Attachments
	e.Note, e.NoteAttachments = act.Note, act.NoteAttachments
	e.Answer = d.Role == RoleAgent && !act.Automatic && act.words() && act.Name != ActionAmend
	if act.Automatic && act.Name == ActionResolve && t.Phase == PhaseSolved {
		e.Set.Restored = &restored{Resolved: t.Resolved, Closed: t.Closed} // the ticket is already solved, so its times stay
	}
	setIfOther(&e.Set.Queue, t.Queue, act.Queue, act.Queue != "")
	switch tr.Assign {
	case "actor":
		setIfOther(&e.Set.Assignee, t.Assignee, d.Actor.Person.ID, d.Role == RoleAgent)
	case "actor if nobody":
		setIfOther(&e.Set.Assignee, t.Assignee, d.Actor.Person.ID, d.Role == RoleAgent && t.Assignee == "")
	case "given":
		setIfOther(&e.Set.Assignee, t.Assignee, act.Assignee, true)
	case "nobody":
		setIfOther(&e.Set.Assignee, t.Assignee, "", true)
	}
	d.reason(&e)
	d.cite(&e)
	if err := d.timer(&e); err != nil {
		return Event{}, err
	}
	return e, d.effect(&e)
}

// blank returns an event by the actor that moves a ticket to a state.
func (d *Decision) blank(t *Ticket, to State) Event {
	e := Event{
		Ticket: t.ID, Seq: t.Version + 1, At: microTime(d.Now), Action: d.Action.Name,
		By: By{Role: d.Role}, From: t.State(), To: to, Phase: d.Workflow.Phase(to.Status),
	}
	if to == t.State() {
		e.Phase = t.Phase
	}
	if last := t.lastEvent(); e.At.Before(last) {
		e.At = last // the clock was set back; the history stays in order
	}
	e.by(d.Actor)
	if w := d.Workflow; t.Workflow == w.spec.Name && t.WorkflowVersion < w.spec.Version && t.Version > 0 {
		e.Set.WorkflowVersion = w.spec.Version
	}
	return e
}

// ownEvent returns an event with which the desk itself changes a ticket without
// moving it.
func ownEvent(w *Workflow, t *Ticket, name ActionName, now time.Time) Event {
	d := Decision{Workflow: w, Actor: deskItself, Role: RoleSystem, Action: Action{Name: name}, Now: now}
	return d.blank(t, t.State())
}

// by records the actor: an agent or a system by ID, a customer as a person.
func (e *Event) by(a Actor) {
	if a.Role == RoleRequester {
		e.Actor = a.Person
		return
	}
	e.By.ID = a.Person.ID
	e.Actor = Person{Name: a.Person.Name}
}

// reason keeps the reason for the ticket's state: the resolution while it is done,
// the reason while it is on hold or cancelled.
func (d *Decision) reason(e *Event) {
	t, act, tr := &d.Ticket, &d.Action, &d.Transition
	if e.Phase == PhaseSolved && (tr.To != "" || tr.Chosen) {
		// Resolving again replaces the resolution. If the action chooses a status,
		// an empty reason keeps the old one.
		setIfOther(&e.Set.Resolution, t.Resolution, act.Reason, act.Reason != "" || !tr.Chosen)
		setIfOther(&e.Set.Reason, t.Reason, "", true)
		return
	}
	setIfOther(&e.Set.Resolution, t.Resolution, "", e.Reopens(t.Phase) || d.To.Status == StatusCancelled)
	setIfOther(&e.Set.Reason, t.Reason, act.Reason, act.Reason != "" || d.To.Status != t.Status)
}

// cite keeps the ticket that solved this one, for as long as it is solved.
func (d *Decision) cite(e *Event) {
	t, act := &d.Ticket, &d.Action
	solves := d.solves() && !act.Automatic
	if (solves || e.Reopens(t.Phase) || d.To.Status == StatusCancelled) && act.SolvedBy != t.SolvedBy {
		e.Set.SolvedBy = new(act.SolvedBy)
	}
	// A ticket that is solved again by the same one is cited again, so that the event alone
	// says what solved it.
	if solves && !act.SolvedBy.IsZero() {
		e.Set.SolvedBy, e.Set.Suggested = new(act.SolvedBy), act.Suggested
	}
}

// timer starts or stops the timer of the ticket's status.
func (d *Decision) timer(e *Event) error {
	t := &d.Ticket
	if d.Transition.To == "" && d.To.Status == t.Status {
		return nil // the status does not change, so its timer goes on
	}
	if d.Action.Name == ActionAmend && e.Phase.Done() == t.Phase.Done() {
		return nil // an amend that neither ends nor resumes the work keeps the timer
	}
	next := Timer{}
	if s := d.Workflow.statuses[d.To.Status]; s.Then != "" && !d.Action.Until.IsZero() {
		next = Timer{At: nearest(d.Action.Until, epoch, lastTime), Action: s.Then}
	} else if err := d.startTimer(&next, s, e.At); err != nil {
		return err
	}
	if next != t.Timer {
		e.Set.Timer = new(next) // a new one, so that next itself takes no memory without a timer
	}
	return nil
}

// startTimer sets a timer to that of a status which a ticket enters at an instant, if the
// status has one.
func (d *Decision) startTimer(timer *Timer, s StatusSpec, at time.Time) error {
	if s.Then == "" || s.After <= 0 {
		return nil
	}
	due := at.Add(s.After)
	if s.Calendar != "" && d.levels != nil {
		err := hook("Config.ServiceLevels", func() (err error) { due, err = d.levels.Add(s.Calendar, at, s.After); return err })
		if err != nil {
			return err
		}
		timer.From = at
	}
	timer.At, timer.Action = nearest(due, epoch, lastTime), s.Then
	return nil
}

// setIfOther sets a field of a patch if ask is set and the value changes.
func setIfOther(to **string, was, is string, ask bool) {
	if ask && was != is {
		*to = new(is)
	}
}

// effect adds the effects of the actions with a fixed meaning. They have that
// meaning in every workflow that uses their names.
func (d *Decision) effect(e *Event) error {
	t, act := &d.Ticket, &d.Action
	switch act.Name {
	case ActionMerge:
		return d.merge(e)
	case ActionUnmerge:
		d.unmerge(e)
	case ActionAmend:
		d.amend(e)
	case ActionLink:
		if err := d.other(); err != nil {
			return err
		}
		if act.Relation.Counterpart() == "" {
			return invalid("action.relation", "%s is none of %q", quote(string(act.Relation)), sortedKeys(counterparts))
		}
		if _, there := t.LinkTo(act.Relation, d.Other.ID); there {
			return invalid("action.ticket", "already has this link with this ticket")
		}
		e.Set.AddLinks = []Link{{act.Relation, d.Other.ID, d.Other.Number}}
	case ActionUnlink:
		l, there := t.LinkTo(act.Relation, act.Ticket)
		if !there {
			return invalid("action.ticket", "has no such link with this ticket")
		}
		if act.Relation == RelationDuplicateOf && t.MergedInto == act.Ticket ||
			act.Relation == RelationDuplicatedBy && d.Other != nil && d.Other.MergedInto == t.ID {
			return invalid("action.ticket", "is linked by a merge: undo the merge instead")
		}
		e.Set.RemoveLinks = []Link{l}
	case ActionSplit:
		if act.Draft == nil {
			return invalid("action.draft", "is missing: %q needs one", ActionSplit)
		}
	case ActionEdit:
		return d.edit(e)
	case ActionPublish:
		return d.publish(e)
	case ActionWithdraw:
		e.Set.Published = new(false)
	}
	return nil
}

// publish turns what is to be published into changes.
func (d *Decision) publish(e *Event) error {
	k := d.Action.Known
	switch {
	case k == nil:
		return invalid("action.known", "is missing: %q needs one", ActionPublish)
	case chars.Blank(k.Title):
		return invalid("action.known.title", "is missing")
	case chars.Blank(string(k.Text)):
		return invalid("action.known.text", "is missing")
	}
	e.Known, e.Set.Published = *k, new(true)
	return nil
}

// other checks the other ticket of a merge or link.
func (d *Decision) other() error {
	switch {
	case d.Action.Ticket == d.Ticket.ID:
		return invalid("action.ticket", "is this ticket itself")
	case d.Action.Ticket.IsZero() || d.Other == nil || d.Other.ID != d.Action.Ticket:
		return invalid("action.ticket", "is missing: %q needs one", d.Action.Name)
	}
	return nil
}

// edit turns an edit into changes. It leaves out values that the ticket has already.
func (d *Decision) edit(e *Event) error {
	t, ed := &d.Ticket, d.Action.Edit
	if ed == nil {
		return invalid("action.edit", "is missing: %q needs one", ActionEdit)
	}
	if ed.Subject != t.Subject {
		e.Subject = ed.Subject
	}
	differ := func(to *Grade, was, is Grade) {
		if is != was {
			*to = is
		}
	}
	differ(&e.Set.Impact, t.Impact, ed.Impact)
	differ(&e.Set.Urgency, t.Urgency, ed.Urgency)
	priority := ed.Priority
	switch {
	case priority != 0 && !t.PriorityGiven:
		e.Set.PriorityGiven = new(true)
	case priority == 0 && ed.Impact|ed.Urgency != 0 && !t.priorityStays():
		priority = derivedPriority(cmp.Or(ed.Impact, t.Impact), cmp.Or(ed.Urgency, t.Urgency))
	}
	differ(&e.Set.Priority, t.Priority, priority)
	if s := ed.Snooze; s != nil && !s.Equal(t.Snoozed) {
		if t.Phase.Done() && !s.IsZero() {
			return invalid("action.edit.snooze", "must be the zero time: a finished ticket cannot be snoozed")
		}
		e.Set.Snoozed = new(microTime(*s))
	}
	if h := ed.LegalHold; h != nil && *h != t.LegalHold {
		if d.Role&RoleCustomer != 0 {
			return invalid("action.edit.legal_hold", "is for agents and systems")
		}
		e.Set.LegalHold = new(*h)
	}
	if ed.Requester != t.Requester {
		e.Requester = ed.Requester
		e.Set.NewCustomer = !ed.Requester.IsZero() && !d.together(ed.Requester, t.Requester)
	}
	for _, tag := range ed.AddTags {
		if !t.HasTag(tag) && !slices.Contains(e.Set.AddTags, tag) {
			e.Set.AddTags = append(e.Set.AddTags, tag)
		}
	}
	for _, tag := range t.Tags { // can be stored in a form that the desk no longer accepts
		if slices.Contains(ed.RemoveTags, tag) || slices.Contains(ed.RemoveTags, chars.Tidy(tag)) {
			e.Set.RemoveTags = append(e.Set.RemoveTags, tag)
		}
	}
	for k := range t.Fields {
		if v, asked := ed.Fields[chars.Tidy(k)]; asked && v == nil && !chars.Plain(k) {
			if e.Fields == nil {
				e.Fields = Fields{}
			}
			e.Fields[k] = nil // stored in such a form
		}
	}
	for k, v := range ed.Fields {
		if was, has := t.Fields[k]; v == nil && has || v != nil && (!has || !fieldvalue.Equal(was, v)) {
			if e.Fields == nil {
				e.Fields = Fields{}
			}
			e.Fields[k] = v
		}
	}
	var stay []Person
	for _, f := range t.Followers {
		if slices.ContainsFunc(ed.Unfollow, func(p Person) bool { return p.isThe(f) }) {
			e.Unfollowed = append(e.Unfollowed, f)
		} else {
			stay = append(stay, f)
		}
	}
	for _, p := range ed.Follow { // an address alone can match both a follower and a person to remove
		if !slices.ContainsFunc(stay, p.Same) && !slices.ContainsFunc(e.Followed, p.Same) {
			e.Followed = append(e.Followed, p)
		}
	}
	if given(reflect.ValueOf(*ed)) == nil && e.idle() {
		return invalid("action.edit", "asks for no change")
	}
	return nil
}

// idle reports whether the event changes nothing and has no content.
func (e *Event) idle() bool {
	set := e.Set
	set.WorkflowVersion = 0
	return e.From == e.To && reflect.ValueOf(set).IsZero() && e.Message == "" && e.Subject == "" && e.Note == "" && e.Requester.IsZero() &&
		len(e.Attachments)+len(e.NoteAttachments)+len(e.Fields)+len(e.Followed)+len(e.Unfollowed) == 0
}

// opening returns the first event of a ticket.
func (w *Workflow) opening(a Actor, dr Draft, now time.Time, id ID, n Number, links []Link, levels ServiceLevels) (Event, error) {
	d := Decision{Actor: a, Action: Action{Name: ActionOpen}, Now: now, Workflow: w, levels: levels}
	role := a.Role
	if role == RoleRequester && !a.Person.Same(dr.Requester) {
		role = RoleFollower
	}
	d.Role = role
	e := d.blank(&Ticket{ID: id}, State{w.spec.Initial, max(dr.Level, 1)})
	e.From = State{}
	e.Channel, e.Automatic, e.Quiet, e.MessageID = dr.Channel, dr.Automatic, dr.Quiet, dr.MessageID
	e.PublicContent = PublicContent{Subject: dr.Subject, Message: dr.Message, Attachments: dr.Attachments, Fields: dr.Fields}
	e.Note = dr.Note
	e.Requester, e.Followed = dr.Requester, dr.Followers
	e.Set = Patch{
		Number: n, Tenant: a.Tenant, Workflow: w.spec.Name, WorkflowVersion: w.spec.Version,
		Impact: dr.Impact, Urgency: dr.Urgency, Priority: dr.Priority,
		AddTags: dr.Tags, AddLinks: links,
	}
	if e.Set.Priority == 0 {
		e.Set.Priority = derivedPriority(dr.Impact, dr.Urgency)
	} else {
		e.Set.PriorityGiven = new(true)
	}
	setIfOther(&e.Set.Queue, "", dr.Queue, true)
	if s := w.statuses[w.spec.Initial]; s.Then != "" && s.After > 0 {
		e.Set.Timer = &Timer{}
		if err := d.startTimer(e.Set.Timer, s, e.At); err != nil {
			return Event{}, err
		}
	}
	return e, nil
}
