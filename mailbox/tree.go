package mailbox

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// part is a part of a mail: a multipart, an attached message, or a leaf. Its bytes are
// those of the raw mail.
type part struct {
	fields      header // those that keepPart keeps
	raw         []byte // the body, still encoded
	typ         string // media type in lower case, such as "text/plain"
	params      map[string]string
	encoding    string // in lower case
	disposition string // in lower case
	name        string // of the file, not cleaned
	parent      *part
	parts       []*part
	message     *part // the attached message, if it is one that can be read
}

// keepPart reports whether a field of a part or of an attached message is needed.
func keepPart(name string) bool {
	return strings.HasPrefix(name, "content-") || name == "from" || name == "subject" || name == "date" || name == "message-id"
}

// scanner builds the tree of a mail and stops at the first limit. There is no other parser
// of the parts, so that no two can disagree about what a mail has.
type scanner struct {
	limits limits
	parts  int
	damage int // parts that are not as they should be
}

// part reads a part with this header and body. Within a multipart/digest the default type
// is message/rfc822.
func (s *scanner) part(fields header, body []byte, parent *part, depth int) (*part, error) {
	if depth > s.limits.Depth {
		return nil, &limitError{"levels of parts", s.limits.Depth}
	}
	if s.parts++; s.parts > s.limits.Parts {
		return nil, &limitError{"parts", s.limits.Parts}
	}
	p := &part{fields: fields, raw: body, parent: parent}
	p.typ, p.params = mediaType(fields.get("content-type"), "")
	if !strings.Contains(p.typ, "/") || len(p.typ) > 127 {
		switch p.typ {
		case "text", "":
			p.typ = "text/plain"
		default:
			p.typ = "application/octet-stream"
		}
		if parent != nil && parent.typ == "multipart/digest" && !fields.has("content-type") {
			p.typ = "message/rfc822"
		}
	}
	encoding, _ := mediaType(fields.get("content-transfer-encoding"), "")
	p.encoding = strings.Trim(encoding, `"'`)
	var params map[string]string
	p.disposition, params = mediaType(fields.get("content-disposition"), "")
	if p.name = params["filename"]; p.name == "" {
		p.name = p.params["name"]
	}
	switch {
	case strings.HasPrefix(p.typ, "multipart/"):
		return p, s.multipart(p, depth)
	case p.isMessage():
		// Such a part must not be encoded, but some are.
		inner := trimMbox(decodeTransfer(body, p.encoding))
		head, text, err := splitHeader(inner, s.limits.Header)
		if err != nil {
			return nil, err
		}
		fields, _ := parseFields(head, keepPart)
		if len(fields) == 0 {
			s.damage++
			return p, nil // a file that is no message
		}
		p.message, err = s.part(fields, text, p, depth+1)
		return p, err
	}
	return p, nil
}

// isMessage reports whether p is an attached message (RFC 2046, and RFC 6532).
func (p *part) isMessage() bool { return p.typ == "message/rfc822" || p.typ == "message/global" }

// multipart reads the parts of a multipart (RFC 2046, section 5.1.1). A part also ends at
// the end of the multipart that contains it.
func (s *scanner) multipart(p *part, depth int) error {
	boundary := strings.TrimRight(p.params["boundary"], " \t")
	if boundary == "" || len(boundary) > 1000 {
		s.damage++
		p.typ = "text/plain" // shown as it is; the bytes are all there
		p.params = nil
		return nil
	}
	delimiter := []byte("--" + boundary)
	start := -1 // of the part that is open
	closed := false
	for at := 0; at < len(p.raw) && !closed; {
		i := nextDelimiter(p.raw, at, delimiter)
		if i < 0 {
			break
		}
		line, rest := nextLine(p.raw[i:])
		if start >= 0 {
			if err := s.child(p, trimLineEnd(p.raw[start:i]), depth); err != nil {
				return err
			}
		}
		closed = bytes.HasPrefix(line[len(delimiter):], []byte("--"))
		at = len(p.raw) - len(rest)
		if start = at; closed {
			start = -1
		}
	}
	switch {
	case start >= 0 && start < len(p.raw): // cut off on the way
		s.damage++
		return s.child(p, p.raw[start:], depth)
	case len(p.parts) == 0: // no part: what is there is text
		s.damage++
		p.typ, p.params = "text/plain", nil
	}
	return nil
}

// child reads a part of a multipart.
func (s *scanner) child(p *part, raw []byte, depth int) error {
	head, body, err := splitHeader(raw, s.limits.Header)
	if err != nil {
		return err
	}
	fields, strange := parseFields(head, keepPart)
	if len(fields) == 0 && strange > 0 { // no header and no empty line: all of it is text
		s.damage++
		body = raw
	}
	c, err := s.part(fields, body, p, depth+1)
	if err != nil {
		return err
	}
	p.parts = append(p.parts, c)
	return nil
}

// nextDelimiter returns where the next line begins that is a delimiter, from a line's
// beginning on, or -1.
func nextDelimiter(b []byte, at int, delimiter []byte) int {
	for at < len(b) {
		i := bytes.Index(b[at:], delimiter)
		if i < 0 {
			return -1
		}
		i += at
		if i == 0 || b[i-1] == '\n' {
			line, _ := nextLine(b[i:min(len(b), i+len(delimiter)+100)])
			tail := bytes.TrimPrefix(line[len(delimiter):], []byte("--"))
			if len(bytes.Trim(tail, " \t")) == 0 { // and not a longer boundary with the same beginning
				return i
			}
		}
		at = i + len(delimiter)
	}
	return -1
}

// trimLineEnd removes the line end that belongs to the delimiter after it.
func trimLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\r'})
}

// content returns the decoded bytes of a leaf.
func (p *part) content() []byte { return decodeTransfer(p.raw, p.encoding) }

// each calls f for p and the parts within it, in order, but not for those of attached
// messages. If f returns false, the parts within that part are left out.
func (p *part) each(f func(p *part) bool) {
	if !f(p) {
		return
	}
	for _, c := range p.parts {
		c.each(f)
	}
}

// fileName returns the name of a file, not cleaned. Raw bytes in it are of the charset.
func (p *part) fileName(charset string) string {
	if utf8.ValidString(p.fields.get("content-disposition")) && utf8.ValidString(p.fields.get("content-type")) {
		return p.name
	}
	_, params := mediaType(p.fields.get("content-disposition"), charset)
	if name := params["filename"]; name != "" {
		return name
	}
	_, params = mediaType(p.fields.get("content-type"), charset)
	return params["name"]
}

// charset returns the charset of the first text of a mail that declares one. Old programs write
// the header in it, too, without encoded words. It is empty if there is none, or if the
// charset does not contain ASCII.
func (p *part) charset() (charset string) {
	p.each(func(p *part) bool {
		if charset == "" && strings.HasPrefix(p.typ, "text/") {
			charset = p.params["charset"]
		}
		return charset == ""
	})
	const ascii = "Az09 \t!\"#$%&'()*+,-./:;<=>?@[]^_`{|}"
	if e := findCharset(charset); e != nil {
		if s, err := e.NewDecoder().String(ascii); err == nil && s == ascii {
			return charset
		}
	}
	return ""
}

// contentID returns the Content-ID without angle brackets.
func (p *part) contentID() string {
	return strings.Trim(p.fields.get("content-id"), "<> \t")
}
