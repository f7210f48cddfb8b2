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

// Line turns text that a person wrote into one line that is safe in a subject. Runs of
// spaces and line breaks become one space. Invisible characters and those that change the
// direction of text are removed: control characters, Unicode format characters except
// joiners, and private-use characters. A line of more than most characters is cut and ends
// in "…". Invalid UTF-8 becomes U+FFFD.
func Line(s string, most int) string {
	var b strings.Builder
	blank, n := false, 0
	for _, r := range s { // an invalid byte is read as U+FFFD
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

// hidden reports whether a character is invisible.
func hidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) }

// joiner reports whether r is a joiner, which some scripts and emoji need.
func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// words cleans a text of several lines: every line ends in a line feed, and control
// characters and direction overrides are removed.
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

// maxLink is the maximum size of a link address in bytes.
const maxLink = 2000

// CheckLink reports why an address cannot be a link in a letter. A link must be http or
// https, with a host and without user information, spaces or control characters. A host
// that is not ASCII is accepted and written as in the DNS.
func CheckLink(address string) error {
	_, err := asLink(address)
	return err
}

// link returns the address as a link, or "" if it cannot be one.
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
		return "", errors.New("letter: the address of a link must not contain spaces, control characters or any of \"<>\\^{|}`")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", errors.New("letter: the address of a link must begin with http:// or https:// and a host")
	}
	if u.User != nil {
		return "", errors.New("letter: the address of a link must not contain a user")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) {
		host, err := hosts.ToASCII(u.Hostname())
		if err != nil {
			return "", errors.New("letter: the host of a link must be a valid name")
		}
		if port := u.Port(); port != "" {
			host += ":" + port
		}
		u.Host = host
		s = percent(u.String())
	}
	if len(s) > maxLink {
		return "", fmt.Errorf("letter: the address of a link must have at most %d bytes", maxLink)
	}
	return s, nil
}

var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.CheckHyphens(false))

// percent encodes what is not ASCII, such as a query or a fragment, as RFC 3986 does.
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

// greeted returns a name to use in a greeting, or "" if it could be advertising, such as
// an address.
func greeted(name string) string {
	name = Line(name, 60)
	if strings.ContainsAny(name, "/@<>") || strings.Contains(strings.ToLower(name), "www.") {
		return ""
	}
	return name
}

// tidy formats the output of a template: no spaces at the ends of lines, one empty line at
// most in a row except within a message, and one line feed at the end.
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
