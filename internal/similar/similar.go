// Package similar ranks texts by the words that they share with another text. It is the
// arithmetic of suggestions: BM25F (Robertson, Zaragoza and Taylor, 2004) over a subject,
// words and a solution. It reads no store and has no state.
//
// A store keeps of each text only [Terms]: numbers that stand for words, and how often they
// occur. The numbers are digests, so that no text can be read from them.
package similar

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/ticketkit/ticket/internal/words"
)

// Version is the first byte of encoded terms. It grows when their form changes. Terms of
// another version count as empty. The version of the folding is [words.Version].
const Version = 1

// The constants of BM25F. They are those of the literature, and were not fitted to a set of
// reports: on the one of SeaMonkey, others win or lose one report of 46.
const (
	// k1 is how soon it stops to count that a word occurs again: 1.2 is what Okapi BM25 used.
	k1 = 1.2
	// k3 is the same for the words of the query. A first message is long for a query, so
	// repeated words count, but less each time.
	k3 = 8
	// subjectWeight is what a word of a subject counts, in the text and in the query: a
	// subject names the problem. REP (Sun, Lo, Khoo, Jiang, 2011) learned about 3.
	subjectWeight = 3
	// labelWeight is what an equal label adds to the score, as a share of it. So a queue or a
	// field never brings up a text without a shared word, and only decides between texts
	// that share about the same.
	labelWeight = 0.1
)

var (
	weights = [fields]float64{inSubject: subjectWeight, inWords: 1, inSolution: 1}
	// shortening is b: how much the words of a long text count less. 0.75 is what Okapi
	// BM25 used. Subjects are short and differ little.
	shortening = [fields]float64{inSubject: 0.5, inWords: 0.75, inSolution: 0.75}
)

// Limits of texts. A word that is longer is cut by package words.
const (
	// MaxWords limits the different words of a query. A first message has some sixty; the
	// rest of a long log says little more, and each word is looked up.
	MaxWords = 256
	// maxTerms limits the different words of a stored text, so that a ticket with a long
	// log costs 8 KB at most.
	maxTerms = 1000
	// minRunes is the shortest word that counts, except in scripts without blanks, where
	// each symbol is a word of three bytes. Single letters and digits are what is left of
	// punctuation ("don't", "e.g."), and tell nothing.
	minRunes = 2
)

// A Text is what is compared: of a ticket, of a draft, or of a known problem.
type Text struct {
	Subject  string
	Words    []string // messages
	Solution []string
	Labels   []string // other values that count if they are equal, such as a queue
}

// A term is a word of a text, or one of its labels.
type term struct {
	hash uint64 // 40 bits
	// How often it occurs, at most 255 times. All are zero for a label.
	in [fields]uint8
}

// The fields of a text.
const (
	inSubject = iota
	inWords
	inSolution
	fields
)

// size is the number of bytes of an encoded term.
const size = 5 + fields

// hashOf returns 40 bits of a hash (FNV-1a) of a word or label. They are stored, so the hash
// must never change.
func hashOf(kind byte, text []byte) uint64 {
	const basis, prime = 14695981039346656037, 1099511628211
	h := (basis ^ uint64(kind)) * prime
	for _, c := range text {
		h = (h ^ uint64(c)) * prime
	}
	h ^= h >> 29 // the last bytes reach the upper bits only through the multiplication
	return h & (1<<40 - 1)
}

const (
	aWord  = 'w'
	aLabel = 'l'
)

// counts reports whether a folded word counts.
func counts(word []byte) bool {
	return len(word) > 2 || utf8.RuneCount(word) >= minRunes
}

// Terms returns the folded words of a text, each once, and what a store keeps of it to rank
// it later. Without a word both are nil.
func Terms(t Text) (folded []string, encoded []byte) {
	at := map[uint64]int{}
	var list []term
	add := func(field int, text string) {
		words.Each(text, func(word []byte, _ string) bool {
			if !counts(word) {
				return true
			}
			h := hashOf(aWord, word)
			i, known := at[h]
			if !known {
				if len(list) == maxTerms {
					return true
				}
				i = len(list)
				at[h] = i
				list = append(list, term{hash: h})
				folded = append(folded, string(word))
			}
			if n := &list[i].in[field]; *n < math.MaxUint8 {
				*n++
			}
			return true
		})
	}
	add(inSubject, t.Subject)
	for _, s := range t.Solution {
		add(inSolution, s)
	}
	for _, s := range t.Words {
		add(inWords, s)
	}
	if len(list) == 0 {
		return nil, nil
	}
	for _, l := range t.Labels {
		if h := hashOf(aLabel, []byte(l)); !has(at, h) {
			at[h] = len(list)
			list = append(list, term{hash: h})
		}
	}
	slices.SortStableFunc(list, func(a, b term) int { return cmp.Compare(a.hash, b.hash) })
	encoded = make([]byte, 1, 1+size*len(list))
	encoded[0] = Version
	for i := range list {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], list[i].hash)
		encoded = append(append(encoded, b[3:]...), list[i].in[:]...)
	}
	return folded, encoded
}

func has(m map[uint64]int, h uint64) bool { _, ok := m[h]; return ok }

// decode returns the terms in ascending order of their hashes.
func decode(encoded []byte) (to []term) {
	if len(encoded) == 0 || encoded[0] != Version {
		return nil
	}
	to = make([]term, 0, len(encoded)/size)
	for b := encoded[1:]; len(b) >= size; b = b[size:] {
		t := term{hash: uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:]))}
		copy(t.in[:], b[5:size])
		to = append(to, t)
	}
	return to
}

// Hash returns the number that stands for a folded word in terms.
func Hash(word string) uint64 { return hashOf(aWord, []byte(word)) }

// Hashes returns the numbers of the words in encoded terms, in ascending order.
func Hashes(encoded []byte) (list []uint64) {
	for _, t := range decode(encoded) {
		if t.in != [fields]uint8{} {
			list = append(list, t.hash)
		}
	}
	return list
}

// A Query is the text that others are compared with.
type Query struct {
	words   []Word
	byHash  []int // indexes of words, in ascending order of their hashes
	labels  []uint64
	factors []float64
}

// A Word is a word of a query.
type Word struct {
	Folded  string
	Written string // as it is first written in the text
	hash    uint64
	weight  float64 // how often it occurs in the query, with those in the subject weighted
}

// NewQuery returns the query for a text: its first [MaxWords] different words, those of the
// subject first.
func NewQuery(t Text) *Query {
	q := &Query{}
	at := map[uint64]int{}
	add := func(text string, weight float64) {
		words.Each(text, func(word []byte, written string) bool {
			if !counts(word) {
				return true
			}
			h := hashOf(aWord, word)
			i, known := at[h]
			if !known {
				if len(q.words) == MaxWords {
					return true
				}
				i = len(q.words)
				at[h] = i
				q.words = append(q.words, Word{Folded: string(word), Written: written, hash: h})
			}
			q.words[i].weight += weight
			return true
		})
	}
	add(t.Subject, subjectWeight)
	for _, s := range t.Words {
		add(s, 1)
	}
	for _, s := range t.Solution {
		add(s, 1)
	}
	for i := range q.words {
		q.byHash = append(q.byHash, i)
		w := q.words[i].weight
		q.factors = append(q.factors, (k3+1)*w/(k3+w))
	}
	slices.SortFunc(q.byHash, func(a, b int) int { return cmp.Compare(q.words[a].hash, q.words[b].hash) })
	for _, l := range t.Labels {
		q.labels = append(q.labels, hashOf(aLabel, []byte(l)))
	}
	slices.Sort(q.labels)
	q.labels = slices.Compact(q.labels)
	return q
}

// Words returns the words of the query, those of the subject first.
func (q *Query) Words() []Word { return q.words }

// A Match is a text that shares words with a query.
type Match struct {
	Index int   // of the text
	Words []int // the shared words that tell something, as indexes in Query.Words, the most telling first
	Score float64
}

// Rank returns the texts that share telling words with the query, the best first. Equal ones
// stay in their order. total is how many texts there are in the population that the texts
// are taken from, and with says how many of them have each word of the query.
func Rank(q *Query, total int, with []int, texts [][]byte) []Match {
	idf := make([]float64, len(q.words))
	for i := range idf {
		n := 0
		if i < len(with) {
			n = with[i]
		}
		idf[i] = rarity(total, n)
	}
	docs := make([][]term, len(texts))
	var mean [fields]float64
	lengths := make([][fields]float64, len(texts))
	for i, encoded := range texts {
		docs[i] = decode(encoded)
		for j := range docs[i] {
			for f, n := range docs[i][j].in {
				lengths[i][f] += float64(n)
			}
		}
		for f := range mean {
			mean[f] += lengths[i][f] / float64(len(texts))
		}
	}
	var list []Match
	for i := range docs {
		m := Match{Index: i}
		m.score(q, idf, docs[i], &lengths[i], &mean)
		if len(m.Words) > 0 {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	return list
}

// few is how many texts may have a word, however few there are, without it becoming a word
// that tells nothing: a desk with two solved tickets has suggestions too.
const few = 10

// rarity is the inverse document frequency, in the form that is never negative: what it tells
// that a text has a word that n of total texts have. It is zero for a word that more than
// half of them have, unless these are few.
func rarity(total, n int) float64 {
	if n > max(few, total/2) {
		return 0
	}
	n = max(n, 1) // a text has it that is not counted yet
	return math.Log1p((float64(max(total, n)-n) + 0.5) / (float64(n) + 0.5))
}

func (m *Match) score(q *Query, idf []float64, doc []term, length, mean *[fields]float64) {
	var norm [fields]float64
	for f := range norm {
		norm[f] = 1
		if mean[f] > 0 {
			norm[f] = 1 - shortening[f] + shortening[f]*length[f]/mean[f]
		}
	}
	labels := 0
	gain := map[int]float64{}
	at := 0
	for i := range doc {
		t := &doc[i]
		if t.in == [fields]uint8{} {
			if _, same := slices.BinarySearch(q.labels, t.hash); same {
				labels++
			}
			continue
		}
		for at < len(q.byHash) && q.words[q.byHash[at]].hash < t.hash {
			at++
		}
		if at == len(q.byHash) {
			continue
		}
		w := q.byHash[at]
		if q.words[w].hash != t.hash || idf[w] == 0 {
			continue
		}
		tf := 0.0
		for f, n := range t.in {
			tf += weights[f] * float64(n) / norm[f]
		}
		g := idf[w] * q.factors[w] * tf * (k1 + 1) / (k1 + tf)
		gain[w] = g
		m.Score += g
		m.Words = append(m.Words, w)
	}
	m.Score *= 1 + labelWeight*float64(labels)
	slices.SortFunc(m.Words, func(a, b int) int { return cmp.Or(cmp.Compare(gain[b], gain[a]), cmp.Compare(a, b)) })
}
