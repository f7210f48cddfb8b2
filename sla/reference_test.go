package sla_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

var histories = flag.Int("sla.histories", 15, "random histories in each zone that the reference is compared on")

// reference computes clocks minute by minute. It is slow and obvious: it decides for
// every minute of a history whether it counts. Everything happens on whole minutes.
type reference struct {
	agreed *sla.Agreement
	events []ticket.Event
	after  []ticket.Ticket // after each event
	times  []time.Time     // of each event, never backwards
	begin  time.Time
	open   map[string][]bool // by calendar, for each minute since begin
}

func newReference(t *testing.T, a *sla.Agreement, events []ticket.Event) *reference {
	t.Helper()
	r := &reference{agreed: a, events: events, open: map[string][]bool{}}
	for i := range events {
		now, err := ticket.Replay(events[:i+1])
		require.NoError(t, err)
		r.after = append(r.after, now)
		tau := events[i].At
		if i > 0 && tau.Before(r.times[i-1]) {
			tau = r.times[i-1]
		}
		r.times = append(r.times, tau)
	}
	r.begin = r.times[0]
	names := []string{""}
	for _, c := range a.Spec().Calendars {
		names = append(names, c.Name)
	}
	for _, name := range names {
		c, _ := a.Calendar(name)
		for m := range 60 * 24 * 60 {
			r.open[name] = append(r.open[name], c.Open(r.begin.Add(time.Duration(m)*time.Minute)))
		}
	}
	return r
}

func (r *reference) minute(t time.Time) int { return int(t.Sub(r.begin) / time.Minute) }

func (r *reference) merged(k int) bool { return !r.after[k].MergedInto.IsZero() }
func (r *reference) done(k int) bool   { return r.after[k].Phase.Done() }
func (r *reference) live(k int) bool   { return !r.merged(k) && !r.done(k) }

func (r *reference) words(k int) bool {
	e := &r.events[k]
	return (e.By.Role == ticket.RoleRequester || e.By.Role == ticket.RoleFollower) && !e.Automatic && (e.Message != "" || len(e.Attachments) > 0)
}

// life is a stretch of the history that one clock measures: from an event until another
// one, or until now.
type life struct {
	metric   sla.Metric
	from, to int // to is len(events) if it has not ended
	result   sla.ClockState
}

// lives finds what there is to measure in the first n events.
func (r *reference) lives(n int) (list []life) {
	ends := func(metric sla.Metric, from int, ended func(k int) (sla.ClockState, bool)) {
		for k := from + 1; k < n; k++ {
			if result, ok := ended(k); ok {
				list = append(list, life{metric, from, k, result})
				return
			}
		}
		list = append(list, life{metric, from, n, ""})
	}
	finished := func(k int) bool { return r.done(k) && !r.merged(k) }
	cancelled := func(k int) bool { return r.events[k].Action == ticket.ActionCancel }
	restarts := func(k int) bool {
		if !r.live(k) || !r.events[k].Reopens(r.after[k-1].Phase) {
			return false
		}
		to := r.target(k, life{metric: sla.MetricSolution})
		return to != nil && to.Restart
	}
	moved := func(k int) bool {
		return r.after[k].Level != r.after[k-1].Level || r.after[k].Queue != r.after[k-1].Queue
	}
	next, unread, told := -1, false, false // the life that waits for the next answer ends before this event
	for k := range n {
		if k == 0 {
			ends(sla.MetricFirstAnswer, k, func(k int) (sla.ClockState, bool) { return sla.ClockMet, r.events[k].Answer })
		}
		if k == 0 || restarts(k) {
			ends(sla.MetricSolution, k, func(k int) (sla.ClockState, bool) { return sla.ClockVoid, restarts(k) })
		}
		if r.live(k) && (k == 0 || moved(k) || finished(k-1)) {
			ends(sla.MetricLevel, k, func(k int) (sla.ClockState, bool) {
				if cancelled(k) {
					return sla.ClockVoid, true
				}
				return sla.ClockMet, finished(k) || moved(k)
			})
		}
		answerOrEnd := func(k int) (sla.ClockState, bool) {
			if r.events[k].Answer {
				return sla.ClockMet, true
			}
			return sla.ClockVoid, finished(k)
		}
		if (r.events[k].Answer || told) && r.live(k) {
			ends(sla.MetricUpdate, k, answerOrEnd)
		}
		if r.live(k) && (r.words(k) || unread && !r.events[k].Answer) && k > 0 && !r.after[k-1].FirstAnswered.IsZero() && k >= next {
			ends(sla.MetricNextAnswer, k, func(k int) (sla.ClockState, bool) {
				if finished(k) {
					return sla.ClockVoid, true
				}
				return sla.ClockMet, r.events[k].Answer
			})
			next = list[len(list)-1].to
		}
		told = r.merged(k) && (told || r.events[k].Answer)
		unread = r.merged(k) && (unread && !r.events[k].Answer || r.words(k))
	}
	return list
}

// target returns what the policy promises after an event.
func (r *reference) target(k int, l life) *sla.Target {
	p, ok := r.agreed.Policy(r.after[k])
	if !ok {
		return nil
	}
	for i := range p.Targets {
		t := &p.Targets[i]
		fits := t.Metric == l.metric
		if l.metric == sla.MetricLevel {
			at := &r.after[l.from]
			fits = fits && (len(t.Levels) == 0 || slices.Contains(t.Levels, at.Level)) && (len(t.Queues) == 0 || slices.Contains(t.Queues, at.Queue))
		}
		if fits {
			return t
		}
	}
	return nil
}

// clock computes the clock of a life, or nil if nothing was ever promised.
func (r *reference) clock(l life, n int, now time.Time) *sla.Clock {
	targets := map[int]*sla.Target{} // in force after each event
	policies := map[int]string{}
	for k := l.from; k < min(l.to, n); k++ {
		if r.live(k) {
			targets[k] = r.target(k, l)
			p, _ := r.agreed.Policy(r.after[k])
			policies[k] = p.Name
		} else {
			targets[k], policies[k] = targets[k-1], policies[k-1]
		}
	}
	// A minute is paused by the target of its time, or by the first one after it.
	known := min(l.to, n) // targets before this event
	paused := func(k int) bool {
		for j := k; j < known; j++ {
			if t := targets[j]; t != nil {
				for _, p := range t.Pause {
					if p.Status == r.after[k].Status && (len(p.Reasons) == 0 || slices.Contains(p.Reasons, r.after[k].Reason)) {
						return true
					}
				}
				return false
			}
		}
		return false
	}
	counts := func(k int) bool { return r.live(k) && !paused(k) }
	// count counts the minutes up to an instant, as the life was before event number upto,
	// and finds when there were enough.
	count := func(t *sla.Target, amount time.Duration, upto int, end time.Time) (sum time.Duration, due time.Time) {
		for k := l.from; k < upto; k++ {
			to := end
			if k+1 < upto {
				to = r.times[k+1]
			}
			for m := r.minute(r.times[k]); m < r.minute(to); m++ {
				if counts(k) && r.open[t.Calendar][m] {
					if sum += time.Minute; sum == amount {
						due = r.begin.Add(time.Duration(m+1) * time.Minute)
					}
				}
			}
		}
		return sum, due
	}
	ahead := func(t *sla.Target, left time.Duration, from time.Time) time.Time {
		for m := r.minute(from); m < len(r.open[t.Calendar]); m++ {
			if r.open[t.Calendar][m] {
				if left -= time.Minute; left == 0 {
					return r.begin.Add(time.Duration(m+1) * time.Minute)
				}
			}
		}
		return time.Time{}
	}

	var c *sla.Clock
	var breached time.Time
	earlier := 0
	look := func(k int, end time.Time) { // the clock runs with the target of event k until end
		t := targets[k]
		sum, due := count(t, t.Within, k+1, end)
		if breached.IsZero() && !due.IsZero() && due.Before(end) {
			breached = due
		}
		c = &sla.Clock{Metric: l.metric, Event: r.events[l.from].Seq, Policy: policies[k], Within: t.Within, Started: r.times[l.from],
			State: sla.ClockRunning, Counted: sum, Left: t.Within - sum, Due: due, Breached: breached, Earlier: make([]sla.Breach, earlier)}
		if !counts(k) {
			c.State = sla.ClockPaused
		} else if due.IsZero() {
			c.Due = ahead(t, t.Within-sum, end)
		}
	}
	stop := func(state sla.ClockState, at time.Time) {
		if state == sla.ClockMet && !c.Breached.IsZero() {
			state = sla.ClockMissed
		}
		c.State, c.Stopped = state, at
		if state == sla.ClockVoid && c.Breached.IsZero() {
			c.Due = time.Time{}
		}
	}
	running := func(k int) bool { return k >= l.from && targets[k] != nil && r.live(k) }
	// late notices that the target of event k was missed already, or is not any more.
	late := func(k int) {
		_, due := count(targets[k], targets[k].Within, k+1, r.times[k])
		switch late := !due.IsZero() && due.Before(r.times[k]); {
		case late && breached.IsZero():
			breached = r.times[k]
		case !late && !breached.IsZero():
			breached = time.Time{}
			earlier++
		}
	}
	for k := l.from; k < min(l.to, n); k++ {
		if running(k - 1) {
			look(k-1, r.times[k])
			switch {
			case r.live(k) && targets[k] == nil, r.merged(k):
				stop(sla.ClockVoid, r.times[k])
			case !r.live(k):
				state := sla.ClockVoid
				if l.metric == sla.MetricSolution && r.events[k].Action != ticket.ActionCancel {
					state = sla.ClockMet
				}
				stop(state, r.times[k])
			}
		}
		if running(k) && (!running(k-1) || policies[k] != policies[k-1]) {
			late(k)
		}
	}
	promised := func(k int) bool { // the event takes the clock up again, and then ends it
		targets[k] = r.target(k, l)
		p, _ := r.agreed.Policy(r.after[k])
		policies[k], known = p.Name, k+1
		return targets[k] != nil
	}
	switch last := min(l.to, n) - 1; {
	case l.to < n && !r.live(last) && r.live(l.to) && r.events[l.to].Answer && l.metric != sla.MetricSolution && l.metric != sla.MetricLevel && promised(l.to):
		late(l.to)
		look(l.to, r.times[l.to])
		stop(l.result, r.times[l.to])
	case !running(last):
	case l.to < n:
		look(last, r.times[l.to])
		state := l.result
		answered := r.events[l.to].Answer && (l.metric == sla.MetricFirstAnswer || l.metric == sla.MetricUpdate)
		if r.merged(l.to) && !answered {
			state = sla.ClockVoid
		}
		stop(state, r.times[l.to])
	default:
		look(last, now)
	}
	return c
}

// clocks returns all clocks as of now in short form.
func (r *reference) clocks(now time.Time) (list []string) {
	n := 0
	for n < len(r.events) && !r.times[n].After(now) {
		n++
	}
	for k := range n {
		for _, m := range sla.Metrics() {
			for _, l := range r.lives(n) {
				if l.from != k || l.metric != m {
					continue
				}
				if c := r.clock(l, n, now); c != nil {
					list = append(list, whole(*c))
				}
			}
		}
	}
	return list
}

func whole(c sla.Clock) string {
	return fmt.Sprintf("%s of event %d by %q within %s: %s, counted %s, %d earlier", c.Metric, c.Event, c.Policy, c.Within, brief(c), c.Counted, len(c.Earlier))
}

// randomSpec returns calendars of a zone and policies by priority, queue and tag.
func randomSpec(rnd *rand.Rand, zone string) sla.Spec {
	spans := func() (list []businesshours.Span) {
		for range 1 + rnd.IntN(2) {
			from, to := rnd.IntN(96)*15, rnd.IntN(96)*15
			if from != to {
				list = append(list, businesshours.Span(fmt.Sprintf("%02d:%02d-%02d:%02d", from/60, from%60, to/60, to%60)))
			}
		}
		return list
	}
	s := sla.Spec{Name: "random", Version: 1}
	for _, name := range []string{"one", "two"} {
		w := businesshours.Week{Monday: spans(), Tuesday: spans(), Wednesday: []businesshours.Span{nineToFive}, Thursday: spans(), Friday: spans(), Saturday: spans(), Sunday: spans()}
		s.Calendars = append(s.Calendars, businesshours.Spec{Name: name, Hours: businesshours.Hours{Zone: zone, Week: w}})
	}
	for i, when := range []sla.Condition{
		{Priority: []ticket.Grade{ticket.GradeCritical}}, {Priority: []ticket.Grade{ticket.GradeHigh}}, {Queue: []string{"billing"}}, {Tags: []string{"vip"}},
	} {
		p := sla.Policy{Name: fmt.Sprintf("policy %d", i), When: when}
		for _, m := range sla.Metrics() {
			if rnd.IntN(5) == 0 && (m != sla.MetricSolution) {
				continue
			}
			t := sla.Target{Metric: m, Within: time.Duration(1+rnd.IntN(60)*rnd.IntN(20)) * time.Minute, Calendar: []string{"", "one", "two"}[rnd.IntN(3)]}
			if m == sla.MetricSolution {
				t.Restart = rnd.IntN(3) == 0
			}
			for _, share := range []int{1 + rnd.IntN(99), 100} {
				t.Thresholds = append(t.Thresholds, tell(sla.Threshold{Share: share}))
			}
			t.Thresholds = append(t.Thresholds, tell(sla.Threshold{After: time.Duration(1+rnd.IntN(600)) * time.Minute}))
			if m == sla.MetricLevel && rnd.IntN(2) == 0 {
				t.Levels = []int{1 + rnd.IntN(3)}
			}
			for _, status := range []ticket.Status{ticket.StatusOnHold, ticket.StatusWaiting, ticket.StatusNew} {
				if rnd.IntN(2) == 0 {
					pause := sla.Pause{Status: status}
					if status == ticket.StatusOnHold && rnd.IntN(2) == 0 {
						pause.Reasons = []string{"vendor"}
					}
					t.Pause = append(t.Pause, pause)
				}
			}
			p.Targets = append(p.Targets, t)
		}
		s.Policies = append(s.Policies, p)
	}
	if rnd.IntN(2) == 0 {
		s.Policies[3].When = sla.Condition{}
	}
	return s
}

// randomHistory lets random people do random things to one ticket.
func randomHistory(s *story, rnd *rand.Rand, begin time.Time, actions int) []ticket.Event {
	now := begin
	act := func() ticket.Action {
		switch rnd.IntN(20) {
		case 0, 1, 2:
			return ticket.Action{Name: ticket.ActionReply, Message: "Words."}
		case 3:
			return ticket.Action{Name: ticket.ActionReply, Message: "I am away.", Automatic: true}
		case 4, 5:
			return ticket.Action{Name: ticket.ActionAsk, Message: "Which one?"}
		case 6, 7:
			return ticket.Action{Name: ticket.ActionHold, Reason: []string{"vendor", "date"}[rnd.IntN(2)]}
		case 8:
			return ticket.Action{Name: ticket.ActionResume}
		case 9:
			return ticket.Action{Name: ticket.ActionResolve, Message: "Done."}
		case 10:
			return ticket.Action{Name: ticket.ActionReopen, Note: "It is not."}
		case 11:
			return ticket.Action{Name: ticket.ActionEscalate, Note: "Too hard."}
		case 12:
			return ticket.Action{Name: ticket.ActionHandBack, Note: "Too easy."}
		case 13:
			return ticket.Action{Name: ticket.ActionHandOver, Queue: []string{"billing", "support"}[rnd.IntN(2)]}
		case 14:
			return ticket.Action{Name: ticket.ActionMerge}
		case 15:
			return ticket.Action{Name: ticket.ActionUnmerge}
		case 16:
			return ticket.Action{Name: []ticket.ActionName{ticket.ActionCancel, ticket.ActionTake, ticket.ActionClose}[rnd.IntN(3)]}
		case 17:
			return ticket.Action{Name: ticket.ActionAmend, Status: ticket.StatusClosed, Level: 1 + rnd.IntN(3), Note: "Filed wrongly."}
		case 18:
			if rnd.IntN(2) == 0 {
				return ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"vip"}}}
			}
			return ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{"vip"}}}
		default:
			return ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.Grade(1 + rnd.IntN(4))}}
		}
	}
	words := func() ticket.Message { return []ticket.Message{"", "By the way."}[rnd.IntN(2)] }
	s.clock.Set(now)
	t, err := s.desk.Open(s.Context(), ada, ticket.Draft{Subject: "Printer", Message: "Words.", Priority: ticket.Grade(1 + rnd.IntN(4))})
	require.NoError(s, err)
	into, err := s.desk.Open(s.Context(), ada, ticket.Draft{Subject: "Printer", Message: "Again."})
	require.NoError(s, err)
	s.id = t.ID
	for range actions {
		switch rnd.IntN(8) {
		case 0: // at the same time
		case 1:
			now = now.Add(-time.Duration(rnd.IntN(100)) * time.Minute)
		case 2:
			now = now.Add(time.Duration(rnd.IntN(1000)) * time.Minute)
		default:
			now = now.Add(time.Duration(rnd.IntN(100)) * time.Minute)
		}
		s.clock.Set(now)
		a := act()
		by := []ticket.Actor{ada, agent, agent}[rnd.IntN(3)]
		switch a.Name {
		case ticket.ActionMerge:
			a.Ticket = into.ID
			a.Message = words()
		case ticket.ActionUnmerge, ticket.ActionReopen:
			a.Message = words()
		case ticket.ActionCancel:
			if by.Role == ticket.RoleAgent {
				a.Reason = "spam"
			}
		}
		_, _ = s.desk.Do(s.Context(), by, s.id, a) // the workflow refuses some
	}
	return s.events()
}

func TestClocksEqualTheReference(t *testing.T) {
	seen := map[string]int{}
	for zone, change := range map[string]string{
		"Europe/Berlin": "03-29T01:00Z", "America/New_York": "11-01T06:00Z", "Australia/Lord_Howe": "04-04T15:00Z",
		"America/Santiago": "09-06T04:00Z", "Africa/Casablanca": "03-22T02:00Z", "Asia/Kathmandu": "05-01T00:00Z",
	} {
		t.Run(zone, func(t *testing.T) {
			for k := range *histories {
				seed := uint64(k)
				rnd := rand.New(rand.NewPCG(seed, uint64(len(zone))))
				spec := randomSpec(rnd, zone)
				s := newStory(t, spec)
				begin := at(t, change).Add(-time.Duration(rnd.IntN(5*24*60)) * time.Minute)
				events := randomHistory(s, rnd, begin, 60)
				r := newReference(t, s.agreed, events)
				end := r.times[len(r.times)-1]

				moments := []time.Time{end, end.Add(time.Duration(rnd.IntN(3000)) * time.Minute)}
				for range 6 {
					moments = append(moments, begin.Add(time.Duration(rnd.IntN(1+r.minute(end)))*time.Minute))
				}
				for _, now := range moments {
					clocks, err := s.agreed.Clocks(events, now)
					require.NoError(t, err)
					var got []string
					for _, c := range clocks {
						got = append(got, whole(c))
						seen[string(c.Metric)+" "+string(c.State)]++
						if len(c.Earlier) > 0 {
							seen["more time"]++
						}
						if c.Breached.After(c.Due) && !c.Due.IsZero() {
							seen["less time"]++
						}
					}
					require.Equal(t, r.clocks(now), got, "seed %d, as of %v\n%v", seed, now, history(events))
				}
				checkInvariants(t, s.agreed, events, end)
			}
		})
	}
	for _, m := range sla.Metrics() {
		for _, state := range []sla.ClockState{sla.ClockRunning, sla.ClockPaused, sla.ClockMet, sla.ClockMissed, sla.ClockVoid} {
			require.NotZero(t, seen[string(m)+" "+string(state)], "%s %s", m, state)
		}
	}
	require.NotZero(t, seen["more time"], "a change gave more time after a breach")
	require.NotZero(t, seen["less time"], "a change made a target missed")
}

func history(events []ticket.Event) (text string) {
	for _, e := range events {
		text += fmt.Sprintf("%d %s %s by %s: %s %v answer %v\n", e.Seq, instants(e.At), e.Action, e.By.Role, e.To, e.Phase, e.Answer)
	}
	return text
}

// checkInvariants checks that a result does not depend on earlier calls, that counted time
// adds up, and that explanations agree with the clocks.
func checkInvariants(t *testing.T, a *sla.Agreement, events []ticket.Event, end time.Time) {
	t.Helper()
	asked, silent := a.Timeline(), a.Timeline()
	for i := range events {
		require.NoError(t, asked.Add(events[i]))
		require.NoError(t, silent.Add(events[i]))
		for _, later := range []time.Duration{0, 7 * time.Hour, time.Minute} {
			asked.Clocks(events[i].At.Add(later))
		}
	}
	now := end.Add(5 * time.Hour)
	clocks := silent.Clocks(now)
	require.Equal(t, clocks, asked.Clocks(now))
	half := silent.Clocks(end.Add(2 * time.Hour))
	for i, c := range clocks {
		require.Equal(t, c.Within, c.Counted+c.Left)
		if c.State == sla.ClockRunning {
			cal, _ := a.Calendar(c.Calendar)
			require.Equal(t, c.Counted, half[i].Counted+cal.Between(end.Add(2*time.Hour), now))
		}
		x, err := silent.Explain(i, now)
		require.NoError(t, err)
		require.Equal(t, c, x.Clock)
		var sum time.Duration
		reached := c.Started
		for _, s := range x.Spans {
			require.True(t, s.From.Equal(reached) && s.From.Before(s.To))
			if !s.From.Before(now) {
				break
			}
			reached, sum = s.To, sum+s.Counted
			require.Equal(t, sum, s.Total)
		}
		require.Equal(t, c.Counted, sum, "%v", x)
		require.NotEmpty(t, x.Moments)
		if !slices.ContainsFunc(x.Moments, func(m sla.Moment) bool {
			return m.Kind == sla.MomentChanged || m.Kind == sla.MomentPromised || m.Kind == sla.MomentResumed
		}) {
			checkThresholds(t, a, events, c, now)
		}
	}
}

// checkThresholds checks that so much time is counted when a threshold is reached, and not
// a microsecond before. The clock never had another target, and never went on after a stop.
func checkThresholds(t *testing.T, a *sla.Agreement, events []ticket.Event, c sla.Clock, now time.Time) {
	t.Helper()
	counted := func(when time.Time) time.Duration {
		list, err := a.Clocks(events, when)
		require.NoError(t, err)
		for _, d := range list {
			if d.Metric == c.Metric && d.Event == c.Event {
				return d.Counted
			}
		}
		return -1
	}
	end := now
	if c.State.Stopped() {
		end = c.Stopped
	}
	for i, th := range c.Thresholds {
		amount := c.Within * time.Duration(th.Threshold.Share) / 100
		if th.Threshold.After > 0 {
			amount = c.Within + th.Threshold.After
		}
		if th.Threshold.Share == 100 && th.At.Before(end) {
			require.Equal(t, c.Breached, th.At)
		}
		if i > 0 {
			require.False(t, th.At.Before(c.Thresholds[i-1].At))
		}
		if th.At.After(end) {
			require.Less(t, c.Counted, amount)
			continue
		}
		require.Equal(t, amount, counted(th.At))
		require.Less(t, counted(th.At.Add(-time.Microsecond)), amount)
	}
}

// What was reached keeps its instant for as long as it counts as reached, whatever changes
// afterwards. What is newly reached was reached since the last look.
func TestWhatWasReachedStays(t *testing.T) {
	type what struct {
		metric sla.Metric
		event  int64
		moment string
	}
	seen := 0
	for seed := range uint64(*histories) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := newStory(t, randomSpec(rnd, "Europe/Berlin"))
		events := randomHistory(s, rnd, at(t, "03-26T00:00Z"), 60)
		line := s.agreed.Timeline()
		var before map[what]time.Time
		var last time.Time
		look := func(now time.Time) {
			after := map[what]time.Time{}
			for _, c := range line.Clocks(now) {
				for _, th := range c.Thresholds {
					if th.At.Before(now) || !c.State.Stopped() && th.At.Equal(now) {
						after[what{c.Metric, c.Event, th.Threshold.String()}] = th.At
					}
				}
				if !c.Breached.IsZero() {
					after[what{c.Metric, c.Event, "missed"}] = c.Breached
				}
			}
			for k, reached := range after {
				seen++
				if was, ok := before[k]; ok {
					require.Equal(t, was, reached, "seed %d, %v as of %v\n%v", seed, k, now, history(events))
				} else {
					require.False(t, reached.Before(last), "seed %d, %v as of %v: %v\n%v", seed, k, now, reached, history(events))
				}
			}
			before, last = after, now
		}
		next := events[0].At
		for i := range events {
			for ; next.Before(events[i].At); next = next.Add(17 * time.Minute) {
				look(next)
			}
			if i > 0 && events[i].At.After(last) {
				look(events[i].At)
			}
			require.NoError(t, line.Add(events[i]))
			if events[i].At.After(last) {
				last = events[i].At
			}
			look(last)
		}
	}
	require.Positive(t, seen)
}
