package sla

import (
	"fmt"
	"strings"
	"unicode"
)

// Mermaid draws the policy as a flowchart in Mermaid's language
// (https://mermaid.js.org/syntax/flowchart.html): a node for the condition, one for each
// target, and one for what happens at each threshold. A dotted line leads to the statuses
// in which time does not count. The same policy always gives the same text.
func (p Policy) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	fmt.Fprintf(&b, "    p([%s])\n", label(p.Name, p.When.String()))
	for i, t := range p.Targets {
		id := fmt.Sprintf("t%d", i+1)
		lines := []string{t.subject(), "within " + short(t.Within) + " " + t.hours()}
		if t.Restart {
			lines = append(lines, "reopening starts again")
		}
		fmt.Fprintf(&b, "    p --> %s[%s]\n", id, label(lines...))
		if len(t.Pause) > 0 {
			lines = nil
			for _, p := range t.Pause {
				lines = append(lines, p.text())
			}
			fmt.Fprintf(&b, "    %s -.-|paused| %sp[/%s/]\n", id, id, label(lines...))
		}
		from := id
		for j, th := range t.Thresholds {
			to := fmt.Sprintf("%sh%d", id, j+1)
			fmt.Fprintf(&b, "    %s -->|%s| %s[%s]\n", from, th, to, label(texts(th.Do)...))
			from = to
		}
	}
	return b.String()
}

// subject says what the target measures.
func (t Target) subject() string {
	s := string(t.Metric)
	if len(t.Levels) > 0 {
		s += " " + alternatives(texts(t.Levels))
	}
	if len(t.Queues) > 0 {
		s += " in " + alternatives(t.Queues)
	}
	return s
}

// hours says which hours count.
func (t Target) hours() string {
	if t.Calendar == "" {
		return "round the clock"
	}
	return "of " + t.Calendar
}

func (p Pause) text() string {
	if len(p.Reasons) == 0 {
		return string(p.Status)
	}
	return string(p.Status) + ": " + alternatives(p.Reasons)
}

// label quotes lines of text for a node.
func label(lines ...string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, line := range lines {
		if i > 0 {
			b.WriteString("<br>")
		}
		for _, r := range line {
			switch {
			case strings.ContainsRune("\"#&<>`\\", r):
				fmt.Fprintf(&b, "#%d;", r)
			case unicode.IsControl(r):
				b.WriteRune(unicode.ReplacementChar)
			default:
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
