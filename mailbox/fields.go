package mailbox

import (
	"bytes"
	"errors"
	"strings"
)

// field is a field of a header. The name is in lower case; the value is in one line, with
// encoded words as they are.
type field struct{ name, value string }

// header is the fields of a header in their order.
type header []field

// get returns the value of the first field of this name, or "".
func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// maxSame limits the fields of one name that are read.
const maxSame = 1000

// all returns the values of the fields of this name.
func (h header) all(name string) (list []string) {
	for _, f := range h {
		if f.name == name && len(list) < maxSame {
			list = append(list, f.value)
		}
	}
	return list
}

// has reports whether there is a field of this name.
func (h header) has(name string) bool {
	for _, f := range h {
		if f.name == name {
			return true
		}
	}
	return false
}

var errNoHeader = errors.New("mailbox: this is no mail: it has no header")

// nextLine cuts the first line off, without its line end.
func nextLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// splitHeader splits a mail or a part at the first empty line.
func splitHeader(b []byte, most int) (head, body []byte, err error) {
	for rest := b; ; {
		at := len(b) - len(rest)
		if at > most {
			return nil, nil, &limitError{"bytes of header", most}
		}
		if len(rest) == 0 {
			return b, nil, nil
		}
		if line := rest[:min(len(rest), most+3)]; bytes.IndexByte(line, '\n') < 0 && len(rest) > most {
			return nil, nil, &limitError{"bytes of header", most}
		}
		line, next := nextLine(rest)
		if len(line) == 0 {
			return b[:at], next, nil
		}
		rest = next
	}
}

// parseFields reads the fields of a header that keep accepts; nil accepts all. A line that
// belongs to no field is skipped and counted. All fields share one string.
func parseFields(head []byte, keep func(name string) bool) (h header, strange int) {
	var b strings.Builder // a line for each field, its name in lower case
	b.Grow(len(head) + 1)
	n := 0
	var lower []byte
	for len(head) > 0 {
		var line []byte
		line, head = nextLine(head)
		name, value, found := bytes.Cut(line, []byte{':'})
		name = bytes.TrimRight(name, " \t")
		wanted := found && fieldName(name)
		if !wanted {
			strange++
		} else if lower = appendLower(lower[:0], name); keep != nil {
			wanted = keep(string(lower))
		}
		if wanted {
			b.Write(lower)
			b.WriteByte(':')
			b.Write(value)
		}
		for len(head) > 0 && (head[0] == ' ' || head[0] == '\t') { // goes on
			line, head = nextLine(head)
			if wanted {
				b.Write(line)
			}
		}
		if wanted {
			b.WriteByte('\n')
			n++
		}
	}
	h = make(header, 0, n)
	for line := range strings.SplitSeq(b.String(), "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			h = append(h, field{name, strings.TrimSpace(value)})
		}
	}
	return h, strange
}

// appendLower appends ASCII in lower case.
func appendLower(b, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// fieldName reports whether b is the name of a field (RFC 5322, section 2.2).
func fieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// trimMbox removes what some programs put before the header: empty lines, a byte order
// mark, and the line "From …" of an mbox file.
func trimMbox(raw []byte) []byte {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	for len(raw) > 0 && (raw[0] == '\n' || raw[0] == '\r') {
		raw = raw[1:]
	}
	if line := bytes.TrimPrefix(raw, []byte{'>'}); bytes.HasPrefix(line, []byte("From ")) && !bytes.HasPrefix(bytes.TrimLeft(line[len("From"):], " \t"), []byte{':'}) {
		_, raw = nextLine(raw)
	}
	return raw
}
