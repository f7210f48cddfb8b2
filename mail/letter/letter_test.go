package letter_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

var update = flag.Bool("update", false, "write the golden files")

const number = ticket.Number("7Q4K-92MX-F")

// mustID parses an ID and panics if it is none.
func mustID(s string) ticket.ID {
	id, err := ticket.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

// about returns a notification of a kind with all its data.
func about(t *testing.T, k ticket.Kind, role ticket.Role, locale string) ticket.Notification {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := time.Date(2026, 7, 2, 9, 4, 5, 0, time.UTC)
	n := ticket.Notification{
		ID: mustID("01JZ4Y0000000000000000000A"), Kind: k, Attempt: 1,
		Ticket: mustID("01JZ4X0000000000000000000B"), Number: number, Seq: 3, At: at,
		Subject: "Drucker druckt <leere> Seiten & mehr", Phase: ticket.PhaseInProgress,
		To:   ticket.Recipient{Role: role, Person: ticket.Person{Name: "Ada Byron", Email: "ada@example.org", Locale: locale}},
		Zone: zone, StatusLink: "https://help.example.org/t/abc?x=1&y=2",
	}
	switch k {
	case ticket.KindReceived, ticket.KindCustomer, ticket.KindQueued, ticket.KindEscalated, ticket.KindAssigned:
		n.Message = "Since this morning, every second page.\n\nWhat can I do?"
		n.Attachments = []ticket.Attachment{{Name: "page <1>.png", Size: 1_234_567, SHA256: ticket.Digest{0xab}}}
	case ticket.KindUploaded:
		n.Attachments = []ticket.Attachment{{Name: "page <1>.png", Size: 1_234_567, SHA256: ticket.Digest{0xab}}, {Name: "log.txt", Size: 1}}
	case ticket.KindAnswered, ticket.KindSolved:
		n.Message, n.Writer = "Please switch it off & on again.", "Lin"
	case ticket.KindRated:
		n.Message, n.Writer, n.Score = "It took three weeks.\n\nAnd the lid is loose.", "Grace", 2
	case ticket.KindAsked:
		n.Message = "Which model is it?"
	case ticket.KindMerged:
		n.Into = "9NC5-QBN3-1"
	}
	switch k {
	case ticket.KindReceived, ticket.KindQueued:
		n.Phase, n.Expected = ticket.PhaseReceived, at.Add(26*time.Hour)
	case ticket.KindRescheduled:
		n.Expected = at.Add(26 * time.Hour)
	case ticket.KindDueSoon, ticket.KindOverdue:
		n.Metric, n.Due = "first answer", at.Add(2*time.Hour)
	case ticket.KindHanded, ticket.KindReopened:
		n.With = "with the specialists"
	case ticket.KindFeedback, ticket.KindRated:
		n.Phase = ticket.PhaseClosed
	case ticket.KindSolved, ticket.KindClosed:
		n.Phase, n.ReopenUntil = ticket.PhaseSolved, at.Add(14*24*time.Hour)
	case ticket.KindCustomer:
		n.Writer = "Grace"
	}
	if role == ticket.RoleAgent && (k == ticket.KindQueued || k == ticket.KindEscalated || k == ticket.KindOverdue) {
		n.To = ticket.Recipient{Role: role, Queue: "hardware", Level: 2, Person: ticket.Person{Locale: locale}}
	}
	return n
}

// example tests one notification.
type example func(t *testing.T, name string, n ticket.Notification)

// each calls f for every kind, audience and language.
func each(t *testing.T, f example) {
	t.Helper()
	for _, locale := range []string{"en", "de"} {
		for _, k := range ticket.Kinds(ticket.RoleCustomer) {
			name := locale + "/" + strings.ReplaceAll(string(k), " ", "-")
			t.Run(name, func(t *testing.T) { f(t, name, about(t, k, ticket.RoleRequester, locale)) })
		}
		for _, k := range ticket.Kinds(ticket.RoleAgent) {
			name := locale + "/agent-" + strings.ReplaceAll(string(k), " ", "-")
			t.Run(name, func(t *testing.T) { f(t, name, about(t, k, ticket.RoleAgent, locale)) })
		}
		t.Run(locale+"/agent-copy", func(t *testing.T) {
			f(t, locale+"/agent-copy", about(t, ticket.KindSolved, ticket.RoleAgent, locale))
		})
		t.Run(locale+"/received-follower", func(t *testing.T) {
			f(t, locale+"/received-follower", about(t, ticket.KindReceived, ticket.RoleFollower, locale))
		})
		t.Run(locale+"/feedback-no-link", func(t *testing.T) {
			n := about(t, ticket.KindFeedback, ticket.RoleRequester, locale)
			n.StatusLink = ""
			f(t, locale+"/feedback-no-link", n)
		})
		t.Run(locale+"/agent-rated-score", func(t *testing.T) {
			n := about(t, ticket.KindRated, ticket.RoleAgent, locale)
			n.Message, n.Writer = "", ""
			f(t, locale+"/agent-rated-score", n)
		})
		t.Run(locale+"/rescheduled-unknown", func(t *testing.T) {
			n := about(t, ticket.KindRescheduled, ticket.RoleRequester, locale)
			n.Expected = time.Time{}
			f(t, locale+"/rescheduled-unknown", n)
		})
		for _, k := range []ticket.Kind{ticket.KindUploaded, ticket.KindCustomer, ticket.KindReopened} {
			t.Run(locale+"/"+string(k)+"-expected", func(t *testing.T) {
				n := about(t, k, ticket.RoleRequester, locale)
				n.Expected = n.At.Add(26 * time.Hour)
				f(t, locale+"/"+string(k)+"-expected", n)
			})
		}
	}
}

func newLetters(t *testing.T, cfg letter.Config) *letter.Letters {
	t.Helper()
	l, err := letter.New(cfg)
	require.NoError(t, err)
	return l
}

func config() letter.Config {
	return letter.Config{
		Desk:     "The Example Shop",
		AgentURL: func(n ticket.Notification) string { return "https://desk.example.org/" + string(n.Number) },
	}
}

// Every kind in every language equals its reviewed golden file.
func TestEveryKindEqualsItsGoldenFile(t *testing.T) {
	l := newLetters(t, config())
	each(t, func(t *testing.T, name string, n ticket.Notification) {
		t.Helper()
		got, err := l.Write(n)
		require.NoError(t, err)
		golden(t, name+".txt", "Subject: "+got.Subject+"\n\n"+got.Text)
		golden(t, name+".html", got.HTML)

		assert.Equal(t, n.To.Person.Locale, got.Language)
		for _, s := range []string{got.Subject, got.Text, got.HTML} {
			assert.Contains(t, s, string(number))
			assert.NotContains(t, s, "<no value>")
		}
		assert.Contains(t, got.HTML, `<html lang="`+got.Language+`">`)
		wellFormed(t, got.HTML)
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", filepath.FromSlash(name))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	assert.Equal(t, string(want), got, name)
}

// wellFormed rejects unclosed elements, and elements that load or run something.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			require.ErrorContains(t, z.Err(), "EOF")
			require.Empty(t, open)
			return
		case html.StartTagToken:
			tok := z.Token()
			require.NotContains(t, []string{"script", "img", "link", "iframe", "style", "form", "object", "base"}, tok.Data)
			for _, a := range tok.Attr {
				require.False(t, strings.HasPrefix(a.Key, "on"), "%s=%q", a.Key, a.Val)
				require.NotContains(t, a.Val, "url(")
			}
			if tok.Data != "br" && tok.Data != "meta" {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			require.NotEmpty(t, open)
			require.Equal(t, open[len(open)-1], z.Token().Data)
			open = open[:len(open)-1]
		default:
		}
	}
}

func TestPreferredLanguageIsMatched(t *testing.T) {
	l := newLetters(t, letter.Config{})
	german := newLetters(t, letter.Config{Fallback: "de"})
	for _, c := range []struct {
		l               *letter.Letters
		locale, is, has string
	}{
		{l, "", "en", "3 July 2026, 13:04 CEST"},
		{l, "en-GB", "en", "3 July 2026, 13:04 CEST"},
		{l, "en-US", "en", "July 3, 2026, 1:04 PM CEST"},
		{l, "en_US", "en", "1.2 MB"},
		{l, "de", "de", "3. Juli 2026, 13:04 Uhr MESZ"},
		{l, "de-CH", "de", "1.2 MB"}, // Switzerland uses a decimal point
		{l, "de-AT", "de", "1,2 MB"},
		{l, "de-x-formal", "de", "1,2 MB"},
		{l, "fr", "en", ""},
		{l, "no such thing", "en", ""},
		{l, strings.Repeat("de-", 100_000), "en", ""},
		{german, "fr", "de", ""},
		{german, "", "de", ""},
		{german, "en-AU", "en", ""},
	} {
		n := about(t, ticket.KindReceived, ticket.RoleRequester, c.locale)
		got, err := c.l.Write(n)
		require.NoError(t, err)
		require.Equal(t, c.is, got.Language, "%.50s", c.locale)
		require.Contains(t, got.Text, c.has, "%.50s", c.locale)
		require.Contains(t, got.HTML, c.has, "%.50s", c.locale)
	}
	require.Equal(t, []string{"de", "en"}, german.Languages())
}

func TestTimesAreInTheZoneOfTheRecipient(t *testing.T) {
	l := newLetters(t, letter.Config{})
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		require.NoError(t, err)
		return z
	}
	for _, c := range []struct {
		zone   *time.Location
		locale string
		want   string
	}{
		{nil, "en", "3 July 2026, 11:04 UTC"},
		{time.UTC, "de", "3. Juli 2026, 11:04 Uhr UTC"},
		{zone("America/New_York"), "en", "3 July 2026, 07:04 EDT"},
		{zone("America/Sao_Paulo"), "en", "3 July 2026, 08:04 UTC-03:00"},
		{zone("Asia/Kathmandu"), "de", "3. Juli 2026, 16:49 Uhr UTC+05:45"},
		{time.FixedZone("", 3600), "en", "3 July 2026, 12:04 UTC+01:00"},
	} {
		n := about(t, ticket.KindReceived, ticket.RoleRequester, c.locale)
		n.Zone = c.zone
		got, err := l.Write(n)
		require.NoError(t, err)
		require.Contains(t, got.Text, c.want)
	}
}

// Hostile names, subjects and messages are shown as text.
func TestHostileInput(t *testing.T) {
	l := newLetters(t, config())
	each(t, func(t *testing.T, _ string, n ticket.Notification) {
		t.Helper()
		n.Subject = "Hi\r\nBcc: all@example.org\r\n\r\n\u202egnp.exe\u2066\x00\x1b[31m <script>alert(1)</script> {{.Link}}" + strings.Repeat(" long", 1000)
		n.Message = "</blockquote><script>alert(1)</script>\x00\u202e\r\n{{.Link}}\r[x](javascript:alert(1))" + ticket.Message(strings.Repeat("x", 100_000))
		n.Writer, n.With = "<b>\r\nx</b>", "<b>\r\nx</b>"
		n.To.Person.Name = "visit https://example.net/win now"
		n.Attachments = []ticket.Attachment{{Name: "a\r\n<img src=x onerror=alert(1)>\u202egnp", Size: -5}}
		n.StatusLink = "javascript:alert(1)"
		if n.Metric != "" {
			n.Metric = "<b>no metric</b>"
		}
		got, err := l.Write(n)
		require.NoError(t, err)
		require.NotContains(t, got.Text+got.HTML, "example.net")
		require.NotContains(t, got.Text+got.HTML, "no metric")
		require.NotContains(t, got.Text+got.HTML, "href=\"javascript")
		require.LessOrEqual(t, len([]rune(got.Subject)), 200)
		require.True(t, strings.HasPrefix(got.Subject, "["+string(number)+"] Hi Bcc: all@example.org gnp.exe[31m <script>"), got.Subject)
		for _, s := range []string{got.Subject, got.Text, got.HTML} {
			require.NotContains(t, s, "\r")
			require.NotContains(t, s, "\x00")
			require.NotContains(t, s, "\u202e")
		}
		wellFormed(t, got.HTML)
	})
}

// Unknown values leave no gaps in the text.
func TestUnknownValuesLeaveNoGaps(t *testing.T) {
	l := newLetters(t, letter.Config{})
	for _, k := range ticket.Kinds(ticket.RoleCustomer) {
		got, err := l.Write(ticket.Notification{Kind: k, Number: number, To: ticket.Recipient{Role: ticket.RoleRequester}})
		require.NoError(t, err)
		require.Equal(t, "[7Q4K-92MX-F] Request", got.Subject)
		require.NotContains(t, got.Text, "\n\n\n")
		require.NotContains(t, got.Text, " ,")
		require.NotContains(t, got.HTML, "<p></p>")
		wellFormed(t, got.HTML)
	}
}

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	for _, c := range []struct {
		url  string
		good bool
	}{
		{"https://example.org/t/abc", true},
		{"http://localhost:8080/t?x=1&y=%20", true},
		{"", false},
		{"javascript:alert(1)", false},
		{"JaVaScRiPt:alert(1)", false},
		{"data:text/html,hi", false},
		{"//example.org", false},
		{"https:///x", false},
		{"https://ada:secret@example.org/", false},
		{"https://example.org/\r\nx", false},
		{"https://example.org/a b", false},
		{"https://example.org/\u202e", false},
		{`https://example.org/"x`, false},
		{"https://example.org/" + strings.Repeat("x", 3000), false},
	} {
		l := newLetters(t, letter.Config{AgentURL: func(ticket.Notification) string { return c.url }})
		for _, role := range []ticket.Role{ticket.RoleRequester, ticket.RoleAgent} {
			n := about(t, ticket.KindCustomer, role, "en")
			n.StatusLink = c.url
			got, err := l.Write(n)
			require.NoError(t, err)
			require.Equal(t, c.good, strings.Contains(got.HTML, "href="), "%.60q", c.url)
			require.Equal(t, c.good, c.url != "" && strings.Contains(got.Text, "\n"+c.url+"\n"), "%.60q", c.url)
		}
	}
}

func TestNoReplyLettersAskForNoReply(t *testing.T) {
	l := newLetters(t, letter.Config{NoReply: true})
	require.False(t, l.InvitesReplies())
	each(t, func(t *testing.T, _ string, n ticket.Notification) {
		t.Helper()
		got, err := l.Write(n)
		require.NoError(t, err)
		for _, s := range []string{"reply to this message", "antworten Sie einfach", "antworten Sie auf"} {
			require.NotContains(t, got.Text, s)
			require.NotContains(t, got.HTML, s)
		}
	})
}

func TestTemplatesOfTheApplication(t *testing.T) {
	embedded := os.DirFS("templates")
	files := func(change map[string]string) fstest.MapFS {
		m := fstest.MapFS{}
		for name, s := range change {
			m[name] = &fstest.MapFile{Data: []byte(s)}
		}
		return m
	}
	t.Run("one file", func(t *testing.T) {
		l := newLetters(t, letter.Config{Templates: files(map[string]string{
			"en/solved.txt": "\ufeff{{.Number}} is done\r\n\r\nDear {{.Name}},\r\n{{.Number}} is done.",
		})})
		got, err := l.Write(about(t, ticket.KindSolved, ticket.RoleRequester, "en"))
		require.NoError(t, err)
		require.Equal(t, "7Q4K-92MX-F is done", got.Subject)
		require.Equal(t, "Dear Ada Byron,\n7Q4K-92MX-F is done.\n", got.Text)
		require.Contains(t, got.HTML, "We believe that")
	})
	t.Run("a language", func(t *testing.T) {
		m := fstest.MapFS{}
		require.NoError(t, fs.WalkDir(embedded, "en", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(embedded, path)
			m["fr"+strings.TrimPrefix(path, "en")] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(b), "Hello", "Bonjour"))}
			return err
		}))
		l := newLetters(t, letter.Config{Templates: m})
		require.Equal(t, []string{"en", "de", "fr"}, l.Languages())
		got, err := l.Write(about(t, ticket.KindReceived, ticket.RoleRequester, "fr-CA"))
		require.NoError(t, err)
		require.Equal(t, "fr", got.Language)
		require.Contains(t, got.Text, "Bonjour Ada Byron,")
		require.Contains(t, got.Text, "2026-07-03 13:04 CEST")

		delete(m, "fr/merged.html")
		_, err = letter.New(letter.Config{Templates: m})
		require.EqualError(t, err, "letter: fr/merged.html: is missing")
	})
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"does not parse": {map[string]string{"en/solved.txt": "{{.Number}}\n\n\n{{if}}", "de/closed.html": "{{end}}"},
			[]string{"letter: en/solved.txt: template: en/solved.txt:4: ", "letter: de/closed.html: "}},
		"unknown field": {map[string]string{"en/solved.html": "{{.Number}} {{.Nubmer}}"}, []string{"letter: en/solved.html: ", "Nubmer"}},
		"fails on sparse data": {map[string]string{"en/uploaded.txt": "{{.Number}}\n\n{{.Number}} {{(index .Files 0).Name}}"},
			[]string{"letter: en/uploaded.txt: ", "index out of range"}},
		"fails on agents": {map[string]string{"en/agent-copy.txt": "{{.Number}}\n\n{{.Number}} {{template \"no\" .}}"}, []string{"letter: en/agent-copy.txt: ", `"no" not defined`}},
		"no empty line":   {map[string]string{"de/asked.txt": "{{.Number}}\n{{.Number}}"}, []string{"letter: de/asked.txt: the line after the subject must be empty"}},
		"no number": {map[string]string{"de/asked.txt": "Hallo\n\nHallo", "de/asked.html": "Hallo"}, []string{
			"letter: de/asked.txt: the subject must contain the number", "letter: de/asked.txt: the text must contain", "letter: de/asked.html: the text must contain"}},
		"no language":         {map[string]string{"templates/en/x.txt": "x"}, []string{"letter: templates: the folder name is not a language"}},
		"unsafe html":         {map[string]string{"en/solved.html": `{{.Number}}<a href="{{.Subject}}`}, []string{"letter: en/solved.html: "}},
		"broken parts":        {map[string]string{"en/parts.html": "{{", "en/words.txt": "{{"}, []string{"letter: en/parts.html: ", "letter: en/words.txt: "}},
		"a language in parts": {map[string]string{"fr/words.txt": ""}, []string{"letter: fr/parts.txt: is missing", "letter: fr/parts.html: is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := letter.New(letter.Config{Templates: files(c.files)})
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			fault, ok := errors.AsType[*letter.TemplateError](err)
			require.True(t, ok)
			require.NotEmpty(t, fault.File)
		})
	}
	t.Run("fallback", func(t *testing.T) {
		_, err := letter.New(letter.Config{Fallback: "fr"})
		require.EqualError(t, err, "letter: fr: the fallback is not a language with templates: de, en")
	})
}

// A template that fails on one ticket only is a permanent error of Write.
func TestWriteReportsAFailingTemplate(t *testing.T) {
	l := newLetters(t, letter.Config{Templates: fstest.MapFS{"en/answered.txt": &fstest.MapFile{
		Data: []byte(`{{.Number}}

{{.Number}} {{if eq .Subject "bad"}}{{index .Files 99}}{{end}}`)}}})
	n := about(t, ticket.KindAnswered, ticket.RoleRequester, "en")
	_, err := l.Write(n)
	require.NoError(t, err)
	n.Subject = "bad"
	_, err = l.Write(n)
	require.ErrorContains(t, err, "letter: en/answered.txt: template: en/answered.txt:3:")
	fault, ok := errors.AsType[*letter.TemplateError](err)
	require.True(t, ok)
	require.Equal(t, "en/answered.txt", fault.File)
}

func TestCheckReportsKindsWithoutTemplates(t *testing.T) {
	l := newLetters(t, letter.Config{})
	require.NoError(t, l.Check(ticket.Kinds(ticket.RoleCustomer)))
	require.NoError(t, l.Check(ticket.Kinds(ticket.RoleAgent)))
	require.EqualError(t, l.Check([]ticket.Kind{ticket.KindEvent, ticket.KindSolved}), `letter: the kind "event" has no template`)
	_, err := l.Write(ticket.Notification{Kind: ticket.KindAssigned, Number: number, To: ticket.Recipient{Role: ticket.RoleRequester}})
	require.ErrorContains(t, err, `the kind "assigned" has no template`)
}

func TestLineRemovesInvisibleCharacters(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"  a \t b\r\n c\u2028d\u00a0", "a b c d"},
		{"a\x00b\u200bc\ufeff", "abc"},
		{"\u202eabc\u2069", "abc"},
		{"\xff\xfe", "\ufffd\ufffd"},
		{"12345678901", "123456789…"},
		{"1234567890", "1234567890"},
		{"1234567 9 1", "1234567 9…"},
		{"12345678 901", "12345678…"},
		{"👩\u200d🔧", "👩\u200d🔧"},
	} {
		require.Equal(t, c.want, letter.Line(c.in, 10), "%q", c.in)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\r\nBcc: x", 10)
	f.Add("\u202e\xff …", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 1 {
			most = 1
		}
		got := letter.Line(s, most)
		require.LessOrEqual(t, len([]rune(got)), most)
		require.NotContains(t, got, "\n")
		require.NotContains(t, got, "\r")
		require.NotContains(t, got, "\u202e")
		require.Equal(t, strings.TrimSpace(got), got)
		require.Equal(t, got, letter.Line(got, most), "twice is once")
	})
}

func FuzzWrite(f *testing.F) {
	l, err := letter.New(letter.Config{})
	require.NoError(f, err)
	f.Add("Printer", "words", "Ada", "https://example.org", "de-CH", "a.png", int64(5), uint8(3), false)
	f.Add("\r\n", "<script>", "\u202e", "javascript:x", "x-y-z", "\x00", int64(-1), uint8(9), true)
	f.Fuzz(func(t *testing.T, subject, words, name, link, locale, file string, size int64, kind uint8, agent bool) {
		kinds := ticket.Kinds(ticket.RoleCustomer)
		n := ticket.Notification{
			Kind: kinds[int(kind)%len(kinds)], Number: number, Subject: subject, Message: ticket.Message(words), Writer: name, With: name, StatusLink: link,
			To: ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: name, Locale: locale}}, At: time.Unix(size%1e12, 0),
			Attachments: []ticket.Attachment{{Name: file, Size: size}}, Metric: name,
		}
		n.Expected, n.Due = n.At.Add(time.Hour), n.At.Add(2*time.Hour)
		if agent {
			n.To.Role = ticket.RoleAgent
		}
		got, err := l.Write(n)
		require.NoError(t, err)
		require.Contains(t, got.Subject, string(number))
		require.NotContains(t, got.Subject, "\n")
		wellFormed(t, got.HTML)
	})
}

// A template file that is never read is an error.
func TestMisspelledTemplatesAreErrors(t *testing.T) {
	for _, path := range []string{"de/recieved.txt", "de/handed on.txt", "de/received.htm", "de/parts", "templates/de/received.txt"} {
		_, err := letter.New(letter.Config{Templates: fstest.MapFS{path: {Data: []byte("s {{.Number}}\n\n{{.Number}}")}}})
		require.Error(t, err, path)
	}
	_, err := letter.New(letter.Config{Templates: fstest.MapFS{"de/received.txt": {Data: []byte("s {{.Number}}\n\n{{.Number}}")}, "README": {}}})
	require.NoError(t, err)
}

// Spaces and empty lines of a message, as in code and tables, are kept.
func TestSpacesInMessagesAreKept(t *testing.T) {
	l := newLetters(t, letter.Config{})
	words := "Do this:\n\n\n    if x  {\n\t\tgo()\n    }\n\nName    Price\nInk        12"
	for _, k := range []ticket.Kind{ticket.KindAnswered, ticket.KindReceived} {
		n := about(t, k, ticket.RoleRequester, "en")
		n.Message = ticket.Message(words)
		got, err := l.Write(n)
		require.NoError(t, err)
		text := words
		if k == ticket.KindReceived { // the message is quoted
			text = strings.ReplaceAll("> "+strings.ReplaceAll(words, "\n", "\n> "), "> \n", ">\n")
		}
		require.Contains(t, got.Text, text)
		_, shown, found := strings.Cut(got.HTML, `<pre style="margin:0;white-space:pre-wrap;font:inherit">`)
		require.True(t, found)
		shown, _, _ = strings.Cut(shown, "</pre>")
		require.Equal(t, words, html.UnescapeString(strings.ReplaceAll(shown, "<br>", "\n")))
		wellFormed(t, got.HTML)
	}
}
