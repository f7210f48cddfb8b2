package ticket

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/ticketkit/ticket/internal/chars"
)

// nothing has texts without visible characters.
var nothing = []string{
	" ", "\t\r\n", "\u00a0", "\u1680", "\u2003", "\u202f", "\u205f", "\u3000", "\u2028", "\u0085", "\u200b", "\u200c", "\u200d", "\u2060",
	"\ufeff", "\u00ad", "\u180e", "\u061c", "\u200e", "\u200f", "\u202a\u202c", "\u202e", "\u2066\u2069", "\u3164", "\u115f", "\u1160",
	"\uffa0", "\u2800", "\u034f", "\u0301", "\u20dd", "\ufe0f", "\U000e0100", "\U000e0020\U000e007f", "\u17b4", "\u206a", " \u200b\u00a0",
}

func TestTextWithoutVisibleCharactersIsBlank(t *testing.T) {
	for _, s := range nothing {
		require.True(t, chars.Blank(s), "%q", s)
		require.Empty(t, tidyLine(s), "%q", s)
		require.Empty(t, chars.Tidy(s), "%q", s)
	}
	for _, s := range []string{"x", ".", "é", "e\u0301", "漢", "\u0600", "👍", "\u200b.", "\u0903x", "\ufffd", "\ufffc"} {
		require.False(t, chars.Blank(s), "%q", s)
	}
}

func TestNamesLoseInvisibleCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"hardware": "hardware", " hardware ": "hardware", "hardware\u200b": "hardware", "hard\u00adware": "hardware",
		"\ufeffhardware\n": "hardware", "hard\u200dware": "hardware", "hardware\ufe0f": "hardware", "\u202ahardware\u202c": "hardware",
		"hard\u00a0ware": "hard ware", "hard\u3164ware": "hard ware", "hard \u200b ware": "hard  ware",
		"Mu\u0308ller": "Müller", "\u1111\u1173": "프", "한\u200d글": "한글", "e\u200b\u0301": "é",
		"می\u200cخواهم": "می\u200cخواهم", "👩\u200d💻": "👩\u200d💻", "❤\ufe0f": "❤\ufe0f", "❤\ufe0f\u200d🔥": "❤\ufe0f\u200d🔥",
		"葛\U000e0100城": "葛\U000e0100城", "+49\u202c 30": "+49 30", "K": "K",
	} {
		require.Equal(t, want, chars.Tidy(in), "%q", in)
	}
	c := check{Limits: defaultLimits()}
	for _, bad := range []string{"a\nb", "a\tb", "a\u2028b", "a\x00", "\xff", strings.Repeat("é", 101)} {
		c.err = nil
		name(&c, "f", bad)
		require.ErrorIs(t, c.err, ErrInvalid, "%q", bad)
	}
}

func TestLinesLoseSpacesAtTheEndsAndOverrides(t *testing.T) {
	for in, want := range map[string]string{
		" Printer\u00a0\n": "Printer", "\u200bPrinter": "Printer", "Mu\u0308ller": "Müller", "a \u202eb\u202c": "a b\u202c",
		"🔥 brûlé \u202bעברית": "🔥 brûlé \u202bעברית", "I ❤\ufe0f": "I ❤\ufe0f", "soft\u00adly": "soft\u00adly",
	} {
		require.Equal(t, want, tidyLine(in), "%q", in)
	}
}

func TestAddressesHaveOneForm(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.org": "ada@example.org", "Ada@Example.ORG.": "Ada@example.org", "\tada@example.org\u00a0": "ada@example.org",
		"ada@example.org\u200b": "ada@example.org", "\ufeffada@example.org": "ada@example.org", "ada\u202e@example.org": "ada@example.org",
		"ada\uff20example.org": "ada@example.org", "ada@bücher.example": "ada@xn--bcher-kva.example", "ada@BU\u0308CHER.example": "ada@xn--bcher-kva.example",
		"ada@xn--bcher-kva.example": "ada@xn--bcher-kva.example", "ada@ｅｘａｍｐｌｅ．org": "ada@example.org", "ada@例え。jp": "ada@xn--r8jz45g.jp",
		"a..b.@docomo.example": "a..b.@docomo.example", "a_b@mail_1.example": "a_b@mail_1.example", "ada@[192.0.2.1]": "ada@[192.0.2.1]",
		"müller@example.org": "müller@example.org", "mu\u0308ller@example.org": "müller@example.org", "": "", "\u200b": "",
		"o'neil+x@example.org": "o'neil+x@example.org", "a..b@docomo.ne.jp": "a..b@docomo.ne.jp", "ab.@docomo.ne.jp": "ab.@docomo.ne.jp", ".a-@ezweb.ne.jp": ".a-@ezweb.ne.jp",
		"_a_@x.org": "_a_@x.org", "a!b%c/d={e}|f~@x.org": "a!b%c/d={e}|f~@x.org", `"a:b"@x.org`: `"a:b"@x.org`, "ada@[IPv6:2001:DB8::1]": "ada@[ipv6:2001:db8::1]", "ada@localhost": "ada@localhost",
		"ada@-a-.b_.org": "ada@-a-.b_.org", "กำ@example.org": "กำ@example.org", "用户@例え.jp": "用户@xn--r8jz45g.jp", "ada＠ｅｘａｍｐｌｅ．ｏｒｇ": "ada@example.org",
	} {
		c := check{Limits: defaultLimits()}
		require.Equal(t, want, c.address("email", in), "%q", in)
		require.NoError(t, c.err, "%q", in)
		require.Equal(t, want, c.address("email", want), "%q is in that form", want)
	}
	for _, bad := range []string{"ada", "@example.org", "ada@", "ada@.", "Ada <ada@example.org>", "a b@example.org", "a@b@c", "a@b,c@d", "a\u3000b@example.org",
		// left over from links, lists and letters
		"mailto:ada@example.org", "MAILTO:ada@example.org", "ada@example.org?subject=x", "ada@example.org)", "(ada@example.org", "ada@example.org:", "[ada@example.org]", "'ada@example.org'", "ada@example.org/",
		"ada(work)@example.org", `a\b@example.org`, `a"b@example.org`, `""@example.org`, "ada@example.org.,", `ada@"example.org"`, "ada@example.org=", "ada@exa|mple.org",
		// empty parts and brackets
		"x@.a", "x@a..b", "ada@a﹒b", "x@a..", "ada@。b", "ada@a。。b", "ada@[", "ada@[]", "ada@]x[", "ada@[192.0.2.1", "ada@[a b]", "ada@x[192.0.2.1]",
		// looks like another mailbox
		"ａｄａ@example.org", "ada１@example.org", "ﾊﾝｶｸ@example.org", "𝐚𝐝𝐚@example.org", "ﬁ@example.org", "ada²@example.org",
		"a@example.org\nb@example.org", "a@\u00e9\u2100.example", "ada@" + strings.Repeat("ü", 200)} {
		c := check{Limits: defaultLimits()}
		c.address("email", bad)
		require.ErrorIs(t, c.err, ErrInvalid, "%q", bad)
	}
}

func TestFileNamesCanBeStoredOnEverySystem(t *testing.T) {
	long := strings.Repeat("a", 300)
	for in, want := range map[string]string{
		"manual.pdf": "manual.pdf", " manual.pdf. . ": "manual.pdf", "CON": "_CON", "con.txt": "_con.txt", "com1.tar.gz": "_com1.tar.gz",
		"LPT¹.x": "_LPT¹.x", "COM10": "COM10", "console.log": "console.log", "NUL .txt": "_NUL .txt", "a<b>:\"|?*.txt": "a_b______.txt",
		"a\nb\t.txt": "a_b_.txt", "photo.jpg            .exe": "photo.jpg .exe", "photo.jpg\u00a0\u3000\u2003.exe": "photo.jpg .exe",
		"photo\u200b.j\u00adpg": "photo.jpg", ".htaccess": ".htaccess", "\u2067gpj.exe\u2069": "gpj.exe", "Mu\u0308ller.pdf": "Müller.pdf",
		long + ".pdf":  strings.Repeat("a", 212) + "…" + strings.Repeat("a", 36) + ".pdf",
		"日本\u202f.png": "日本 .png", "..／..＼etc∕passwd": ".._.._etc_passwd", "a⁄b﹨c℅.txt": "a_b_c_.txt", "½.txt": "½.txt", ".pdf": ".pdf", "／": "_",
	} {
		c := check{Limits: defaultLimits()}
		require.Equal(t, want, c.file("name", in), "%q", in)
		require.NoError(t, c.err)
	}
	for _, bad := range []string{"", " ", ".", "..", "...", "\u200b", "a/b", `a\b`, "photo_\u202egpj.exe", "\u202da", "a\x00", "\xff"} {
		c := check{Limits: defaultLimits()}
		c.file("name", bad)
		require.ErrorIs(t, c.err, ErrInvalid, "%q", bad)
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range append(nothing, "Mu\u0308ller\u200d", "ada@bücher.example.", "e"+strings.Repeat("\u0301", 40), "👩\u200d💻\ufe0f", "COM1."+strings.Repeat("é", 300), "≯") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for form, clean := range map[string]func(*check, string) string{
			"name":    func(c *check, s string) string { return name(c, "f", s) },
			"line":    func(c *check, s string) string { return c.line("f", s, c.Subject) },
			"address": func(c *check, s string) string { return c.address("f", s) },
			"file":    func(c *check, s string) string { return c.file("f", s) },
		} {
			c := check{Limits: defaultLimits()}
			got := clean(&c, s)
			if c.err != nil {
				require.ErrorIs(t, c.err, ErrInvalid)
				continue
			}
			require.True(t, utf8.ValidString(got), form)
			require.NotContains(t, got, "\x00", form)
			require.Negative(t, strings.IndexFunc(got, chars.Break), form)
			require.Negative(t, strings.IndexFunc(got, chars.Override), form)
			require.Equal(t, got == "", chars.Blank(got), form)
			require.Equal(t, strings.TrimSpace(got), got, form)
			require.LessOrEqual(t, len(got), 400, form)
			require.True(t, norm.NFC.IsNormalString(got), "%s %q", form, got)
			again := clean(&c, got)
			require.NoError(t, c.err, form)
			require.Equal(t, got, again, form)
			if form == "file" {
				require.LessOrEqual(t, len(got), chars.MaxFile)
			}
			if !strings.ContainsRune(s, 0x34F) {
				require.Equal(t, got, clean(&c, norm.NFD.String(s)), "%s of the same text, decomposed", form)
			}
		}
	})
}
