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
	"github.com/ticketkit/ticket/memstore"
)

func TestSample(t *testing.T) {
	for _, args := range [][]string{nil, {"-store", "memory"}, {"-store", "sqlite"}} {
		var out, notes bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out, &notes))
		assert.Equal(t, sampleFigures, out.String(), "%q", args)
		assert.Regexp(t, `^45 events in \S+, \d+/s; read back and verified in \S+\n$`, notes.String())
	}
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
	assert.Equal(t, `rows                    32640, 0 skipped
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
`, out.String())
}

func TestRefusedRowsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	long := strings.Repeat("x", 500) // too long for a subject
	log := strings.Join(columns, ",") + "\n" +
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
			_, err := readLog(strings.NewReader(c.log))
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
	rows, err := readLog(strings.NewReader("\ufeff" + strings.Join(columns, ",") + "\n1,2026-01-05T09:00:00Z,Accepted,In Progress,,1,Low,,,,\n"))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, "unknown", rows[0].Team)
	assert.Equal(t, "unknown", rows[0].Agent)
}

func TestRowsAreSortedByTime(t *testing.T) {
	// The third row is earlier than the first, in another offset. The fourth is
	// earlier than the rows of its case before it.
	rows, err := readLog(strings.NewReader(strings.Join(columns, ",") + `
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
	last     map[string]row
	assignee map[string]string
	moves    map[move]int
	reopened map[string]int
}

func newNaive() *naive {
	return &naive{map[string]row{}, map[string]string{}, map[move]int{}, map[string]int{}}
}

func (n *naive) follow(r row) {
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
func check(t *testing.T, rows []row) {
	t.Helper()
	p, err := newReplayer(memstore.New())
	require.NoError(t, err)
	n := newNaive()
	for i, r := range rows {
		before := n.last[r.Case]
		version := p.tickets[r.Case].Version
		require.NoError(t, p.follow(t.Context(), r))
		require.Empty(t, p.refusals, "row %d: from %+v", i, before)
		n.follow(r)

		got := p.tickets[r.Case]
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

	s, err := summarize(t.Context(), p.desk)
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
	require.Len(t, steps, 13)
	var all []row
	for _, state := range slices.Sorted(maps.Keys(states)) {
		for level := 1; level <= levels; level++ {
			all = append(all, row{State: state, Level: level, Team: "desk", Agent: "lin", Impact: ticket.GradeLow})
		}
	}
	var rows []row
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
	var rows []row
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for range 4_000 {
		now = now.Add(time.Duration(random.IntN(3)) * 100 * time.Hour) // also after every time window
		rows = append(rows, row{
			Case: pick("1", "2", "3", "4", "5", "6", "7", "8", "9"), Time: now, State: pick(names...),
			Team: pick("desk", "networks", "developers"), Level: 1 + random.IntN(levels),
			Agent: pick("lin", "max", "ida"), Impact: ticket.Grade(1 + random.IntN(4)),
		})
	}
	check(t, rows)
}
