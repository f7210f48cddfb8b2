package mailbox

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
)

// ours says that a Message-ID is of a letter of the shop.
func ours(id string) bool { return strings.HasSuffix(id, "@shop.example") }

// rawMail returns a mail of testdata.
func rawMail(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "parse", name+".eml"))
	require.NoError(t, err)
	return raw
}

// read parses a mail of testdata.
func read(t *testing.T, name string) *message {
	t.Helper()
	m, err := parse(rawMail(t, name), ours, limits{})
	require.NoError(t, err)
	return m
}

// readText parses a mail that is written in a test.
func readMail(t *testing.T, raw string) *message {
	t.Helper()
	m, err := parse([]byte(raw), ours, limits{})
	require.NoError(t, err)
	return m
}

// names returns the names of files.
func names(list []file) (names []string) {
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

func TestHeaderIsRead(t *testing.T) {
	m := read(t, "delivered")
	assert.Equal(t, "delivered@customer.example", m.MessageID)
	assert.Equal(t, []netmail.Address{{Name: "Ada Byron", Address: "ada@customer.example"}}, m.From)
	assert.Equal(t, []netmail.Address{{Name: "Example Shop", Address: "support@shop.example"}}, m.To)
	assert.Equal(t, []netmail.Address{
		{Name: "Byron, Bob", Address: "Bob@customer.example"}, {Address: "eve@xn--mnchen-3ya.example"},
		{Address: "x@y.example"}, {Address: "z@y.example"},
	}, m.Cc)
	assert.Equal(t, []netmail.Address{{Address: "support+7Q4K92MXFABC@shop.example"}}, m.DeliveredTo)
	assert.Equal(t, time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC), m.Date)
	assert.Equal(t, "de-AT", m.Language)
	assert.Equal(t, "ada@customer.example", m.ReturnPath)
	assert.True(t, m.HasReturnPath)
	assert.Equal(t, 2, m.Received)
	assert.Empty(t, m.Problems)

	m = read(t, "reply-top")
	assert.Equal(t, []string{"01JZ4Y0000000000000000000A@shop.example"}, m.InReplyTo)
	assert.Equal(t, []string{"01JZ4Y0000000000000000000T@shop.example", "01JZ4Y0000000000000000000A@shop.example"}, m.References)

	assert.Equal(t, "Grüße aus München [7Q4K-92MX-F]", read(t, "words").Subject, "neighbours are decoded together")
	assert.Empty(t, read(t, "no-from").From)
	assert.Empty(t, read(t, "empty-message-id").MessageID)
	assert.Empty(t, read(t, "empty-reply-to").ReplyTo)
	assert.False(t, read(t, "plain").HasReturnPath)
	bulk := read(t, "bulk")
	assert.True(t, bulk.HasReturnPath)
	assert.Empty(t, bulk.ReturnPath)
}

func TestWhatIsNoMailIsRefused(t *testing.T) {
	for _, raw := range []string{"", "\n", "no header at all", "\x00\x01\x02", "From ada\n\nbody"} {
		_, err := parse([]byte(raw), nil, limits{})
		require.ErrorIs(t, err, errNoHeader, "%q", raw)
	}
}

func TestText(t *testing.T) {
	const letter = "> Hello Ada Byron,\n>\n> There is an answer to your request 7Q4K-92MX-F from Lin:\n>\n> Please switch it off & on again.\n>\n" +
		"> Kind regards\n> The Example Shop\n>\n> --\n> This message about request 7Q4K-92MX-F was sent automatically."
	for name, want := range map[string]struct {
		text   string
		cut    bool // there is more in Full
		quotes bool
	}{
		"plain":             {text: "The printer prints blank pages.\n\nAda"},
		"alternative":       {text: "The plain words."},
		"alternative-empty": {text: "The HTML words."},
		"html-only": {text: "The printer prints blank pages.\n\nSee the help page <https://shop.example/help?a=1&b=2> or https://shop.example.\n\n" +
			"- one\n- two\n\na b\nc d\n\nAda <3"},
		"cid":           {text: "See [the error] here"},
		"flowed":        {text: "This line goes on.\n> quoted goes on\n--\nAda", quotes: true},
		"gb2312":        {text: "打印机坏了。朱镕基 €"},
		"wrong-charset": {text: "Grüße € und grün"},
		"no-charset":    {text: "Größe"},
		"signed":        {text: "Signed words."},
		"pgp-inline":    {text: "The words.\n--\nAda"},
		"encrypted":     {}, "smime-encrypted": {}, "invitation": {},
		"dsn-511": {text: "This is the mail system. I could not deliver your message."},

		"reply-top":   {text: "It works now, thank you!", cut: true},
		"reply-phone": {text: "Still blank.\n\nSent from my iPhone", cut: true},
		"html-quote":  {text: "It works now.", cut: true},
		"reply-interleaved": {quotes: true, text: "On Mon, 2 Mar 2026, Example Shop <support@shop.example> wrote:\n" +
			"> There is an answer to your request 7Q4K-92MX-F from Lin:\n> Please switch it off & on again.\nI did that twice.\n> Kind regards\nRegards, Ada"},
		"reply-below": {quotes: true, text: "On Mon, 2 Mar 2026, Example Shop <support@shop.example> wrote:\n" + letter + "\n\nThank you, this helped."},
		"reply-other-quote": {quotes: true, text: "My colleague says:\n\nOn Mon, 2 Mar 2026 Bob <bob@customer.example> wrote:\n" +
			"> The toner of 7Q4K-92MX-F is empty."},
		"reply-not-ours": {quotes: true, text: "It works.\n\nOn Mon, 2 Mar 2026 Example Shop <support@shop.example> wrote:\n" + letter},
		"reply-outlook": {quotes: true, text: "It works.\n\nVon: Example Shop <support@shop.example>\nGesendet: Montag, 2. März 2026 09:00\n" +
			"An: Ada Byron <ada@customer.example>\nBetreff: [7Q4K-92MX-F] Printer\n\n" + strings.NewReplacer("> ", "", ">\n", "\n").Replace(letter)},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, name)
			assert.Equal(t, want.text, m.Text)
			assert.Equal(t, want.quotes, m.Quotes)
			if want.cut {
				assert.Greater(t, len(m.Full), len(m.Text))
				assert.True(t, strings.HasPrefix(m.Full, m.Text))
				assert.Contains(t, m.Full, "7Q4K-92MX-F")
			} else {
				assert.Equal(t, m.Text, m.Full)
			}
		})
	}
}

// A quote is cut only if all of the evidence is there: this takes away one piece after another.
func TestQuoteWithoutProofStays(t *testing.T) {
	const head = "From: ada@customer.example\nTo: support@shop.example\nSubject: Re: %s\nIn-Reply-To: %s\n\n"
	const own, number = "<1@shop.example>", "[7Q4K-92MX-F] Printer"
	for name, test := range map[string]struct {
		subject, answers, body string
		cut                    bool
	}{
		"all of it":                   {number, own, "Yes.\n\n> Request 7Q4K-92MX-F\n> is done.\n", true},
		"address instead of number":   {"Printer", own, "Yes.\n\nOn 2 May 2026, Shop <support+X@shop.example> wrote:\n> It is done.\n", true},
		"number in another subject":   {"Printer", own, "Yes.\n\n> Request 7q4k-92mx-f is done.\n", true},
		"numbers of another form":     {"[INC-000001] Printer", own, "Yes.\n\n> Request INC-000001 is done.\n", true},
		"neither number nor address":  {number, own, "Yes.\n\n> It is done.\n", false},
		"wrong check symbol":          {"Printer", own, "Yes.\n\n> Request 7Q4K-92MX-G is done.\n", false},
		"somebody else's words":       {number, own, "Yes.\n\nOn 2 May 2026, bob@customer.example wrote:\n> See 7Q4K-92MX-F.\n", false},
		"somebody else, in the quote": {number, own, "Yes.\n\n> On 2 May 2026, bob@customer.example wrote:\n> See 7Q4K-92MX-F.\n", false},
		"answer to another mail":      {number, "<1@elsewhere.example>", "Yes.\n\n> Request 7Q4K-92MX-F is done.\n", false},
		"answer to several":           {number, "<1@shop.example> <1@elsewhere.example>", "Yes.\n\n> Request 7Q4K-92MX-F is done.\n", false},
		"answer to none":              {number, "", "Yes.\n\n> Request 7Q4K-92MX-F is done.\n", false},
		"text below":                  {number, own, "Yes.\n\n> Request 7Q4K-92MX-F is done.\n\nAda\n", false},
		"text between":                {number, own, "Yes.\n\n> Request 7Q4K-92MX-F\nNo.\n> is done.\n", false},
		"nothing else":                {number, own, "> Request 7Q4K-92MX-F\n> is done.\n", false},
		"an introduction alone":       {number, own, "On 2 May 2026, support@shop.example wrote:\n> Request 7Q4K-92MX-F\n> is done.\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := readMail(t, fmt.Sprintf(head, test.subject, test.answers)+test.body)
			assert.Equal(t, strings.TrimSpace(test.body), m.Full)
			if test.cut {
				assert.Equal(t, "Yes.", m.Text)
			} else {
				assert.Equal(t, m.Full, m.Text)
			}
			assert.Equal(t, !test.cut, m.Quotes)
		})
	}
}

func TestFiles(t *testing.T) {
	m := read(t, "three-files")
	assert.Equal(t, []string{"image001.png", "image001.png", "image001.png"}, names(m.Files))
	for i, f := range m.Files {
		assert.Equal(t, fmt.Sprintf("\x89PNG %d", i+1), string(f.Content))
		assert.Equal(t, "image/png", f.MediaType)
		assert.False(t, f.Inline)
	}
	m = read(t, "cid")
	assert.Equal(t, []file{
		{Name: "logo.png", MediaType: "image/png", Inline: true, ContentID: "logo@1", Content: []byte("\x89PNG\r\n\x1a\n one")},
		{Name: "a.pdf", MediaType: "application/pdf", Content: []byte("PDF")},
	}, m.Files)
	assert.Equal(t, []string{"Résumé.pdf", "Résumé.pdf", "my file (1).pdf", "new.txt", "passwd", "_con.txt", "image.jpg", "photo_gpj.exe"}, names(read(t, "names").Files))

	signed := read(t, "signed")
	assert.True(t, signed.Signed)
	assert.False(t, signed.Encrypted)
	assert.Equal(t, []string{"smime.p7s"}, names(signed.Files))
	for name, file := range map[string]string{"encrypted": "encrypted.asc", "smime-encrypted": "smime.p7m"} {
		m := read(t, name)
		assert.True(t, m.Encrypted)
		assert.Equal(t, []string{file}, names(m.Files))
		assert.NotEmpty(t, m.Files[0].Content)
	}
	m = read(t, "invitation")
	assert.Equal(t, "Invitation: Visit of the technician, second try\nFrom: 2026-03-03 10:00 (Europe/Berlin)\nTo: 2026-03-03 11:00 (Europe/Berlin)\n"+
		"Where: Room 5\nOrganizer: Ada Byron <ada@customer.example>", m.Invitation)
	assert.Equal(t, []string{"invite.ics"}, names(m.Files))
}

func TestMachines(t *testing.T) {
	for name, want := range map[string]struct {
		automatic, quiet string
		reply, list      bool
	}{
		"plain":     {},
		"auto-no":   {},
		"absence":   {automatic: "Auto-Submitted is auto-replied", quiet: "X-Auto-Response-Suppress is All", reply: true},
		"suppress":  {quiet: "X-Auto-Response-Suppress is OOF, DR"},
		"list":      {quiet: "List-ID is set", list: true},
		"bulk":      {automatic: "Precedence is bulk"},
		"receipt":   {automatic: "it is a multipart/report"},
		"dsn-511":   {automatic: "Auto-Submitted is auto-replied", reply: true},
		"fwd-gmail": {},
	} {
		m := read(t, name)
		assert.Equal(t, want.automatic, m.Automatic, name)
		assert.Equal(t, want.quiet, m.Quiet, name)
		assert.Equal(t, want.reply, m.AutoReply, name)
		assert.Equal(t, want.list, m.List, name)
	}
	for head, want := range map[string]string{
		"Auto-Submitted: No":                          "",
		"Auto-Submitted: no (really)":                 "",
		"Auto-Submitted: auto-generated; type=x":      "Auto-Submitted is auto-generated",
		"Auto-Submitted: no\nAuto-Submitted: yes":     "Auto-Submitted is yes",
		"Precedence: JUNK":                            "Precedence is junk",
		"Precedence: auto_reply":                      "Precedence is auto_reply",
		"Precedence: first-class":                     "",
		"Return-Path: <>":                             "Return-Path is empty",
		"Return-Path: < >":                            "",
		"Return-Path: ":                               "",
		"Return-Path: <a@b.example>\nReturn-Path: <>": "",
		"X-Autoreply: yes":                            "",
	} {
		assert.Equal(t, want, readMail(t, head+"\nFrom: a@b.example\n\nx").Automatic, head)
	}
	exchange := readMail(t, "Auto-Submitted: auto-generated\nSubject: Automatische Antwort: Drucker\nFrom: a@b.example\n\nx")
	assert.True(t, exchange.AutoReply, "Exchange calls absence notes auto-generated")
	monitor := readMail(t, "Auto-Submitted: auto-generated\nSubject: Disk full\nFrom: a@b.example\n\nx")
	assert.False(t, monitor.AutoReply)
}

func TestReports(t *testing.T) {
	const id = "01JZ4Y0000000000000000000A"
	base := report{FinalRecipient: "ada@customer.example", OriginalRecipient: "ada@customer.example", Action: "failed",
		ReportingMTA: "mx.customer.example", EnvelopeID: id, MessageID: id + "@shop.example"}
	with := func(change func(r *report)) []report { r := base; change(&r); return []report{r} }
	for name, want := range map[string][]report{
		"dsn-511": with(func(r *report) {
			r.Status, r.Diagnostic = "5.1.1", "550 5.1.1 <ada@customer.example>: Recipient address rejected: User unknown in virtual mailbox table"
		}),
		"dsn-delayed": with(func(r *report) {
			r.Action, r.Status, r.Diagnostic = "delayed", "4.4.1", "connect to mx.customer.example[192.0.2.1]:25: Connection timed out"
		}),
		"dsn-571":   with(func(r *report) { r.Status, r.Diagnostic = "5.7.1", "554 5.7.1 Message rejected as spam" }),
		"dsn-vague": with(func(r *report) { r.Status, r.Diagnostic = "5.1.1", "550 #5.1.1 No such user 5.1.10" }),
		"dsn-forged": with(func(r *report) {
			r.FinalRecipient, r.Status, r.Diagnostic = "eve@elsewhere.example", "5.1.1", "550 5.1.1 unknown"
		}),
		"receipt":      {{FinalRecipient: "ada@customer.example", Action: "displayed", MessageID: id + "@shop.example"}},
		"attached-dsn": nil,
		"plain":        nil,
	} {
		m := read(t, name)
		assert.Equal(t, want, m.Reports, name)
		assert.Equal(t, name == "receipt", m.Receipt, name)
	}
}

func TestReportsOfSeveralRecipients(t *testing.T) {
	m := readMail(t, "From: x@y.example\nContent-Type: multipart/report; boundary=b; report-type=delivery-status\n\n--b\n\nText\n--b\n"+
		"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"+
		// Two recipients, with CR LF, the second by an address of RFC 6533.
		"UmVwb3J0aW5nLU1UQTogZG5zO214LnkuZXhhbXBsZQ0KDQpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjthQFkuZXhhbXBsZQ0KQWN0aW9uOiBGYWlsZWQgKGZhdGFsKQ0KU3RhdHVzOiA1LjIuMSAoZGlz"+
		"YWJsZWQpDQoNCkZpbmFsLVJlY2lwaWVudDogdXRmLTg7XHh7RTR9QHkuZXhhbXBsZQ0KQWN0aW9uOiBkZWxpdmVyZWQNClN0YXR1czogMi4wLjANCg==\n--b--\n")
	assert.Equal(t, []report{
		{FinalRecipient: "a@y.example", Action: "failed", Status: "5.2.1", ReportingMTA: "mx.y.example"},
		{FinalRecipient: "ä@y.example", Action: "delivered", Status: "2.0.0", ReportingMTA: "mx.y.example"},
	}, m.Reports)
}

func TestForwards(t *testing.T) {
	bob := netmail.Address{Name: "Bob Customer", Address: "bob@elsewhere.example"}
	date := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
	for name, want := range map[string]*forward{
		"fwd-gmail":     {From: bob, Subject: "Printer", Text: "My printer is broken.\n\nBob", Comment: "Can you take this?", File: -1},
		"fwd-outlook":   {From: netmail.Address{Name: "Bob Kunde", Address: bob.Address}, Subject: "Drucker", Text: "Mein Drucker ist kaputt.", Comment: "Bitte übernehmen.", File: -1},
		"fwd-apple":     {From: bob, Subject: "Printer", Text: "My printer is broken.\nBob", Comment: "See below.", File: -1},
		"fwd-attached":  {From: netmail.Address{Name: "Böb", Address: bob.Address}, Subject: "My printer", Date: date, Text: "It is broken.", Comment: "Please take this.", Attached: true},
		"fwd-two":       nil, // which of the two is the customer?
		"attached-dsn":  nil,
		"reply-outlook": nil,
		"reply-top":     nil,
	} {
		m := read(t, name)
		assert.Equal(t, want, m.Forward, name)
		assert.Equal(t, strings.HasPrefix(name, "fwd-") || name == "attached-dsn", m.Forwards, name)
	}
}

func TestAuthenticationResults(t *testing.T) {
	for name, want := range map[string]struct {
		server string
		trust  trust
	}{
		"auth":                     {"mx.shop.example", trustVerified},
		"auth, any case":           {"MX.Shop.Example", trustVerified},
		"auth, another server":     {"mx.other.example", trustUnknown},
		"auth, no server":          {"", trustUnknown},
		"auth-failed":              {"mx.shop.example", trustFailed},
		"auth-below":               {"mx.shop.example", trustUnknown},
		"auth-below, other server": {"other.example", trustUnknown},
		"plain":                    {"mx.shop.example", trustUnknown},
	} {
		file, _, _ := strings.Cut(name, ",")
		got, why := read(t, file).authenticated(want.server)
		assert.Equal(t, want.trust, got, "%s: %s", name, why)
		assert.NotEmpty(t, why)
	}
	const from = "From: Ada <ada@mail.shop.co.uk>\n\nx"
	for head, want := range map[string]trust{
		"mx; dmarc=pass header.from=mail.shop.co.uk":                                trustVerified,
		"mx; dmarc=pass header.from=shop.co.uk":                                     trustUnknown,
		"mx; dmarc=pass":                                                            trustUnknown,
		"mx; dmarc=bestguesspass header.from=mail.shop.co.uk":                       trustUnknown,
		"mx; dmarc=none header.from=mail.shop.co.uk; dkim=pass header.d=shop.co.uk": trustVerified,
		"mx; dkim=pass header.i=@news.shop.co.uk":                                   trustVerified,
		"mx; dkim=pass header.d=co.uk":                                              trustUnknown,
		"mx; dkim=pass header.d=evil.co.uk":                                         trustUnknown,
		"mx; dkim=fail header.d=shop.co.uk; dkim=pass header.d=evil.example":        trustUnknown,
		"mx; dkim=pass header.d=shop.co.uk; dmarc=fail":                             trustFailed,
		"mx; spf=pass smtp.mailfrom=mail.shop.co.uk":                                trustUnknown,
		`mx; spf=pass smtp.mailfrom="x; dmarc=pass header.from=mail.shop.co.uk"`:    trustUnknown,
		"mx; spf=none (x; dmarc=pass header.from=mail.shop.co.uk)":                  trustUnknown,
		"mx (x; dmarc=pass header.from=mail.shop.co.uk":                             trustUnknown,
		"mx; none": trustUnknown,
		"mx 1 ; dmarc / 1 = pass header.from = MAIL.shop.co.uk.": trustUnknown,
		"mx/1; dmarc=pass header.from=mail.shop.co.uk":           trustUnknown,
		"mx; dmarc/1=pass header.from=MAIL.shop.co.uk.":          trustVerified,
	} {
		got, _ := readMail(t, "Authentication-Results: "+head+"\n"+from).authenticated("mx")
		assert.Equal(t, want, got, head)
	}
	pass := "Authentication-Results: mx; dmarc=pass header.from=mail.shop.co.uk\n"
	for raw, want := range map[string]trust{
		pass + from:                  trustVerified,
		"Subject: x\n" + pass + from: trustUnknown,
		"Authentication-Results: mx; none\nX: y\n" + pass + from:                  trustUnknown,
		"Authentication-Results: evil; none\n" + pass + from:                      trustUnknown,
		"Authentication-Results: evil; none\nAuthentication-Results: mx\n" + from: trustUnknown,
		pass + "From: a@mail.shop.co.uk, b@mail.shop.co.uk\n\nx":                  trustFailed,
		pass + "From: a@mail.shop.co.uk\nFrom: eve@evil.example\n\nx":             trustFailed,
		pass + "From: \"a@mail.shop.co.uk\" <eve@evil.example>\n\nx":              trustUnknown,
		pass + "From: <a@mail.shop.co.uk> <eve@evil.example>\n\nx":                trustUnknown,
		pass + "Authentication-Results: mx; dmarc=fail\n" + from:                  trustFailed,
	} {
		got, _ := readMail(t, raw).authenticated("mx")
		assert.Equal(t, want, got, raw)
	}
}

// What servers do to a mail on its way changes neither its fingerprint nor what it says.
func TestTransportChangesNothing(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "parse", "*.eml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	seen := map[string]string{}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".eml")
		raw := rawMail(t, name)
		m := read(t, name)
		sum := m.Fingerprint.String()
		require.False(t, m.Fingerprint.IsZero())
		require.Empty(t, seen[sum], "%s has the fingerprint of another mail", name)
		seen[sum] = name
		for change, other := range map[string][]byte{
			"line ends":    bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")),
			"fields":       append([]byte("X-Spam: no\nReceived: from x by y\n"), raw...),
			"mbox":         append([]byte("From ada@customer.example Mon Mar  2 09:30:00 2026\n"), raw...),
			"empty lines":  append(slices.Clone(raw), "\n\n"...),
			"folded":       bytes.Replace(raw, []byte("Subject: "), []byte("Subject:\n "), 1),
			"other words":  bytes.Replace(raw, []byte("Subject: Printer\nDate: Mon, 2 Mar 2026 0"), []byte("Subject: =?utf-8?Q?Printer?=\nDate: Mon, 2 Mar 2026 0"), 1),
			"same instant": bytes.Replace(raw, []byte("09:30:00 +0100"), []byte("08:30:00 +0000"), 1),
		} {
			got, err := parse(other, ours, limits{})
			require.NoError(t, err)
			assert.Equal(t, sum, got.Fingerprint.String(), "%s: %s", name, change)
			assert.Equal(t, m.Text, got.Text, "%s: %s", name, change)
			assert.Equal(t, names(m.Files), names(got.Files), "%s: %s", name, change)
			assert.Equal(t, m.Reports, got.Reports, "%s: %s", name, change)
		}
	}
	assert.NotEqual(t, read(t, "no-message-id").Fingerprint, read(t, "empty-message-id").Fingerprint, "two senders without a Message-ID")
}

func TestFingerprint(t *testing.T) {
	const head = "From: Ada <ada@b.example>\nDate: Mon, 2 Mar 2026 09:30:00 +0100\nSubject: x\nMessage-ID: <1@b.example>\n"
	base := readMail(t, head+"Content-Type: text/plain; charset=utf-8\n\nGrüße\nund mehr \n\n").Fingerprint
	// It is stored: another value means that mails are taken twice after an update.
	assert.Equal(t, "181a8f3e38985786431b15999372d4c5cc41f21a6c1b9e109ec30fc3baeba46c", base.String())
	for raw, same := range map[string]bool{
		head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZQ0KdW5kIG1laHIg\n":                  true,
		head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\nund me=\nhr=20\n": true,
		head + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe\nund mehr\n":        true,
		strings.Replace(head, "Ada <ada@b.example>", "\"A.\" <ada@B.EXAMPLE>", 1) + "\nGrüße\nund mehr":                                    true,
		head + "\nGrüße\nund  mehr":  false,
		head + "\nGrüße\n\nund mehr": false,
		head + "\nGrüße":             false,
		strings.Replace(head, "ada@", "bob@", 1) + "\nGrüße\nund mehr":             false,
		strings.Replace(head, "09:30:00", "09:30:01", 1) + "\nGrüße\nund mehr":     false,
		strings.Replace(head, "Subject: x", "Subject: y", 1) + "\nGrüße\nund mehr": false,
		strings.Replace(head, "<1@", "<2@", 1) + "\nGrüße\nund mehr":               false,
	} {
		assert.Equal(t, same, readMail(t, raw).Fingerprint == base, raw)
	}
}

func TestHeaderAloneCanBeRead(t *testing.T) {
	m, err := parseHeader([]byte("From: a@b.example\nSubject: Big\nAuto-Submitted: auto-generated\nContent-Type: multipart/mixed; boundary=b\n"), limits{})
	require.NoError(t, err)
	assert.Equal(t, "Big", m.Subject)
	assert.Equal(t, "Auto-Submitted is auto-generated", m.Automatic)
	assert.Empty(t, m.Text)
	assert.True(t, m.Fingerprint.IsZero())
}

// Old programs write the header without encoded words, in the charset of the text. Raw UTF-8 is
// read as it is, and bytes that are in no such charset as windows-1252.
func TestRawHeaderInTheCharsetOfTheText(t *testing.T) {
	koi8 := func(s string) string {
		b, err := charmap.KOI8R.NewEncoder().String(s)
		require.NoError(t, err)
		return b
	}
	const subject, name, file = "Принтер", "Анна", "счёт.pdf"
	plain := "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n\n" + koi8(subject) + "\n"
	parts := "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + plain + "--b\nContent-Type: application/pdf; name=\"" + koi8(file) + "\"\n\nx\n--b--\n"
	for what, rest := range map[string]string{"one part": plain, "several parts": parts} {
		m := readMail(t, "From: "+koi8(name)+" <anna@customer.example>\nSubject: Re: "+koi8(subject)+" =?utf-8?q?=E2=82=AC?=\n"+rest)
		assert.Equal(t, "Re: "+subject+" €", m.Subject, what)
		assert.Equal(t, []netmail.Address{{Name: name, Address: "anna@customer.example"}}, m.From, what)
		for _, f := range m.Files {
			assert.Equal(t, file, f.Name)
		}
	}
	for raw, want := range map[string]string{
		"Subject: " + subject + "\n" + plain:                                              subject, // UTF-8
		"Subject: Gr\xfc\xdfe\nContent-Type: text/plain\n\nx\n":                           "Grüße",
		"Subject: Gr\xfc\xdfe\nContent-Type: text/plain; charset=utf-16\n\nx\n":           "Grüße",
		"Subject: Gr\xfc\xdfe\nContent-Type: text/plain; charset=nonsense\n\nx\n":         "Grüße",
		"Subject: \xb4\xf2\xd3\xa1\xbb\xfa\nContent-Type: text/plain; charset=gbk\n\nx\n": "打印机",
	} {
		assert.Equal(t, want, readMail(t, "From: a@b.example\n"+raw).Subject, raw)
	}
	// The fingerprint is stored, so it stays that of the bytes as they were always read.
	a, b := readMail(t, "From: a@b.example\nSubject: \xf0\nContent-Type: text/plain; charset=koi8-r\n\nx\n"), readMail(t, "From: a@b.example\nSubject: \xf0\nContent-Type: text/plain\n\nx\n")
	assert.Equal(t, b.Fingerprint, a.Fingerprint)
}

// A file of a mail has the name that the desk stores, so that what is decided by its ending holds:
// a letter cannot hide behind a character that shows nothing.
func TestNamesOfFilesAreThoseOfTheDesk(t *testing.T) {
	for in, want := range map[string]string{
		"letter.em\u200bl": "letter.eml", "letter.eml. ": "letter.eml", `C:\mails\letter.EML`: "letter.EML", "photo_\u202egpj.exe": "photo_gpj.exe",
		"con.txt": "_con.txt", "a  b?.pdf": "a b_.pdf", "___": "", "../..": "", "\u00ad": "",
	} {
		assert.Equal(t, want, cleanName(in), "%q", in)
	}
	assert.True(t, bringsMails(file{MediaType: "application/octet-stream", Name: cleanName("letter.em\u200bl")}))
}
