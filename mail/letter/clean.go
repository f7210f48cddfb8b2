package letter

import (
	"net/url"
	"strings"
	"unicode"
)

// Line makes one line of text that a person wrote, fit for a subject: what
// breaks lines becomes a blank, blanks in a row become one, and what does not
// show or turns the direction of writing is left out (control characters,
// Unicode's format characters but for the joiners, and private ones). A line of
// more than most characters is cut, and ends in "…" then. What is no UTF-8
// becomes U+FFFD.
func Line(s string, most int) string {
	var b strings.Builder
	blank, n := false, 0
	for _, r := range s { // a wrong byte comes as U+FFFD
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			blank = true
			continue
		case hidden(r) && !joiner(r):
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
			n++
		}
		blank = false
		if n >= most {
			return strings.TrimRight(cut(b.String(), most-1), " ") + "…"
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// cut returns the first n characters.
func cut(s string, n int) string {
	for i := range s {
		if n <= 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// hidden reports whether a character controls instead of showing.
func hidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) }

// joiner reports whether it is one that words of some scripts, and emoji, need.
func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// words is a text of several lines as it can be shown: every end of a line is a
// line feed, and control characters and the overrides of the direction of
// writing are left out.
func words(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.Is(unicode.Cc, r) && r != '\u202d' && r != '\u202e' {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.Trim(s, "\n")
}

// link returns the address if it can be a link: http or https, with a host, in
// printable ASCII. Otherwise there is none.
func link(s string) string {
	if len(s) > 2000 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"<>\^{|}`+"`", r) }) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return s
}

// greeted is a name as it is fit for a greeting. One that could be somebody's
// advertisement, such as an address, is not.
func greeted(name string) string {
	name = Line(name, 60)
	if strings.ContainsAny(name, "/@<>") || strings.Contains(strings.ToLower(name), "www.") {
		return ""
	}
	return name
}

// tidy puts the output of a text template into shape: no blanks at the ends of
// lines, no more than one empty line in a row, one line feed at the end.
func tidy(s string) string {
	var b strings.Builder
	empty := 0
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line == "" {
			empty++
			continue
		}
		if b.Len() > 0 && empty > 0 {
			b.WriteByte('\n')
		}
		empty = 0
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}
