package mailbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func TestNumbersInASubject(t *testing.T) {
	for subject, want := range map[string][]ticket.Number{
		"Re: [7Q4K-92MX-F] Printer":            {"7Q4K-92MX-F"},
		"AW: Drucker (Ticket #7q4k92mxf)":      {"7Q4K-92MX-F"},
		"7Q4K-92MX-F":                          {"7Q4K-92MX-F"},
		"Question about 7Q4K-92MX-F, please":   {"7Q4K-92MX-F"},
		"Re: 【7Q4K-92MX-F】":                    {"7Q4K-92MX-F"},
		"Re: [EXTERNAL] [7Q4K-92MX-F] Printer": {"7Q4K-92MX-F"},
		"Re: [7Q4K-92MX-G] Printer":            nil, // a wrong check symbol
		"Re: Printer 4000":                     nil,
		"":                                     nil,
	} {
		assert.Equal(t, want, subjectNumbers(subject, nil), subject)
	}
	own := func(s string) (ticket.Number, error) {
		if s = strings.ToUpper(s); strings.HasPrefix(s, "INC-") && !strings.Contains(s, " ") {
			return ticket.Number(s), nil
		}
		return "", errors.New("is no number")
	}
	assert.Equal(t, []ticket.Number{"INC-000002", "INC-000001"}, subjectNumbers("inc-000001 and [INC-000002]", own))
}

func TestForwardPrefixes(t *testing.T) {
	for _, s := range []string{"Fwd: x", "FW: x", "WG: x", "TR : x", "RV: x", "I: x", "Enc: x", "Doorst: x", "VB: x", "VL: x", "PD: x", "転送: x", "转发：x",
		"Fwd: Re: [7Q4K-92MX-F] x", "[EXTERNAL] Fwd: x", "[Fwd: x]", "Fwd[2]: x", "fwd:x"} {
		assert.True(t, isForward(s), s)
	}
	for _, s := range []string{"Re: Fwd: x", "AW: WG: x", "x", "", "Fwd", "Forwarded mail: x", "Issue: x", "[7Q4K-92MX-F] x", "SV: x", "VS: x"} {
		assert.False(t, isForward(s), s)
	}
}

func TestCharsets(t *testing.T) {
	for _, test := range []struct{ text, charset, want string }{
		{"Gr\xfc\xdfe", "iso-8859-1", "Grüße"}, {"Gr\xfc\xdfe", "", "Grüße"}, {"Gr\xfc\xdfe", "utf-8", "Grüße"},
		{"Grüße", "us-ascii", "Grüße"}, {"Grüße", "x-nothing", "Grüße"}, {"\x80 5", "windows-1252", "€ 5"}, {"\x80 5", "iso-8859-1", "€ 5"},
		{"\x81 5", "windows-1252", "\ufffd 5"}, {"\x84", "cp850", "ä"}, {"\xcf\xf0\xe8", "cp1251", "При"}, {"\xf0\xd2\xc9", "koi8-r", "При"},
		{"~{<:Ky2;~}", "hz-gb-2312", "己所不"}, {"\x1b$B$3$s\x1b(B", "iso-2022-jp", "こん"}, {"\x82\xb1", "cp932", "こ"}, {"\xb0\xa1", "ks_c_5601-1987", "가"},
		{"Hi +AOk- 1 +- 1 +2D3eAA-", "utf-7", "Hi é 1 + 1 😀"}, {"\xff\xfeA\x00", "", "A"}, {"\xef\xbb\xbfä", "iso-8859-1", "ä"},
	} {
		assert.Equal(t, test.want, decodeText([]byte(test.text), test.charset), "%q as %s", test.text, test.charset)
	}
}

// The desk takes each name as it is cleaned here, or in its own form.
func TestDeskTakesCleanNames(t *testing.T) {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	require.NoError(t, err)
	seen := 0
	for _, s := range []string{"a.pdf", `C:\x\a.pdf`, "../../etc/passwd", "con.txt", "photo_\u202egpj.exe", "a\x00b", "a\nb.txt", "≯.txt", "\u200b\u00ad", "a／b", "x\xff.txt",
		strings.Repeat("ä", 300) + ".pdf", strings.Repeat("a\u0301", 200), "...", "___", " . ", "a\u3000 b.txt", "\u0301", "résumé.pdf", "👩‍👩‍👧.png", "a:b?.txt", "LPT1", "a.tar.gz. "} {
		name := cleanName(s)
		assert.Equal(t, name, cleanName(name))
		if name == "" {
			continue
		}
		seen++
		_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: "ada", Name: "Ada"}), ticket.Draft{Subject: "x", Message: "x", Attachments: []ticket.Attachment{{Name: name, Size: 1}}})
		require.NoError(t, err, "%q of %q", name, s)
	}
	assert.Greater(t, seen, 15)
}

func TestSenders(t *testing.T) {
	for s, want := range map[string]string{
		`"Byron, Ada" <Ada@EXAMPLE.org>`:                    "Byron, Ada|Ada@example.org",
		"ada@example.org (Ada \\(B\\))":                     "Ada (B)|ada@example.org",
		"Ada Byron ada@example.org":                         "",
		"ada@example.org <eve@evil.org>":                    "ada@example.org|eve@evil.org",
		"<ada@example.org> <eve@evil.org>":                  "",
		`"a b"@example.org`:                                 `|"a b"@example.org`,
		`"ada"@example.org`:                                 "|ada@example.org",
		"ada@münchen.example":                               "|ada@xn--mnchen-3ya.example",
		"Ada <@relay.example:ada@example.org>":              "Ada|ada@example.org",
		"=?utf-8?q?=22Ada=40x=2Eorg=22?= <ada@example.org>": `"Ada@x.org"|ada@example.org`,
		"ada@example.org.":                                  "|ada@example.org", "ada@example.org。": "|ada@example.org", "ada@[192.0.2.1].": "|ada@[192.0.2.1]",
		"ada@example.org..": "", "ada@example.org.。": "", "ada@example.org。。": "",
		"ada@[192.0.2.1]": "|ada@[192.0.2.1]",
		"ada":             "", "@example.org": "", "ada@": "", "<>": "", "ada@exa mple.org": "", "ada@example..org": "",
	} {
		list, _ := addresses([]string{s}, "")
		got := ""
		if len(list) == 1 {
			got = list[0].Name + "|" + list[0].Address
		}
		assert.Equal(t, want, got, s)
	}
}
