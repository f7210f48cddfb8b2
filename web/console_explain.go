package web

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/plot"
)

// explanation is what the page needs of the JSON form of an explanation of package sla.
type explanation struct {
	Clock struct {
		Metric   string    `json:"metric"`
		Policy   string    `json:"policy"`
		Within   span      `json:"within"`
		Calendar string    `json:"calendar"`
		State    string    `json:"state"`
		Started  time.Time `json:"started"`
		Stopped  time.Time `json:"stopped"`
		Due      time.Time `json:"due"`
		Counted  span      `json:"counted"`
		Left     span      `json:"left"`
	} `json:"clock"`
	AsOf  time.Time `json:"as_of"`
	Spans []struct {
		Kind    string    `json:"kind"`
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		Status  string    `json:"status"`
		Reason  string    `json:"reason"`
		Counted span      `json:"counted"`
		Total   span      `json:"total"`
		Hours   struct {
			Steps []struct {
				From time.Time `json:"from"`
				To   time.Time `json:"to"`
				Open bool      `json:"open"`
			} `json:"steps"`
		} `json:"hours"` // when it was open and when closed
	} `json:"spans"`
	Moments []struct {
		Kind      string    `json:"kind"`
		At        time.Time `json:"at"`
		Event     int64     `json:"event"`
		Action    string    `json:"action"`
		By        string    `json:"by"`
		Policy    string    `json:"policy"`
		Within    span      `json:"within"`
		State     string    `json:"state"`
		Threshold threshold `json:"threshold"`
	} `json:"moments"`
}

// explainData is the data of figures_explain.html.
type explainData struct {
	Number  ticket.Number
	Subject string
	Metric  string
	Promise string // the policy, the time and the hours
	State   string
	Class   string
	Due     time.Time
	Counted string
	Left    string // what is left, or how much it is too late
	Wide    template.HTML
	Narrow  template.HTML
	Moments []momentView
	Spans   []spanView
	Text    string // the explanation in full
}

type momentView struct {
	At     time.Time
	What   string
	Future bool
}

type spanView struct {
	From, To             time.Time
	What, Counted, Total string
}

// explain shows why a clock of a ticket is due when it is, with a drawing. It returns false if the
// application has no explanation that can be drawn.
func (c *Console) explain(p *page, t *ticket.Ticket, metric string) (bool, error) {
	why, err := c.cfg.Explain(p.ctx(), p.actor, t.ID, metric, p.now)
	if err != nil {
		p.s.log(p.ctx(), "web: a clock was not explained", err)
		return false, nil
	}
	x, ok := readExplanation(why)
	if !ok {
		return false, nil
	}
	d := explainData{Number: t.Number, Subject: p.subject(t), Metric: p.wordOf("metric", metric), Text: why.String()}
	p.explained(&d, &x)
	return true, p.render(http.StatusOK, "figures_explain.html", d)
}

// readExplanation reads the JSON form of an explanation. It returns false if it is not one of
// package sla.
func readExplanation(why any) (x explanation, ok bool) {
	data, err := json.Marshal(why)
	ok = err == nil && json.Unmarshal(data, &x) == nil && x.Clock.Metric != ""
	return x, ok
}

// explained fills the page.
func (p *page) explained(d *explainData, x *explanation) {
	c := &x.Clock
	hours := p.say("figures.round_the_clock")
	if c.Calendar != "" {
		hours = p.say("figures.calendar", "name", c.Calendar)
	}
	d.Promise = p.say("figures.explain_promise", "span", p.open(c.Within.seconds()), "hours", hours, "policy", c.Policy)
	d.State, d.Due, d.Counted = p.wordOf("clock_state", c.State), c.Due, p.open(c.Counted.seconds())
	if left := c.Left.seconds(); left < 0 {
		d.Left, d.Class = p.say("figures.too_many", "span", p.open(-left)), "bad"
		if c.State == "running" {
			d.State = p.say("figures.clock_state.late")
		}
	} else {
		d.Left = p.say("figures.left", "span", p.open(left))
	}
	if d.Class == "" {
		d.Class = map[string]string{"met": "ok", "missed": "bad", "paused": "warn", "running": "open"}[c.State]
	}
	for _, s := range x.Spans {
		v := spanView{From: s.From, To: s.To, What: p.wordOf("span_kind", s.Kind), Counted: p.open(s.Counted.seconds()), Total: p.open(s.Total.seconds())}
		if s.Status != "" {
			v.What = p.say("figures.paused_by", "status", p.wordOf("status", s.Status))
			if s.Reason != "" {
				v.What += " (" + s.Reason + ")"
			}
		}
		d.Spans = append(d.Spans, v)
	}
	for _, m := range x.Moments {
		what := p.wordOf("moment", m.Kind)
		switch {
		case m.Kind == "threshold":
			what = p.thresholdName(&m.Threshold)
			if do := p.reactions(&m.Threshold); do != "" {
				what += ": " + do
			}
		case m.Kind == "stopped":
			what += ": " + p.wordOf("clock_state", m.State)
		case m.Within > 0 && m.Kind != "breached":
			what += ": " + p.say("figures.explain_target", "span", p.open(m.Within.seconds()), "policy", m.Policy)
		}
		if m.Action != "" {
			what += " " + p.say("figures.by_event", "action", p.wordOf("action", m.Action), "n", m.Event)
		}
		d.Moments = append(d.Moments, momentView{m.At, what, m.At.After(p.now)})
	}
	d.Wide, d.Narrow = p.clockDrawing(d, x, 900), p.clockDrawing(d, x, widthNarrow)
}

func (p *page) thresholdName(th *threshold) string {
	switch {
	case th.Share == 100:
		return p.say("figures.due")
	case th.Share > 0:
		return p.say("figures.after_share", "n", th.Share)
	case th.Before > 0:
		return p.say("figures.before_due", "span", p.open(th.Before.seconds()))
	}
	return p.say("figures.after_due", "span", p.open(th.After.seconds()))
}

// mostSteps is how many open and closed hours of a span are drawn: two for each day. More would
// be narrower than a line.
const mostSteps = 200

// clockDrawing draws the time of a clock: what counted, what did not, now and when it is due.
func (p *page) clockDrawing(d *explainData, x *explanation, width int) template.HTML {
	from, to := x.Clock.Started, x.AsOf
	if !x.Clock.Stopped.IsZero() {
		to = x.Clock.Stopped
	}
	for _, s := range x.Spans {
		if s.To.After(to) {
			to = s.To
		}
	}
	if x.Clock.Due.After(to) {
		to = x.Clock.Due
	}
	at := func(t time.Time) float64 { return t.Sub(from).Seconds() }
	line := plot.Timeline{ID: fmtID("clock", width), Title: d.Metric, Description: d.Promise, End: at(to), Width: width}
	for i, s := range x.Spans {
		class := "plot-rest"
		if s.Kind == "counted" {
			class = "plot-1"
			if !s.From.Before(x.AsOf) {
				class = "plot-age-1" // to come
			}
		}
		line.Parts = append(line.Parts, plot.Part{From: at(s.From), To: at(s.To), Class: class, Title: d.Spans[i].What})
		for _, step := range s.Hours.Steps {
			if !step.Open && len(s.Hours.Steps) <= mostSteps {
				line.Parts = append(line.Parts, plot.Part{From: at(step.From), To: at(step.To), Class: "plot-rest", Title: p.say("figures.span_kind.closed")})
			}
		}
	}
	mark := func(t time.Time, class, key string) {
		if !t.IsZero() {
			line.Marks = append(line.Marks, plot.Mark{At: at(t), Class: class, Text: p.say(key) + ", " + p.moment(t, from)})
		}
	}
	mark(from, "", "figures.start")
	mark(x.Clock.Stopped, "", "figures.stopped")
	if x.Clock.Stopped.IsZero() {
		mark(x.AsOf, "", "figures.now")
	}
	mark(x.Clock.Due, "plot-bad", "figures.due")
	slices.SortStableFunc(line.Marks, func(a, b plot.Mark) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return drawn(line.SVG())
}

// moment writes a time beside a drawing: the time of day, and the day unless all is on one day.
func (p *page) moment(t, start time.Time) string {
	t, start = t.In(p.zone), start.In(p.zone)
	if dayOf(t) == dayOf(start) && dayOf(t) == dayOf(p.now.In(p.zone)) {
		return t.Format("15:04")
	}
	return p.say("time.day", "day", t.Day(), "month", p.pick("time.months_short", int(t.Month())-1), "clock", t.Format("15:04"))
}

func fmtID(name string, width int) string {
	if width == widthNarrow {
		return "n-" + name
	}
	return "w-" + name
}

// explainExamples are fixtures.
func explainExamples(s *site) []any {
	p := s.example("en")
	var x explanation
	_ = json.Unmarshal([]byte(`{"clock":{"metric":"first answer","policy":"gold","within":"2h0m0s","calendar":"office","state":"running","started":"2026-01-12T09:00:00Z","due":"2026-01-12T11:00:00Z",`+
		`"counted":"1h0m0s","left":"1h0m0s"},"as_of":"2026-01-12T10:00:00Z","spans":[{"kind":"counted","from":"2026-01-12T09:00:00Z","to":"2026-01-12T10:00:00Z","counted":"1h0m0s","total":"1h0m0s"},`+
		`{"kind":"paused","from":"2026-01-12T10:00:00Z","to":"2026-01-12T11:00:00Z","status":"waiting","reason":"vendor","counted":"0s","total":"1h0m0s"}],`+
		`"moments":[{"kind":"started","at":"2026-01-12T09:00:00Z","event":1,"action":"open","by":"requester","policy":"gold","within":"2h0m0s"}]}`), &x)
	full := explainData{Number: "7Q4K92MXF", Subject: "Printer", Metric: "first answer", Text: "first answer"}
	p.explained(&full, &x)
	return []any{full, explainData{Number: "7Q4K92MXF", Metric: "first answer"}}
}
