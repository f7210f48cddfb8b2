package mailbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchMail returns a mail with text, HTML and a file of this size.
func benchMail(size int) []byte {
	file := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("a file's bytes "), size/15))
	var lines strings.Builder
	for ; len(file) > 76; file = file[76:] {
		lines.WriteString(file[:76] + "\r\n")
	}
	text := strings.Repeat("The printer prints blank pages, and gr=C3=BC=C3=9Fe.\r\n", 40)
	return []byte("From: Ada <ada@customer.example>\r\nTo: support@shop.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
		"Date: Mon, 2 Mar 2026 09:30:00 +0100\r\nMessage-ID: <1@customer.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n" +
		"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + text +
		"\r\n--inner\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>" + text +
		"</p>\r\n--inner--\r\n--outer\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines.String() + file + "\r\n--outer--\r\n")
}

var benchSizes = map[string]int{"small": 1 << 10, "large": 4 << 20}

func BenchmarkParse(b *testing.B) {
	for name, size := range benchSizes {
		raw := benchMail(size)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				m, err := parse(raw, nil, limits{})
				if err != nil || len(m.Files) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStandardLibrary reads the same mails with net/mail and mime/multipart: the
// header, and the decoded bytes of each part. It makes no text of HTML and no fingerprint.
func BenchmarkStandardLibrary(b *testing.B) {
	for name, size := range benchSizes {
		raw := benchMail(size)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				m, err := netmail.ReadMessage(bytes.NewReader(raw))
				require.NoError(b, err)
				_, err = m.Header.AddressList("From")
				require.NoError(b, err)
				if n := readParts(b, m.Header.Get("Content-Type"), m.Body); n != 3 {
					b.Fatal(n)
				}
			}
		})
	}
}

func readParts(b *testing.B, contentType string, r io.Reader) (n int) {
	b.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	require.NoError(b, err)
	for parts := multipart.NewReader(r, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return n
		}
		require.NoError(b, err)
		kind := p.Header.Get("Content-Type")
		if strings.HasPrefix(kind, "multipart/") {
			n += readParts(b, kind, p)
			continue
		}
		var body io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, p)
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		}
		_, err = io.ReadAll(body)
		require.NoError(b, err)
		n++
	}
}
