package report_test

import (
	"bytes"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

// full is a report with all figures.
func full() report.Config {
	cfg := march
	cfg.Hours, cfg.Agents = officeHours{}, true
	return cfg
}

// seeds yields random histories, with a source for the test.
func seeds(t *testing.T) iter.Seq2[*rand.Rand, [][]ticket.Event] {
	t.Helper()
	return func(yield func(*rand.Rand, [][]ticket.Event) bool) {
		for seed := range uint64(6) {
			if !yield(rand.New(rand.NewPCG(seed, 2)), randomDesk(t, seed, 1500)) {
				return
			}
		}
	}
}

func TestErasingChangesNoByte(t *testing.T) {
	for random, all := range seeds(t) {
		before := asJSON(t, reportOn(t, full(), all...))
		for _, h := range all {
			for i := range h {
				if random.IntN(3) > 0 {
					h[i] = h[i].Erase(ticket.Groups{PublicContent: true, InternalContent: true, Identities: true})
				}
			}
		}
		require.Equal(t, before, asJSON(t, reportOn(t, full(), all...)))
	}
}

// Reason, resolution, tags, priority and text cannot matter either.
func TestOnlyPlainFactsMatter(t *testing.T) {
	for _, all := range seeds(t) {
		before := asJSON(t, reportOn(t, full(), all...))
		for _, h := range all {
			for i := range h {
				e := &h[i]
				e.Set.Reason, e.Set.Resolution, e.Set.AddTags, e.Set.RemoveTags, e.Set.Priority = nil, nil, nil, nil, 0
				e.Set.AddLinks, e.Set.RemoveLinks, e.Set.Timer, e.Set.Assignee, e.Channel = nil, nil, nil, nil, ""
				e.Digest = ticket.Digest{}
			}
		}
		require.Equal(t, before, asJSON(t, reportOn(t, full(), all...)))
	}
}

func TestWhatComesAfterThePeriodDoesNotMatter(t *testing.T) {
	for _, all := range seeds(t) {
		cfg := full()
		cfg.To = cfg.From.AddDate(0, 0, 9)
		before := asJSON(t, reportOn(t, cfg, all...))
		later := 0
		for i, h := range all {
			n := slices.IndexFunc(h, func(e ticket.Event) bool { return !e.At.Before(cfg.To) })
			if n >= 0 {
				later += len(h) - n
				all[i] = h[:n]
			}
		}
		require.NotZero(t, later)
		require.Equal(t, before, asJSON(t, reportOn(t, cfg, all...)))
	}
}

func TestTheOrderOfTicketsDoesNotMatter(t *testing.T) {
	for random, all := range seeds(t) {
		before := asJSON(t, reportOn(t, full(), all...))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		r := reportOn(t, full(), all...)
		require.Equal(t, before, asJSON(t, r))
		_, err := r.Checkpoint()
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
}

func TestAReportInPiecesEqualsOneInOneGo(t *testing.T) {
	for random, all := range seeds(t) {
		want := reportOn(t, full(), all...)
		r, err := report.New(full())
		require.NoError(t, err)
		for i := 0; i < len(all); {
			stop := min(len(all), i+1+random.IntN(40))
			for _, h := range all[i:stop] {
				require.NoError(t, r.Add(h))
			}
			i = stop
			data, err := r.Checkpoint()
			require.NoError(t, err)
			again, err := r.Checkpoint()
			require.NoError(t, err)
			require.Equal(t, data, again)
			r, err = report.Resume(full(), data)
			require.NoError(t, err)
			require.Equal(t, all[i-1][0].Ticket, r.After())
			require.ErrorIs(t, r.Add(all[random.IntN(i)]), ticket.ErrInvalid)
		}
		require.Equal(t, asJSON(t, want), asJSON(t, r))
	}
}

// The figures agree with each other and with the tickets.
func TestSumsEqualTotals(t *testing.T) {
	for _, all := range seeds(t) {
		r := reportOn(t, full(), all...)
		number := func(row []report.Value, i int) int {
			n, err := strconv.Atoi(row[i].String())
			require.NoError(t, err)
			return n
		}
		table := func(name string) report.Table {
			tab, ok := r.Table(name)
			require.True(t, ok)
			return tab
		}
		var open, created, merged, solvedLast, answered, waiting, moved int
		for _, h := range all {
			for len(h) > 0 && !h[len(h)-1].At.Before(march.To) {
				h = h[:len(h)-1]
			}
			now, err := ticket.Replay(h)
			require.NoError(t, err)
			if len(h) == 0 {
				continue
			}
			here := now.MergedInto.IsZero()
			if !here {
				merged++
			}
			if here && !now.Phase.Done() {
				open++
			}
			in := func(at time.Time) bool { return !at.Before(march.From) && at.Before(march.To) }
			if in(now.Created) {
				created++
				if here && !now.FirstAnswered.IsZero() {
					answered++
				} else if here {
					waiting++
				}
			}
			if here && now.Phase.Done() && in(now.Resolved) {
				solvedLast++
			}
			for i := 1; i < len(h); i++ {
				if h[i].To.Level != h[i-1].To.Level && in(h[i].At) && (!h[i].Phase.Done() || !h[i-1].Phase.Done()) {
					moved++
				}
			}
		}
		require.NotZero(t, merged)
		require.Equal(t, merged, r.Merged())

		days := table("backlog").Rows
		last := days[len(days)-1]
		require.Equal(t, open, number(last, len(last)-1))
		flow := table("flow by day")
		for i, row := range flow.Rows {
			require.Equal(t, days[i][len(days[i])-1].String(), row[flow.Column("open at the end")].String(), "the backlog by age and the flow agree on %s", row[0])
			var sum int
			for k := 1; k < len(days[i])-1; k++ {
				sum += number(days[i], k)
			}
			require.Equal(t, sum, number(days[i], len(days[i])-1))
		}
		months := table("flow by month").Rows
		require.Len(t, months, 1)
		for k := 2; k < len(flow.Columns)-1; k++ {
			var sum int
			for _, row := range flow.Rows {
				sum += number(row, k)
			}
			require.Equal(t, sum, number(months[0], k), flow.Columns[k])
		}
		require.Equal(t, created, number(months[0], flow.Column("opened")))

		first := table("first answer").Rows
		require.Equal(t, answered, number(first[0], 1))
		require.Equal(t, waiting, number(first[1], 1)+number(first[2], 1))
		require.Equal(t, solvedLast, number(table("solution").Rows[1], 1))
		var moves int
		for _, row := range table("level moves").Rows {
			moves += number(row, 2)
		}
		require.Equal(t, moved, moves)

		for _, name := range []string{"time by holder", "time by phase"} {
			for _, tab := range r.Tables() {
				if tab.Name != name {
					continue
				}
				sum := int64(0)
				for _, row := range tab.Rows {
					if row[0].String() != "all" {
						sum += micros(t, row[tab.Column("total")])
					}
				}
				holders, _ := r.Table("time by holder")
				if tab.Clock != report.ClockWall {
					holders, _ = r.TableInHours("time by holder")
				}
				whole := holders.Rows[len(holders.Rows)-1][holders.Column("total")]
				require.Equal(t, micros(t, whole), sum, "%s by %s adds up to the microsecond", name, tab.Clock)
				require.NotZero(t, sum)
			}
		}
	}
}

// micros returns a time in microseconds, exactly.
func micros(t *testing.T, v report.Value) int64 {
	t.Helper()
	d, err := time.ParseDuration(v.String() + "s")
	require.NoError(t, err)
	return d.Microseconds()
}

func TestACheckpointFitsItsConfigurationOnly(t *testing.T) {
	data, err := reportOn(t, full(), history(opened("02 09:00"))).Checkpoint()
	require.NoError(t, err)
	later := full()
	later.Now = later.Now.AddDate(1, 0, 0)
	_, err = report.Resume(later, data)
	require.NoError(t, err)

	refused := func(cfg report.Config, data []byte) {
		t.Helper()
		_, err := report.Resume(cfg, data)
		var invalid *ticket.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "report.checkpoint", invalid.Field)
	}
	for _, change := range []func(c *report.Config){
		func(c *report.Config) { c.From = c.From.Add(time.Hour) },
		func(c *report.Config) { c.To = c.To.Add(-time.Hour) },
		func(c *report.Config) { c.Tenant = "a" },
		func(c *report.Config) { c.AllTenants = true },
		func(c *report.Config) { c.Agents = false },
		func(c *report.Config) { c.Hours = nil },
		func(c *report.Config) { c.OnHold = []ticket.Status{"a"} },
		func(c *report.Config) { c.Zone = time.FixedZone("X", 3600) },
	} {
		cfg := full()
		change(&cfg)
		refused(cfg, data)
	}
	refused(full(), nil)
	refused(full(), []byte(`{}`))
	refused(full(), bytes.Replace(data, []byte(`"tickets":1`), []byte(`"tickets":2`), 1))
	refused(full(), bytes.Replace(data, []byte(`first answer 1`), []byte(`first answer 2`), 1))
	refused(full(), bytes.Replace(data, []byte(`checkpoint 1`), []byte(`checkpoint 2`), 1))
}

func TestJSONHasTheDefinitionOfEachFigure(t *testing.T) {
	r := reportOn(t, full(), history(opened("02 09:00"), event("02 10:00", ticket.StatusResolved, answer)))
	var out struct {
		Format, From, To, Zone, Hours string
		Figures                       []struct {
			Name, Population, Formula, Unit, Clock string
			Version                                int
			Columns                                []string
			Rows                                   [][]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, r)), &out))
	require.Equal(t, "ticket report 1", out.Format)
	require.Equal(t, "2026-03-01T00:00:00Z", out.From)
	for _, f := range out.Figures {
		require.NotEmpty(t, f.Name)
		require.NotEmpty(t, f.Population, f.Name)
		require.NotEmpty(t, f.Formula, f.Name)
		require.NotEmpty(t, f.Unit, f.Name)
		require.NotEmpty(t, f.Clock, f.Name)
		require.Positive(t, f.Version, f.Name)
		for _, row := range f.Rows {
			require.Len(t, row, len(f.Columns), f.Name)
		}
	}
}
