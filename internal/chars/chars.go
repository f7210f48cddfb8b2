// Package chars says which characters of a text show something, and cleans names of people, things
// and files: for the root, and for what takes in mail.
package chars

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Text that people copy and paste contains invisible characters: spaces at the ends,
// byte order marks, marks of direction, soft hyphens. This file says which
// characters are invisible, and removes them from names.

// fillers are invisible, though Unicode classifies them as letters, symbols or marks.
var fillers = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x034F, 0x034F, 1}, // combining grapheme joiner
		{0x115F, 0x1160, 1}, // Hangul fillers
		{0x17B4, 0x17B5, 1}, // Khmer inherent vowels
		{0x180B, 0x180F, 1}, // Mongolian variation selectors and vowel separator
		{0x2065, 0x2065, 1}, // reserved for another invisible character
		{0x2800, 0x2800, 1}, // the braille pattern without dots
		{0x3164, 0x3164, 1}, // Hangul filler
		{0xFE00, 0xFE0F, 1}, // variation selectors
		{0xFFA0, 0xFFA0, 1}, // half-width Hangul filler
		{0xFFF0, 0xFFF8, 1}, // reserved
	},
	R32: []unicode.Range32{
		{0x13441, 0x13442, 1}, // hieroglyphic blanks
		{0x1D159, 0x1D159, 1}, // null notehead
		{0xE0000, 0xE0FFF, 1}, // tags, more variation selectors, reserved
	},
}

// signs are visible, though Unicode classifies them as formats: the signs before
// Arabic, Syriac and Kaithi numbers.
var signs = &unicode.RangeTable{
	R16: []unicode.Range16{{0x0600, 0x0605, 1}, {0x06DD, 0x06DD, 1}, {0x070F, 0x070F, 1}, {0x0890, 0x0891, 1}, {0x08E2, 0x08E2, 1}},
	R32: []unicode.Range32{{0x110BD, 0x110BD, 1}, {0x110CD, 0x110CD, 1}},
}

// Unseen reports whether a rune is invisible and takes no space: a format, a mark of
// direction, a joiner or a filler. Spaces and control characters are not unseen.
func Unseen(r rune) bool {
	if r < 0xAD {
		return false
	}
	return unicode.Is(fillers, r) || unicode.Is(unicode.Cf, r) && !unicode.Is(signs, r)
}

// Vacant reports whether a rune is a space of any kind, a control character, or
// unseen.
func Vacant(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7F
	}
	return unicode.IsSpace(r) || unicode.IsControl(r) || Unseen(r)
}

// Blank reports whether a text has no visible characters. A combining mark alone
// does not count as one.
func Blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !Vacant(r) && !unicode.IsMark(r) }) < 0
}

// Plain reports whether a text is printable ASCII without spaces at its ends. Most
// names are, and need no further work.
func Plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// Override reports whether a rune is an override of direction. No script needs one,
// and it hides the real text: "photo_\u202egpj.exe" looks like photo_exe.jpg.
func Override(r rune) bool { return r == '\u202d' || r == '\u202e' }

// Space returns a plain space for a rune that is any kind of space or looks like
// one, and 0 for all others.
func Space(r rune) rune {
	if unicode.IsSpace(r) && !Break(r) || r == '\u2800' || r == '\u3164' || r == '\uffa0' {
		return ' '
	}
	return 0
}

// unbound are the scripts whose letters do not change with a joiner.
var unbound = []*unicode.RangeTable{unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo}

// matters reports whether an unseen rune changes the look of its neighbours: a joiner
// in scripts with joined letters and in emoji of several parts, or a variation
// selector after a symbol or a Han character.
func matters(before, r, after rune) bool {
	shows := func(r rune) bool {
		return r >= 0x590 && !Vacant(r) && !unicode.In(r, unbound...) &&
			(unicode.IsLetter(r) || unicode.IsMark(r) || unicode.In(r, unicode.So, unicode.Sk))
	}
	switch {
	case r == '\u200c' || r == '\u200d':
		return (shows(before) || before == '\ufe0f') && shows(after)
	case unicode.Is(unicode.Variation_Selector, r):
		return before >= 0xA9 && unicode.In(before, unicode.So, unicode.Han)
	default:
		return false
	}
}

// Break reports whether a rune cannot be in a line: a control character, or one that ends the line.
func Break(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// Tidy returns a name without characters that show nothing, in the normal form NFC.
func Tidy(s string) string {
	if Plain(s) {
		return s
	}
	var b strings.Builder
	before := rune(0)
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || Space(r) != 0 })
	for i, r := range s {
		if as := Space(r); as != 0 {
			r = as
		}
		if Unseen(r) {
			after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
			if !matters(before, r, after) {
				continue
			}
		}
		b.WriteRune(r)
		before = r
	}
	s = norm.NFC.String(strings.TrimFunc(b.String(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }))
	if Blank(s) {
		return ""
	}
	return s
}
