package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// A life is one ticket that is checked event by event.
type life struct {
	*checking

	t     ticket.Ticket // before the event, as it was recorded
	line  *sla.Timeline // before the event, as it is computed
	fired map[alertKey]bool
}

// An alertKey is a threshold of a clock.
type alertKey struct {
	ticket    ticket.ID
	metric    string
	clock     int64
	threshold string
}

func keyOf(id ticket.ID, a *ticket.ClockAlert) alertKey {
	return alertKey{id, a.Metric, a.Clock, a.Threshold}
}

// A moment is a threshold, or the breach, of a clock.
type moment struct {
	name  string
	at    time.Time // zero if it cannot be said yet
	later bool      // the clock has reached it a microsecond later
	do    []sla.Reaction
}

// moments returns the moments of a clock in the order in which it reaches them.
func moments(c *sla.Clock) (list []moment) {
	due := moment{name: "due", at: c.Due, later: true}
	if !c.Breached.IsZero() {
		due.at = c.Breached
	}
	there := false
	for _, th := range c.Thresholds {
		if th.Threshold.After > 0 && !there {
			list, there = append(list, due), true
		}
		there = there || th.Threshold.Share == 100
		list = append(list, moment{th.Threshold.String(), th.At, th.Threshold.After > 0 || th.Threshold.Share == 100, th.Threshold.Do})
	}
	if !there {
		list = append(list, due)
	}
	return list
}

// reached reports whether the clock has reached the moment, if it runs up to now.
func (m *moment) reached(now time.Time) bool {
	return !m.at.IsZero() && (m.at.Before(now) || !m.later && m.at.Equal(now))
}

func inWork(t *ticket.Ticket) bool { return !t.Phase.Done() && t.MergedInto.IsZero() }

// event checks the next event.
func (l *life) event(e *ticket.Event) error {
	rep := l.report
	after := ticket.Apply(l.t, *e)
	own := e.By == ticket.By{Role: ticket.RoleSystem, ID: "desk"}
	if a := e.Set.Alert; a != nil {
		l.alert(e, &after)
		if !own {
			rep.note(&rep.wrong, "event %d of ticket %s acts on a threshold, and is by %v", e.Seq, e.Ticket, e.By)
		}
	} else if own {
		l.timer(e, &after)
	}
	l.timerSet(e)
	l.snooze(e, &after)
	if n := after.Level - l.t.Level; own && e.Seq > 1 && (n < 0 || n > 1 || after.Level > 3) {
		rep.note(&rep.wrong, "event %d of ticket %s moves it from level %d to %d", e.Seq, e.Ticket, l.t.Level, after.Level)
	}
	if err := l.line.Add(*e); err != nil {
		return err
	}
	l.recorded(e, after.Clocks)
	if after.Policy != l.t.Policy {
		l.rearm(e)
	}
	l.t = after
	return nil
}

// recorded compares the clocks that were recorded with those that are computed.
func (l *life) recorded(e *ticket.Event, have []ticket.Clock) {
	rep, want := l.report, l.line.Recorded()
	rep.clocks += len(want)
	if len(have) != len(want) {
		rep.note(&rep.wrong, "event %d of ticket %s, %s, leaves %d clocks, and the history has %d", e.Seq, e.Ticket, e.Action, len(have), len(want))
		return
	}
	for i := range want {
		if h, w := text(have[i]), text(want[i]); h != w {
			rep.note(&rep.wrong, "event %d of ticket %s, %s, records a clock, and the history has another:\n%s\n%s", e.Seq, e.Ticket, e.Action, h, w)
		}
	}
}

// rearm is for an event that changes the policy, as undoing a merge can. If that gives
// clocks more time, they reach thresholds again that they had reached before.
func (l *life) rearm(e *ticket.Event) {
	for _, c := range l.line.Clocks(e.At) {
		if c.State.Stopped() {
			continue
		}
		for _, m := range moments(&c) {
			if !m.reached(e.At) {
				delete(l.fired, alertKey{e.Ticket, string(c.Metric), c.Event, m.name})
			}
		}
	}
}

// text returns the JSON form of a value that has one.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// lateAfter is how long after a threshold an alert is late.
const lateAfter = time.Minute

// alert checks an event that acts on a threshold.
func (l *life) alert(e *ticket.Event, after *ticket.Ticket) {
	rep, a := l.report, e.Set.Alert
	rep.thresholds++
	wrong := func(format string, args ...any) {
		rep.note(&rep.wrong, "event %d of ticket %s acts on %q of the %s since event %d: "+format, append([]any{e.Seq, e.Ticket, a.Threshold, a.Metric, a.Clock}, args...)...)
	}
	key := keyOf(e.Ticket, a)
	if l.fired[key] {
		rep.note(&rep.doubled, "event %d of ticket %s acts again on %q of the %s since event %d", e.Seq, e.Ticket, a.Threshold, a.Metric, a.Clock)
	}
	if !inWork(&l.t) {
		wrong("the ticket is %s", l.t.Phase)
	}
	clocks := l.line.Clocks(e.At)
	i := slices.IndexFunc(clocks, func(c sla.Clock) bool { return string(c.Metric) == a.Metric && c.Event == a.Clock })
	if i < 0 {
		wrong("there is no such clock")
		return
	}
	c := &clocks[i]
	if c.State != sla.ClockRunning {
		wrong("the clock is %s", c.State)
	}
	list := moments(c)
	k := slices.IndexFunc(list, func(m moment) bool { return m.name == a.Threshold })
	if k < 0 {
		wrong("the clock does not reach it")
		return
	}
	m := &list[k]
	if !m.reached(e.At) {
		rep.note(&rep.early, "event %d of ticket %s acts on %q of the %s at %s, and it is reached at %s", e.Seq, e.Ticket, a.Threshold, a.Metric, e.At, m.at)
	}
	// A threshold that a clock had reached before it was paused is reached again when the
	// clock goes on.
	recorded, _ := l.t.Clock(a.Metric)
	if again := m.at.Before(recorded.Since) && a.At.Equal(recorded.Since); !again && !a.At.Equal(m.at) {
		wrong("it was reached at %s, and the alert says %s", m.at, a.At)
	}
	if !a.Due.Equal(c.Due) {
		wrong("the clock is due at %s, and the alert says %s", c.Due, a.Due)
	}

	// The thresholds that it passes over, and those for which it should have passed over this one.
	over := 0
	for _, o := range slices.Backward(list[:k]) {
		if l.fired[alertKey{key.ticket, key.metric, key.clock, o.name}] {
			break
		}
		over++
	}
	rep.passed += over
	for _, o := range list[:k+1] {
		l.fired[alertKey{key.ticket, key.metric, key.clock, o.name}] = true
	}
	if k+1 < len(list) && list[k+1].reached(e.At.Add(-2*mostSkew)) {
		wrong("%q is reached too", list[k+1].name)
	}
	switch behind := e.At.Sub(a.At); {
	case a.Late && over == 0 && behind <= lateAfter:
		wrong("it is not late")
	case !a.Late && (over > 0 || behind > lateAfter+2*mostSkew):
		wrong("it is late, by %s", behind)
	case a.Late:
		rep.late++
	}
	do := m.do
	if len(do) == 0 && over > 0 { // a breach that the policy does not list
		do = list[k-1].do
	}
	l.reactions(e, after, do, wrong)
}

// reactions checks that the reactions to a threshold are in the alert, and were done.
func (l *life) reactions(e *ticket.Event, after *ticket.Ticket, do []sla.Reaction, wrong func(string, ...any)) {
	rep, a := l.report, e.Set.Alert
	want := ticket.ClockAlert{Metric: a.Metric, Clock: a.Clock, Threshold: a.Threshold, At: a.At, Due: a.Due, Late: a.Late}
	level := l.t.Level
	for _, r := range do {
		switch {
		case r.Tell != "":
			want.Tell = append(want.Tell, string(r.Tell))
		case r.Escalate:
			want.Escalate = true
			level = min(level+1, 3)
		case r.HandOver != "":
			want.HandOver = r.HandOver
			rep.handed++
			if after.Queue != r.HandOver {
				wrong("the ticket is not in %s", r.HandOver)
			}
		case r.Raise != 0:
			want.Raise = r.Raise
			if l.t.Priority < r.Raise {
				rep.raised++
			}
			if after.Priority != max(l.t.Priority, r.Raise) {
				wrong("the priority is %s", after.Priority)
			}
		case r.Tag != "":
			want.Tags = append(want.Tags, r.Tag)
			rep.tagged++
			if !after.HasTag(r.Tag) {
				wrong("the ticket does not have the tag %s", r.Tag)
			}
		}
	}
	rep.escalated += after.Level - l.t.Level
	if after.Level != level {
		wrong("the ticket is at level %d, and was at %d", after.Level, l.t.Level)
	}
	if have, should := text(a), text(want); have != should {
		wrong("the alert is\n%s\nand should be\n%s", have, should)
	}
	if strings.HasPrefix(string(e.Note), "not done") {
		wrong("%s", e.Note)
	}
	if want.HandOver == "" && after.Queue != l.t.Queue {
		wrong("the ticket is in queue %s", after.Queue)
	}
	l.told(e, after, want.Tell, wrong)
}

// told checks that everybody was told once.
func (l *life) told(e *ticket.Event, after *ticket.Ticket, audiences []string, wrong func(string, ...any)) {
	rep := l.report
	rows := l.rows[place{e.Ticket, e.Seq}]
	count := map[string]int{}
	for i := range rows {
		count[rows[i].To.Key()]++
	}
	expected := map[string]bool{}
	for _, a := range audiences {
		for _, to := range l.audience(a, after) {
			expected[to.Key()] = true
		}
	}
	for key := range expected {
		switch n := count[key]; {
		case n == 0:
			rep.note(&rep.lost, "event %d of ticket %s does not tell %s", e.Seq, e.Ticket, key)
		case n > 1:
			rep.note(&rep.doubled, "event %d of ticket %s tells %s %d times", e.Seq, e.Ticket, key, n)
		default:
			rep.told++
		}
	}
	kind := ticket.KindDueSoon
	if a := e.Set.Alert; a != nil && (a.Threshold == "due" || a.At.After(a.Due)) {
		kind = ticket.KindOverdue
	}
	for i := range rows {
		d := &rows[i]
		if (d.Kind == ticket.KindDueSoon || d.Kind == ticket.KindOverdue) && (d.Kind != kind || !expected[d.To.Key()]) {
			wrong("%s is told %q", d.To.Key(), d.Kind)
		}
	}
}

// audience returns the recipients of an audience.
func (l *life) audience(a string, after *ticket.Ticket) []ticket.Recipient {
	queue := ticket.Recipient{Role: ticket.RoleAgent, Queue: after.Queue, Level: after.Level}
	switch a {
	case "queue":
		return []ticket.Recipient{queue}
	case "agents":
		return []ticket.Recipient{{Role: ticket.RoleAgent, Level: after.Level}}
	case "requester":
		return []ticket.Recipient{{Role: ticket.RoleRequester, Person: after.Requester}}
	}
	for _, id := range []string{after.Assignee, l.t.Assignee} {
		if id != "" {
			return []ticket.Recipient{{Role: ticket.RoleAgent, Person: ticket.Person{ID: id}}}
		}
	}
	return []ticket.Recipient{queue}
}

// timer checks an event of the desk itself that acts on no threshold: a timed action of
// the workflow, a reminder, or clocks that were computed again.
func (l *life) timer(e *ticket.Event, after *ticket.Ticket) {
	rep := l.report
	was := l.t.Timer
	switch e.Action {
	case ticket.ActionClock:
		return
	case ticket.ActionClose, ticket.ActionResume:
	default:
		rep.note(&rep.wrong, "event %d of ticket %s: the desk does %q: %s", e.Seq, e.Ticket, e.Action, e.Note)
		return
	}
	switch {
	case was.Action != e.Action:
		rep.note(&rep.doubled, "event %d of ticket %s: %s, without a timer for it", e.Seq, e.Ticket, e.Action)
	case e.At.Before(was.At):
		rep.note(&rep.early, "event %d of ticket %s: %s at %s, before %s", e.Seq, e.Ticket, e.Action, e.At, was.At)
	}
	switch {
	case e.Action == ticket.ActionClose && after.Status == ticket.StatusClosed && l.t.Status == ticket.StatusResolved:
		rep.closed++
	case e.Action == ticket.ActionResume && after.Status == ticket.StatusOpen && l.t.Status == ticket.StatusOnHold:
		rep.resumed++
	default:
		rep.note(&rep.wrong, "event %d of ticket %s: %s from %s to %s", e.Seq, e.Ticket, e.Action, l.t.Status, after.Status)
	}
}

// timerSet checks the timer that an event starts. Tickets are closed after seven days of
// open time since they were resolved.
func (l *life) timerSet(e *ticket.Event) {
	rep, timer := l.report, e.Set.Timer
	if timer == nil || timer.Action != ticket.ActionClose {
		return
	}
	at, err := l.office.Add(timer.From, closing)
	switch {
	case err != nil || timer.From.IsZero() || timer.From.After(e.At):
		rep.note(&rep.wrong, "event %d of ticket %s starts a timer from %s, at %s: %v", e.Seq, e.Ticket, timer.From, e.At, err)
	case timer.At.Before(at):
		rep.note(&rep.early, "event %d of ticket %s at %s starts a timer for %s, before %s", e.Seq, e.Ticket, e.At, timer.At, at)
	case !timer.At.Equal(at):
		rep.note(&rep.wrong, "event %d of ticket %s at %s starts a timer for %s, after %s", e.Seq, e.Ticket, e.At, timer.At, at)
	}
}

// snooze checks how snoozes begin and end.
func (l *life) snooze(e *ticket.Event, after *ticket.Ticket) {
	rep, was, set := l.report, l.t.Snoozed, e.Set.Snoozed
	said := e.By.Role&ticket.RoleCustomer != 0 && !e.Automatic && e.Message != ""
	reminder := e.Action == ticket.ActionClock && set != nil && set.IsZero()
	switch {
	case reminder:
		rep.reminders++
		l.remind(e, after)
	case was.IsZero():
	case said && !after.Snoozed.IsZero():
		rep.note(&rep.wrong, "event %d of ticket %s has words of the customer, and it is still snoozed", e.Seq, e.Ticket)
	case said:
		rep.woken++
	case set != nil && set.IsZero() && e.Action != ticket.ActionEdit && inWork(after):
		rep.note(&rep.lost, "event %d of ticket %s, %s, ends its snooze", e.Seq, e.Ticket, e.Action)
	}
	if !after.Snoozed.IsZero() && !inWork(after) {
		rep.note(&rep.wrong, "ticket %s is snoozed after event %d, %s, though it is %s", e.Ticket, e.Seq, e.Action, after.Phase)
	}
}

// remind checks the reminder of a snoozed ticket.
func (l *life) remind(e *ticket.Event, after *ticket.Ticket) {
	rep := l.report
	switch {
	case !inWork(&l.t):
		rep.note(&rep.wrong, "event %d of ticket %s reminds of it, and it is %s", e.Seq, e.Ticket, l.t.Phase)
	case l.t.Snoozed.IsZero():
		rep.note(&rep.doubled, "event %d of ticket %s reminds of it, and it is not snoozed", e.Seq, e.Ticket)
	case e.At.Before(l.t.Snoozed):
		rep.note(&rep.early, "event %d of ticket %s reminds of it at %s, before %s", e.Seq, e.Ticket, e.At, l.t.Snoozed)
	}
	want := l.audience("assignee", after)[0]
	n := 0
	for _, d := range l.rows[place{e.Ticket, e.Seq}] {
		switch {
		case d.Kind != ticket.KindReminder || d.To.Key() != want.Key():
			rep.note(&rep.wrong, "event %d of ticket %s reminds of it, and tells %s %q", e.Seq, e.Ticket, d.To.Key(), d.Kind)
		default:
			n++
		}
	}
	if n == 0 {
		rep.note(&rep.lost, "event %d of ticket %s reminds nobody", e.Seq, e.Ticket)
	} else if n > 1 {
		rep.note(&rep.doubled, "event %d of ticket %s reminds %d times", e.Seq, e.Ticket, n)
	}
}

// mostMissed is how many times the processes may look at a ticket that has reached a
// threshold without acting on it, because somebody else acts on the ticket.
const mostMissed = 10

// end checks that nothing is left to happen.
func (l *life) end(stored *ticket.Ticket) error {
	rep, t := l.report, &l.t
	if wake := stored.Wake(); !wake.IsZero() {
		rep.note(&rep.lost, "ticket %s still waits for %s: timer %v, snoozed %v", t.ID, wake, t.Timer, t.Snoozed)
	}
	if t.Status == ticket.StatusResolved || t.Status == ticket.StatusOnHold {
		rep.note(&rep.lost, "ticket %s is still %s", t.ID, t.Status)
	}
	clocks := l.line.Clocks(l.now)
	for i := range clocks {
		c := &clocks[i]
		for _, m := range moments(c) {
			if !m.reached(l.until(c)) || l.acted(c, m.name) {
				continue
			}
			if c.State == sla.ClockRunning {
				rep.note(&rep.lost, "ticket %s: nothing happened at %q of the %s since event %d, at %s", t.ID, m.name, c.Metric, c.Event, m.at)
				continue
			}
			x, err := l.line.Explain(i, l.now)
			if err != nil {
				return err
			}
			if n := l.looks(x.Spans, m.at); n > mostMissed {
				rep.note(&rep.lost, "ticket %s: nothing happened at %q of the %s since event %d, at %s, though it was looked at %d times", t.ID, m.name, c.Metric, c.Event, m.at, n)
			}
			rep.overtaken++
		}
	}
	return nil
}

// until returns the instant up to which a clock has run.
func (l *life) until(c *sla.Clock) time.Time {
	if c.State.Stopped() {
		return c.Stopped
	}
	return l.now
}

// acted reports whether the desk has acted on a threshold or a later one.
func (l *life) acted(c *sla.Clock, name string) bool {
	return l.fired[alertKey{l.t.ID, string(c.Metric), c.Event, name}]
}

// looks counts how many times a process looked at everything that was due while the clock
// ran, since an instant.
func (l *life) looks(spans []sla.Span, since time.Time) (n int) {
	for _, s := range spans {
		if s.Kind != sla.SpanCounted || !s.To.After(since) {
			continue
		}
		from, to := s.From, s.To
		if from.Before(since) {
			from = since
		}
		from, to = from.Add(mostSkew), to.Add(-mostSkew)
		for _, p := range l.passes {
			if p.from.After(from) && p.to.Before(to) {
				n++
			}
		}
	}
	return n
}
