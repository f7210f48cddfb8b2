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

// The maximum size in bytes of an address and of its local part (RFC 5321, sections
// 4.5.3.1.1 and 4.5.3.1.3).
const (
	maxAddress = 254
	maxLocal   = 64
)

// The desk's own addresses follow the strict rules that every server accepts. Other
// addresses may have underscores, and hyphens anywhere.
var (
	ownDomains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	domains    = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(true))
)

// ownAddress reads an address of the desk.
func ownAddress(s string) (string, error) { return readAddress(s, ownDomains, false) }

// address reads one address of a recipient, without a name, and returns it with the domain
// in ASCII. Errors say what is wrong and do not contain the address. It accepts what
// providers have issued against the standards: a dot at either end, and several dots in a
// row.
func address(s string) (string, error) { return readAddress(s, domains, true) }

// readAddress reads an address with the domain rules of the profile. With dots, misplaced
// dots before the @ are accepted.
func readAddress(s string, domains *idna.Profile, dots bool) (string, error) {
	switch {
	case s == "":
		return "", errors.New("is empty")
	case len(s) > maxAddress:
		return "", errors.New("is longer than 254 bytes")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\ufffd' || unicode.Is(unicode.Cf, r) }):
		return "", errors.New("has characters that an address cannot have")
	}
	s = strings.TrimSuffix(s, ".") // of a fully qualified domain
	a, err := netmail.ParseAddress(s)
	if local, domain := split(s); err != nil && dots && domain != "" && !strings.ContainsAny(local, "\"()<>[]:;@\\, ") {
		if _, wrong := netmail.ParseAddress(strings.ReplaceAll(local, ".", "a") + "@" + domain); wrong == nil { // only the dots are wrong
			a, err = &netmail.Address{Address: s}, nil
		}
	}
	if err != nil || a.Name != "" || strings.HasPrefix(strings.TrimSpace(s), "<") || strings.HasSuffix(s, ")") {
		return "", errors.New("is not an address such as ada@example.org")
	}
	local, domain := split(a.Address)
	ascii, err := domains.ToASCII(domain)
	ascii = strings.TrimSuffix(ascii, ".") // which was one of another script
	if err != nil || !strings.ContainsFunc(ascii, unicode.IsLetter) || strings.Contains(ascii, "..") || strings.HasSuffix(ascii, ".") || strings.ContainsFunc(ascii, notInDomain) {
		return "", errors.New("has no valid domain")
	}
	if local == "" || len(local) > maxLocal || len(local)+1+len(ascii) > maxAddress {
		return "", errors.New("must have 1 to 64 bytes before the @, and 254 in all")
	}
	return local + "@" + ascii, nil
}

// notInDomain reports whether r cannot be part of an ASCII domain.
func notInDomain(r rune) bool {
	return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// maxQueueAddresses limits the addresses of a queue.
const maxQueueAddresses = 100

// addresses reads a list separated by commas, and drops repeated mailboxes. Errors contain
// the faulty address, because the application supplied it.
func addresses(s string) ([]string, error) {
	if a, err := address(s); err == nil { // one address, perhaps with a quoted comma
		return []string{a}, nil
	}
	var list []string
	seen := map[string]bool{}
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		a, err := address(one)
		if err != nil && strings.Contains(s, ",") {
			return nil, fmt.Errorf("contains %q, which %w", cutTo(one, 60), err)
		}
		if err != nil {
			return nil, fmt.Errorf("is %q, which %w", cutTo(one, 60), err)
		}
		if key := strings.ToLower(a); !seen[key] {
			seen[key] = true
			list = append(list, a)
		}
	}
	if len(list) > maxQueueAddresses {
		return nil, fmt.Errorf("has %d addresses; the maximum is %d", len(list), maxQueueAddresses)
	}
	return list, nil
}

// split splits an address at its last @.
func split(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, ""
	}
	return address[:at], address[at+1:]
}

// unread lists parts of addresses that nobody reads, reduced to letters and digits.
var unread = []string{"noreply", "donotreply", "dontreply", "notreply", "noresponse", "unattended",
	"nichtantworten", "keineantwort", "nepasrepondre", "noresponder"}

// noReply reports whether the address says that nobody reads it.
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

// displayName returns a name that is safe before an address: one line, without encoded
// words.
func displayName(s string) string {
	return strings.ReplaceAll(letter.Line(s, 80), "=?", "= ?")
}
