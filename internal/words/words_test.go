package words

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func TestFold(t *testing.T) {
	long := strings.Repeat("x", 50)
	for text, want := range map[string][]string{
		"":                           nil,
		" \n--…!":                    nil,
		"Printer prints, printer":    {"printer", "prints"},
		"don't 2nd A4":               {"don", "t", "2nd", "a4"},
		"Müller MULLER Mu\u0308ller": {"muller"},
		"STRASSE Straße STRAẞE":      {"strasse", "straße"},
		"ὈΔΥΣΣΕΎΣ Οδυσσευς":          {"οδυσσευσ"},
		"Ёлка ЕЛКА":                  {"елка"},
		"İstanbul ISTANBUL ıstanbul": {"istanbul"},
		"プリンター壊れた2台":                 {"プ", "リ", "ン", "タ", "ー", "壊", "れ", "た", "2", "台"},
		"เครื่อง":                    {"เ", "ค", "ร", "อ", "ง"},
		"프린터 고장":                     {"프린터", "고장"},
		"hard\u00adware می\u200cشود": {"hardware", "میشود"},
		"ＡＢＣ１２":                      {"abc12"},
		long + "a " + long + "b":     {strings.Repeat("x", 40)},
		"\xffab\x00cd\xc3 e":         {"ab", "cd", "e"},
		"\u0301":                     nil,
		"\u0301a\u0301":              {"a"},
		"ab漢cd":                      {"ab", "漢", "cd"},
	} {
		require.Equal(t, want, Fold(text), "%q", text)
	}
}

func TestFoldIsStable(t *testing.T) {
	for r := range unicode.MaxRune + 1 {
		f := fold(r)
		if f <= 0 {
			continue
		}
		if f&several != 0 {
			for _, p := range parts()[f&^several] {
				require.Equal(t, p, fold(p), "%U", r)
			}
			continue
		}
		require.Equal(t, f, fold(f&^alone), "%U", r)
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			if g := fold(o); g > 0 {
				require.Equal(t, f, g, "%U and %U", r, o)
			}
		}
	}
}

// same returns forms of a text that are canonically the same.
func same(text string) []string {
	return []string{norm.NFC.String(text), norm.NFD.String(text)}
}

func TestCanonicalEquivalentsFoldToTheSame(t *testing.T) {
	for _, text := range []string{
		"프린터 고장", "값싼 닭", "\u1112\u1161\u11ab \u1112\u119e", "プリンター ガス ゔ ゞ", "أحمد إلى آخر مؤسسة شئ", "กำ", "Müller Ångström Ёлка ᾠδή",
		"ড়ো কৌ", "க்ஷொ கௌ ஔ", "ಕೋ", "കൊ കൌ", "කො කෞ", "ᬆ ᬊᬵ", "क़लम", "שּׁלום", "ﬁ 豈 金", "e\u0323\u0301 e\u0301\u0323", "\u30ab\u0323\u3099",
	} {
		for _, form := range same(text) {
			require.Equal(t, Fold(text), Fold(form), "%q and %q", text, form)
			require.True(t, Match(Parse(form), text), "%q in %q", form, text)
			got, marks := Snippet(Parse(form), text)
			require.NotEmpty(t, marks, "%q in %q: %q", form, text, got)
		}
	}
	for r := range unicode.MaxRune + 1 {
		for _, form := range same(string(r)) {
			if utf8.ValidRune(r) && form != string(r) {
				require.Equal(t, Fold("a "+string(r)+" b"), Fold("a "+form+" b"), "%U", r)
			}
		}
	}
	require.NotEqual(t, Fold("カ"), Fold("ガ"))
	require.Equal(t, Fold("ガ"), Fold("カ\u3099"))
	require.Equal(t, []string{"カ"}, Fold("カ\u309a"), "there is none")
}

func TestRunesMadeOfSeveralLetters(t *testing.T) {
	var list []rune
	for r := range unicode.MaxRune + 1 {
		if (r < syllable || r >= syllable+syllables) && unicode.In(r, unicode.L, unicode.M) &&
			len(letters(norm.NFD.PropertiesString(string(r)).Decomposition())) > 1 {
			list = append(list, r)
		}
	}
	require.Equal(t, made, string(list))
}

func TestParse(t *testing.T) {
	var many, first []string
	for i := range 20 {
		w := strings.Repeat("a", i+1)
		many = append(many, w, w)
		if i < 16 {
			first = append(first, w)
		}
	}
	require.Len(t, Parse(strings.Join(many, " ")), 16)
	require.Equal(t, first[15], Parse(strings.Join(many, " "))[15].Word)
	for text, want := range map[string][]Term{
		"":                     nil,
		"*** \"-\"":            nil,
		"Prin* PRIN* prin":     {{"prin", true}, {"prin", false}},
		"pr* pré*":             {{"pr", false}, {"pre", true}},
		"+paper -jam OR \"x\"": {{"paper", false}, {"jam", false}, {"or", false}, {"x", false}},
		"prin*ter":             {{"prin", true}, {"ter", false}},
		"漢字*":                  {{"漢", false}, {"字", false}},
		"* lone":               {{"lone", false}},
	} {
		require.Equal(t, want, Parse(text), "%q", text)
	}
}

func TestMatch(t *testing.T) {
	texts := []string{"Printer broken", "Paper jams every day"}
	for looked, want := range map[string]bool{
		"printer": true, "PRINTER jams": true, "print": false, "prin*": true, "pri* pap*": true,
		"printer smoke": false, "": false, "printers": false,
	} {
		require.Equal(t, want, Match(Parse(looked), texts...), looked)
	}
	long := strings.Repeat("ab", 30)
	require.True(t, Match(Parse(long), long+"more"))
	require.False(t, Match(Parse("x")))
}

func TestScore(t *testing.T) {
	terms := Parse("paper jam")
	both := Score(terms, "Paper jam")
	one := Score(terms, "Paper", strings.Repeat("jam ", 5000))
	often := Score(terms, "Help", "paper jam, paper, jam")
	rare := Score(terms, "Help", "paper", "jam")
	require.Greater(t, both, one)
	require.Greater(t, one, often)
	require.Greater(t, often, rare)
	require.Positive(t, rare)
	require.Zero(t, Score(nil, "x", "y"))
}

// marked shows a snippet with brackets around its marks.
func marked(text string, marks [][2]int) string {
	var b strings.Builder
	at := 0
	for _, m := range marks {
		b.WriteString(text[at:m[0]] + "[" + text[m[0]:m[1]] + "]")
		at = m[1]
	}
	return b.String() + text[at:]
}

func TestSnippet(t *testing.T) {
	filler := strings.Repeat("word after word ", 30)
	for _, c := range []struct {
		name, look string
		texts      []string
		want       string
	}{
		{"short", "paper", []string{"The paper, the PAPER."}, "The [paper], the [PAPER]."},
		{"the first text of those as good", "paper", []string{"none", "my paper", "paper here"}, "my [paper]"},
		{"the text with more", "paper jam", []string{"paper", "jam of paper"}, "[jam] of [paper]"},
		{"prefix, accents", "mul*", []string{"Herr Mu\u0308ller ruft an"}, "Herr [Mu\u0308ller] ruft an"},
		{"lines", "jam", []string{"Dear all,\r\n\r\n\tjam\u2028again\n"}, "Dear all, [jam] again"},
		{"nothing found", "jam", []string{"", " \n", "no such thing", "more"}, "no such thing"},
		{"nothing there", "jam", []string{"", "\n"}, ""},
		{"no text", "jam", nil, ""},
		{"kana", "壊れ", []string{"プリンター壊れた"}, "プリンター[壊][れ]た"},
		{"inside", "jam", []string{filler + "paper jam today " + filler},
			"…after word word after word word after word paper [jam] today word after word word after word word after word word after word word after word word after word…"},
		{"at the end", "jam", []string{filler + "jam"},
			"…after word word after word word after word word after word word after word word after word word after word word after word word after word word after word [jam]"},
		{"the beginning", "none", []string{filler},
			"word after word word after word word after word word after word word after word word after word word after word word after word word after word word after word…"},
		{"no blanks", "jam", []string{strings.Repeat("é-", 200) + "jam" + strings.Repeat("-é", 200)}, "…-" + strings.Repeat("é-", 17) + "[jam]" + strings.Repeat("-é", 35) + "…"},
		{"endless word", "jam aaa*", []string{"aaa" + strings.Repeat("\u0301", 5000) + " jam"}, "…[jam]"},
		{"long word", "aaa*", []string{strings.Repeat("a", 300)}, "[" + strings.Repeat("a", 40) + "]" + strings.Repeat("a", 120) + "…"},
		{"not UTF-8", "jam", []string{"\xff\x00jam\xff"}, "� [jam]�"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, marks := Snippet(Parse(c.look), c.texts...)
			if c.name == "no blanks" || c.name == "inside" || c.name == "at the end" || c.name == "the beginning" {
				require.LessOrEqual(t, len(text), window+2*len(ellipsis))
			}
			require.Equal(t, c.want, marked(text, marks))
		})
	}
}

func TestSnippetTakesTheDensestWindow(t *testing.T) {
	far := strings.Repeat("x ", 200)
	text, marks := Snippet(Parse("one two three"), "one "+far+"two one "+far+"three two one "+far)
	require.Contains(t, marked(text, marks), "[three] [two] [one]")
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Printer prints", "e\u0301\xff漢字*", strings.Repeat("a\u0301", 50), "\x00İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := Fold(s)
		for _, w := range list {
			require.True(t, utf8.ValidString(w))
			require.LessOrEqual(t, utf8.RuneCountInString(w), maxRunes)
			require.Equal(t, []string{w}, Fold(w), "a folded word stays what it is")
		}
		require.Equal(t, list, Fold(strings.Join(list, " ")), "all different, in their order")
		for _, form := range same(s) {
			if !strings.ContainsRune(form, 0x34f) { // this rune cuts endless rows of marks
				require.Equal(t, list, Fold(form), "%q is the same", form)
			}
		}
		terms := Parse(s)
		require.LessOrEqual(t, len(terms), maxTerms)
		require.Equal(t, len(terms) > 0, Match(terms, s), "what a text says is found in it")
	})
}

func FuzzSnippet(f *testing.F) {
	f.Add("paper jam", "the paper\njam", "subject")
	f.Add("aaa* 漢", strings.Repeat("a", 300)+"漢\u0301\xff", "\u2028e\u0301")
	f.Fuzz(func(t *testing.T, look, a, b string) {
		terms := Parse(look)
		text, marks := Snippet(terms, a, b)
		require.True(t, utf8.ValidString(text))
		require.LessOrEqual(t, len(text), 3*window+2*len(ellipsis), "a byte that is no UTF-8 becomes three")
		require.NotContains(t, text, "\n")
		at := 0
		for _, m := range marks {
			require.LessOrEqual(t, at, m[0])
			require.Less(t, m[0], m[1])
			require.LessOrEqual(t, m[1], len(text))
			require.True(t, utf8.ValidString(text[m[0]:m[1]]))
			require.True(t, utf8.ValidString(text[at:m[0]]))
			words := Fold(text[m[0]:m[1]])
			require.Len(t, words, 1)
			require.NotZero(t, matching(terms, []byte(words[0])))
			at = m[1]
		}
		require.True(t, utf8.ValidString(text[at:]))
		if Match(terms, a) && len(marks) == 0 {
			for s := newScanner(a); s.next(); {
				require.False(t, matching(terms, s.word) != 0 && s.end-s.start <= window)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for name, text := range map[string]string{
		"latin":    strings.Repeat("The printer in room 2.14 prints every second page blank since this morning. ", 3400),
		"cyrillic": strings.Repeat("Принтер печатает пустые страницы с самого утра. ", 3000),
		"han":      strings.Repeat("打印机从今天早上开始打印空白页。", 5500),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Fold(text)
			}
		})
	}
}
