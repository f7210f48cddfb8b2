package sla

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.ServiceLevels = (*Agreement)(nil)

// tick is the time from the instant when a target is due to its breach: at the instant
// itself, the target can still be met.
const tick = time.Microsecond

// Recorded returns the clocks in the form in which the desk records them in the ticket, as of
// the last event: of each metric the one that runs, or else the last. They are in the order
// of [Metrics].
//
// Since is when the clock got its state or its target, or when the status or the reason that
// pauses it changed. Missed counts the targets of the metric that were missed before.
//
// Fired names the thresholds on which the desk acted, by Patch.Alert of the events, and
// those before them. After a change of the target, a threshold counts as fired if it has
// passed already, and if it, or a later one that has passed, has the name of one that was
// fired. All others are armed again. Names that the target lacks stay, at the end.
//
// Next is when the first armed threshold is reached, or Since if that was before. It is zero
// unless the clock runs.
func (t *Timeline) Recorded() []ticket.Clock {
	var list []ticket.Clock
	for m := range metrics {
		if c, ok := t.record(m); ok {
			c.Fired = slices.Clone(c.Fired)
			list = append(list, c)
		}
	}
	return list
}

// record returns the recorded clock of a metric. It may share Fired with its target or seed.
func (t *Timeline) record(m int) (ticket.Clock, bool) {
	r := t.last(m)
	switch {
	case r != nil:
		c := r.record(t.at)
		c.Missed = t.missed(m, r) + len(r.earlier)
		return c, true
	case t.seeds[m] != nil:
		return *t.seeds[m], true
	}
	return ticket.Clock{}, false
}

// last returns the last run of a metric that has a target or had one, or nil.
func (t *Timeline) last(m int) *run {
	for _, r := range slices.Backward(t.runs) {
		if r.metric == m {
			return r
		}
	}
	return nil
}

// missed counts the broken promises of a metric by the runs before one, or by all.
func (t *Timeline) missed(m int, before *run) int {
	n := t.owed[m]
	for _, r := range t.runs {
		if r == before {
			break
		}
		if r.metric == m {
			n += len(r.earlier)
			if !r.final.Breached.IsZero() { // only the last run may not be stopped
				n++
			}
		}
	}
	return n
}

// record returns the recorded clock, without Missed, as of the last event.
func (r *run) record(now time.Time) ticket.Clock {
	if r.seed != nil && !r.changed {
		c := *r.seed
		c.Breached = brokenAt(&c, now)
		return c
	}
	f := r.clock(now)
	c := ticket.Clock{
		Metric: string(f.Metric), Event: f.Event, Policy: f.Policy, Version: f.Version, Within: f.Within,
		Level: f.Level, Queue: f.Queue, State: string(f.State), Started: f.Started, Since: f.Stopped,
		Counted: f.Counted, Due: f.Due, Breached: f.Breached, Fired: r.names(),
	}
	if r.stopped {
		return c
	}
	c.Since = r.segments[len(r.segments)-1].at
	if r.turned.After(c.Since) {
		c.Since = r.turned
	}
	c.Counted = r.counted(r.target.cal, c.Since)
	if i := len(r.fired); f.State == ClockRunning && i < len(r.target.looks) {
		c.Next = r.when(i, c.Due)
		if !c.Next.IsZero() && c.Next.Before(c.Since) {
			c.Next = c.Since
		}
	}
	return c
}

// when returns the first instant at which the clock is seen to have reached a threshold, or
// zero. Due is that of the clock.
func (r *run) when(i int, due time.Time) time.Time {
	l := &r.target.looks[i]
	if s := r.seed; s != nil && (l.amount < s.Counted || l.amount == s.Counted && s.Next.Equal(s.Since)) {
		return s.Since // it was before
	}
	if !l.breach {
		due = r.reach(r.target.cal, l.amount)
	}
	if l.after && !due.IsZero() {
		return due.Add(tick)
	}
	return due
}

// rearm sets which thresholds of the target have fired as of now, if those with these names
// have fired before a change. It remembers the names that the target lacks, for when an
// earlier target comes back.
func (r *run) rearm(before []string, now time.Time) {
	n := 0
	for i, name := range r.target.names {
		if len(before) == 0 {
			break
		}
		if at := r.when(i, r.reach(r.target.cal, r.target.Within)); at.IsZero() || at.After(now) {
			break
		}
		if slices.Contains(before, name) {
			n = i + 1
		}
	}
	r.fired, r.others = r.target.names[:n], without(before, r.target.names)
}

// names returns Fired of the recorded clock.
func (r *run) names() []string {
	if len(r.others) == 0 {
		return r.fired
	}
	return slices.Concat(r.fired, r.others)
}

// without returns the names that are not in the other list.
func without(names, other []string) (rest []string) {
	for _, name := range names {
		if !slices.Contains(other, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// fire records that the desk has acted on a threshold.
func (t *Timeline) fire(alert *ticket.ClockAlert) {
	for _, r := range t.open {
		if r == nil || !r.running() || r.began.seq != alert.Clock || string(metricNames[r.metric]) != alert.Metric {
			continue
		}
		if n := slices.Index(r.target.names, alert.Threshold) + 1; n > len(r.fired) {
			r.fired, r.changed = r.target.names[:n], true
		}
	}
}

// brokenAt returns when the promise of a recorded clock was broken, as of now.
func brokenAt(c *ticket.Clock, now time.Time) time.Time {
	if c.Breached.IsZero() && c.Overdue(now) {
		return c.Due
	}
	return c.Breached
}

// broken counts the broken promises of a recorded clock, and those before it.
func broken(c *ticket.Clock, now time.Time) int {
	switch {
	case c == nil:
		return 0
	case brokenAt(c, now).IsZero():
		return c.Missed
	}
	return c.Missed + 1
}

// Advance completes an event with its effect on the clocks of the ticket, as
// [ticket.ServiceLevels] requires. The clocks are those of [Timeline.Recorded]. It reads the
// history only if the policy or its version changes, or the event undoes a merge.
//
// Clocks that another version of the agreement recorded, or one with other targets, are
// replaced when the next event changes the ticket, or when [ticket.Desk.RefreshClocks]
// asks for it. Clocks that have ended do not change, and clocks that had ended before are not
// added. The whole life of all others is computed by the new targets, including a clock that
// the event resumes. If a target turns out missed that was not missed before, it is missed at
// the time of the event. A clock that is no longer promised ends as void. Its open time since
// its last change is not known, so Counted leaves it out.
//
// While neither policy nor version changes, a clock that the event does not change keeps
// Due and Next, even if the time zone database has changed since. An event of
// [ticket.ActionClock] computes these again.
//
// Errors: an [*InvalidError] if the function of [Agreement.WithChooser] fails, or if the
// history is needed and nil; a [*ticket.ChainError] if the events are not those of one
// history; and errors of the history.
func (a *Agreement) Advance(t *ticket.Ticket, e *ticket.Event, history iter.Seq2[ticket.Event, error]) error {
	space := e.Set.Clocks[:0]
	e.Set.Policy, e.Set.PolicyVersion, e.Set.Clocks = nil, nil, nil
	if t == nil {
		t = &ticket.Ticket{}
	}
	first, was := e.Seq == 1, inWork(t)
	after := ticket.Apply(*t, *e)
	is := inWork(&after)
	if !first && !was && !is && !unfinished(t) {
		return nil
	}
	p := a.named[t.Policy]
	if first || is {
		var err error
		if p, err = a.choose(&after); err != nil {
			return err
		}
	}
	if t.Policy == "" && p == nil && !unfinished(t) {
		return nil
	}

	s, _ := pool.Get().(*seeded)
	if s == nil {
		s = &seeded{}
	}
	defer s.release()
	line := &s.line
	line.a, line.lean, line.spare = a, true, s.runs[:]
	restored := !t.MergedInto.IsZero() && after.MergedInto.IsZero()
	if first || !restored && p != nil && t.Policy == p.Name && t.PolicyVersion == p.version && line.seed(t, p) {
		if err := line.follows(e); err != nil {
			return err
		}
		line.add(e, &after, p)
		line.patch(t, e, nil, space)
		return nil
	}
	return a.replay(t, e, history, space)
}

// unfinished reports whether a clock of the ticket has not ended.
func unfinished(t *ticket.Ticket) bool {
	for i := range t.Clocks {
		if !t.Clocks[i].Ended() {
			return true
		}
	}
	return false
}

// seeded is a timeline that goes on from a recorded ticket, with memory for its runs: those
// of the ticket, and one more of each metric that the event starts.
type seeded struct {
	line Timeline
	runs [2 * metrics]run
}

var pool sync.Pool

func (s *seeded) release() {
	for i := range len(s.runs) - len(s.line.spare) {
		r := &s.runs[i]
		*r = run{segments: r.segments[:0], tallies: r.tallies[:0]}
	}
	marks, runs := s.line.marks, s.line.runs
	clear(marks)
	clear(runs)
	s.line = Timeline{marks: marks[:0], runs: runs[:0]}
	pool.Put(s)
}

// seed makes the timeline go on from a ticket with a policy. It returns false if the
// recorded clocks are not those of the policy.
func (t *Timeline) seed(from *ticket.Ticket, p *policy) bool {
	t.t, t.policy = *from, p
	t.at = from.Touched
	if from.Checked.After(t.at) {
		t.at = from.Checked
	}
	for i := range from.Clocks {
		c := &from.Clocks[i]
		m := slices.Index(metricNames[:], Metric(c.Metric))
		if m < 0 {
			return false
		}
		t.seeds[m] = c
		if c.Since.After(t.at) {
			t.at = c.Since
		}
	}
	t.marks = append(t.marks, markOf(from, t.at))
	live := t.live()
	for m, c := range t.seeds {
		to := p.target(metricNames[m], from.Level, from.Queue)
		runs := c != nil && !c.Ended()
		open := runs // whether there is a run that can go on if it has a target
		switch m {
		case firstAnswer:
			open = from.FirstAnswered.IsZero()
		case solution:
			open = true
		case level:
			open = live
		}
		switch {
		case open && to != nil:
			if c == nil || runs != live || c.Policy != p.Name || c.Version != p.version || c.Within != to.Within ||
				m == level && (c.Level != from.Level || c.Queue != from.Queue) {
				return false
			}
			t.resume(m, c, p, to)
		case runs:
			return false
		default:
			t.owed[m] = broken(c, t.at)
		}
	}
	return true
}

// resume adds the run of a recorded clock.
func (t *Timeline) resume(m int, c *ticket.Clock, p *policy, to *target) {
	r := t.newRun(m, cause{seq: c.Event, at: c.Started})
	r.level, r.queue = c.Level, c.Queue
	r.policy, r.target, r.listed, r.seed = p, to, true, c
	r.turned = c.Since
	r.fired, r.others = to.names[:firedOf(to, c.Fired)], without(c.Fired, to.names)
	s := segment{at: c.Since, kind: t.marks[0].kind}
	if c.State == string(ClockPaused) {
		s.kind, s.status, s.reason = SpanPaused, t.marks[0].status, t.marks[0].reason
	}
	r.segments = append(r.segments, s)
	if !c.Breached.IsZero() {
		r.passed = []passed{{breachKey, c.Breached}}
	}
	if c.Ended() {
		r.stopped = true
		r.final = Clock{
			Metric: Metric(c.Metric), Event: c.Event, Policy: c.Policy, Version: c.Version, Within: c.Within, Level: c.Level, Queue: c.Queue,
			State: ClockState(c.State), Started: c.Started, Stopped: c.Since, Due: c.Due, Counted: c.Counted, Breached: c.Breached,
		}
	}
	t.owed[m] = c.Missed
	t.open[m] = r
	t.list(r)
}

// before returns the time that was counted before the first segment.
func (r *run) before() time.Duration {
	if r.seed == nil {
		return 0
	}
	return r.seed.Counted
}

// firedOf returns how many of a target's thresholds have fired.
func firedOf(t *target, names []string) (n int) {
	for i, name := range t.names {
		if slices.Contains(names, name) {
			n = i + 1
		}
	}
	return n
}

// replay is Advance by the whole history.
func (a *Agreement) replay(t *ticket.Ticket, e *ticket.Event, history iter.Seq2[ticket.Event, error], space []ticket.Clock) error {
	if history == nil {
		return &InvalidError{Agreement: a.spec.Name, Place: "history", Reason: "is missing"}
	}
	line := &Timeline{a: a, lean: true}
	for old, err := range history {
		if err == nil {
			err = line.Add(old)
		}
		if err != nil {
			return err
		}
	}
	if err := line.follows(e); err != nil {
		return err
	}
	var foreign [metrics]*takenOver
	for i := range metrics {
		foreign[i] = line.takeOver(i, t, line.notBefore(e.At))
	}
	if err := line.Add(*e); err != nil {
		return err
	}
	line.patch(t, e, &foreign, space)
	return nil
}

// takenOver is a metric whose recorded clock is not the one that the timeline computes: another
// version of the agreement recorded it, or this one took over from that.
type takenOver struct {
	recorded *ticket.Clock // nil: none
	computed ticket.Clock  // zero: none
}

// takeOver makes the timeline remember the recorded clock of a metric, if it computes another
// one. An open run gets its target as of now.
func (t *Timeline) takeOver(m int, from *ticket.Ticket, now time.Time) *takenOver {
	o := &takenOver{}
	o.recorded = clockOf(from, m)
	computed, ok := t.record(m)
	if ok && o.recorded != nil && o.recorded.Equal(&computed) || !ok && o.recorded == nil {
		return nil
	}
	o.computed = computed
	r := t.open[m]
	if r == nil || !r.listed { // the recorded clock has ended
		t.owed[m] += broken(o.recorded, now) - t.missed(m, nil)
		return o
	}
	r.earlier, r.passed, r.breach, r.final.Breached = nil, nil, Breach{}, time.Time{}
	var at time.Time // when the promise was broken before
	var names []string
	missed := broken(o.recorded, now)
	if c := o.recorded; c != nil && c.Event == r.began.seq {
		at, names, missed = brokenAt(c, now), c.Fired, c.Missed
	}
	switch {
	case !r.running():
		r.fired, r.others = names, nil
		if !at.IsZero() {
			r.passed = []passed{{breachKey, at}}
			r.breach = Breach{At: at, Due: o.recorded.Due, Policy: o.recorded.Policy, Within: o.recorded.Within}
			r.final.Breached = at
		}
	default:
		due := r.reach(r.target.cal, r.target.Within)
		switch late := !due.IsZero() && due.Before(now); {
		case late && at.IsZero():
			r.passed = []passed{{breachKey, now}}
		case late:
			r.passed = []passed{{breachKey, at}}
		case !at.IsZero():
			missed++
		}
		r.rearm(names, now)
		r.turned = now
	}
	t.owed[m] += missed - t.missed(m, r)
	return o
}

// patch sets the changes of an event to the recorded ticket. It takes the memory of the space
// for them.
func (t *Timeline) patch(from *ticket.Ticket, e *ticket.Event, foreign *[metrics]*takenOver, space []ticket.Clock) {
	name, version := "", 0
	if t.policy != nil {
		name, version = t.policy.Name, t.policy.version
	}
	if name != from.Policy {
		e.Set.Policy = new(name)
	}
	if version != from.PolicyVersion {
		e.Set.PolicyVersion = new(version)
	}
	list := space
	for m := range metrics {
		r := t.last(m)
		if r == nil && t.seeds[m] != nil || r != nil && r.seed != nil && !r.changed && r.seed.Breached.Equal(brokenAt(r.seed, t.at)) {
			continue
		}
		c, ok := t.record(m)
		was := clockOf(from, m)
		if foreign != nil && foreign[m] != nil {
			c, ok = foreign[m].outcome(c, ok, t.at)
		}
		if ok && (was == nil || !was.Equal(&c)) {
			c.Fired = slices.Clone(c.Fired)
			if cap(list) == 0 {
				list = make([]ticket.Clock, 0, t.changes(m))
			}
			list = append(list, c)
		}
	}
	if len(list) > 0 {
		e.Set.Clocks = list
	}
}

// changes returns how many clocks may have changed, of the metrics from one on.
func (t *Timeline) changes(from int) (n int) {
	for m := from; m < metrics; m++ {
		if r := t.last(m); r != nil && (r.seed == nil || r.changed) {
			n++
		}
	}
	return max(n, 1)
}

// clockOf returns the recorded clock of a metric, or nil.
func clockOf(t *ticket.Ticket, m int) *ticket.Clock {
	for i := range t.Clocks {
		if c := &t.Clocks[i]; c.Metric == string(metricNames[m]) {
			return c
		}
	}
	return nil
}

// outcome returns the recorded clock of a metric after the event that takes it over. c is
// the computed one.
func (o *takenOver) outcome(c ticket.Clock, ok bool, now time.Time) (ticket.Clock, bool) {
	b := &o.computed
	if ok && (!c.Ended() || c.Event != b.Event || c.State != b.State || !c.Since.Equal(b.Since)) {
		return c, true // it has not ended, or the event ended it
	}
	if o.recorded == nil {
		return ticket.Clock{}, false
	}
	if r := o.recorded; ok && !r.Ended() && r.Event == b.Event && r.Policy == b.Policy && r.Version == b.Version && r.Within == b.Within {
		return c, true // a desk without service levels ended it
	}
	c = *o.recorded
	if !c.Ended() {
		c.Breached = brokenAt(&c, now)
		c.State, c.Since, c.Next = string(ClockVoid), now, time.Time{}
		if c.Breached.IsZero() {
			c.Due = time.Time{}
		}
	}
	return c, true
}

// lateAfter is the time from a threshold after which an alert counts as late.
const lateAfter = time.Minute

// Alert returns the threshold that the ticket has reached as of now and on which the desk has
// not acted, as [ticket.ServiceLevels] requires. Of several clocks it takes the one that
// reached a threshold first. Of several thresholds of that clock it takes the highest, with
// the reactions of that threshold only; for a breach that the policy does not list, with
// those of the highest threshold before it. The alert is late if it passes over a threshold, or
// comes more than a minute after its own.
//
// Alert returns false for a ticket that is finished or merged, for a clock that does not run,
// and for a clock of another version of the agreement. An event of [ticket.ActionClock]
// computes such a clock again.
func (a *Agreement) Alert(t *ticket.Ticket, now time.Time) (ticket.ClockAlert, bool) {
	if !inWork(t) {
		return ticket.ClockAlert{}, false
	}
	now = now.UTC().Round(0)
	var earliest time.Time
	var found ticket.ClockAlert
	var do []Reaction
	for i := range t.Clocks {
		c := &t.Clocks[i]
		r := a.runOf(c)
		if r == nil || c.Metric == string(MetricFirstAnswer) && !t.FirstAnswered.IsZero() { // a desk without service levels answered
			continue
		}
		// The first threshold decides about the clock, and the last one is acted on.
		due := r.reach(r.target.cal, r.target.Within)
		first := firedOf(r.target, c.Fired)
		for k := first; k < len(r.target.looks); k++ {
			at := r.when(k, due)
			if at.IsZero() {
				break
			}
			if at.Before(c.Since) {
				at = c.Since
			}
			if at.After(now) {
				break
			}
			if k == first {
				if !earliest.IsZero() && !at.Before(earliest) {
					break
				}
				earliest = at
			}
			l := &r.target.looks[k]
			reached := at
			switch {
			case l.breach && !c.Breached.IsZero() && !c.Breached.Before(due):
				reached = c.Breached
			case l.after && at.After(c.Since):
				reached = at.Add(-tick)
			}
			found = ticket.ClockAlert{
				Metric: c.Metric, Clock: c.Event, Threshold: r.target.names[k], At: reached, Due: due,
				Late: k > first || now.Sub(reached) > lateAfter,
			}
			if k == first || len(l.do) > 0 { // a breach that is not listed passes over nothing
				do = l.do
			}
		}
	}
	for i := range do {
		r := &do[i]
		switch {
		case r.Tell != "":
			found.Tell = append(found.Tell, string(r.Tell))
		case r.Escalate:
			found.Escalate = true
		case r.HandOver != "":
			found.HandOver = r.HandOver
		case r.Raise != 0:
			found.Raise = max(found.Raise, r.Raise)
		case r.Tag != "":
			found.Tags = append(found.Tags, r.Tag)
		}
	}
	return found, !earliest.IsZero()
}

// runOf returns the run of a clock that runs by this agreement, or nil.
func (a *Agreement) runOf(c *ticket.Clock) *run {
	p := a.named[c.Policy]
	if c.State != string(ClockRunning) || p == nil || c.Version != p.version {
		return nil
	}
	to := p.target(Metric(c.Metric), c.Level, c.Queue)
	if to == nil || c.Within != to.Within {
		return nil
	}
	return &run{
		began: cause{seq: c.Event, at: c.Started}, policy: p, target: to, seed: c,
		segments: []segment{{at: c.Since, kind: SpanCounted}},
	}
}

// Add returns the instant by which the amount of open time has passed in a calendar since
// from. The empty name is the calendar round the clock. An unknown name is an
// [*InvalidError]; the other errors are those of [businesshours.Calendar.Add].
func (a *Agreement) Add(calendar string, from time.Time, amount time.Duration) (time.Time, error) {
	c := a.calendar(calendar)
	if c == nil {
		return time.Time{}, &InvalidError{Agreement: a.spec.Name, Place: "calendar", Reason: quote(calendar) + " is not the name of a calendar"}
	}
	return c.Add(from, amount)
}
