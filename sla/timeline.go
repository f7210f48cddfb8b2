package sla

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Timeline follows the history of one ticket, event by event, and computes its clocks.
// The zero Timeline has no agreement, and so no clocks. It is not safe for concurrent use.
//
// If an event is earlier than the one before it, because a clock was set back, it counts
// as simultaneous with that one.
type Timeline struct {
	a      *Agreement
	t      ticket.Ticket
	at     time.Time     // of the last event
	policy *policy       // of the ticket while it was last in work; nil if none fits
	marks  []mark        // what decides about pauses, whenever it changes
	open   [metrics]*run // the run of each metric that has not ended
	runs   []*run        // those with a target now or before, in the order of Clocks
	// What happened when the ticket was merged away, or since, and counts from the unmerge on.
	unread, told bool // a customer wrote; then, an agent answered

	// The rest is for Recorded and Agreement.Advance.
	lean  bool                   // keeps only the data that Recorded needs
	seeds [metrics]*ticket.Clock // the recorded clocks that the timeline began with
	owed  [metrics]int           // the broken promises of a metric before its first run here
	spare []run                  // for new runs
}

// The metrics in the order in which clocks that start together are listed.
const (
	firstAnswer = iota
	nextAnswer
	update
	solution
	level
	metrics
)

var metricNames = [metrics]Metric{MetricFirstAnswer, MetricNextAnswer, MetricUpdate, MetricSolution, MetricLevel}

// mark is what a ticket is from an instant on, as far as pauses depend on it.
type mark struct {
	at     time.Time
	kind   SpanKind // SpanCounted while it is in work
	status ticket.Status
	reason string
}

// cause is the event that changes something.
type cause struct {
	seq      int64
	at       time.Time
	action   ticket.ActionName
	by       ticket.Role
	priority ticket.Grade
}

// Timeline returns a timeline without events.
func (a *Agreement) Timeline() *Timeline { return &Timeline{a: a} }

// AsOf returns the timeline of a history as it was at an instant: with the events up to
// then.
func (a *Agreement) AsOf(events []ticket.Event, at time.Time) (*Timeline, error) {
	t := a.Timeline()
	for i := range events {
		if events[i].At.After(at) {
			break
		}
		if err := t.Add(events[i]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Clocks returns the clocks of a ticket with this history as of now. Later events do not
// count.
func (a *Agreement) Clocks(events []ticket.Event, now time.Time) ([]Clock, error) {
	t, err := a.AsOf(events, now)
	if err != nil {
		return nil, err
	}
	return t.Clocks(now), nil
}

// Ticket returns the ticket after the events so far.
func (t *Timeline) Ticket() ticket.Ticket { return t.t.Clone() }

// Clocks returns all clocks as of now, finished ones included, in the order of the events
// that they start from. A time before the last event counts as the time of that event.
func (t *Timeline) Clocks(now time.Time) []Clock {
	now = t.notBefore(now)
	if len(t.runs) == 0 {
		return nil
	}
	list := make([]Clock, len(t.runs))
	for i, r := range t.runs {
		list[i] = r.clock(now).clone()
	}
	return list
}

func (t *Timeline) notBefore(now time.Time) time.Time {
	if now = now.UTC().Round(0); now.Before(t.at) { // without the monotonic reading of time.Now
		return t.at
	}
	return now
}

// Add takes the next event. Events must come in order, without a gap; otherwise Add
// returns a [*ticket.ChainError]. It returns an [*InvalidError] if the function of
// [Agreement.WithChooser] fails. With an error it changes nothing.
func (t *Timeline) Add(e ticket.Event) error {
	if err := t.follows(&e); err != nil {
		return err
	}
	after := ticket.Apply(t.t, e)
	var p *policy
	if e.Seq == 1 || inWork(&after) {
		var err error
		if p, err = t.a.choose(&after); err != nil {
			return err
		}
	}
	t.add(&e, &after, p)
	return nil
}

// add takes the next event, with the ticket after it and, for a ticket in work or a new
// one, the policy that applies then.
func (t *Timeline) add(e *ticket.Event, after *ticket.Ticket, p *policy) {
	first, was, wasLive := e.Seq == 1, t.t, t.live()
	t.t = *after
	t.at = t.notBefore(e.At)
	if alert := e.Set.Alert; alert != nil {
		t.fire(alert)
	}
	t.mark()
	c := &cause{e.Seq, t.at, e.Action, e.By.Role, t.t.Priority}
	if first {
		t.policy, wasLive = p, true
		t.start(firstAnswer, c)
		t.start(solution, c)
		t.start(level, c)
	}
	live := t.live()

	// What the event ends is judged by the target before the event. A clock that it takes up
	// again goes on first.
	resumes := live && !wasLive
	if e.Answer && !resumes {
		t.answered(c, live)
	}
	moved := !first && (t.t.Level != was.Level || t.t.Queue != was.Queue)
	switch merged := !t.t.MergedInto.IsZero(); {
	case wasLive && merged:
		for m := range t.open {
			t.stop(m, c, ClockVoid)
		}
	case wasLive && !live:
		result := ClockMet
		if e.Action == ticket.ActionCancel || e.To.Status == ticket.StatusCancelled {
			result = ClockVoid
		}
		t.stop(firstAnswer, c, ClockVoid)
		t.stop(solution, c, result)
		t.end(nextAnswer, c, ClockVoid)
		t.end(update, c, ClockVoid)
		t.end(level, c, result)
	case !live && !merged: // an unmerge can lead to a finished ticket
		t.end(nextAnswer, c, ClockVoid)
		t.end(update, c, ClockVoid)
		t.end(level, c, ClockVoid)
	}
	if moved {
		t.end(level, c, ClockMet)
	}

	if live && !first {
		if restart := t.choose(p, wasLive, e.Reopens(was.Phase), c); restart {
			t.end(solution, c, ClockMet)
			t.start(solution, c)
		}
		if t.open[level] == nil {
			t.start(level, c)
		}
	}
	if e.Answer && resumes {
		t.answered(c, live)
	}
	t.unread = t.unread && !e.Answer
	said := fromCustomer(e)
	if live && (said || t.unread) && !was.FirstAnswered.IsZero() && t.open[nextAnswer] == nil {
		t.start(nextAnswer, c)
	}
	if live && (e.Answer || t.told) {
		t.start(update, c)
	}
	merged := !t.t.MergedInto.IsZero()
	t.unread, t.told = (t.unread || said) && merged, (t.told || e.Answer) && merged
	for _, r := range t.open {
		if r != nil && r.target != nil {
			r.follow(&t.marks[len(t.marks)-1], t.at)
			r.changed = r.changed || e.Action == ticket.ActionClock
		}
	}
}

// answered ends what waits for an answer. If the ticket is not in work, nothing more is
// expected from the desk, so the next answer is void.
func (t *Timeline) answered(c *cause, live bool) {
	t.end(firstAnswer, c, ClockMet)
	t.end(update, c, ClockMet)
	if live {
		t.end(nextAnswer, c, ClockMet)
	} else {
		t.end(nextAnswer, c, ClockVoid)
	}
}

// follows checks that the event is the next one.
func (t *Timeline) follows(e *ticket.Event) error {
	next, of := t.t.Version+1, e.Ticket
	if next > 1 {
		of = t.t.ID
	}
	fault := func(fault string, seq int64, format string, args ...any) error {
		return &ticket.ChainError{Ticket: of, Seq: seq, Index: int(t.t.Version), Fault: fault, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case e.Ticket != of:
		return fault("inserted", next, "it is of ticket %s", e.Ticket)
	case e.Seq < next:
		return fault("inserted", e.Seq, "its number stands again where %d should be", next)
	case e.Seq > next:
		return fault("removed", next, "event %d is in its place", e.Seq)
	}
	return nil
}

func (t *Timeline) live() bool { return inWork(&t.t) }

// inWork reports whether a ticket is in work: neither finished nor merged away.
func inWork(t *ticket.Ticket) bool {
	return t.Version > 0 && !t.Phase.Done() && t.MergedInto.IsZero()
}

// fromCustomer reports whether a customer, and no machine, wrote to the desk. The content
// may have been erased since.
func fromCustomer(e *ticket.Event) bool {
	return e.By.Role&ticket.RoleCustomer != 0 && !e.Automatic && e.Set.Score == 0 && // a rating asks for nothing
		(e.Message != "" || len(e.Attachments) > 0 || e.Seals.PublicContent.Erased())
}

// mark records what the ticket is after an event.
func (t *Timeline) mark() {
	m := markOf(&t.t, t.at)
	if n := len(t.marks); n > 0 {
		last := &t.marks[n-1]
		switch {
		case last.kind == m.kind && last.status == m.status && last.reason == m.reason:
			return
		case last.at.Equal(m.at):
			*last = m
			return
		}
	}
	t.marks = append(t.marks, m)
}

func markOf(t *ticket.Ticket, at time.Time) mark {
	m := mark{at, SpanCounted, t.Status, t.Reason}
	switch {
	case !t.MergedInto.IsZero():
		m.kind = SpanMerged
	case t.Phase.Done():
		m.kind = SpanFinished
	}
	return m
}

// choose applies a policy to all open runs of a ticket in work. It reports whether the
// solution starts again.
func (t *Timeline) choose(p *policy, wasLive, reopened bool, c *cause) (restart bool) {
	if wasLive && p == t.policy {
		return false
	}
	t.policy = p
	if reopened {
		s := p.target(MetricSolution, 0, "")
		restart = s != nil && s.Restart
	}
	for m, r := range t.open {
		if r != nil && (m != solution || !restart) {
			t.settle(r, c)
		}
	}
	return restart
}

// start starts the run of a metric.
func (t *Timeline) start(m int, c *cause) {
	r := t.newRun(m, *c)
	r.from, r.since = len(t.marks)-1, c.at
	if m == level {
		r.level, r.queue = t.t.Level, t.t.Queue
	}
	t.open[m] = r
	t.settle(r, c)
}

func (t *Timeline) newRun(m int, began cause) *run {
	var r *run
	if len(t.spare) > 0 {
		r, t.spare = &t.spare[0], t.spare[1:]
	} else {
		r = &run{}
	}
	r.metric, r.began, r.lean = m, began, t.lean
	return r
}

// stop stops the clock of a metric. The run may go on later. The result ClockMet becomes
// ClockMissed if the target was missed.
func (t *Timeline) stop(m int, c *cause, result ClockState) {
	if r := t.open[m]; r != nil && r.running() {
		r.stop(c, result)
	}
}

// end stops the clock of a metric for good.
func (t *Timeline) end(m int, c *cause, result ClockState) {
	t.stop(m, c, result)
	t.open[m] = nil
}

// settle gives a run of a ticket in work the target that the policy has for it.
func (t *Timeline) settle(r *run, c *cause) {
	switch to := t.policy.target(metricNames[r.metric], r.level, r.queue); {
	case to != nil:
		if r.target == nil {
			r.catchUp(t.marks, to)
		} else {
			r.follow(&t.marks[len(t.marks)-1], c.at)
		}
		r.retarget(t.policy, to, c)
		if !r.listed {
			r.listed = true
			t.list(r)
		}
	case r.target != nil:
		r.lose(c)
		r.from, r.since = len(t.marks)-1, c.at
	}
}

// list puts a run where Clocks lists it.
func (t *Timeline) list(r *run) {
	i, _ := slices.BinarySearchFunc(t.runs, r, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.began.seq, b.began.seq), cmp.Compare(a.metric, b.metric))
	})
	t.runs = slices.Insert(t.runs, i, r)
}

// run is the time in which a metric is measured once, from its start to its end, whether
// or not a policy promises it.
type run struct {
	metric int
	began  cause
	level  int
	queue  string

	policy   *policy // of target, or of the last one
	target   *target // nil while the metric is not promised
	listed   bool    // there is or was a target
	segments []segment
	tallies  []tally
	// While there is no target, the segments end at since, and continue with marks[from].
	from  int
	since time.Time

	// The thresholds passed before the last change of the target, or at it; while stopped,
	// those before the stop.
	passed  []passed
	breach  Breach // while stopped: the breach before; zero if none
	earlier []Breach
	turns   []turn
	stopped bool
	final   Clock // while stopped

	// The rest is for Recorded and Agreement.Advance.
	lean    bool          // turns, and thresholds except the breach, are not kept
	turned  time.Time     // of the last change of the target, or resumption
	fired   []string      // the first names of target.looks; those of the last target while there is none
	others  []string      // the names of fired thresholds that only earlier targets had
	seed    *ticket.Clock // the recorded clock that the run continues; its counted time begins all sums
	changed bool          // since the seed
}

// segment is a time in which everything counts or nothing does. It ends where the next
// one starts.
type segment struct {
	at     time.Time
	kind   SpanKind
	status ticket.Status // of a pause
	reason string
}

// same reports whether both segments count, or do not for the same reason.
func (s segment) same(other segment) bool {
	return s.kind == other.kind && s.status == other.status && s.reason == other.reason
}

// tally has the counted time before each segment, by one calendar. It is extended on
// demand.
type tally struct {
	cal  *businesshours.Calendar
	sums []time.Duration
}

// passed is a threshold that was passed.
type passed struct {
	key thresholdKey
	at  time.Time
}

// thresholdKey says which threshold it is, across targets.
type thresholdKey struct {
	share         int
	before, after time.Duration
}

var breachKey = thresholdKey{share: 100}

func (th *Threshold) key() thresholdKey { return thresholdKey{th.Share, th.Before, th.After} }

// turn is a change in the life of a clock.
type turn struct {
	kind   MomentKind
	cause  cause
	policy *policy
	target *target
	state  ClockState // MomentStopped
}

func (r *run) running() bool { return r.target != nil && !r.stopped }

// follow continues the segments as the ticket is from an instant on.
func (r *run) follow(m *mark, at time.Time) {
	s := segment{at: at, kind: m.kind}
	if s.kind == SpanCounted && r.target.pauses(m.status, m.reason) {
		s.kind, s.status, s.reason = SpanPaused, m.status, m.reason
	}
	if n := len(r.segments); n > 0 {
		last := &r.segments[n-1]
		switch {
		case last.same(s):
			return
		case last.at.Equal(at):
			r.changed = true
			*last = s
			return
		}
	}
	r.changed = true
	r.segments = append(r.segments, s)
}

// turn records a change in the life of the clock.
func (r *run) turn(u turn) {
	if !r.lean {
		r.turns = append(r.turns, u)
	}
}

// catchUp fills in the segments of the time without a target.
func (r *run) catchUp(marks []mark, to *target) {
	r.target = to
	for i := r.from; i < len(marks); i++ {
		at := marks[i].at
		if at.Before(r.since) {
			at = r.since
		}
		r.follow(&marks[i], at)
	}
	r.target = nil
}

// pauses reports whether time does not count in this status with this reason.
func (t *target) pauses(status ticket.Status, reason string) bool {
	for i := range t.Pause {
		if p := &t.Pause[i]; p.Status == status {
			return len(p.Reasons) == 0 || slices.Contains(p.Reasons, reason)
		}
	}
	return false
}

// sums returns the counted time before each segment.
func (r *run) sums(cal *businesshours.Calendar) []time.Duration {
	i := slices.IndexFunc(r.tallies, func(t tally) bool { return t.cal == cal })
	if i < 0 {
		i = len(r.tallies)
		if i < cap(r.tallies) {
			r.tallies = r.tallies[:i+1] // a run that is used again has memory here
		} else {
			r.tallies = append(r.tallies, tally{})
		}
		t := &r.tallies[i]
		t.cal, t.sums = cal, append(t.sums[:0], r.before())
	}
	sums := r.tallies[i].sums
	for n := len(sums); n < len(r.segments); n++ {
		sum := sums[n-1]
		if s := &r.segments[n-1]; s.kind == SpanCounted {
			sum += cal.Between(s.at, r.segments[n].at)
		}
		sums = append(sums, sum)
	}
	r.tallies[i].sums = sums
	return sums
}

// counted returns the time counted up to an instant that is not before the last segment.
func (r *run) counted(cal *businesshours.Calendar, now time.Time) time.Duration {
	sum := r.sums(cal)[len(r.segments)-1]
	if s := &r.segments[len(r.segments)-1]; s.kind == SpanCounted {
		sum += cal.Between(s.at, now)
	}
	return sum
}

// reach returns the earliest instant by which so much time is counted, if the clock runs
// on. It returns zero if that is never, or depends on the end of a pause.
func (r *run) reach(cal *businesshours.Calendar, amount time.Duration) time.Time {
	if amount <= 0 {
		return r.began.at
	}
	sums := r.sums(cal)
	if amount <= sums[0] { // reached in the time that the seed counts
		if amount == r.seed.Within && !r.seed.Due.IsZero() {
			return r.seed.Due
		}
		return r.seed.Since
	}
	i := sort.Search(len(sums), func(i int) bool { return sums[i] >= amount }) - 1
	s := &r.segments[i]
	if s.kind != SpanCounted {
		return time.Time{}
	}
	from := s.at
	if from.Before(epoch) { // calendars are closed before
		from = epoch
	}
	at, err := cal.Add(from, amount-sums[i])
	if err != nil {
		return time.Time{}
	}
	return at
}

var epoch = time.Unix(0, 0).UTC()

// amount returns the counted time at which a threshold is reached.
func (t *target) amount(k thresholdKey) time.Duration {
	return Threshold{Share: k.share, Before: k.before, After: k.after}.offset(t.Within)
}

// reachKey returns when a threshold of the target was or will be reached.
func (r *run) reachKey(k thresholdKey) time.Time {
	if at, ok := find(r.passed, k); ok {
		return at
	}
	return r.reach(r.target.cal, r.target.amount(k))
}

func find(list []passed, k thresholdKey) (time.Time, bool) {
	for i := range list {
		if list[i].key == k {
			return list[i].at, true
		}
	}
	return time.Time{}, false
}

// past returns the thresholds that were passed before an instant, or by a change at that
// instant, and the breach.
func (r *run) past(at time.Time) (list []passed, b Breach) {
	cal := r.target.cal
	add := func(k thresholdKey) bool {
		when, ok := find(r.passed, k)
		if !ok {
			when = r.reach(cal, r.target.amount(k))
			ok = !when.IsZero() && when.Before(at)
		}
		if ok {
			list = append(list, passed{k, when})
		}
		return ok
	}
	if add(breachKey) {
		b = Breach{At: list[0].at, Due: r.reach(cal, r.target.Within), Policy: r.policy.Name, Within: r.target.Within}
	}
	if r.lean {
		return list, b
	}
	for i := range r.target.Thresholds {
		if k := r.target.Thresholds[i].key(); k != breachKey {
			add(k)
		}
	}
	return list, b
}

// retarget makes a target apply to the whole run, and the clock go on if it was stopped.
func (r *run) retarget(p *policy, to *target, c *cause) {
	kind := MomentChanged
	switch {
	case !r.listed && r.began.seq == c.seq:
		kind = MomentStarted
	case r.target == nil:
		kind = MomentPromised
	case r.target == to && !r.stopped:
		return
	case r.target == to:
		kind = MomentResumed
	case r.stopped:
		r.turn(turn{kind: MomentResumed, cause: *c, policy: r.policy, target: r.target})
	}
	old, breach := r.passed, r.breach
	if r.running() {
		old, breach = r.past(c.at)
	}
	r.policy, r.target = p, to
	r.passed, r.breach = nil, Breach{}
	r.stopped, r.final = false, Clock{}
	r.turn(turn{kind: kind, cause: *c, policy: p, target: to})
	r.turned, r.changed = c.at, true

	// A threshold that the clock had not passed before is passed now.
	add := func(k thresholdKey) {
		if at := r.reach(to.cal, to.amount(k)); !at.IsZero() && at.Before(c.at) {
			at = c.at
			if was, ok := find(old, k); ok {
				at = was
			}
			r.passed = append(r.passed, passed{k, at})
		}
	}
	add(breachKey)
	for i := range to.Thresholds {
		if r.lean {
			break
		}
		if k := to.Thresholds[i].key(); k != breachKey {
			add(k)
		}
	}
	if _, still := find(r.passed, breachKey); !breach.At.IsZero() && !still {
		r.earlier = append(r.earlier, breach)
	}
	r.rearm(r.names(), c.at)
}

// lose takes the target away: the metric is no longer promised.
func (r *run) lose(c *cause) {
	if !r.stopped {
		r.stop(c, ClockVoid)
	}
	r.target = nil
}

// stop stops the clock.
func (r *run) stop(c *cause, state ClockState) {
	f := r.clock(c.at)
	if r.lean {
		r.passed, r.breach = nil, Breach{}
		if !f.Breached.IsZero() {
			r.passed = []passed{{breachKey, f.Breached}}
			r.breach = Breach{At: f.Breached, Due: f.Due, Policy: f.Policy, Within: f.Within}
		}
	} else {
		r.passed, r.breach = r.past(c.at)
	}
	if state == ClockMet && !f.Breached.IsZero() {
		state = ClockMissed
	}
	f.State, f.Stopped = state, c.at
	if state == ClockVoid && f.Breached.IsZero() {
		f.Due = time.Time{}
	}
	f.Thresholds = slices.DeleteFunc(f.Thresholds, func(th Reached) bool {
		_, ok := find(r.passed, th.Threshold.key())
		return !ok
	})
	r.stopped, r.final, r.changed = true, f, true
	r.turn(turn{kind: MomentStopped, cause: *c, policy: r.policy, target: r.target, state: state})
}

// clock returns the clock as of now, which is not before the last event. It may share
// slices with the run.
func (r *run) clock(now time.Time) Clock {
	if r.stopped {
		return r.final
	}
	t := r.target
	c := Clock{
		Metric: t.Metric, Event: r.began.seq, Policy: r.policy.Name, Version: r.policy.version,
		Within: t.Within, Calendar: t.Calendar, Level: r.level, Queue: r.queue,
		State: ClockRunning, Started: r.began.at,
		Counted: r.counted(t.cal, now), Due: r.reach(t.cal, t.Within), Earlier: r.earlier,
	}
	c.Left = c.Within - c.Counted
	if r.segments[len(r.segments)-1].kind != SpanCounted {
		c.State = ClockPaused
	}
	if at, ok := find(r.passed, breachKey); ok {
		c.Breached = at
	} else if !c.Due.IsZero() && c.Due.Before(now) {
		c.Breached = c.Due
	}
	if len(t.Thresholds) > 0 && !r.lean {
		c.Thresholds = make([]Reached, 0, len(t.Thresholds))
		for i := range t.Thresholds {
			th := &t.Thresholds[i]
			if at := r.reachKey(th.key()); !at.IsZero() {
				c.Thresholds = append(c.Thresholds, Reached{*th, at})
			}
		}
	}
	return c
}
