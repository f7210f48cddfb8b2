package ticket

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// This is the one place that decides what a name, a line, an address and a text
// are. What comes in is cleaned here, or refused, and only what came out of here
// is decided on, compared and stored:
//
//   - A name (of a person, a queue, a tag, a field …; an ID) stands on one line.
//     It is in Unicode's form NFC, without what cannot be seen, with plain blanks
//     and none at its ends.
//   - A line (a subject) is in NFC, without blanks at its ends and without
//     overrides of direction. What else its script needs stays.
//   - A text (a message, a note) stays as it is, byte for byte.
//   - A key (of an action, an attachment's Ref) is the host's own, and opaque. So is
//     a tenant: were two of them made one, each would see what is the other's.
//   - What shows nothing is missing.
//
// What was stored before stays as it was stored.

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

// most checks a length.
func (c *check) most(field, s string, most int) {
	if len(s) > most {
		c.fail(field, "is %d bytes long, at most %d are taken", len(s), most)
	}
}

// letters checks that a text is one.
func (c *check) letters(field, s string) {
	switch {
	case !utf8.ValidString(s):
		c.fail(field, "is not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		c.fail(field, "has a NUL byte")
	}
}

// text returns words of several lines as they are, and nothing where they show
// nothing.
func text[T ~string](c *check, field string, s T, most int) T {
	c.most(field, string(s), most)
	c.letters(field, string(s))
	if c.err == nil && blank(string(s)) {
		return ""
	}
	return s
}

// oneLine checks that a text has no line break.
func (c *check) oneLine(field, s string) {
	if c.err == nil && strings.IndexFunc(s, isBreak) >= 0 {
		c.fail(field, "has a line break or another control character")
	}
}

func isBreak(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// line returns words of one line, cleaned.
func (c *check) line(field, s string, most int) string {
	if !plain(s) {
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

// tidyLine is the form of a line.
func tidyLine(s string) string {
	if strings.IndexFunc(s, override) >= 0 {
		s = strings.Map(func(r rune) rune {
			if override(r) {
				return -1
			}
			return r
		}, s)
	}
	if blank(s) {
		return ""
	}
	return norm.NFC.String(strings.TrimFunc(s, func(r rune) bool {
		// At an end these are what a paste left; others may belong to what is
		// before them, as the selectors and joiners of emoji do.
		return unicode.IsSpace(r) || unicode.IsControl(r) || blankAs(r) != 0 || strings.ContainsRune("\u00ad\u115f\u1160\u180e\u200b\u2060\ufeff", r)
	}))
}

// key checks a key of the host's, which stays as it is.
func (c *check) key(field, s string, most int) {
	c.opaque(field, s, most)
	if c.err == nil && s != "" && blank(s) {
		c.fail(field, "shows nothing")
	}
}

// opaque is key for what tells apart whose something is: every byte counts.
func (c *check) opaque(field, s string, most int) {
	c.most(field, s, most)
	c.letters(field, s)
	c.oneLine(field, s)
}

// name returns a name, cleaned.
func name[T ~string](c *check, field string, s T) T {
	return T(c.short(field, string(s), c.Name))
}

// short is name with another bound.
func (c *check) short(field, s string, most int) string {
	if !plain(s) {
		c.letters(field, s)
		if c.err != nil {
			return s
		}
		s = tidyName(s)
		c.oneLine(field, s)
	}
	c.most(field, s, most)
	return s
}

// tidyName is the form of a name.
func tidyName(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	before := rune(0)
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || blankAs(r) != 0 })
	for i, r := range s {
		if as := blankAs(r); as != 0 {
			r = as
		}
		if unseen(r) {
			after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
			if !matters(before, r, after) {
				continue
			}
		}
		b.WriteRune(r)
		before = r
	}
	s = norm.NFC.String(strings.TrimFunc(b.String(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }))
	if blank(s) {
		return ""
	}
	return s
}

// names returns a list of names, cleaned.
func names[T ~string](c *check, field string, list []T) []T {
	clean := list
	for i, s := range list {
		n := name(c, field, s)
		if n == s {
			continue
		}
		if &clean[0] == &list[0] { // the caller's stays as it is
			clean = slices.Clone(list)
		}
		clean[i] = n
	}
	return clean
}

// anyForm is names for alternatives to find by: a ticket of before names were
// cleaned is found by the form that it has.
func anyForm[T ~string](c *check, field string, list []T) []T {
	clean := names(c, field, list)
	for i, given := range list {
		if given != clean[i] && len(clean) < maxAlternatives {
			clean = append(clean, given)
		}
	}
	return clean
}

// person returns somebody, cleaned.
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

// meant is person for where nobody stands for something else, everybody or whoever
// acts: somebody who was given and shows nothing is refused.
func (c *check) meant(field string, p Person) Person {
	given := !p.IsZero()
	if p = c.person(field, p); given && p.IsZero() {
		c.fail(field, "shows nothing")
	}
	return p
}

// address returns an e-mail address in the form in which addresses of one
// mailbox are equal: the domain in small letters and, where it has others than
// those of ASCII, in its ASCII form (RFC 5890), without a dot at its end. What
// stands before the @ is for that domain to judge, and stays.
func (c *check) address(field, s string) string {
	s = c.short(field, s, c.Email)
	if c.err != nil || s == "" {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r == '\uff20' || r == '\ufe6b' { // wide and small forms of the @
			return '@'
		}
		return r
	}, s)
	local, domain, found := strings.Cut(s, "@")
	if found {
		var err error
		if domain, err = tidyDomain(domain); err != nil {
			c.fail(field, "has a domain that cannot be one")
			return s
		}
	}
	if local == "" || domain == "" || strings.Contains(domain, "@") || !isLocal(local) {
		c.fail(field, "must be one plain address, such as ada@example.org")
		return s
	}
	if strings.IndexFunc(local, disguised) >= 0 {
		c.fail(field, "has letters before the @ in a full-width, half-width or ornamental form")
		return s
	}
	s = local + "@" + domain
	c.most(field, s, c.Email)
	return s
}

// isLocal reports whether a text can stand before an @. Without quotes that is all
// but what has a meaning of its own around addresses (RFC 5322, section 3.2.3),
// which a link, a list or a letter left there. Dots may stand anywhere: providers
// have given out such addresses.
func isLocal(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
		return !strings.ContainsAny(s, ` "\<>,;`)
	}
	return !strings.ContainsAny(s, ` "\<>,;:()[]`)
}

// disguised reports whether a rune is one of ASCII in another form, as input methods
// and ornamental fonts give it, or one of Japanese or Korean in another width: what it
// stands for is another mailbox, which somebody else may have.
func disguised(r rune) bool {
	return '\uff00' <= r && r <= '\uffef' || r >= utf8.RuneSelf && isASCII(norm.NFKC.String(string(r)))
}

// tidyDomain is the form of a domain: names with dots between them, or what a
// server has in brackets. Underscores and hyphens anywhere are let by: odd domains
// are real ones.
func tidyDomain(s string) (string, error) {
	if in, ok := strings.CutPrefix(s, "["); ok {
		if in, ok = strings.CutSuffix(in, "]"); !ok || in == "" || strings.ContainsFunc(in, func(r rune) bool { return r != '.' && r != ':' && r != '-' && !asciiWord(r) }) {
			return "", errors.New("it is no server in brackets")
		}
		return asciiLower(s), nil
	}
	if !isASCII(s) {
		var err error
		if s, err = idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(s); err != nil {
			return "", err
		}
	}
	s = strings.TrimSuffix(asciiLower(s), ".")
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return r != '-' && r != '_' && !asciiWord(r) }) {
			return "", errors.New("it has a symbol of no domain, or an empty part")
		}
	}
	return s, nil
}

func asciiWord(r rune) bool { return r < utf8.RuneSelf && inWord(r) }

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// within takes over the fault of a part.
func (c *check) within(field string, err error) {
	if inner, ok := errors.AsType[*InvalidError](err); ok && c.err == nil {
		c.err = &InvalidError{Field: field + "." + inner.Field, Reason: inner.Reason, Err: inner.Err}
	}
}

// needsContact is what is wrong with a person that is not known.
const needsContact = "needs an ID, an e-mail address or a phone number, so that somebody can be told"

func (c *check) people(field string, list []Person) []Person {
	if len(list) > c.Followers {
		c.fail(field, "has %d persons, at most %d are taken", len(list), c.Followers)
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
		c.fail(field, "has %d tags, at most %d are taken", len(tags), c.Tags)
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
		c.fail(field, "has %d attachments, at most %d are taken", len(list), c.Attachments)
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

// maxFile is the longest name of a file, in bytes: what the file systems of this
// world take.
const maxFile = 255

// slashes are other forms of / and \, and symbols that have one in them: what some
// system, archive or conversion makes a path of.
const slashes = "／＼﹨⁄∕∖⧵⧸℀℁℅℆"

// file returns the name of a file, so that every system can store it under it
// and people see what it is.
func (c *check) file(field, s string) string {
	c.letters(field, s)
	if c.err != nil {
		return s
	}
	if strings.IndexFunc(s, override) >= 0 {
		c.fail(field, "has an override of direction, and so reads otherwise than it is")
	}
	s = norm.NFC.String(strings.TrimFunc(s, vacant)) // first, as "≯" taken apart begins with ">"
	s = tidyName(strings.Map(func(r rune) rune {
		switch {
		case isBreak(r), strings.ContainsRune(`<>:"|?*`, r): // what Windows cannot store
			return '_'
		case strings.ContainsRune(slashes, r):
			return '_'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s))
	for strings.Contains(s, "  ") { // room to push an ending out of sight
		s = strings.ReplaceAll(s, "  ", " ")
	}
	s = strings.TrimRight(s, ". ") // which Windows leaves out
	if blank(s) || strings.ContainsAny(s, `/\`) {
		c.fail(field, "must be a file's name without a path")
		return s
	}
	if stem, _, _ := strings.Cut(s, "."); device(strings.TrimRight(stem, " ")) {
		s = "_" + s
	}
	return shortened(s)
}

// device reports whether Windows takes a name for one of its devices.
func device(s string) bool {
	switch s = strings.ToUpper(s); s {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	last, n := utf8.DecodeLastRuneInString(s)
	port := s[:len(s)-n]
	return (port == "COM" || port == "LPT") && strings.ContainsRune("0123456789¹²³", last)
}

// shortened returns a file's name of at most maxFile bytes: what is too much is
// left out in the middle, so that the beginning and the ending stay.
func shortened(s string) string {
	if len(s) <= maxFile {
		return s
	}
	const gap = "…"
	end := len(s) - 40 // something before the ending is mostly worth keeping, such as a date
	if ext := path.Ext(s); len(ext) > 30 {
		end = len(s) - 60
	}
	start := maxFile - (len(s) - end) - len(gap)
	loose := func(i int) bool { // it belongs to what is before it
		r, _ := utf8.DecodeRuneInString(s[i:])
		return !utf8.RuneStart(s[i]) || unicode.IsMark(r) || unseen(r)
	}
	for end < len(s) && loose(end) {
		end++
	}
	for start > 0 && loose(start) {
		start--
	}
	return strings.TrimRight(s[:start], ". ") + gap + s[end:]
}

// fields returns custom fields in their canonical types, their names cleaned. A
// nil value, which removes a field, passes only where remove says so.
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
		n := name(c, at, k)
		if n == "" {
			c.fail(field, "has a field without a name")
		}
		if _, twice := out[n]; twice {
			c.fail(at, "is there twice, spelt in two ways")
		}
		if f[k] == nil && remove {
			out[n] = nil
			continue
		}
		v, err := normalizeField(f[k])
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
				c.fail(at, "is %d bytes long in all, at most %d are taken", size, c.FieldValue)
			}
		case float64:
			v = t + 0 // there is one zero
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

// The times that a ticket can hold. What the desk reckons from the time that it
// is (leases, timers, links) has room behind the last that it believes a clock.
var (
	epoch    = time.Unix(0, 0).UTC()
	lastTime = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC)
	lastNow  = time.Date(9900, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// holds reports whether tickets hold this time.
func holds(t time.Time) bool { return !t.Before(epoch) && !t.After(lastTime) }

// time returns a time in the form of tickets.
func (c *check) time(field string, t time.Time) time.Time {
	if t = microTime(t); !t.IsZero() && !holds(t) {
		c.fail(field, "must lie in the years 1970 to 9999")
	}
	return t
}

// nearest returns the time between first and last that is nearest to t, in the
// form of tickets.
func nearest(t, first, last time.Time) time.Time {
	switch t = microTime(t); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	default:
		return t
	}
}
