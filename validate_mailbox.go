package ticket

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// domains reads what people and directories write for a domain: in any case, in
// Unicode or in ASCII. It refuses little, since it is there to compare.
var domains = idna.New(idna.MapForLookup(), idna.StrictDomainName(false))

// mailbox returns the form of an e-mail address by which mailboxes are compared:
// two addresses are one mailbox exactly when their forms are equal. Letters A to Z
// count in either case, though a server may tell them apart before the @; the
// domain counts in Unicode as in ASCII, and without the dot at its end.
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
	return asciiLower(strings.TrimRight(email, ".")) // as a rule the very string
}

// sameMailbox reports whether two addresses are one mailbox; where there is no
// address there is none.
func sameMailbox(a, b string) bool { return a != "" && b != "" && mailbox(a) == mailbox(b) }
