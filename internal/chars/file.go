package chars

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxFile is the length of the longest file name that the usual file systems allow,
// in bytes.
const MaxFile = 255

// slashes are other forms of / and \, and symbols that contain one. Some systems,
// archives and conversions turn them into a path.
const slashes = "／＼﹨⁄∕∖⧵⧸℀℁℅℆"

// FileName returns the name of a file in a form that every system can store and that does not
// mislead people. The second result says what is wrong with a name that must not be used; it is
// empty for others.
func FileName(s string) (name, fault string) {
	if strings.IndexFunc(s, Override) >= 0 {
		return s, "has an override of direction, which hides the real name"
	}
	s = norm.NFC.String(strings.TrimFunc(s, Vacant)) // first, since "≯" decomposed begins with ">"
	s = Tidy(strings.Map(func(r rune) rune {
		switch {
		case Break(r), strings.ContainsRune(`<>:"|?*`, r): // Windows cannot store these
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
	if Blank(s) || strings.ContainsAny(s, `/\`) {
		return s, "must be a file name without a path"
	}
	if stem, _, _ := strings.Cut(s, "."); device(strings.TrimRight(stem, " ")) {
		s = "_" + s
	}
	return shortened(s), ""
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

// shortened returns a file name of at most MaxFile bytes. It cuts in the middle, so
// that the beginning and the ending stay.
func shortened(s string) string {
	if len(s) <= MaxFile {
		return s
	}
	const gap = "…"
	end := len(s) - 40 // keeps a part before the ending, which is often a date
	if ext := path.Ext(s); len(ext) > 30 {
		end = len(s) - 60
	}
	start := MaxFile - (len(s) - end) - len(gap)
	loose := func(i int) bool { // part of the preceding character
		r, _ := utf8.DecodeRuneInString(s[i:])
		return !utf8.RuneStart(s[i]) || unicode.IsMark(r) || Unseen(r)
	}
	for end < len(s) && loose(end) {
		end++
	}
	for start > 0 && loose(start) {
		start--
	}
	return strings.TrimRight(s[:start], ". ") + gap + s[end:]
}
