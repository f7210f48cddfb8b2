package mailbox

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/chars"
)

// maxFuzz keeps single runs short.
const maxFuzz = 256 << 10

// addMails adds the mails of testdata, as seeds.
func addMails(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "parse", "*.eml"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, path := range files {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
}

// checkMessage checks what holds for every mail.
func checkMessage(t *testing.T, m *message) {
	t.Helper()
	for _, s := range []string{m.Text, m.Full, m.Subject, m.Invitation, m.Automatic, m.Quiet} {
		require.True(t, utf8.ValidString(s), "%q", s)
		require.NotContains(t, s, "\x00")
	}
	require.LessOrEqual(t, len(m.Text), len(m.Full))
	for _, file := range m.Files {
		require.NotEmpty(t, file.Name)
		require.LessOrEqual(t, len(file.Name), chars.MaxFile)
		require.Equal(t, file.Name, cleanName(file.Name), "a clean name is clean")
	}
	for _, a := range m.From {
		again, ok := mailAddress(a.Address)
		require.True(t, ok)
		require.Equal(t, a.Address, again)
	}
	require.LessOrEqual(t, len(m.References), maxIDs)
}

func FuzzParse(f *testing.F) {
	addMails(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > maxFuzz {
			return
		}
		var m *message
		var err error
		within(t, raw, func() { m, err = parse(raw, ours, limits{}) })
		if err != nil {
			return
		}
		checkMessage(t, m)
		again, err := parse(raw, ours, limits{})
		require.NoError(t, err)
		require.Equal(t, m, again, "the same mail is read in the same way")
		alone, err := parseHeader(raw, limits{})
		require.NoError(t, err)
		require.Equal(t, m.Subject, alone.Subject)
		added := "X-Added: on the way\n"
		if !bytes.Contains(raw, []byte{'\n'}) {
			added = "X-Added: on the way\r"
		}
		other, err := parse(append([]byte(added), trimMbox(raw)...), ours, limits{})
		if err == nil {
			require.Equal(t, m.Fingerprint, other.Fingerprint, "a field that was added changes nothing")
		}
	})
}

func FuzzHTML(f *testing.F) {
	for _, s := range hostileSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > maxFuzz || !utf8.ValidString(s) {
			return
		}
		within(t, []byte(s), func() {
			text := cleanText(htmlText(string(shortTags([]byte(s)))))
			require.True(t, utf8.ValidString(text))
			require.LessOrEqual(t, len(text), 6*len(s)+100)
		})
	})
}

// hostileSeeds are documents with all that htmlText looks at.
var hostileSeeds = []string{
	"<p>a<p>b", "<table><tr><td>a<td>b<tr><td>c</table>", "<blockquote><blockquote>a<br>b</blockquote></blockquote>", "<pre>a\n b</pre>",
	`<a href="http://x.example/">x</a><img alt=y>`, "<ul><li>a<li>b</ul>", `<div style="display:none">x</div>y`, "<head><title>x</head><body>y", "<script>x</script>&amp;&#x41;<!-- x -->",
}

func FuzzHeader(f *testing.F) {
	f.Add("Ada <ada@example.org>, \"b\" (c) <b@example.org>; x: y@example.org;", "=?utf-8?q?x=20?= =?iso-8859-1?b?4A==?=")
	f.Add("<a@b> <c@d>", "text/plain; name*0*=utf-8''%41; name*1=b; charset=\"utf-8\"")
	f.Add("mx.example; dmarc=pass (a) header.from=example.org; dkim = fail reason=\"x\"", "Mon, 2 Mar 2026 09:30:00 +0100")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > maxFuzz {
			return
		}
		for _, s := range []string{a, b} {
			within(t, []byte(s), func() {
				list, _ := addresses([]string{s}, "")
				for _, a := range list {
					require.LessOrEqual(t, len(a.Address), maxAddress)
					require.True(t, utf8.ValidString(a.Name))
				}
			})
			within(t, []byte(s), func() { require.True(t, utf8.ValidString(oneLine(decodeWords(s, "koi8-r")))) })
			within(t, []byte(s), func() {
				value, params := mediaType(s, "")
				require.NotContains(t, value, ";")
				require.LessOrEqual(t, len(params), maxParams)
			})
			within(t, []byte(s), func() { require.LessOrEqual(t, len(messageIDs(s)), maxIDs) })
			within(t, []byte(s), func() { require.LessOrEqual(t, len(readAuth(s, 0)), maxAuth) })
			within(t, []byte(s), func() { mailDate(s) })
			name := cleanName(s)
			require.Equal(t, name, cleanName(name))
			require.LessOrEqual(t, len(name), chars.MaxFile)
		}
	})
}

func FuzzCharset(f *testing.F) {
	for _, charset := range []string{"utf-8", "gb2312", "iso-2022-jp", "utf-7", "utf-16", "big5", "hz-gb-2312", "windows-1252", "iso-8859-8", "euc-kr", "utf-32", "cp850", "x"} {
		f.Add([]byte("Gr\xfc\xdfe +AOk- ~{<:Ky2;~} \x1b$B$3\x1b(B"), charset)
	}
	f.Fuzz(func(t *testing.T, b []byte, charset string) {
		if len(b) > maxFuzz {
			return
		}
		within(t, b, func() {
			s := decodeText(b, charset)
			require.True(t, utf8.ValidString(s))
			if utf8.Valid(b) && findCharset(charset) == nil && len(b) > 1 && b[0] < 0x80 && b[1] != 0 {
				require.Equal(t, string(b), s, "what fits stays as it is")
			}
		})
	})
}

func FuzzReports(f *testing.F) {
	f.Add([]byte("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n"))
	f.Add([]byte("Final-Recipient: rfc822; a@b.example\nOriginal-Message-ID: <1@b>\nDisposition: a/b; displayed\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFuzz {
			return
		}
		within(t, b, func() {
			var m message
			m.readDelivery(b, "")
			m.readReceipt(b, "")
			require.LessOrEqual(t, len(m.Reports), maxReports+1)
			for _, r := range m.Reports {
				require.Regexp(t, `^([245]\.\d{1,3}\.\d{1,3})?$`, r.Status)
			}
		})
	})
}

func FuzzText(f *testing.F) {
	f.Add("Yes.\n\nOn 2 May, a@b.example wrote:\n> Request 7Q4K-92MX-F\n", "Re: [7Q4K-92MX-F]")
	f.Add("---- Forwarded message ----\nFrom: a@b.example\nTo: b\nSubject: c\n\nx", "Fwd: x")
	f.Add("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nDTSTART;TZID=\"a\":20260101T100000\nEND:VEVENT\nEND:VCALENDAR", "")
	f.Fuzz(func(t *testing.T, text, subject string) {
		if len(text)+len(subject) > maxFuzz || !utf8.ValidString(text) {
			return
		}
		within(t, []byte(text+subject), func() {
			m := message{Subject: oneLine(subject), InReplyTo: []string{"1@shop.example"}, Full: trimLines(cleanText(text))}
			kept, cut := m.cutQuote(m.Full, ours)
			require.Equal(t, cut, len(kept) < len(m.Full) && cut)
			if cut {
				require.Equal(t, kept, m.Full[:len(kept)], "only the end is cut")
				require.Contains(t, m.Full[len(kept):], ">")
				require.False(t, blank(kept))
			}
			hasQuotes(m.Full)
			m.Forwards = isForward(m.Subject)
			m.readForward(nil)
			for _, n := range subjectNumbers(m.Subject, nil) {
				again, err := ticket.ParseNumber(string(n))
				require.NoError(t, err)
				require.Equal(t, n, again)
			}
			require.True(t, utf8.ValidString(invitation(text)))
		})
	})
}
