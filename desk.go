package ticket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket/internal/turn"
)

// Desk is the service desk of your application: it opens tickets, decides on
// actions, answers questions and delivers notifications. Make one with [NewDesk]
// and share it. A Desk is safe for concurrent use. It holds no lock while it calls
// the store, the policy, a guard, a notifier or a function of [Config].
type Desk struct {
	store          Store
	cfg            Config
	chain          Chain
	receipts       []byte          // the key of receipts; nil: none
	notifiers      []string        // names of the notifiers for people, sorted
	eventNotifiers []string        // names of the notifiers for events, sorted
	unshared       bool            // no function of your application keeps a ticket that the desk reads for a change
	bound          bool            // to a transaction of your application
	wake           *wakeup         // tells a relay in this process that there is work
	watching       *watching       // calls of Watch that have not returned
	ears           *ears           // listens to commits of other processes
	runs           *runs           // calls of Run that have not returned
	turns          *turn.Queue[ID] // of callers that act on the same ticket
	calls          *calls          // attempts that have not returned
	stuck          *stuck          // timers that this desk cannot fire
	mailboxes      *mailboxUses    // mailboxes with a delivery on its way
	ahead          *ahead          // deliveries that a clock running ahead has put off
}

// Config configures a [Desk]. The zero Config works: it has the default workflow
// and the default policy.
type Config struct {
	// Workflows lists the workflows that tickets may follow. It may hold several
	// versions of one workflow. New tickets follow the newest version of the
	// workflow listed first, unless Draft.Workflow names another. Empty means
	// [DefaultWorkflow].
	Workflows []*Workflow

	// Policy decides who may see and do what. Nil means [DefaultPolicy].
	Policy Policy

	// Now is the clock. Nil means [time.Now]. Now, NewID and Numbers are the only
	// sources of time and identity. Now must be safe for concurrent use. A time
	// outside the years 1970 to 9899 is replaced by the nearest time inside.
	Now func() time.Time
	// NewID makes the IDs of tickets and deliveries. Nil means [NewID].
	NewID func(time.Time) ID
	// Numbers makes the numbers of tickets. Zero means [NewNumber].
	Numbers Numbers

	// ChainKey is the key of the digests of histories, which makes each an HMAC; see
	// [Chain]. Empty means plain digests.
	ChainKey []byte

	// ReceiptKey is the key of the digests that are stored for requests with an
	// idempotency key (Action.Key). Such a digest covers the request's text and its
	// actor. Without a key, a reader of the database could confirm a guess of
	// either as long as the receipt is kept. Keep the key out of the database. It
	// must be the same in all processes and must not change: a repeat of a request
	// that was received under another key counts as another request. Empty means a
	// key derived from ChainKey, or none if that is empty too. Receipts made before
	// there was a key are still recognised; [Desk.Run] replaces their digests by
	// keyed ones.
	ReceiptKey []byte
	// ReceiptAge is how long an idempotency key is remembered. A repeat after that
	// is carried out again. [Desk.Run] removes older receipts if the store is a
	// [ReceiptPruner]. Zero means 30 days; a negative value means for ever.
	ReceiptAge time.Duration

	// DeliveryAge is how long the desk keeps deliveries after they were settled, except those
	// that bounced: they keep their address from being used again. [Desk.Run] removes older
	// ones if the store is a [DeliveryPruner]. Zero means 365 days; a negative value means for
	// ever. It must be at least a week. Deliveries are found by the time in their IDs; see NewID.
	DeliveryAge time.Duration

	// MailAge is how long the desk keeps mails after they were settled, except those that are
	// held; see [Desk.PruneMails]. What identifies a mail in its mailbox stays, so that a mail
	// which the mailbox shows again after years is not taken again. Zero means 365 days; a
	// negative value means for ever. It must be at least a week: so long may a server deliver
	// the same mail again.
	MailAge time.Duration

	// Limits bounds what tickets and actions may contain. A zero field has its
	// default.
	Limits Limits

	// ShowAgents lets customers see the names (Person.Name) of the agents who
	// answer them. By default they see none.
	ShowAgents bool

	// Attempts limits how often Open and Do retry after a concurrent change before
	// they return [ErrConflict]. Zero means 100 (about three seconds).
	Attempts int

	// Notifiers deliver notifications. Each has a name, and none waits for another.
	// Every notification becomes one row of the outbox per name. A nil Notifier
	// reserves the name: this desk writes the rows, and another process delivers
	// them. If no notifier for people is configured, rows are written under the
	// name "", and a notifier with that name can deliver them later.
	Notifiers map[string]Notifier
	// EventNotifiers names the notifiers that receive every event, once, with
	// [KindEvent], and nothing else: message brokers and other systems. The events
	// of one ticket arrive in order.
	EventNotifiers []string
	// Silent writes no rows to the outbox: nothing is ever sent.
	Silent bool

	// MergeSameRequester allows merges only between tickets of the same requester.
	// By default tickets of one organisation can be merged too, and then people of
	// that organisation read both.
	MergeSameRequester bool

	// DeriveDraft changes the draft of a follow-up or of a split. It gets the ticket
	// that the new one comes from, and the draft that the desk would open, with the
	// data that [Desk.Do] takes over. The desk opens the draft that DeriveDraft
	// returns. The desk calls it while it decides, with the context of Do or
	// [Desk.Explain], and again when it retries. So it must be quick and give the
	// same answer each time. An error, a panic or an invalid draft fails the action;
	// errors.Is finds the error. Nil means that the draft stays as it is.
	DeriveDraft func(ctx context.Context, from Ticket, d Draft) (Draft, error)

	// ExtraRecipients returns further recipients of a notification for a ticket's
	// customers, such as agents who watch the ticket or the address of a team. It
	// gets the ticket as it stands after the event. The recipients count as agents;
	// to let another customer watch, make it a follower of the ticket. No mailbox is
	// notified twice, and nobody is notified of their own action.
	//
	// The desk calls it while it decides, with the context of Open or Do (of Run or
	// FireTimers for a timer, and of Explain), and again when it retries. So it must
	// be quick and give the same answer each time. An error, a panic, an invalid
	// recipient, or more recipients than Limits.Followers fail the action; errors.Is
	// finds the error. Nil means no further recipients.
	ExtraRecipients func(ctx context.Context, t Ticket, k Kind) ([]Recipient, error)
	// Profile completes a recipient right before each attempt; see [Profile]. A
	// customer is given as the ticket has it at that time. An error fails the
	// attempt like an error of the notifier: the relay retries after Relay.Backoff
	// and the delivery is dead after Relay.MaxAttempts (about five days by default),
	// or at once for a [DeliveryFault] with Permanent. So an outage of an hour
	// loses nothing, and a person who left the directory does not block the outbox
	// for ever. Nil means that the ticket's data is used as it is.
	Profile func(ctx context.Context, tenant string, to Recipient, k Kind) (Profile, error)
	// Retention says when closed tickets are archived and erased; see [Desk.Retain]. [Desk.Run]
	// applies it. Nil means that everything stays.
	Retention []RetentionRule
	// Files keeps the bytes of attachments, for [Desk.Attach] and [Desk.File]. Package files
	// has a folder, sqlstore the database. It must belong to this desk's store alone, since
	// [Desk.SweepFiles] removes what its events do not refer to. An attachment with a Ref is
	// kept by your application, whatever Files is. Nil means that your application keeps all
	// files.
	Files FileStore
	// RemoveFiles removes the files of events whose content is about to be erased; see
	// [Desk.Erase]. The desk calls it before it erases the event, and again when it retries, so
	// it must accept files that are already gone. An error leaves the event as it is. A file
	// may also belong to another event, for example of a ticket that was split off. Files in
	// Config.Files are not given to it: the desk removes them itself. Nil means
	// that your application removes the files that [ErasureReport] lists.
	RemoveFiles func(ctx context.Context, tenant string, files []Attachment) error
	// ServiceLevels computes the clocks of tickets, and the reactions of the desk when time
	// runs short. An Agreement of package sla is one. All processes that share a store must
	// have the same. After a change, call [Desk.RefreshClocks]. Nil means that tickets have
	// no clocks.
	ServiceLevels ServiceLevels
	// Expected returns when the customer can expect an answer, for the confirmation
	// ([KindReceived]). With ServiceLevels the confirmation says when the first answer is
	// due, and NewDesk refuses Expected. The relay calls it right before each attempt, with
	// the attempt's context and the ticket as it stands at that time. An error or a panic
	// fails the attempt, as an error of Profile does. A zero time, or one outside the years
	// 1970 to 9999, means that no time is known; so does nil.
	Expected func(ctx context.Context, t Ticket) (time.Time, error)
	// Feedback configures how the desk asks customers to rate their tickets. The zero value
	// asks nobody. All processes that share a store must have the same.
	Feedback Feedback
	// StatusLinks configures status links. The zero value makes none.
	StatusLinks StatusLinks
	// SendLimits bounds how much is sent to one recipient; see [SendLimits].
	SendLimits SendLimits
	// Relay configures Run and Deliver.
	Relay Relay

	// Logger gets errors that no caller gets, such as failed deliveries. It gets no
	// personal data. Nil means [slog.Default].
	Logger *slog.Logger
}

// NewDesk returns a desk on a store. It returns an [*InvalidError] if the
// configuration is invalid.
func NewDesk(store Store, cfg Config) (*Desk, error) {
	if store == nil {
		return nil, invalid("store", "is missing")
	}
	var err error
	if cfg.Limits, err = cfg.Limits.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.Relay, err = cfg.Relay.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.SendLimits, err = cfg.SendLimits.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.StatusLinks, err = cfg.StatusLinks.withDefaults(); err != nil {
		return nil, err
	}
	if err := checkRetention(cfg.Retention); err != nil {
		return nil, err
	}
	cfg.Retention = slices.Clone(cfg.Retention)
	if cfg.Feedback, err = cfg.Feedback.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.Attempts < 0 {
		return nil, invalid("config.attempts", "must not be negative")
	}
	if len(cfg.Workflows) == 0 {
		cfg.Workflows = []*Workflow{defaultWorkflow()}
	}
	for i, w := range cfg.Workflows {
		if w == nil {
			return nil, invalid("config.workflows", "must not hold nil")
		}
		for _, o := range cfg.Workflows[:i] {
			if o.Name() == w.Name() && o.Version() == w.Version() {
				return nil, invalid("config.workflows", "has %s version %d twice", quote(w.Name()), w.Version())
			}
		}
	}
	cfg.Workflows = slices.Clone(cfg.Workflows)
	cfg.Notifiers = maps.Clone(cfg.Notifiers)
	if cfg.Policy == nil {
		cfg.Policy = DefaultPolicy{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	if cfg.NewID == nil {
		cfg.NewID = NewID
	}
	if err := cfg.Numbers.check(); err != nil {
		return nil, err
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 100
	}
	for _, age := range []struct {
		field       string
		value       *time.Duration
		zero, least time.Duration
	}{
		{"delivery_age", &cfg.DeliveryAge, defaultDeliveryAge, leastDeliveryAge},
		{"mail_age", &cfg.MailAge, defaultMailAge, leastMailAge},
	} {
		*age.value = cmp.Or(*age.value, age.zero)
		if *age.value > 0 && *age.value < age.least {
			return nil, invalid("config."+age.field, "must be at least %s", age.least)
		}
	}
	if cfg.ReceiptAge == 0 {
		cfg.ReceiptAge = defaultReceiptAge
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if err := cfg.checkServiceLevels(); err != nil {
		return nil, err
	}
	_, unshared := cfg.Policy.(DefaultPolicy)
	d := &Desk{store: store, cfg: cfg, unshared: unshared, chain: Chain{Key: slices.Clone(cfg.ChainKey)}, receipts: cfg.receiptKey(), wake: &wakeup{}, watching: newWatching(), ears: &ears{}, runs: &runs{}, turns: &turn.Queue[ID]{}, calls: &calls{}, stuck: &stuck{}, mailboxes: &mailboxUses{}, ahead: &ahead{}}
	if err := d.nameNotifiers(); err != nil {
		return nil, err
	}
	return d, nil
}

// nameNotifiers sets the names of the notifiers for people and for events, and asks
// each [NotifierChecker] whether it can send what it will be given.
func (d *Desk) nameNotifiers() error {
	forEvents := slices.Sorted(slices.Values(d.cfg.EventNotifiers))
	for i, n := range forEvents {
		if _, ok := d.cfg.Notifiers[n]; !ok || i > 0 && forEvents[i-1] == n {
			return invalid("config.event_notifiers", "must name notifiers, each once; %s is not one, or is named twice", quote(n))
		}
	}
	c := check{Limits: d.cfg.Limits}
	for _, n := range sortedKeys(d.cfg.Notifiers) {
		if name(&c, "config.notifiers", n) != n {
			c.fail("config.notifiers", "has the name %s, with blanks at its ends or what cannot be seen", quote(n))
		}
	}
	if c.err != nil {
		return c.err
	}
	peopleKinds := Kinds(RoleCustomer | RoleAgent)
	link := d.exampleLink()
	var forPeople []string
	for _, n := range sortedKeys(d.cfg.Notifiers) {
		kinds := peopleKinds
		if slices.Contains(forEvents, n) {
			kinds = []Kind{KindEvent}
		} else {
			forPeople = append(forPeople, n)
		}
		if c, ok := d.cfg.Notifiers[n].(NotifierChecker); ok {
			switch err := c.Check(kinds, link); {
			case err == nil:
			case link != "" && c.Check(kinds, "") == nil:
				return &InvalidError{Field: "config.status_links.url", Reason: "makes an address that the notifier " + quote(n) + " cannot use", Err: err}
			default:
				return &InvalidError{Field: "config.notifiers[" + quote(n) + "]", Reason: "cannot send everything", Err: err}
			}
		}
	}
	if len(forPeople) == 0 {
		forPeople = []string{""}
	}
	if !d.cfg.Silent {
		d.notifiers, d.eventNotifiers = forPeople, forEvents
	}
	return nil
}

// WithStore returns a copy of the desk that uses another store, usually one that
// is bound to a transaction of your application: desk.WithStore(store.WithTx(tx)).
// The copy's changes are part of that transaction. It does not retry: it returns
// [ErrConflict] at once, because only your application can run its transaction
// again. Notifications are sent once the transaction is committed and a relay
// finds them; call [Desk.Wake] after the commit to wake the one of this process. Files
// in the same database, as of sqlstore, are stored in that transaction too.
//
// Inside the transaction, use only the desk that WithStore returned. The outer
// desk does not see what the transaction has written, and it may wait for a lock
// or a connection that the transaction holds, which is a deadlock: the transaction
// ends only after the call returns. On SQLite a write of the outer desk fails with
// sqlstore.ErrBusy after some ten seconds. With a pool of one connection
// (SetMaxOpenConns(1)), every call of the outer desk waits until its context ends.
func (d *Desk) WithStore(store Store) *Desk {
	c := *d
	c.store, c.bound = store, true
	c.cfg.Files = filesWithin(store, c.cfg.Files)
	return &c
}

// Silently returns a copy of the desk that writes no rows to the outbox, like one with
// Config.Silent: because of its changes nobody is notified, neither customers nor agents nor
// event notifiers. It is for imports of old data. What happens on the tickets later, by
// the desk itself and its timers, is notified as usual.
func (d *Desk) Silently() *Desk {
	c := *d
	c.notifiers, c.eventNotifiers = nil, nil
	return &c
}

// now returns the desk's time in the form that tickets have.
func (d *Desk) now() time.Time { return nearest(d.cfg.Now(), epoch, lastNow) }

// workflow returns the newest version of the workflow for new tickets.
func (d *Desk) workflow(name string) (*Workflow, error) {
	if name == "" {
		name = d.cfg.Workflows[0].Name()
	}
	var newest *Workflow
	for _, w := range d.cfg.Workflows {
		if w.Name() == name && (newest == nil || w.Version() > newest.Version()) {
			newest = w
		}
	}
	if newest == nil {
		return nil, &WorkflowError{Name: name, Fault: "the desk does not hold it"}
	}
	return newest, nil
}

// workflowOf returns the workflow a ticket follows: its own version or, if the desk
// no longer has that one, the next newer one that accepts the ticket.
func (d *Desk) workflowOf(t *Ticket) (*Workflow, error) {
	var next *Workflow
	var refused error
	for _, w := range d.cfg.Workflows {
		if w.Name() != t.Workflow || w.Version() < t.WorkflowVersion {
			continue
		}
		if err := w.Accepts(*t); err != nil {
			refused = err
			continue
		}
		if next == nil || w.Version() < next.Version() {
			next = w
		}
	}
	if next == nil {
		return nil, &WorkflowError{Name: t.Workflow, Version: t.WorkflowVersion,
			Fault: "the desk holds neither this version nor a newer one that accepts the ticket", Err: refused}
	}
	return next, nil
}

// Workflow returns the workflow the ticket follows: its own version or, if the desk
// no longer has that one, the next newer one that accepts the ticket. If there is
// none, it returns a [*WorkflowError].
func (d *Desk) Workflow(t Ticket) (*Workflow, error) { return d.workflowOf(&t) }

// Workflows returns the workflows of the desk, as [Config].Workflows lists them.
func (d *Desk) Workflows() []*Workflow { return slices.Clone(d.cfg.Workflows) }

// outcome is the result of one decision. Outcomes are reused: a store keeps copies,
// so nothing refers to their memory once Commit has returned. They would be the
// largest part of an action's allocations.
type outcome struct {
	ctx    context.Context // of the call
	trial  bool            // nothing will be committed: Explain asks
	commit Commit          // its first change has the ticket that the caller gets
	fault  error           // why it must not be committed after all
	idle   bool            // there is nothing to commit
	events []Event
	before Ticket  // for addClocks
	clocks []Clock // of events
	own    bool    // nobody else has the lists of the tickets that were read
	holder *Ticket // the ticket that has the case if the changed ticket was merged; nil if the changed ticket has it
	leave  func()  // gives up a place in a queue after the commit; nil: there is none
}

var outcomes = sync.Pool{New: func() any {
	return &outcome{commit: Commit{Changes: make([]Change, 0, 1), Deliveries: make([]Delivery, 0, 4)}, events: make([]Event, 0, 1)}
}}

func newOutcome() *outcome { return outcomes.Get().(*outcome) }

// release gives the outcome back, empty: it keeps nothing of a ticket.
func (o *outcome) release() {
	if o.leave != nil {
		o.leave()
	}
	clear(o.commit.Changes)
	clear(o.commit.Deliveries)
	clear(o.events)
	clear(o.clocks)
	o.commit = Commit{Changes: o.commit.Changes[:0], Deliveries: o.commit.Deliveries[:0]}
	o.ctx, o.trial, o.fault, o.idle, o.events, o.before, o.clocks, o.own, o.holder, o.leave = nil, false, nil, false, o.events[:0], Ticket{}, o.clocks[:0], false, nil, nil
	outcomes.Put(o)
}

// add puts an event of a ticket into the outcome and checks the limits of the
// ticket as a whole. It returns the ticket as it stands after the event.
func (d *Desk) add(o *outcome, t Ticket, made ...Event) Ticket {
	after := d.put(o, t, made...)
	if o.fault == nil {
		o.fault = d.within(&t, &after)
	}
	return after
}

// put seals the events, folds them into the ticket, and puts ticket, events and
// deliveries into the commit.
func (d *Desk) put(o *outcome, t Ticket, made ...Event) Ticket {
	first := t
	n := len(o.events)
	o.events = append(o.events, made...)
	events := o.events[n:len(o.events):len(o.events)]
	for i := range events {
		e := &events[i]
		d.planFeedback(&t, e)
		if d.cfg.ServiceLevels != nil || !t.Snoozed.IsZero() {
			o.before = t // t itself would move to the heap
			if err := d.addClocks(o, e, events[:i]); err != nil && o.fault == nil {
				o.fault = err
			}
		}
		d.chain.Seal(t.Digest, e)
		before := t
		t.apply(e, o.own)
		var err error
		if o.commit.Deliveries, err = d.deliveries(o.ctx, o.commit.Deliveries, &before, &t, e, o.holder); err != nil && o.fault == nil {
			o.fault = err
		}
	}
	if len(events) > 1 && t.Phase.Done() {
		// Opened and resolved in one commit: it never waited in the queue.
		o.commit.Deliveries = slices.DeleteFunc(o.commit.Deliveries, func(r Delivery) bool { return r.Ticket == t.ID && r.Kind == KindQueued })
	}
	o.commit.Changes = append(o.commit.Changes, Change{Expect: first.Version, Ticket: t, Events: events})
	return t
}

// within checks the limits of the ticket as a whole. A value that was above a limit
// already, because the limit was lowered since, may stay but not grow.
func (d *Desk) within(before, after *Ticket) error {
	l := &d.cfg.Limits
	for _, b := range [...]struct {
		what           string
		had, has, most int
	}{
		{"tags", len(before.Tags), len(after.Tags), l.Tags},
		{"fields", len(before.Fields), len(after.Fields), l.Fields},
		{"followers", len(before.Followers), len(after.Followers), l.Followers},
		{"links", len(before.Links), len(after.Links), l.Links},
	} {
		if b.has > b.most && b.has > b.had {
			return invalid("ticket."+b.what, "would be %d, at most %d are taken", b.has, b.most)
		}
	}
	return nil
}

// commit decides and commits, and retries while the ticket changes in between, up
// to Config.Attempts. Callers that act on one ticket take turns. The ID is zero if
// there is no ticket yet.
func (d *Desk) commit(ctx context.Context, a Actor, id ID, key string, request func() (Digest, error), decide func(*outcome) error) (Ticket, error) {
	var asked Digest
	if key != "" {
		var err error
		if asked, err = request(); err != nil {
			return Ticket{}, err
		}
		if t, found, err := d.repeated(ctx, a, key, asked); found || err != nil {
			return t, err
		}
	}
	joined := false
	for try := 1; ; try++ {
		if !joined && !id.IsZero() && !d.bound && (try > 1 || d.turns.Busy(id)) {
			joined = true
			place := d.turns.Join(id)
			defer place.Leave()
			if err := place.Wait(ctx); err != nil {
				return Ticket{}, err
			}
		}
		t, err := d.once(ctx, a, key, asked, decide)
		if err == nil {
			return t, nil
		}
		if key != "" { // perhaps it failed because the same request, or another with its key, was committed meanwhile
			t, found, used := d.repeated(ctx, a, key, asked)
			if found && used == nil {
				return t, nil
			}
			if dup, is := errors.AsType[*DuplicateError](used); is && dup.Reused {
				return Ticket{}, used
			}
			if dup, is := errors.AsType[*DuplicateError](err); is && dup.What == duplicateKey && used != nil {
				return Ticket{}, used // the use of the key could not be read
			}
		}
		if d.bound {
			return Ticket{}, err
		}
		dup, isDup := errors.AsType[*DuplicateError](err)
		again := isDup && dup.What != duplicateKey || errors.Is(err, ErrConflict)
		if !again || try >= d.cfg.Attempts {
			return Ticket{}, err
		}
		if err := pause(ctx, try); err != nil {
			return Ticket{}, err
		}
	}
}

// once decides and commits.
func (d *Desk) once(ctx context.Context, a Actor, key string, asked Digest, decide func(*outcome) error) (Ticket, error) {
	o := newOutcome()
	defer o.release()
	o.ctx = ctx
	err := decide(o)
	if err == nil {
		err = o.fault
	}
	if err != nil {
		return Ticket{}, err
	}
	t := o.commit.Changes[0].Ticket
	if o.idle {
		return d.shown(a, t), nil
	}
	if key != "" {
		o.commit.Receipt = &Receipt{Tenant: a.Tenant, Key: key, Ticket: t.ID, Version: t.Version, Request: d.keyed(asked), Keyed: d.receipts != nil, At: d.now()}
	}
	if err := d.write(ctx, o); err != nil {
		return Ticket{}, err
	}
	if o.own { // without a copy of the clocks
		return d.shownWith(a, t, func(list []Clock) []Clock {
			public := publicClocks(list[:0], list)
			clear(list[len(public):])
			return slices.Clip(public)
		}), nil
	}
	return d.shown(a, t), nil
}

// write commits an outcome and wakes those who wait for it in this process.
func (d *Desk) write(ctx context.Context, o *outcome) error {
	if err := d.store.Commit(ctx, o.commit); err != nil {
		return err
	}
	if d.bound {
		return nil
	}
	if len(o.commit.Deliveries) > 0 {
		d.wake.all()
	}
	d.watching.changed(o.commit.Changes[0].Ticket.Tenant)
	return nil
}

// pause waits a random time, so that callers that met once do not meet again. The
// time grows with the number of attempts: up to 1 ms at first, up to 64 ms in the
// end.
func pause(ctx context.Context, try int) error {
	most := time.Millisecond << min(try-1, 6)
	return wait(ctx, rand.N(most)) //nolint:gosec // a moment to wait is no secret
}

// wait returns after d, or with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// repeated returns the ticket of an earlier request with this key.
func (d *Desk) repeated(ctx context.Context, a Actor, key string, asked Digest) (Ticket, bool, error) {
	r, err := d.store.Receipt(ctx, a.Tenant, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return Ticket{}, false, nil
	case err != nil:
		return Ticket{}, false, err
	case !d.of(&r, asked):
		return Ticket{}, false, &DuplicateError{What: duplicateKey, Reused: true}
	}
	t, err := d.store.Ticket(ctx, a.Tenant, r.Ticket)
	if err == nil && !d.cfg.Policy.MaySee(a, t) {
		// The actor can no longer see the ticket, perhaps because of this very
		// action. Return the ticket as the first call returned it, without later
		// changes.
		t, err = d.foldTo(ctx, a.Tenant, r.Ticket, r.Version)
	}
	if err != nil {
		return Ticket{}, false, err
	}
	return d.shown(a, t), true, nil
}

// foldTo returns a ticket as it stood at a version, from its events.
func (d *Desk) foldTo(ctx context.Context, tenant string, id ID, version int64) (t Ticket, err error) {
	for e, err := range d.events(ctx, tenant, id) {
		if err != nil {
			return Ticket{}, err
		}
		t = Apply(t, e)
		if t.Version >= version {
			break
		}
	}
	return t, nil
}

// fingerprint identifies a request, so that a key is not reused for another
// request.
func fingerprint(a Actor, of ...any) (Digest, error) {
	b, err := json.Marshal(canonical(a, of...))
	if err != nil {
		return Digest{}, &InvalidError{Field: "request", Reason: "cannot be identified, so it cannot have a key", Err: err}
	}
	return sha256.Sum256(b), nil
}

// load reads a ticket for an actor. It does not find a ticket the actor may not see.
func (d *Desk) load(ctx context.Context, a Actor, id ID) (Ticket, error) {
	t, err := d.store.Ticket(ctx, a.Tenant, id)
	if err == nil {
		err = d.stillLinked(a, &t)
	}
	if err == nil && !d.cfg.Policy.MaySee(a, t) {
		err = &NotFoundError{What: "ticket", Ref: id.String()}
	}
	if err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// shown returns the ticket in the form that the actor may hold.
func (d *Desk) shown(a Actor, t Ticket) Ticket { return d.shownWith(a, t, newPublicClocks) }

// shownWith returns the ticket in that form, with the clocks that a function gives to
// customers.
func (d *Desk) shownWith(a Actor, t Ticket, clocks func([]Clock) []Clock) Ticket {
	if a.Role&(RoleAgent|RoleSystem) != 0 {
		return t
	}
	t = t.publicWith(a.Person, clocks(t.Clocks))
	t.Subject = d.cfg.StatusLinks.cutTokens(t.Subject)
	if !a.only.IsZero() {
		t.Requester, t.Followers = Person{}, nil // the holder of a link need not know whose ticket it is
	}
	return t
}

// wakeup wakes all waiting goroutines.
type wakeup struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// next returns a channel that is closed at the next call of all.
func (w *wakeup) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch == nil {
		w.ch = make(chan struct{})
	}
	return w.ch
}

func (w *wakeup) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch != nil {
		close(w.ch)
		w.ch = nil
	}
}
