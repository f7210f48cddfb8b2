package mail

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/ticketkit/ticket/mail/letter"
)

// The most bytes of an address and of what stands before its @ (RFC 5321,
// sections 4.5.3.1.1 and 4.5.3.1.3).
const (
	maxAddress = 254
	maxLocal   = 64
)

// The desk's own addresses are written as every server takes them. Those of others
// are as they are: with underscores and hyphens in any place.
var (
	ownDomains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	domains    = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(true))
)

// ownAddress reads an address of the desk's.
func ownAddress(s string) (string, error) { return readAddress(s, ownDomains, false) }

// address reads one address of a recipient without a name. The domain comes in ASCII.
// The errors say what is wrong and do not repeat the address. What providers have
// given out is taken, though no standard does: dots in a row or at an end.
func address(s string) (string, error) { return readAddress(s, domains, true) }

func readAddress(s string, domains *idna.Profile, dots bool) (string, error) {
	switch {
	case s == "":
		return "", errors.New("is empty")
	case len(s) > maxAddress:
		return "", errors.New("is longer than an address can be")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\ufffd' || unicode.Is(unicode.Cf, r) }):
		return "", errors.New("has characters that no address has")
	}
	s = strings.TrimSuffix(s, ".") // of a domain that is written in full
	a, err := netmail.ParseAddress(s)
	if local, domain := split(s); err != nil && dots && domain != "" && !strings.ContainsAny(local, "\"()<>[]:;@\\, ") {
		if _, wrong := netmail.ParseAddress(strings.ReplaceAll(local, ".", "a") + "@" + domain); wrong == nil { // it is only the dots
			a, err = &netmail.Address{Address: s}, nil
		}
	}
	if err != nil || a.Name != "" || strings.HasPrefix(strings.TrimSpace(s), "<") || strings.HasSuffix(s, ")") {
		return "", errors.New("is not an address such as ada@example.org")
	}
	local, domain := split(a.Address)
	ascii, err := domains.ToASCII(domain)
	if err != nil || !strings.ContainsFunc(ascii, unicode.IsLetter) || strings.ContainsFunc(ascii, notInDomain) {
		return "", errors.New("has no domain that mail can be sent to")
	}
	if local == "" || len(local) > maxLocal || len(local)+1+len(ascii) > maxAddress {
		return "", errors.New("has too little or too much before the @")
	}
	return local + "@" + ascii, nil
}

// notInDomain reports what no domain has, written in ASCII.
func notInDomain(r rune) bool {
	return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// mostAddresses is how many a queue may have.
const mostAddresses = 100

// addresses reads a list with commas, each as address does, and each mailbox once.
// The errors name the one that is none: these are the host's own.
func addresses(s string) ([]string, error) {
	if a, err := address(s); err == nil { // one, perhaps with a comma in quotes
		return []string{a}, nil
	}
	var list []string
	seen := map[string]bool{}
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		a, err := address(one)
		if err != nil && strings.Contains(s, ",") {
			return nil, fmt.Errorf("has in its list %q, which %w", cutTo(one, 60), err)
		}
		if err != nil {
			return nil, fmt.Errorf("is %q, which %w", cutTo(one, 60), err)
		}
		if key := strings.ToLower(a); !seen[key] {
			seen[key] = true
			list = append(list, a)
		}
	}
	if len(list) > mostAddresses {
		return nil, fmt.Errorf("are %d addresses, at most %d are taken", len(list), mostAddresses)
	}
	return list, nil
}

// split parts an address at its last @.
func split(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, ""
	}
	return address[:at], address[at+1:]
}

// unread are parts of addresses that nobody reads, without what is neither a
// letter nor a digit.
var unread = []string{"noreply", "donotreply", "dontreply", "notreply", "noresponse", "unattended",
	"nichtantworten", "keineantwort", "nepasrepondre", "noresponder"}

// noReply reports whether an address says that nobody reads it.
func noReply(address string) bool {
	local, _ := split(address)
	local = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, local)
	for _, u := range unread {
		if strings.Contains(local, u) {
			return true
		}
	}
	return false
}

// displayName is a name as it can stand before an address: one line, and nothing
// that a client would decode.
func displayName(s string) string {
	return strings.ReplaceAll(letter.Line(s, 80), "=?", "= ?")
}
