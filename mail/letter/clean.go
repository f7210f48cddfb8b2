package letter

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
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

// mostLink is the longest address of a link, in bytes.
const mostLink = 2000

// CheckLink reports why an address can be no link in a letter: it must be http or
// https, with a host and without a user, and have no blanks or the like. A host that
// is not in ASCII is taken, and written as it stands in the DNS.
func CheckLink(address string) error {
	_, err := asLink(address)
	return err
}

// link returns the address as a link; "" where it can be none.
func link(s string) string {
	s, err := asLink(s)
	if err != nil {
		return ""
	}
	return s
}

// asLink writes an address in printable ASCII.
func asLink(s string) (string, error) {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r > 0x7f && !unicode.IsPrint(r) || strings.ContainsRune(`"<>\^{|}`+"`", r)
	}) {
		return "", errors.New("letter: the address of a link must have no blanks, no control characters and none of \"<>\\^{|}`")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", errors.New("letter: the address of a link must begin with http:// or https:// and a host")
	}
	if u.User != nil {
		return "", errors.New("letter: the address of a link must have no user")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) {
		host, err := hosts.ToASCII(u.Hostname())
		if err != nil {
			return "", errors.New("letter: the address of a link has a host that is no name")
		}
		if port := u.Port(); port != "" {
			host += ":" + port
		}
		u.Host = host
		s = percent(u.String())
	}
	if len(s) > mostLink {
		return "", fmt.Errorf("letter: the address of a link must have at most %d bytes", mostLink)
	}
	return s, nil
}

var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.CheckHyphens(false))

// percent writes what is not ASCII, which a query and a fragment may have, as RFC
// 3986 does.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] < utf8.RuneSelf {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
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
// lines, no more than one empty line in a row but for those of the words, one line
// feed at the end.
func tidy(s string) string {
	var b strings.Builder
	empty := 0
	for line := range strings.SplitSeq(s, "\n") {
		bare := strings.TrimRight(line, " \t\r")
		line = strings.TrimRight(strings.ReplaceAll(bare, kept, ""), " \t\r")
		if bare == "" {
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
