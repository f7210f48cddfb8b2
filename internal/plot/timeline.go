package plot

import (
	"cmp"
	"slices"
)

// Timeline is a line of time with marks, from 0 to End.
type Timeline struct {
	ID          string // the beginning of the IDs in the drawing; unique on the page
	Title       string
	Description string // for those who do not see the drawing

	End   float64 // of the line, in the unit of all places
	Parts []Part
	Marks []Mark // sorted by their places
	Width int    // in pixels; the height follows. Zero means 900
}

// Part is a part of the line.
type Part struct {
	From, To float64
	Class    string
	Title    string // shown on hover
}

// Mark is a place of the line with a text.
type Mark struct {
	At    float64
	Class string
	Text  string
}

// SVG returns the drawing.
func (l Timeline) SVG() []byte {
	width := float64(cmp.Or(l.Width, defaultWidth))
	const left, line, thick, row = 8.0, 12.0, 8.0, 18.0
	end := width - 8
	x := func(v float64) float64 {
		if l.End <= 0 {
			return left
		}
		return left + min(max(v/l.End, 0), 1)*(end-left)
	}
	// A text begins at its mark, or ends there if there is no room. It takes the first row in which it
	// runs into no other one: those that begin at their marks from the last one to the first, and
	// then the others from the first one to the last. So a line down to a text crosses few others.
	labels := make([]area, len(l.Marks))
	texts := make([]string, len(l.Marks))
	var before, after []int // the marks with the text before them, and after
	for i, m := range l.Marks {
		texts[i] = shorten(m.Text, end-left)
		w := widthOf(texts[i]) + 8
		labels[i] = area{x: x(m.At) - 3, w: w, h: row - 2}
		if labels[i].x+w-8 > end {
			labels[i].x = max(x(m.At)+3-w, left-3)
			before = append(before, i)
		} else {
			after = append(after, i)
		}
	}
	slices.Reverse(after)
	rows := 0
	var placed []area
	for _, i := range append(after, before...) {
		a := &labels[i]
		a.y = line + thick + 8
		n := 1
		for slices.ContainsFunc(placed, a.meets) {
			n++
			a.y += row
		}
		rows = max(rows, n)
		placed = append(placed, *a)
	}
	height := line + thick + 10 + float64(rows)*row
	c := &canvas{}
	c.open(l.ID, "plot timeline", l.Title, l.Description, width, height, false)
	c.rect("plot-track", left, line, end-left, thick, "")
	for _, p := range l.Parts {
		c.rect("plot-bar "+p.Class, x(p.From), line, max(x(p.To)-x(p.From), 0.5), thick, p.Title)
	}
	for i, m := range l.Marks {
		at := min(max(x(m.At), left+1), end-1)
		c.line("plot-stem", at, line-4, at, labels[i].y+2)
		c.rect("plot-mark "+m.Class, at-1.5, line-5, 3, thick+10, m.Text)
	}
	for i, a := range labels {
		if slices.Contains(before, i) {
			c.text("plot-small plot-halo plot-end", a.x+a.w-3, a.y+13, texts[i])
			continue
		}
		c.text("plot-small plot-halo", a.x+3, a.y+13, texts[i])
	}
	return c.close()
}
