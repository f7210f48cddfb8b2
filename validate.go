package ticket

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ticketkit/ticket/internal/chars"
	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// The functions here clean or refuse every input. The desk decides on, compares and
// stores only their results:
//
//   - A name (of a person, a queue, a tag, a field …) or an ID has one line. It is
//     in Unicode's form NFC, without invisible characters, with plain spaces, and
//     without spaces at its ends.
//   - A line (a subject) is in NFC, without spaces at its ends and without overrides
//     of direction. All else that its script needs stays.
//   - A text (a message, a note) stays as it is, byte for byte.
//   - A key (of an action, an attachment's Ref) belongs to the application and is
//     opaque. So is a tenant: if two tenants became one, each could read the other.
//   - Text without visible characters counts as missing.
//
// Data that is stored already stays as it is.

// maxKey is the longest idempotency key, in bytes.
const maxKey = 200

// maxMessageID is the longest Message-ID, in bytes. A line of a header has at most 998
// (RFC 5322, section 2.1.1).
const maxMessageID = 500

// check keeps the first error of an input.
type check struct {
	Limits
	err error
}

func (c *check) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = invalid(field, format, args...)
	}
}

// most checks a length in bytes.
func (c *check) most(field, s string, most int) {
	if len(s) > most {
		c.fail(field, "is %d bytes long, at most %d are allowed", len(s), most)
	}
}

// letters checks that s is valid UTF-8 without NUL bytes.
func (c *check) letters(field, s string) {
	switch {
	case !utf8.ValidString(s):
		c.fail(field, "is not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		c.fail(field, "has a NUL byte")
	}
}

// text returns a text of several lines as it is, and "" if it has no visible
// characters.
func text[T ~string](c *check, field string, s T, most int) T {
	c.most(field, string(s), most)
	c.letters(field, string(s))
	if c.err == nil && chars.Blank(string(s)) {
		return ""
	}
	return s
}

// oneLine checks that a text has no line break.
func (c *check) oneLine(field, s string) {
	if c.err == nil && strings.IndexFunc(s, chars.Break) >= 0 {
		c.fail(field, "has a line break or another control character")
	}
}

// line returns a cleaned line.
func (c *check) line(field, s string, most int) string {
	if !chars.Plain(s) {
		c.letters(field, s)
		if c.err != nil {
			return s
		}
		s = tidyLine(s)
		c.oneLine(field, s)
	}
	c.most(field, s, most)
	return s
}

// tidyLine returns the form of a line.
func tidyLine(s string) string {
	if strings.IndexFunc(s, chars.Override) >= 0 {
		s = strings.Map(func(r rune) rune {
			if chars.Override(r) {
				return -1
			}
			return r
		}, s)
	}
	if chars.Blank(s) {
		return ""
	}
	return norm.NFC.String(strings.TrimFunc(s, func(r rune) bool {
		// At the ends these are left over from a paste. Other invisible characters
		// can belong to the character before, as the selectors and joiners of emoji.
		return unicode.IsSpace(r) || unicode.IsControl(r) || chars.Space(r) != 0 || strings.ContainsRune("\u00ad\u115f\u1160\u180e\u200b\u2060\ufeff", r)
	}))
}

// key checks a key of the application, which stays as it is.
func (c *check) key(field, s string, most int) {
	c.opaque(field, s, most)
	if c.err == nil && s != "" && chars.Blank(s) {
		c.fail(field, "has no visible characters")
	}
}

// messageID checks a Message-ID. It stands in headers of letters, and stays as it is.
func (c *check) messageID(field, s string) {
	c.most(field, s, maxMessageID)
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }) {
		c.fail(field, "must be printable ASCII without spaces and angle brackets")
	}
}

// opaque is like key, for a tenant, in which every byte counts.
func (c *check) opaque(field, s string, most int) {
	c.most(field, s, most)
	c.letters(field, s)
	c.oneLine(field, s)
}

// name returns a cleaned name.
func name[T ~string](c *check, field string, s T) T {
	return T(c.short(field, string(s), c.Name))
}

// short is like name, with another limit.
func (c *check) short(field, s string, most int) string {
	if !chars.Plain(s) {
		c.letters(field, s)
		if c.err != nil {
			return s
		}
		s = chars.Tidy(s)
		c.oneLine(field, s)
	}
	c.most(field, s, most)
	return s
}

// names returns a list of cleaned names. It does not change the caller's list.
func names[T ~string](c *check, field string, list []T) []T {
	clean := list
	for i, s := range list {
		n := name(c, field, s)
		if n == s {
			continue
		}
		if &clean[0] == &list[0] {
			clean = slices.Clone(list)
		}
		clean[i] = n
	}
	return clean
}

// anyForm is like names, for the alternatives of a query. It adds the names as
// given, to find tickets that were stored before names were cleaned.
func anyForm[T ~string](c *check, field string, list []T) []T {
	clean := names(c, field, list)
	for i, given := range list {
		if given != clean[i] && len(clean) < maxAlternatives {
			clean = append(clean, given)
		}
	}
	return clean
}

// person returns a cleaned person.
func (c *check) person(field string, p Person) Person {
	if p.IsZero() {
		return p
	}
	at := check{Limits: c.Limits}
	p.ID = name(&at, "id", p.ID)
	p.Name = name(&at, "name", p.Name)
	p.Phone = name(&at, "phone", p.Phone)
	p.Locale = name(&at, "locale", p.Locale)
	p.Zone = name(&at, "zone", p.Zone)
	p.Organisation = name(&at, "organisation", p.Organisation)
	p.Email = at.address("email", p.Email)
	c.within(field, at.err)
	return p
}

// meant is like person, for a field where the zero Person has a meaning of its own,
// such as everybody. It refuses a person that is zero only once it is cleaned.
func (c *check) meant(field string, p Person) Person {
	given := !p.IsZero()
	if p = c.person(field, p); given && p.IsZero() {
		c.fail(field, "has no visible characters")
	}
	return p
}

// within takes over the error of a part.
func (c *check) within(field string, err error) {
	if inner, ok := errors.AsType[*InvalidError](err); ok && c.err == nil {
		c.err = &InvalidError{Field: field + "." + inner.Field, Reason: inner.Reason, Err: inner.Err}
	}
}

// needsContact is the error of a person that is not known.
const needsContact = "needs an ID, an e-mail address or a phone number"

func (c *check) people(field string, list []Person) []Person {
	if len(list) > c.Followers {
		c.fail(field, "has %d people, at most %d are allowed", len(list), c.Followers)
		return nil
	}
	list = slices.Clone(list)
	for i := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		list[i] = c.person(at, list[i])
		if !list[i].known() {
			c.fail(at, needsContact)
		}
	}
	return list
}

func (c *check) tags(field string, tags []string) []string {
	if len(tags) > c.Tags {
		c.fail(field, "has %d tags, at most %d are allowed", len(tags), c.Tags)
		return nil
	}
	tags = slices.Clone(tags)
	for i := range tags {
		at := fmt.Sprintf("%s[%d]", field, i)
		if tags[i] = name(c, at, tags[i]); tags[i] == "" {
			c.fail(at, "must not be empty")
		}
	}
	return tags
}

func (c *check) attachments(field string, list []Attachment) []Attachment {
	if len(list) > c.Attachments {
		c.fail(field, "has %d attachments, at most %d are allowed", len(list), c.Attachments)
		return nil
	}
	list = slices.Clone(list)
	for i := range list {
		a := &list[i]
		at := fmt.Sprintf("%s[%d]", field, i)
		a.Name = c.file(at+".name", a.Name)
		a.MediaType = name(c, at+".media_type", a.MediaType)
		c.key(at+".ref", a.Ref, c.Ref)
		if a.Size < 0 || a.Size > c.AttachmentSize {
			c.fail(at+".size", "must be 0 to %d bytes", c.AttachmentSize)
		}
	}
	return list
}

// fields returns custom fields with cleaned names and canonical types. A nil value,
// which removes a field, is allowed only if remove is set.
func (c *check) fields(field string, f Fields, remove bool) Fields {
	if len(f) > c.Fields {
		c.fail(field, "has %d fields, at most %d are allowed", len(f), c.Fields)
		return nil
	}
	if len(f) == 0 {
		return nil
	}
	out := make(Fields, len(f))
	for _, k := range sortedKeys(f) {
		// Quoted, since the caller's name can have any characters.
		at := field + "[" + quote(k) + "]"
		n := name(c, at, k)
		if n == "" {
			c.fail(field, "has a field without a name")
		}
		if _, twice := out[n]; twice {
			c.fail(at, "is given twice, in two spellings")
		}
		if f[k] == nil && remove {
			out[n] = nil
			continue
		}
		v, err := fieldvalue.Normalize(f[k])
		if err != nil {
			c.fail(at, "%v", err)
		}
		switch t := v.(type) {
		case string:
			c.most(at, t, c.FieldValue)
			c.letters(at, t)
		case []string:
			size := 0
			for _, s := range t {
				c.letters(at, s)
				size += len(s) + 1
			}
			if size > c.FieldValue {
				c.fail(at, "is %d bytes long in total, at most %d are allowed", size, c.FieldValue)
			}
		case float64:
			v = t + 0 // turns -0 into 0
		}
		out[n] = v
	}
	return out
}

func (c *check) grade(field string, g Grade) {
	if int(g) >= len(gradeNames) {
		c.fail(field, "must be low, medium, high or critical")
	}
}
