package ticket

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits bound what the desk takes in. Lengths are in bytes of UTF-8. A field
// that is 0 has its default, which [DefaultLimits] tells.
//
// Besides, for all text: it must be valid UTF-8 without NUL bytes, and what
// stands on one line (subjects, names, addresses, tags …) must have no control
// characters, so that no line break can be smuggled into a mail header.
type Limits struct {
	Subject        int   // of a subject
	Message        int   // of a message, a solution
	Note           int   // of a note
	Name           int   // of a name, ID, queue, tag, reason, field name, attachment name
	Email          int   // of an e-mail address
	Ref            int   // of an attachment's Ref
	FieldValue     int   // of a custom field's string, or all strings of its list
	Tags           int   // tags on a ticket
	Fields         int   // custom fields on a ticket
	Followers      int   // followers of a ticket
	Links          int   // links of a ticket; that to a follow-up is made all the same
	Attachments    int   // attachments of one action, of either kind
	AttachmentSize int64 // bytes of one attachment
}

// DefaultLimits are those of a zero [Config]. 254 bytes are the longest address
// that mail can be sent to (RFC 5321, section 4.5.3.1.3, less the brackets).
func DefaultLimits() Limits {
	return Limits{
		Subject: 400, Message: 256 << 10, Note: 256 << 10, Name: 200, Email: 254, Ref: 2048, FieldValue: 8 << 10,
		Tags: 50, Fields: 100, Followers: 100, Links: 1000, Attachments: 50, AttachmentSize: 1 << 30,
	}
}

// withDefaults fills the fields that are 0, and refuses negative ones.
func (l Limits) withDefaults() (Limits, error) {
	d := DefaultLimits()
	for _, f := range []struct {
		name string
		v    *int
		d    int
	}{
		{"subject", &l.Subject, d.Subject}, {"message", &l.Message, d.Message}, {"note", &l.Note, d.Note},
		{"name", &l.Name, d.Name}, {"email", &l.Email, d.Email}, {"ref", &l.Ref, d.Ref},
		{"field_value", &l.FieldValue, d.FieldValue}, {"tags", &l.Tags, d.Tags}, {"fields", &l.Fields, d.Fields},
		{"followers", &l.Followers, d.Followers}, {"links", &l.Links, d.Links}, {"attachments", &l.Attachments, d.Attachments},
	} {
		if *f.v < 0 {
			return l, invalid("config.limits."+f.name, "must not be negative")
		}
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	if l.AttachmentSize < 0 {
		return l, invalid("config.limits.attachment_size", "must not be negative")
	}
	if l.AttachmentSize == 0 {
		l.AttachmentSize = d.AttachmentSize
	}
	return l, nil
}

// maxKey is the longest idempotency key, in bytes.
const maxKey = 200

// check collects the first fault of an input, field by field.
type check struct {
	Limits
	err error
}

func (c *check) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = invalid(field, format, args...)
	}
}

// text checks words of several lines.
func (c *check) text(field, s string, most int) {
	switch {
	case s == "":
	case len(s) > most:
		c.fail(field, "is %d bytes long, at most %d are taken", len(s), most)
	case !utf8.ValidString(s):
		c.fail(field, "is not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		c.fail(field, "has a NUL byte")
	}
}

// line checks words of one line.
func (c *check) line(field, s string, most int) {
	c.text(field, s, most)
	if c.err == nil && strings.IndexFunc(s, isBreak) >= 0 {
		c.fail(field, "has a line break or another control character")
	}
}

func isBreak(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

func (c *check) name(field, s string) { c.line(field, s, c.Name) }

// names checks a list of names.
func names[T ~string](c *check, field string, list []T) {
	for _, s := range list {
		c.name(field, string(s))
	}
}

func (c *check) person(field string, p Person) {
	if p.IsZero() {
		return
	}
	at := check{Limits: c.Limits}
	at.name("id", p.ID)
	at.name("name", p.Name)
	at.name("phone", p.Phone)
	at.name("locale", p.Locale)
	at.name("zone", p.Zone)
	at.name("organisation", p.Organisation)
	at.line("email", p.Email, c.Email)
	if p.Email != "" {
		local, domain, found := strings.Cut(p.Email, "@")
		if !found || local == "" || domain == "" || strings.ContainsAny(p.Email, " <>,;") || strings.Contains(domain, "@") {
			at.fail("email", "must be one plain address, such as ada@example.org")
		}
	}
	c.within(field, at.err)
}

// within takes over the fault of a part.
func (c *check) within(field string, err error) {
	if inner, ok := errors.AsType[*InvalidError](err); ok && c.err == nil {
		c.err = &InvalidError{Field: field + "." + inner.Field, Reason: inner.Reason, Err: inner.Err}
	}
}

// needsContact is what is wrong with a person that is not known.
const needsContact = "needs an ID, an e-mail address or a phone number, so that somebody can be told"

func (c *check) people(field string, list []Person) {
	if len(list) > c.Followers {
		c.fail(field, "has %d persons, at most %d are taken", len(list), c.Followers)
		return
	}
	for i, p := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.person(at, p)
		if !p.known() {
			c.fail(at, needsContact)
		}
	}
}

func (c *check) tags(field string, tags []string) {
	if len(tags) > c.Tags {
		c.fail(field, "has %d tags, at most %d are taken", len(tags), c.Tags)
		return
	}
	for i, t := range tags {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.name(at, t)
		if t == "" {
			c.fail(at, "must not be empty")
		}
	}
}

func (c *check) attachments(field string, list []Attachment) {
	if len(list) > c.Attachments {
		c.fail(field, "has %d attachments, at most %d are taken", len(list), c.Attachments)
		return
	}
	for i, a := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.name(at+".name", a.Name)
		c.name(at+".media_type", a.MediaType)
		c.line(at+".ref", a.Ref, c.Ref)
		if a.Name == "" || a.Name == "." || a.Name == ".." || strings.ContainsAny(a.Name, `/\`) {
			c.fail(at+".name", "must be a file's name without a path")
		}
		if a.Size < 0 || a.Size > c.AttachmentSize {
			c.fail(at+".size", "must be 0 to %d bytes", c.AttachmentSize)
		}
	}
}

// fields checks custom fields and returns them in their canonical types. A nil
// value, which removes a field, passes only where remove says so.
func (c *check) fields(field string, f Fields, remove bool) Fields {
	if len(f) > c.Fields {
		c.fail(field, "has %d fields, at most %d are taken", len(f), c.Fields)
		return nil
	}
	if len(f) == 0 {
		return nil
	}
	out := make(Fields, len(f))
	for _, k := range sortedKeys(f) {
		// The name is quoted, since it is the caller's and may be anything.
		at := field + "[" + quote(k) + "]"
		c.name(at, k)
		if k == "" {
			c.fail(field, "has a field without a name")
		}
		if f[k] == nil && remove {
			out[k] = nil
			continue
		}
		v, err := normalizeField(f[k])
		if err != nil {
			c.fail(at, "%v", err)
		}
		switch v := v.(type) {
		case string:
			c.text(at, v, c.FieldValue)
		case []string:
			n := 0
			for _, s := range v {
				c.text(at, s, c.FieldValue)
				n += len(s) + 1
			}
			if n > c.FieldValue {
				c.fail(at, "is %d bytes long in all, at most %d are taken", n, c.FieldValue)
			}
		}
		out[k] = v
	}
	return out
}

func (c *check) grade(field string, g Grade) {
	if int(g) >= len(gradeNames) {
		c.fail(field, "must be low, medium, high or critical")
	}
}

// normalizeField returns the value in one of the types that [Fields] hold.
func normalizeField(v any) (any, error) {
	switch v := v.(type) {
	case string, bool, int64:
		return v, nil
	case []string:
		return append([]string{}, v...), nil
	case time.Time:
		if y := v.UTC().Year(); y < 1 || y > 9999 {
			return nil, fmt.Errorf("must lie in the years 1 to 9999")
		}
		return microTime(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("must be a finite number")
		}
		return v, nil
	case float32:
		return normalizeField(float64(v))
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint:
		return normalizeField(uint64(v))
	case uint64:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("must fit an int64")
		}
		return int64(v), nil
	default:
		return nil, fmt.Errorf("must be a string, bool, integer, float64, time or list of strings, not %T", v)
	}
}

// microTime is the form of all times in tickets: UTC, whole microseconds, no
// monotonic reading.
func microTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
