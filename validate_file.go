package ticket

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxFile is the length of the longest file name that the usual file systems allow,
// in bytes.
const maxFile = 255

// slashes are other forms of / and \, and symbols that contain one. Some systems,
// archives and conversions turn them into a path.
const slashes = "／＼﹨⁄∕∖⧵⧸℀℁℅℆"

// file returns the name of a file in a form that every system can store and that
// does not mislead people.
func (c *check) file(field, s string) string {
	c.letters(field, s)
	if c.err != nil {
		return s
	}
	if strings.IndexFunc(s, override) >= 0 {
		c.fail(field, "has an override of direction, which hides the real name")
	}
	s = norm.NFC.String(strings.TrimFunc(s, vacant)) // first, since "≯" decomposed begins with ">"
	s = tidyName(strings.Map(func(r rune) rune {
		switch {
		case isBreak(r), strings.ContainsRune(`<>:"|?*`, r): // Windows cannot store these
			return '_'
		case strings.ContainsRune(slashes, r):
			return '_'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s))
	for strings.Contains(s, "  ") { // spaces can push the ending out of sight
		s = strings.ReplaceAll(s, "  ", " ")
	}
	s = strings.TrimRight(s, ". ") // Windows drops these
	if blank(s) || strings.ContainsAny(s, `/\`) {
		c.fail(field, "must be a file name without a path")
		return s
	}
	if stem, _, _ := strings.Cut(s, "."); device(strings.TrimRight(stem, " ")) {
		s = "_" + s
	}
	return shortened(s)
}

// device reports whether a name is that of a device on Windows.
func device(s string) bool {
	switch s = strings.ToUpper(s); s {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	last, n := utf8.DecodeLastRuneInString(s)
	port := s[:len(s)-n]
	return (port == "COM" || port == "LPT") && strings.ContainsRune("0123456789¹²³", last)
}

// shortened returns a file name of at most maxFile bytes. It cuts in the middle, so
// that the beginning and the ending stay.
func shortened(s string) string {
	if len(s) <= maxFile {
		return s
	}
	const gap = "…"
	end := len(s) - 40 // keeps a part before the ending, which is often a date
	if ext := path.Ext(s); len(ext) > 30 {
		end = len(s) - 60
	}
	start := maxFile - (len(s) - end) - len(gap)
	loose := func(i int) bool { // part of the preceding character
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
