package sqlstore

import (
	"encoding/json"
	"strings"

	"github.com/ticketkit/ticket"
)

// Every row of a ticket contains a JSON document. This file reads the usual contents
// by hand: the people, the subject, the workflow, tags, and fields that are text,
// whole numbers or booleans. If it meets anything else, encoding/json reads the whole
// document. The strings are parts of one copy of the document, unless it is long.

func (d *ticketDoc) decode(doc []byte) error {
	var fast ticketDoc
	r := readerOf(doc)
	if r.object(func(key string) bool {
		switch key {
		case "requester":
			return r.person(&fast.Requester)
		case "followers":
			return r.persons(&fast.Followers)
		case "subject":
			return r.text(&fast.Subject)
		case "workflow":
			return r.text(&fast.Workflow)
		case "workflow_version":
			return r.number(&fast.WorkflowVersion)
		case "link_epoch":
			return r.number(&fast.LinkEpoch)
		case "priority_given":
			fast.PriorityGiven = true
			return r.word("true")
		case "feedback_due":
			return r.time(&fast.FeedbackDue)
		case "feedback_asked":
			return r.time(&fast.FeedbackAsked)
		case "rated":
			return r.time(&fast.Rated)
		case "score":
			return r.number(&fast.Score)
		case "tags":
			return r.texts(&fast.Tags)
		case "impact":
			return r.grade(&fast.Impact)
		case "urgency":
			return r.grade(&fast.Urgency)
		case "mailed":
			fast.Mailed = nil
			return r.list(func() bool {
				var seq int64
				ok := r.integer(&seq)
				fast.Mailed = append(fast.Mailed, seq)
				return ok
			})
		case "fields":
			fast.Fields = ticket.Fields{}
			return r.object(func(key string) bool { return r.field(fast.Fields, key) })
		}
		return false
	}) && len(r.rest) == 0 {
		*d = fast
		return nil
	}
	return json.Unmarshal(doc, d)
}

// A docReader reads JSON without blanks. Its methods return false for JSON that they
// do not handle.
type docReader struct {
	rest string
	part []byte // of parsed
	copy int    // strings shorter than this one are copied
}

// mostShared is the length of a document, in bytes, up to which its strings share a copy of it.
// Whoever keeps the action of an event, as a hub of watchers does, must not keep a long message.
const mostShared = 4 << 10

func readerOf(doc []byte) docReader {
	r := docReader{rest: string(doc)}
	if len(doc) > mostShared {
		r.copy = len(doc) / 2
	}
	return r
}

// own returns a string that the caller may keep.
func (r *docReader) own(s string) string {
	if len(s) < r.copy {
		return strings.Clone(s)
	}
	return s
}

func (r *docReader) skip(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// object calls member with each key. member reads the value.
func (r *docReader) object(member func(key string) bool) bool {
	if !r.skip('{') {
		return false
	}
	if r.skip('}') {
		return true
	}
	for {
		key, ok := r.quoted()
		if !ok || !r.skip(':') || !member(key) {
			return false
		}
		if r.skip('}') {
			return true
		}
		if !r.skip(',') {
			return false
		}
	}
}

// quoted reads a string without escapes.
func (r *docReader) quoted() (string, bool) {
	if !r.skip('"') {
		return "", false
	}
	end := strings.IndexByte(r.rest, '"')
	if end < 0 {
		return "", false
	}
	s := r.rest[:end]
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' {
			return "", false
		}
	}
	r.rest = r.rest[end+1:]
	return s, true
}

// text reads a string. encoding/json reads one with escapes or with other characters than
// those of ASCII, and only that.
func (r *docReader) text(to *string) bool {
	rest := r.rest
	s, ok := r.quoted()
	if ok {
		*to = r.own(s)
		return true
	}
	end := 1
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) || rest[0] != '"' {
		return false
	}
	r.rest = rest[end+1:]
	*to, ok = unquoted(rest[:end+1])
	return ok
}

func unquoted(quoted string) (s string, ok bool) {
	err := json.Unmarshal([]byte(quoted), &s)
	return s, err == nil
}

// parsed reads a string without escapes with the UnmarshalText of its type.
func (r *docReader) parsed(unmarshal func([]byte) error) bool {
	s, ok := r.quoted()
	r.part = append(r.part[:0], s...)
	return ok && unmarshal(r.part) == nil
}

func (r *docReader) grade(to *ticket.Grade) bool {
	var g ticket.Grade
	ok := r.parsed(g.UnmarshalText)
	*to = g
	return ok
}

func (r *docReader) person(p *ticket.Person) bool {
	return r.object(func(key string) bool {
		switch key {
		case "id":
			return r.text(&p.ID)
		case "name":
			return r.text(&p.Name)
		case "email":
			return r.text(&p.Email)
		case "phone":
			return r.text(&p.Phone)
		case "locale":
			return r.text(&p.Locale)
		case "zone":
			return r.text(&p.Zone)
		case "organisation":
			return r.text(&p.Organisation)
		}
		return false
	})
}

// persons reads a list of persons. A second one of the same name is unusual.
func (r *docReader) persons(to *[]ticket.Person) bool {
	return *to == nil && r.list(func() bool {
		*to = append(*to, ticket.Person{})
		return r.person(&(*to)[len(*to)-1])
	})
}

// texts reads a list that is not empty.
func (r *docReader) texts(to *[]string) bool {
	*to = nil
	return r.list(func() bool {
		var s string
		ok := r.text(&s)
		*to = append(*to, s)
		return ok
	})
}

func (r *docReader) field(f ticket.Fields, key string) bool {
	if len(r.rest) == 0 {
		return false
	}
	key = r.own(key)
	switch r.rest[0] {
	case '"':
		var s string
		ok := r.text(&s)
		f[key] = s
		return ok
	case 't':
		f[key] = true
		return r.word("true")
	case 'f':
		f[key] = false
		return r.word("false")
	case 'n': // in an event, it removes the field
		f[key] = nil
		return r.word("null")
	default:
		var n int64
		ok := r.integer(&n)
		f[key] = n
		return ok
	}
}

func (r *docReader) word(w string) bool {
	if !strings.HasPrefix(r.rest, w) {
		return false
	}
	r.rest = r.rest[len(w):]
	return true
}

// integer reads a positive number of at most 17 digits. The caller rejects a number
// with a fraction or an exponent, because a value cannot be followed by these.
func (r *docReader) integer(to *int64) bool {
	n, digits := int64(0), 0
	for digits < len(r.rest) && digits < 18 && '0' <= r.rest[digits] && r.rest[digits] <= '9' {
		n = 10*n + int64(r.rest[digits]-'0')
		digits++
	}
	if digits == 0 || digits == 18 || r.rest[0] == '0' {
		return false
	}
	r.rest = r.rest[digits:]
	*to = n
	return true
}
