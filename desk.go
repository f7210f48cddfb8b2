package ticket

import (
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
)

// Config says how a desk works. The zero Config is a working desk with the
// default workflow and the default policy.
type Config struct {
	// Workflows are those that tickets may follow, perhaps several versions of
	// one. New tickets follow the newest version of the first one's name, unless
	// Draft.Workflow names another. None: [DefaultWorkflow].
	Workflows []*Workflow

	// Policy says who may see and do what. Nil: [DefaultPolicy].
	Policy Policy

	// Now is the clock. Nil: [time.Now]. Together with NewID and NewNumber it is
	// the only source of time and identity. It must be safe for concurrent use. A
	// time outside the years 1970 to 9899 counts as the nearest inside.
	Now func() time.Time
	// NewID makes the IDs of tickets and deliveries. Nil: [NewID].
	NewID func(time.Time) ID
	// NewNumber draws the numbers of tickets. Nil: [NewNumber]. Where they are of
	// another form than these, they must be in capitals, and people must write
	// them as they are; see Numbers.
	NewNumber func() Number
	// Numbers makes the numbers another form; see [Numbers].
	Numbers Numbers

	// ChainKey makes the digests of histories an HMAC; see [Chain]. Empty: plain
	// digests.
	ChainKey []byte

	// ReceiptKey keys what is kept of a request that had an idempotency key
	// (Action.Key): a digest of its words and of who made it, by which whoever has
	// the database could otherwise confirm a guess. It belongs out of the database, and
	// must be the same in all processes and stay so: a repeat of what was
	// received under another key is taken for another request. Empty: one that is
	// derived from ChainKey; where that is empty too, there is no key, and a guess can
	// be confirmed as long as the receipt is kept. Receipts of before there was a key
	// are still recognised, and keyed by [Desk.Run].
	ReceiptKey []byte
	// ReceiptAge is how long an idempotency key is remembered: a repeat that comes
	// later happens anew. [Desk.Run] removes what is older, on stores that can
	// ([ReceiptPruner]). 0: 30 days; negative: for ever.
	ReceiptAge time.Duration

	// Limits bound what is taken in; fields that are 0 have the defaults of
	// [DefaultLimits].
	Limits Limits

	// ShowAgents lets customers see the names (Person.Name) of the agents who
	// answer them. Default: they see none.
	ShowAgents bool

	// Attempts is how often Open and Do decide anew when the ticket has changed
	// between decision and commit, before they return the conflict. 0: 100, which
	// take some three seconds.
	Attempts int

	// Notifiers deliver notifications, each under a name of its own and without
	// regard to the others. Every notification becomes a row of the outbox for
	// each name. A nil Notifier reserves the name: rows are written here, and
	// another process delivers them. No entry that tells people: rows are written
	// for the name "", so that a notifier of that name can deliver them later.
	Notifiers map[string]Notifier
	// EventNotifiers names those of the notifiers that are told of every event, once,
	// with [KindEvent], in place of what is told to people: brokers and other
	// systems. What a ticket's events bring them comes in order.
	EventNotifiers []string
	// Silent writes no rows: nobody is ever told anything.
	Silent bool

	// MergeSameRequester lets only tickets of the same requester be merged. Default:
	// those of one organisation may be, and then its people read both.
	MergeSameRequester bool

	// DeriveDraft changes the draft of a ticket that comes out of another one: a
	// follow-up, or what is split off. It is called while the desk decides, with
	// what the new ticket would be, which goes on where the other one stands (see
	// [Desk.Do]); what it returns is opened. It must be quick, and answer the same
	// when asked again. A panic, and what no draft may be, fail the action. Nil: as
	// it is.
	DeriveDraft func(from Ticket, d Draft) Draft

	// ExtraRecipients says who else is told what the customers of a ticket are told, as it
	// stands after the event: agents who watch it, an address of a team. They
	// count as agents; customers who watch are followers of the ticket. It is
	// called while the desk decides, so it must be quick, and answer the same when
	// asked again. No mailbox is told twice, and nobody of their own act. Recipients that make
	// no sense, more of them than Limits.Followers, and a panic fail the action.
	// Nil: nobody else.
	ExtraRecipients func(t Ticket, k Kind) []Recipient
	// Profile completes what is known of a recipient right before each attempt;
	// see [Profile]. A customer is given as it stands on the ticket by then. An
	// error is an attempt that failed, as one of the notifier's: it is tried again
	// after Relay.Backoff and so on, and the delivery is dead after
	// Relay.MaxAttempts, which by default take some five days, or at once where the
	// error is marked with [Permanent]. So an hour without the directory loses
	// nothing, and who is in it no more holds nothing up for ever. Nil: what the
	// ticket knows.
	Profile func(ctx context.Context, tenant string, to Recipient, k Kind) (Profile, error)
	// Expected says when the customer can expect an answer, for the confirmation.
	// Zero times, those outside the years 1970 to 9999, and nil, mean that nobody
	// knows.
	Expected func(t Ticket) time.Time
	// StatusLinks makes status links; the zero Links makes none.
	StatusLinks StatusLinks
	// SendLimits bounds how much is sent to one recipient; see [SendLimits].
	SendLimits SendLimits
	// Relay says how Run and Deliver work.
	Relay Relay

	// Logger gets what no caller can be told, such as failed deliveries, without
	// anything personal. Nil: [slog.Default].
	Logger *slog.Logger
}

// Desk is the façade a host calls. Make one with [NewDesk] and share it: it is
// safe for concurrent use, and holds no lock while it calls the store, the
// policy, guards or notifiers.
type Desk struct {
	store    Store
	cfg      Config
	chain    Chain
	receipts []byte   // their key; nil: none
	vias     []string // names of the notifiers for people, sorted
	streams  []string // names of the others, sorted
	bound    bool     // to a host's transaction
	wake     *wakeup  // tells a relay in this process that there is work
	runs     *runs    // calls of Run under way
	lines    *lines   // of those who met over a ticket
	calls    *calls   // attempts that have not returned
	stuck    *stuck   // timers that it cannot fire
	places   *places  // mailboxes that something is on its way to
	ahead    *ahead   // what a clock that was ahead has left

	ownNumbers bool // they come from nobody but NewNumber, the function
}

// NewDesk returns a desk on a store. It fails with an [*InvalidError] where the
// configuration makes no sense.
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
	if err := cfg.Numbers.check(&cfg); err != nil {
		return nil, err
	}
	ownNumbers := cfg.NewNumber == nil && cfg.Numbers.New == nil
	if cfg.NewNumber == nil {
		cfg.NewNumber = NewNumber
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 100
	}
	if cfg.ReceiptAge == 0 {
		cfg.ReceiptAge = defaultReceiptAge
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	d := &Desk{store: store, cfg: cfg, chain: Chain{Key: slices.Clone(cfg.ChainKey)}, receipts: cfg.receiptKey(), wake: &wakeup{}, runs: &runs{}, lines: &lines{}, calls: &calls{}, stuck: &stuck{}, places: &places{}, ahead: &ahead{}, ownNumbers: ownNumbers}
	if err := d.tellers(); err != nil {
		return nil, err
	}
	return d, nil
}

// tellers sorts out who tells people and who gets the stream, and asks them
// whether they can.
func (d *Desk) tellers() error {
	streams := slices.Sorted(slices.Values(d.cfg.EventNotifiers))
	for i, via := range streams {
		if _, ok := d.cfg.Notifiers[via]; !ok || i > 0 && streams[i-1] == via {
			return invalid("config.event_notifiers", "must name notifiers, each once; %s is not one, or is named twice", quote(via))
		}
	}
	c := check{Limits: d.cfg.Limits}
	for _, via := range sortedKeys(d.cfg.Notifiers) {
		if name(&c, "config.notifiers", via) != via {
			c.fail("config.notifiers", "has the name %s, with blanks at its ends or what cannot be seen", quote(via))
		}
	}
	if c.err != nil {
		return c.err
	}
	people := append(CustomerKinds(), KindQueued, KindEscalated, KindAssigned, KindUnassigned)
	var vias []string
	for _, via := range sortedKeys(d.cfg.Notifiers) {
		kinds := people
		if slices.Contains(streams, via) {
			kinds = []Kind{KindEvent}
		} else {
			vias = append(vias, via)
		}
		if c, ok := d.cfg.Notifiers[via].(NotifierChecker); ok {
			if err := c.Check(kinds); err != nil {
				return &InvalidError{Field: "config.notifiers[" + quote(via) + "]", Reason: "cannot tell everything", Err: err}
			}
		}
		if c, ok := d.cfg.Notifiers[via].(StatusLinkChecker); ok {
			if err := d.checkLink(c); err != nil {
				return &InvalidError{Field: "config.status_links.url", Reason: "makes an address that the notifier " + quote(via) + " cannot take", Err: err}
			}
		}
	}
	if len(vias) == 0 {
		vias = []string{""}
	}
	if !d.cfg.Silent {
		d.vias, d.streams = vias, streams
	}
	return nil
}

// WithStore returns the desk on another store, as a rule one that is bound to a
// transaction of the host's: desk.In(store.WithTx(tx)). What it does is part of
// that transaction. It decides once: a conflict is returned, because only the
// host can begin its transaction anew. Notifications go out when the
// transaction is committed and a relay finds them.
func (d *Desk) WithStore(store Store) *Desk {
	c := *d
	c.store, c.bound = store, true
	return &c
}

// now is the desk's time in the form that tickets have.
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

// workflowOf returns the workflow a ticket follows: its own version, or where
// the desk does not hold that one any more, the next newer one that accepts it.
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

// Workflow returns the workflow the ticket goes on under: its own version, or
// the next newer one that accepts it where the desk no longer holds that one.
// It fails with a [*WorkflowError] where there is none.
func (d *Desk) Workflow(t Ticket) (*Workflow, error) { return d.workflowOf(&t) }

// outcome is what one decision came to. Outcomes are used again: a store keeps
// copies, so nothing refers to their memory once Commit has returned. They are
// the largest part of what an action would otherwise allocate.
type outcome struct {
	ctx    context.Context // of the call, whose outcome it is; nil where nothing will be committed
	commit Commit          // its first change has the ticket that the caller gets
	fault  error           // why it must not be committed after all
	idle   bool            // there is nothing to commit
	events []Event
	holder *Ticket // the ticket with whose desk the case is, where it is not the changed one
	leave  func()  // gives up a place in a line, once it is committed; nil: there is none
}

var outcomes = sync.Pool{New: func() any {
	return &outcome{commit: Commit{Changes: make([]Change, 0, 1), Deliveries: make([]Delivery, 0, 4)}, events: make([]Event, 0, 1)}
}}

func newOutcome() *outcome { return outcomes.Get().(*outcome) }

// release gives the outcome back, empty: nothing of a ticket stays in it.
func (o *outcome) release() {
	if o.leave != nil {
		o.leave()
	}
	clear(o.commit.Changes)
	clear(o.commit.Deliveries)
	clear(o.events)
	o.commit = Commit{Changes: o.commit.Changes[:0], Deliveries: o.commit.Deliveries[:0]}
	o.ctx, o.fault, o.idle, o.events, o.holder, o.leave = nil, nil, false, o.events[:0], nil, nil
	outcomes.Put(o)
}

// add puts what happened to a ticket into the outcome, within the bounds that
// hold for it as a whole. It returns the ticket as it stands then.
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
		d.chain.Seal(t.Digest, e)
		before := t
		t = Apply(t, *e)
		var err error
		if o.commit.Deliveries, err = d.deliveries(o.commit.Deliveries, &before, &t, e, o.holder); err != nil && o.fault == nil {
			o.fault = err
		}
	}
	if len(events) > 1 && t.Phase.Done() {
		// Opened and solved in one: there was work for the queue for no time.
		o.commit.Deliveries = slices.DeleteFunc(o.commit.Deliveries, func(r Delivery) bool { return r.Ticket == t.ID && r.Kind == KindQueued })
	}
	o.commit.Changes = append(o.commit.Changes, Change{Expect: first.Version, Ticket: t, Events: events})
	return t
}

// within checks the bounds that hold for a ticket as a whole. What was beyond
// them already, because they were lowered since, may stay so, but not grow.
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

// commit decides and commits, again and again while the ticket changes in
// between, up to the bound. Those who meet over a ticket do so one after the
// other. The ID is zero for what concerns no ticket yet.
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
	var turn chan struct{}
	for try := 1; ; try++ {
		if turn == nil && !id.IsZero() && !d.bound && (try > 1 || d.lines.there(id)) {
			turn = d.lines.join(id)
			defer d.lines.leave(id, turn)
			if err := await(ctx, turn); err != nil {
				return Ticket{}, err
			}
		}
		t, err := d.once(ctx, a, key, asked, decide)
		if err == nil {
			return t, nil
		}
		if key != "" { // perhaps it failed because the same request, or another with its key, got through meanwhile
			t, found, used := d.repeated(ctx, a, key, asked)
			if found && used == nil {
				return t, nil
			}
			if dup, is := errors.AsType[*DuplicateError](used); is && dup.Reused {
				return Ticket{}, used
			}
			if dup, is := errors.AsType[*DuplicateError](err); is && dup.What == duplicateKey && used != nil {
				return Ticket{}, used // it could not be read what for
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
	if err := d.store.Commit(ctx, o.commit); err != nil {
		return Ticket{}, err
	}
	if !d.bound && len(o.commit.Deliveries) > 0 {
		d.wake.all()
	}
	return d.shown(a, t), nil
}

// pause waits a moment that is random, so that those who met once do not meet
// again, and longer the more often it happened: up to 1 ms at first, up to
// 64 ms at last.
func pause(ctx context.Context, try int) error {
	most := time.Millisecond << min(try-1, 6)
	timer := time.NewTimer(rand.N(most)) //nolint:gosec // a moment to wait is no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// repeated returns the ticket of a request that was made before with this key.
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
		// The ticket has left the actor's sight, perhaps by this very action. It
		// gets what it got the first time, and nothing that came since.
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

// fingerprint tells requests apart, so that a key is not taken for another
// request than the one it was first used for.
func fingerprint(a Actor, of ...any) (Digest, error) {
	b, err := json.Marshal(canonical(a, of...))
	if err != nil {
		return Digest{}, &InvalidError{Field: "request", Reason: "cannot be told from others, so it cannot have a key", Err: err}
	}
	return sha256.Sum256(b), nil
}

// load reads a ticket for an actor: what it may not see, it cannot find.
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

// shown is the ticket in the form that the actor may hold.
func (d *Desk) shown(a Actor, t Ticket) Ticket {
	if a.Role&(RoleAgent|RoleSystem) != 0 {
		return t
	}
	t = t.PublicTo(a.Person)
	t.Subject = d.cfg.StatusLinks.cutTokens(t.Subject)
	if !a.only.IsZero() {
		t.Requester, t.Followers = Person{}, nil // who has a link need not know whose it is
	}
	return t
}

// wakeup tells all that wait that something happened.
type wakeup struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// next returns a channel that is closed when all is called next.
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
