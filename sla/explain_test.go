package sla_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

func explained(t *testing.T) *story {
	t.Helper()
	spec := byPriority(lunch, []sla.Target{solveIn(4*time.Hour, onHold)}, []sla.Target{solveIn(8*time.Hour, onHold)})
	spec.Policies[0].Targets[0].Thresholds = []sla.Threshold{tell(sla.Threshold{Before: time.Hour})}
	s := newStory(t, spec)
	return s.open("01-12T08:00Z").hold("01-12T09:00Z", "vendor").resume("01-12T10:00Z").priority("01-12T10:30Z", ticket.GradeHigh)
}

func TestAnExplanationTellsWhatCounted(t *testing.T) {
	s := explained(t)
	x, err := s.agreed.Explain(s.events(), 0, at(t, "01-12T13:00Z"))
	require.NoError(t, err)
	require.Equal(t, `solution within 4h in calendar "hours", by policy "urgent", version 1
as of Mon 2026-01-12 14:00:00 +01:00: running, due Mon 2026-01-12 15:00:00 +01:00, 3h counted, 1h left
Mon 2026-01-12 09:00:00 +01:00  started by event 1, "open" by requester: 8h in calendar "hours", by policy "all"
Mon 2026-01-12 11:30:00 +01:00  changed by event 4, "edit" by agent, priority high: 4h in calendar "hours", by policy "urgent"
Mon 2026-01-12 14:00:00 +01:00  threshold: 1h before due
Mon 2026-01-12 09:00:00 +01:00 to Mon 2026-01-12 10:00:00 +01:00  counted 1h, total 1h
    Mon 2026-01-12 09:00:00 +01:00 to Mon 2026-01-12 10:00:00 +01:00  open 1h, total 1h
Mon 2026-01-12 10:00:00 +01:00 to Mon 2026-01-12 11:00:00 +01:00  paused: on hold, vendor
Mon 2026-01-12 11:00:00 +01:00 to Mon 2026-01-12 14:00:00 +01:00  counted 2h, total 3h
    Mon 2026-01-12 11:00:00 +01:00 to Mon 2026-01-12 12:00:00 +01:00  open 1h, total 1h
    Mon 2026-01-12 12:00:00 +01:00 to Mon 2026-01-12 13:00:00 +01:00  closed
    Mon 2026-01-12 13:00:00 +01:00 to Mon 2026-01-12 14:00:00 +01:00  open 1h, total 2h
Mon 2026-01-12 14:00:00 +01:00 to Mon 2026-01-12 15:00:00 +01:00  counted 1h, total 4h
    Mon 2026-01-12 14:00:00 +01:00 to Mon 2026-01-12 15:00:00 +01:00  open 1h, total 1h
`, x.String())

	s.priority("01-12T14:30Z", ticket.GradeLow).resolve("01-13T11:30Z").reopen("01-13T13:00Z").escalate("01-13T14:00Z")
	x, err = s.agreed.Explain(s.events(), 0, at(t, "01-13T15:00Z"))
	require.NoError(t, err)
	var got []string
	for _, m := range x.Moments {
		got = append(got, instants(m.At)+" "+m.String())
	}
	require.Equal(t, []string{
		`01-12T08:00Z started by event 1, "open" by requester: 8h in calendar "hours", by policy "all"`,
		`01-12T10:30Z changed by event 4, "edit" by agent, priority high: 4h in calendar "hours", by policy "urgent"`,
		`01-12T14:00Z missed: 4h by policy "urgent"`,
		`01-12T14:30Z changed by event 5, "edit" by agent, priority low: 8h in calendar "hours", by policy "all"`,
		`01-13T10:00Z missed: 8h by policy "all"`,
		`01-13T11:30Z stopped by event 6, "resolve" by agent: missed`,
		`01-13T13:00Z resumed by event 7, "reopen" by agent`,
	}, got)
	var kinds []sla.SpanKind
	for _, n := range x.Spans {
		kinds = append(kinds, n.Kind)
	}
	require.Equal(t, []sla.SpanKind{sla.SpanCounted, sla.SpanPaused, sla.SpanCounted, sla.SpanFinished, sla.SpanCounted}, kinds)
}

func TestAnExplanationIsAsOfItsTime(t *testing.T) {
	s := explained(t)
	x, err := s.agreed.Explain(s.events(), 0, at(t, "01-12T09:30Z"))
	require.NoError(t, err)
	require.Equal(t, "paused 01-12T08:00Z - - - 7h0m0s", brief(x.Clock))
	require.Len(t, x.Moments, 1)
	require.Equal(t, []sla.SpanKind{sla.SpanCounted, sla.SpanPaused}, []sla.SpanKind{x.Spans[0].Kind, x.Spans[1].Kind})
	require.Equal(t, "01-12T09:00Z 01-12T09:30Z", instants(x.Spans[1].From, x.Spans[1].To))

	for _, i := range []int{-1, 1} {
		_, err = s.agreed.Explain(s.events(), i, at(t, "01-12T09:30Z"))
		require.ErrorIs(t, err, sla.ErrInvalid)
	}
	_, err = s.agreed.Explain(s.events()[1:], 0, at(t, "01-12T09:30Z"))
	require.ErrorIs(t, err, ticket.ErrChain)
}

// A pause of no length splits nothing, and pauses of different reasons are different spans.
func TestExplainJoinsEqualSpans(t *testing.T) {
	s := newStory(t, promise(berlin, solveIn(4*time.Hour, onHold))).open("01-12T08:00Z")
	s.hold("01-12T09:00Z", "vendor").resume("01-12T09:00Z").hold("01-12T10:00Z", "vendor").hold("01-12T10:30Z", "date")
	s.resume("01-12T10:45Z").hold("01-12T10:45Z", "date")
	x, err := s.agreed.Explain(s.events(), 0, at(t, "01-12T11:00Z"))
	require.NoError(t, err)
	var got []string
	for _, span := range x.Spans {
		got = append(got, instants(span.From, span.To)+" "+span.String())
	}
	require.Equal(t, []string{
		"01-12T08:00Z 01-12T10:00Z counted 2h, total 2h",
		"01-12T10:00Z 01-12T10:30Z paused: on hold, vendor",
		"01-12T10:30Z 01-12T11:00Z paused: on hold, date",
	}, got)
}

func TestExplanationsAndClocksHaveAJSONForm(t *testing.T) {
	s := explained(t).priority("01-12T14:30Z", ticket.GradeLow)
	x, err := s.agreed.Explain(s.events(), 0, at(t, "01-12T15:00Z"))
	require.NoError(t, err)
	require.Len(t, x.Clock.Earlier, 1)
	data, err := json.Marshal(x)
	require.NoError(t, err)
	var back sla.Explanation
	require.NoError(t, json.Unmarshal(data, &back))
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.JSONEq(t, string(data), string(again))
	require.Equal(t, x.String(), back.String())
	require.Equal(t, x.Clock.Earlier, back.Clock.Earlier)

	data, err = json.Marshal(x.Clock)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"metric": "solution", "event": 1, "policy": "all", "version": 1, "within": "8h0m0s", "calendar": "hours", "state": "running",
		"started": "2026-01-12T08:00:00Z", "due": "2026-01-13T10:00:00Z", "counted": "5h0m0s", "left": "3h0m0s",
		"earlier": [{"at": "2026-01-12T14:00:00Z", "due": "2026-01-12T14:00:00Z", "policy": "urgent", "within": "4h0m0s"}]
	}`, string(data))
}

// A caller can change what it got.
func TestResultsShareNothing(t *testing.T) {
	s := explained(t)
	line, err := s.agreed.AsOf(s.events(), at(t, "01-12T13:00Z"))
	require.NoError(t, err)
	now := at(t, "01-12T13:00Z")
	first, err := json.Marshal(line.Clocks(now))
	require.NoError(t, err)
	c := line.Clocks(now)[0]
	c.Thresholds[0].Threshold.Do[0].Tell = "nobody"
	c.Thresholds[0].At = now
	x, err := line.Explain(0, now)
	require.NoError(t, err)
	x.Clock.Thresholds[0].Threshold.Do[0].Tell = "nobody"
	for i := range x.Moments {
		if m := &x.Moments[i]; m.Kind == sla.MomentThreshold {
			m.Threshold.Do[0].Tell = "nobody"
		}
	}
	again, err := json.Marshal(line.Clocks(now))
	require.NoError(t, err)
	require.JSONEq(t, string(first), string(again))
}
