package sla

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// maxJSON limits the JSON form of a Spec, in bytes.
const maxJSON = 8 << 20

// Parse reads the JSON form of a Spec strictly. Its error joins all faults, each an
// [*InvalidError] that names its place: unknown or repeated names, values of the wrong
// type, too many entries, and text after the end. [Spec.Compile] checks the Spec itself.
// The text has at most 8 MiB.
//
// Parse reads what [json.Marshal] writes, and returns the same Spec. An empty list or map
// becomes nil.
func Parse(data []byte) (Spec, error) {
	var s Spec
	switch {
	case len(data) > maxJSON:
		return s, &InvalidError{Reason: fmt.Sprintf("has %d bytes; the maximum is %d", len(data), maxJSON)}
	case !utf8.Valid(data):
		return s, &InvalidError{Reason: "is not UTF-8"}
	}
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
func (s *Spec) UnmarshalJSON(data []byte) error { return decode(data, s, reader.spec) }

// UnmarshalJSON reads strictly, like [Parse].
func (p *Policy) UnmarshalJSON(data []byte) error { return decode(data, p, reader.policy) }

// UnmarshalJSON reads strictly, like [Parse].
func (c *Condition) UnmarshalJSON(data []byte) error { return decode(data, c, reader.condition) }

// UnmarshalJSON reads strictly, like [Parse].
func (t *Target) UnmarshalJSON(data []byte) error { return decode(data, t, reader.target) }

// UnmarshalJSON reads strictly, like [Parse].
func (t *Threshold) UnmarshalJSON(data []byte) error { return decode(data, t, reader.threshold) }

// UnmarshalJSON reads strictly, like [Parse].
func (p *Pause) UnmarshalJSON(data []byte) error { return decode(data, p, reader.pause) }

// UnmarshalJSON reads strictly, like [Parse].
func (r *Reaction) UnmarshalJSON(data []byte) error { return decode(data, r, reader.reaction) }

// MarshalJSON writes durations as text.
func (t Target) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Metric     Metric      `json:"metric"`
		Levels     []int       `json:"levels,omitempty"`
		Queues     []string    `json:"queues,omitempty"`
		Within     jsonTime    `json:"within"`
		Calendar   string      `json:"calendar,omitempty"`
		Pause      []Pause     `json:"pause,omitempty"`
		Restart    bool        `json:"restart,omitempty"`
		Thresholds []Threshold `json:"thresholds,omitempty"`
	}{t.Metric, t.Levels, t.Queues, jsonTime(t.Within), t.Calendar, t.Pause, t.Restart, t.Thresholds})
}

// MarshalJSON writes durations as text.
func (t Threshold) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Share  int        `json:"share,omitempty"`
		Before jsonTime   `json:"before,omitzero"`
		After  jsonTime   `json:"after,omitzero"`
		Do     []Reaction `json:"do"`
	}{t.Share, jsonTime(t.Before), jsonTime(t.After), t.Do})
}

// jsonTime is a duration that is text in JSON.
type jsonTime time.Duration

func (t jsonTime) MarshalText() ([]byte, error) { return []byte(short(time.Duration(t))), nil }

func decode[T any](data []byte, to *T, read func(r reader, place string, raw []byte) T) error {
	switch {
	case !utf8.Valid(data): // package encoding/json would replace what is wrong
		return &InvalidError{Reason: "is not UTF-8"}
	case !json.Valid(data): // package encoding/json has checked it, others may not
		return &InvalidError{Reason: "is not JSON"}
	}
	var f faults
	v := read(reader{&f}, "", data)
	if err := f.err(); err != nil {
		return err
	}
	*to = v
	return nil
}

// reader reads valid JSON and continues after a fault. Its methods take the place of a
// value and its JSON, without space around it.
type reader struct{ *faults }

// member reads the value of one name of an object.
type member func(place string, raw []byte)

// into returns a member that stores what read returns.
func into[T any](to *T, read func(place string, raw []byte) T) member {
	return func(place string, raw []byte) { *to = read(place, raw) }
}

// listInto returns a member that stores a list.
func listInto[T any](r reader, to *[]T, most int, read func(place string, raw []byte) T) member {
	return func(place string, raw []byte) { *to = list(r, place, raw, most, read) }
}

func (r reader) spec(place string, raw []byte) (s Spec) {
	r.object(place, raw, map[string]member{
		"name":      into(&s.Name, textOf[string](r)),
		"version":   into(&s.Version, r.integer),
		"calendars": listInto(r, &s.Calendars, maxCalendars, r.hours),
		"policies":  listInto(r, &s.Policies, maxPolicies, r.policy),
	})
	r.agreement = s.Name
	return s
}

func (r reader) hours(place string, raw []byte) (s businesshours.Spec) {
	r.calendar(place, s.UnmarshalJSON(raw))
	return s
}

func (r reader) policy(place string, raw []byte) (p Policy) {
	r.object(place, raw, map[string]member{
		"name":    into(&p.Name, textOf[string](r)),
		"when":    into(&p.When, r.condition),
		"targets": listInto(r, &p.Targets, maxTargets, r.target),
	})
	return p
}

func (r reader) condition(place string, raw []byte) (c Condition) {
	r.object(place, raw, map[string]member{
		"priority":     listInto(r, &c.Priority, maxValues, r.grade),
		"queue":        listInto(r, &c.Queue, maxValues, textOf[string](r)),
		"tags":         listInto(r, &c.Tags, maxValues, textOf[string](r)),
		"fields":       into(&c.Fields, r.fields),
		"organisation": listInto(r, &c.Organisation, maxValues, textOf[string](r)),
		"channel":      listInto(r, &c.Channel, maxValues, textOf[ticket.Channel](r)),
	})
	return c
}

func (r reader) target(place string, raw []byte) (t Target) {
	r.object(place, raw, map[string]member{
		"metric":     into(&t.Metric, textOf[Metric](r)),
		"levels":     listInto(r, &t.Levels, maxNames, r.integer),
		"queues":     listInto(r, &t.Queues, maxNames, textOf[string](r)),
		"within":     into(&t.Within, r.duration),
		"calendar":   into(&t.Calendar, textOf[string](r)),
		"pause":      listInto(r, &t.Pause, maxPauses, r.pause),
		"restart":    into(&t.Restart, r.boolean),
		"thresholds": listInto(r, &t.Thresholds, maxThresholds, r.threshold),
	})
	return t
}

func (r reader) pause(place string, raw []byte) (p Pause) {
	r.object(place, raw, map[string]member{
		"status":  into(&p.Status, textOf[ticket.Status](r)),
		"reasons": listInto(r, &p.Reasons, maxNames, textOf[string](r)),
	})
	return p
}

func (r reader) threshold(place string, raw []byte) (t Threshold) {
	r.object(place, raw, map[string]member{
		"share":  into(&t.Share, r.integer),
		"before": into(&t.Before, r.duration),
		"after":  into(&t.After, r.duration),
		"do":     listInto(r, &t.Do, maxReactions, r.reaction),
	})
	return t
}

func (r reader) reaction(place string, raw []byte) (d Reaction) {
	r.object(place, raw, map[string]member{
		"tell":      into(&d.Tell, textOf[Audience](r)),
		"escalate":  into(&d.Escalate, r.boolean),
		"hand_over": into(&d.HandOver, textOf[string](r)),
		"raise":     into(&d.Raise, r.grade),
		"tag":       into(&d.Tag, textOf[string](r)),
	})
	return d
}

// object calls the member of each name.
func (r reader) object(place string, raw []byte, members map[string]member) {
	r.each(place, raw, func(name string, value []byte) {
		if read := members[name]; read != nil {
			read(below(place, name), value)
			return
		}
		r.add(place, "has the unknown name %s; the names are %s", quote(name), names(members))
	})
}

// each calls read for each name of an object, and only once for a repeated name.
func (r reader) each(place string, raw []byte, read func(name string, value []byte)) {
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
		switch {
		case err != nil || !ok:
			r.addErr(place, err, "cannot be read")
			return
		case seen[name]:
			r.add(place, "has the name %s twice", quote(name))
		default:
			read(name, value)
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

// list reads an array of at most so many values. A null is an empty array.
func list[T any](r reader, place string, raw []byte, most int, read func(place string, raw []byte) T) []T {
	dec := json.NewDecoder(bytes.NewReader(raw))
	switch t, err := dec.Token(); {
	case err == nil && t == nil:
		return nil
	case err != nil || t != json.Delim('['):
		r.add(place, "must be an array")
		return nil
	}
	var items []T
	for dec.More() {
		if len(items) == most {
			r.add(place, "has too many entries; the maximum is %d", most)
			return nil
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			r.addErr(place, err, "cannot be read")
			return nil
		}
		items = append(items, read(fmt.Sprintf("%s[%d]", place, len(items)), value))
	}
	return items
}

// textOf returns a function that reads a string.
func textOf[T ~string](r reader) func(place string, raw []byte) T {
	return func(place string, raw []byte) T {
		var s string
		if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
			r.add(place, "must be a string")
		}
		return T(s)
	}
}

func (r reader) integer(place string, raw []byte) (n int) {
	if raw[0] == 'n' || json.Unmarshal(raw, &n) != nil {
		r.add(place, "must be a whole number")
	}
	return n
}

func (r reader) boolean(place string, raw []byte) (b bool) {
	if raw[0] == 'n' || json.Unmarshal(raw, &b) != nil {
		r.add(place, "must be true or false")
	}
	return b
}

func (r reader) duration(place string, raw []byte) time.Duration {
	if raw[0] != '"' {
		r.add(place, `must be a string such as "2h30m"`)
		return 0
	}
	s := textOf[string](r)(place, raw)
	d, err := time.ParseDuration(s)
	if err != nil {
		r.add(place, `%s is not a duration such as "2h30m"`, quote(s))
	}
	return d
}

func (r reader) grade(place string, raw []byte) (g ticket.Grade) {
	if raw[0] != '"' {
		r.add(place, "must be a string")
		return 0
	}
	s := textOf[string](r)(place, raw)
	if s == "" || g.UnmarshalText([]byte(s)) != nil {
		r.add(place, "%s is not low, medium, high or critical", quote(s))
	}
	return g
}

// fields reads custom fields in the form of [ticket.Fields].
func (r reader) fields(place string, raw []byte) ticket.Fields {
	out := ticket.Fields{}
	r.each(place, raw, func(name string, value []byte) {
		at := fmt.Sprintf("%s[%s]", place, quote(name))
		if value[0] == '{' { // encoding/json would take "Time" for "time", and both
			r.object(at, value, map[string]member{"time": func(string, []byte) {}})
		}
		data, err := json.Marshal(map[string]json.RawMessage{name: value})
		var f ticket.Fields
		if err == nil {
			err = f.UnmarshalJSON(data)
		}
		if err != nil {
			r.add(at, "is not a string, a boolean, a number, a list of strings or a time")
			return
		}
		out[name] = f[name]
	})
	if len(out) == 0 {
		return nil
	}
	return out
}
