package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A problem is a field of a form that the person must look at.
type problem struct {
	Field string // the name of the field
	Text  string
}

// untilForm is how <input type="datetime-local"> writes a time.
const untilForm = "2006-01-02T15:04"

// actionOf makes an action of a form. It reads the fields that the action takes and no
// others. The other ticket and files are not read here. It lists what a person must correct.
func actionOf(t teller, c ticket.Choice, v url.Values, at ticket.Ticket, zone *time.Location) (act ticket.Action, wrong []problem) {
	act = ticket.Action{Name: c.Action, Key: v.Get("key")}
	if n, err := strconv.ParseInt(v.Get("version"), 10, 64); err == nil && n > 0 {
		act.Version = n
	}
	fail := func(field, key string) { wrong = append(wrong, problem{field, say(t, key)}) }
	takes, needs := inputNames(c.Takes), inputNames(c.Needs)
	text := func(name string) string {
		if !slices.Contains(takes, name) {
			return ""
		}
		s := v.Get(name)
		if strings.TrimSpace(s) == "" {
			return ""
		}
		return s
	}
	act.Message, act.Note = ticket.Message(unixLines(text("message"))), ticket.Note(unixLines(text("note")))
	act.Reason, act.Queue, act.Assignee = strings.TrimSpace(text("reason")), strings.TrimSpace(text("queue")), strings.TrimSpace(text("assignee"))
	act.Status, act.Relation = ticket.Status(text("status")), ticket.Relation(text("relation"))
	if s := text("level"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			fail("level", "problem.level")
		}
		act.Level = n
	}
	if s := text("until"); s != "" {
		at, err := time.ParseInLocation(untilForm, s, zone)
		if err != nil {
			fail("until", "problem.time")
		}
		act.Until = at
	}
	switch c.Action {
	case ticket.ActionEdit:
		ed, faults := editsOf(t, v, at, zone)
		act.Edit, wrong = &ed, append(wrong, faults...)
	case ticket.ActionSplit:
		act.Draft = splitOf(v, at)
		if act.Draft.Subject == "" {
			fail("subject", "problem.missing")
		}
	case ticket.ActionPublish:
		act.Known = &ticket.KnownProblem{Title: strings.TrimSpace(v.Get("title")), Text: ticket.Message(unixLines(v.Get("text")))}
		if act.Known.Title == "" {
			fail("title", "problem.missing")
		}
		if strings.TrimSpace(string(act.Known.Text)) == "" {
			fail("text", "problem.missing")
		}
	}
	for _, f := range needs {
		switch f {
		case "message":
			if act.Message == "" && (!c.Needs.Words || c.Needs.Message || !hasFiles(v)) {
				fail(f, "problem.missing")
			}
		case "note", "reason", "queue", "assignee", "status", "relation":
			if text(f) == "" {
				fail(f, "problem.missing")
			}
		}
	}
	return act, wrong
}

// hasFiles reports whether the form came with files.
func hasFiles(v url.Values) bool { return len(v["files"]) > 0 }

// unixLines replaces the line ends of forms.
func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// changed reports whether somebody changed a field of a form, which has the value it began
// with too. So a value that was left alone never undoes another person's change.
func changed(v url.Values, name string) bool {
	return v.Has(name) && strings.TrimSpace(unixLines(v.Get(name))) != strings.TrimSpace(unixLines(v.Get("was:"+name)))
}

// editsOf makes edits of a form.
func editsOf(t teller, v url.Values, at ticket.Ticket, zone *time.Location) (ed ticket.Edits, wrong []problem) {
	fail := func(field, key string) { wrong = append(wrong, problem{field, say(t, key)}) }
	if changed(v, "subject") {
		if ed.Subject = strings.TrimSpace(v.Get("subject")); ed.Subject == "" {
			fail("subject", "problem.missing")
		}
	}
	for name, g := range map[string]*ticket.Grade{"priority": &ed.Priority, "impact": &ed.Impact, "urgency": &ed.Urgency} {
		if changed(v, name) && g.UnmarshalText([]byte(v.Get(name))) != nil {
			fail(name, "problem.choice")
		}
	}
	if changed(v, "tags") {
		was, is := tagsOf(v.Get("was:tags")), tagsOf(v.Get("tags"))
		ed.AddTags, ed.RemoveTags = without(is, was), without(was, is)
	}
	for _, name := range v["field"] {
		key := "field:" + name
		if !changed(v, key) {
			continue
		}
		val, ok := fieldValue(at.Fields[name], strings.TrimSpace(unixLines(v.Get(key))))
		if !ok {
			fail(key, "problem.value")
		}
		if ed.Fields == nil {
			ed.Fields = ticket.Fields{}
		}
		ed.Fields[name] = val
	}
	if name := strings.TrimSpace(v.Get("new_field")); name != "" {
		if ed.Fields == nil {
			ed.Fields = ticket.Fields{}
		}
		ed.Fields[name] = strings.TrimSpace(v.Get("new_value"))
	}
	if s := strings.TrimSpace(v.Get("follow")); s != "" {
		ed.Follow = []ticket.Person{{Email: s}}
	}
	for _, f := range at.Followers {
		if slices.Contains(v["unfollow"], personKey(f)) {
			ed.Unfollow = append(ed.Unfollow, f)
		}
	}
	if changed(v, "snooze") {
		when := time.Time{}
		if s := v.Get("snooze"); s != "" {
			var err error
			if when, err = time.ParseInLocation(untilForm, s, zone); err != nil {
				fail("snooze", "problem.time")
			}
		}
		ed.Snooze = &when
	}
	if held := v.Get("legal_hold") != ""; v.Has("was:legal_hold") && held != (v.Get("was:legal_hold") != "") {
		ed.LegalHold = &held
	}
	return ed, wrong
}

// tagsOf splits tags as people write them.
func tagsOf(s string) (list []string) {
	seen := map[string]bool{"": true}
	for tag := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if tag = strings.TrimSpace(tag); !seen[tag] {
			seen[tag] = true
			list = append(list, tag)
		}
	}
	return list
}

// without returns the texts of a list that the other one lacks.
func without(list, other []string) (left []string) {
	in := make(map[string]bool, len(other))
	for _, s := range other {
		in[s] = true
	}
	for _, s := range list {
		if !in[s] {
			left = append(left, s)
		}
	}
	return left
}

// fieldValue reads the new value of a custom field, which keeps its type. Empty text removes
// the field.
func fieldValue(was any, s string) (any, bool) {
	if s == "" {
		return nil, true
	}
	switch was.(type) {
	case bool:
		b, err := strconv.ParseBool(s)
		return b, err == nil
	case int64:
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	case float64:
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	case time.Time:
		at, err := time.Parse(time.RFC3339, s)
		return at, err == nil
	case []string:
		return tagsOf(s), true
	}
	return s, true
}

// splitOf makes the draft of a split: for the same requester, with the words of a message.
func splitOf(v url.Values, at ticket.Ticket) *ticket.Draft {
	dr := &ticket.Draft{Requester: at.Requester, Subject: strings.TrimSpace(v.Get("subject")), Queue: strings.TrimSpace(v.Get("queue"))}
	if n, err := strconv.ParseInt(v.Get("from"), 10, 64); err == nil && n > 0 {
		dr.From = n
	} else {
		dr.Message = ticket.Message(unixLines(v.Get("text")))
	}
	return dr
}
