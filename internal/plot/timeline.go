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
	// Texts take the first row in which they do not run into another one, or into the line
	// that leads to one further below.
	type label struct {
		area
		text string
	}
	labels := make([]label, len(l.Marks))
	var taken []area
	rows := 0
	for i, m := range l.Marks {
		text := shorten(m.Text, end-left)
		w := widthOf(text)
		a := area{x: min(x(m.At)-3, end-w), w: w + 8, h: row - 2}
		a.x = max(a.x, left-3)
		n := 0
		for ; ; n++ {
			a.y = line + thick + 8 + float64(n)*row
			stem := area{x(m.At) - 2, line + thick + 6, 4, a.y - line - thick - 6}
			if !slices.ContainsFunc(taken, func(b area) bool { return a.meets(b) || n > 0 && b.h > 4 && stem.meets(b) }) {
				taken = append(taken, a, area{stem.x, stem.y, stem.w, max(stem.h, 1)})
				break
			}
			if n > 40 {
				break
			}
		}
		rows = max(rows, n+1)
		labels[i] = label{a, text}
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
	for _, t := range labels {
		c.text("plot-small", t.x+3, t.y+13, t.text)
	}
	return c.close()
}
