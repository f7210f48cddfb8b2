package ticket

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// address returns an e-mail address in the form in which it is stored: the domain is
// in lower case, in its ASCII form (RFC 5890), and without a dot at its end. The
// part before the @ stays, since only the domain's server can interpret it.
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
			c.fail(field, "has an invalid domain")
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

// isLocal reports whether s can be the part before the @. Outside quotes it has none
// of the characters with a meaning around addresses (RFC 5322, section 3.2.3),
// which are left over from a link, a list or a letter. Dots may be anywhere, since
// some providers have issued such addresses.
func isLocal(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
		return !strings.ContainsAny(s, ` "\<>,;`)
	}
	return !strings.ContainsAny(s, ` "\<>,;:()[]`)
}

// disguised reports whether a rune is another form of an ASCII character, from an
// input method or an ornamental font, or another width of a Japanese or Korean one.
// Its normal form is another mailbox, which can belong to another person.
func disguised(r rune) bool {
	return '\uff00' <= r && r <= '\uffef' || r >= utf8.RuneSelf && isASCII(norm.NFKC.String(string(r)))
}

// tidyDomain returns the form of a domain: names with dots between them, or a server
// in brackets. Underscores and hyphens may be anywhere: there are such domains.
func tidyDomain(s string) (string, error) {
	if in, ok := strings.CutPrefix(s, "["); ok {
		if in, ok = strings.CutSuffix(in, "]"); !ok || in == "" || strings.ContainsFunc(in, func(r rune) bool { return r != '.' && r != ':' && r != '-' && !asciiWord(r) }) {
			return "", errors.New("it is not a server in brackets")
		}
		return asciiLower(s), nil
	}
	if !isASCII(s) {
		var err error
		if s, err = domains.ToASCII(s); err != nil {
			return "", err
		}
	}
	s = strings.TrimSuffix(asciiLower(s), ".")
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return r != '-' && r != '_' && !asciiWord(r) }) {
			return "", errors.New("it has an invalid character or an empty part")
		}
	}
	return s, nil
}

func asciiWord(r rune) bool { return r < utf8.RuneSelf && inWord(r) }

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// domains reads a domain as people and directories write it: in any case, in Unicode
// or in ASCII. It refuses little, since it also serves to compare.
var domains = idna.New(idna.MapForLookup(), idna.StrictDomainName(false))

// mailbox returns the form of an e-mail address for comparison: two addresses are
// one mailbox exactly if their forms are equal. The case of A to Z does not count,
// though a server may distinguish it before the @. The domain is in ASCII, without
// a dot at its end.
func mailbox(email string) string {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return asciiLower(email)
	}
	if domain := email[at+1:]; strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if ascii, err := domains.ToASCII(domain); err == nil {
			email = email[:at+1] + ascii
		}
	}
	return asciiLower(strings.TrimRight(email, ".")) // usually the same string
}

// sameMailbox reports whether two addresses are one mailbox. An empty address has no
// mailbox.
func sameMailbox(a, b string) bool { return a != "" && b != "" && mailbox(a) == mailbox(b) }
