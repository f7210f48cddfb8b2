package mailbox

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// decodeWords decodes the encoded words of a header line (RFC 2047). It also decodes those
// within quotes, within other words and with spaces. Neighbours of one charset are decoded
// together, because senders cut within characters. Bytes outside of encoded words are UTF-8
// (RFC 6532), or else of the charset, which is that of the mail's text; see part.charset.
func decodeWords(s, charset string) string {
	plain := func(s string) string {
		if utf8.ValidString(s) {
			return s
		}
		return decodeText([]byte(s), charset)
	}
	if !strings.Contains(s, "=?") {
		return plain(s)
	}
	var b strings.Builder
	var held []byte // of neighbouring words, still encoded in charset
	wordSet, word := "", false
	flush := func() {
		if len(held) > 0 {
			b.WriteString(decodeText(held, wordSet))
		}
		held, word = held[:0], false
	}
	for {
		at := strings.Index(s, "=?")
		if at < 0 {
			break
		}
		set, text, rest, ok := encodedWord(s[at:])
		if !ok {
			flush()
			b.WriteString(plain(s[:at+2]))
			s = s[at+2:]
			continue
		}
		next := word && strings.TrimSpace(s[:at]) == "" // white space between neighbours is dropped
		if !next || !strings.EqualFold(set, wordSet) {
			flush()
		}
		if !next {
			b.WriteString(plain(s[:at]))
		}
		held, wordSet, word = append(held, text...), set, true
		s = rest
	}
	flush()
	b.WriteString(plain(s))
	return b.String()
}

// encodedWord reads an encoded word at the beginning of s.
func encodedWord(s string) (charset string, text []byte, rest string, ok bool) {
	const longest = 60 // of the name of a charset
	end := strings.IndexByte(s[2:min(len(s), longest+2)], '?')
	if end <= 0 {
		return "", nil, s, false
	}
	charset, s = s[2:2+end], s[2+end+1:]
	charset, _, _ = strings.Cut(charset, "*") // a language (RFC 2231, section 5)
	if len(s) < 4 || s[1] != '?' || strings.ContainsAny(charset, " \t=") {
		return "", nil, s, false
	}
	// No word is longer than 75 bytes by the standard; some are as long as a line.
	const most = 2000
	stop := strings.Index(s[2:min(len(s), most)], "?=")
	if stop < 0 {
		return "", nil, s, false
	}
	encoded, rest := s[2:2+stop], s[2+stop+2:]
	switch s[0] {
	case 'b', 'B':
		return charset, decodeBase64([]byte(encoded)), rest, true
	case 'q', 'Q':
		return charset, decodeQ(encoded), rest, true
	}
	return "", nil, s, false
}

// decodeQ decodes the Q encoding of RFC 2047.
func decodeQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// oneLine returns s in one line: runs of white space become one space, and characters
// that the desk refuses in a line or that hide the real text are removed.
func oneLine(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			blank = true
			continue
		case unicode.IsControl(r), r == '\u202d', r == '\u202e':
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(r)
	}
	return b.String()
}
