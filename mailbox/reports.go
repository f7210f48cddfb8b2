package mailbox

import (
	"bytes"
	"regexp"
	"strings"
)

// maxReports limits the recipients of a report that are read.
const maxReports = 1000

// readReports reads delivery reports (RFC 3464) and read receipts (RFC 8098). Those of an
// attached message count nothing: it can be any mail that somebody passes on.
func (m *message) readReports(root *part) {
	if root.typ != "multipart/report" && m.Automatic == "" {
		return // a person attached it
	}
	var about header // of the letter that it is about
	var found []*part
	root.each(func(p *part) bool {
		switch p.typ {
		case "message/delivery-status", "message/global-delivery-status", "message/disposition-notification", "message/global-disposition-notification":
			found = append(found, p)
		case "message/rfc822", "message/global":
			if about == nil && p.message != nil {
				about = p.message.fields
			}
		case "text/rfc822-headers", "message/global-headers", "message/rfc822-headers":
			if about == nil {
				b := p.content()
				if head, _, err := splitHeader(trimMbox(b), maxHeader); err == nil {
					about, _ = parseFields(head, keepPart)
				}
			}
		}
		return true
	})
	id := messageID(about.get("message-id"))
	for _, p := range found {
		if strings.HasSuffix(p.typ, "disposition-notification") {
			m.Receipt = true
			m.readReceipt(p.content(), id)
		} else {
			m.readDelivery(p.content(), id)
		}
	}
}

// copies are lines after which a report has the letter that it is about.
var copies = []string{"------ This is a copy of ", "--- Below this line is a copy of the message.", "--- Enclosed are the original headers of the message."}

// qmailFailed are the addresses in a report of qmail, each in a line of its own before the reason.
var qmailFailed = regexp.MustCompile(`(?m)^<([^<>\s]+@[^<>\s]+)>:$`)

// readOldReport reads a report of Exim, which names the addresses in X-Failed-Recipients, or of qmail.
// They are text for people, and not in the form of RFC 3464.
func (m *message) readOldReport(h header) {
	if len(m.Reports) > 0 || len(m.From) != 1 {
		return
	}
	if local, _ := split(lower(m.From[0].Address)); local != "mailer-daemon" && local != "postmaster" {
		return
	}
	words, id := m.Full, ""
	for _, line := range copies {
		before, after, found := strings.Cut(words, line)
		if !found {
			continue
		}
		_, after, _ = strings.Cut(after, "\n")
		head, _, err := splitHeader([]byte(strings.TrimLeft(after, "\n")), maxHeader)
		if err == nil {
			about, _ := parseFields(head, keepPart)
			id = messageID(about.get("message-id"))
		}
		words = before
	}
	add := func(address, diagnostic string) {
		if len(m.Reports) >= maxReports {
			return
		}
		diagnostic = cut(oneLine(diagnostic), 500)
		m.Reports = append(m.Reports, report{FinalRecipient: address, Action: "failed", Status: statusCode("", diagnostic), Diagnostic: diagnostic, MessageID: id})
	}
	failed, _ := addresses(h.all("x-failed-recipients"), "")
	switch {
	case len(failed) > 0:
		for _, a := range failed {
			_, reason, _ := strings.Cut(words, a.Address)
			reason, _, _ = strings.Cut(reason, "\n\n")
			add(a.Address, reason)
		}
	case strings.HasPrefix(words, "Hi. This is the "):
		for _, at := range qmailFailed.FindAllStringSubmatchIndex(words, maxReports) {
			reason, _, _ := strings.Cut(words[at[1]:], "\n\n")
			add(reportAddress(words[at[2]:at[3]]), reason)
		}
	}
	if len(m.Reports) > 0 && m.Automatic == "" {
		m.Automatic = "it is a delivery report"
	}
}

// groups returns the groups of fields in a report, which empty lines separate.
func groups(b []byte) (list []header) {
	for len(b) > 0 && len(list) <= maxReports {
		head, rest, err := splitHeader(b, maxHeader)
		if err != nil {
			return list
		}
		if h, _ := parseFields(head, keepReport); len(h) > 0 {
			list = append(list, h)
		}
		b = bytes.TrimLeft(rest, "\r\n")
	}
	return list
}

// keepReport reports whether a field of a report is needed.
func keepReport(name string) bool {
	switch name {
	case "final-recipient", "original-recipient", "action", "status", "diagnostic-code", "reporting-mta", "original-envelope-id",
		"original-message-id", "disposition":
		return true
	}
	return false
}

func (m *message) readDelivery(b []byte, id string) {
	var mta, envelope string
	for _, h := range groups(b) {
		if s := h.get("reporting-mta"); s != "" {
			mta = typed(s)
		}
		if s := h.get("original-envelope-id"); s != "" {
			envelope = oneLine(s)
		}
		final, original := reportAddress(h.get("final-recipient")), reportAddress(h.get("original-recipient"))
		if final == "" && original == "" && !h.has("action") || len(m.Reports) >= maxReports {
			continue
		}
		r := report{
			FinalRecipient: final, OriginalRecipient: original, ReportingMTA: mta, EnvelopeID: envelope, MessageID: id,
			Action:     strings.ToLower(oneLine(withoutComments(h.get("action")))),
			Diagnostic: oneLine(decodeWords(typed(h.get("diagnostic-code")), "")),
		}
		if final == "" {
			r.FinalRecipient = original
		}
		r.Status = statusCode(h.get("status"), r.Diagnostic)
		m.Reports = append(m.Reports, r)
	}
}

func (m *message) readReceipt(b []byte, id string) {
	var r report
	for _, h := range groups(b) { // one group; some programs write several
		if s := reportAddress(h.get("final-recipient")); s != "" {
			r.FinalRecipient = s
		}
		if s := reportAddress(h.get("original-recipient")); s != "" {
			r.OriginalRecipient = s
		}
		if s := messageID(h.get("original-message-id")); s != "" {
			r.MessageID = s
		}
		if s := h.get("disposition"); s != "" { // manual-action/MDN-sent-manually; displayed/error
			_, kind, _ := strings.Cut(withoutComments(s), ";")
			kind, _, _ = strings.Cut(kind, "/")
			r.Action = strings.ToLower(oneLine(kind))
		}
	}
	if r.MessageID == "" {
		r.MessageID = id
	}
	m.Reports = append(m.Reports, r)
}

// typed returns a value without its type: "rfc822; ada@example.org", "smtp; 550 …".
func typed(s string) string {
	kind, value, found := strings.Cut(s, ";")
	if !found || strings.ContainsAny(strings.TrimSpace(withoutComments(kind)), " @") {
		value = s
	}
	return strings.TrimSpace(value)
}

// unicodeInReport is how an ASCII report writes other characters (RFC 6533, section 3).
var unicodeInReport = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{2,6})\}`)

// reportAddress reads the address in a field of a report. One that is none is returned as
// it is, such as a user name.
func reportAddress(s string) string {
	s = oneLine(strings.Trim(typed(withoutComments(s)), " <>"))
	if strings.Contains(s, `\x{`) {
		s = unicodeInReport.ReplaceAllStringFunc(s, func(m string) string {
			r := rune(0)
			for _, c := range []byte(m[3 : len(m)-1]) {
				r = r<<4 | rune(unhex(c))
			}
			return string(r)
		})
	}
	if a, ok := mailAddress(s); ok {
		return a
	}
	return cutVisibly(s, 60)
}

// enhancedCode is an enhanced status code (RFC 3463).
var enhancedCode = regexp.MustCompile(`(?:^|[^0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:$|[^0-9.]|\.$|\. )`)

// statusCode returns the status of a delivery. If it says only which class it is, such as
// 5.0.0, and the words of the server are more exact, it is theirs.
func statusCode(status, diagnostic string) string {
	find := func(s string) string {
		if m := enhancedCode.FindStringSubmatch(s[:min(len(s), 2000)]); m != nil {
			return m[1]
		}
		return ""
	}
	code := find(strings.TrimSpace(status))
	if code == "" || strings.HasSuffix(code, ".0.0") {
		if better := find(diagnostic); better != "" && (code == "" || better[0] == code[0]) {
			return better
		}
	}
	return code
}
