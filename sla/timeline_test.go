package sla_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

func within(m sla.Metric, d time.Duration, pause ...sla.Pause) sla.Target {
	return sla.Target{Metric: m, Within: d, Pause: pause}
}

func tell(th sla.Threshold) sla.Threshold {
	th.Do = []sla.Reaction{{Tell: "assignee"}}
	return th
}

// TestEachMetricFollowsItsRule has one case for each sentence of the rules on metrics.
func TestEachMetricFollowsItsRule(t *testing.T) {
	const h = time.Hour
	waiting := sla.Pause{Status: ticket.StatusWaiting}
	solution := ticket.Draft{Requester: ticket.Person{ID: "c1", Email: "ada@example.org"}, Message: "Why?", Solution: "Because."}
	onLevel := promise(berlin, within(sla.MetricLevel, 2*h))
	next := promise(berlin, within(sla.MetricNextAnswer, 2*h))
	first := promise(berlin, within(sla.MetricFirstAnswer, 2*h))
	both := promise(berlin, within(sla.MetricFirstAnswer, 2*h), within(sla.MetricUpdate, 2*h, waiting))
	answered := func(s *story) *story { return s.open("01-12T08:00Z").reply("01-12T09:00Z", agent) }
	cancel := ticket.Action{Name: ticket.ActionCancel, Reason: "spam"}

	for _, tc := range []struct {
		name  string
		spec  sla.Spec
		story func(*story)
		now   string
		want  []string
	}{
		{"a note, taking the ticket and a machine are no answer", first, func(s *story) {
			s.open("01-12T08:00Z").note("01-12T08:10Z").do("01-12T08:20Z", agent, ticket.Action{Name: ticket.ActionTake})
			s.do("01-12T08:30Z", agent, ticket.Action{Name: ticket.ActionReply, Message: "I am away.", Automatic: true})
		}, "01-12T09:00Z", []string{"running 01-12T08:00Z - 01-12T10:00Z - 1h0m0s"}},
		{"a reply is an answer", first, func(s *story) { answered(s) }, "01-12T12:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T10:00Z - 1h0m0s"}},
		{"a solution is an answer", first, func(s *story) { s.open("01-12T08:00Z").resolve("01-12T11:00Z") },
			"01-12T12:00Z", []string{"missed 01-12T08:00Z 01-12T11:00Z 01-12T10:00Z 01-12T10:00Z -1h0m0s"}},
		{"an answer that pauses stops first", both, func(s *story) {
			s.open("01-12T08:00Z").do("01-12T09:00Z", agent, ticket.Action{Name: ticket.ActionAsk, Message: "Which?"})
		}, "01-12T12:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T10:00Z - 1h0m0s", "paused 01-12T09:00Z - - - 2h0m0s"}},
		{"opened and solved at once", promise(berlin, within(sla.MetricFirstAnswer, h), solveIn(h), within(sla.MetricLevel, h)), func(s *story) {
			s.open("01-12T08:00Z", solution)
		}, "01-13T12:00Z", []string{
			"met 01-12T08:00Z 01-12T08:00Z 01-12T09:00Z - 1h0m0s", "met 01-12T08:00Z 01-12T08:00Z 01-12T09:00Z - 1h0m0s",
			"met 01-12T08:00Z 01-12T08:00Z 01-12T09:00Z - 1h0m0s",
		}},
		{"cancelled without an answer", first, func(s *story) { s.open("01-12T08:00Z").do("01-12T11:00Z", agent, cancel) },
			"01-12T12:00Z", []string{"void 01-12T08:00Z 01-12T11:00Z 01-12T10:00Z 01-12T10:00Z -1h0m0s"}},

		{"words before the first answer start no clock", next, func(s *story) { s.open("01-12T08:00Z").reply("01-12T08:10Z", ada) }, "01-12T09:00Z", nil},
		{"a machine starts no clock", next, func(s *story) {
			answered(s).do("01-12T10:00Z", ada, ticket.Action{Name: ticket.ActionReply, Message: "I am away.", Automatic: true})
		}, "01-12T12:00Z", nil},
		{"two questions and one answer", next, func(s *story) {
			answered(s).reply("01-12T10:00Z", ada).reply("01-12T11:00Z", ada).reply("01-12T11:30Z", agent).reply("01-12T11:40Z", ada)
		}, "01-12T13:00Z", []string{"met 01-12T10:00Z 01-12T11:30Z 01-12T12:00Z - 30m0s", "running 01-12T11:40Z - 01-12T13:40Z - 40m0s"}},
		{"resolved", next, func(s *story) { answered(s).reply("01-12T10:00Z", ada).resolve("01-12T11:00Z") },
			"01-13T13:00Z", []string{"void 01-12T10:00Z 01-12T11:00Z - - 1h0m0s"}},
		{"cancelled", next, func(s *story) { answered(s).reply("01-12T10:00Z", ada).do("01-12T11:00Z", agent, cancel) },
			"01-13T13:00Z", []string{"void 01-12T10:00Z 01-12T11:00Z - - 1h0m0s"}},
		{"words reopen the ticket", next, func(s *story) { answered(s).resolve("01-12T10:00Z").reply("01-13T10:00Z", ada) },
			"01-13T11:00Z", []string{"running 01-13T10:00Z - 01-13T12:00Z - 1h0m0s"}},

		{"each answer starts an update", promise(berlin, within(sla.MetricUpdate, 2*h)), func(s *story) {
			answered(s).reply("01-12T12:00Z", agent).reply("01-12T13:00Z", agent)
		}, "01-12T13:30Z", []string{
			"missed 01-12T09:00Z 01-12T12:00Z 01-12T11:00Z 01-12T11:00Z -1h0m0s", "met 01-12T12:00Z 01-12T13:00Z 01-12T14:00Z - 1h0m0s",
			"running 01-12T13:00Z - 01-12T15:00Z - 1h30m0s",
		}},
		{"no update after the end", promise(berlin, within(sla.MetricUpdate, 2*h)), func(s *story) { answered(s).resolve("01-12T10:00Z") },
			"01-14T13:30Z", []string{"met 01-12T09:00Z 01-12T10:00Z 01-12T11:00Z - 1h0m0s"}},

		{"cancelled and reopened", promise(berlin, solveIn(4*h)), func(s *story) {
			s.open("01-12T08:00Z").do("01-12T09:00Z", agent, cancel).reopen("01-13T08:00Z")
		}, "01-13T08:00Z", []string{"running 01-12T08:00Z - 01-13T11:00Z - 3h0m0s"}},
		{"solved at the last instant and reopened", promise(berlin, solveIn(h)), func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T09:00Z").reopen("01-13T08:00Z")
		}, "01-13T08:30Z", []string{"running 01-12T08:00Z - 01-12T09:00Z 01-13T08:00Z -30m0s"}},
		{"closing changes nothing", promise(berlin, solveIn(4*h)), func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T09:00Z").do("01-13T09:00Z", agent, ticket.Action{Name: ticket.ActionClose})
		}, "01-14T08:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T12:00Z - 3h0m0s"}},
		{"a stopped clock keeps its target", byPriority(berlin, []sla.Target{solveIn(h)}, []sla.Target{solveIn(4 * h)}), func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T10:00Z").priority("01-12T11:00Z", ticket.GradeHigh)
		}, "01-12T12:00Z", []string{"met 01-12T08:00Z 01-12T10:00Z 01-12T12:00Z - 2h0m0s"}},

		{"escalated and handed back", onLevel, func(s *story) {
			s.open("01-12T08:00Z").do("01-12T09:00Z", agent, ticket.Action{Name: ticket.ActionTake}).escalate("01-12T09:30Z")
			s.do("01-12T12:00Z", agent, ticket.Action{Name: ticket.ActionHandBack, Note: "Too easy."})
		}, "01-12T13:00Z", []string{
			"met 01-12T08:00Z 01-12T09:30Z 01-12T10:00Z - 30m0s", "missed 01-12T09:30Z 01-12T12:00Z 01-12T11:30Z 01-12T11:30Z -30m0s",
			"running 01-12T12:00Z - 01-12T14:00Z - 1h0m0s",
		}},
		{"handed over", onLevel, func(s *story) {
			s.open("01-12T08:00Z").do("01-12T09:00Z", agent, ticket.Action{Name: ticket.ActionHandOver, Queue: "billing"})
		}, "01-12T09:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T10:00Z - 1h0m0s", "running 01-12T09:00Z - 01-12T11:00Z - 2h0m0s"}},
		{"amended", onLevel, func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T09:00Z")
			s.do("01-12T10:00Z", agent, ticket.Action{Name: ticket.ActionAmend, Status: ticket.StatusResolved, Level: 2, Note: "Filed wrongly."})
		}, "01-12T10:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T10:00Z - 1h0m0s"}},
		{"reopened on its level", onLevel, func(s *story) { s.open("01-12T08:00Z").resolve("01-12T09:00Z").reopen("01-12T10:00Z") },
			"01-12T10:00Z", []string{"met 01-12T08:00Z 01-12T09:00Z 01-12T10:00Z - 1h0m0s", "running 01-12T10:00Z - 01-12T12:00Z - 2h0m0s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStory(t, tc.spec)
			tc.story(s)
			var got []string
			for _, c := range s.clocks(tc.now) {
				got = append(got, brief(c))
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAMergeVoidsAndAnUnmergeResumes(t *testing.T) {
	s := newStory(t, promise(berlin, within(sla.MetricFirstAnswer, 4*time.Hour), solveIn(8*time.Hour), within(sla.MetricLevel, 4*time.Hour)))
	into := s.other("01-12T07:00Z")
	s.open("01-12T08:00Z").do("01-12T10:00Z", agent, ticket.Action{Name: ticket.ActionMerge, Ticket: into})
	for _, c := range s.clocks("01-12T15:00Z") {
		require.Equal(t, sla.ClockVoid, c.State)
		require.Equal(t, "01-12T10:00Z - -", instants(c.Stopped, c.Due, c.Breached))
		require.Equal(t, 2*time.Hour, c.Counted)
	}
	other, err := s.agreed.Clocks(eventsOf(t, s.desk, into), at(t, "01-12T15:00Z"))
	require.NoError(t, err)
	require.Len(t, other, 3)
	require.Equal(t, sla.ClockRunning, other[0].State, "the ticket that goes on keeps its own")

	s.do("01-13T08:00Z", agent, ticket.Action{Name: ticket.ActionUnmerge})
	var got []string
	for _, c := range s.clocks("01-13T09:00Z") {
		got = append(got, brief(c))
	}
	require.Equal(t, []string{
		"running 01-12T08:00Z - 01-13T10:00Z - 1h0m0s", "running 01-12T08:00Z - 01-13T14:00Z - 5h0m0s",
		"running 01-12T08:00Z - 01-13T10:00Z - 1h0m0s",
	}, got)
}

// A customer who may not see the other ticket writes to the merged one.
func TestWordsInAMergedTicketWaitForTheUnmerge(t *testing.T) {
	s := newStory(t, promise(berlin, within(sla.MetricNextAnswer, 2*time.Hour)))
	into := s.other("01-12T07:00Z")
	s.open("01-12T08:00Z").reply("01-12T09:00Z", agent).do("01-12T10:00Z", agent, ticket.Action{Name: ticket.ActionMerge, Ticket: into})
	events := s.do("01-12T12:00Z", agent, ticket.Action{Name: ticket.ActionUnmerge}).events()
	merge, unmerge := events[2], events[3]
	words := ticket.Event{
		Ticket: s.id, Seq: 4, At: at(t, "01-12T11:00Z"), Action: ticket.ActionReply, By: ticket.By{Role: ticket.RoleFollower},
		From: merge.To, To: merge.To, Phase: merge.Phase, PublicContent: ticket.PublicContent{Message: "Words."},
	}
	unmerge.Seq = 5
	events = append(events[:3:3], words, unmerge)
	list, err := s.agreed.Clocks(events, at(t, "01-12T11:30Z"))
	require.NoError(t, err)
	require.Empty(t, list)
	list, err = s.agreed.Clocks(events, at(t, "01-12T12:30Z"))
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "running 01-12T12:00Z - 01-12T14:00Z - 1h30m0s", brief(list[0]))

	events[4].Answer = true // the unmerge answers them
	list, err = s.agreed.Clocks(events, at(t, "01-12T12:30Z"))
	require.NoError(t, err)
	require.Empty(t, list)
}

// The words of a merge or of an unmerge are an answer, too.
func TestAMergeAndAnUnmergeCanAnswer(t *testing.T) {
	const h = time.Hour
	spec := promise(berlin, within(sla.MetricFirstAnswer, 4*h), within(sla.MetricNextAnswer, 4*h), within(sla.MetricUpdate, 4*h))
	merge := func(s *story, when string, words ticket.Message) *story {
		into := s.other("01-12T07:00Z")
		s.Helper()
		return s.do(when, agent, ticket.Action{Name: ticket.ActionMerge, Ticket: into, Message: words})
	}
	unmerge := func(words ticket.Message) ticket.Action {
		return ticket.Action{Name: ticket.ActionUnmerge, Message: words}
	}
	for _, tc := range []struct {
		name  string
		story func(*story)
		want  []string
	}{
		{"the merge is the first answer", func(s *story) {
			merge(s.open("01-12T08:00Z"), "01-12T09:00Z", "Please see the other one.").do("01-12T11:00Z", agent, unmerge(""))
		}, []string{
			"first answer met 01-12T08:00Z 01-12T09:00Z 01-12T12:00Z - 3h0m0s",
			"update running 01-12T11:00Z - 01-12T15:00Z - 3h0m0s",
		}},
		{"the unmerge is the first answer", func(s *story) {
			merge(s.open("01-12T08:00Z"), "01-12T09:00Z", "").do("01-12T11:00Z", agent, unmerge("It is another case."))
		}, []string{
			"first answer met 01-12T08:00Z 01-12T11:00Z 01-12T14:00Z - 3h0m0s",
			"update running 01-12T11:00Z - 01-12T15:00Z - 3h0m0s",
		}},
		{"the merge answers a question", func(s *story) {
			s.open("01-12T08:00Z").reply("01-12T08:10Z", agent).reply("01-12T08:20Z", ada)
			merge(s, "01-12T09:00Z", "Please see the other one.").do("01-12T11:00Z", agent, unmerge(""))
		}, []string{
			"first answer met 01-12T08:00Z 01-12T08:10Z 01-12T12:00Z - 3h50m0s",
			"update met 01-12T08:10Z 01-12T09:00Z 01-12T12:10Z - 3h10m0s",
			"next answer void 01-12T08:20Z 01-12T09:00Z - - 3h20m0s",
			"update running 01-12T11:00Z - 01-12T15:00Z - 3h0m0s",
		}},
		{"the unmerge answers a question", func(s *story) {
			s.open("01-12T08:00Z").reply("01-12T08:10Z", agent).reply("01-12T08:20Z", ada)
			merge(s, "01-12T09:00Z", "").do("01-12T11:00Z", agent, unmerge("It is another case."))
		}, []string{
			"first answer met 01-12T08:00Z 01-12T08:10Z 01-12T12:00Z - 3h50m0s",
			"update met 01-12T08:10Z 01-12T11:00Z 01-12T14:10Z - 3h10m0s",
			"next answer met 01-12T08:20Z 01-12T11:00Z 01-12T14:20Z - 3h20m0s",
			"update running 01-12T11:00Z - 01-12T15:00Z - 3h0m0s",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStory(t, spec)
			tc.story(s)
			var got []string
			for _, c := range s.clocks("01-12T12:00Z") {
				got = append(got, string(c.Metric)+" "+brief(c))
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestErasedWordsStillCount(t *testing.T) {
	s := newStory(t, promise(berlin, within(sla.MetricNextAnswer, 2*time.Hour)))
	events := s.open("01-12T08:00Z").reply("01-12T09:00Z", agent).reply("01-12T10:00Z", ada).events()
	for i := range events {
		events[i] = events[i].Erase(ticket.Groups{PublicContent: true, InternalContent: true, Identities: true})
	}
	list, err := s.agreed.Clocks(events, at(t, "01-12T10:00Z"))
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "running 01-12T10:00Z - 01-12T12:00Z - 2h0m0s", brief(list[0]))
}

func TestAPolicyThatStopsPromisingVoids(t *testing.T) {
	spec := promise(berlin, solveIn(8*time.Hour))
	spec.Policies[0].When.Priority = []ticket.Grade{ticket.GradeHigh}
	s := newStory(t, spec).open("01-12T08:00Z")
	require.Empty(t, s.clocks("01-12T09:00Z"))
	s.priority("01-12T09:00Z", ticket.GradeHigh)
	require.Equal(t, "running 01-12T08:00Z - 01-12T16:00Z - 7h0m0s", brief(s.one(sla.MetricSolution, "01-12T09:00Z")))
	s.priority("01-12T10:00Z", ticket.GradeLow)
	require.Equal(t, "void 01-12T08:00Z 01-12T10:00Z - - 6h0m0s", brief(s.one(sla.MetricSolution, "01-12T12:00Z")))
	s.priority("01-12T13:00Z", ticket.GradeHigh)
	require.Equal(t, "running 01-12T08:00Z - 01-12T16:00Z - 3h0m0s", brief(s.one(sla.MetricSolution, "01-12T13:00Z")))
}

func TestAChangeKeepsThePausesAndTheBreaches(t *testing.T) {
	s := newStory(t, byPriority(berlin, []sla.Target{solveIn(2 * time.Hour)}, []sla.Target{solveIn(8*time.Hour, onHold)}))
	s.open("01-12T08:00Z").hold("01-12T09:00Z", "vendor").priority("01-12T10:00Z", ticket.GradeHigh)
	c := s.one(sla.MetricSolution, "01-12T10:30Z")
	require.Equal(t, "running 01-12T08:00Z - 01-12T11:00Z - 30m0s", brief(c), "the new target does not pause, but the pause before it stays")

	s.priority("01-12T12:00Z", ticket.GradeLow)
	c = s.one(sla.MetricSolution, "01-12T15:00Z")
	require.Equal(t, "paused 01-12T08:00Z - - - 5h0m0s", brief(c))
	require.Equal(t, []sla.Breach{{At: at(t, "01-12T11:00Z"), Due: at(t, "01-12T11:00Z"), Policy: "urgent", Within: 2 * time.Hour}}, c.Earlier)

	s.priority("01-12T13:00Z", ticket.GradeHigh)
	c = s.one(sla.MetricSolution, "01-12T15:00Z")
	require.Equal(t, "running 01-12T08:00Z - 01-12T11:00Z 01-12T13:00Z -3h0m0s", brief(c))
	require.Len(t, c.Earlier, 1)
}

func TestThresholdsAreReachedInOpenTime(t *testing.T) {
	spec := byPriority(berlin, []sla.Target{solveIn(4 * time.Hour)}, []sla.Target{solveIn(8*time.Hour, onHold)})
	for i := range spec.Policies {
		spec.Policies[i].Targets[0].Thresholds = []sla.Threshold{
			tell(sla.Threshold{Before: 20 * time.Hour}), tell(sla.Threshold{Share: 75}), tell(sla.Threshold{Share: 100}), tell(sla.Threshold{After: 2 * time.Hour}),
		}
	}
	s := newStory(t, spec).open("01-12T08:00Z")
	reached := func(now string) (list []time.Time) {
		for _, th := range s.one(sla.MetricSolution, now).Thresholds {
			list = append(list, th.At)
		}
		return list
	}
	require.Equal(t, "01-12T08:00Z 01-12T14:00Z 01-12T16:00Z 01-13T10:00Z", instants(reached("01-12T08:00Z")...), "before the start means at the start")
	s.hold("01-12T12:00Z", "vendor")
	require.Equal(t, "01-12T08:00Z", instants(reached("01-12T12:00Z")...), "what a pause puts off has no instant")
	s.priority("01-12T13:00Z", ticket.GradeHigh)
	require.Equal(t, "01-12T08:00Z 01-12T13:00Z 01-12T13:00Z 01-12T15:00Z", instants(reached("01-12T13:00Z")...), "what a change puts into the past is reached at the change")
	s.resolve("01-12T14:00Z")
	require.Equal(t, "01-12T08:00Z 01-12T13:00Z 01-12T13:00Z", instants(reached("01-12T16:00Z")...), "what a stop prevents is not reached")
}

func TestATimelineRefusesGaps(t *testing.T) {
	s := newStory(t, promise(berlin, solveIn(time.Hour))).open("01-12T08:00Z").note("01-12T09:00Z").note("01-12T10:00Z")
	events := s.events()
	foreign := events[1]
	foreign.Ticket[0]++
	for _, tc := range []struct {
		next  ticket.Event
		fault string
	}{{events[0], "inserted"}, {events[2], "removed"}, {foreign, "inserted"}} {
		line := s.agreed.Timeline()
		require.NoError(t, line.Add(events[0]))
		before := line.Clocks(events[2].At)
		var data *ticket.ChainError
		require.ErrorAs(t, line.Add(tc.next), &data)
		require.Equal(t, tc.fault, data.Fault)
		require.Equal(t, events[0].Ticket, data.Ticket)
		require.Equal(t, before, line.Clocks(events[2].At))
		require.NoError(t, line.Add(events[1]))
	}
	_, err := s.agreed.Clocks(events[1:], events[2].At)
	require.ErrorIs(t, err, ticket.ErrChain)
	list, err := s.agreed.Clocks(nil, events[2].At)
	require.NoError(t, err)
	require.Empty(t, list)
}

// An event can be earlier than the one before it in histories of other sources.
func TestAClockNeverRunsBackwards(t *testing.T) {
	s := newStory(t, promise(always, within(sla.MetricFirstAnswer, time.Hour), solveIn(4*time.Hour, onHold)))
	events := s.open("01-12T08:00Z").hold("01-12T09:00Z", "vendor").resume("01-12T09:30Z").reply("01-12T10:00Z", agent).events()
	events[2].At, events[3].At = at(t, "01-12T08:15Z"), at(t, "01-12T07:00Z")
	list, err := s.agreed.Clocks(events, at(t, "01-12T09:00Z"))
	require.NoError(t, err)
	require.Equal(t, "met 01-12T08:00Z 01-12T09:00Z 01-12T09:00Z - 0s", brief(list[0]))
	require.Equal(t, "running 01-12T08:00Z - 01-12T12:00Z - 3h0m0s", brief(list[1]))
}

func TestACalendarThatEndsGivesNoDue(t *testing.T) {
	short := week("Europe/Berlin", businesshours.Week{}, businesshours.Day{Date: "2026-01-12", Open: []businesshours.Span{nineToFive}})
	s := newStory(t, promise(short, solveIn(3*time.Hour))).open("01-12T14:00Z")
	require.Equal(t, "running 01-12T14:00Z - - - 1h0m0s", brief(s.one(sla.MetricSolution, "01-14T14:00Z")))
	s.resolve("01-15T14:00Z")
	require.Equal(t, "met 01-12T14:00Z 01-15T14:00Z - - 1h0m0s", brief(s.one(sla.MetricSolution, "01-15T14:00Z")))
}

func TestTheZeroTimelineHasNoClocks(t *testing.T) {
	s := newStory(t, promise(berlin, solveIn(time.Hour))).open("01-12T08:00Z").note("01-12T09:00Z")
	var line sla.Timeline
	for _, e := range s.events() {
		require.NoError(t, line.Add(e))
	}
	require.Equal(t, s.id, line.Ticket().ID)
	require.Empty(t, line.Clocks(at(t, "01-12T12:00Z")))
	_, err := line.Explain(0, at(t, "01-12T12:00Z"))
	require.EqualError(t, err, "sla: clock: 0 is not the index of a clock; there are 0")
}

// The current time of a program has a zone and a monotonic reading, which JSON does not keep.
func TestTimesAreInUTC(t *testing.T) {
	s := newStory(t, promise(berlin, solveIn(time.Hour))).open("01-12T08:00Z")
	now := time.Now().In(time.FixedZone("", 3600))
	x, err := s.agreed.Explain(s.events(), 0, now)
	require.NoError(t, err)
	require.Equal(t, now.UTC().Round(0), x.AsOf)

	u, err := sla.UsageOf(s.events(), nil, now)
	require.NoError(t, err)
	require.Equal(t, now.UTC().Round(0), u.To)
}
