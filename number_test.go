package ticket

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/chars"
	"github.com/ticketkit/ticket/internal/crockford"
)

// The check sum is linear over GF(32). Whether it catches an error depends only on
// the places and the symbols, not on the rest of the number. The test tries every
// combination of these on several numbers.
func TestParseNumberCatchesEveryWrongSymbolAndEverySwapOfNeighbours(t *testing.T) {
	bases := []Number{NumberOf(0), NumberOf(1<<40 - 1), NumberOf(0x123456789A)}
	for range 20 {
		bases = append(bases, NewNumber())
	}
	mistakes := 0
	for _, base := range bases {
		plain := []byte(strings.ReplaceAll(string(base), "-", ""))
		for i := range plain {
			for _, wrong := range []byte(crockford.Alphabet) {
				if wrong == plain[i] {
					continue
				}
				typo := append([]byte{}, plain...)
				typo[i] = wrong
				_, err := ParseNumber(string(typo))
				require.ErrorIs(t, err, ErrMistyped, "%s for %s", typo, base)
				mistakes++
			}
		}
	}
	require.Equal(t, len(bases)*9*31, mistakes)

	// Every swap of neighbours, with every pair of symbols at every place.
	for place := range numberSymbols {
		for a := range 32 {
			for b := range 32 {
				if a == b {
					continue
				}
				s := []byte("000000000")
				s[place], s[place+1] = crockford.Alphabet[a], crockford.Alphabet[b]
				free := 0 // another place, set so that the number is valid
				if place == 0 {
					free = 2
				}
				n := ""
				for _, fit := range []byte(crockford.Alphabet) {
					s[free] = fit
					if p, err := ParseNumber(string(s)); err == nil {
						n = string(p)
					}
				}
				require.NotEmpty(t, n)
				swapped := []byte(strings.ReplaceAll(n, "-", ""))
				swapped[place], swapped[place+1] = swapped[place+1], swapped[place]
				_, err := ParseNumber(string(swapped))
				require.ErrorIs(t, err, ErrMistyped, "%s swapped to %s", n, swapped)
			}
		}
	}
}

func TestParseNumberAcceptsEitherCaseSeparatorsAndLookAlikes(t *testing.T) {
	n := NumberOf(0x00_1111_0001) // has 0 and 1, which have look-alikes
	s := string(n)
	plain := strings.ReplaceAll(s, "-", "")
	for _, in := range []string{
		s, plain, strings.ToLower(s), " " + s + "\n", "#" + s,
		strings.ReplaceAll(s, "-", " "), strings.ReplaceAll(s, "-", " – "), strings.ReplaceAll(s, "-", "\u00a0"),
		strings.ReplaceAll(plain, "0", "O"), strings.ReplaceAll(plain, "0", "o"),
		strings.ReplaceAll(plain, "1", "I"), strings.ReplaceAll(plain, "1", "l"), strings.ReplaceAll(plain, "1", "L"),
		strings.Join(strings.Split(plain, ""), "-"),
	} {
		got, err := ParseNumber(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, n, got, "%q", in)
	}
}

func TestParseNumberRefusesTextThatIsNoNumber(t *testing.T) {
	n := string(NumberOf(42))
	for name, in := range map[string]string{
		"empty": "", "blank": "  ", "short": n[:10], "long": n + "0", "U is no symbol": strings.Replace(n, "0", "U", 1),
		"letters of elsewhere": strings.Replace(n, "0", "О", 1), // Cyrillic
		"star":                 strings.Replace(n, "0", "*", 1),
		"endless":              strings.Repeat("0", 1<<20), "invalid UTF-8": n[:10] + "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseNumber(in)
			require.ErrorIs(t, err, ErrMistyped)
			require.NotErrorIs(t, err, ErrNotFound)
			var data *NumberError
			require.ErrorAs(t, err, &data)
			require.Equal(t, in, data.Input)
			require.Less(t, len(err.Error()), 300)
		})
	}
}

func TestNewNumberReturnsDifferentValidNumbers(t *testing.T) {
	seen := map[Number]bool{}
	for range 10_000 {
		n := NewNumber()
		require.Len(t, string(n), numberLength)
		p, err := ParseNumber(string(n))
		require.NoError(t, err)
		require.Equal(t, n, p)
		seen[n] = true
	}
	require.Len(t, seen, 10_000)
}

func TestStoredNumbersOfAnyFormAreReadUnchanged(t *testing.T) {
	var v struct{ N Number }
	for _, n := range []string{"7Q4K-92MX-F", "INC-000001", "1NC0-0000-1", "acme/7", "2026 0001", strings.Repeat("9", 32)} {
		require.NoError(t, json.Unmarshal([]byte(`{"N":"`+n+`"}`), &v))
		require.Equal(t, Number(n), v.N)
	}
	for _, bad := range []string{" 1", "1 ", `1\n2`, "1\u200b", `1\u0000`, strings.Repeat("9", 33)} {
		require.ErrorIs(t, json.Unmarshal([]byte(`{"N":"`+bad+`"}`), &v), ErrInvalid, "%q", bad)
	}
	require.NoError(t, json.Unmarshal([]byte(`{"N":""}`), &v))
	require.Empty(t, v.N)
}

// asCopied returns the forms in which people copy a number or an ID from mails,
// chats, tables and other programs.
func asCopied(s string) []string {
	wide := strings.Map(func(r rune) rune {
		if r == '-' {
			return 'ー'
		}
		return r + 0xFEE0
	}, s)
	list := []string{
		"\u200e" + s, s + "\u200b", "\ufeff" + s, s[:4] + "\u00ad" + s[4:], "\u202a" + s + "\u202c", "\u2066" + s + "\u2069\u200f", s[:2] + "\u2060" + s[2:],
		s + ",", s + ".", s + ":", s + ";", s + "!", s + "?", "(" + s + ").", "„" + s + "“", "«" + s + "»", "`" + s + "`", "*" + s + "*", s + "…",
		wide, "＃" + wide, "【" + s + "】", "（" + wide + "）", "#" + s, "# " + s, "№ " + s, s + "\r\n", "\t" + s, "> " + s,
		strings.ToLower(s), s[:3] + " " + s[3:], strings.ReplaceAll(s, "-", "\u2011"), strings.ReplaceAll(s, "-", "\u2212"), s[:5] + "\n" + s[5:],
	}
	for _, brackets := range []string{"[]", "()", "<>", "{}", "\"\"", "''"} {
		list = append(list, brackets[:1]+s+brackets[1:])
	}
	for _, label := range []string{"Ticket#", "Ticket #", "Ticket Nr. ", "Ticket-Nr.: ", "Ticket No.", "No. ", "Nr. ", "Re: ", "RE: AW: ", "Re: [Ticket#", "Ｔｉｃｋｅｔ：", "Fwd: ticket ", "N° ", "ID: ", "Case:"} {
		list = append(list, label+s)
	}
	return append(list, "Re: [Ticket#"+s+"]")
}

func TestNumbersAndIDsAreReadAsPeopleCopyThem(t *testing.T) {
	for _, v := range []uint64{0, 42, 1<<40 - 1, 0x71_2345_6789, 0xA5_5A5A_5A5A} {
		n := NumberOf(v)
		for _, in := range asCopied(string(n)) {
			got, err := ParseNumber(in)
			require.NoError(t, err, "%q", in)
			require.Equal(t, n, got, "%q", in)
		}
	}
	id := NewID(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	for _, in := range asCopied(id.String()) {
		got, err := readID(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, id, got, "%q", in)
	}
}

// Only known labels before a number are removed.
func TestANumberAmongOtherWordsIsRefused(t *testing.T) {
	n := string(NumberOf(42))
	for _, in := range []string{
		"printer " + n, n + " printer", n + " " + n, "order" + n, n + "x", "x" + n, n + "(2)", n + "/2", "Ticket#" + n + " closed", "a/" + n, n + "é", n + "\u0301",
		"Ticket", "Re:", "No. ", "Ticket#" + n[:9], "No " + n[:9], "①" + n, n[:4] + "[" + n[4:] + "]", "www." + n + ".org",
	} {
		got, err := ParseNumber(in)
		require.ErrorIs(t, err, ErrMistyped, "%q", in)
		require.Empty(t, got)
		_, err = readID(in)
		require.Error(t, err)
	}
}

func TestNumberErrorsNameThePlaceOfTheWrongSymbol(t *testing.T) {
	for in, want := range map[string]string{
		"0000–0001–U": "'U' at place 11", "\u200e\u200e!": "0 symbols", "ÜTicket#7Q4K": "'Ü' at place 1", "Ticket: 7Q4K–92MX–Ü": "'Ü' at place 19",
		"[7Q4K]92MX": "']' at place 6", "７Ｑ＊４": "'*' at place 3", "\xff": "'�' at place 1",
	} {
		_, err := ParseNumber(in)
		require.ErrorContains(t, err, want, "%q", in)
	}
}

func TestEachIDIsGreaterThanTheLast(t *testing.T) {
	s := newIDSource()
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	times := []time.Time{now, now, now.Add(-time.Hour), now, now.Add(time.Millisecond), now.Add(-time.Millisecond), {}, time.Unix(-1, 0)}
	last := ID{}
	for range 1000 {
		for _, at := range times {
			id := s.next(at)
			require.Positive(t, id.Compare(last))
			last = id
		}
	}
	require.Equal(t, now.Add(time.Millisecond), last.Time(), "the clock went back, and the IDs keep the latest time")
}

func TestIDsStayUniqueAfterOverflowAndAtTheEndOfTime(t *testing.T) {
	s := newIDSource()
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	first := s.next(now)
	// 80 bits of entropy that are all ones overflow at the next ID.
	full := strings.NewReader(strings.Repeat("\x7f", 10) + strings.Repeat("\xff", 1000))
	s.entropy = ulid.Monotonic(full, 0)
	a := s.next(now)
	require.NotEqual(t, first, a)
	far := time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	b, c := s.next(far), s.next(far)
	require.NotEqual(t, b, c)
	require.Equal(t, ulid.MaxTime(), ulid.ULID(b).Time())
	require.Equal(t, ulid.MaxTime(), ulid.ULID(c).Time())
}

func TestIDsAreUniqueUnderConcurrency(t *testing.T) {
	const workers, each = 8, 2000
	made := make([][]ID, workers)
	var wg sync.WaitGroup
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for w := range workers {
		wg.Go(func() {
			for range each {
				made[w] = append(made[w], NewID(now))
			}
		})
	}
	wg.Wait()
	seen := map[ID]bool{}
	for _, list := range made {
		for i, id := range list {
			require.False(t, seen[id])
			seen[id] = true
			if i > 0 {
				require.Positive(t, id.Compare(list[i-1]))
			}
		}
	}
}

func TestParseIDAcceptsOnlyTheTextFormOfAnID(t *testing.T) {
	id := NewID(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	got, err := ParseID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, got)
	got, err = ParseID(strings.ToLower(id.String()))
	require.NoError(t, err)
	require.Equal(t, id, got)
	for _, bad := range []string{
		"", "x", id.String()[:25], id.String() + "0", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", // above the largest
		strings.Repeat("U", 26), " " + id.String()[:25], "0000000000000000000000000O", "0000000000000000000000000-",
	} {
		_, err := ParseID(bad)
		require.ErrorIs(t, err, ErrInvalid, "%q", bad)
	}

	b, err := json.Marshal(struct{ A, B ID }{A: id})
	require.NoError(t, err)
	var back struct{ A, B ID }
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, id, back.A)
	require.True(t, back.B.IsZero())
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range append(append(asCopied("7Q4K-92MX-F"), asEncoded("7Q4K-92MX-F")...), "7Q4K-92MX-F", "7q4k 92mx f", "", "#0", "OIL", "0000-0000-0", "–", "\xff") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNumber(s)
		if err != nil {
			require.ErrorIs(t, err, ErrMistyped)
			require.Empty(t, n)
			return
		}
		require.Len(t, string(n), numberLength)
		again, err := ParseNumber(string(n))
		require.NoError(t, err)
		require.Equal(t, n, again)
		if strings.ContainsAny(s, "%+&") {
			return
		}
		// The last letters and digits are the symbols of the number.
		var symbols []rune
		for _, r := range s {
			if r = narrow(r); inWord(r) && !chars.Unseen(r) {
				symbols = append(symbols, r)
			}
		}
		require.GreaterOrEqual(t, len(symbols), numberSymbols+1)
		last, err := ParseNumber(string(symbols[len(symbols)-numberSymbols-1:]))
		require.NoError(t, err)
		require.Equal(t, n, last)
	})
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav", "", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			require.True(t, id.IsZero())
			return
		}
		require.Equal(t, strings.ToUpper(s), id.String())
	})
}

func TestNumbersAreReadAfterTheLabelsOfMailPrograms(t *testing.T) {
	n := NumberOf(0x712345678)
	for _, before := range []string{"Réf. ", "RE\u0301F: ", "Ihre Ticketnummer: ", "Your reference: ", "Vorgangsnummer ", "Anfrage ", "RV: ", "TR: ", "Odp: ", "VS: ", "Antwort: "} {
		got, err := ParseNumber(before + string(n))
		require.NoError(t, err, before)
		require.Equal(t, n, got, before)
	}
}

// asEncoded returns the forms of a number or an ID in URLs and in HTML, and after a
// label in several languages.
func asEncoded(s string) []string {
	every := ""
	for _, c := range []byte(s) {
		every += fmt.Sprintf("%%%02x", c)
	}
	return []string{
		"%23" + s, "%5B" + s + "%5D", "Ticket%20" + s, every, "%2523" + s, "%E2%80%8E" + s, s + "%20", "Ticket+" + s, "+" + s[:4] + "+" + s[4:] + "+",
		"&#35;" + s, "&nbsp;" + s + "&#x200e;", "&quot;" + s + "&quot;", "&lt;" + s + "&gt;", s[:4] + "&#8209;" + s[4:], s[:3] + "&shy;" + s[3:], "&amp;quot;" + s + "&amp;quot;", "Ticket&nbsp;&#35;" + s,
		"チケット番号：" + s, "Номер заявки: " + s, "Заявка № " + s, "工单＃" + s, "Numéro de dossier : " + s, "Richiesta: <" + s + ">.", "Ärende#" + s + ":",
		"Solicitud n.º " + s, "Pedido nº " + s, "Zgłoszenie nr " + s, "Demande numéro " + s, "Printer no. " + s,
	}
}

func TestEncodedAndLabelledNumbersAreRead(t *testing.T) {
	for _, v := range []uint64{0, 42, 0x712345678, 1<<40 - 1} {
		n := NumberOf(v)
		for _, in := range asEncoded(string(n)) {
			got, err := ParseNumber(in)
			require.NoError(t, err, "%q", in)
			require.Equal(t, n, got, "%q", in)
		}
	}
	id := NewID(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	for _, in := range asEncoded(id.String()) {
		got, err := readID(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, id, got, "%q", in)
	}
	n := string(NumberOf(42))
	for _, bad := range []string{"printer: " + n + " closed", n + ": printer", "see #" + n + " and #" + n, "Order: 12, ticket: " + n, "https://example.org/" + n, "%" + n + " x", "&" + n + "; x", n[:9] + "&x;", strings.Repeat("%25", 90) + n} {
		_, err := ParseNumber(bad)
		require.ErrorIs(t, err, ErrMistyped, "%q", bad)
		_, err = readID(bad)
		require.Error(t, err, "%q", bad)
	}
}
