package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/internal/incidents"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
)

func TestSample(t *testing.T) {
	for _, args := range [][]string{nil, {"-store", "memory"}, {"-store", "sqlite"}} {
		var out, notes bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out, &notes))
		assert.Equal(t, sampleFigures, out.String(), "%q", args)
		assert.Regexp(t, `^45 events in \S+, \d+/s; read back and verified in \S+\n$`, notes.String())
	}
}

func TestServiceLevelsOfTheSample(t *testing.T) {
	for _, store := range []string{"memory", "sqlite"} {
		var out, notes bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-store", store, "-sla", "sample-policy.json"}, &out, &notes))
		assert.Equal(t, sampleFigures+sampleServiceLevels, out.String(), store)
		assert.Regexp(t, `\nservice levels of 7 tickets in \S+\n$`, notes.String())
	}
}

const sampleServiceLevels = `
targets by metric                met  missed    late running    void     met
first answer                       3       2       1       0       1   50.0%
solution                           4       1       1       0       1   66.7%
level                             11       2       1       0       1   78.6%

by metric and policy             met  missed    late running    void     met
first answer, pressing             0       2       0       0       0    0.0%
first answer, usual                3       0       1       0       1   75.0%
solution, pressing                 1       1       0       0       0   50.0%
solution, usual                    3       0       1       0       1   75.0%
level, pressing                    8       2       0       0       0   80.0%
level, usual                       3       0       1       0       1   75.0%

by metric and level              met  missed    late running    void     met
first answer, level 1              3       0       1       0       1   75.0%
first answer, level 2              0       1       0       0       0    0.0%
first answer, level 3              0       1       0       0       0    0.0%
solution, level 1                  3       0       1       0       1   75.0%
solution, level 2                  1       0       0       0       0  100.0%
solution, level 3                  0       1       0       0       0    0.0%
level, level 1                     7       0       1       0       1   87.5%
level, level 2                     3       1       0       0       0   75.0%
level, level 3                     1       1       0       0       0   50.0%

by queue, most missed first      met  missed    late running    void     met
desk, first answer                 3       0       1       0       1   75.0%
developers, first answer           0       1       0       0       0    0.0%
networks, first answer             0       1       0       0       0    0.0%
desk, solution                     3       0       1       0       1   75.0%
developers, solution               0       1       0       0       0    0.0%
desk, level                        7       0       1       0       1   87.5%
developers, level                  1       1       0       0       0   50.0%
networks, level                    3       1       0       0       0   75.0%
networks, solution                 1       0       0       0       0  100.0%

time used, calendar office         hours   share
desk, level 1                       86.2   13.1%
desk, level 2                        1.7    0.3%
desk, level 3                        8.0    1.2%
customer                             5.0    0.8%
others, other                        1.0    0.2%
others, scheduled work              10.0    1.5%
others, vendor                      10.0    1.5%
finished                            59.0    9.0%
closed hours                       475.7   72.4%
total                              656.6  100.0%

clocks as recorded          7
time adds up                7
`

func TestPoliciesThatCannotBeRead(t *testing.T) {
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "policy.json")
	require.ErrorIs(t, run(t.Context(), []string{"-sla", path}, &out, &out), os.ErrNotExist)
	for _, c := range []struct{ policy, want string }{
		{`{"name": "x", "versions": 1}`, `: sla: agreement "x": has the unknown name "versions"; the names are calendars, name, policies, version`},
		{
			`{"name": "x", "version": 1, "policies": [{"name": "y", "targets": [{"metric": "solution", "within": "1h", "pause": [{"status": "lost"}]}]}]}`,
			`: sla: agreement "x": policies[0].targets[0].pause[0].status: "lost"`,
		},
	} {
		require.NoError(t, os.WriteFile(path, []byte(c.policy), 0o600))
		require.ErrorContains(t, run(t.Context(), []string{"-sla", path}, &out, &out), path+c.want)
	}
	assert.Empty(t, out.String())
}

// Clocks and times that differ are found.
func TestFaultsOfServiceLevelsAreFound(t *testing.T) {
	a, err := readPolicy("sample-policy.json")
	require.NoError(t, err)
	rows, err := incidents.Read(strings.NewReader(sample))
	require.NoError(t, err)
	p, err := incidents.NewReplayer(memstore.New(), a)
	require.NoError(t, err)
	for _, r := range rows {
		require.NoError(t, p.Follow(t.Context(), r))
	}
	spec := a.Spec()
	for i := range spec.Policies {
		for j := range spec.Policies[i].Targets {
			if m := &spec.Policies[i].Targets[j]; m.Metric == sla.MetricFirstAnswer {
				m.Within += time.Minute
			}
		}
	}
	s, err := measure(t.Context(), p.Desk, spec.MustCompile(), len(p.Tickets), p.Now, func(int, int) {})
	require.NoError(t, err)
	assert.Zero(t, s.same)
	require.ErrorContains(t, s.faults, "clocks differ from those of the history: [")
}

const sampleFigures = `rows                       32, 0 skipped
actions                    38, 0 refused
tickets                     7
events                     45
moves between levels        7
  from 1 to 2               4
  from 1 to 3               0
  from 2 to 1               0
  from 2 to 3               1
  from 3 to 1               2
  from 3 to 2               0
reopenings                  2
  tickets reopened          1
solved or closed            6
  in the first call         1
  resolved                  1
  closed                    3
  cancelled                 1
still in work               1
chains verified             7
equal to their fold         7
`

// The log is not part of this repository. With a copy next to it, the log is replayed
// here in memory, and in internal/dbtests on every database.
func TestLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "shared", "data", "volvo-incidents-half.csv.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the log is not there")
	}
	var out, notes bytes.Buffer
	require.NoError(t, run(t.Context(), []string{path}, &out, &notes))
	assert.Equal(t, logFigures, out.String())
}

const logFigures = `rows                    32640, 0 skipped
actions                 33307, 0 refused
tickets                  3772
events                  37079
moves between levels     2449
  from 1 to 2            1341
  from 1 to 3              92
  from 2 to 1             740
  from 2 to 3             141
  from 3 to 1              51
  from 3 to 2              84
reopenings                296
  tickets reopened        252
solved or closed         3766
  in the first call       938
  resolved                 39
  closed                 2788
  cancelled                 1
still in work               6
chains verified          3772
equal to their fold      3772
`

// Every ticket of the log has the clocks of the simulation and a time that adds up. The
// figures of the service levels are in docs/measurements.md.
func TestServiceLevelsOfTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "shared", "data", "volvo-incidents-half.csv.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the log is not there")
	}
	var out, notes bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-sla", "volvo-policy.json", path}, &out, &notes))
	assert.Equal(t, logFigures+`
targets by metric                met  missed    late running    void     met
first answer                    2874     895       3       0       0   76.2%
update                          1823     118       1       2       0   93.9%
solution                        3417     348       3       3       1   90.7%
level                           7809     960       5       1       1   89.0%

by metric and policy             met  missed    late running    void     met
first answer, critical             0       2       0       0       0    0.0%
first answer, high                67      64       1       0       0   50.8%
first answer, low               1276     360       1       0       0   77.9%
first answer, medium            1531     469       1       0       0   76.5%
update, high                      54       9       0       1       0   85.7%
update, low                      937      30       1       0       0   96.8%
update, medium                   832      79       0       1       0   91.3%
solution, critical                 0       2       0       0       0    0.0%
solution, high                    92      37       2       0       1   70.2%
solution, low                   1566      69       0       2       0   95.8%
solution, medium                1759     240       1       1       0   87.9%
level, critical                   11       2       0       0       0   84.6%
level, high                      346      60       2       0       1   84.8%
level, low                      3098     369       2       0       0   89.3%
level, medium                   4354     529       1       1       0   89.1%

by metric and level              met  missed    late running    void     met
first answer, level 1           2209     469       3       0       0   82.4%
first answer, level 2            572     349       0       0       0   62.1%
first answer, level 3             93      77       0       0       0   54.7%
update, level 1                 1263      51       1       1       0   96.0%
update, level 2                  456      54       0       0       0   89.4%
update, level 3                  104      13       0       1       0   88.9%
solution, level 1               2506     130       1       3       1   95.0%
solution, level 2                771     175       1       0       0   81.4%
solution, level 3                140      43       1       0       0   76.1%
level, level 1                  5567     580       4       1       1   90.5%
level, level 2                  1922     319       0       0       0   85.8%
level, level 3                   320      61       1       0       0   83.8%

by queue, most missed first      met  missed    late running    void     met
G97, level                       494     180       0       0       1   73.3%
G97, first answer                143     126       0       0       0   53.2%
S56, level                       120      43       0       0       0   73.6%
S56, first answer                 47      41       0       0       0   53.4%
V32 2nd, level                     4      41       0       0       0    8.9%
G97, solution                    249      27       0       0       1   90.2%
S49, first answer                  9      19       0       0       0   32.1%
V37 2nd, first answer              0      19       0       0       0    0.0%
V32 2nd, solution                  1      17       0       0       0    5.6%
V37 2nd, level                   104      17       0       0       0   86.0%
and 1653 more

time used, calendar office         hours   share
desk, level 1                    34266.9    4.4%
desk, level 2                    65562.4    8.5%
desk, level 3                    11795.6    1.5%
customer                         74055.8    9.6%
others, other                    22926.2    3.0%
others, scheduled work            6955.6    0.9%
others, vendor                    6067.6    0.8%
finished                          7323.6    0.9%
closed hours                    543248.9   70.4%
total                           772202.7  100.0%

clocks as recorded       3772
time adds up             3772
`, out.String())
}

func TestRefusedRowsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	long := strings.Repeat("x", 500) // too long for a subject
	log := strings.Join(incidents.Columns, ",") + "\n" +
		"1,2026-01-05T09:00:00Z,Accepted,In Progress,desk,1,Low,,,,lin\n" +
		long + ",2026-01-05T09:00:00Z,Accepted,In Progress,desk,1,Low,,,,lin\n"
	require.NoError(t, os.WriteFile(path, []byte(log), 0o600))
	var out, notes bytes.Buffer
	require.EqualError(t, run(t.Context(), []string{path}, &out, &notes), "1 rows were refused")
	assert.Contains(t, out.String(), "rows                        2, 1 skipped\n")
	assert.Contains(t, notes.String(), "draft.subject is 509 bytes long")
}

func TestMalformedLogsAreErrors(t *testing.T) {
	const head = "case,time,status,substatus,team,line,impact,product,country,owner_country,agent\n"
	const good = "1,2026-01-05T09:00:00Z,Accepted,In Progress,desk,1,Low,,,,lin\n"
	for _, c := range []struct{ name, log, want string }{
		{"empty", "", "the header line is missing: EOF"},
		{"column", strings.Replace(head, "agent", "owner", 1) + good, `column "agent" is missing`},
		{"short row", head + good + "1,2026\n", "row 2: record on line 3: wrong number of fields"},
		{"time", head + strings.Replace(good, "T09", " 09", 1), `row 1: time "2026-01-05 09:00:00Z" is not RFC 3339, such as 2006-01-02T15:04:05+01:00`},
		{"status", head + good + strings.Replace(good, "Accepted", "Lost", 1), `row 2: status "Lost" with substatus "In Progress" is not known`},
		{"line", head + strings.Replace(good, "desk,1", "desk,4", 1), `row 1: line "4" is not 1 to 3`},
		{"no line", head + strings.Replace(good, "desk,1", "desk,", 1), `row 1: line "" is not 1 to 3`},
		{"impact", head + strings.Replace(good, "Low", "low", 1), `row 1: impact "low" is not Low, Medium, High or Major`},
		{"case", head + strings.Replace(good, "1,", ",", 1), "row 1: case is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := incidents.Read(strings.NewReader(c.log))
			require.EqualError(t, err, c.want)
		})
	}
	var out bytes.Buffer
	require.Error(t, run(t.Context(), []string{"a", "b"}, &out, &out))
	require.Error(t, run(t.Context(), []string{filepath.Join(t.TempDir(), "none.csv")}, &out, &out))

	require.EqualError(t, run(t.Context(), []string{"-store", "paper"}, &out, &out), `-store "paper" is not memory, sqlite, postgres or mysql`)
	require.EqualError(t, run(t.Context(), []string{"-store", "postgres"}, &out, &out), "-store postgres needs -dsn, the name of an empty database")
	require.EqualError(t, run(t.Context(), []string{"-dsn", "file.db"}, &out, &out), "-dsn is not allowed with -store memory")
	dsn := "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "tickets.db"))
	require.NoError(t, run(t.Context(), []string{"-store", "sqlite", "-dsn", dsn}, &out, &out))
	require.EqualError(t, run(t.Context(), []string{"-store", "sqlite", "-dsn", dsn}, &out, &out),
		"the database must be empty, but has tickets")
}

func TestMissingAgentsAndTeamsAreUnknown(t *testing.T) {
	rows, err := incidents.Read(strings.NewReader("\ufeff" + strings.Join(incidents.Columns, ",") + "\n1,2026-01-05T09:00:00Z,Accepted,In Progress,,1,Low,,,,\n"))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, "unknown", rows[0].Team)
	assert.Equal(t, "unknown", rows[0].Agent)
}

func TestRowsAreSortedByTime(t *testing.T) {
	// The third row is earlier than the first, in another offset. The fourth is
	// earlier than the rows of its case before it.
	rows, err := incidents.Read(strings.NewReader(strings.Join(incidents.Columns, ",") + `
1,2026-01-05T09:00:00+01:00,Accepted,In Progress,desk,1,Low,,,,a
1,2026-01-05T09:00:00+01:00,Accepted,In Progress,desk,1,Low,,,,b
2,2026-01-05T09:30:00+02:00,Accepted,In Progress,desk,1,Low,,,,c
1,2026-01-05T08:00:00+01:00,Accepted,In Progress,desk,1,Low,,,,d
`))
	require.NoError(t, err)
	agents := ""
	for i, r := range rows {
		agents += r.Agent
		assert.False(t, i > 0 && r.Time.Before(rows[i-1].Time))
	}
	assert.Equal(t, "cabd", agents)
}

// states are all states of the log, repeated so that the test does not depend on the
// table that it tests.
var states = map[string]ticket.Status{
	"Accepted/In Progress": "open", "Accepted/Assigned": "open",
	"Accepted/Wait": "on hold", "Accepted/Wait - Implementation": "on hold", "Accepted/Wait - Vendor": "on hold",
	"Accepted/Wait - User": "waiting", "Accepted/Wait - Customer": "waiting",
	"Queued/Awaiting Assignment": "queued", "Unmatched/Unmatched": "queued",
	"Completed/In Call": "resolved", "Completed/Resolved": "resolved",
	"Completed/Closed": "closed", "Completed/Cancelled": "cancelled",
}

// naive performs rows without a desk, and counts.
type naive struct {
	last     map[string]incidents.Row
	assignee map[string]string
	moves    map[move]int
	reopened map[string]int
}

func newNaive() *naive {
	return &naive{map[string]incidents.Row{}, map[string]string{}, map[move]int{}, map[string]int{}}
}

func (n *naive) follow(r incidents.Row) {
	before, known := n.last[r.Case]
	n.last[r.Case] = r
	if known && before.Level != r.Level {
		n.moves[move{before.Level, r.Level}]++
	}
	was, is := strings.HasPrefix(before.State, "Completed"), strings.HasPrefix(r.State, "Completed")
	if was && !is {
		n.reopened[r.Case]++
	}
	switch {
	case strings.HasPrefix(r.State, "Accepted"):
		n.assignee[r.Case] = r.Agent
	case !is:
		n.assignee[r.Case] = ""
	case was: // corrected without work, unless it is resolved again
		again := states[before.State] == "resolved" && states[r.State] == "resolved" && before.State != r.State
		if again && n.assignee[r.Case] == "" {
			n.assignee[r.Case] = r.Agent
		}
	default: // its assignee solved it
		if before.Level != r.Level || before.Team != r.Team {
			n.assignee[r.Case] = ""
		}
		if r.State != "Completed/Cancelled" && n.assignee[r.Case] == "" {
			n.assignee[r.Case] = r.Agent
		}
	}
}

// check performs rows with and without a desk, and compares after each.
func check(t *testing.T, rows []incidents.Row) {
	t.Helper()
	p, err := incidents.NewReplayer(memstore.New(), nil)
	require.NoError(t, err)
	n := newNaive()
	for i, r := range rows {
		before := n.last[r.Case]
		version := p.Tickets[r.Case].Version
		require.NoError(t, p.Follow(t.Context(), r))
		require.Empty(t, p.Refusals, "row %d: from %+v", i, before)
		n.follow(r)

		got := p.Tickets[r.Case]
		want := got
		want.Status, want.Level, want.Queue, want.Assignee, want.Impact = states[r.State], r.Level, r.Team, n.assignee[r.Case], r.Impact
		switch r.State {
		case "Completed/In Call":
			want.Resolution = "first contact"
		case "Completed/Resolved":
			want.Resolution = "after work"
		}
		want.Reason = map[string]string{
			"Accepted/Wait": "other", "Accepted/Wait - Implementation": "scheduled work", "Accepted/Wait - Vendor": "vendor",
			"Completed/Cancelled": "other",
		}[r.State]
		want.Reopened = n.reopened[r.Case]
		if !got.Equal(want) {
			require.Equal(t, want, got, "row %d: from %+v to %+v", i, before, r)
		}
		require.Greater(t, got.Version, version)
		require.True(t, got.Touched.Equal(r.Time))
	}

	s, err := summarize(t.Context(), p.Desk)
	require.NoError(t, err)
	require.NoError(t, s.faults)
	assert.Equal(t, len(n.last), s.tickets)
	assert.Equal(t, s.tickets, s.verified)
	assert.Equal(t, s.tickets, s.folded)
	assert.Equal(t, n.moves, s.moves)
	assert.Len(t, n.reopened, s.again)
	reopenings := 0
	for _, k := range n.reopened {
		reopenings += k
	}
	assert.Equal(t, reopenings, s.reopened)
}

// TestEveryPair goes from every state of the log at every level to every other, in the
// same and in another team, by the same and by another agent.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	require.Len(t, states, 13)
	var all []incidents.Row
	for _, state := range slices.Sorted(maps.Keys(states)) {
		for level := 1; level <= incidents.Levels; level++ {
			all = append(all, incidents.Row{State: state, Level: level, Team: "desk", Agent: "lin", Impact: ticket.GradeLow})
		}
	}
	var rows []incidents.Row
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, a := range all {
		for _, b := range all {
			for variant := range 4 {
				now = now.Add(time.Second)
				a.Case = fmt.Sprint(len(rows))
				a.Time, b.Case, b.Time = now, a.Case, now // at the same time
				b.Team, b.Agent = "desk", "lin"
				if variant&1 != 0 {
					b.Team = "networks"
				}
				if variant&2 != 0 {
					b.Agent = "max"
				}
				rows = append(rows, a, b)
			}
		}
	}
	check(t, rows)
}

func TestWalks(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(states))
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var rows []incidents.Row
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for range 4_000 {
		now = now.Add(time.Duration(random.IntN(3)) * 100 * time.Hour) // also after every time window
		rows = append(rows, incidents.Row{
			Case: pick("1", "2", "3", "4", "5", "6", "7", "8", "9"), Time: now, State: pick(names...),
			Team: pick("desk", "networks", "developers"), Level: 1 + random.IntN(incidents.Levels),
			Agent: pick("lin", "max", "ida"), Impact: ticket.Grade(1 + random.IntN(4)),
		})
	}
	check(t, rows)
}
