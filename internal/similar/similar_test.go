package similar_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/similar"
	"github.com/ticketkit/ticket/internal/words"
)

// reference computes BM25F from the texts themselves, as the formula is written:
//
//	score = Σ idf(w) · (k3+1)·q/(k3+q) · (k1+1)·tf/(k1+tf)
//	tf    = Σ weight(f) · n(f) / (1 − b(f) + b(f) · length(f)/mean length(f))
//	idf   = ln(1 + (N − n + ½)/(n + ½))
func reference(q similar.Text, total int, with map[string]int, texts []similar.Text) []float64 {
	const k1, k3 = 1.2, 8
	weight, b := [3]float64{3, 1, 1}, [3]float64{0.5, 0.75, 0.75}
	parts := func(t similar.Text) [3][]string {
		split := func(list ...string) (all []string) {
			for _, s := range list {
				for w := range strings.FieldsSeq(s) {
					if len(w) > 1 {
						all = append(all, w)
					}
				}
			}
			return all
		}
		return [3][]string{split(t.Subject), split(t.Words...), split(t.Solution...)}
	}
	count := func(list []string, w string) (n float64) {
		for _, o := range list {
			if o == w {
				n++
			}
		}
		return n
	}
	var mean [3]float64
	for _, t := range texts {
		for f, list := range parts(t) {
			mean[f] += float64(len(list)) / float64(len(texts))
		}
	}
	asked := parts(q)
	scores := make([]float64, len(texts))
	for i, t := range texts {
		has := parts(t)
		done := map[string]bool{}
		for _, w := range slices.Concat(asked[0], asked[1], asked[2]) {
			n := with[w]
			if done[w] || n > max(10, total/2) {
				continue
			}
			done[w] = true
			tf := 0.0
			for f, list := range has {
				if mean[f] > 0 {
					tf += weight[f] * count(list, w) / (1 - b[f] + b[f]*float64(len(list))/mean[f])
				}
			}
			qw := 3*count(asked[0], w) + count(asked[1], w) + count(asked[2], w)
			n = max(n, 1)
			idf := math.Log(1 + (float64(max(total, n)-n)+0.5)/(float64(n)+0.5))
			scores[i] += idf * (k3 + 1) * qw / (k3 + qw) * (k1 + 1) * tf / (k1 + tf)
		}
		equal := 0
		for _, l := range q.Labels {
			if slices.Contains(t.Labels, l) {
				equal++
			}
		}
		scores[i] *= 1 + 0.1*float64(equal)
	}
	return scores
}

func randomText(r *rand.Rand) similar.Text {
	zipf := rand.NewZipf(r, 1.1, 1, 200)
	line := func(n int) string {
		var list []string
		for range n {
			list = append(list, fmt.Sprintf("w%d", zipf.Uint64()))
		}
		return strings.Join(list, " ")
	}
	t := similar.Text{Subject: line(r.IntN(6)), Words: []string{line(r.IntN(40)), line(r.IntN(10))}, Solution: []string{line(r.IntN(15))}}
	for _, l := range []string{"queue:a", "queue:b", "field:c"} {
		if r.IntN(2) == 0 {
			t.Labels = append(t.Labels, l)
		}
	}
	return t
}

func TestRankIsTheFormula(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		texts := make([]similar.Text, 1+r.IntN(60))
		encoded := make([][]byte, len(texts))
		with := map[string]int{}
		for i := range texts {
			texts[i] = randomText(r)
			var folded []string
			folded, encoded[i] = similar.Terms(texts[i])
			for _, w := range folded {
				with[w]++
			}
		}
		asked := randomText(r)
		q := similar.NewQuery(asked)
		counts := make([]int, len(q.Words()))
		for i, w := range q.Words() {
			counts[i] = with[w.Folded]
		}
		total := len(texts) + r.IntN(30)
		want := reference(asked, total, with, texts)
		got := make([]float64, len(texts))
		last := math.Inf(1)
		for _, m := range similar.Rank(q, total, counts, encoded) {
			require.LessOrEqual(t, m.Score, last, "the best first")
			last, got[m.Index] = m.Score, m.Score
			for _, w := range m.Words {
				require.Contains(t, strings.Fields(texts[m.Index].Subject+" "+strings.Join(texts[m.Index].Words, " ")+" "+strings.Join(texts[m.Index].Solution, " ")), q.Words()[w].Folded)
			}
		}
		for i := range want {
			require.InDelta(t, want[i], got[i], 1e-9*(1+want[i]), "round %d, text %d", round, i)
		}
	}
}

func rank(t *testing.T, q similar.Text, texts ...similar.Text) (order []int) {
	t.Helper()
	query := similar.NewQuery(q)
	var encoded [][]byte
	with := make([]int, len(query.Words()))
	for _, text := range texts {
		folded, terms := similar.Terms(text)
		encoded = append(encoded, terms)
		for i, w := range query.Words() {
			if slices.Contains(folded, w.Folded) {
				with[i]++
			}
		}
	}
	for _, m := range similar.Rank(query, len(texts), with, encoded) {
		order = append(order, m.Index)
	}
	return order
}

func TestASubjectCountsMore(t *testing.T) {
	message := similar.Text{Subject: "help please", Words: []string{"paper jam"}}
	subject := similar.Text{Subject: "paper jam", Words: []string{"help please"}}
	require.Equal(t, []int{1, 0}, rank(t, similar.Text{Subject: "jam paper"}, message, subject))
}

// A label decides between equal texts, and brings up no text without a shared word.
func TestLabelsOnlyDecide(t *testing.T) {
	a := similar.Text{Subject: "meter", Labels: []string{"queue:a"}}
	b := similar.Text{Subject: "meter", Labels: []string{"queue:b"}}
	c := similar.Text{Subject: "other", Labels: []string{"queue:b"}}
	require.Equal(t, []int{1, 0}, rank(t, similar.Text{Subject: "meter", Labels: []string{"queue:b"}}, a, b, c))
	require.Equal(t, []int{0, 1}, rank(t, similar.Text{Subject: "meter"}, a, b, c), "equal texts stay in their order")
}

// A word that more than half of many texts have tells nothing.
func TestCommonWordsTellNothing(t *testing.T) {
	var texts []similar.Text
	for i := range 40 {
		text := similar.Text{Subject: "the printer"}
		if i == 7 {
			text.Subject += " smokes"
		}
		texts = append(texts, text)
	}
	require.Equal(t, []int{7}, rank(t, similar.Text{Subject: "the printer smokes"}, texts...))
	require.Len(t, rank(t, similar.Text{Subject: "the printer smokes"}, texts[:10]...), 10, "of few texts, all words count")
}

func TestWordsAreFolded(t *testing.T) {
	folded, terms := similar.Terms(similar.Text{Subject: "Straße ÄPFEL a 1", Words: []string{"印刷 don't"}})
	require.Equal(t, []string{"straße", "apfel", "印", "刷", "don"}, folded, "single letters and digits do not count")
	require.Len(t, similar.Hashes(terms), 5)
	for _, w := range folded {
		require.Contains(t, similar.Hashes(terms), similar.Hash(w))
	}
	q := similar.NewQuery(similar.Text{Subject: "apfel ÄPFEL", Words: []string{"x Straße"}})
	require.Len(t, q.Words(), 2)
	require.Equal(t, "apfel", q.Words()[0].Written, "as it is written first")
	require.Equal(t, "Straße", q.Words()[1].Written)
}

// What is stored never changes: these bytes are in databases.
func TestTermsAreStable(t *testing.T) {
	_, terms := similar.Terms(similar.Text{Subject: "Printer", Words: []string{"printer smokes"}, Solution: []string{"fuser"}, Labels: []string{"queue:a"}})
	require.Equal(t, stored, fmt.Sprintf("%x", terms))
}

func TestTermsAreLimited(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "word%d ", i)
	}
	folded, terms := similar.Terms(similar.Text{Subject: "subject", Words: []string{b.String(), strings.Repeat("often ", 1000)}, Labels: []string{"l"}})
	require.Len(t, folded, 1000)
	require.LessOrEqual(t, len(terms), 1+8*1001)
	require.Len(t, similar.NewQuery(similar.Text{Words: []string{b.String()}}).Words(), similar.MaxWords)
	folded, terms = similar.Terms(similar.Text{Labels: []string{"l"}})
	require.Nil(t, folded)
	require.Nil(t, terms, "without a word there is nothing")
}

// Damaged terms are no match and no panic.
func FuzzRank(f *testing.F) {
	_, terms := similar.Terms(similar.Text{Subject: "printer smokes", Labels: []string{"l"}})
	f.Add("printer", terms)
	f.Add("printer", terms[:5])
	f.Add("\xff", []byte{0, 1, 2})
	f.Add("", []byte(nil))
	f.Fuzz(func(t *testing.T, text string, terms []byte) {
		q := similar.NewQuery(similar.Text{Subject: text, Labels: []string{"l"}})
		for _, m := range similar.Rank(q, 100, nil, [][]byte{terms, nil}) {
			require.False(t, math.IsNaN(m.Score) || math.IsInf(m.Score, 0))
			require.NotEmpty(t, m.Words)
		}
		folded, own := similar.Terms(similar.Text{Words: []string{text}})
		require.Subset(t, words.Fold(text), folded)
		if len(folded) > 0 {
			require.Len(t, similar.Rank(similar.NewQuery(similar.Text{Words: []string{text}}), 1, nil, [][]byte{own}), 1, "a text is like itself")
		}
	})
}

const stored = "011d5b02bb4a0101002390a5edb500010051ae4606da00000066cb803e38000001"
