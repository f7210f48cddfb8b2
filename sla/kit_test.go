package sla_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// week returns a calendar that has weekly hours only.
func week(zone string, w businesshours.Week, days ...businesshours.Day) businesshours.Spec {
	return businesshours.Spec{Name: "hours", Hours: businesshours.Hours{Zone: zone, Week: w, Days: days}}
}

// at parses an instant, in 2026 if it has no year.
func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	if strings.Count(text, "-") == 1 {
		text = "2026-" + text
	}
	for _, layout := range []string{"2006-01-02T15:04Z", "2006-01-02T15:04:05.999999999Z"} {
		if i, err := time.Parse(layout, text); err == nil {
			return i
		}
	}
	require.Failf(tb, "no instant", "%s", text)
	return time.Time{}
}

const nineToFive = businesshours.Span("09:00-17:00")

// The calendars of the cases.
var (
	berlin  = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive))
	lunch   = week("Europe/Berlin", businesshours.MondayToFriday("9:00-12:00", "13:00-17:00"))
	always  = week("Europe/Berlin", businesshours.Daily("00:00-24:00"))
	dawn    = week("Europe/Berlin", businesshours.Daily("00:00-06:00"))
	newYork = week("America/New_York", businesshours.MondayToFriday(nineToFive))
	dawnNY  = week("America/New_York", businesshours.Daily("00:00-04:00"))
	night   = week("Europe/Berlin", businesshours.Week{Saturday: []businesshours.Span{"22:00-06:00"}})
	ten     = week("Europe/Berlin", businesshours.MondayToFriday("08:00-18:00"))

	closed = []businesshours.Day{
		{Date: "2026-04-03", Name: "Good Friday"}, {Date: "2026-04-06", Name: "Easter Monday"},
		{Date: "2026-12-25", Name: "Christmas Day"}, {Date: "2026-12-26", Name: "Boxing Day"},
		{Date: "2027-01-01", Name: "New Year's Day"},
	}
	holidays  = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive), closed...)
	christmas = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive),
		append([]businesshours.Day{{Date: "2026-12-24", Name: "Christmas Eve", Open: []businesshours.Span{"09:00-12:00"}}}, closed...)...)
)

func sunday(open ...businesshours.Span) businesshours.Spec {
	return week("Europe/Berlin", businesshours.Week{Sunday: open})
}

func compile(tb testing.TB, s sla.Spec) *sla.Agreement {
	tb.Helper()
	a, err := s.Compile()
	require.NoError(tb, err)
	return a
}

// promise describes one policy for all tickets, measured by one calendar.
func promise(c businesshours.Spec, targets ...sla.Target) sla.Spec {
	for i := range targets {
		targets[i].Calendar = c.Name
	}
	return sla.Spec{Name: "test", Version: 1, Calendars: []businesshours.Spec{c}, Policies: []sla.Policy{{Name: "all", Targets: targets}}}
}

// byPriority describes two policies: one for high priority, and one for the rest.
func byPriority(c businesshours.Spec, high, rest []sla.Target) sla.Spec {
	s := promise(c, rest...)
	for i := range high {
		high[i].Calendar = c.Name
	}
	s.Policies = append([]sla.Policy{{Name: "urgent", When: sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh}}, Targets: high}}, s.Policies...)
	return s
}

func solveIn(within time.Duration, pause ...sla.Pause) sla.Target {
	return sla.Target{Metric: sla.MetricSolution, Within: within, Pause: pause}
}

var onHold = sla.Pause{Status: ticket.StatusOnHold}

var (
	ada   = ticket.Requester(ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org"})
	agent = ticket.Agent("lin", 1, 2, 3).Named("Lin")
	cron  = ticket.System("cron")
)

// story is a ticket on a desk whose clock is set for each action.
type story struct {
	testing.TB
	desk   *ticket.Desk
	clock  *tickettest.Clock
	agreed *sla.Agreement
	id     ticket.ID
}

func newStory(tb testing.TB, s sla.Spec) *story {
	tb.Helper()
	k := &story{TB: tb, clock: tickettest.NewClock(), agreed: compile(tb, s)}
	cfg := tickettest.Config(k.clock, nil)
	cfg.Silent = true
	var err error
	k.desk, err = ticket.NewDesk(memstore.New(), cfg)
	require.NoError(tb, err)
	return k
}

func (s *story) open(when string, drafts ...ticket.Draft) *story {
	s.Helper()
	d := ticket.Draft{Subject: "Printer prints blank pages", Message: "It does."}
	if len(drafts) > 0 {
		d = drafts[0]
		d.Subject = "Printer prints blank pages"
	}
	s.clock.Set(at(s, when))
	by := ada
	if !d.Requester.IsZero() {
		by = agent
	}
	t, err := s.desk.Open(s.Context(), by, d)
	require.NoError(s, err)
	s.id = t.ID
	return s
}

func (s *story) do(when string, by ticket.Actor, act ticket.Action) *story {
	s.Helper()
	s.clock.Set(at(s, when))
	_, err := s.desk.Do(s.Context(), by, s.id, act)
	require.NoError(s, err)
	return s
}

func (s *story) reply(when string, by ticket.Actor) *story {
	s.Helper()
	return s.do(when, by, ticket.Action{Name: ticket.ActionReply, Message: "Words."})
}

func (s *story) note(when string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionNote, Note: "A note."})
}

func (s *story) hold(when, reason string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionHold, Reason: reason})
}

func (s *story) resume(when string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionResume})
}

func (s *story) resolve(when string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
}

func (s *story) reopen(when string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionReopen, Note: "It is not."})
}

func (s *story) priority(when string, g ticket.Grade) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: g}})
}

func (s *story) escalate(when string) *story {
	s.Helper()
	return s.do(when, agent, ticket.Action{Name: ticket.ActionEscalate, Note: "Too hard."})
}

// other opens another ticket and returns its ID. It does not become the ticket of the story.
func (s *story) other(when string) ticket.ID {
	s.Helper()
	s.clock.Set(at(s, when))
	t, err := s.desk.Open(s.Context(), ada, ticket.Draft{Subject: "It still does", Message: "Words."})
	require.NoError(s, err)
	return t.ID
}

func (s *story) events() (all []ticket.Event) {
	s.Helper()
	return eventsOf(s, s.desk, s.id)
}

func eventsOf(tb testing.TB, d *ticket.Desk, id ticket.ID) (all []ticket.Event) {
	tb.Helper()
	for e, err := range d.Events(tb.Context(), cron, id) {
		require.NoError(tb, err)
		all = append(all, e)
	}
	return all
}

// clocks returns the clocks as of an instant that is not before the last event.
func (s *story) clocks(now string) []sla.Clock {
	s.Helper()
	list, err := s.agreed.Clocks(s.events(), at(s, now))
	require.NoError(s, err)
	checkRecorded(s, s.agreed, s.events())
	return list
}

// one returns the only clock of a metric.
func (s *story) one(m sla.Metric, now string) sla.Clock {
	s.Helper()
	list := s.all(m, now)
	require.Len(s, list, 1)
	return list[0]
}

func (s *story) all(m sla.Metric, now string) (list []sla.Clock) {
	s.Helper()
	for _, c := range s.clocks(now) {
		if c.Metric == m {
			list = append(list, c)
		}
	}
	return list
}

// instants formats times briefly. A zero one is "-".
func instants(times ...time.Time) string {
	var list []string
	for _, t := range times {
		text := "-"
		if !t.IsZero() {
			text = strings.TrimPrefix(t.UTC().Format("2006-01-02T15:04:05.999999Z"), "2026-")
			text = strings.Replace(text, ":00Z", "Z", 1)
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// brief describes a clock: state, start, stop, due, breach, and how much is left.
func brief(c sla.Clock) string {
	return string(c.State) + " " + instants(c.Started, c.Stopped, c.Due, c.Breached) + " " + c.Left.String()
}
