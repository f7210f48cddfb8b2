package ticket

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Erase erases content for good: from the stored events, the ticket and everything that the
// store derives from them, from the outbox, and from the receipts of idempotency keys. An
// event of each ticket records who erased which groups of which events, and why. Afterwards
// [Desk.Verify] holds, and the other events are as they were. The ticket still has its number,
// its phase and its times, so [Desk.Track] and [Desk.Find] find it as before; see
// [Ticket].Erased.
//
// With Erasure.Ticket it erases the events of that ticket, in all words and persons, whoever
// they are. With Erasure.Person it erases the following of every ticket of the tenant:
//
//   - The events of tickets that the person is the requester of. Messages of other customers
//     on these tickets stay, except one that a split copied there: it stays where it came from.
//     If a ticket was another customer's before, what the desk wrote then goes with the
//     requester of that time.
//   - The person's own messages on other tickets, and the copies of them that a split or a
//     follow-up made.
//   - Not what was published about a problem ([ActionPublish]): withdraw it, or erase that
//     event, if it names the person.
//   - The person in every event, with the other persons of that event. These stay
//     with the ticket: the event that records the erasure names them again. If the event has
//     words of one of them that a later erasure would no longer find, the report lists it as
//     unsigned.
//
// Texts of others that name the person are listed in the report. The notifications to an
// erased person that still wait are not sent. If your application configures
// [Config].RemoveFiles, the files of erased events are removed first. Files in [Config].Files
// are removed afterwards, unless another event refers to them; one that was stored within the
// last day, or that cannot be removed now, is removed by [Desk.SweepFiles] and is pending in the
// report.
//
// Erase works in steps of one ticket and at most 500 events. If it is interrupted, call it
// again: it erases what is left. Any number of processes may erase and write at the same time.
// The report of an interrupted call says what was erased, together with the error.
//
// The mails that the erased messages came in are erased too: their bytes, addresses, Message-IDs
// and explanations; see [Mail]. With Erasure.Person, so is every mail from the person's address,
// whether it is on a ticket or not, held and pending ones included. The bytes in the [FileStore] go
// with its next sweep. A mail that is being taken at that moment may become a message afterwards:
// then call Erase again.
//
// Only the library's own data can be erased. Backups and replicas of the database, letters that
// were sent, streams of events and webhooks keep what they have; for the files of the database
// itself see docs/erasure.md. The IDs of agents, the names of queues, and remarks in events of
// older versions of this library are part of the digests and cannot be erased.
//
// By default only systems may erase; the [Policy] is asked for [ActionErase], and customers
// never may. A ticket with a legal hold is [ErrRefused]; with Person it is listed as held. With
// Person, Erase goes on after a ticket that the actor may not see or erase, and returns the
// errors of such tickets, at most 100, at the end.
// Other errors: [ErrNotFound] for a ticket that the actor may not see, [ErrInvalid],
// [ErrConflict] if retries did not help, [ErrDuplicate] for a key that was used for another
// request, and [errors.ErrUnsupported] if the store is not an [Eraser].
func (d *Desk) Erase(ctx context.Context, a Actor, r Erasure) (ErasureReport, error) {
	var report ErasureReport
	if err := d.checkStaff(&a, ActionErase); err != nil {
		return report, err
	}
	plan, err := d.planErasure(r)
	if err != nil {
		return report, err
	}
	s, err := d.eraserStore("erasure")
	if err != nil {
		return report, err
	}
	x := &eraser{d: d, store: s, actor: a, plan: plan, report: &report}
	if r.Person.IsZero() {
		err = x.ticket(ctx, r.Ticket)
	} else {
		err = x.person(ctx)
	}
	return report, unsupported("erasure", err)
}

// planErasure cleans and checks a request.
func (d *Desk) planErasure(r Erasure) (Erasure, error) {
	c := check{Limits: d.cfg.Limits}
	r.Person = c.meant("erasure.person", r.Person)
	if r.Reason = c.line("erasure.reason", r.Reason, c.Subject); r.Reason == "" {
		c.fail("erasure.reason", "is missing")
	}
	c.key("erasure.key", r.Key, maxKey)
	switch {
	case r.Ticket.IsZero() == r.Person.IsZero():
		c.fail("erasure", "must name a ticket or a person")
	case !r.Person.IsZero() && !r.Person.known():
		c.fail("erasure.person", needsContact)
	case !r.Person.IsZero() && (r.Event != 0 || r.Key != ""):
		c.fail("erasure", "has an event or a key, which are for tickets")
	case r.Event < 0:
		c.fail("erasure.event", "must be the number of an event, or 0")
	}
	if r.Groups.zero() {
		r.Groups = allGroups
		r.Groups.Identities = r.Event == 0
	}
	return r, c.err
}

// eraser is one call of Erase.
type eraser struct {
	d      *Desk
	store  Eraser
	actor  Actor
	plan   Erasure
	report *ErasureReport

	applies func(*Ticket) bool // for retention: whether the ticket is still to be erased
	stage   *Stage             // that the ticket gets with the last step; nil: none
	done    bool               // the ticket got the stage

	head      Digest // of the ticket after the last step
	keepFiles bool   // do not call Config.RemoveFiles
}

// person erases a person from all tickets. It goes on after tickets that the actor may not see
// or erase, and returns their errors at the end.
func (x *eraser) person(ctx context.Context) error {
	defer func() { // those with nothing but deliveries come last
		slices.SortFunc(x.report.Tickets, func(a, b ErasedTicket) int { return a.Ticket.Compare(b.Ticket) })
		slices.SortFunc(x.report.Held, ID.Compare)
		for _, list := range [...][]Mention{x.report.Mentions, x.report.Unsigned} {
			slices.SortStableFunc(list, func(a, b Mention) int { return a.Ticket.Compare(b.Ticket) })
		}
	}()
	var faults []error
	seen := map[ID]bool{}
	for id, err := range x.d.traces(ctx, x.store, x.actor.Tenant, x.plan.Person) {
		if err == nil {
			seen[id] = true
			err = x.ticket(ctx, id)
		}
		if refused, is := errors.AsType[*RefusedError](err); is && refused.Why == whyLegalHold {
			x.report.Held = append(x.report.Held, id)
			continue
		}
		if (isNotFound(err) || errors.Is(err, ErrRefused)) && len(faults) < mostFaults {
			faults = append(faults, err)
			continue
		}
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
	}
	more, err := x.senderMails(ctx, seen)
	return errors.Join(append(append(faults, more...), err)...)
}

// ticket erases what is planned of a ticket, step by step.
func (x *eraser) ticket(ctx context.Context, id ID) error {
	done := ErasedTicket{Ticket: id}
	mentions := []Mention(nil)
	mailed := false // its mails were erased
	defer func() {
		if done.Events+done.Deliveries+done.Mails > 0 {
			x.report.Tickets = append(x.report.Tickets, done)
		}
		x.report.Mentions = append(x.report.Mentions, mentions...)
	}()
	for try := 1; ; {
		step, err := x.step(ctx, id)
		if err == nil {
			done.Number = step.before.Number
		}
		if err == nil && !mailed {
			var n int
			n, err = x.mails(ctx, step)
			done.Mails += n
			mailed = err == nil
		}
		if err == nil && !step.idle() {
			err = x.write(ctx, step)
			x.done = err == nil && x.stage != nil && !step.more
		}
		if errors.Is(err, ErrConflict) && try < x.d.cfg.Attempts && !x.d.bound {
			if err := pause(ctx, try); err != nil {
				return err
			}
			try++
			mailed = false // there may be new events
			continue
		}
		if step != nil {
			mentions = step.mentions
		}
		if err != nil {
			return err
		}
		done.Events += len(step.events)
		done.Deliveries += len(step.remove)
		done.Files = append(done.Files, step.files...)
		if len(step.files) > 0 && x.d.cfg.Files != nil && !x.keepFiles {
			shared, pending := x.d.dropFiles(ctx, step.before.Tenant, step.files)
			done.Shared, done.Pending = append(done.Shared, shared...), append(done.Pending, pending...)
		}
		x.report.Unsigned = append(x.report.Unsigned, step.unsigned...)
		if !step.more {
			return nil
		}
	}
}

// eraseStep is the part of an erasure that is committed at once.
type eraseStep struct {
	before   Ticket
	fold     Ticket  // of the events after erasing, without the one that records it
	events   []Event // after erasing
	groups   Groups  // that were erased
	files    []Attachment
	remove   []ID
	more     bool // another step follows
	wordless bool // after the step, nothing but persons is left to erase
	must     bool // an event is to be recorded, even if nothing is erased
	mentions []Mention
	unsigned []Mention // erased events with words of others who are no longer named

	mails     func(*Mail) bool // whether a mail on the ticket is to be erased; nil: none
	requester bool             // the event that named the requester loses its persons
	followed  []Person         // that the erased events had added
	fields    map[string]bool  // whether the event that set the field last loses it
	tags      map[string]bool
	reason    bool
	resolved  bool
}

func (s *eraseStep) idle() bool { return len(s.events)+len(s.remove) == 0 && !s.must }

const (
	eraseBatch  = 500
	removeBatch = 1000
)

// step reads a ticket and finds what to erase from it next. The persons come last: while
// they are there, an interrupted erasure still knows whose ticket it is.
func (x *eraser) step(ctx context.Context, id ID) (*eraseStep, error) {
	t, err := x.d.load(ctx, x.actor, id)
	if err != nil {
		return nil, err
	}
	if x.applies != nil && !x.applies(&t) {
		return &eraseStep{before: t}, nil
	}
	if err := x.permit(&t); err != nil {
		return nil, err
	}
	if x.plan.Event > t.Version {
		return nil, invalid("erasure.event", "must be 1 to %d", t.Version)
	}
	if used, err := x.repeated(ctx); used || err != nil {
		return &eraseStep{before: t}, err
	}
	s, err := x.collect(ctx, t, x.plan.Groups)
	if err == nil && s.more && x.plan.Groups.Identities {
		words := x.plan.Groups
		words.Identities = false
		var first *eraseStep
		if first, err = x.collect(ctx, t, words); err == nil && !first.idle() {
			first.wordless = !first.more
			first.more = true
			s = first
		}
	}
	if err != nil {
		return nil, err
	}
	if x.plan.Groups.Identities && x.plan.Event == 0 && (!s.more || len(s.events) == 0) {
		err = x.removals(ctx, s)
	}
	s.must = x.stage != nil && !s.more
	return s, err
}

// permit refuses what the actor may not erase.
func (x *eraser) permit(t *Ticket) error {
	if err := x.d.may(x.actor, *t, ActionErase); err != nil {
		return err
	}
	if t.LegalHold {
		return &RefusedError{Action: ActionErase, State: t.State(), Role: x.actor.Role, Why: whyLegalHold, Detail: "the ticket has a legal hold"}
	}
	return nil
}

// repeated reports whether the key was used for the same erasure before.
func (x *eraser) repeated(ctx context.Context) (bool, error) {
	if x.plan.Key == "" {
		return false, nil
	}
	asked, err := x.fingerprint()
	if err != nil {
		return false, err
	}
	r, err := x.d.store.Receipt(ctx, x.actor.Tenant, x.plan.Key)
	switch {
	case isNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	case !x.d.of(&r, asked):
		return false, &DuplicateError{What: duplicateKey, Reused: true}
	default:
		return true, nil
	}
}

func (x *eraser) fingerprint() (Digest, error) {
	r := x.plan
	r.Key = ""
	return fingerprint(x.actor, r)
}

// collect reads the history and erases up to a batch of events in memory.
func (x *eraser) collect(ctx context.Context, t Ticket, limit Groups) (*eraseStep, error) {
	s := &eraseStep{before: t, fields: map[string]bool{}, tags: map[string]bool{}}
	theirs := !x.plan.Person.IsZero() && x.plan.Person.Same(t.Requester)
	words := map[int64]bool{0: theirs} // the events whose words are to be erased
	s.mails = func(m *Mail) bool { return x.plan.Person.IsZero() && x.plan.Event == 0 || words[m.Seq] }
	var requester Person // at the time of the event, if it is still named
	for e, err := range x.d.events(ctx, t.Tenant, t.ID) {
		if err != nil {
			return nil, err
		}
		if e.Seq > t.Version {
			break // a later change; the commit will conflict
		}
		if !e.Requester.IsZero() {
			requester = e.Requester
		}
		about := theirs // the desk's words are about the person
		if e.Seq < t.RequesterSince && !requester.IsZero() {
			about = x.plan.Person.Same(requester)
		}
		planned := x.groups(&e, theirs, about, t.RequesterSince)
		words[e.Seq] = planned.PublicContent || planned.InternalContent
		erase := planned.and(limit).and(e.held())
		if !erase.zero() && len(s.events) == eraseBatch {
			erase, s.more = Groups{}, true
		}
		s.note(&e, erase)
		if !erase.zero() {
			if erase.PublicContent {
				s.files = append(s.files, e.Attachments...)
			}
			if erase.InternalContent {
				s.files = append(s.files, e.NoteAttachments...)
			}
			s.groups = s.groups.or(erase)
			signed := x.foundBy(&e, &t)
			e = e.Erase(erase)
			if signed && !x.foundBy(&e, &t) && e.hasText() {
				s.unsigned = append(s.unsigned, Mention{t.ID, t.Number, e.Seq})
			}
			s.events = append(s.events, e)
		}
		if p := x.plan.Person; !p.IsZero() && e.mentions(p) {
			s.mentions = append(s.mentions, Mention{t.ID, t.Number, e.Seq})
		}
		s.fold = Apply(s.fold, e)
	}
	if s.fold.Version != t.Version {
		return nil, &ChainError{Ticket: t.ID, Seq: s.fold.Version + 1, Index: int(s.fold.Version), Fault: chainRemoved, Detail: "the history ends before the ticket's version"}
	}
	return s, nil
}

// foundBy reports whether the event has another customer's words that an erasure of that
// customer finds.
func (x *eraser) foundBy(e *Event, t *Ticket) bool {
	p := x.plan.Person
	if p.IsZero() || said(e, p) {
		return false
	}
	return !e.Author.IsZero() || e.By.Role&RoleCustomer != 0 && !e.Actor.IsZero() ||
		e.unsigned() && e.Seq >= t.RequesterSince && !t.Requester.IsZero() && !p.Same(t.Requester)
}

// groups returns what the plan erases from an event. theirs says that the person is the
// requester, about that the person was it when the desk wrote the event. If since is not 0, the
// ticket was another customer's before that event.
//
// What was published about a problem is the desk's own text for all customers. It stays unless
// the ticket or the event itself is to be erased.
func (x *eraser) groups(e *Event, theirs, about bool, since int64) Groups {
	p := x.plan.Person
	switch {
	case e.Set.Published != nil && (x.stage != nil || !p.IsZero() && !e.Names(p)):
		return Groups{InternalContent: p.IsZero(), Identities: p.IsZero(), Remarks: p.IsZero()}
	case p.IsZero() && x.plan.Event != 0 && x.plan.Event != e.Seq:
		return Groups{}
	case p.IsZero():
		return allGroups
	}
	names := e.Names(p)
	words := said(e, p) || about && e.Author.IsZero() && e.By.Role&RoleCustomer == 0 || // of the desk
		theirs && (e.unsigned() && e.Seq >= since ||
			names && !e.Author.IsZero()) // a copy that would lose its author
	return Groups{PublicContent: words, InternalContent: words, Identities: names, Remarks: words}
}

// note remembers for each value of the ticket whether the event that set it last loses it.
func (s *eraseStep) note(e *Event, erase Groups) {
	if !e.Requester.IsZero() {
		s.requester = erase.Identities
	}
	if erase.Identities {
		s.followed = append(s.followed, e.Followed...)
	}
	for k := range e.Fields {
		s.fields[k] = erase.PublicContent
	}
	for _, list := range [...][]string{e.Set.AddTags, e.Set.RemoveTags} {
		for _, tag := range list {
			s.tags[tag] = erase.Remarks
		}
	}
	if e.Set.Reason != nil {
		s.reason = erase.Remarks
	}
	if e.Set.Resolution != nil {
		s.resolved = erase.Remarks
	}
}

// forgets reports whether the ticket must no longer have the person.
func (x *eraser) forgets(s *eraseStep, p Person) bool {
	switch {
	case !x.plan.Person.IsZero():
		return x.plan.Person.Same(p)
	case x.plan.Event == 0:
		return true
	default:
		return slices.ContainsFunc(s.followed, p.Same)
	}
}

// record returns the event that records a step. It takes the ticket from the fold of the
// erased events, which may have earlier values again, to what it was without the erased ones.
func (x *eraser) record(s *eraseStep) Event {
	e := x.d.upkeepEvent(&s.before, x.actor, ActionErase)
	r := &Erased{Groups: s.groups, Reason: x.plan.Reason, Events: make([]int64, len(s.events))}
	for i := range s.events {
		r.Events[i] = s.events[i].Seq
	}
	e.Set.Erased = r
	want := s.before
	switch {
	case x.stage == nil:
	case !s.more:
		e.Set.Stage = x.stage
	case !s.wordless:
		// The rule selects the ticket by what it has, so the ticket keeps all of it until the
		// last step. Otherwise an interrupted step would never be continued.
		e.restate(&s.fold, &want)
		return e
	}
	if s.requester && (x.plan.Event != 0 || x.forgets(s, want.Requester)) {
		want.Requester = Person{}
	}
	want.Followers = slices.Clone(want.Followers)
	if s.groups.Identities {
		want.Followers = slices.DeleteFunc(want.Followers, func(p Person) bool { return x.forgets(s, p) })
	}
	want.Fields = maps.Clone(want.Fields)
	maps.DeleteFunc(want.Fields, func(k string, _ any) bool { return s.fields[k] })
	want.Tags = slices.DeleteFunc(slices.Clone(want.Tags), func(tag string) bool { return s.tags[tag] })
	if s.reason {
		want.Reason = ""
	}
	if s.resolved {
		want.Resolution = ""
	}
	want.Subject = s.fold.Subject // cannot be taken away, and no later one is left
	e.restate(&s.fold, &want)
	return e
}

// removals finds the deliveries of the ticket to forgotten persons.
func (x *eraser) removals(ctx context.Context, s *eraseStep) error {
	for row, err := range x.d.storedDeliveries(ctx, DeliveryQuery{Tenant: s.before.Tenant, Ticket: s.before.ID}) {
		if err != nil {
			return err
		}
		if row.To.Person.IsZero() || !x.plan.Person.IsZero() && !row.addressed(x.plan.Person) {
			continue
		}
		if len(s.remove) == removeBatch {
			s.more = true
			break
		}
		s.remove = append(s.remove, row.ID)
	}
	return nil
}

// write commits a step.
func (x *eraser) write(ctx context.Context, s *eraseStep) error {
	files := slices.Clone(s.files)
	if x.d.cfg.Files != nil {
		files = slices.DeleteFunc(files, func(a Attachment) bool { return a.kept() })
	}
	if len(files) > 0 && x.d.cfg.RemoveFiles != nil && !x.keepFiles {
		if err := hook("Config.RemoveFiles", func() error { return x.d.cfg.RemoveFiles(ctx, s.before.Tenant, files) }); err != nil {
			return err
		}
	}
	c, err := x.d.rewrite(ctx, s.before, s.fold, x.record(s))
	if err != nil {
		return err
	}
	after := c.Changes[0].Ticket
	c.Events, c.Remove = s.events, s.remove
	if x.plan.Key != "" && !s.more {
		asked, err := x.fingerprint()
		if err != nil {
			return err
		}
		c.Receipt = &Receipt{Tenant: after.Tenant, Key: x.plan.Key, Ticket: after.ID, Version: after.Version, Request: x.d.keyed(asked), Keyed: x.d.receipts != nil, At: x.d.now()}
	}
	if err := x.d.eraseIn(ctx, x.store, c); err != nil {
		return err
	}
	x.head = after.Digest
	return nil
}
