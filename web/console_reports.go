package web

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

// Reports configures the reports of the console. They count all tickets of the tenant, whichever
// queues the reader serves. The zero value works.
type Reports struct {
	// May says who may see reports. Nil means agents who serve every queue, and systems.
	May func(ticket.Actor) bool
	// Zone is the time zone of days and months, the same for all readers. It needs a name, so
	// time.Local is refused. Nil means Look.Zone.
	Zone *time.Location
	// Hours are business hours, such as a *businesshours.Calendar. With them a reader can see
	// times in business hours. Nil means real time only.
	Hours report.Hours
	// OnHold lists the statuses in which a ticket waits for others; see report.Config.
	OnHold []ticket.Status
	// Agents adds figures for each agent. Check with your works council first.
	Agents bool
}

func (c *Reports) may(a ticket.Actor) bool {
	if c.May != nil {
		return c.May(a)
	}
	return a.Role == ticket.RoleSystem || a.Role == ticket.RoleAgent && a.Queues == nil
}

// desk of figures: what the pages of this file need.
type figures struct {
	site    *site
	cfg     Reports
	ledger  *ledger
	reports report.Config
}

func newFigures(c *Console, cfg Reports) (*figures, error) {
	s := c.site
	cfg.Zone = cmp.Or(cfg.Zone, s.look.Zone)
	if cfg.Zone == time.Local {
		return nil, errors.New("web: Reports.Zone must have a name, so that days are the same everywhere; use time.LoadLocation")
	}
	options := report.Config{Zone: cfg.Zone, Hours: cfg.Hours, OnHold: cfg.OnHold, Agents: cfg.Agents}
	f := &figures{site: s, cfg: cfg, reports: options}
	f.ledger = &ledger{
		desk: s.desk, options: options, now: s.look.Now, fail: s.log,
		ctx: c.ctx, begin: c.work, end: c.jobs.Done, kept: map[ledgerKey]*kept{}, passes: map[string]*pass{},
	}
	s.get("reports", f.page)
	s.get("reports/{figure}", f.csv)
	s.fixture("figures_reports.html", reportsExamples(f)...)
	return f, nil
}

// reportsData is the data of figures_reports.html.
type reportsData struct {
	Title       string // of the period
	Month       string // such as "2026-03"; empty if the period is no month
	From, To    string // the first and the last day
	Earliest    string
	Today       string
	Before      string // the address of the period before; the address of the one after is empty if it is to come
	After       string
	BeforeTitle string
	AfterTitle  string
	Hours       string // the name of the business hours; empty if there are none
	InHours     bool
	OtherClock  string // the address of the page with the other clock

	Computed time.Time
	Until    time.Time // the end of what was counted, if the period goes on; otherwise zero
	Tickets  string    // how many were read
	Merged   bool
	Old      bool // it is being computed again
	Waiting  bool // nothing is there yet
	Read     string
	Failed   bool
	Here     string // the address of this page

	Tiles   []tile
	Figures []figureView
}

func (f *figures) chosen(p *page) (period, error) {
	if !f.cfg.may(p.actor) {
		return period{}, ticket.ErrNotFound
	}
	return parsePeriod(p.r.URL.Query(), f.cfg.Zone, p.now), nil
}

// page shows the reports of a period.
func (f *figures) page(p *page) error {
	w, err := f.chosen(p)
	if err != nil {
		return err
	}
	list := w.series(f.cfg.Zone)
	found, how := f.ledger.get(p.ctx(), p.actor.Tenant, list)
	data := f.data(p, w, p.query("clock") == "hours")
	data.Failed, data.Read = how.Failed, p.number(float64(how.Tickets), 0)
	last := found[len(found)-1]
	if last == nil {
		data.Waiting = true
		return p.render(http.StatusOK, "figures_reports.html", data)
	}
	f.fill(p, &data, w, list, found)
	return p.render(http.StatusOK, "figures_reports.html", data)
}

// data returns what a page has without figures.
func (f *figures) data(p *page, w period, inHours bool) reportsData {
	zone := f.cfg.Zone
	lastDay := w.To.In(zone).AddDate(0, 0, -1)
	d := reportsData{
		Title: p.periodTitle(w, zone), Month: w.Month,
		From: w.From.In(zone).Format(dayForm), To: lastDay.Format(dayForm), Today: p.now.In(zone).Format(dayForm),
	}
	if f.cfg.Hours != nil {
		d.Hours, d.InHours = f.cfg.Hours.Name(), inHours
	}
	address := func(w period, inHours bool) string {
		q := w.query(zone)
		if inHours && d.Hours != "" {
			q.Set("clock", "hours")
		}
		return p.link("reports") + "?" + q.Encode()
	}
	before, after := f.beside(w)
	d.Before, d.BeforeTitle = address(before, inHours), p.periodTitle(before, zone)
	if after.From.Before(p.now) {
		d.After, d.AfterTitle = address(after, inHours), p.periodTitle(after, zone)
	}
	d.OtherClock, d.Here = address(w, !inHours), address(w, inHours)
	return d
}

// beside returns the periods before and after.
func (f *figures) beside(w period) (before, after period) {
	zone := f.cfg.Zone
	if w.Month != "" {
		return monthOf(w.From, -1, zone), monthOf(w.From, 1, zone)
	}
	days := int(w.To.Sub(w.From).Round(24*time.Hour) / (24 * time.Hour))
	return period{From: w.From.In(zone).AddDate(0, 0, -days), To: w.From}, period{From: w.To, To: w.To.In(zone).AddDate(0, 0, days)}
}

// fill adds the figures.
func (f *figures) fill(p *page, d *reportsData, w period, list []period, found []*kept) {
	last := found[len(found)-1]
	d.Computed, d.Tickets = last.computed, p.number(float64(last.tickets), 0)
	if last.to.Before(w.To) {
		d.Until = last.to
	}
	d.Old = !last.final && f.ledger.now().Sub(last.computed) >= max(freshFor, freshPerTaken*last.took)
	draw := &drawer{p: p, f: f, period: w, last: last, inHours: d.InHours}
	for i, w := range list {
		if found[i] != nil {
			draw.names = append(draw.names, p.periodShort(w, f.cfg.Zone))
			draw.series = append(draw.series, found[i])
		}
	}
	d.Tiles, d.Figures = draw.tiles(), draw.figures()
	for i := range d.Figures {
		q := w.query(f.cfg.Zone)
		if d.InHours {
			q.Set("clock", "hours")
		}
		for k := range d.Figures[i].Tables {
			d.Figures[i].Tables[k].CSV = p.link("reports", d.Figures[i].Tables[k].name) + "?" + q.Encode()
		}
	}
}

// csv sends the table of a figure.
func (f *figures) csv(p *page) error {
	w, err := f.chosen(p)
	if err != nil {
		return err
	}
	found, _ := f.ledger.get(p.ctx(), p.actor.Tenant, []period{w})
	if found[0] == nil {
		return p.redirect("reports", w.query(f.cfg.Zone)) // it says how far it is
	}
	tables := found[0].wall
	if p.query("clock") == "hours" && found[0].hours[p.arg("figure")].Name != "" {
		tables = found[0].hours
	}
	t, ok := tables[p.arg("figure")]
	if !ok {
		return ticket.ErrNotFound
	}
	h := p.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(t.Name+" "+cmp.Or(w.Month, w.From.In(f.cfg.Zone).Format(dayForm)))+".csv"))
	p.begun = true
	return t.WriteCSV(p.w)
}

// fileName replaces blanks.
func fileName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '/' {
			b[i] = '-'
		}
	}
	return string(b)
}

// periodTitle names a period: "March 2026", "1 March 2026 – 9 April 2026".
func (p *page) periodTitle(w period, zone *time.Location) string {
	from, last := w.From.In(zone), w.To.In(zone).AddDate(0, 0, -1)
	if w.Month != "" {
		return p.pick("time.months", int(from.Month())-1) + " " + from.Format("2006")
	}
	day := func(t time.Time) string {
		return p.say("figures.day", "day", t.Day(), "month", p.pick("time.months_short", int(t.Month())-1), "year", t.Year())
	}
	if from.Equal(last) {
		return day(from)
	}
	return day(from) + " – " + day(last)
}

// periodShort names a period below a bar.
func (p *page) periodShort(w period, zone *time.Location) string {
	from := w.From.In(zone)
	month := p.pick("time.months_short", int(from.Month())-1)
	if w.Month != "" {
		return month + from.Format(" 06")
	}
	return p.say("figures.from_day", "day", from.Day(), "month", month)
}

// reportsExamples are fixtures: a page with everything, one without anything, one that waits.
func reportsExamples(f *figures) []any {
	p := f.site.example("en")
	w := monthOf(p.now, -1, f.cfg.Zone)
	full, empty := f.data(p, w, false), f.data(p, w, false)
	cells := []cell{{Text: "Mar 26"}, {Text: "3", Num: true}}
	full.Computed, full.Until, full.Tickets, full.Old = p.now, p.now, "1", true
	full.Tiles = []tile{{Name: "open", Value: "3", Note: "2 more"}}
	full.Figures = []figureView{
		{ID: "backlog", Title: "Backlog", Note: "Open tickets", Wide: "<svg></svg>", Narrow: "<svg></svg>", Full: true, Tables: []tableView{{Caption: "Backlog", Columns: cells, Rows: [][]cell{cells}, CSV: "reports/backlog"}}},
		{ID: "targets", Title: "Targets", Empty: "Nothing"},
	}
	waiting := empty
	waiting.Waiting, waiting.Read = true, "5"
	failed := waiting
	failed.Failed = true
	return []any{full, empty, waiting, failed}
}

// drawn marks a drawing of package plot as HTML: it escapes all texts.
func drawn(svg []byte) template.HTML { return template.HTML(svg) } //nolint:gosec // see above
