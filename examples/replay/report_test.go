package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/eventlog"
	"github.com/ticketkit/ticket/examples/internal/incidents"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/report"
)

// The figures of package report, from the histories of a desk, equal those that another
// program counts in the rows of the log.
func TestReportEqualsTheRows(t *testing.T) {
	for _, path := range []string{"", filepath.Join("..", "..", "..", "shared", "data", "volvo-incidents-half.csv.gz")} {
		var rows []incidents.Row
		var err error
		if path == "" {
			rows, err = incidents.Read(strings.NewReader(sample))
		} else if rows, err = incidents.ReadFile(path); os.IsNotExist(err) {
			t.Logf("without the log of the BPI Challenge: %v", err)
			continue
		}
		require.NoError(t, err)
		p, err := incidents.NewReplayer(memstore.New(), nil)
		require.NoError(t, err)
		for _, r := range rows {
			require.NoError(t, p.Follow(t.Context(), r))
		}
		require.Empty(t, p.Refusals)
		zone, err := time.LoadLocation("Europe/Stockholm")
		require.NoError(t, err)
		last := p.Now.In(zone)
		begin, _ := report.Month(rows[0].Time.In(zone).Year(), rows[0].Time.In(zone).Month(), zone)
		month, _ := report.Month(last.Year(), last.Month(), zone)
		before, _ := report.Month(last.Year(), last.Month()-1, zone)
		for _, period := range [][2]time.Time{{begin, last.Add(time.Second)}, {before, month}, {month, last}} {
			r, err := report.New(report.Config{From: period[0], To: period[1], Now: last.Add(time.Second), Zone: zone})
			require.NoError(t, err)
			require.NoError(t, r.Run(t.Context(), p.Desk.Histories(t.Context(), ticket.System("report"), ticket.ID{})))
			compare(t, r, countRows(rows, period[0], period[1], zone), period[0])
		}

		figures, err := summarize(t.Context(), p.Desk)
		require.NoError(t, err)
		for _, write := range []func(context.Context, io.Writer, iter.Seq2[[]ticket.Event, error], eventlog.Config) (eventlog.Counts, error){
			eventlog.WriteXES, eventlog.WriteOCEL,
		} {
			n, err := write(t.Context(), io.Discard, p.Desk.Histories(t.Context(), ticket.System("export"), ticket.ID{}), eventlog.Config{})
			require.NoError(t, err)
			require.Equal(t, [2]int{figures.tickets, figures.events}, [2]int{n.Tickets, n.Events})
		}
	}
}

// counted are figures, counted in rows.
type counted struct {
	firstAnswers, firstSolutions, lastSolutions []time.Duration
	waiting, unanswered, onOpening              int
	moves                                       map[string]int
	holders, levels                             map[string]time.Duration
	days                                        map[string]map[string]int // by day: what happened
	open                                        map[string]int            // by day
	solved, reopened                            map[string]int            // by month
}

func countRows(rows []incidents.Row, from, to time.Time, zone *time.Location) *counted {
	c := &counted{moves: map[string]int{}, holders: map[string]time.Duration{}, levels: map[string]time.Duration{}, days: map[string]map[string]int{},
		open: map[string]int{}, solved: map[string]int{}, reopened: map[string]int{}}
	cases := map[string][]incidents.Row{}
	for _, r := range rows {
		if r.Time.Before(to) {
			cases[r.Case] = append(cases[r.Case], r)
		}
	}
	in := func(at time.Time) bool { return !at.Before(from) }
	happened := func(what string, at time.Time) {
		if day := at.In(zone).Format(time.DateOnly); in(at) {
			if c.days[day] == nil {
				c.days[day] = map[string]int{}
			}
			c.days[day][what]++
		}
	}
	completed := func(r incidents.Row) bool { return strings.HasPrefix(r.State, "Completed/") }
	for _, list := range cases {
		created := list[0].Time
		var answer, first, last, spell time.Time
		done, status, how := false, "", ""
		happened("opened", created)
		for i, r := range list {
			wasDone, was := done, status
			done, status = completed(r), r.State
			resolves := r.State == "Completed/Resolved" || r.State == "Completed/In Call"
			reason := map[bool]string{true: "call", false: "work"}[r.State == "Completed/In Call"]
			solves := false
			switch {
			case done && !wasDone && r.State != "Completed/Cancelled":
				solves, how = true, reason
				happened("solved", r.Time)
			case done && !wasDone:
				happened("closed", r.Time)
			case wasDone && !done:
				happened("reopened", r.Time)
				if !spell.IsZero() {
					c.reopened[spell.In(zone).Format("2006-01")]++
				}
				spell, last = time.Time{}, time.Time{}
			case done && resolves && (was == "Completed/Closed" || was == "Completed/Cancelled"): // filed as resolved
				solves = true
			case done && resolves && how != reason: // resolved again, in another way
				solves, how = true, reason
			}
			if solves {
				last = r.Time
				if first.IsZero() {
					first = r.Time
				}
				if spell.IsZero() {
					spell = r.Time
					c.solved[spell.In(zone).Format("2006-01")]++
				}
			}
			if asks := r.State == "Accepted/Wait - User" || r.State == "Accepted/Wait - Customer"; answer.IsZero() && (asks || solves && !wasDone) {
				answer = r.Time
			}
			if i > 0 && r.Level != list[i-1].Level && (!done || !wasDone) && in(r.Time) {
				c.moves[fmt.Sprintf("%d | %d", list[i-1].Level, r.Level)]++
			}
		}
		switch {
		case !in(created):
		case !answer.IsZero():
			c.firstAnswers = append(c.firstAnswers, answer.Sub(created))
		case done:
			c.unanswered++
		default:
			c.waiting++
		}
		if !first.IsZero() && in(first) {
			c.firstSolutions = append(c.firstSolutions, first.Sub(created))
			if first.Equal(created) {
				c.onOpening++
			}
		}
		if !last.IsZero() && in(last) {
			c.lastSolutions = append(c.lastSolutions, last.Sub(created))
			for i, r := range list {
				end := last
				if i+1 < len(list) && list[i+1].Time.Before(last) {
					end = list[i+1].Time
				}
				if !r.Time.Before(end) {
					continue
				}
				holder := "desk"
				switch {
				case completed(r):
					holder = "finished"
				case r.State == "Accepted/Wait - User" || r.State == "Accepted/Wait - Customer":
					holder = "customer"
				case strings.HasPrefix(r.State, "Accepted/Wait"):
					holder = "others"
				}
				c.holders[holder] += end.Sub(r.Time)
				if holder != "finished" {
					c.levels[strconv.Itoa(r.Level)] += end.Sub(r.Time)
				}
			}
		}
		for day := from.In(zone); day.Before(to); day = day.AddDate(0, 0, 1) {
			end := day.AddDate(0, 0, 1)
			if end.After(to) {
				end = to
			}
			n := 0
			for n < len(list) && list[n].Time.Before(end) {
				n++
			}
			if n > 0 && !completed(list[n-1]) {
				c.open[day.Format(time.DateOnly)]++
			}
		}
	}
	return c
}

func compare(t *testing.T, r *report.Report, want *counted, from time.Time) {
	t.Helper()
	rows := func(name string, columns ...string) (list []string) {
		table, ok := r.Table(name)
		require.True(t, ok, name)
		for _, row := range table.Rows {
			var cells []string
			for _, c := range columns {
				cells = append(cells, row[table.Column(c)].String())
			}
			list = append(list, strings.Join(cells, " | "))
		}
		return list
	}
	spread := func(all []time.Duration) string {
		if len(all) == 0 {
			return "0 |  | "
		}
		slices.Sort(all)
		nearest := func(percent int) string {
			return strconv.FormatFloat(all[(len(all)*percent+99)/100-1].Seconds(), 'f', -1, 64)
		}
		return fmt.Sprintf("%d | %s | %s", len(all), nearest(50), nearest(90))
	}
	require.Equal(t, []string{"answered | " + spread(want.firstAnswers), fmt.Sprintf("waiting | %d |  | ", want.waiting),
		fmt.Sprintf("finished without an answer | %d |  | ", want.unanswered)}, rows("first answer", "outcome", "count", "median", "p90"))
	require.Equal(t, []string{"first | " + spread(want.firstSolutions), "last | " + spread(want.lastSolutions)}, rows("solution", "solution", "count", "median", "p90"))
	require.Equal(t, fmt.Sprintf("on opening | %d | %d", want.onOpening, len(want.firstSolutions)), rows("first contact", "variant", "count", "of")[0])
	var moves []string
	for pair, n := range want.moves {
		moves = append(moves, fmt.Sprintf("%s | %d", pair, n))
	}
	slices.Sort(moves)
	require.Equal(t, moves, rows("level moves", "from", "to", "count"))
	for _, row := range rows("flow by day", "day", "opened", "reopened", "solved", "closed", "open at the end") {
		day, _, _ := strings.Cut(row, " | ")
		n := want.days[day]
		require.Equal(t, fmt.Sprintf("%s | %d | %d | %d | %d | %d", day, n["opened"], n["reopened"], n["solved"], n["closed"], want.open[day]), row)
	}
	for _, row := range rows("backlog", "day", "all") {
		day, _, _ := strings.Cut(row, " | ")
		require.Equal(t, fmt.Sprintf("%s | %d", day, want.open[day]), row)
	}
	for _, row := range rows("reopened", "month", "solved", "reopened") {
		month, _, _ := strings.Cut(row, " | ")
		require.Equal(t, fmt.Sprintf("%s | %d | %d", month, want.solved[month], want.reopened[month]), row)
	}
	totals := func(name string, want map[string]time.Duration) {
		all := map[string]time.Duration{}
		table, _ := r.Table(name)
		for _, row := range table.Rows {
			if place := row[0].String(); place != "all" {
				d, err := time.ParseDuration(row[table.Column("total")].String() + "s")
				require.NoError(t, err)
				all[place] = d
			}
		}
		require.Equal(t, want, all, "%s of %s", name, from)
	}
	totals("time by holder", want.holders)
	totals("time by level", want.levels)
}
