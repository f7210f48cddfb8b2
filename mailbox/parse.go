package mailbox

import (
	"bytes"
	netmail "net/mail"
	"regexp"
	"strconv"
	"strings"
)

// parse reads a mail. It fails with a [*limitError] if the mail exceeds a limit, and with
// another error if raw has no header. All else is read as well as possible; Problems says
// what was wrong. Function ours reports whether a Message-ID is of a letter of the desk;
// nil means that none is.
//
// The message can share memory with raw.
func parse(raw []byte, ours func(messageID string) bool, limit limits) (*message, error) {
	limit = limit.withDefaults()
	if len(raw) > limit.Mail {
		return nil, &limitError{"bytes", limit.Mail}
	}
	h, body, strange, err := cutHeader(raw, limit)
	if err != nil {
		return nil, err
	}
	s := &scanner{limits: limit}
	root, err := s.part(h, body, nil, 1)
	if err != nil {
		return nil, err
	}
	m := readHeader(h, strange, root.charset())
	if s.damage > 0 {
		m.problem("the parts of the mail are damaged: " + strconv.Itoa(s.damage))
	}
	m.classify(h, root)
	m.readText(root, ours)
	m.readReports(root)
	m.readOldReport(h)
	if len(m.Reports) == 0 {
		m.readForward(m.messages)
	}
	m.messages = nil
	m.Fingerprint = fingerprint(m, h, root)
	return m, nil
}

// parseHeader reads the header of a mail whose body is missing or too big. The message has
// no text, no files and no fingerprint.
func parseHeader(raw []byte, limit limits) (*message, error) {
	h, _, strange, err := cutHeader(raw, limit.withDefaults())
	if err != nil {
		return nil, err
	}
	root := &part{}
	root.typ, root.params = mediaType(h.get("content-type"), "")
	m := readHeader(h, strange, root.charset())
	m.classify(h, root)
	return m, nil
}

// cutHeader cuts the header off, and counts lines of it that are no fields.
func cutHeader(raw []byte, limit limits) (h header, body []byte, strange int, err error) {
	if bytes.IndexByte(raw, '\n') < 0 { // lines end in carriage returns alone
		raw = bytes.ReplaceAll(raw, []byte{'\r'}, []byte{'\n'})
	}
	head, body, err := splitHeader(trimMbox(raw), limit.Header)
	if err != nil {
		return nil, nil, 0, err
	}
	if h, strange = parseFields(head, nil); len(h) == 0 {
		return nil, nil, 0, errNoHeader
	}
	return h, body, strange, nil
}

// readHeader reads what the header says. Raw bytes in it are UTF-8 or of the charset.
func readHeader(h header, strange int, charset string) *message {
	m := &message{
		MessageID: messageID(h.get("message-id")),
		Date:      mailDate(h.get("date")),
		Subject:   oneLine(decodeWords(h.get("subject"), charset)),
		Language:  language(h.get("content-language")),
	}
	if strange > 0 {
		m.problem("lines of the header are no fields: " + strconv.Itoa(strange))
	}
	for _, s := range h.all("in-reply-to") {
		m.InReplyTo = append(m.InReplyTo, messageIDs(s)...)
	}
	for _, s := range h.all("references") {
		m.References = append(m.References, messageIDs(s)...)
	}
	for _, f := range [...]struct {
		names []string
		list  *[]netmail.Address
	}{
		{[]string{"from"}, &m.From}, {[]string{"reply-to"}, &m.ReplyTo}, {[]string{"sender"}, &m.Sender}, {[]string{"to"}, &m.To}, {[]string{"cc"}, &m.Cc},
		{[]string{"delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to"}, &m.DeliveredTo},
	} {
		var values []string
		for _, name := range f.names {
			values = append(values, h.all(name)...)
		}
		var bad int
		if *f.list, bad = addresses(values, charset); bad > 0 && f.names[0] != "reply-to" {
			m.problem(headerName(f.names[0]) + " has entries that are no addresses: " + strconv.Itoa(bad))
		}
	}
	if n := len(h.all("from")); n > 1 {
		m.problem("From is there " + strconv.Itoa(n) + " times")
	}
	m.Forwards = isForward(m.Subject)
	m.Received = len(h.all("received"))
	m.Auth = authResults(h)
	if m.HasReturnPath = h.has("return-path"); m.HasReturnPath {
		s := strings.TrimSpace(withoutComments(h.get("return-path")))
		if m.ReturnPath, _ = mailAddress(strings.Trim(s, "<> ")); m.ReturnPath == "" && s != "<>" {
			m.HasReturnPath = false // it says nothing
		}
	}
	return m
}

// readText fills what the parts say.
func (m *message) readText(root *part, ours func(messageID string) bool) {
	t := texts{shown: map[*part]bool{}, left: maxText}
	text := t.textOf(root)
	if m.Cut = t.cut; t.cut {
		m.problem("the text is cut: it is larger than " + strconv.Itoa(maxText) + " bytes")
	}
	root.each(func(p *part) bool {
		m.Encrypted = m.Encrypted || p.isEncrypted()
		m.Signed = m.Signed || p.isSigned()
		if p.typ == "text/calendar" && m.Invitation == "" {
			m.Invitation = invitation(decodeText(p.content(), p.params["charset"]))
		}
		return true
	})
	encrypted, signed := armored(text)
	m.Encrypted, m.Signed = m.Encrypted || encrypted, m.Signed || signed
	if signed && !encrypted {
		text = withoutArmor(text)
	}
	m.Full = trimLines(text)
	m.Text, _ = m.cutQuote(m.Full, ours)
	m.Quotes = hasQuotes(m.Text)
	m.Files, m.messages = files(root, t.shown)
}

// problem notes what is wrong with the form of the mail.
func (m *message) problem(s string) { m.Problems = append(m.Problems, s) }

// languageTag is a language tag of the usual kinds (RFC 5646).
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// language returns the first language of a Content-Language field.
func language(s string) string {
	s, _, _ = strings.Cut(withoutComments(s), ",")
	if s = strings.ReplaceAll(strings.TrimSpace(s), "_", "-"); languageTag.MatchString(s) {
		return s
	}
	return ""
}
