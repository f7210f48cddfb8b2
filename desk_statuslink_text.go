package ticket

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ticketkit/ticket/internal/crockford"
)

// cutTokens takes the desk's own status links out of words that somebody else than
// their writer is told: a reply quotes the letter that it answers, and whoever has
// the link is taken for the one whom the letter went to. The address around a token
// stays, and so does all other text.
//
// It needs no signature, since links of other tenants, and of keys that are another
// tenant's secret, are no better to hand on: a token is known by its length and by
// what must stand in it, which other text of that form has once in a million times.
func (l *StatusLinks) cutTokens(words string) string {
	if len(l.Keys) == 0 || len(words) < TokenSize {
		return words
	}
	var out strings.Builder
	kept := 0 // up to where words are in out
	for i := 0; i < len(words); {
		if !tokenSymbol(words[i]) {
			i++
			continue
		}
		end, n := tokenRun(words, i)
		if n >= TokenSize {
			kept = l.cutRun(&out, words, i, end, kept)
		}
		i = end
	}
	if kept == 0 {
		return words
	}
	out.WriteString(words[kept:])
	return out.String()
}

// mayBegin reports whether a part of a token may stand in words: symbols together,
// more than one finds by trying, with a digit among them.
func (l *StatusLinks) mayBegin(words string) bool {
	if len(l.Keys) == 0 {
		return false
	}
	for i := 0; i < len(words); i++ {
		if !tokenSymbol(words[i]) {
			continue
		}
		end, n := tokenRun(words, i)
		if n >= partOfToken && strings.ContainsAny(words[i:end], "0123456789") {
			return true
		}
		i = end
	}
	return false
}

// partOfToken is how many symbols of a token are not worth hiding: 35 bits.
const partOfToken = 8

// cutNames does so in the names of files.
func (l *StatusLinks) cutNames(list []Attachment) []Attachment {
	for i := range list {
		list[i].Name = l.cutTokens(list[i].Name)
	}
	return list
}

// cutRun takes the tokens out of symbols that stand together, which are perhaps more
// than those of one: what was encoded has others before it. It returns up to where
// the words were dealt with.
func (l *StatusLinks) cutRun(out *strings.Builder, words string, i, end, kept int) int {
	var symbols []byte
	var places []int
	for i < end {
		if tokenSymbol(words[i]) {
			symbols, places = append(symbols, words[i]), append(places, i)
			i++
		} else {
			i += tokenGap(words[i:])
		}
	}
	for first := 0; first+TokenSize <= len(symbols); {
		if !l.looksLikeToken(symbols[first : first+TokenSize]) {
			first++
			continue
		}
		out.WriteString(words[kept:places[first]])
		out.WriteString("…")
		first += TokenSize
		kept = places[first-1] + 1
	}
	return kept
}

// looksLikeToken reports whether symbols can be those of a token under one of the
// keys.
func (l *StatusLinks) looksLikeToken(symbols []byte) bool {
	if second := crockford.Value(symbols[1]); crockford.Value(symbols[0]) != 0 || second < 4 || second > 11 {
		return false // another version: most text ends here
	}
	b, ok := tokenBytes(string(symbols))
	return ok && (b[0] == tokenVersion || b[0] == minuteVersion) && StatusLinkScope(b[18])&^linkScopes == 0 &&
		slices.ContainsFunc(l.Keys, func(k StatusLinkKey) bool { return k.ID == b[1] })
}

// tokenRun returns where symbols that begin at i end, and how many they are. What
// mail programs put into long lines does not end them.
func tokenRun(words string, i int) (end, n int) {
	for i < len(words) {
		if tokenSymbol(words[i]) {
			i++
			n++
			end = i
			continue
		}
		gap := tokenGap(words[i:])
		if gap == 0 {
			break
		}
		i += gap
	}
	return end, n
}

// tokenGap returns how long something is that a token may be broken by, as mail
// programs do it: the end of a line, with the "=" of quoted-printable or a hyphen
// before it and marks of quotation behind it, what shows nothing, and what stands for
// these in HTML; 0 if it is something else. A blank between words is none of these,
// or all text would be symbols that stand together.
func tokenGap(s string) int {
	i := 0
	switch s[0] {
	case '<', '&':
		return markup(s)
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
	if r, size := utf8.DecodeRuneInString(s); unseen(r) {
		return size
	}
	return 0
}

// lineEnd returns how long the end of a line is that a text begins with; 0 if it
// begins with none.
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

// markup returns how long the tag or the entity is that a text begins with, where it
// is one that breaks a word without showing; 0 if it is none.
func markup(s string) int {
	for _, m := range [...]struct{ begin, end string }{{"<wbr", ">"}, {"<br", ">"}, {"&shy", ";"}, {"&zwnj", ";"}, {"&zwj", ";"}, {"&lrm", ";"}, {"&rlm", ";"}, {"&ZeroWidthSpace", ";"}, {"&NoBreak", ";"}, {"&#", ";"}} {
		if len(s) < len(m.begin) || !strings.EqualFold(s[:len(m.begin)], m.begin) {
			continue
		}
		if n := strings.Index(s[:min(len(s), 20)], m.end); n > 0 && (m.begin != "&#" || vacantEntity(s[:n+1])) {
			return n + 1
		}
	}
	return 0
}

// vacantEntity reports whether a numbered entity shows nothing.
func vacantEntity(s string) bool {
	r, size := utf8.DecodeRuneInString(html.UnescapeString(s))
	return size > 0 && r != '&' && vacant(r) && r != ' ' && r != '\u00a0'
}

// tokenSymbol reports whether a token can be written with this byte.
func tokenSymbol(c byte) bool { return crockford.Value(c) >= 0 }

// tokenBytes reads the symbols of a token.
func tokenBytes(token string) ([]byte, bool) {
	if len(token) != TokenSize {
		return nil, false
	}
	return crockford.Decode(token)
}
