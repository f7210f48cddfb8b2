package mailbox

import (
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxAddresses = 1000 // of one mail in one kind of field
	maxEntry     = 2000 // bytes of an entry, with its name
	maxAddress   = 254  // bytes (RFC 5321, section 4.5.3.1.3)
	maxIDs       = 100  // Message-IDs of a field
	maxID        = 998  // bytes: a line
)

// addresses reads the addresses of address fields (RFC 5322, section 3.4). It is lenient
// about names, and strict about which address is meant: an entry with two addresses in
// angle brackets, or with none that is valid, is left out. The second result counts these.
//
// Names are read as decodeWords reads them.
func addresses(fields []string, charset string) (list []netmail.Address, bad int) {
	for _, s := range fields {
		for s != "" && len(list) < maxAddresses {
			var entry string
			entry, s = cutAddress(s)
			if strings.TrimSpace(entry) == "" {
				continue
			}
			if len(entry) > maxEntry {
				bad++
				continue
			}
			a, ok, group := oneAddress(entry, charset)
			switch {
			case ok:
				list = append(list, a)
			case !group:
				bad++
			}
		}
	}
	return list, bad
}

// cutAddress cuts the first entry off a list. The name of a group ends in a colon.
func cutAddress(s string) (entry, rest string) {
	quoted, depth, angle := false, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '"':
			quoted = strings.IndexByte(s[i+1:], '"') >= 0 // else it stands for itself
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case angle:
		case c == ',', c == ';':
			return s[:i], s[i+1:]
		case c == ':' && !strings.ContainsAny(s[:i], "<@["):
			return s[:i+1], s[i+1:]
		}
	}
	return s, ""
}

// oneAddress reads one entry: with a name, with a comment, or alone.
func oneAddress(entry, charset string) (a netmail.Address, ok, group bool) {
	entry = strings.TrimSpace(entry)
	if strings.HasSuffix(entry, ":") {
		return a, false, true
	}
	var name, address, comment strings.Builder
	inAngle, angles := false, 0
	for i := 0; i < len(entry); i++ {
		c := entry[i]
		out := &name
		if inAngle {
			out = &address
		}
		switch {
		case c == '"':
			end := i + 1
			for end < len(entry) && entry[end] != '"' {
				if entry[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(entry) {
				out.WriteByte(c)
				continue
			}
			if inAngle || strings.HasPrefix(entry[end+1:], "@") { // a quoted local part
				out.WriteString(entry[i : end+1])
			} else {
				out.WriteString(unescape(entry[i+1 : end]))
			}
			i = end
		case c == '(' && !inAngle:
			depth, end := 1, i+1
			for ; end < len(entry) && depth > 0; end++ {
				switch entry[end] {
				case '\\':
					end++
				case '(':
					depth++
				case ')':
					depth--
				}
			}
			if depth > 0 {
				out.WriteByte(c)
				continue
			}
			if comment.Len() == 0 {
				comment.WriteString(unescape(entry[i+1 : min(end, len(entry))-1]))
			}
			i = end - 1
		case c == '<' && !inAngle:
			angles++
			inAngle = true
		case c == '>' && inAngle:
			inAngle = false
		default:
			out.WriteByte(c)
		}
	}
	if angles > 1 {
		return a, false, false
	}
	text := name.String()
	where := address.String()
	if angles == 0 {
		where, text = text, comment.String()
	} else if strings.TrimSpace(text) == "" {
		text = comment.String()
	}
	where, ok = mailAddress(where)
	return netmail.Address{Name: oneLine(decodeWords(text, charset)), Address: where}, ok, false
}

// unescape removes the backslashes of quoted pairs.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

var domains = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false))

// mailAddress returns an address with its domain in lower case and ASCII, and whether it is
// one.
func mailAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "@") { // a route, which is obsolete
		_, s, _ = strings.Cut(s, ":")
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || len(s) > 4*maxAddress || !utf8.ValidString(s) {
		return "", false
	}
	local, domain := s[:at], s[at+1:]
	if strings.HasPrefix(local, `"`) && strings.HasSuffix(local, `"`) && len(local) > 2 {
		if bare := unescape(local[1 : len(local)-1]); strings.IndexFunc(bare, func(r rune) bool { return r != '.' && !isAtom(r) }) < 0 {
			local = bare
		}
	} else if strings.ContainsFunc(local, func(r rune) bool { return r != '.' && !isAtom(r) }) {
		return "", false
	}
	if strings.ContainsFunc(local, unicode.IsControl) {
		return "", false
	}
	if strings.HasPrefix(domain, "[") { // an address literal
		domain = strings.TrimSuffix(domain, ".")
		if !strings.HasSuffix(domain, "]") || strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return "", false
		}
		return local + "@" + strings.ToLower(domain), len(local)+len(domain)+1 <= maxAddress
	}
	ascii, err := domains.ToASCII(domain)
	ascii = strings.TrimSuffix(ascii, ".") // a dot of another script is one now
	if err != nil || ascii == "" || ascii[0] == '.' || ascii[len(ascii)-1] == '.' || strings.Contains(ascii, "..") || strings.ContainsFunc(ascii, func(r rune) bool { return r != '.' && r != '-' && r != '_' && !isAlnum(r) }) {
		return "", false
	}
	return local + "@" + strings.ToLower(ascii), len(local)+len(ascii)+1 <= maxAddress
}

func isAlnum(r rune) bool { return '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' }

// isAtom reports whether r can be in the local part of an address without quotes
// (RFC 5322, section 3.2.3, and RFC 6532).
func isAtom(r rune) bool {
	return isAlnum(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) ||
		r > 0x7f && r != utf8.RuneError && !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
}

// messageIDs reads the Message-IDs of a field, without angle brackets and without those
// that are empty. Of more than 100, those in the middle are dropped: the first began the
// conversation, the last ones are the most recent.
func messageIDs(s string) (ids []string) {
	if strings.Contains(s, "=?") {
		s = decodeWords(s, "")
	}
	add := func(id string) {
		id = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || unicode.IsControl(r) { // folded within
				return -1
			}
			return r
		}, id)
		if id == "" || len(id) > maxID || !utf8.ValidString(id) {
			return
		}
		if ids = append(ids, id); len(ids) > maxIDs {
			copy(ids[1:], ids[2:])
			ids = ids[:maxIDs]
		}
	}
	if !strings.Contains(s, "<") {
		for word := range strings.FieldsSeq(s) {
			if strings.Contains(strings.Trim(word, "@"), "@") {
				add(word)
			}
		}
		return ids
	}
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			return ids
		}
		id, tail, closed := strings.Cut(after, ">")
		if !closed {
			if !strings.ContainsAny(strings.TrimSpace(after), " \t<") { // cut off
				add(after)
			}
			return ids
		}
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:]
		}
		add(id)
		rest = tail
	}
}

// messageID reads a Message-ID field. One without angle brackets counts as it is.
func messageID(s string) string {
	if ids := messageIDs(s); len(ids) > 0 {
		return ids[0]
	}
	if s = strings.TrimSpace(s); s != "" && !strings.ContainsAny(s, "<> \t") && len(s) <= maxID && utf8.ValidString(s) {
		return s
	}
	return ""
}

// dateForms are forms of dates that net/mail does not read.
var dateForms = []string{
	"Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 -0700 2006", "Mon, Jan 2 2006 15:04:05 -0700",
	"Mon, 2 Jan 2006 15:04:05 -0700 MST", "Mon, 2-Jan-2006 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 MST",
	time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02T15:04:05",
	"1/2/2006 3:04:05 PM",
}

// mailDate reads a date. The zero time means that it cannot be read.
func mailDate(s string) time.Time {
	if s == "" || len(s) > 200 {
		return time.Time{}
	}
	s = strings.Join(strings.Fields(s), " ")
	t, err := netmail.ParseDate(s)
	if err != nil {
		if i := strings.IndexByte(s, '('); i > 0 {
			s = strings.TrimSpace(s[:i])
		}
		for _, form := range dateForms {
			if t, err = time.Parse(form, s); err == nil {
				break
			}
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}
