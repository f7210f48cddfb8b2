package mailbox

import "strings"

// classify says whether a mail is from a machine, and whether one may write to anybody
// because of it (RFC 3834).
func (m *message) classify(h header, root *part) {
	for _, s := range h.all("auto-submitted") {
		s, _, _ = strings.Cut(s, ";")
		if s = strings.ToLower(strings.TrimSpace(withoutComments(s))); s != "" && s != "no" && m.Automatic == "" {
			m.Automatic = "Auto-Submitted is " + cutVisibly(s, 60)
			m.AutoReply = strings.HasPrefix(s, "auto-replied")
		}
	}
	precedence := ""
	for _, s := range h.all("precedence") {
		switch s = strings.ToLower(strings.TrimSpace(withoutComments(s))); s {
		case "bulk", "junk", "auto_reply":
			if m.Automatic == "" {
				m.Automatic = "Precedence is " + s
			}
			m.AutoReply = m.AutoReply || s == "auto_reply"
		case "list":
			precedence = s
		}
	}
	if m.Automatic == "" && m.HasReturnPath && m.ReturnPath == "" {
		m.Automatic = "Return-Path is empty"
	}
	if m.Automatic == "" && root.typ == "multipart/report" {
		m.Automatic = "it is a multipart/report"
	}
	if m.Automatic != "" && !m.AutoReply && root.typ != "multipart/report" {
		// Exchange sends absence notes as auto-generated.
		m.AutoReply = hasPrefixFold(m.Subject, absent)
	}
	for _, name := range [...]string{"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from", "x-mail-autoreply", "x-autoreply-from"} {
		if s := h.get(name); s != "" && !strings.EqualFold(s, "no") {
			m.AutoReply = m.AutoReply || m.Automatic != ""
			m.Quiet = headerName(name) + " is set"
		}
	}
	for _, name := range [...]string{"list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe", "list-owner", "list-archive", "mailing-list", "x-mailing-list"} {
		if m.Quiet == "" && h.has(name) {
			m.Quiet = headerName(name) + " is set"
			m.List = true
		}
	}
	if precedence != "" {
		m.List = true
		if m.Quiet == "" {
			m.Quiet = "Precedence is list"
		}
	}
	if s := h.get("x-auto-response-suppress"); m.Quiet == "" && s != "" && !strings.EqualFold(s, "none") {
		m.Quiet = "X-Auto-Response-Suppress is " + cutVisibly(oneLine(s), 60)
	}
}

// absent are beginnings of the subjects of absence notes, in lower case.
var absent = []string{"automatic reply", "automatische antwort", "réponse automatique", "respuesta automática", "risposta automatica", "resposta automática",
	"automatisch antwoord", "autosvar", "automatiskt svar", "automatisk svar", "automaattinen vastaus", "automatyczna odpowiedź", "odpowiedź automatyczna", "automatická odpověď", "автоответ",
	"автоматический ответ", "otomatik yanıt", "自動応答", "自动答复", "자동 회신", "out of office", "out of the office", "autoreply", "auto reply", "auto-reply", "abwesenheit", "abwesend", "absence"}

// hasPrefixFold reports whether a line begins with one of these texts, in any case.
func hasPrefixFold(s string, list []string) bool {
	s = strings.ToLower(s[:min(len(s), 200)])
	for _, prefix := range list {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// headerName returns the name of a field as it is usually written.
func headerName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if (i == 0 || b[i-1] == '-') && 'a' <= c && c <= 'z' {
			b[i] = c - 0x20
		}
	}
	return strings.Replace(string(b), "-Id", "-ID", 1)
}

// withoutComments removes comments in parentheses (RFC 5322, section 3.2.2).
func withoutComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (depth > 0 || quoted) && i+1 < len(s):
			if depth == 0 {
				b.WriteString(s[i : i+2])
			}
			i++
			continue
		case depth == 0 && c == '"':
			quoted = !quoted
		case !quoted && c == '(':
			depth++
			continue
		case depth > 0:
			if c == ')' {
				if depth--; depth == 0 {
					b.WriteByte(' ')
				}
			}
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
