package web

import (
	"cmp"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// zoneOf returns the zone of a request: the person's, the browser's, or the default.
func zoneOf(r *http.Request, person string, fallback *time.Location) *time.Location {
	names := []string{person}
	if c, err := r.Cookie(zoneCookie); err == nil {
		names = append(names, c.Value)
	}
	for _, name := range names {
		if name == "" || name == "Local" || len(name) > 64 {
			continue
		}
		if loc, err := time.LoadLocation(name); err == nil {
			return loc
		}
	}
	return fallback
}

// When returns a time in the reader's words: "in 18 min", "today 16:30", "Tue 10:00",
// "12 Jan, 09:14". The exact one is shown on hover.
func (p *page) When(t time.Time) template.HTML { return p.stamp(t, p.when(t)) }

// Due returns a time that something is due at: as When, or "32 min late".
func (p *page) Due(t time.Time) template.HTML {
	if late := p.now.Sub(t); late >= 0 && !t.IsZero() {
		return p.stamp(t, p.say("time.late", "span", p.span(late)))
	}
	return p.When(t)
}

// Late reports whether a time has passed.
func (p *page) Late(t time.Time) bool { return !t.IsZero() && !p.now.Before(t) }

// Soon reports whether a time is less than an hour ahead.
func (p *page) Soon(t time.Time) bool { return p.now.Before(t) && t.Sub(p.now) < time.Hour }

// Age returns how long ago a time was: "2 h".
func (p *page) Age(t time.Time) template.HTML { return p.stamp(t, p.span(p.now.Sub(t))) }

// Date returns a time with its day: "Monday, 12 January, 09:14".
func (p *page) Date(t time.Time) template.HTML { return p.stamp(t, p.date(t)) }

// Exact returns a time with everything: "Monday, 12 January 2026, 09:14:05 CET".
func (p *page) Exact(t time.Time) template.HTML { return p.stamp(t, p.exact(t)) }

// Span returns a duration in its largest unit: "20 min", "5 h", "3 d".
func (p *page) Span(d time.Duration) string { return p.span(d) }

// stamp returns a time element with these words.
func (p *page) stamp(t time.Time, say string) template.HTML {
	if t.IsZero() {
		return ""
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `" title="` + //nolint:gosec // each part is escaped
		template.HTMLEscapeString(p.exact(t)) + `">` + template.HTMLEscapeString(say) + `</time>`)
}

func (p *page) say(key string, values ...any) string { return p.s.texts.words(p.lang, key, values...) }

func (p *page) when(t time.Time) string {
	t = t.In(p.zone)
	now := p.now.In(p.zone)
	clock := t.Format("15:04")
	switch d := t.Sub(now); {
	case 0 <= d && d < time.Minute, -time.Minute < d && d < 0:
		return p.say("time.now")
	case 0 < d && d < time.Hour:
		return p.say("time.in", "span", p.span(d))
	case -time.Hour < d && d < 0:
		return p.say("time.ago", "span", p.span(-d))
	}
	switch days := dayOf(t) - dayOf(now); {
	case days == 0:
		return p.say("time.today", "clock", clock)
	case days == 1:
		return p.say("time.tomorrow", "clock", clock)
	case days == -1:
		return p.say("time.yesterday", "clock", clock)
	case -7 < days && days < 7:
		return p.say("time.weekday", "day", p.pick("time.days_short", int(t.Weekday())), "clock", clock)
	case t.Year() == now.Year():
		return p.say("time.day", "day", t.Day(), "month", p.pick("time.months_short", int(t.Month())-1), "clock", clock)
	}
	return p.say("time.year", "day", t.Day(), "month", p.pick("time.months_short", int(t.Month())-1), "year", t.Year())
}

// dayOf numbers the days of the calendar.
func dayOf(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

func (p *page) date(t time.Time) string {
	t = t.In(p.zone)
	key := "time.date"
	if t.Year() != p.now.In(p.zone).Year() {
		key = "time.date_year"
	}
	return p.full(key, t, "15:04")
}

func (p *page) exact(t time.Time) string {
	t = t.In(p.zone)
	return p.full("time.date_year", t, "15:04:05") + " " + zoneName(t)
}

func (p *page) full(key string, t time.Time, clock string) string {
	values := []any{
		"weekday", p.pick("time.days", int(t.Weekday())), "day", t.Day(),
		"month", p.pick("time.months", int(t.Month())-1), "clock", t.Format(clock),
	}
	if key == "time.date_year" {
		values = append(values, "year", t.Year())
	}
	return p.say(key, values...)
}

// zoneName returns the abbreviation of the zone, or its offset where it has none.
func zoneName(t time.Time) string {
	name, _ := t.Zone()
	if name == "" || strings.ContainsAny(name[:1], "+-") {
		return "UTC" + t.Format("-07:00")
	}
	return name
}

// pick returns a word of a list with commas.
func (p *page) pick(key string, i int) string {
	list := strings.Split(p.say(key), ",")
	if i < 0 || i >= len(list) {
		return strconv.Itoa(i)
	}
	return list[i]
}

func (p *page) span(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Hour:
		return p.say("span.minutes", "n", max(1, int(d/time.Minute)))
	case d < 48*time.Hour:
		return p.say("span.hours", "n", int(d/time.Hour))
	case d < 14*day:
		return p.say("span.days", "n", int(d/day))
	case d < 730*day:
		return p.say("span.weeks", "n", int(d/(7*day)))
	}
	return p.say("span.years", "n", int(d/(365*day)))
}

// Bytes returns a size: "184 kB".
func (p *page) Bytes(n int64) string {
	const k = 1000
	switch {
	case n < k:
		return p.say("size.bytes", "n", n)
	case n < k*k:
		return p.say("size.kilo", "n", (n+k/2)/k)
	}
	value, unit := float64(n)/(k*k), "size.mega"
	if n >= k*k*k {
		value, unit = value/k, "size.giga"
	}
	text := strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
	return p.say(unit, "n", strings.Replace(text, ".", cmp.Or(p.say("size.point"), "."), 1))
}
