package web

import (
	"bytes"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read and shown of a mail.
const (
	mostMailBytes  = 64 << 20
	mostMailHeader = 1 << 20
	mostMailText   = 64 << 10
	mostMailParts  = 200
	mostMailDepth  = 8
	mostMailHead   = 500 // of one line, in letters
)

// mailText is a mail as text.
type mailText struct {
	head     [][2]string
	text     string
	cut      bool
	fromHTML bool
	files    []string
	broken   bool

	parts int
	html  string
}

// readMail reads the text of a mail, and the names of its files. It never fails: what cannot be
// read is left out.
func readMail(r io.Reader) mailText {
	var t mailText
	m, err := mail.ReadMessage(io.LimitReader(r, mostMailBytes))
	if err != nil {
		t.broken = true
		return t
	}
	for _, name := range []string{"From", "To", "Cc", "Date", "Subject"} {
		if v := m.Header.Get(name); v != "" {
			t.head = append(t.head, [2]string{name, clip(visible(decodeHeader(v), false), mostMailHead)})
		}
	}
	t.part(textproto.MIMEHeader(m.Header), decoded(m.Header.Get("Content-Transfer-Encoding"), m.Body), 0)
	if strings.TrimSpace(t.text) == "" && t.html != "" {
		t.text, t.fromHTML = t.html, true
	}
	t.text = strings.TrimSpace(t.text)
	return t
}

// mailSubject reads the subject of a mail. It returns nothing if it cannot.
func mailSubject(r io.Reader) string {
	m, err := mail.ReadMessage(io.LimitReader(r, mostMailHeader))
	if err != nil {
		return ""
	}
	return clip(visible(decodeHeader(m.Header.Get("Subject")), false), mostMailHead)
}

// part reads a part of a mail, and those within it.
func (t *mailText) part(h textproto.MIMEHeader, body io.Reader, depth int) {
	if t.parts++; t.parts > mostMailParts || depth > mostMailDepth {
		t.cut = true
		return
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for t.parts <= mostMailParts {
			p, err := parts.NextRawPart()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.cut = true
				}
				return
			}
			t.part(p.Header, decoded(p.Header.Get("Content-Transfer-Encoding"), p), depth+1)
		}
		return
	}
	disposition, dparams, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	name := dparams["filename"]
	if name == "" {
		name = params["name"]
	}
	isText := kind == "text/plain" || kind == "text/html"
	if disposition == "attachment" || !isText || name != "" {
		if name = clip(visible(decodeHeader(name), false), 200); name == "" {
			name = kind
		}
		t.files = append(t.files, name)
		return
	}
	data, err := io.ReadAll(io.LimitReader(body, mostMailText+1))
	if err != nil || len(data) > mostMailText {
		t.cut = true
		data = data[:min(len(data), mostMailText)]
	}
	text := visible(toUTF8(data, params["charset"]), true)
	switch {
	case kind == "text/html" && t.html == "":
		t.html = withoutTags(text)
	case kind == "text/plain" && len(t.text) < mostMailText:
		t.text += text + "\n"
	}
}

// decoded undoes a transfer encoding.
func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	}
	return r
}

// decodeHeader decodes the encoded words of a header.
func decodeHeader(s string) string {
	d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		data, err := io.ReadAll(io.LimitReader(r, mostMailText))
		return strings.NewReader(toUTF8(data, charset)), err
	}}
	if out, err := d.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

// toUTF8 decodes the character sets that the standard library can. Others are taken as UTF-8, and
// what is none is shown as a replacement.
func toUTF8(data []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "windows-1252", "iso-8859-15":
		if utf8.Valid(data) {
			break // it says one thing and is another
		}
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		return string(runes)
	}
	return string(bytes.ToValidUTF8(data, []byte("\uFFFD")))
}

// visible removes letters that control how text is shown, so that nothing looks like what it is
// not. Line breaks stay if they may.
func visible(s string, lines bool) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case lines && (r == '\n' || r == '\t'):
			return r
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\uFEFF':
			return -1
		}
		return r
	}, s)
}

func clip(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// endTag returns where the next end tag of a name begins, or -1.
func endTag(s, name string) int {
	for at := 0; ; at += len("</") {
		i := strings.Index(s[at:], "</")
		if i < 0 {
			return -1
		}
		at += i
		if rest := s[at+len("</"):]; len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
			return at
		}
	}
}

// withoutTags returns the words of HTML, to be shown as text. It need not be exact.
func withoutTags(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "<")
		b.WriteString(html.UnescapeString(before))
		if !found {
			break
		}
		tag, after, closed := strings.Cut(rest, ">")
		if !closed {
			break
		}
		s = after
		name := strings.ToLower(strings.TrimLeft(tag, "/"))
		if i := strings.IndexFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }); i >= 0 {
			name = name[:i]
		}
		switch name {
		case "script", "style", "head", "title":
			if tag[0] != '/' {
				if i := endTag(s, name); i >= 0 {
					s = s[i:]
				} else {
					s = ""
				}
			}
		case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "table", "ul", "ol", "blockquote":
			b.WriteByte('\n')
		case "td", "th":
			b.WriteByte(' ')
		}
	}
	var lines []string
	for line := range strings.SplitSeq(visible(b.String(), true), "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
