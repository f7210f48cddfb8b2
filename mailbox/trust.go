package mailbox

import (
	netmail "net/mail"
	"strings"
)

// The verdicts on the sender's address.
const (
	trustVerified = "verified" // DMARC passed, or an aligned DKIM signature is valid
	trustUnknown  = "unknown"  // the server says nothing about it
	trustFailed   = "failed"   // DMARC failed
)

// verify returns the verdict of the trusted server on the address in From, and why. Only
// fields on top count, and of those only the first ones, as long as they are of this server.
func verify(results []authResult, server string, from netmail.Address) (verdict, why string) {
	_, domain := split(lower(from.Address))
	if server == "" {
		return trustUnknown, "no Authentication-Results server is configured"
	}
	var own []authResult
	for _, r := range results {
		if !strings.EqualFold(r.Server, server) {
			break
		}
		own = append(own, r)
	}
	if len(own) == 0 {
		return trustUnknown, "no Authentication-Results of the trusted server"
	}
	for _, r := range own { // the topmost result counts
		if r.Method != "dmarc" {
			continue
		}
		if of := r.Props["header.from"]; of != "" && lower(domainOf(of)) != domain {
			continue // it is about another address
		}
		switch r.Result {
		case "pass":
			return trustVerified, "dmarc=pass"
		case "fail":
			return trustFailed, "dmarc=fail"
		}
		break
	}
	for _, r := range own {
		if r.Method != "dkim" || r.Result != "pass" {
			continue
		}
		by := r.Props["header.d"]
		if by == "" {
			by = domainOf(r.Props["header.i"])
		}
		if aligned(lower(by), domain) {
			return trustVerified, "dkim=pass of " + by
		}
	}
	return trustUnknown, "neither DMARC nor an aligned DKIM signature passed"
}

func domainOf(s string) string {
	if _, domain := split(s); domain != "" {
		return domain
	}
	return s
}

// aligned reports whether a signature by a domain is aligned with the domain in From: it
// is the same, or one above it. (DMARC also allows siblings below an organization's domain,
// for which one needs the list of public suffixes.)
func aligned(by, from string) bool {
	return by != "" && strings.Contains(by, ".") && (by == from || strings.HasSuffix(from, "."+by))
}
