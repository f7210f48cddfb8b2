package linktoken

import (
	"html"
	"strings"
	"unicode/utf8"

	"github.com/ticketkit/ticket/internal/crockford"
)

// Text finds tokens in text.
//
// It does not check signatures, so that it also finds the tokens of other tenants,
// which must not be passed on either. It recognises a token by its length and by the
// fixed parts of its content. Of other texts with that length and alphabet, about one
// in 130,000 has the same fixed parts.
type Text struct {
	Known  func(keyID uint8) bool // reports whether tokens are signed with a key of this ID
	Unseen func(rune) bool        // reports whether a rune is invisible and takes no room
	Vacant func(rune) bool        // reports whether a rune is unseen, a blank or a control
}

// Cut returns the text with "…" in place of every token. The address around a
// token stays, and so does all other text.
func (x Text) Cut(s string) string {
	if len(s) < Size {
		return s
	}
	var out strings.Builder
	kept := 0 // s[:kept] is in out
	for i := 0; i < len(s); {
		if crockford.Value(s[i]) < 0 {
			i++
			continue
		}
		end, n := x.run(s, i)
		if n >= Size {
			kept = x.cutRun(&out, s, i, end, kept)
		}
		i = end
	}
	if kept == 0 {
		return s
	}
	out.WriteString(s[kept:])
	return out.String()
}

// partSize is the length, in symbols, from which a part of a token is worth hiding.
// Shorter parts have 35 bits at most: a program finds them by trying all.
const partSize = 8

// HasPart reports whether the text may contain a part of a token that is worth hiding:
// a run of at least partSize symbols, with a digit among them.
func (x Text) HasPart(s string) bool {
	for i := 0; i < len(s); i++ {
		if crockford.Value(s[i]) < 0 {
			continue
		}
		end, n := x.run(s, i)
		if n >= partSize && strings.ContainsAny(s[i:end], "0123456789") {
			return true
		}
		i = end
	}
	return false
}

// cutRun cuts the tokens out of the run of symbols s[i:end]. The run may be longer
// than a token, because percent-encoding puts other symbols before it. cutRun returns
// the offset in s of the text that remains to be written.
func (x Text) cutRun(out *strings.Builder, s string, i, end, kept int) int {
	var found []byte
	var places []int
	for i < end {
		if crockford.Value(s[i]) >= 0 {
			found, places = append(found, s[i]), append(places, i)
			i++
		} else {
			i += x.gap(s[i:])
		}
	}
	for first := 0; first+Size <= len(found); {
		if !x.looksLikeToken(found[first : first+Size]) {
			first++
			continue
		}
		out.WriteString(s[kept:places[first]])
		out.WriteString("…")
		first += Size
		kept = places[first-1] + 1
	}
	return kept
}

// looksLikeToken reports whether the symbols can be a token under a known key.
func (x Text) looksLikeToken(found []byte) bool {
	if second := crockford.Value(found[1]); crockford.Value(found[0]) != 0 || second < 4 || second > 11 {
		return false // another version; most text that is no token is rejected here
	}
	b, ok := decode(string(found))
	return ok && (b[0] == secondVersion || b[0] == minuteVersion) && b[18]&^scopes == 0 && x.Known(b[1])
}

// run returns where the run of symbols that begins at i ends, and how many symbols
// it has. Line breaks and markup that mail programs insert do not end a run; see
// gap.
func (x Text) run(s string, i int) (end, n int) {
	for i < len(s) {
		if crockford.Value(s[i]) >= 0 {
			i++
			n++
			end = i
			continue
		}
		gap := x.gap(s[i:])
		if gap == 0 {
			break
		}
		i += gap
	}
	return end, n
}

// gap returns the length of the gap that s begins with, or 0. A gap is text by
// which a mail program may have broken a token: the end of a line, with the "="
// of quoted-printable or a hyphen before it and quotation marks of a reply after
// it; an invisible rune; and the HTML for these. A blank between words is not a
// gap, or all text would be one run.
func (x Text) gap(s string) int {
	i := 0
	switch s[0] {
	case '<', '&':
		return x.markup(s)
	case '=', '-':
		i = 1
		if strings.HasPrefix(s, "=20") || strings.HasPrefix(s, "=09") {
			i = 3
		}
	}
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') { // blanks at the end of a line
		i++
	}
	if n := lineEnd(s[i:]); n > 0 {
		for i += n; i < len(s); {
			switch {
			case strings.IndexByte(" \t>|:*", s[i]) >= 0:
				i++
			case strings.HasPrefix(s[i:], "&gt;"):
				i += len("&gt;")
			default:
				return i
			}
		}
		return i
	}
	if s[0] < utf8.RuneSelf {
		return 0
	}
	if r, size := utf8.DecodeRuneInString(s); x.Unseen(r) {
		return size
	}
	return 0
}

// lineEnd returns the length of the line end that s begins with, or 0.
func lineEnd(s string) int {
	if s == "" || s[0] >= ' ' && s[0] < utf8.RuneSelf {
		return 0 // nearly always
	}
	switch r, size := utf8.DecodeRuneInString(s); {
	case r == '\r' && len(s) > 1 && s[1] == '\n':
		return 2
	case r >= '\n' && r <= '\r', r == '\u0085', r == '\u2028', r == '\u2029':
		return size
	}
	return 0
}

// markup returns the length of the tag or entity that s begins with if it breaks a
// word without showing, and 0 otherwise.
func (x Text) markup(s string) int {
	for _, m := range [...]struct{ begin, end string }{{"<wbr", ">"}, {"<br", ">"}, {"&shy", ";"}, {"&zwnj", ";"}, {"&zwj", ";"}, {"&lrm", ";"}, {"&rlm", ";"}, {"&ZeroWidthSpace", ";"}, {"&NoBreak", ";"}, {"&#", ";"}} {
		if len(s) < len(m.begin) || !strings.EqualFold(s[:len(m.begin)], m.begin) {
			continue
		}
		if n := strings.Index(s[:min(len(s), 20)], m.end); n > 0 && (m.begin != "&#" || x.vacantEntity(s[:n+1])) {
			return n + 1
		}
	}
	return 0
}

// vacantEntity reports whether a numeric entity shows nothing.
func (x Text) vacantEntity(s string) bool {
	r, size := utf8.DecodeRuneInString(html.UnescapeString(s))
	return size > 0 && r != '&' && x.Vacant(r) && r != ' ' && r != '\u00a0'
}
