package mailbox

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// findCharset returns the encoding of a charset, or nil for UTF-8, ASCII and unknown ones.
func findCharset(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(name, " \t\"'"))
	name, _, _ = strings.Cut(name, "$") // of the variants of ISO-2022-JP
	if len(name) > 60 {
		return nil
	}
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown", "unknown-8bit", "x-unknown", "default", "replacement":
		return nil // htmlindex takes ASCII for windows-1252
	case "gb2312", "gbk", "cp936", "gb_2312-80", "euc-cn":
		return simplifiedchinese.GB18030 // has all of theirs, and what senders add
	case "hz-gb-2312", "hz":
		return simplifiedchinese.HZGB2312
	case "utf-16", "utf16", "ucs-2", "iso-10646-ucs-2":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "utf-32", "utf32":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7":
		return utf7{}
	case "ks_c_5601-1987", "cp949", "ms949", "x-windows-949":
		name = "euc-kr"
	case "cp932", "ms932", "windows-31j", "x-sjis":
		name = "shift_jis"
	case "cp950", "x-x-big5":
		name = "big5"
	case "macroman":
		return charmap.Macintosh
	}
	for _, prefix := range [...]string{"cp-", "x-cp", "cp"} {
		if n, found := strings.CutPrefix(name, prefix); found {
			if strings.HasPrefix(n, "125") {
				name = "windows-" + n
			} else {
				name = "ibm" + n
			}
			break
		}
	}
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		if name, err := htmlindex.Name(e); err == nil && name == "utf-8" {
			return nil
		}
		return e
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil && e != encoding.Replacement {
		return e
	}
	return nil
}

// decodeText returns text as UTF-8. Bytes that do not fit the declared charset are read as
// UTF-8, as windows-1252, or become U+FFFD, so that it never fails.
func decodeText(b []byte, charset string) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")): // whatever is declared
		b = b[3:]
		charset = ""
	case len(b)%2 == 0 && (bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff"))) && bytes.IndexByte(b, 0) >= 0:
		charset = "utf-16"
	}
	e := findCharset(charset)
	if e == nil {
		return mixed(b)
	}
	if table, is := e.(*charmap.Charmap); is {
		return singleBytes(b, table)
	}
	s, wrong, runes := decodeAs(b, e)
	switch {
	case wrong == 0:
		return s
	case utf8.Valid(b):
		return string(b)
	case wrong <= 1+runes/20: // the text is what it says, with some damage
		return s
	}
	return mixed(b)
}

// decodeAs decodes b, and counts the replacement characters and all characters. It stops if
// most of them are replacements.
func decodeAs(b []byte, e encoding.Encoding) (s string, wrong, runes int) {
	var out strings.Builder
	out.Grow(len(b) + len(b)/2)
	d := e.NewDecoder()
	buf := make([]byte, min(4096, 3*len(b)+64))
	for {
		n, m, err := d.Transform(buf, b, true)
		out.Write(buf[:n])
		wrong += bytes.Count(buf[:n], []byte("\ufffd"))
		runes += utf8.RuneCount(buf[:n])
		if wrong > 100+runes/2 { // certainly another charset
			return "", wrong, runes
		}
		b = b[m:]
		if err == nil && len(b) == 0 {
			return out.String(), wrong, runes
		}
		if n == 0 && m == 0 || err != nil && !errors.Is(err, transform.ErrShortDst) { // nothing goes on
			if len(b) == 0 {
				return out.String(), wrong, runes
			}
			out.WriteRune(utf8.RuneError)
			wrong++
			runes++
			b = b[1:]
			d.Reset()
		}
	}
}

// mixed reads UTF-8, and each byte that does not fit as windows-1252.
func mixed(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for pass := range 2 {
		size := 0
		for rest := b; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				r = charmap.Windows1252.DecodeByte(rest[0])
			}
			if size += utf8.RuneLen(r); pass > 0 {
				out.WriteRune(r)
			}
			rest = rest[n:]
		}
		out.Grow(size * (1 - pass))
	}
	return out.String()
}

// singleBytes reads a charset of single bytes, and bytes without a meaning in it as UTF-8
// if all of the text is, or else as windows-1252.
func singleBytes(b []byte, charset *charmap.Charmap) string {
	var table [256]rune
	size := 0
	for i := range table {
		table[i] = charset.DecodeByte(byte(i))
	}
	for _, c := range b {
		if table[c] == utf8.RuneError {
			if utf8.Valid(b) {
				return string(b)
			}
			table[c] = charmap.Windows1252.DecodeByte(c)
		}
		size += utf8.RuneLen(table[c])
	}
	var out strings.Builder
	out.Grow(size)
	for _, c := range b {
		out.WriteRune(table[c])
	}
	return out.String()
}

// utf7 is UTF-7 (RFC 2152), which package encoding does not have.
type utf7 struct{ encoding.Encoding }

func (utf7) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: &fromUTF7{}} }

// fromUTF7 decodes UTF-7. The state is that of the base64 between + and -.
type fromUTF7 struct {
	in    bool // between + and -
	empty bool // directly after +
	bits  uint32
	n     int // number of bits
	high  rune
}

func (d *fromUTF7) Reset() { *d = fromUTF7{} }

func (d *fromUTF7) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < 2*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		put := func(r rune) { nDst += utf8.EncodeRune(dst[nDst:], r) }
		c := src[nSrc]
		nSrc++
		switch v := base64Values[c]; {
		case !d.in && c == '+':
			*d = fromUTF7{in: true, empty: true}
		case !d.in && c < utf8.RuneSelf:
			put(rune(c))
		case !d.in:
			put(utf8.RuneError)
		case v >= 0 && c != '-' && c != '_':
			d.empty = false
			d.bits, d.n = d.bits<<6|uint32(v), d.n+6
			if d.n < 16 {
				continue
			}
			d.n -= 16
			r := rune(d.bits>>d.n) & 0xffff
			d.bits &= 1<<d.n - 1
			switch {
			case d.high != 0:
				put(utf16.DecodeRune(d.high, r))
				d.high = 0
			case 0xd800 <= r && r < 0xdc00:
				d.high = r
			default:
				put(r)
			}
		default:
			if c == '-' && d.empty {
				put('+')
			} else if c != '-' {
				nSrc-- // it ends the base64 and stands for itself
			}
			*d = fromUTF7{}
		}
	}
	return nDst, nSrc, nil
}
