package mailbox

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// within runs f on a mail and fails if it takes more than ten times the mail's memory, all
// that it allocates counted, or more time than a slow machine needs that does other things
// as well. A small mail may take a constant for tables and buffers. The runtime counts the
// allocations of the whole process, and what other goroutines do meanwhile only adds to them.
// So f is run again if it seems to take too much, and the least counts.
func within(t *testing.T, raw []byte, f func()) {
	t.Helper()
	const constant, runs = 1 << 20, 5
	mostMemory := uint64(10*len(raw) + constant)
	mostTime := 5*time.Second + time.Duration(len(raw))*5*time.Second>>20
	for run := 1; ; run++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		f()
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		got := after.TotalAlloc - before.TotalAlloc
		switch {
		case got <= mostMemory && took <= mostTime:
			return
		case run < runs:
			continue
		case got > mostMemory:
			t.Fatalf("%d bytes of mail took %d bytes of memory, more than %d", len(raw), got, mostMemory)
		default:
			t.Fatalf("%d bytes of mail took %v, more than %v", len(raw), took, mostTime)
		}
	}
}

const hostileHead = "From: a@b.example\nSubject: x\nMIME-Version: 1.0\n"

// nested returns a multipart with this many levels.
func nested(levels int) string {
	var b strings.Builder
	for i := range levels {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	b.WriteString("\ntext\n")
	for i := levels - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\n", i)
	}
	return b.String()
}

func TestLimits(t *testing.T) {
	parts := func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", n) + "--b--\n"
	}
	header := func(bytes int) string {
		return strings.Repeat("X-A: b\n", (bytes-len(hostileHead))/len("X-A: b\n")) + "\nx"
	}
	encodedMessage := func(levels int) string {
		s := "\nx"
		for range levels {
			s = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("From: a@b.example\n"+s))
		}
		return s
	}
	for name, test := range map[string]struct {
		raw   string
		what  string // exceeded, or "" if it is read
		limit limits
	}{
		"29 levels":                {nested(29), "", limits{}},
		"30 levels":                {nested(30), "levels of parts", limits{}},
		"1,000 levels":             {nested(1000), "levels of parts", limits{}},
		"100,000 levels":           {nested(100_000), "levels of parts", limits{}},
		"1,000 attached messages":  {strings.Repeat("Content-Type: message/rfc822\n\n", 1000) + "From: x@y.example\n\nx", "levels of parts", limits{}},
		"31 encoded messages":      {encodedMessage(31), "levels of parts", limits{}},
		"499 parts":                {parts(499), "", limits{}},
		"500 parts":                {parts(500), "parts", limits{}},
		"a million parts":          {parts(1_000_000), "parts", limits{}},
		"parts in an attached one": {"Content-Type: message/rfc822\n\n" + parts(499), "parts", limits{}},
		"256 KiB of header":        {header(256<<10) + "\n", "", limits{}},
		"more header":              {header(257 << 10), "bytes of header", limits{}},
		"a million fields":         {header(7_000_000), "bytes of header", limits{}},
		"one endless line":         {strings.Repeat("x", 1<<20), "bytes of header", limits{}},
		"header of a part":         {"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + header(300<<10) + "\n--b--\n", "bytes of header", limits{}},
		"a small limit":            {"\n" + strings.Repeat("x", 1000), "bytes", limits{Mail: 1000}},
		"a small header":           {"\nx", "bytes of header", limits{Header: 10}},
		"few parts":                {parts(5), "parts", limits{Parts: 5}},
		"few levels":               {nested(5), "levels of parts", limits{Depth: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := []byte(hostileHead + test.raw)
			within(t, raw, func() {
				m, err := parse(raw, ours, test.limit)
				if test.what == "" {
					require.NoError(t, err)
					assert.Equal(t, "x", m.Subject)
					return
				}
				var limit *limitError
				require.ErrorAs(t, err, &limit)
				assert.Equal(t, test.what, limit.What)
			})
		})
	}
	_, err := parse(make([]byte, 40<<20+1), nil, limits{})
	assert.EqualError(t, err, "mailbox: the mail has more than 41943040 bytes")
}

// hostile are mails that other parsers take much memory or time for.
func hostile() map[string]string {
	const size = 4 << 20
	fill := func(head, piece string) string { return head + "\n" + strings.Repeat(piece, size/len(piece)) }
	plain, html := "Content-Type: text/plain\n", "Content-Type: text/html\n"
	return map[string]string{
		"bytes that are no base64":   fill("Content-Type: image/png\nContent-Transfer-Encoding: base64\n", "!\x01"),
		"padding":                    fill("Content-Transfer-Encoding: base64\n", "QQ==\n"),
		"quoted-printable signs":     fill("Content-Transfer-Encoding: quoted-printable\n", "="),
		"soft line breaks":           fill("Content-Transfer-Encoding: quoted-printable\n", "=\n"),
		"encoded bytes":              fill("Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: quoted-printable\n", "=80"),
		"bytes of windows-1252":      fill("Content-Type: text/plain; charset=windows-1252\n", "\x80"),
		"bytes of no charset":        fill("Content-Type: text/plain; charset=utf-8\n", "\xff"),
		"half characters":            fill("Content-Type: text/plain; charset=gb2312\n", "\x81"),
		"half characters of Big5":    fill("Content-Type: text/html; charset=big5\n", "\x81\n"),
		"ISO-2022-JP escapes":        fill("Content-Type: text/plain; charset=iso-2022-jp\n", "\x1b$B\x1b(B"),
		"UTF-16":                     fill("Content-Type: text/plain; charset=utf-16\n", "\x20\xac"),
		"UTF-7":                      fill("Content-Type: text/plain; charset=utf-7\n", "+IKw-"),
		"UTF-7 without an end":       fill("Content-Type: text/plain; charset=utf-7\n", "+"),
		"NUL bytes":                  fill(plain, "\x00"),
		"line feeds":                 fill(plain, "\n"),
		"short lines":                fill(plain, "x\n"),
		"carriage returns":           fill(plain, "\r"),
		"spaces":                     fill(plain, " "),
		"quote marks":                fill(plain, ">\n"),
		"deep quotes":                fill(plain, ">"),
		"flowed lines":               fill("Content-Type: text/plain; format=flowed; delsp=yes\n", "> \n"),
		"headers of mails":           fill(plain, "From: a@b.example\nTo: x\nSubject: y\n"),
		"senders":                    fill(plain, "From: a@b.example\n"),
		"labels":                     fill(plain, "From: a@b.example\nCc: x\n<\n"),
		"introductions":              fill(plain, "On 1 a@b.example:\n"),
		"separators":                 fill(plain, "-----Original Message-----\n"),
		"numbers in a quote":         fill("In-Reply-To: <1@shop.example>\n"+plain, ">7Q4K-92MX-G\n"),
		"addresses above a quote":    fill("In-Reply-To: <1@shop.example>\n"+plain, "x@y.example ") + ":\n> a",
		"elements":                   fill(html, "<b>"),
		"elements with text":         fill(html, "<p>x"),
		"quotes within quotes":       fill(html, "<blockquote>x<br>"),
		"line breaks in quotes":      html + "\n" + strings.Repeat("<blockquote>", 100) + strings.Repeat("x<br>", size/5),
		"items":                      html + "\n" + strings.Repeat("<ul>", 100) + strings.Repeat("<li>x", size/5),
		"ends":                       fill(html, "</b>"),
		"links":                      fill(html, "<a href=http://x>y</a>"),
		"links within links":         fill(html, "<a href=http://x>y"),
		"attributes":                 html + "\n<b " + strings.Repeat("a ", size/2) + ">x",
		"attributes in many tags":    fill(html, "<b "+strings.Repeat("a ", 20000)+">x"),
		"a quote without an end":     fill(html, "<a b='"),
		"tags without an end":        fill(html, "<a "),
		"styles":                     fill(html, "<b style='"+strings.Repeat("font-size:1;", 5000)+"'>x"),
		"comments":                   fill(html, "<!-- x"),
		"character references":       fill(html, "&amp;"),
		"long references":            fill(html, "&CounterClockwiseContourIntegral;"),
		"half references":            fill(html, "&"),
		"scripts":                    fill(html, "<script>"),
		"text areas":                 fill(html, "<textarea>x</textarea>"),
		"an image in a URL":          html + "\n<img src='data:image/png;base64," + strings.Repeat("A", size) + "'>x",
		"images by Content-ID":       "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n" + fill("", "cid:") + "\n--b\nContent-ID: <x>\n\nx\n--b--\n",
		"almost boundaries":          fill("Content-Type: multipart/mixed; boundary=b\n", "\n--bb"),
		"a boundary in every line":   fill("Content-Type: multipart/mixed; boundary=b\n\n--b\n", "\n--b x"),
		"no boundary":                fill("Content-Type: multipart/mixed\n", "--\n"),
		"a multipart without a part": fill("Content-Type: multipart/mixed; boundary=zzz\n", "x\n"),
		"boundaries of all levels":   nested(28) + strings.Repeat("\n--b0\n--b1", 400),
		"a report":                   fill("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n", "Action: failed\n\n"),
		"a report of fields":         fill("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n", "\n"),
		"a report without an end":    fill("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n", "a:b\n"),
		"calendar lines":             fill("Content-Type: text/calendar\n", "BEGIN:VEVENT\n a\n"),
		"calendar folds":             "Content-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:x\n" + strings.Repeat(" \n", size/2),
		"uuencode":                   fill("Content-Type: image/png\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n", "M\n"),
		"armor":                      fill(plain, "-----BEGIN PGP SIGNED MESSAGE-----\n\n-----BEGIN PGP SIGNATURE-----\n"),
		"encoded attached messages":  "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("From: a@b.example\n\n"+strings.Repeat("x", size))),
	}
}

// hostileHeaders are fields that other parsers take much time for.
func hostileHeaders() map[string]string {
	const size = 250 << 10
	fill := func(head, piece string) string { return head + strings.Repeat(piece, size/len(piece)) }
	return map[string]string{
		"encoded words":               fill("Subject: ", "=?utf-8?q?x?= "),
		"encoded words without end":   fill("Subject: ", "=?utf-8?q?x"),
		"half encoded words":          fill("Subject: ", "=?"),
		"empty encoded words":         fill("Subject: ", "=?a?b??="),
		"words of many charsets":      fill("Subject: ", "=?gb2312?b?gQ==?= =?big5?b?gQ==?="),
		"folds":                       fill("Subject: ", "x\n "),
		"fields":                      fill("", "a:\n"),
		"lines that are no fields":    fill("", "a\n"),
		"commas":                      fill("To: ", ","),
		"addresses":                   fill("To: ", "a@b.example,"),
		"entries that are no address": fill("To: ", "a,"),
		"colons":                      fill("To: ", "a:"),
		"angles":                      fill("To: ", "<"),
		"closed angles":               fill("To: ", "<>"),
		"quotes":                      fill("To: ", `"`),
		"quotes and backslashes":      fill("To: ", `"\`),
		"open comments":               fill("To: ", "("),
		"comments":                    fill("To: ", "()"),
		"long domain":                 "To: a@" + strings.Repeat("b.", size/2),
		"labels of a domain":          fill("To: ", "a@xn--a."),
		"Message-IDs":                 fill("References: ", "<a@b>"),
		"half Message-IDs":            fill("References: ", "<"),
		"Message-IDs without angles":  fill("References: ", "a@b "),
		"results":                     fill("Authentication-Results: ", "x;dmarc=pass "),
		"words of results":            fill("Authentication-Results: x; dmarc=pass", " a=b"),
		"comments of results":         fill("Authentication-Results: x; ", "("),
		"equal signs":                 fill("Authentication-Results: x; ", "="),
		"fields of results":           fill("", "Authentication-Results: x; a=b\n"),
		"parameters":                  fill("Content-Type: text/plain", ";a=b"),
		"different parameters":        "Content-Type: text/plain" + parameters(size, "; p%d=x"),
		"continued parameters":        "Content-Type: text/plain" + parameters(size, "; name*%d=x"),
		"quotes in a parameter":       fill(`Content-Type: text/plain; name="`, `a"b`),
		"semicolons":                  fill("Content-Type: text/plain", ";"),
		"brackets":                    fill("Subject: ", "["),
		"a long name":                 fill("Content-Disposition: attachment; filename=", "x"),
		"spaces in a name":            fill("Content-Disposition: attachment; filename=\"a", "  ") + "b\"",
		"combining marks in a name":   fill("Content-Disposition: attachment; filename=a", "\u0301"),
		"languages":                   fill("Content-Language: ", "a-"),
		"a long date":                 fill("Date: ", "1 "),
		"precedences":                 fill("", "Precedence: (\n"),
	}
}

func parameters(size int, format string) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestHostileMailsTakeLittle(t *testing.T) {
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			raw := []byte(hostileHead + body)
			within(t, raw, func() {
				m, err := parse(raw, ours, limits{})
				require.NoError(t, err)
				assert.Equal(t, "x", m.Subject)
				assert.Less(t, len(m.Text), 3*len(raw))
			})
		})
	}
	for name, head := range hostileHeaders() {
		t.Run(name, func(t *testing.T) {
			raw := []byte("From: a@b.example\n" + head + "\n\ntext")
			within(t, raw, func() {
				m, err := parse(raw, ours, limits{})
				require.NoError(t, err)
				require.LessOrEqual(t, len(m.Files), 1)
				subjectNumbers(m.Subject, nil)
				isForward(m.Subject)
				m.authenticated("x")
			})
		})
	}
}
