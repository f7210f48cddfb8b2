package mailbox

import "bytes"

// decodeTransfer undoes a Content-Transfer-Encoding. It returns b itself if there is
// nothing to undo, and never fails: what does not fit is kept, or skipped in base64.
func decodeTransfer(b []byte, encoding string) []byte {
	switch encoding {
	case "base64":
		return decodeBase64(b)
	case "quoted-printable":
		return decodeQuotedPrintable(b)
	case "x-uuencode", "uuencode", "x-uue", "uue":
		return decodeUU(b)
	}
	return b
}

// base64Values has the value of each byte of base64 and of its form for URLs, and -1 for others.
var base64Values = func() (v [256]int8) {
	for i := range v {
		v[i] = -1
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		v[alphabet[i]] = int8(i)
	}
	v['-'], v['_'] = 62, 63
	return v
}()

// decodeBase64 decodes base64. It skips bytes that do not belong there, and accepts several
// encoded texts one after another, each with its padding.
func decodeBase64(b []byte) []byte {
	out := make([]byte, 0, len(b)/4*3+3)
	var bits uint32
	n := 0
	flush := func() {
		switch n {
		case 2:
			out = append(out, byte(bits>>4))
		case 3:
			out = append(out, byte(bits>>10), byte(bits>>2))
		}
		bits, n = 0, 0
	}
	for _, c := range b {
		v := base64Values[c]
		if v < 0 {
			if c == '=' {
				flush()
			}
			continue
		}
		bits = bits<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(bits>>16), byte(bits>>8), byte(bits))
			bits, n = 0, 0
		}
	}
	flush()
	return out
}

// decodeQuotedPrintable decodes quoted-printable (RFC 2045, section 6.7). An = without two
// hexadecimal digits is kept.
func decodeQuotedPrintable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		var line []byte
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			line, b = b, nil
		} else {
			line, b = b[:end], b[end+1:]
		}
		text := bytes.TrimRight(line, " \t\r") // added on the way
		soft := false
		if n := len(text); n > 0 && text[n-1] == '=' {
			soft, text = true, text[:n-1]
		}
		for {
			at := bytes.IndexByte(text, '=')
			if at < 0 {
				break
			}
			out = append(out, text[:at]...)
			text = text[at:]
			if len(text) >= 3 && unhex(text[1]) >= 0 && unhex(text[2]) >= 0 {
				out = append(out, byte(unhex(text[1])<<4|unhex(text[2])))
				text = text[3:]
			} else {
				out = append(out, '=')
				text = text[1:]
			}
		}
		out = append(out, text...)
		if soft || end < 0 {
			continue
		}
		if bytes.HasSuffix(line, []byte{'\r'}) {
			out = append(out, '\r')
		}
		out = append(out, '\n')
	}
	return out
}

// decodeUU decodes uuencode, which is older than MIME.
func decodeUU(b []byte) []byte {
	out := make([]byte, 0, len(b)/4*3+3)
	begun := false
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		switch {
		case bytes.HasPrefix(line, []byte("begin ")):
			begun = true
			continue
		case !begun || len(line) == 0:
			continue
		case bytes.Equal(line, []byte("end")):
			return out
		}
		n := int(line[0]-' ') & 63
		for i := 1; n > 0 && i < len(line); i += 4 {
			var v [4]byte
			for j := range v {
				if i+j < len(line) {
					v[j] = (line[i+j] - ' ') & 63
				}
			}
			three := [...]byte{v[0]<<2 | v[1]>>4, v[1]<<4 | v[2]>>2, v[2]<<6 | v[3]}
			out = append(out, three[:min(n, 3)]...)
			n -= 3
		}
	}
	return out
}
