package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// box is a Mails of a test. Its mails are those of one tenant.
type box struct {
	list []ticket.Mail
	raw  string
	did  []string
	fail error
}

func (b *box) Mails(_ context.Context, a ticket.Actor, q ticket.MailQuery) ([]ticket.Mail, error) {
	q.Tenant = a.Tenant
	var out []ticket.Mail
	for i := range b.list {
		if q.Match(&b.list[i]) && len(out) < q.Limit {
			out = append(out, b.list[i])
		}
	}
	return out, q.Check()
}

func (b *box) Raw(context.Context, ticket.Actor, ticket.ID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(b.raw)), b.fail
}

func (b *box) Release(_ context.Context, _ ticket.Actor, id ticket.ID) error {
	b.did = append(b.did, "release "+id.String())
	return b.fail
}

func (b *box) Retake(_ context.Context, _ ticket.Actor, id ticket.ID) error {
	b.did = append(b.did, "retake "+id.String())
	return b.fail
}

func (b *box) Forget(_ context.Context, _ ticket.Actor, id ticket.ID) error {
	b.did = append(b.did, "forget "+id.String())
	return b.fail
}

// newBox returns a box with n held mails, the newest first, and one that was ignored.
func newBox(n int) *box {
	b := &box{raw: "From: Ada <ada@example.com>\r\nSubject: =?iso-8859-1?q?W=E4rme?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDie W=E4rme <b>fehlt</b>.\r\n"}
	for i := range n {
		at := noon.Add(-time.Duration(i) * time.Minute)
		b.list = append(b.list, ticket.Mail{
			ID: ticket.NewID(at), Mailbox: "support", Raw: ticket.Digest{1}, Size: 1200, Arrived: at, Settled: at, State: ticket.MailHeld,
			Author: "ada@example.com", Reason: "the sender has opened 20 tickets", To: []string{"help@example.org"},
			Explained: []byte(`{"outcome":"held","reason":"r","trust":"verified","notes":["the subject names <i>a ticket</i>"],"evidence":[{"kind":"number","where":"subject","number":"7Q4K92MXF"}]}`),
		})
	}
	b.list = append(b.list, ticket.Mail{ID: ticket.NewID(noon), Mailbox: "support", Raw: ticket.Digest{2}, Arrived: noon, Settled: noon, State: ticket.MailIgnored, From: "bulk@example.com", HasSender: true, Reason: "a list"})
	return b
}

func mailConsole(t *testing.T, b *box) *Console {
	t.Helper()
	return newConsole(t, newDesk(t, ticket.Config{}), func(cfg *ConsoleConfig) { cfg.Mails = b })
}

func TestHeldMailsAreListed(t *testing.T) {
	b := newBox(120)
	c := mailConsole(t, b)
	seen := 0
	address := "/mails"
	for address != "" {
		body := get(c, address).Body.String()
		seen += strings.Count(body, `class="card letter"`)
		require.NotContains(t, body, "bulk@example.com")
		next := between(body, `<a rel="next" href="`, `"`)
		if address = ""; next != "" {
			address = "/" + strings.ReplaceAll(next, "&amp;", "&")
		}
	}
	require.Equal(t, 120, seen)
	body := get(c, "/mails").Body.String()
	require.Equal(t, 50, strings.Count(body, ">Wärme</a>"), "the subjects")
	require.Contains(t, body, "ada@example.com · mailbox support")
	b.fail = errors.New("the file is gone")
	require.Contains(t, get(c, "/mails").Body.String(), ">ada@example.com</a>")
	b.fail = nil
	ignored := get(c, "/mails?state=ignored").Body.String()
	require.Contains(t, ignored, "bulk@example.com")
	require.Contains(t, ignored, "a list")
	require.Contains(t, get(c, "/mails?state=done").Body.String(), "No mail came in.")
	require.Equal(t, http.StatusOK, get(c, "/mails?state=nonsense&before=x").Code)
	require.Equal(t, http.StatusNotFound, get(newConsole(t, newDesk(t, ticket.Config{}), nil), "/mails").Code, "no mails, no page")
}

func TestAMailIsShownAsText(t *testing.T) {
	b := newBox(1)
	c := mailConsole(t, b)
	w := get(c, "/mails/"+b.list[0].ID.String())
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.Contains(t, body, "Die Wärme &lt;b&gt;fehlt&lt;/b&gt;.")
	require.Contains(t, body, "<dd class=\"breakable\">Wärme</dd>")
	require.Contains(t, body, "the sender has opened 20 tickets")
	require.Contains(t, body, "the subject names &lt;i&gt;a ticket&lt;/i&gt;")
	require.Contains(t, body, "7Q4K92MXF")
	require.Contains(t, body, `value="release"`)
	b.fail = errors.New("the file is gone")
	body = get(c, "/mails/"+b.list[0].ID.String()).Body.String()
	require.Contains(t, body, "cannot be read")
	require.NotContains(t, body, "the file is gone")
	b.list[0].Erase(noon)
	require.Contains(t, get(c, "/mails/"+b.list[0].ID.String()).Body.String(), "were erased")
	require.Equal(t, http.StatusNotFound, get(c, "/mails/nonsense").Code)
	require.Equal(t, http.StatusNotFound, get(c, "/mails/"+ticket.NewID(noon).String()).Code)
}

func TestButtonsOfAMail(t *testing.T) {
	b := newBox(1)
	c := mailConsole(t, b)
	id := b.list[0].ID.String()
	for _, do := range []string{"release", "retake", "forget"} {
		w := post(c, "/mails/"+id, flat, strings.NewReader("do="+do))
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, "../mails?did="+do+"&state=held", w.Header().Get("Location"))
		require.True(t, slices.Contains(b.did, do+" "+id))
		require.Contains(t, get(c, "/mails?did="+do).Body.String(), `role="status"`)
	}
	require.Len(t, b.did, 3)
	require.Equal(t, http.StatusBadRequest, post(c, "/mails/"+id, flat, strings.NewReader("do=explode")).Code)
	require.Equal(t, http.StatusForbidden, post(c, "/mails/"+id, flat, strings.NewReader("do=forget"), header("Sec-Fetch-Site", "cross-site")).Code)
	require.Len(t, b.did, 3)
	b.fail = ticket.ErrClaimLost
	require.Equal(t, http.StatusConflict, post(c, "/mails/"+id, flat, strings.NewReader("do=forget")).Code)
	require.Equal(t, http.StatusNotFound, post(c, "/mails/"+ticket.NewID(noon).String(), flat, strings.NewReader("do=forget")).Code)
}

func TestTheTextOfMails(t *testing.T) {
	multi := func(parts ...string) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	deep := "Content-Type: text/plain\r\n\r\nfound"
	for i := range 20 {
		b := fmt.Sprintf("deep%d.", i)
		deep = "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n" + deep + "\r\n--" + b + "--\r\n"
	}
	for name, c := range map[string]struct {
		raw  string
		want mailText
	}{
		"plain":           {"Subject: a\r\n\r\nhello\r\n", mailText{text: "hello"}},
		"not a mail":      {"no header at all", mailText{broken: true}},
		"nothing":         {"", mailText{broken: true}},
		"base64":          {"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n", mailText{text: "hello"}},
		"broken base64":   {"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=!!!\r\n", mailText{text: "hello", cut: true}},
		"both":            {multi("Content-Type: text/plain\r\n\r\nwords", "Content-Type: text/html\r\n\r\n<p>HTML</p>"), mailText{text: "words"}},
		"html only":       {"Content-Type: text/html\r\n\r\n<head><title>t</title></head><style>p{}</style><p>a &amp; b</p><script>alert(1)</script><p>c<br>d", mailText{text: "a & b\n\nc\nd", fromHTML: true}},
		"open tag":        {"Content-Type: text/html\r\n\r\na<b <i", mailText{text: "a", fromHTML: true}},
		"open script":     {"Content-Type: text/html\r\n\r\na<script>b", mailText{text: "a", fromHTML: true}},
		"a file":          {multi("\r\nhello", "Content-Type: application/pdf; name=\"=?utf-8?q?=C3=A4.pdf?=\"\r\n\r\nx", "Content-Disposition: attachment\r\n\r\ny"), mailText{text: "hello", files: []string{"ä.pdf", "text/plain"}}},
		"hostile letters": {"\r\na\u202eb\x00c\x1b[31md", mailText{text: "abc[31md"}},
		"not UTF-8":       {"\r\na\xffb", mailText{text: "a\uFFFDb"}},
		"latin1 is UTF-8": {"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nä", mailText{text: "ä"}},
		"too deep":        {deep, mailText{cut: true}},
		"cut short":       {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello", mailText{text: "hello", cut: true}},
		"no boundary":     {"Content-Type: multipart/mixed\r\n\r\nx", mailText{cut: true}},
	} {
		got := readMail(strings.NewReader(c.raw))
		require.Equal(t, c.want.text, got.text, name)
		require.Equal(t, c.want.fromHTML, got.fromHTML, name)
		require.Equal(t, c.want.broken, got.broken, name)
		require.Equal(t, c.want.files, got.files, name)
		require.Equal(t, c.want.cut, got.cut, name)
	}
	long := readMail(strings.NewReader("\r\n" + strings.Repeat("a", 1<<20)))
	require.True(t, long.cut)
	require.Len(t, long.text, mostMailText)
	many := readMail(strings.NewReader(multi(slices.Repeat([]string{"Content-Type: image/png\r\n\r\nx"}, 1000)...)))
	require.True(t, many.cut)
	require.LessOrEqual(t, len(many.files), mostMailParts)
}

// Whatever arrives, it is shown as valid text without letters that steer a terminal.
func FuzzTheTextOfMails(f *testing.F) {
	f.Add("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a&#8238;</p>\r\n--b--")
	f.Add("Subject: =?utf-8?q?=E2=80=AE?=\r\n\r\nhello")
	f.Fuzz(func(t *testing.T, raw string) {
		got := readMail(strings.NewReader(raw))
		all := got.text
		for _, h := range got.head {
			all += h[1]
		}
		all += strings.Join(got.files, "")
		require.Equal(t, strings.ToValidUTF8(all, "?"), all)
		require.NotContains(t, all, "\u202e")
		require.NotContains(t, all, "\x00")
		require.NotContains(t, all, "\x1b")
	})
}

// A mail is a stranger's. To show it takes a time that grows with its length, and not with its
// square, which would be minutes here.
func TestAMailOfManyTagsIsReadQuickly(t *testing.T) {
	began := time.Now()
	require.Equal(t, "words", withoutTags(strings.Repeat("<STYLE>x</x></Style>", 200_000)+"words"))
	require.Less(t, time.Since(began), 10*time.Second)
}
