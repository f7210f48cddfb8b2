package report_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

func TestFirstAnswerIsOfAnAgentAndNotAutomatic(t *testing.T) {
	r := reportOn(t, march,
		history(opened("02 09:00"), event("02 09:10", ticket.StatusNew, answer, automatic), event("02 09:30", ticket.StatusOpen, answer)),
		history(opened("02 09:00"), event("02 11:00", ticket.StatusResolved, answer)),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusOpen)),      // still waits
		history(opened("02 09:00"), event("02 10:00", ticket.StatusCancelled)), // nobody answered
		history(opened("02 09:00"), event("02 09:01", ticket.StatusClosed, mergedInto(1))),
		history(func(e *ticket.Event) { opened("01 00:00")(e); e.At = march.From.Add(-time.Second) }, event("02 09:00", ticket.StatusOpen, answer)), // of February
	)
	require.Equal(t, []string{"answered | 2 | 1800 | 7200 | exact", "waiting | 1 |  |  | ", "finished without an answer | 1 |  |  | "}, rows(t, r, "first answer"))
	require.Equal(t, 1, r.Merged())
}

func TestNextAnswerCountsFromTheFirstUnansweredWords(t *testing.T) {
	r := reportOn(t, march,
		history(opened("02 09:00", words), event("02 09:30", ticket.StatusOpen, words), // before the first answer
			event("02 10:00", ticket.StatusOpen, answer),
			event("02 11:00", ticket.StatusOpen, words),
			event("02 11:30", ticket.StatusOpen, words),
			event("02 11:40", ticket.StatusOpen, answer, automatic),
			event("02 12:00", ticket.StatusOpen, answer), // after an hour
			event("02 13:00", ticket.StatusOpen, words, automatic),
			event("02 14:00", ticket.StatusOpen, words),
			event("02 14:01", ticket.StatusResolved, answer), // after a minute: a solution is an answer
			event("03 09:00", ticket.StatusResolved, words),  // thanks
			event("04 09:00", ticket.StatusQueued, words),
			event("04 10:00", ticket.StatusCancelled)),
		history(opened("02 09:00", answer), event("31 23:00", ticket.StatusOpen, words)),
	)
	require.Equal(t, []string{"answered | 2 | 60 | 3600 | exact", "waiting | 1 |  |  | ", "finished without an answer | 1 |  |  | "}, rows(t, r, "next answer"))
}

func TestSolutionHasAFirstAndALast(t *testing.T) {
	r := reportOn(t, march,
		history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved), event("03 09:00", ticket.StatusQueued, act(ticket.ActionReopen)),
			event("04 09:00", ticket.StatusResolved), event("05 09:00", ticket.StatusClosed)),
		history(opened("02 09:00"), event("02 11:00", ticket.StatusResolved), event("03 09:00", ticket.StatusQueued, act(ticket.ActionReopen))), // open again
		history(opened("02 09:00"), event("02 11:00", ticket.StatusCancelled)),
		history(opened("02 09:00"), event("02 12:00", ticket.StatusResolved), event("02 13:00", ticket.StatusResolved, act(ticket.ActionResolve))),
	)
	require.Equal(t, []string{"first | 3 | 7200 | 10800 | exact", "last | 2 | 14400 | 172800 | exact"}, rows(t, r, "solution"))
	reopened := rows(t, r, "reopened")
	require.Len(t, reopened, 12)
	require.Equal(t, "2026-03 | 4 | 2 | 50 | 2 | 50", reopened[11])
	require.Equal(t, "2026-02 | 0 | 0 |  | 0 | ", reopened[10])
}

func TestFirstContactHasTwoVariants(t *testing.T) {
	r := reportOn(t, march,
		history(opened("02 09:00", func(e *ticket.Event) {
			e.To.Status, e.Phase, e.Answer = ticket.StatusResolved, ticket.PhaseSolved, true
		})),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved, answer)),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusOpen, answer), event("02 11:00", ticket.StatusResolved, answer)),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusQueued, level(2)), event("02 11:00", ticket.StatusResolved, answer)),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusQueued, queue("billing")), event("02 11:00", ticket.StatusResolved, answer)),
		history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved, answer), event("03 10:00", ticket.StatusQueued)),
	)
	require.Equal(t, []string{"on opening | 1 | 6 | 16.7", "one answer | 2 | 6 | 33.3"}, rows(t, r, "first contact"))
}

func TestBacklogIsByAgeAtTheEndOfEachDay(t *testing.T) {
	r := reportOn(t, march,
		history(opened("01 12:00"), event("11 12:00", ticket.StatusResolved)),
		history(opened("01 12:00"), event("02 00:00", ticket.StatusResolved)), // the next day
		history(opened("01 12:00"), event("01 23:59", ticket.StatusResolved)),
		history(opened("01 12:00"), event("05 12:00", ticket.StatusClosed, mergedInto(1))),
	)
	days := rows(t, r, "backlog")
	require.Len(t, days, 31)
	require.Equal(t, "2026-03-01 | 3 | 0 | 0 | 0 | 0 | 0 | 3", days[0])
	require.Equal(t, "2026-03-02 | 0 | 2 | 0 | 0 | 0 | 0 | 2", days[1])
	require.Equal(t, "2026-03-04 | 0 | 0 | 2 | 0 | 0 | 0 | 2", days[3])
	require.Equal(t, "2026-03-05 | 0 | 0 | 1 | 0 | 0 | 0 | 1", days[4])
	require.Equal(t, "2026-03-08 | 0 | 0 | 0 | 1 | 0 | 0 | 1", days[7])
	require.Equal(t, "2026-03-11 | 0 | 0 | 0 | 0 | 0 | 0 | 0", days[10])
}

func TestFlowLeadsFromOneBacklogToTheNext(t *testing.T) {
	r := reportOn(t, march,
		history(func(e *ticket.Event) { opened("01 00:00")(e); e.At = march.From.Add(-time.Hour) }, event("02 12:00", ticket.StatusResolved)),
		history(opened("01 00:00"), event("02 12:00", ticket.StatusCancelled), event("02 13:00", ticket.StatusQueued)),
		history(opened("02 12:00"), event("02 13:00", ticket.StatusClosed, mergedInto(1)), event("03 12:00", ticket.StatusQueued, func(e *ticket.Event) {
			e.Set.MergedInto = &ticket.ID{}
		})),
	)
	days := rows(t, r, "flow by day")
	require.Equal(t, "2026-03-01 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 2", days[0])
	require.Equal(t, "2026-03-02 | 2 | 1 | 1 | 0 | 1 | 1 | 1 | 2 | 3 | 1", days[1])
	require.Equal(t, "2026-03-03 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 1 | 0 | 2", days[2])
	require.Equal(t, []string{"2026-03 | 1 | 2 | 1 | 1 | 1 | 1 | 1 | 4 | 3 | 2"}, rows(t, r, "flow by month"))
}

func TestLevelMovesAreOfOpenTickets(t *testing.T) {
	r := reportOn(t, march, history(opened("02 09:00"), event("02 10:00", ticket.StatusQueued, level(2)), event("02 11:00", ticket.StatusQueued, level(3)),
		event("02 12:00", ticket.StatusQueued, level(2)), event("02 12:00", ticket.StatusQueued, level(3)),
		event("02 13:00", ticket.StatusResolved), event("02 14:00", ticket.StatusResolved, level(1))))
	require.Equal(t, []string{"1 | 2 | 1", "2 | 3 | 2", "3 | 2 | 1"}, rows(t, r, "level moves"))
}

func TestTimesAddUp(t *testing.T) {
	cfg := march
	cfg.Hours = officeHours{}
	r := reportOn(t, cfg, history(opened("02 09:00", queue("help")), event("02 10:00", ticket.StatusOpen), event("02 16:00", ticket.StatusWaiting, answer),
		event("03 10:00", ticket.StatusOpen, words), event("03 11:00", ticket.StatusOnHold, queue("net"), level(2)), event("03 12:00", ticket.StatusResolved),
		event("03 13:00", ticket.StatusQueued, act(ticket.ActionReopen)), event("03 14:00", ticket.StatusResolved), event("04 14:00", ticket.StatusClosed)))
	require.Equal(t, []string{
		"desk | 1 | 32400 | 32400 | 32400 | 31 | exact",
		"customer | 1 | 64800 | 64800 | 64800 | 62.1 | exact",
		"others | 1 | 3600 | 3600 | 3600 | 3.4 | exact",
		"finished | 1 | 3600 | 3600 | 3600 | 3.4 | exact",
		"all | 1 | 104400 | 104400 | 104400 | 100 | exact",
	}, rows(t, r, "time by holder"))
	inHours, ok := r.TableInHours("time by holder")
	require.True(t, ok)
	require.Equal(t, "business hours: office", inHours.Clock)
	require.Equal(t, []string{
		"desk | 1 | 32400 | 32400 | 32400 | 69.2 | exact",
		"customer | 1 | 7200 | 7200 | 7200 | 15.4 | exact",
		"others | 1 | 3600 | 3600 | 3600 | 7.7 | exact",
		"finished | 1 | 3600 | 3600 | 3600 | 7.7 | exact",
		"all | 1 | 46800 | 46800 | 46800 | 100 | exact",
	}, texts(inHours))
	require.Equal(t, []string{"1 | 1 | 93600 | 93600 | 93600 | 89.7 | exact", "2 | 1 | 7200 | 7200 | 7200 | 6.9 | exact"}, rows(t, r, "time by level"))
	require.Equal(t, []string{"help | 1 | 93600 | 93600 | 93600 | 89.7 | exact", "net | 1 | 7200 | 7200 | 7200 | 6.9 | exact"}, rows(t, r, "time by queue"))
	require.Equal(t, []string{
		"received | 1 | 3600 | 3600 | 3600 | 3.4 | exact", "in progress | 1 | 32400 | 32400 | 32400 | 31 | exact",
		"your turn | 1 | 64800 | 64800 | 64800 | 62.1 | exact", "solved | 1 | 3600 | 3600 | 3600 | 3.4 | exact",
	}, rows(t, r, "time by phase"))
}

func TestStatusesOfOwnWorkflowsCanBeOnHold(t *testing.T) {
	cfg := march
	cfg.OnHold = []ticket.Status{"at the vendor"}
	r := reportOn(t, cfg, history(opened("02 09:00"), event("02 10:00", "at the vendor", func(e *ticket.Event) { e.Phase = ticket.PhaseInProgress }),
		event("02 11:00", ticket.StatusOnHold), event("02 12:00", ticket.StatusResolved)))
	require.Equal(t, "others | 1 | 3600 | 3600 | 3600 | 33.3 | exact", rows(t, r, "time by holder")[1])
}

func TestTargetsAreThoseOfRecordedClocks(t *testing.T) {
	due := at("02 12:00")
	c := func(metric, state string, event int64, missed int, breached, due time.Time) ticket.Clock {
		return ticket.Clock{Metric: metric, Policy: "gold", State: state, Event: event, Missed: missed, Breached: breached, Due: due}
	}
	r := reportOn(t, march,
		history(
			opened("02 09:00", clocks(c("first answer", "running", 1, 0, time.Time{}, due), c("solution", "running", 1, 0, time.Time{}, due), c("level", "running", 1, 0, time.Time{}, due))),
			event("02 10:00", ticket.StatusOpen, answer, clocks(c("first answer", "met", 1, 0, time.Time{}, due), c("update", "running", 2, 0, time.Time{}, due))),
			event("02 11:00", ticket.StatusOpen, answer, clocks(c("update", "running", 3, 0, time.Time{}, due))),            // met
			event("02 13:00", ticket.StatusOpen, answer, clocks(c("update", "running", 4, 1, time.Time{}, at("31 00:00")))), // missed
			event("02 14:00", ticket.StatusQueued, level(2), clocks(c("level", "running", 5, 1, time.Time{}, march.To))),    // missed
			event("02 15:00", ticket.StatusResolved, clocks(c("solution", "missed", 1, 0, due, due))),
			event("02 16:00", ticket.StatusQueued, clocks(c("solution", "paused", 1, 0, due, due))), // goes on
		),
		history(opened("02 09:00", clocks(c("first answer", "running", 1, 0, time.Time{}, due))), event("02 11:00", ticket.StatusCancelled, clocks(c("first answer", "void", 1, 0, time.Time{}, due)))),
	)
	require.Equal(t, []string{
		"first answer | gold | 1 | 0 | 0 | 0 | 1 | 100",
		"update | gold | 1 | 1 | 1 | 0 | 0 | 33.3",
		"solution | gold | 0 | 0 | 1 | 0 | 0 | 0",
		"level | gold | 0 | 1 | 0 | 1 | 0 | 0",
	}, rows(t, r, "targets"))
}

func TestFiguresPerAgentAreOffAndSuppressedBelowFive(t *testing.T) {
	var all [][]ticket.Event
	for range 5 {
		all = append(all, history(opened("02 09:00"), event("02 10:00", ticket.StatusOpen, answer, by("lin")), event("02 11:00", ticket.StatusOpen, answer, automatic, by("max"))))
	}
	for range 4 {
		all = append(all, history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved, answer, by("eve"))))
	}
	all = append(all, history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved, by("lin"))))
	_, ok := reportOn(t, march, all...).Table("agents")
	require.False(t, ok)
	cfg := march
	cfg.Agents = true
	require.Equal(t, []string{"lin | 5 | "}, rows(t, reportOn(t, cfg, all...), "agents"))
}

func TestConfigNamesTheFieldThatIsWrong(t *testing.T) {
	change := func(f func(c *report.Config)) report.Config {
		c := march
		f(&c)
		return c
	}
	for field, cfg := range map[string]report.Config{
		"report.from":   change(func(c *report.Config) { c.From = time.Time{} }),
		"report.now":    change(func(c *report.Config) { c.Now = time.Time{} }),
		"report.to":     change(func(c *report.Config) { c.Now = c.To.Add(-time.Second) }), // the month is not over
		"report.zone":   change(func(c *report.Config) { c.Zone = time.Local }),
		"report.tenant": change(func(c *report.Config) { c.Tenant, c.AllTenants = "a", true }),
	} {
		_, err := report.New(cfg)
		var invalid *ticket.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	for _, to := range []time.Time{march.From, march.From.Add(-time.Hour), march.From.AddDate(11, 0, 0)} {
		_, err := report.New(change(func(c *report.Config) { c.To, c.Now = to, march.From.AddDate(20, 0, 0) }))
		require.ErrorContains(t, err, "report.to")
	}
}

func TestAGapInAHistoryIsAChainError(t *testing.T) {
	r := reportOn(t, march)
	before := asJSON(t, r)
	whole := history(opened("02 09:00"), event("02 10:00", ticket.StatusOpen), event("02 11:00", ticket.StatusResolved))
	for name, broken := range map[string][]ticket.Event{
		"a gap": {whole[0], whole[2]}, "no beginning": whole[1:], "another ticket": {whole[0], history(opened("02 09:00"), opened("02 09:00"))[1]},
	} {
		var chain *ticket.ChainError
		require.ErrorAs(t, r.Add(broken), &chain, name)
		require.ErrorIs(t, r.Add(broken), ticket.ErrChain)
	}
	require.Equal(t, before, asJSON(t, r))
	require.NoError(t, r.Add(nil))
	require.NoError(t, r.Add(whole))
	require.ErrorIs(t, r.Add(whole), ticket.ErrInvalid, "twice")
}

func TestRunEndsWithTheErrorOfTheStream(t *testing.T) {
	failed := errors.New("the disk is gone")
	var shown int
	cfg := march
	cfg.Progress = func(tickets, _ int) { shown = tickets }
	r := reportOn(t, cfg)
	err := r.Run(t.Context(), func(yield func([]ticket.Event, error) bool) {
		if yield(history(opened("02 09:00")), nil) {
			yield(nil, failed)
		}
	})
	require.ErrorIs(t, err, failed)
	require.Equal(t, 1, shown)
}

func TestTenantsAreApart(t *testing.T) {
	acme := history(opened("02 09:00", func(e *ticket.Event) { e.Set.Tenant = "acme" }))
	other := history(opened("02 09:00"))
	count := func(cfg report.Config) string {
		return rows(t, reportOn(t, cfg, acme, other, history(opened("02 09:00"))), "first answer")[1]
	}
	cfg := march
	require.Equal(t, "waiting | 2 |  |  | ", count(cfg))
	cfg.Tenant = "acme"
	require.Equal(t, "waiting | 1 |  |  | ", count(cfg))
	cfg.Tenant, cfg.AllTenants = "", true
	require.Equal(t, "waiting | 3 |  |  | ", count(cfg))
}
