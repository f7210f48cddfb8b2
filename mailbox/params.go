package mailbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	maxParams = 50      // of a field that are read
	maxValue  = 4 << 10 // bytes of a value
)

// mediaType reads a Content-Type or Content-Disposition field (RFC 2045 and RFC 2231): the
// value in lower case, and the parameters, their names in lower case. Unlike
// [mime.ParseMediaType] it refuses nothing: it reads values without the quotes that they
// need, parameters without a semicolon, with encoded words and in any charset.
//
// Raw bytes in values are read as decodeWords reads them.
func mediaType(s, charset string) (value string, params map[string]string) {
	end := strings.IndexAny(s, "; \t,")
	if end < 0 {
		end = len(s)
	}
	value = strings.ToLower(strings.TrimSpace(s[:end]))
	if strings.Contains(value, "=") { // the value is missing
		value, end = "", 0
	}
	raw := map[string]string{}
	for s = s[end:]; s != "" && len(raw) < maxParams; {
		s = strings.TrimLeft(s, "; \t,")
		at := strings.IndexAny(s, "=;")
		if at < 0 {
			break
		}
		if s[at] == ';' {
			s = s[at:]
			continue
		}
		name := s[:at]
		if i := strings.LastIndexAny(strings.TrimRight(name, " \t"), " \t"); i >= 0 { // a comment, or a value without a name
			name = name[i+1:]
		}
		name = strings.ToLower(strings.TrimSpace(name))
		var v string
		v, s = paramValue(strings.TrimLeft(s[at+1:], " \t"))
		if _, twice := raw[name]; !twice && name != "" {
			raw[name] = v
		}
	}
	return value, joinParams(raw, charset)
}

// paramValue reads the value of a parameter.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:min(end, maxValue)]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case b.Len() >= maxValue && c != '"' && c != '\\':
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'): // not in a path such as C:\new
			i++
			b.WriteByte(s[i])
		case c == '"':
			// A quote within the value, which should have been escaped.
			if next := strings.TrimLeft(s[i+1:], " \t"); next != "" && next[0] != ';' && strings.Contains(next, `"`) && !strings.Contains(strings.SplitN(next, `"`, 2)[0], ";") {
				b.WriteByte(c)
				continue
			}
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// joinParams joins continued parameters and decodes all (RFC 2231). A parameter that is there as a
// whole is not joined, and of two with the same number one counts. Header is the charset of raw
// bytes.
func joinParams(raw map[string]string, header string) map[string]string {
	params := map[string]string{}
	type piece struct {
		n       int // -1 if it is the whole
		encoded bool
		text    string
	}
	pieces := map[string][]piece{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		v := raw[name]
		base, encoded := strings.CutSuffix(name, "*")
		base, number, numbered := strings.Cut(base, "*")
		n, err := strconv.Atoi(number)
		if numbered && (err != nil || n < 0) || !numbered && !encoded {
			params[name] = decodeWords(v, header)
			continue
		}
		if !numbered {
			n = -1
		}
		pieces[base] = append(pieces[base], piece{n, encoded, v})
	}
	for _, base := range slices.Sorted(maps.Keys(pieces)) {
		list := pieces[base]
		slices.SortStableFunc(list, func(a, b piece) int { return a.n - b.n })
		list = slices.CompactFunc(list, func(a, b piece) bool { return a.n == b.n })
		if list[0].n < 0 {
			list = list[:1]
		}
		charset := ""
		var b []byte
		for i, p := range list {
			if p.encoded {
				if i == 0 {
					if parts := strings.SplitN(p.text, "'", 3); len(parts) == 3 {
						charset, p.text = parts[0], parts[2]
					}
				}
				b = append(b, unpercent(p.text)...)
			} else {
				b = append(b, p.text...)
			}
		}
		params[base] = decodeText(b, charset) // better than one in the old form
	}
	return params
}

// unpercent decodes %XX.
func unpercent(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
