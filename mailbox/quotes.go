package mailbox

import (
	netmail "net/mail"
	"regexp"
	"strings"
	"unicode"

	"github.com/ticketkit/ticket"
)

// cutQuote removes the quote of our letter from the end of a text, and reports whether it
// did. It is certain that the quote is of our letter if all of these hold:
//
//   - The mail answers a letter of ours, by In-Reply-To, or without one by the end of
//     References.
//   - The quote is the end of the text, every line of it begins with ">", and no quoted
//     line stands above it. An answer between or below the quoted lines leaves the text as
//     it is.
//   - The quoted lines have the number of a ticket, in brackets in the subject or with a
//     right check symbol, as every letter has; or the line before the quote names an address
//     that the mail was sent to.
//   - The line before the quote names no other address.
//
// A text of a quote alone stays as it is.
func (m *message) cutQuote(s string, ours func(messageID string) bool) (kept string, cut bool) {
	if ours == nil || !strings.Contains(s, "\n>") {
		return s, false
	}
	answered := m.InReplyTo
	if len(answered) == 0 && len(m.References) > 0 {
		answered = m.References[len(m.References)-1:]
	}
	if len(answered) == 0 || !ours(answered[len(answered)-1]) {
		return s, false
	}
	start, ok := trailingQuote(s)
	if !ok {
		return s, false
	}
	above, introduction := cutIntroduction(s[:start])
	if blank(above) {
		return s, false
	}
	if introduction == "" { // phones put it into the quote
		first, _ := lineAt(s, start)
		if first = unquoted(first); strings.HasSuffix(first, ":") {
			introduction = first
		}
	}
	named, others := m.addressed(introduction)
	if others || !named && !m.hasNumber(s[start:]) {
		return s, false
	}
	return strings.TrimRight(above, " \n"), true
}

// trailingQuote returns where the quote at the end of a text begins.
func trailingQuote(s string) (start int, ok bool) {
	start = -1
	for at := 0; at < len(s); {
		line, next := lineAt(s, at)
		switch {
		case strings.HasPrefix(line, ">"):
			if start < 0 {
				start = at
			}
		case start >= 0 && strings.TrimSpace(line) != "":
			return 0, false // text below a quote
		}
		at = next
	}
	return start, start > 0
}

// introductions are how the line before a quote begins, in lower case: "On … wrote:".
var introductions = regexp.MustCompile(`^(on|am|le|el|il|em|op|den|på|dnia|w dniu|pada|dana|dne|v|a|at|vào|tarihinde|\d|\p{L}{2,12}[,.]? \d|\p{Han})`)

const (
	maxIntroduction      = 4   // lines
	maxIntroductionBytes = 600 // in all
)

// cutIntroduction cuts the lines before a quote off that say whose words it has.
func cutIntroduction(s string) (above, introduction string) {
	s = strings.TrimRight(s, " \n")
	if !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, "：") {
		return s, ""
	}
	at := len(s)
	for range maxIntroduction {
		at = strings.LastIndexByte(s[:at], '\n')
		line := strings.ToLower(s[at+1:])
		if len(line) > maxIntroductionBytes {
			break
		}
		if (strings.ContainsRune(line, '@') || strings.ContainsFunc(line, unicode.IsDigit)) && introductions.MatchString(line) {
			return s[:at+1], s[at+1:]
		}
		if at < 0 || at > 0 && s[at-1] == '\n' {
			break
		}
	}
	// The last line alone, if it names an address: "Support <support@example.org>:".
	at = strings.LastIndexByte(s, '\n')
	if line := s[at+1:]; strings.ContainsRune(line, '@') && len(line) <= maxIntroductionBytes {
		return s[:at+1], line
	}
	return s, ""
}

// addressText finds addresses in text.
var addressText = regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}`)

// addressed reports whether a line names an address that the mail was sent to, whatever
// stands after a plus in it, and whether it names another one.
func (m *message) addressed(line string) (named, others bool) {
	base := func(address string) string {
		address = strings.ToLower(address)
		local, domain, _ := strings.Cut(address, "@")
		local, _, _ = strings.Cut(local, "+")
		return local + "@" + strings.TrimRight(domain, ".-")
	}
	to := map[string]bool{}
	for _, list := range [...][]netmail.Address{m.To, m.Cc, m.DeliveredTo} {
		for _, a := range list {
			to[base(a.Address)] = true
		}
	}
	for _, s := range addressText.FindAllString(line, -1) {
		if to[base(s)] {
			named = true
		} else {
			others = true
		}
	}
	return named, others
}

// numberText finds what can be a ticket's number in text.
var numberText = regexp.MustCompile(`(?i)\b[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]\b`)

// hasNumber reports whether quoted lines have a ticket's number: one of the texts in
// brackets in the subject, or one with a right check symbol.
func (m *message) hasNumber(quote string) bool {
	const most = 1 << 20 // no letter of ours is longer
	if len(quote) > most {
		return false
	}
	quote = strings.ToLower(quote)
	for rest := m.Subject; ; {
		_, after, found := strings.Cut(rest, "[")
		inside, _, closed := strings.Cut(after, "]")
		if !found || !closed {
			break
		}
		if rest = after; len(inside) >= 4 && len(inside) <= 40 && strings.ContainsFunc(inside, unicode.IsDigit) && strings.Contains(quote, strings.ToLower(inside)) {
			return true
		}
	}
	for _, s := range numberText.FindAllString(quote, 100) {
		if _, err := ticket.ParseNumber(s); err == nil {
			return true
		}
	}
	return false
}

// hasQuotes reports whether a text has, or seems to have, words of other mails: quoted
// lines, the header of a mail, or a line that announces one.
func hasQuotes(s string) bool {
	tries := 0
	for at := 0; at < len(s); {
		line, next := lineAt(s, at)
		if strings.HasPrefix(strings.TrimLeft(line, " "), ">") {
			return true
		}
		if _, ok := blockAt(s, at, &tries); ok || tries >= maxBlockTries {
			return true
		}
		bare := strings.TrimSpace(line)
		if kind := separator(bare); kind == "forward" || kind == "original" && strings.ContainsFunc(bare, unicode.IsLetter) {
			return true
		}
		if strings.HasSuffix(bare, ":") && strings.ContainsRune(bare, '@') && strings.ContainsFunc(bare, unicode.IsDigit) {
			return true // "On 2 May Ada <ada@example.org> wrote:"
		}
		at = next
	}
	return false
}
