package ical

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// event has the relevant properties of a VEVENT.
type event struct {
	line       int // the line of its BEGIN
	uid        string
	summary    string
	allDay     bool
	cancelled  bool
	start      int64 // dates are days since 1 January 1970
	length     int64 // number of days
	rule       *rule
	added      []int64 // RDATE
	excluded   []int64 // EXDATE, sorted
	isInstance bool    // it replaces one occurrence of a series
	instance   int64   // the date of that occurrence
}

// property is a content line.
type property struct {
	line   int
	name   string // in capitals
	params map[string]string
	value  string
}

// parse reads all events of a feed.
func parse(feed string) ([]event, error) {
	var (
		events  []event
		open    []string // the open components, the innermost last
		current []property
		begin   int
	)
	lines, err := unfold(strings.TrimPrefix(feed, "\uFEFF"))
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		p, err := parseLine(l)
		if err != nil {
			return nil, err
		}
		depth := len(open)
		switch component := strings.ToUpper(p.value); {
		case p.name == "BEGIN" && depth == 0 && component != "VCALENDAR":
			return nil, invalid(p.line, "%s is not in a VCALENDAR", quote(component))
		case p.name == "BEGIN" && depth == maxDepth:
			return nil, invalid(p.line, "components are nested more than %d deep", maxDepth)
		case p.name == "BEGIN":
			open = append(open, component)
			if depth == 1 && component == "VEVENT" {
				begin, current = p.line, nil
			}
		case depth == 0:
			return nil, invalid(p.line, "is not in a VCALENDAR")
		case p.name == "END":
			if component != open[depth-1] {
				return nil, invalid(p.line, "ends %s inside %s", quote(component), quote(open[depth-1]))
			}
			open = open[:depth-1]
			if depth == 2 && component == "VEVENT" {
				e, err := newEvent(begin, current)
				if err != nil {
					return nil, err
				}
				events = append(events, e)
			}
		case depth == 2 && open[1] == "VEVENT":
			current = append(current, p)
		}
	}
	if len(open) > 0 {
		return nil, invalid(0, "ends inside %s; the feed may be cut short", quote(open[len(open)-1]))
	}
	if len(lines) == 0 {
		return nil, invalid(0, "is empty")
	}
	return events, nil
}

const maxDepth = 8

type textLine struct {
	number int
	text   string
}

// unfold joins folded lines: a line that starts with a space or tab continues the line
// before.
func unfold(feed string) ([]textLine, error) {
	var lines []textLine
	var parts []string // parts of the last line
	finish := func() {
		if len(parts) > 0 {
			lines[len(lines)-1].text = strings.Join(parts, "")
		}
	}
	number := 0
	for text := range strings.SplitSeq(feed, "\n") {
		number++
		text = strings.TrimSuffix(text, "\r")
		switch {
		case text == "":
		case text[0] != ' ' && text[0] != '\t':
			finish()
			lines = append(lines, textLine{number: number})
			parts = append(parts[:0], text)
		case len(lines) == 0:
			return nil, invalid(number, "continues a line that does not exist")
		default:
			parts = append(parts, text[1:])
		}
	}
	finish()
	return lines, nil
}

// parseLine reads NAME;PARAM=value;PARAM="value":value.
func parseLine(l textLine) (property, error) {
	p := property{line: l.number}
	colon, quoted := -1, false
	var cuts []int // the positions of the semicolons before the colon
scan:
	for i := range len(l.text) {
		switch c := l.text[i]; {
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			cuts = append(cuts, i)
		case c == ':' && !quoted:
			colon = i
			break scan
		}
	}
	if colon < 0 {
		return p, invalid(l.number, "is not a property such as NAME:value")
	}
	p.value = l.text[colon+1:]
	cuts = append(cuts, colon)
	p.name = strings.ToUpper(l.text[:cuts[0]])
	for k, from := range cuts[:len(cuts)-1] {
		name, value, _ := strings.Cut(l.text[from+1:cuts[k+1]], "=")
		if p.params == nil {
			p.params = map[string]string{}
		}
		p.params[strings.ToUpper(name)] = strings.Trim(value, `"`)
	}
	return p, nil
}

// newEvent makes an event of the properties of a VEVENT.
func newEvent(line int, props []property) (event, error) {
	e := event{line: line, length: 1}
	find := func(name string) (property, bool) {
		i := slices.IndexFunc(props, func(p property) bool { return p.name == name })
		if i < 0 {
			return property{}, false
		}
		return props[i], true
	}
	uid, _ := find("UID")
	e.uid = uid.value
	if p, ok := find("RECURRENCE-ID"); ok {
		if strings.EqualFold(p.params["RANGE"], "THISANDFUTURE") {
			return e, unsupported(p.line, "RANGE=THISANDFUTURE")
		}
		day, _, err := p.date(p.value)
		if err != nil {
			return e, err
		}
		e.isInstance, e.instance = true, day
	}
	start, ok := find("DTSTART")
	if !ok {
		return e, invalid(line, "the event has no DTSTART")
	}
	day, allDay, err := start.date(start.value)
	if err != nil || !allDay {
		return e, err
	}
	e.allDay, e.start = true, day
	if p, ok := find("STATUS"); ok && strings.EqualFold(p.value, "CANCELLED") {
		e.cancelled = true
		return e, nil
	}
	if p, ok := find("SUMMARY"); ok {
		e.summary = cut(unescape(p.value))
	}
	if e.length, err = length(day, find); err != nil {
		return e, err
	}
	rules := 0
	for _, p := range props {
		switch p.name {
		case "RRULE":
			if rules++; rules > 1 {
				return e, unsupported(p.line, "a second RRULE")
			}
			e.rule, err = parseRule(p)
		case "EXRULE":
			err = unsupported(p.line, "EXRULE")
		case "RDATE":
			e.added, err = p.dates(e.added)
		case "EXDATE":
			e.excluded, err = p.dates(e.excluded)
		}
		if err != nil {
			return e, err
		}
	}
	slices.Sort(e.excluded)
	return e, nil
}

// length returns the number of days of an event. DTEND is exclusive. Some feeds set DTEND
// to the first day of a one-day event; that counts as one day.
func length(start int64, find func(name string) (property, bool)) (int64, error) {
	if p, ok := find("DTEND"); ok {
		end, allDay, err := p.date(p.value)
		switch {
		case err != nil:
			return 0, err
		case !allDay:
			return 0, invalid(p.line, "DTEND has a time of day, but DTSTART does not")
		case end < start:
			return 0, invalid(p.line, "DTEND is before DTSTART")
		}
		return max(1, end-start), nil
	}
	if p, ok := find("DURATION"); ok {
		text := strings.TrimPrefix(p.value, "+")
		days := int64(1)
		number, isDays := strings.CutSuffix(text, "D")
		if !isDays {
			number, isDays = strings.CutSuffix(text, "W")
			days = 7
		}
		number, isPeriod := strings.CutPrefix(number, "P")
		n, err := strconv.ParseUint(number, 10, 24)
		if !isDays || !isPeriod || err != nil {
			return 0, invalid(p.line, "DURATION %s is not a number of days or weeks such as P2D", quote(p.value))
		}
		return max(1, int64(n)*days), nil
	}
	return 1, nil
}

// date reads one value and reports whether it is a date without a time of day.
func (p property) date(text string) (day int64, allDay bool, err error) {
	date, clock, timed := strings.Cut(strings.TrimSpace(text), "T")
	t, parseErr := time.Parse("20060102", date)
	if parseErr == nil && timed {
		_, parseErr = time.Parse("150405", strings.TrimSuffix(clock, "Z"))
	}
	if parseErr != nil || timed && strings.EqualFold(p.params["VALUE"], "DATE") {
		return 0, false, invalid(p.line, "%s %s is not a date such as 20261224", quote(p.name), quote(text))
	}
	return floor(t.Unix(), daySeconds), !timed, nil
}

// dates appends the dates of a list. Some feeds add a time of day, which is ignored.
func (p property) dates(list []int64) ([]int64, error) {
	if strings.EqualFold(p.params["VALUE"], "PERIOD") {
		return nil, unsupported(p.line, "%s of periods", p.name)
	}
	for text := range strings.SplitSeq(p.value, ",") {
		day, _, err := p.date(text)
		if err != nil {
			return nil, err
		}
		list = append(list, day)
	}
	return list, nil
}

var escapes = strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, " ", `\N`, " ")

func unescape(s string) string { return strings.TrimSpace(escapes.Replace(s)) }

// floor divides and rounds down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// quote shortens and quotes untrusted text.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
