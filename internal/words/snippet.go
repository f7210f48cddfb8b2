package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// window is about how long a snippet is, in bytes.
const window = 160

const ellipsis = "…"

// A hit is a word of a text that matches terms.
type hit struct {
	start, end int
	terms      mask
}

// Snippet returns the piece of the texts in which the most terms occur, about 160
// bytes long, and the offsets in bytes of the matches in it, in order. Among equal
// pieces, it takes the one of the earlier text. Blanks and line breaks become one
// blank each; "…" marks a cut. If no term occurs, it returns the beginning of the
// first text that is not empty.
func Snippet(terms []Term, texts ...string) (string, [][2]int) {
	terms = terms[:min(len(terms), maxTerms)]
	best, found := "", []hit(nil)
	most, all := 0, len(terms)
	for _, text := range texts {
		if most == all {
			break
		}
		if hits, n := densest(terms, text); n > most {
			best, found, most = text, hits, n
		}
	}
	for i := 0; most == 0 && i < len(texts); i++ {
		if strings.TrimSpace(texts[i]) != "" {
			best, most = texts[i], 1
		}
	}
	return cut(best, found)
}

// densest finds the window of a text in which the largest number of different terms
// occurs. It returns the hits in that window, and that number.
func densest(terms []Term, text string) ([]hit, int) {
	var hits []hit
	for s := newScanner(text); s.next(); {
		// Leave out words longer than the window: a word can have any number of
		// combining marks.
		if m := matching(terms, s.word); m != 0 && s.end-s.start <= window {
			hits = append(hits, hit{s.start, s.end, m})
		}
	}
	var times [maxTerms]int
	different := 0
	count := func(m mask, by int) {
		for i := range terms {
			if m&(1<<i) == 0 {
				continue
			}
			if times[i] == 0 {
				different++
			}
			if times[i] += by; times[i] == 0 {
				different--
			}
		}
	}
	most, from, to := 0, 0, 0
	first := 0
	for last := range hits {
		count(hits[last].terms, 1)
		for hits[last].end-hits[first].start > window {
			count(hits[first].terms, -1)
			first++
		}
		if different > most {
			most, from, to = different, first, last+1
		}
	}
	// Add the later hits that still fit.
	for most > 0 && to < len(hits) && hits[to].end-hits[from].start <= window {
		to++
	}
	return hits[from:to], most
}

// cut returns the piece of the text around the hits.
func cut(text string, hits []hit) (string, [][2]int) {
	from, to := 0, 0 // the part that the piece must contain
	if len(hits) > 0 {
		from, to = hits[0].start, hits[len(hits)-1].end
	}
	start, end := around(text, from, to)
	var b strings.Builder
	if strings.TrimSpace(text[:start]) != "" {
		b.WriteString(ellipsis)
	}
	empty := b.Len()
	var marks [][2]int
	blank := false
	for at := start; at < end; {
		if len(hits) > 0 && at == hits[0].end {
			marks[len(marks)-1][1] = b.Len()
			hits = hits[1:]
		}
		r, size := utf8.DecodeRuneInString(text[at:end])
		at += size
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			blank = true
			continue
		}
		if blank && b.Len() > empty {
			b.WriteByte(' ')
		}
		blank = false
		if len(hits) > 0 && at-size == hits[0].start {
			marks = append(marks, [2]int{b.Len(), 0})
		}
		b.WriteRune(r)
	}
	if len(hits) > 0 && len(marks) > 0 && end == hits[0].end {
		marks[len(marks)-1][1] = b.Len()
	}
	if strings.TrimSpace(text[end:]) != "" {
		b.WriteString(ellipsis)
	}
	return b.String(), marks
}

// around widens a part of a text to a window, with a third of the added text before
// it. It cuts at a blank if one is near, and otherwise between two runes.
func around(text string, from, to int) (int, int) {
	const near = 24
	rest := max(window-(to-from), 0)
	start := max(from-rest/3, 0)
	end := min(to+rest-(from-start), len(text))
	start = max(min(start, end-window), 0)
	if start > 0 {
		for start < from && !utf8.RuneStart(text[start]) {
			start++
		}
		for start < from { // not between a letter and its marks
			r, size := utf8.DecodeRuneInString(text[start:])
			if !unicode.Is(unicode.Mn, r) {
				break
			}
			start += size
		}
		if !blankBefore(text, start) {
			if i := strings.IndexAny(text[start:min(start+near, from)], " \n\r\t"); i >= 0 {
				start += i + 1
			}
		}
	}
	if end < len(text) {
		for end > to && !utf8.RuneStart(text[end]) {
			end--
		}
		if !blankBefore(text, end+1) {
			if i := strings.LastIndexAny(text[max(end-near, to):end], " \n\r\t"); i >= 0 {
				end = max(end-near, to) + i
			}
		}
	}
	return start, end
}

// blankBefore reports whether the byte before this place is a blank or a line
// break.
func blankBefore(text string, at int) bool {
	return at > 0 && strings.IndexByte(" \n\r\t", text[at-1]) >= 0
}
