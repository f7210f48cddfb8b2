package web

import (
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/plot"
	"github.com/ticketkit/ticket/report"
)

// A tile is a number at the top of the reports.
type tile struct{ Name, Value, Note string }

// figureView is a figure of the reports: the drawing, for wide and for narrow windows, and the
// tables beneath.
type figureView struct {
	ID, Title, Note string
	Wide, Narrow    template.HTML
	Empty           string // what is said in place of a drawing
	Full            bool   // as wide as the page
	Tables          []tableView
}

type tableView struct {
	Caption string
	Columns []cell
	Rows    [][]cell
	CSV     string // the address of the table as CSV
	Open    bool   // short enough to be shown at once

	name string // of the figure
}

type cell struct {
	Text string
	Num  bool
}

// The widths of drawings, in pixels.
const (
	widthFull   = 960
	widthHalf   = 460
	widthNarrow = 330
)

// drawer makes the figures of a page.
type drawer struct {
	p       *page
	f       *figures
	period  period
	names   []string // of the periods to compare
	series  []*kept
	last    *kept
	inHours bool
}

func (d *drawer) say(key string, values ...any) string { return d.p.say("figures."+key, values...) }

// word translates a word of a report: the name of a column, of a row. What has no text stays.
func (d *drawer) word(word string) string {
	if key := "figures.word." + keyOfWord(word); d.p.Has(key) {
		return d.p.say(key)
	}
	return word
}

// keyOfWord makes a part of a key: "90 days and more" is "90_days_and_more".
func keyOfWord(word string) string { return strings.ReplaceAll(word, " ", "_") }

// table returns the table of a figure in the chosen clock.
func (d *drawer) table(k *kept, figure string) report.Table {
	if t, ok := k.hours[figure]; ok && d.inHours {
		return t
	}
	return k.wall[figure]
}

// at returns a number of a table. NaN means that there is none.
func at(t report.Table, row int, column string) float64 {
	i := t.Column(column)
	if i < 0 || row < 0 || row >= len(t.Rows) {
		return math.NaN()
	}
	if v, ok := t.Rows[row][i].Float(); ok {
		return v
	}
	return math.NaN()
}

// rowOf returns the row with a text in its first column, or -1.
func rowOf(t report.Table, first string) int {
	return slices.IndexFunc(t.Rows, func(row []report.Value) bool { return row[0].String() == first })
}

func columnOf(t report.Table, name string) []float64 {
	list := make([]float64, len(t.Rows))
	for i := range t.Rows {
		list[i] = at(t, i, name)
	}
	return list
}

func sum(list []float64) (all float64) {
	for _, v := range list {
		if !math.IsNaN(v) {
			all += v
		}
	}
	return all
}

// tiles are the numbers that one asks for first.
func (d *drawer) tiles() []tile {
	k, p := d.last, d.p
	flow := k.wall["flow by month"]
	n := len(flow.Rows) - 1
	open := at(flow, n, "open at the end")
	change := open - at(flow, 0, "open at the start")
	list := []tile{{d.say("tile.open"), d.count(open), d.say("tile.change", "n", p.signed(change))}}
	list = append(list, tile{d.say("tile.in"), d.count(sum(columnOf(flow, "in"))), d.say("tile.out", "n", d.count(sum(columnOf(flow, "out"))))})
	took := func(key, figure string, row string) {
		t := d.table(k, figure)
		i := rowOf(t, row)
		if v := at(t, i, "median"); !math.IsNaN(v) {
			list = append(list, tile{d.say(key), p.took(v), d.say("tile.p90", "span", p.took(at(t, i, "p90")), "n", d.count(at(t, i, "count")))})
		}
	}
	took("tile.answer", "first answer", "answered")
	took("tile.solution", "solution", "last")
	if t := k.wall["targets"]; len(t.Rows) > 0 {
		met, all := sum(columnOf(t, "met")), sum(columnOf(t, "met"))+sum(columnOf(t, "missed"))+sum(columnOf(t, "late"))
		if all > 0 {
			list = append(list, tile{d.say("tile.met"), p.percent(100 * met / all), d.say("tile.of", "n", d.count(all))})
		}
	}
	if t := k.wall["reopened"]; len(t.Rows) > 0 {
		if v := at(t, len(t.Rows)-1, "share"); !math.IsNaN(v) {
			list = append(list, tile{d.say("tile.reopened"), p.percent(v), d.say("tile.of", "n", d.count(at(t, len(t.Rows)-1, "solved")))})
		}
	}
	if t := k.wall["satisfaction"]; len(t.Rows) > 0 && at(t, 0, "rated") > 0 {
		list = append(list, tile{d.say("tile.score"), d.say("tile.of_five", "n", d.count(at(t, 0, "median"))), d.say("tile.rated", "n", d.count(at(t, 0, "rated")))})
	}
	return list
}

// figures are the drawings with their tables.
func (d *drawer) figures() []figureView {
	list := []figureView{
		d.backlog(), d.flow(),
		d.times("first answer", "answered"), d.times("solution", "last"), d.times("next answer", "answered"),
		d.targets(),
		d.places("time by queue"), d.places("time by level"), d.holders(), d.moves(),
		d.reopened(), d.contact(), d.satisfaction(),
	}
	for _, name := range []string{"suggestions", "agents"} {
		if t, ok := d.last.wall[name]; ok && len(t.Rows) > 0 {
			f := d.figure(name, nil)
			f.Empty, f.Tables = "", d.tableViews([]report.Table{t})
			list = append(list, f)
		}
	}
	return list
}

// figure makes the view of a figure. Without bars it says that there is nothing.
func (d *drawer) figure(name string, bars *plot.Bars, tables ...report.Table) figureView {
	key := keyOfWord(name)
	f := figureView{ID: strings.ReplaceAll(name, " ", "-"), Title: d.say(key + ".title"), Note: d.say(key + ".note")}
	if bars == nil || len(bars.Labels) == 0 {
		f.Empty = d.say("nothing")
		return f
	}
	f.Tables = d.tableViews(tables)
	bars.Title, bars.Description = f.Title, f.Note
	if bars.Number == nil {
		bars.Number = func(v float64) string { return d.p.number(v, 1) }
	}
	bars.ID, bars.Width = "w-"+f.ID, widthHalf
	f.Wide = drawn(bars.SVG())
	bars.ID, bars.Width = "n-"+f.ID, widthNarrow
	f.Narrow = drawn(bars.SVG())
	return f
}

// full makes a drawing as wide as the page.
func (d *drawer) full(f figureView, bars *plot.Bars) figureView {
	if f.Empty == "" {
		bars.ID, bars.Width = "w-"+f.ID, widthFull
		f.Wide, f.Full = drawn(bars.SVG()), true
	}
	return f
}

// mostBars is how many days a drawing shows one by one. More are joined to weeks.
const mostBars = 45

// chunks returns how many days a bar stands for.
func chunks(days int) int {
	if days <= mostBars {
		return 1
	}
	return 7
}

// dayLabel shortens a date of a report.
func (d *drawer) dayLabel(date string, many bool) string {
	t, err := time.Parse(dayForm, date)
	if err != nil {
		return date
	}
	if !many {
		return strconv.Itoa(t.Day())
	}
	return d.say("day_month", "day", t.Day(), "month", int(t.Month()))
}

// dayName and monthName write the dates of a table, without a place where they can break.
func (d *drawer) dayName(date string) string {
	t, err := time.Parse(dayForm, date)
	if err != nil {
		return date
	}
	return unbroken(d.say("day", "day", t.Day(), "month", d.p.pick("time.months_short", int(t.Month())-1), "year", t.Year()))
}

func (d *drawer) monthName(month string) string {
	t, err := time.Parse(monthForm, month)
	if err != nil {
		return month
	}
	return unbroken(d.p.pick("time.months", int(t.Month())-1) + t.Format(" 2006"))
}

// unbroken keeps a text in one line.
func unbroken(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

func (d *drawer) backlog() figureView {
	t := d.last.wall["backlog"]
	each := chunks(len(t.Rows))
	bars := &plot.Bars{Unit: d.say("unit.tickets"), Stacked: true, Whole: true}
	for i := range t.Rows {
		if (len(t.Rows)-1-i)%each == 0 { // the last day is there
			bars.Labels = append(bars.Labels, d.dayLabel(t.Rows[i][0].String(), d.period.Month == ""))
		}
	}
	for age := 1; age <= 6 && age < len(t.Columns); age++ {
		s := plot.Series{Name: d.word(t.Columns[age]), Class: "plot-age-" + strconv.Itoa(age)}
		for i := range t.Rows {
			if (len(t.Rows)-1-i)%each == 0 {
				s.Values = append(s.Values, at(t, i, t.Columns[age]))
			}
		}
		bars.Series = append(bars.Series, s)
	}
	return d.full(d.figure("backlog", bars, t), bars)
}

func (d *drawer) flow() figureView {
	t := d.last.wall["flow by day"]
	each := chunks(len(t.Rows))
	in, out := columnOf(t, "in"), columnOf(t, "out")
	bars := &plot.Bars{Unit: d.say("unit.tickets"), Whole: true, Series: []plot.Series{{Name: d.say("in"), Class: "plot-2"}, {Name: d.say("out"), Class: "plot-1"}}}
	for i := 0; i < len(t.Rows); i += each {
		end := min(i+each, len(t.Rows))
		bars.Labels = append(bars.Labels, d.dayLabel(t.Rows[i][0].String(), d.period.Month == ""))
		bars.Series[0].Values = append(bars.Series[0].Values, sum(in[i:end]))
		bars.Series[1].Values = append(bars.Series[1].Values, sum(out[i:end]))
	}
	f := d.figure("flow", bars, d.last.wall["flow by month"], t)
	if each > 1 {
		f.Note += " " + d.say("by_week")
	}
	return d.full(f, bars)
}

// unit returns the unit in which times up to the greatest are drawn, in seconds.
func (d *drawer) unit(greatest float64) (name string, per float64) {
	switch {
	case greatest >= 3*86400:
		return d.say("unit.days"), 86400
	case greatest >= 2*3600:
		return d.say("unit.hours"), 3600
	}
	return d.say("unit.minutes"), 60
}

// inUnit lets bars of times show them in a unit of so many seconds, and on hover in full.
func (d *drawer) inUnit(bars *plot.Bars, unit string, per float64) {
	bars.Unit = unit
	bars.Number = func(v float64) string {
		if v > 0 && v < 0.05 {
			return "< " + d.p.number(0.1, 1)
		}
		return d.p.number(v, 1)
	}
	bars.Value = func(v float64) string { return d.p.took(v * per) }
}

func greatest(lists ...[]float64) (most float64) {
	for _, list := range lists {
		for _, v := range list {
			if !math.IsNaN(v) {
				most = max(most, v)
			}
		}
	}
	return most
}

func divided(list []float64, by float64) []float64 {
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = v / by
	}
	return out
}

// times compares the median and the 90th percentile of a figure over the periods.
func (d *drawer) times(figure, row string) figureView {
	var median, p90 []float64
	var n []string
	for _, k := range d.series {
		t := d.table(k, figure)
		i := rowOf(t, row)
		median, p90 = append(median, at(t, i, "median")), append(p90, at(t, i, "p90"))
		n = append(n, d.say("n", "n", d.count(at(t, i, "count"))))
	}
	bars := &plot.Bars{Labels: d.names, Below: n}
	most := greatest(median, p90)
	if most == 0 {
		bars = nil
	} else {
		unit, per := d.unit(most)
		d.inUnit(bars, unit, per)
		bars.Series = []plot.Series{{Name: d.say("median"), Class: "plot-1", Values: divided(median, per)}, {Name: d.say("p90"), Class: "plot-2", Values: divided(p90, per)}}
	}
	return d.figure(figure, bars, d.table(d.last, figure))
}

// places compares the times at queues or levels.
func (d *drawer) places(figure string) figureView {
	t := d.table(d.last, figure)
	bars := &plot.Bars{Across: true}
	median, p90 := columnOf(t, "median"), columnOf(t, "p90")
	unit, per := d.unit(greatest(median, p90))
	d.inUnit(bars, unit, per)
	order := make([]int, len(t.Rows))
	for i := range order {
		order[i] = i
	}
	if figure == "time by queue" { // the busiest first
		slices.SortStableFunc(order, func(a, b int) int { return int(at(t, b, "count") - at(t, a, "count")) })
		order = order[:min(len(order), mostPlaces)]
	}
	bars.Series = []plot.Series{{Name: d.say("median"), Class: "plot-1"}, {Name: d.say("p90"), Class: "plot-2"}}
	for _, i := range order {
		name := t.Rows[i][0].String()
		switch {
		case figure == "time by level":
			name = d.say("level", "n", name)
		case name == "":
			name = d.say("no_queue")
		}
		bars.Labels = append(bars.Labels, name)
		bars.Below = append(bars.Below, d.say("n", "n", d.count(at(t, i, "count"))))
		bars.Series[0].Values = append(bars.Series[0].Values, median[i]/per)
		bars.Series[1].Values = append(bars.Series[1].Values, p90[i]/per)
	}
	f := d.figure(figure, bars, t)
	if len(t.Rows) > len(order) {
		f.Note += " " + d.say("busiest", "n", len(order), "all", len(t.Rows))
	}
	return f
}

// mostPlaces is how many queues are drawn. The table has all.
const mostPlaces = 15

// holders shows who had the tickets for how much of the time.
func (d *drawer) holders() figureView {
	t := d.table(d.last, "time by holder")
	bars := &plot.Bars{Across: true, Unit: d.say("unit.percent"), Number: d.p.percent, Value: d.p.percent,
		Series: []plot.Series{{Name: d.say("share"), Class: "plot-1"}}}
	for i, row := range t.Rows {
		if share := at(t, i, "share"); row[0].String() != "all" && !math.IsNaN(share) {
			bars.Labels = append(bars.Labels, d.word(row[0].String()))
			bars.Series[0].Values = append(bars.Series[0].Values, share)
		}
	}
	return d.figure("time by holder", bars, t, d.table(d.last, "time by phase"))
}

// targets shows the promises that were met and breached.
func (d *drawer) targets() figureView {
	t := d.last.wall["targets"]
	bars := &plot.Bars{Across: true, Stacked: true, Whole: true, Unit: d.say("unit.clocks")}
	for i, row := range t.Rows {
		label := d.word(row[0].String())
		if policy := row[1].String(); policy != "" {
			label += ", " + policy
		}
		bars.Labels = append(bars.Labels, label)
		share := "–"
		if v := at(t, i, "share met"); !math.IsNaN(v) {
			share = d.p.percent(v)
		}
		bars.Below = append(bars.Below, d.say("met_share", "share", share))
	}
	for _, s := range [][2]string{{"met", "plot-ok"}, {"missed", "plot-bad"}, {"late", "plot-warn"}} {
		bars.Series = append(bars.Series, plot.Series{Name: d.word(s[0]), Class: s[1], Values: columnOf(t, s[0])})
	}
	return d.figure("targets", bars, t)
}

func (d *drawer) moves() figureView {
	t := d.last.wall["level moves"]
	bars := &plot.Bars{Across: true, Whole: true, Unit: d.say("unit.moves"), Series: []plot.Series{{Name: d.say("moves"), Class: "plot-1", Values: columnOf(t, "count")}}}
	for _, row := range t.Rows {
		bars.Labels = append(bars.Labels, d.say("from_to", "from", row[0].String(), "to", row[1].String()))
	}
	return d.figure("level moves", bars, t)
}

func (d *drawer) reopened() figureView {
	t := d.last.wall["reopened"]
	from := max(0, len(t.Rows)-12)
	bars := &plot.Bars{Unit: d.say("unit.percent"), Series: []plot.Series{{Name: d.say("reopened_all"), Class: "plot-2"}, {Name: d.say("reopened_30"), Class: "plot-1"}}}
	for i := from; i < len(t.Rows); i++ {
		all, soon := at(t, i, "share"), at(t, i, "share within 30 days")
		if math.IsNaN(all) && len(bars.Labels) == 0 {
			continue // before the first ticket
		}
		label := t.Rows[i][0].String()
		if m, err := time.Parse(monthForm, label); err == nil {
			label = d.p.pick("time.months_short", int(m.Month())-1)
		}
		bars.Labels = append(bars.Labels, label)
		bars.Series[0].Values = append(bars.Series[0].Values, all)
		bars.Series[1].Values = append(bars.Series[1].Values, soon)
	}
	return d.figure("reopened", bars, t)
}

func (d *drawer) contact() figureView {
	t := d.last.wall["first contact"]
	bars := &plot.Bars{Across: true, Unit: d.say("unit.percent"), Number: d.p.percent, Value: d.p.percent,
		Series: []plot.Series{{Name: d.say("share"), Class: "plot-1", Values: columnOf(t, "share")}}}
	for i, row := range t.Rows {
		bars.Labels = append(bars.Labels, d.word(row[0].String()))
		bars.Below = append(bars.Below, d.say("n_of", "n", d.count(at(t, i, "count")), "of", d.count(at(t, i, "of"))))
	}
	if sum(bars.Series[0].Values) == 0 && sum(columnOf(t, "of")) == 0 {
		bars = nil
	}
	return d.figure("first contact", bars, t)
}

func (d *drawer) satisfaction() figureView {
	t := d.last.wall["satisfaction"]
	var bars *plot.Bars
	if len(t.Rows) > 0 && at(t, 0, "rated") > 0 {
		bars = &plot.Bars{Whole: true, Unit: d.say("unit.ratings"), Series: []plot.Series{{Name: d.say("ratings"), Class: "plot-1"}}}
		for score := 1; score <= 5; score++ {
			bars.Labels = append(bars.Labels, strconv.Itoa(score))
			bars.Series[0].Values = append(bars.Series[0].Values, at(t, 0, "score "+strconv.Itoa(score)))
		}
	}
	return d.figure("satisfaction", bars, t)
}

func (d *drawer) tableViews(tables []report.Table) (list []tableView) {
	for _, t := range tables {
		if len(t.Rows) > 0 {
			list = append(list, d.tableView(t))
		}
	}
	return list
}

// tableView translates a table.
func (d *drawer) tableView(t report.Table) tableView {
	v := tableView{Caption: d.say(keyOfWord(t.Name) + ".table"), Open: len(t.Rows) <= 3, name: t.Name}
	skip := t.Column("precision")
	for i, name := range t.Columns {
		if i != skip {
			v.Columns = append(v.Columns, cell{d.word(name), !textual(t, i)})
		}
	}
	for _, row := range t.Rows {
		var cells []cell
		for i, value := range row {
			if i == skip {
				continue
			}
			cells = append(cells, cell{d.value(t, i, value), !textual(t, i)})
		}
		v.Rows = append(v.Rows, cells)
	}
	return v
}

// textual reports whether a column has texts.
func textual(t report.Table, column int) bool {
	return slices.ContainsFunc(t.Rows, func(row []report.Value) bool {
		_, isNumber := row[column].Float()
		return !isNumber && row[column].String() != ""
	})
}

// value writes a value of a table for people.
func (d *drawer) value(t report.Table, column int, v report.Value) string {
	n, ok := v.Float()
	name := t.Columns[column]
	switch {
	case !ok && v.String() == "" && textual(t, column):
		return d.say("none")
	case !ok && v.String() == "":
		return "–"
	case !ok && name == "day":
		return d.dayName(v.String())
	case !ok && name == "month":
		return d.monthName(v.String())
	case !ok:
		return d.word(v.String())
	case strings.Contains(name, "share") || strings.HasSuffix(name, "rate"):
		return d.p.percent(n)
	case t.Name != "satisfaction" && slices.Contains([]string{"median", "p90", "total"}, name):
		return d.p.took(n)
	}
	return d.p.number(n, 1)
}

func (d *drawer) count(n float64) string { return d.p.number(n, 0) }

// number writes a number in the language of the page, with digits after the point where it has them.
func (p *page) number(v float64, digits int) string {
	if math.IsNaN(v) {
		return "–"
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	whole, part, _ := strings.Cut(s, ".")
	part = strings.TrimRight(part, "0")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:]
	}
	if part == "" {
		return whole
	}
	return whole + p.say("size.point") + part
}

func (p *page) percent(v float64) string { return p.number(v, 1) + "\u202f%" }

func (p *page) signed(v float64) string {
	switch {
	case v > 0:
		return "+" + p.number(v, 0)
	case v < 0:
		return "−" + p.number(-v, 0)
	}
	return "±0"
}

// took writes seconds in their two largest units: "1 d 11 h", "17 h 7 min".
func (p *page) took(seconds float64) string {
	if math.IsNaN(seconds) {
		return "–"
	}
	minutes := int(math.Round(seconds / 60))
	days, hours := minutes/1440, minutes%1440/60
	unit := func(key string, n int) string { return p.say("span."+key, "n", n) }
	switch {
	case seconds > 0 && minutes == 0:
		return "< " + unit("minutes", 1)
	case days >= 100 || days > 0 && hours == 0:
		return unit("days", days)
	case days > 0:
		return unit("days", days) + " " + unit("hours", hours)
	case hours > 0 && minutes%60 == 0:
		return unit("hours", hours)
	case hours > 0:
		return unit("hours", hours) + " " + unit("minutes", minutes%60)
	}
	return unit("minutes", minutes)
}

// open writes seconds of open time, in hours and minutes: a day of open time is no day.
func (p *page) open(seconds float64) string {
	hours := math.Floor(seconds / 3600)
	if hours < 24 {
		return p.took(seconds)
	}
	out := p.say("span.hours", "n", p.number(hours, 0))
	if minutes := int(math.Round(math.Mod(seconds, 3600) / 60)); minutes > 0 {
		out += " " + p.say("span.minutes", "n", minutes)
	}
	return out
}
