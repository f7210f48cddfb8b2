// Package charts draws reports as SVG files: bars, without a library for charts.
package charts

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket/internal/plot"
	"github.com/ticketkit/ticket/report"
)

// A Month is the report of a month.
type Month struct {
	Name   string // such as 2026-03
	Report *report.Report
}

// A Chart has bars for each label, and the name of its file.
type Chart struct {
	plot.Bars

	Name string // such as "backlog"
}

// Classes of series; plot.Style has their colours, which are different in grey as well.
const (
	first  = "plot-1"
	second = "plot-2"
)

// Of returns the charts of the last month. Those of times compare it with the months before it.
func Of(months []Month) []Chart {
	last := months[len(months)-1]
	r, name := last.Report, last.Name
	backlog := plot.Bars{
		Title: "Backlog by age, " + name, Note: "Open tickets at the end of each day, by the time since they were created",
		Unit: "tickets", Stacked: true, Whole: true, Labels: column(r, "backlog", "day"),
	}
	for i, age := range tableOf(r, "backlog").Columns[1:7] {
		backlog.Series = append(backlog.Series, plot.Series{Name: age, Class: "plot-age-" + strconv.Itoa(i+1), Values: numbers(r, "backlog", age, 1)})
	}
	days(backlog.Labels)

	flow := plot.Bars{
		Title: "Inflow and outflow, " + name, Note: "In: opened, reopened, unmerged. Out: solved, closed, merged",
		Unit: "tickets", Whole: true, Labels: column(r, "flow by day", "day"), Series: []plot.Series{
			{Name: "in", Class: second, Values: numbers(r, "flow by day", "in", 1)}, {Name: "out", Class: first, Values: numbers(r, "flow by day", "out", 1)},
		},
	}
	days(flow.Labels)

	const hour = 3600
	times := func(figure, title, note string, row int, unit string, per float64) plot.Bars {
		c := plot.Bars{Title: title, Note: note, Unit: unit, Series: []plot.Series{{Name: "median", Class: first}, {Name: "90 % within", Class: second}}}
		for _, m := range months {
			t := tableOf(m.Report, figure)
			c.Labels, c.Below = append(c.Labels, m.Name), append(c.Below, "n "+t.Rows[row][t.Column("count")].String())
			for k, statistic := range []string{"median", "p90"} {
				v, _ := t.Rows[row][t.Column(statistic)].Float()
				c.Series[k].Values = append(c.Series[k].Values, v/per)
			}
		}
		return c
	}
	firstAnswer := times("first answer", "First answer", "Of tickets created in the month that were answered; n is their number", 0, "hours", hour)
	solution := times("solution", "Solution", "Of tickets whose last solution is in the month; n is their number", 1, "days", 24*hour)

	moves := tableOf(r, "level moves")
	levels := plot.Bars{Title: "Moves between levels, " + name, Note: "Open tickets that were handed to another support level", Unit: "moves",
		Series: []plot.Series{{Name: "up", Class: second}, {Name: "down", Class: first}}, Stacked: true, Whole: true}
	for _, row := range moves.Rows {
		levels.Labels = append(levels.Labels, "from "+row[0].String()+" to "+row[1].String())
		n, _ := row[2].Float()
		up, down := n, 0.0
		if row[0].String() > row[1].String() {
			up, down = 0, n
		}
		levels.Series[0].Values, levels.Series[1].Values = append(levels.Series[0].Values, up), append(levels.Series[1].Values, down)
	}

	reopened := plot.Bars{
		Title: "Reopened, by month of solving", Note: "Share of the solutions of each month that did not hold",
		Unit: "percent", Labels: column(r, "reopened", "month"), Series: []plot.Series{
			{Name: "up to the end of " + name, Class: second, Values: numbers(r, "reopened", "share", 1)},
			{Name: "within 30 days", Class: first, Values: numbers(r, "reopened", "share within 30 days", 1)},
		},
	}
	charts := []Chart{{backlog, "backlog"}, {flow, "flow"}, {firstAnswer, "first-answer"}, {solution, "solution"}, {levels, "levels"}, {reopened, "reopened"}}
	for i := range charts {
		charts[i].ID, charts[i].File = charts[i].Name, true
	}
	return charts
}

// tableOf returns a table that every report has.
func tableOf(r *report.Report, figure string) report.Table {
	t, _ := r.Table(figure)
	return t
}

func column(r *report.Report, figure, name string) (texts []string) {
	t := tableOf(r, figure)
	for _, row := range t.Rows {
		texts = append(texts, row[t.Column(name)].String())
	}
	return texts
}

func numbers(r *report.Report, figure, name string, per float64) (values []float64) {
	t := tableOf(r, figure)
	for _, row := range t.Rows {
		v, _ := row[t.Column(name)].Float()
		values = append(values, v/cmp.Or(per, 1))
	}
	return values
}

// days shortens dates to the day of the month.
func days(dates []string) {
	for i, d := range dates {
		dates[i] = strings.TrimPrefix(d[len("2006-01-"):], "0")
	}
}
