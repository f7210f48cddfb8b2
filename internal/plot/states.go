package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// States are boxes in columns, with arrows between them.
type States struct {
	ID          string // the beginning of the IDs in the drawing; unique on the page
	Title       string
	Description string // for those who do not see the drawing

	Columns []string // their headings
	Boxes   []Box
	Arrows  []Arrow
	Width   int // in pixels; the height follows. Zero means 980
}

// Box is a state.
type Box struct {
	Name   string
	Lines  []string // in small letters below the name
	Column int
	Class  string
	Start  bool // an arrow from nowhere leads here
	Final  bool // has a double line
}

// Arrow leads from one box to another one, by index. An arrow from a box to itself is not drawn.
type Arrow struct {
	From, To int
	Labels   []string // below each other
}

const (
	statesWidth = 980
	columnGap   = 98
	widestBox   = 200
	boxGap      = 46 // below a box
	boxPad      = 10
	lineHeight  = 15
	nameHeight  = 17
	boldLetter  = 1.2 // how much wider the letters of a name are
	laneHeight  = 26
)

// placed is a box with its place.
type placed struct {
	Box
	x, y, h float64
	names   []string // lines of the name
	lines   []string
	ports   map[side][]*way
}

// side is a side of a box.
type side int

const (
	west side = iota
	east
	north
	south
)

// way is an arrow with its course.
type way struct {
	Arrow
	from, to     *placed
	out, in      side
	lane         float64 // the height of its line below all boxes; zero if it needs none
	x1, y1       float64
	x2, y2       float64
	turn1, turn2 float64 // of a way with a lane: where it goes down and up
}

type area struct{ x, y, w, h float64 }

func (a area) meets(b area) bool {
	return a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h
}

// SVG returns the drawing.
func (s States) SVG() []byte {
	width := float64(cmp.Or(s.Width, statesWidth))
	const top = 30.0
	left, columns := 22.0, float64(max(len(s.Columns), 1))
	boxWidth := min((width-left-8-(columns-1)*columnGap)/columns, widestBox)
	left += (width - left - 8 - columns*boxWidth - (columns-1)*columnGap) / 2

	boxes := make([]*placed, len(s.Boxes))
	heights := make([]float64, len(s.Columns))
	for i, b := range s.Boxes {
		p := &placed{Box: b, x: left + float64(b.Column)*(boxWidth+columnGap), ports: map[side][]*way{}}
		for _, l := range b.Lines {
			p.lines = append(p.lines, wrap(l, boxWidth-2*boxPad)...)
		}
		p.names = wrap(p.Name, (boxWidth-10)/boldLetter)
		p.h = 2*boxPad + nameHeight*float64(len(p.names)) + float64(len(p.lines))*lineHeight
		p.y = heights[b.Column]
		heights[b.Column] += p.h + boxGap
		boxes[i] = p
	}
	tallest := 0.0
	for _, h := range heights {
		tallest = max(tallest, h-boxGap)
	}
	for _, p := range boxes {
		p.y += top + (tallest-(heights[p.Column]-boxGap))/2
	}
	ways, lanes := route(s.Arrows, boxes)
	bottom := top + tallest
	height := bottom + 12
	if lanes > 0 {
		height += float64(lanes)*laneHeight + 8
	}
	ports(boxes, boxWidth)
	gaps := map[ledge]int{} // how many ways turn there
	for _, w := range ways {
		if w.lane == 0 {
			continue
		}
		w.lane = bottom + w.lane*laneHeight
		w.turn1 = turn(w.from, w.out, boxWidth, gaps)
		w.turn2 = turn(w.to, w.in, boxWidth, gaps)
	}

	c := &canvas{}
	c.open(s.ID, "plot states", s.Title, s.Description, width, height, false)
	for i, name := range s.Columns {
		c.text("plot-column plot-mid", left+float64(i)*(boxWidth+columnGap)+boxWidth/2, 14, name)
	}
	var taken []area
	for _, p := range boxes {
		taken = append(taken, area{p.x, p.y, boxWidth, p.h})
		c.rect(strings.TrimSpace("plot-box "+p.Class), p.x, p.y, boxWidth, p.h, "")
		if p.Final {
			c.rect("plot-final", p.x+3, p.y+3, boxWidth-6, p.h-6, "")
		}
		y := p.y + boxPad + 12
		for _, l := range p.names {
			c.text("plot-name plot-mid", p.x+boxWidth/2, y, l)
			y += nameHeight
		}
		for _, l := range p.lines {
			c.text("plot-small plot-mid", p.x+boxWidth/2, y-1, l)
			y += lineHeight
		}
		if p.Start {
			y := p.y + p.h/2
			c.circle("plot-start", p.x-17, y, 4.5)
			c.line("plot-arrow", p.x-13, y, p.x-4, y)
			c.head(p.x, y, west)
		}
	}
	for _, w := range ways {
		w.draw(c)
	}
	for _, w := range ways {
		taken = append(taken, w.label(c, taken))
	}
	return c.close()
}

// route chooses the sides of the arrows, and how many lanes there are below the boxes.
func route(arrows []Arrow, boxes []*placed) (ways []*way, lanes int) {
	for _, a := range arrows {
		if a.From == a.To {
			continue
		}
		w := &way{Arrow: a, from: boxes[a.From], to: boxes[a.To]}
		switch d := w.to.Column - w.from.Column; {
		case d == 0 && below(boxes, w.from) == w.to:
			w.out, w.in = south, north
		case d == 0 && below(boxes, w.to) == w.from:
			w.out, w.in = north, south
		case d == 0:
			w.out, w.in = east, east
		case d > 0:
			w.out, w.in = east, west
		default:
			w.out, w.in = west, east
		}
		if d := w.to.Column - w.from.Column; d > 1 || d < -1 {
			lanes++
			w.lane = float64(lanes)
		}
		w.from.ports[w.out] = append(w.from.ports[w.out], w)
		w.to.ports[w.in] = append(w.to.ports[w.in], w)
		ways = append(ways, w)
	}
	return ways, lanes
}

// below returns the next box of the column.
func below(boxes []*placed, p *placed) *placed {
	i := slices.Index(boxes, p)
	for _, q := range boxes[i+1:] {
		if q.Column == p.Column {
			return q
		}
	}
	return nil
}

// ports spreads the ends of the arrows along the sides, in the order of their other ends.
func ports(boxes []*placed, boxWidth float64) {
	for _, p := range boxes {
		for s := west; s <= south; s++ {
			list := p.ports[s]
			other := func(w *way) float64 {
				q := w.to
				if q == p {
					q = w.from
				}
				if w.lane > 0 {
					return math.Inf(1)
				}
				return q.y + q.h/2
			}
			slices.SortStableFunc(list, func(a, b *way) int { return cmp.Compare(other(a), other(b)) })
			for i, w := range list {
				share := float64(i+1) / float64(len(list)+1)
				x, y := p.x, p.y+p.h*share
				switch s {
				case east:
					x += boxWidth
				case north:
					x, y = p.x+boxWidth*share, p.y
				case south:
					x, y = p.x+boxWidth*share, p.y+p.h
				}
				if w.from == p && w.out == s {
					w.x1, w.y1 = x, y
				} else {
					w.x2, w.y2 = x, y
				}
			}
		}
	}
	for _, p := range boxes { // arrows between neighbours in a column are straight
		for _, w := range p.ports[south] {
			if w.from == p {
				w.x2 = w.x1
			} else {
				w.x1 = w.x2
			}
		}
	}
}

// turn returns where a way with a lane leaves the height of its box: in the gap beside it, near
// the box, because labels stand in the middle of the gap.
func turn(p *placed, s side, boxWidth float64, gaps map[ledge]int) float64 {
	at := ledge{p.Column, s}
	n := gaps[at]
	gaps[at]++
	off := 13 + float64(n%4)*6
	if s == west {
		return p.x - off
	}
	return p.x + boxWidth + off
}

// ledge is a side of the boxes of a column.
type ledge struct {
	column int
	side   side
}

// draw draws the way with its head.
func (w *way) draw(c *canvas) {
	x2, y2 := w.x2, w.y2
	switch w.in { // the line ends in the head
	case west:
		x2 -= 4
	case east:
		x2 += 4
	case north:
		y2 -= 4
	case south:
		y2 += 4
	}
	switch {
	case w.lane > 0:
		c.path("plot-arrow", fmt.Sprintf("M%s %sH%sV%sH%sV%sH%s", num(w.x1), num(w.y1), num(w.turn1), num(w.lane), num(w.turn2), num(w.y2), num(x2)))
	case w.out == w.in: // around the boxes between
		bend := num(w.x1 + columnGap*0.55)
		c.path("plot-arrow", fmt.Sprintf("M%s %sC%s %s %s %s %s %s", num(w.x1), num(w.y1), bend, num(w.y1), bend, num(y2), num(x2), num(y2)))
	case w.out == east || w.out == west:
		middle := num((w.x1 + x2) / 2)
		c.path("plot-arrow", fmt.Sprintf("M%s %sC%s %s %s %s %s %s", num(w.x1), num(w.y1), middle, num(w.y1), middle, num(y2), num(x2), num(y2)))
	default:
		c.line("plot-arrow", w.x1, w.y1, x2, y2)
	}
	c.head(w.x2, w.y2, w.in)
}

// head draws the head of an arrow that enters at a side.
func (c *canvas) head(x, y float64, in side) {
	const long, wide = 8.0, 4.0
	at := func(dx, dy float64) string { return num(x+dx) + " " + num(y+dy) }
	var a, b string
	switch in {
	case west:
		a, b = at(-long, -wide), at(-long, wide)
	case east:
		a, b = at(long, -wide), at(long, wide)
	case north:
		a, b = at(-wide, -long), at(wide, -long)
	case south:
		a, b = at(-wide, long), at(wide, long)
	}
	c.path("plot-head", "M"+at(0, 0)+"L"+a+"L"+b+"Z")
}

// point returns a point of the way, and whether it is one of a curve across a gap.
func (w *way) point(t float64) (x, y float64) {
	u := 1 - t
	cubic := func(a, b, c, d float64) float64 { return u*u*u*a + 3*u*u*t*b + 3*u*t*t*c + t*t*t*d }
	switch {
	case w.lane > 0:
		return w.turn1 + (w.turn2-w.turn1)*t, w.lane
	case w.out == w.in:
		bend := w.x1 + columnGap*0.55
		return cubic(w.x1, bend, bend, w.x2), cubic(w.y1, w.y1, w.y2, w.y2)
	case w.out == east || w.out == west:
		middle := (w.x1 + w.x2) / 2
		return cubic(w.x1, middle, middle, w.x2), cubic(w.y1, w.y1, w.y2, w.y2)
	}
	return w.x1 + (w.x2-w.x1)*t, w.y1 + (w.y2-w.y1)*t
}

// label writes the labels where they meet nothing, if there is such a place.
func (w *way) label(c *canvas, taken []area) area {
	lines := make([]string, 0, len(w.Labels))
	wide := 0.0
	limit := float64(columnGap) - 2
	if w.lane > 0 {
		lines, limit = []string{strings.Join(w.Labels, ", ")}, math.Abs(w.turn2-w.turn1)-12
	} else {
		lines = append(lines, w.Labels...)
		if w.out == north || w.out == south {
			lines = []string{strings.Join(w.Labels, ", ")}
			limit = 150
		}
	}
	for i := range lines {
		lines[i] = shorten(lines[i], limit)
		wide = max(wide, widthOf(lines[i]))
	}
	high := float64(len(lines)) * 13
	var best area
	for _, t := range []float64{0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78} {
		x, y := w.point(t)
		a := area{x - wide/2, y - high/2, wide, high}
		if w.lane > 0 {
			a.y = y - high - 3
		}
		if t == 0.5 {
			best = a
		}
		if !slices.ContainsFunc(taken, a.meets) {
			best = a
			break
		}
	}
	for i, l := range lines {
		c.text("plot-way plot-mid", best.x+wide/2, best.y+10+float64(i)*13, l)
	}
	return best
}

// wrap breaks a text into lines at blanks.
func wrap(text string, width float64) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case widthOf(line+" "+word) <= width*1.08:
			line += " " + word
		default:
			lines, line = append(lines, shorten(line, width*1.08)), word
		}
	}
	if line != "" {
		lines = append(lines, shorten(line, width*1.08))
	}
	return lines
}
