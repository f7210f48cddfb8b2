package mailbox

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxAuth limits the results of Authentication-Results that are read.
const maxAuth = 100

// author are fields that a sender's program writes. A server writes its results above them.
var author = map[string]bool{"from": true, "to": true, "cc": true, "subject": true, "date": true, "message-id": true, "mime-version": true, "content-type": true}

// authResults reads the Authentication-Results fields on top: the first one, and those that
// follow it without another field between them. All others can be the sender's.
func authResults(h header) (list []authResult) {
	n := 0
	for _, f := range h {
		switch {
		case f.name == "authentication-results":
			list = append(list, readAuth(f.value, n)...)
			n++
		case n > 0 || author[f.name]:
			return list
		}
		if len(list) > maxAuth {
			return list[:maxAuth]
		}
	}
	return list
}

// readAuth reads an Authentication-Results field (RFC 8601, section 2.2). A field without a
// result yields one with the server only, because it ends the results of the servers above.
func readAuth(s string, n int) (list []authResult) {
	segments := authSegments(s)
	server := ""
	if len(segments) > 0 && len(segments[0]) > 0 && segments[0][0].value == nil {
		server = strings.ToLower(segments[0][0].key)
		segments = segments[1:]
	}
	for _, segment := range segments {
		if len(segment) == 0 || segment[0].value == nil || len(list) >= maxAuth {
			continue // "none"
		}
		method, _, _ := strings.Cut(segment[0].key, "/")
		r := authResult{Server: server, Field: n, Method: strings.ToLower(method), Result: strings.ToLower(*segment[0].value), Props: map[string]string{}}
		for _, p := range segment[1:] {
			key := strings.ToLower(p.key)
			if _, twice := r.Props[key]; p.value != nil && !twice {
				r.Props[key] = strings.ToLower(*p.value)
			}
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		list = []authResult{{Server: server, Field: n}}
	}
	return list
}

// authWord is a word, or a key with a value.
type authWord struct {
	key   string
	value *string
}

// authSegments splits a field at semicolons and spaces, outside of comments and quotes.
func authSegments(s string) (segments [][]authWord) {
	var segment []authWord
	var word strings.Builder
	has, assign := false, false // there is a word; an = came after the last one
	flush := func() {
		if !has {
			return
		}
		w := word.String()
		if len(segment) >= maxAuth {
			word.Reset()
			has, assign = false, false
			return
		}
		if n := len(segment); assign && n > 0 && segment[n-1].value == nil {
			segment[n-1].value = &w
		} else {
			segment = append(segment, authWord{key: w})
		}
		word.Reset()
		has, assign = false, false
	}
	depth := 0
	for i := 0; i < len(s) && len(segments) < maxAuth; i++ {
		c := s[i]
		switch {
		case depth > 0:
			switch c {
			case '\\':
				i++
			case '(':
				depth++
			case ')':
				depth--
			}
		case c == '(':
			flush()
			depth = 1
		case c == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				word.WriteByte(s[i])
			}
			has = true
		case c == ' ' || c == '\t':
			flush()
		case c == ';':
			flush()
			segments = append(segments, segment)
			segment, assign = nil, false
		case c == '=' && (has || len(segment) > 0) && !assign:
			flush()
			assign = len(segment) > 0 && segment[len(segment)-1].value == nil
		default:
			word.WriteByte(c)
			has = true
		}
	}
	flush()
	return append(segments, segment)
}

// trust says whether a mail is from the address in its From field.
type trust string

const (
	trustUnknown  trust = "unknown"  // nobody checked
	trustVerified trust = "verified" // DMARC passed, or an aligned signature
	trustFailed   trust = "failed"   // DMARC failed, or From has several addresses
)

// authenticated says whether the mail is from the domain of its From field, by the results
// of the server with this name (RFC 8601), and why. Only its results on top count. An empty
// name trusts nobody.
//
// A mail with several authors fails. RFC 7489, section 6.6.1, leaves it to the server which of
// their domains it checks, so that a sender could write as anybody by adding an address of
// their own.
func (m *message) authenticated(server string) (trust, string) {
	from := ""
	for _, a := range m.From {
		if from != "" && lower(a.Address) != lower(from) {
			return trustFailed, "From has several addresses"
		}
		from = a.Address
	}
	from = domainOf(from)
	if server == "" {
		return trustUnknown, "no server is trusted with Authentication-Results"
	}
	var own []authResult
	for _, r := range m.Auth {
		if !strings.EqualFold(r.Server, server) {
			break
		}
		own = append(own, r)
	}
	if len(own) == 0 {
		return trustUnknown, "there are no Authentication-Results of " + server + " on top"
	}
	passed := false
	for _, r := range own {
		if r.Method != "dmarc" {
			continue
		}
		switch {
		case r.Result == "fail":
			return trustFailed, "DMARC failed"
		case r.Result == "pass" && from != "" && domainOf(r.Props["header.from"]) == from:
			passed = true
		}
	}
	if passed {
		return trustVerified, "DMARC passed for " + from
	}
	for _, r := range own {
		d := r.Props["header.d"]
		if d == "" {
			d = domainOf(r.Props["header.i"])
		}
		if r.Method == "dkim" && r.Result == "pass" && aligned(d, from) {
			return trustVerified, "a DKIM signature of " + d + " is valid"
		}
	}
	return trustUnknown, "neither DMARC nor a DKIM signature says that it is from the domain of From"
}

// domainOf returns the part of an address after the @, in lower case; a domain is returned
// as it is.
func domainOf(s string) string {
	return strings.ToLower(strings.TrimSuffix(s[strings.LastIndexByte(s, '@')+1:], "."))
}

// aligned reports whether two domains belong to one organization (RFC 7489, section 3.1.1,
// relaxed).
func aligned(a, b string) bool {
	if a, b = domainOf(a), domainOf(b); a == "" || b == "" || a == b {
		return a == b && a != ""
	}
	orgA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	orgB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && orgA == orgB
}
