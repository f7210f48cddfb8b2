// Package charts draws reports as SVG: bars that a template of html/template places, without a
// library for charts.
package charts

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket/report"
)

// A Month is the report of a month.
type Month struct {
	Name   string // such as 2026-03
	Report *report.Report
}

// A Chart has bars, grouped or stacked, for each label of the horizontal axis.
type Chart struct {
	Name string // such as "backlog"

	title   string
	note    string // what is shown
	unit    string
	labels  []string
	series  []series
	stacked bool
}

// series is one colour of a chart.
type series struct {
	name   string
	colour string
	values []float64 // by label
}

// The size of a chart, in the units of the drawing.
const (
	width, height = 900, 420
	left, right   = 70, 20
	top, bottom   = 90, 60
)

// Colours that are different in grey as well.
const (
	blue   = "#2f6db5"
	orange = "#e08a2c"
)

// ageColours lead from young to old.
var ageColours = []string{"#d7e6f5", "#a9cbe8", "#6ea8d8", "#3f7fbf", "#24588f", "#10305a"}

type (
	rect struct {
		X, Y, W, H float64
		Fill, Text string
	}
	label struct {
		X, Y   float64
		Text   string
		Anchor string
	}
	drawing struct {
		Width, Height, Left, End, Base float64
		Title, Note                    string
		Lines                          []float64 // across, by their height
		Bars, Keys                     []rect
		Labels                         []label
	}
)

var picture = template.Must(template.New("chart").Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" height="{{.Height}}" font-family="sans-serif" font-size="12" fill="#222222" role="img">
<title>{{.Title}}</title>
<rect x="0" y="0" width="{{.Width}}" height="{{.Height}}" fill="#ffffff"/>
<text x="{{.Left}}" y="26" font-size="18" font-weight="bold">{{.Title}}</text>
<text x="{{.Left}}" y="46" fill="#555555">{{.Note}}</text>
{{- range .Lines}}
<line x1="{{$.Left}}" y1="{{.}}" x2="{{$.End}}" y2="{{.}}" stroke="#dddddd"/>
{{- end}}
{{- range .Bars}}
<rect x="{{.X}}" y="{{.Y}}" width="{{.W}}" height="{{.H}}" fill="{{.Fill}}"><title>{{.Text}}</title></rect>
{{- end}}
<line x1="{{.Left}}" y1="{{.Base}}" x2="{{.End}}" y2="{{.Base}}" stroke="#444444"/>
{{- range .Keys}}
<rect x="{{.X}}" y="{{.Y}}" width="{{.W}}" height="{{.H}}" fill="{{.Fill}}"/>
{{- end}}
{{- range .Labels}}
<text x="{{.X}}" y="{{.Y}}" text-anchor="{{.Anchor}}">{{.Text}}</text>
{{- end}}
</svg>
`))

// Draw writes the chart as SVG.
func (c Chart) Draw(w io.Writer) error {
	d := drawing{Width: width, Height: height, Left: left, End: width - right, Base: height - bottom, Title: c.title, Note: c.note}
	step, limit := scale(c.highest())
	y := func(v float64) float64 { return round(d.Base - v/limit*(d.Base-top)) }
	for v := 0.0; v <= limit+step/2; v += step {
		if v > 0 {
			d.Lines = append(d.Lines, y(v))
		}
		d.Labels = append(d.Labels, label{left - 8, y(v) + 4, strconv.FormatFloat(round(v), 'f', -1, 64), "end"})
	}
	d.Labels = append(d.Labels, label{left, top - 14, c.unit, "end"})

	slot := (d.End - left) / float64(max(len(c.labels), 1))
	each := max(1, int(math.Ceil(44/slot))) // labels that do not touch
	for i, text := range c.labels {
		x := left + slot*float64(i)
		if i%each == 0 {
			d.Labels = append(d.Labels, label{round(x + slot/2), d.Base + 18, text, "middle"})
		}
		inner := min(slot*0.8, 120)
		x += (slot - inner) / 2
		below := 0.0
		for k, s := range c.series {
			v := s.values[i]
			bar := rect{W: round(inner), Fill: s.colour, Text: fmt.Sprintf("%s, %s: %s %s", text, s.name, strconv.FormatFloat(round(v), 'f', -1, 64), c.unit)}
			if c.stacked {
				bar.X, bar.Y, bar.H = round(x), y(below+v), round(y(below)-y(below+v))
				below += v
			} else {
				bar.W = round(inner / float64(len(c.series)))
				bar.X, bar.Y, bar.H = round(x+bar.W*float64(k)), y(v), round(d.Base-y(v))
			}
			if bar.H > 0 {
				d.Bars = append(d.Bars, bar)
			}
		}
	}
	x := float64(left)
	for _, s := range c.series {
		d.Keys = append(d.Keys, rect{X: x, Y: height - 24, W: 12, H: 12, Fill: s.colour})
		d.Labels = append(d.Labels, label{x + 18, height - 14, s.name, "start"})
		x += 40 + 7*float64(len(s.name))
	}
	return picture.Execute(w, d)
}

func (c Chart) highest() (most float64) {
	for i := range c.labels {
		sum := 0.0
		for _, s := range c.series {
			if sum += s.values[i]; !c.stacked {
				most = max(most, s.values[i])
			}
		}
		if c.stacked {
			most = max(most, sum)
		}
	}
	return most
}

// scale returns the distance of the lines and the end of the vertical axis.
func scale(highest float64) (step, limit float64) {
	if highest <= 0 {
		return 1, 1
	}
	step = math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, times := range []float64{1, 2, 5, 10} {
		if highest/(step*times) <= 6 {
			step *= times
			break
		}
	}
	return step, step * math.Ceil(highest/step-1e-9)
}

// round keeps the files short.
func round(v float64) float64 { return math.Round(v*100) / 100 }

// Of returns the charts of the last month. Those of times compare it with the months before it.
func Of(months []Month) []Chart {
	last := months[len(months)-1]
	r, name := last.Report, last.Name
	backlog := Chart{
		Name: "backlog", title: "Backlog by age, " + name, note: "Open tickets at the end of each day, by the time since they were created",
		unit: "tickets", stacked: true, labels: column(r, "backlog", "day"),
	}
	for i, age := range tableOf(r, "backlog").Columns[1:7] {
		backlog.series = append(backlog.series, series{age, ageColours[i], numbers(r, "backlog", age, 1)})
	}
	days(backlog.labels)

	flow := Chart{
		Name: "flow", title: "Inflow and outflow, " + name, note: "In: opened, reopened, unmerged. Out: solved, closed, merged",
		unit: "tickets", labels: column(r, "flow by day", "day"), series: []series{
			{"in", orange, numbers(r, "flow by day", "in", 1)}, {"out", blue, numbers(r, "flow by day", "out", 1)},
		},
	}
	days(flow.labels)

	const hour = 3600
	times := func(figure, title, note string, row int, unit string, per float64) Chart {
		c := Chart{Name: strings.ReplaceAll(figure, " ", "-"), title: title, note: note, unit: unit, series: []series{{"median", blue, nil}, {"90 % within", orange, nil}}}
		for _, m := range months {
			t := tableOf(m.Report, figure)
			c.labels = append(c.labels, m.Name+" ("+t.Rows[row][t.Column("count")].String()+")")
			for k, statistic := range []string{"median", "p90"} {
				v, _ := t.Rows[row][t.Column(statistic)].Float()
				c.series[k].values = append(c.series[k].values, v/per)
			}
		}
		return c
	}
	firstAnswer := times("first answer", "First answer", "Of tickets created in the month that were answered; their number is in brackets", 0, "hours", hour)
	solution := times("solution", "Solution", "Of tickets whose last solution is in the month; their number is in brackets", 1, "days", 24*hour)

	moves := tableOf(r, "level moves")
	levels := Chart{Name: "levels", title: "Moves between levels, " + name, note: "Open tickets that were handed to another support level", unit: "moves",
		series: []series{{"up", orange, nil}, {"down", blue, nil}}, stacked: true}
	for _, row := range moves.Rows {
		levels.labels = append(levels.labels, "from "+row[0].String()+" to "+row[1].String())
		n, _ := row[2].Float()
		up, down := n, 0.0
		if row[0].String() > row[1].String() {
			up, down = 0, n
		}
		levels.series[0].values, levels.series[1].values = append(levels.series[0].values, up), append(levels.series[1].values, down)
	}

	reopened := Chart{
		Name: "reopened", title: "Reopened, by month of solving", note: "Share of the solutions of each month that did not hold",
		unit: "percent", labels: column(r, "reopened", "month"), series: []series{
			{"up to the end of " + name, orange, numbers(r, "reopened", "share", 1)},
			{"within 30 days", blue, numbers(r, "reopened", "share within 30 days", 1)},
		},
	}
	return []Chart{backlog, flow, firstAnswer, solution, levels, reopened}
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
		dates[i] = d[len("2006-01-"):]
	}
}
