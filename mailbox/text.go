package mailbox

import (
	"strings"
	"unicode"
)

// texts collects the text of a mail.
type texts struct {
	shown map[*part]bool // leaves whose words are in the text
	left  int            // bytes that are still read
	cut   bool           // there was more
}

// textOf returns what a part says: the plain text, or else the HTML as text.
func (t *texts) textOf(p *part) string {
	switch {
	case p.typ == "multipart/alternative":
		return t.alternative(p)
	case p.typ == "multipart/related":
		return t.related(p)
	case p.typ == "multipart/signed", p.typ == "multipart/report":
		if len(p.parts) > 0 {
			return t.textOf(p.parts[0])
		}
		return ""
	case p.typ == "multipart/encrypted":
		return ""
	case strings.HasPrefix(p.typ, "multipart/"):
		var b strings.Builder
		for _, c := range p.parts {
			if s := t.textOf(c); !blank(s) {
				if b.Len() > 0 {
					b.WriteString("\n\n")
				}
				b.WriteString(s)
			}
		}
		return b.String()
	case p.isText():
		return t.leaf(p)
	}
	return ""
}

// isText reports whether p is text to read, and not a file.
func (p *part) isText() bool {
	if p.typ != "text/plain" && p.typ != "text/html" {
		return p.typ == "text/enriched" || p.typ == "text/richtext"
	}
	if p.disposition == "attachment" {
		return false
	}
	// Some programs give names to the text itself, but no disposition.
	return p.name == "" || p.disposition == "" && (p.parent == nil || p.parent.typ == "multipart/alternative")
}

// alternative returns the plain text, unless it is empty; else the last form that says
// something.
func (t *texts) alternative(p *part) string {
	var plain, other string
	for _, c := range p.parts {
		if c.typ == "text/plain" && c.isText() {
			if s := t.leaf(c); blank(plain) {
				plain = s
			}
		}
	}
	for _, c := range p.parts {
		switch {
		case c.typ == "text/plain" && c.isText():
		case blank(plain):
			if s := t.textOf(c); !blank(s) {
				other = s
			}
		default:
			t.pass(c)
		}
	}
	if blank(plain) {
		return other
	}
	return plain
}

// pass marks the text in a part as shown, because it is another form of a text that is.
func (t *texts) pass(p *part) {
	p.each(func(p *part) bool {
		if p.isText() {
			t.shown[p] = true
		}
		return true
	})
}

// related returns the text of the root of a multipart/related (RFC 2387).
func (t *texts) related(p *part) string {
	if len(p.parts) == 0 {
		return ""
	}
	root := p.parts[0]
	if start := strings.Trim(p.params["start"], "<> "); start != "" {
		for _, c := range p.parts {
			if c.contentID() == start {
				root = c
			}
		}
	}
	return t.textOf(root)
}

// leaf returns the words of a text part.
func (t *texts) leaf(p *part) string {
	t.shown[p] = true
	var b []byte
	if p.typ == "text/html" {
		b = t.take(shortTags(p.content())) // without images in it
	} else {
		b = decodeTransfer(t.take(p.raw), p.encoding)
	}
	charset := p.params["charset"]
	if p.typ == "text/plain" {
		s := cleanText(decodeText(b, charset))
		if strings.EqualFold(p.params["format"], "flowed") {
			s = unflow(s, strings.EqualFold(p.params["delsp"], "yes"))
		}
		return s
	}
	if charset == "" && p.typ == "text/html" {
		charset = htmlCharset(b)
	}
	return cleanText(htmlText(decodeText(b, charset)))
}

// take returns as much of b as is still read.
func (t *texts) take(b []byte) []byte {
	if len(b) > t.left {
		t.cut = true
		b = b[:t.left]
	}
	t.left -= len(b)
	return b
}

// maxSpaces limits the spaces in a row that a text keeps.
const maxSpaces = 500

// cleanText returns text whose lines end in line feeds, without characters that the desk
// refuses or that hide the real text, without white space at the ends of lines, and
// without empty lines at its ends. More than two empty lines become two.
func cleanText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	feeds := 0
	var spaces []byte // before the next character of the line
	begun := false
	carriage := false
	for _, r := range s {
		afterCR := carriage
		carriage = r == '\r'
		switch {
		case r == '\n' && afterCR:
			continue
		case r == '\n', r == '\r', r == '\u0085', r == '\u2028', r == '\u2029', r == '\f', r == '\v':
			if feeds++; len(spaces) > 0 && begun && feeds == 1 {
				b.WriteByte(' ') // one space counts in format=flowed
			}
			spaces = spaces[:0]
			continue
		case r == ' ', r == '\u00a0', r == '\t':
			if r == '\u00a0' {
				r = ' '
			}
			if len(spaces) < maxSpaces {
				spaces = append(spaces, byte(r))
			}
			continue
		case unicode.IsControl(r), r == '\u202d', r == '\u202e', r == '\ufeff':
			continue
		}
		if feeds > 0 && begun {
			for range min(feeds, 3) {
				b.WriteByte('\n')
			}
		}
		begun, feeds = true, 0
		b.Write(spaces)
		spaces = spaces[:0]
		b.WriteRune(r)
	}
	return b.String()
}

// unflow joins the lines of a text of format=flowed (RFC 3676).
func unflow(s string, delSp bool) string {
	var b strings.Builder
	b.Grow(len(s))
	open, depth := false, 0 // the last line goes on, at this depth of quotes
	for line := range strings.SplitSeq(s, "\n") {
		quotes := len(line) - len(strings.TrimLeft(line, ">"))
		text := strings.TrimPrefix(line[quotes:], " ")
		signature := text == "-- " || text == "--"
		joined := open && quotes == depth && !signature
		if !joined {
			if b.Len() > 0 || open {
				b.WriteByte('\n')
			}
			if quotes > 0 {
				b.WriteString(line[:quotes])
				b.WriteByte(' ')
			}
		}
		depth = quotes
		if open = strings.HasSuffix(text, " ") && !signature; open && delSp {
			text = text[:len(text)-1]
		}
		b.WriteString(text)
	}
	return b.String()
}

// blank reports whether a text says nothing.
func blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
	}) < 0
}

// trimLines removes the space that cleanText leaves at the ends of lines.
func trimLines(s string) string {
	if !strings.Contains(s, " \n") {
		return strings.TrimRight(s, " \n")
	}
	var b strings.Builder
	b.Grow(len(s))
	for line := range strings.SplitSeq(s, "\n") {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimRight(line, " "))
	}
	return strings.TrimRight(b.String(), " \n")
}

// hasArmor reports whether a text contains a line of OpenPGP's armor.
func hasArmor(s, line string) bool {
	return strings.HasPrefix(s, line) || strings.Contains(s, "\n"+line)
}

// armored reports whether text is encrypted or signed by OpenPGP within the text itself.
func armored(s string) (encrypted, signed bool) {
	return hasArmor(s, "-----BEGIN PGP MESSAGE-----"), hasArmor(s, "-----BEGIN PGP SIGNED MESSAGE-----")
}

// withoutArmor removes the lines of a signature of OpenPGP around a text.
func withoutArmor(s string) string {
	const begin, signature, end = "-----BEGIN PGP SIGNED MESSAGE-----\n", "\n-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"
	before, rest, found := strings.Cut(s, begin)
	if !found || !blank(before) && !strings.HasSuffix(before, "\n") {
		return s
	}
	_, rest, found = strings.Cut(rest, "\n\n") // after "Hash: SHA256"
	text, rest, ends := strings.Cut(rest, signature)
	_, after, over := strings.Cut(rest, end)
	if !found || !ends || !over {
		return s
	}
	text = strings.ReplaceAll("\n"+text, "\n- ", "\n")[1:]
	return strings.TrimSpace(before + text + after)
}
