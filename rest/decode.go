package rest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

// mostFaults is how many faults one answer lists. mostElements bounds lists and custom fields: the
// limits of the desk are lower, and a few bytes for each must not become much work.
const (
	mostFaults   = 20
	mostElements = 10_000
)

// decode reads a body of JSON into a struct, by its JSON tags. Unlike encoding/json it refuses
// unknown and doubled members, null where a value is needed and names in another case, and says
// where in the body each fault is.
func decode(data []byte, v any) error {
	var d decoder
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		d.fault("", "is missing: an object is needed")
	case !utf8.Valid(data):
		d.fault("", "must be valid UTF-8")
	case !json.Valid(data):
		d.fault("", "is not valid JSON")
	default:
		d.value(data, reflect.ValueOf(v).Elem(), "")
	}
	if d.faults != nil {
		return &problem{kind: kindRequest, faults: d.faults}
	}
	return nil
}

type decoder struct{ faults []fault }

func (d *decoder) fault(at, detail string) {
	if len(d.faults) < mostFaults {
		d.faults = append(d.faults, fault{Pointer: new("#" + at), Detail: detail})
	}
}

// value reads valid JSON into v.
func (d *decoder) value(raw json.RawMessage, v reflect.Value, at string) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		if v.Kind() == reflect.Pointer {
			return
		}
		d.fault(at, "must not be null: leave it out")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(raw, v.Elem(), at)
		return
	}
	switch v.Addr().Interface().(type) {
	case *ticket.Fields:
		d.fields(raw, v, at)
		return
	case json.Unmarshaler, encoding.TextUnmarshaler:
		d.leaf(raw, v, at)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(raw, v, at)
	case reflect.Slice:
		list, ok := elements(raw)
		switch {
		case !ok:
			d.fault(at, "must be a list")
			return
		case len(list) > mostElements:
			d.fault(at, tooMany)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i := range list {
			d.value(list[i], v.Index(i), at+"/"+strconv.Itoa(i))
		}
	default:
		d.leaf(raw, v, at)
	}
}

// leaf reads a value that has no places of its own.
func (d *decoder) leaf(raw json.RawMessage, v reflect.Value, at string) {
	err := json.Unmarshal(raw, v.Addr().Interface())
	if t, ok := reflect.TypeAssert[time.Time](v); err == nil && ok && t.IsZero() {
		d.fault(at, "must be later than the beginning of the year 1, which would mean none")
	}
	if err == nil {
		return
	}
	if bad, ok := errors.AsType[*ticket.InvalidError](err); ok && v.Type() == reflect.TypeFor[ticket.Fields]() {
		if _, key, ok := strings.Cut(bad.Field, "."); ok {
			at += "/" + escapePointer(key)
		}
	}
	d.fault(at, wanted(v))
}

// wanted says what a value must be.
func wanted(v reflect.Value) string {
	switch v.Interface().(type) {
	case time.Time:
		return "must be a time as in RFC 3339"
	case ticket.ID:
		return "must be the ID of a ticket"
	case ticket.Grade:
		return "must be low, medium, high or critical"
	case ticket.Digest:
		return "must be a SHA-256 in hexadecimal"
	case ticket.Fields:
		return `must be a string, a number, true, false, a list of strings, null or {"time": …}`
	}
	switch v.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int64:
		return "must be a whole number"
	default:
		return "is of the wrong type"
	}
}

func (d *decoder) object(raw json.RawMessage, v reflect.Value, at string) {
	d.members(raw, at, func(name string, member json.RawMessage, place string) {
		if field, known := fieldNamed(v, name); known {
			d.value(member, field, place)
		} else {
			d.fault(place, "is unknown here")
		}
	})
}

// fields reads custom fields. A time among them is an object.
func (d *decoder) fields(raw json.RawMessage, v reflect.Value, at string) {
	before := len(d.faults)
	d.members(raw, at, func(_ string, member json.RawMessage, place string) {
		if bytes.HasPrefix(bytes.TrimSpace(member), []byte("{")) {
			d.members(member, place, func(string, json.RawMessage, string) {})
		}
	})
	if len(d.faults) == before {
		d.leaf(raw, v, at)
	}
}

const tooMany = "has more than 10000 elements"

// members calls do for each member of an object, with its place, and refuses doubled ones. It ends
// when there are enough faults.
func (d *decoder) members(raw json.RawMessage, at string, do func(name string, member json.RawMessage, place string)) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		d.fault(at, "must be an object")
		return
	}
	seen := map[string]bool{}
	for dec.More() && len(d.faults) < mostFaults {
		token, err := dec.Token()
		name, ok := token.(string)
		var member json.RawMessage
		if err == nil {
			err = dec.Decode(&member)
		}
		place := at + "/" + escapePointer(name)
		switch {
		case err != nil || !ok:
			d.fault(at, "is not valid JSON")
			return
		case len(seen) >= mostElements:
			d.fault(at, tooMany)
			return
		case seen[name]:
			d.fault(place, "is there twice")
		default:
			do(name, member, place)
		}
		seen[name] = true
	}
}

// elements returns the elements of a list, up to one more than are allowed.
func elements(raw json.RawMessage) (list []json.RawMessage, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return nil, false
	}
	for dec.More() && len(list) <= mostElements {
		var element json.RawMessage
		if err := dec.Decode(&element); err != nil {
			return nil, false
		}
		list = append(list, element)
	}
	return list, true
}

// fieldNamed returns the field with the name in JSON.
func fieldNamed(v reflect.Value, name string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == name && tag != "" && tag != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// mostPointer bounds the names in pointers: a name that is unknown is the client's.
const mostPointer = 100

// escapePointer writes a name as a part of a JSON pointer (RFC 6901) in a fragment.
func escapePointer(name string) string {
	var b strings.Builder
	for _, r := range name {
		if b.Len() > mostPointer {
			b.WriteString("...")
			break
		}
		switch {
		case r == '~':
			b.WriteString("~0")
		case r == '/':
			b.WriteString("~1")
		case r > ' ' && r < 0x7f && !strings.ContainsRune("%\"<>\\^`{|}#", r):
			b.WriteRune(r)
		default:
			for _, c := range []byte(string(r)) {
				b.WriteByte('%')
				b.WriteByte("0123456789ABCDEF"[c>>4])
				b.WriteByte("0123456789ABCDEF"[c&15])
			}
		}
	}
	return b.String()
}

// body reads the request's body of JSON into v.
func (c *call) body(v any) error {
	c.deadline(c.h.cfg.Limits.Time)
	data, err := io.ReadAll(io.LimitReader(c.r.Body, c.h.cfg.Limits.Body+1))
	c.read(data)
	switch {
	case err != nil:
		return c.readFault(err)
	case int64(len(data)) > c.h.cfg.Limits.Body:
		return &problem{kind: kindTooLarge, detail: "The body is longer than " + strconv.FormatInt(c.h.cfg.Limits.Body, 10) + " bytes."}
	}
	c.noDeadline()
	return decode(data, v)
}
