package businesshours

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Parse reads the JSON form of a calendar strictly. Its error joins all faults, each an
// [*InvalidError] that names its place: unknown or repeated names, values of the wrong
// type, and text after the end. [Spec.Compile] checks the calendar itself.
func Parse(data []byte) (Spec, error) {
	var s Spec
	err := json.Unmarshal(data, &s)
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, ErrInvalid) {
		e := &InvalidError{Reason: "is not JSON", Err: err}
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			e.Place = fmt.Sprintf("byte %d", syntax.Offset)
		}
		err = e
	}
	return Spec{}, err
}

// UnmarshalJSON reads strictly, like [Parse].
func (s *Spec) UnmarshalJSON(data []byte) error {
	var r Spec
	var f faults
	read := reader{&f}
	members := hoursMembers(read, &r.Hours)
	members["name"] = func(place string, raw []byte) {
		read.text(place, raw, &r.Name)
		f.calendar = r.Name
	}
	members["changes"] = func(place string, raw []byte) {
		r.Changes = list(read, place, raw, func(place string, raw []byte) (c Change) {
			members := hoursMembers(read, &c.Hours)
			members["from"] = func(place string, raw []byte) { read.instant(place, raw, &c.From) }
			read.object(place, raw, members)
			return c
		})
	}
	read.object("", data, members)
	if err := f.err(); err != nil {
		return err
	}
	*s = r
	return nil
}

func hoursMembers(read reader, h *Hours) map[string]member {
	return map[string]member{
		"zone": func(place string, raw []byte) { read.text(place, raw, &h.Zone) },
		"week": func(place string, raw []byte) {
			members := map[string]member{}
			for _, d := range weekdays {
				members[dayName(d)] = func(place string, raw []byte) { *h.Week.day(d) = list(read, place, raw, read.span) }
			}
			read.object(place, raw, members)
		},
		"days": func(place string, raw []byte) {
			h.Days = list(read, place, raw, func(place string, raw []byte) (d Day) {
				read.object(place, raw, map[string]member{
					"date": func(place string, raw []byte) { read.text(place, raw, &d.Date) },
					"name": func(place string, raw []byte) { read.text(place, raw, &d.Name) },
					"open": func(place string, raw []byte) { d.Open = list(read, place, raw, read.span) },
				})
				return d
			})
		},
	}
}

// member reads the value of one name of an object.
type member func(place string, raw []byte)

// reader reads valid JSON and continues after a fault.
type reader struct{ *faults }

// object reads an object: it calls the member function for each name. An unknown or
// repeated name is a fault.
func (r reader) object(place string, raw []byte, members map[string]member) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		r.add(place, "must be an object")
		return
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		name, ok := t.(string)
		if err != nil || !ok {
			r.addErr(place, err, "cannot be read")
			return
		}
		at := name
		if place != "" {
			at = place + "." + name
		}
		read, known := members[name]
		switch {
		case !known:
			r.add(place, "has the unknown name %s; the names are %s", quote(name), names(members))
		case seen[name]:
			r.add(at, "occurs twice")
		default:
			read(at, value)
		}
		seen[name] = true
	}
}

func names(members map[string]member) string {
	list := make([]string, 0, len(members))
	for name := range members {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// list reads an array. A null is an empty array.
func list[T any](r reader, place string, raw []byte, read func(place string, raw []byte) T) []T {
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		r.add(place, "must be an array")
		return nil
	}
	var items []T
	for i, v := range values {
		items = append(items, read(fmt.Sprintf("%s[%d]", place, i), v))
	}
	return items
}

func (r reader) text(place string, raw []byte, to *string) {
	if raw[0] != '"' || json.Unmarshal(raw, to) != nil {
		r.add(place, "must be a string")
	}
}

func (r reader) span(place string, raw []byte) Span {
	var s string
	r.text(place, raw, &s)
	return Span(s)
}

func (r reader) instant(place string, raw []byte, to *time.Time) {
	var s string
	if r.text(place, raw, &s); s == "" {
		return
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.add(place, `%s is not a time such as "2027-01-01T00:00:00+01:00"`, quote(s))
		return
	}
	*to = t
}
