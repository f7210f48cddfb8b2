package sqlstore

import (
	"bytes"
	"encoding/json"
)

// A ticket's document is read with every row. What is in it as a rule, the
// requester, the subject and the workflow, is read by hand; as soon as anything
// else turns up, even an escape, encoding/json reads the whole.

func (d *ticketDoc) decode(doc []byte) error {
	var fast ticketDoc
	r := docReader{rest: doc}
	if r.object(func(key []byte) bool {
		switch string(key) {
		case "requester":
			p := &fast.Requester
			return r.object(func(key []byte) bool {
				switch string(key) {
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
				case "organisation":
					return r.text(&p.Organisation)
				}
				return false
			})
		case "subject":
			return r.text(&fast.Subject)
		case "workflow":
			return r.text(&fast.Workflow)
		case "workflow_version":
			return r.integer(&fast.WorkflowVersion)
		}
		return false
	}) && len(r.rest) == 0 {
		*d = fast
		return nil
	}
	return json.Unmarshal(doc, d)
}

// A docReader reads JSON without blanks. Its methods return false for what they
// do not know.
type docReader struct{ rest []byte }

func (r *docReader) skip(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// object calls member with each key; member reads the value.
func (r *docReader) object(member func(key []byte) bool) bool {
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
func (r *docReader) quoted() ([]byte, bool) {
	if !r.skip('"') {
		return nil, false
	}
	end := bytes.IndexByte(r.rest, '"')
	if end < 0 {
		return nil, false
	}
	s := r.rest[:end]
	for _, c := range s {
		if c < ' ' || c > '~' || c == '\\' {
			return nil, false
		}
	}
	r.rest = r.rest[end+1:]
	return s, true
}

func (r *docReader) text(to *string) bool {
	s, ok := r.quoted()
	*to = string(s)
	return ok
}

func (r *docReader) integer(to *int) bool {
	n, digits := 0, 0
	for digits < len(r.rest) && digits < 9 && '0' <= r.rest[digits] && r.rest[digits] <= '9' {
		n = 10*n + int(r.rest[digits]-'0')
		digits++
	}
	if digits == 0 || digits == 9 || r.rest[0] == '0' {
		return false
	}
	r.rest = r.rest[digits:]
	*to = n
	return true
}
