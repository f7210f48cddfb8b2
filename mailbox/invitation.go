package mailbox

import (
	"strings"
	"time"
)

// maxCalendar limits the bytes of an invitation that are read.
const maxCalendar = 256 << 10

// invitation returns a summary of the first event of a calendar (RFC 5545): what, when,
// where, and who invites. It is "" if there is none.
func invitation(s string) string {
	s = s[:min(len(s), maxCalendar)]
	values := map[string]string{}
	zones := map[string]string{}
	method, within := "", ""
	rest := strings.NewReplacer("\r\n", "\n").Replace(s)
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t") { // folded
			var b strings.Builder
			b.WriteString(line)
			for strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t") {
				line, rest, _ = strings.Cut(rest[1:], "\n")
				b.WriteString(line)
			}
			line = b.String()
		}
		name, params, value := calendarLine(line)
		switch {
		case name == "METHOD" && within == "":
			method = strings.ToUpper(value)
		case name == "BEGIN":
			within = strings.ToUpper(value)
		case name == "END" && strings.EqualFold(value, "VEVENT"):
			rest = "" // the first event is enough
		case name == "END":
			within = "VEVENT" // back from an alarm
			if len(values) == 0 {
				within = ""
			}
		case within == "VEVENT":
			if _, twice := values[name]; twice || len(values) > 100 {
				continue
			}
			values[name] = value
			if _, zone, found := strings.Cut(strings.ToUpper(params), "TZID="); found {
				at := len(params) - len(zone)
				zone, _, _ = strings.Cut(params[at:], ";")
				zones[name] = strings.Trim(zone, `"`)
			}
			if name == "ORGANIZER" {
				if _, cn, found := strings.Cut(params, "CN="); found {
					cn, _, _ = strings.Cut(cn, ";")
					values["ORGANIZER-NAME"] = strings.Trim(cn, `"`)
				}
			}
		}
	}
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	put := func(label, value string) {
		value = oneLine(strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value))
		if value == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(label + ": " + cutVisibly(value, 500))
	}
	kind := map[string]string{"CANCEL": "Cancelled", "REPLY": "Answer to an invitation", "COUNTER": "Other time proposed"}[method]
	if kind == "" {
		kind = "Invitation"
	}
	title := values["SUMMARY"]
	if title == "" {
		title = "(no title)"
	}
	put(kind, title)
	put("From", calendarTime(values["DTSTART"], zones["DTSTART"]))
	put("To", calendarTime(values["DTEND"], zones["DTEND"]))
	put("Where", values["LOCATION"])
	by := values["ORGANIZER"]
	if len(by) > len("mailto:") && strings.EqualFold(by[:len("mailto:")], "mailto:") {
		by = by[len("mailto:"):]
	}
	if name := values["ORGANIZER-NAME"]; name != "" && name != by {
		by = name + " <" + by + ">"
	}
	put("Organizer", by)
	return b.String()
}

// calendarLine splits a line into its name, its parameters and its value.
func calendarLine(line string) (name, params, value string) {
	quoted := false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			name, params, _ = strings.Cut(line[:i], ";")
			return strings.ToUpper(strings.TrimSpace(name)), params, strings.TrimSpace(line[i+1:])
		}
	}
	return "", "", ""
}

// calendarTime formats a time of a calendar.
func calendarTime(s, zone string) string {
	for _, form := range [...][2]string{{"20060102T150405Z", "2006-01-02 15:04 UTC"}, {"20060102T150405", "2006-01-02 15:04"}, {"20060102", "2006-01-02"}} {
		if t, err := time.Parse(form[0], s); err == nil {
			s = t.Format(form[1])
			if zone != "" {
				s += " (" + zone + ")"
			}
			return s
		}
	}
	return s
}
