package plot

import (
	"cmp"
	"io"
	"math"
	"strconv"
)

// Bars are bars for each label, grouped or stacked.
type Bars struct {
	ID          string // the beginning of the IDs in the drawing; unique on the page
	Title       string
	Description string // for those who do not see the drawing
	Note        string // shown below the title of a file of its own

	Unit    string   // of the values, shown at their axis
	Labels  []string // of the bars
	Below   []string // what stands below each label, such as how many values there are; nil: nothing
	Series  []Series
	Stacked bool
	Across  bool // bars run from left to right: for labels that are names

	Whole bool // values are whole numbers, so the lines are, too
	// Number writes a value. Nil writes it in decimal, with two digits after the point at most.
	Number func(float64) string
	// Value writes a value with its unit, shown on hover. Nil means Number and Unit.
	Value func(float64) string

	Width int  // in pixels; the height follows. Zero means 900
	File  bool // the drawing is a file of its own: it has its style and shows its title
}

// Series is one value for each label. NaN means that there is none.
type Series struct {
	Name   string
	Class  string // of the bars, such as "plot-1"
	Values []float64
}

const (
	defaultWidth = 900
	plotHeight   = 210 // of the area with bars that stand
)

// WriteSVG writes the drawing.
func (b Bars) WriteSVG(w io.Writer) error {
	_, err := w.Write(b.SVG())
	return err
}

// SVG returns the drawing.
func (b Bars) SVG() []byte {
	b.Width = cmp.Or(b.Width, defaultWidth)
	if b.Number == nil {
		b.Number = func(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }
	}
	if b.Value == nil {
		b.Value = func(v float64) string { return b.Number(v) + " " + b.Unit }
	}
	if b.Across {
		return b.lying()
	}
	return b.standing()
}

// head begins the drawing, and returns the height that title and keys take.
func (b *Bars) head(c *canvas, left, height float64) float64 {
	c.open(b.ID, "plot", b.Title, b.Description, float64(b.Width), height, b.File)
	top := 4.0
	if b.File {
		c.text("plot-title", left, 26, b.Title)
		c.text("plot-note", left, 46, b.Note)
		top = 60
	}
	if len(b.Series) > 1 {
		top += c.keys(b.Series, left, top, float64(b.Width)-8) + 6
	}
	return top
}

// headHeight is the height that head takes.
func (b *Bars) headHeight(left float64) float64 { return b.head(&canvas{}, left, 0) }

// standing draws bars that stand on the labels.
func (b *Bars) standing() []byte {
	step, limit := b.scale()
	left := max(widthOf(b.Number(limit)), widthOf(b.Number(step))) + 14
	top := b.headHeight(left) + 24
	base := top + plotHeight
	height := base + 26
	if b.Below != nil {
		height += 15
	}
	end := float64(b.Width) - 8

	c := &canvas{}
	b.head(c, left, height)
	y := func(v float64) float64 { return base - v/limit*plotHeight }
	c.text("plot-unit", 0, top-12, b.Unit)
	for i := 0; float64(i)*step <= limit+step/2; i++ {
		v := float64(i) * step
		if i > 0 {
			c.line("plot-grid", left, y(v), end, y(v))
		}
		c.text("plot-tick plot-end", left-7, y(v)+4, b.Number(v))
	}

	slot := (end - left) / float64(max(len(b.Labels), 1))
	widest := 0.0
	for i, l := range b.Labels {
		widest = max(widest, widthOf(l)+6)
		if b.Below != nil {
			widest = max(widest, widthOf(b.Below[i])+6)
		}
	}
	each := max(1, int(math.Ceil(widest/slot))) // labels that do not touch
	inner := min(slot*0.74, 110)
	for i, text := range b.Labels {
		x := left + slot*float64(i) + (slot-inner)/2
		if i%each == 0 {
			c.text("plot-tick plot-mid", left+slot*(float64(i)+0.5), base+17, text)
			if b.Below != nil {
				c.text("plot-note plot-mid", left+slot*(float64(i)+0.5), base+32, b.Below[i])
			}
		}
		sum := 0.0
		for k, s := range b.Series {
			v := s.Values[i]
			if math.IsNaN(v) {
				continue
			}
			title := text + ", " + s.Name + ": " + b.Value(v)
			if b.Stacked {
				if v > 0 {
					c.rect("plot-bar "+s.Class, x, y(sum+v), inner, y(sum)-y(sum+v), title)
				}
				sum += v
				continue
			}
			w := inner / float64(len(b.Series))
			if v > 0 {
				c.rect("plot-bar "+s.Class, x+w*float64(k)+0.5, y(v), w-1, base-y(v), title)
			}
			if shown := b.Number(v); widthOf(shown) <= w+3 {
				c.text("plot-value plot-mid", x+w*(float64(k)+0.5), y(v)-5, shown)
			}
		}
	}
	c.line("plot-axis", left, base, end, base)
	return c.close()
}

// lying draws bars that begin beside the labels.
func (b *Bars) lying() []byte {
	const each, gap = 13.0, 14.0 // of a bar; between labels
	left := 0.0
	for i, l := range b.Labels {
		left = max(left, widthOf(l))
		if b.Below != nil {
			left = max(left, widthOf(b.Below[i]))
		}
	}
	left = min(max(left+12, widthOf(b.Unit)+20), float64(b.Width)*0.38)
	bars := len(b.Series)
	if b.Stacked {
		bars = 1
	}
	row := each * float64(bars)
	least := each
	if b.Below != nil {
		least = 28
	}
	row = max(row, least)
	top := b.headHeight(0) + 4
	height := top + (row+gap)*float64(len(b.Labels)) + 22

	step, limit := b.scale()
	room := 0.0
	for i := range b.Labels {
		for _, s := range b.Series {
			if !b.Stacked {
				room = max(room, widthOf(b.Number(s.Values[i]))+8)
			}
		}
	}
	end := float64(b.Width) - 8 - room
	c := &canvas{}
	b.head(c, 0, height)
	x := func(v float64) float64 { return left + v/limit*(end-left) }
	foot := height - 22
	for skip, i := max(1, int(math.Ceil((widthOf(b.Number(limit))+14)/(x(step)-left)))), 0; float64(i)*step <= limit+step/2; i++ {
		v := float64(i) * step
		if i > 0 {
			c.line("plot-grid", x(v), top, x(v), foot)
		}
		if i%skip == 0 {
			c.text("plot-tick plot-mid", x(v), foot+15, b.Number(v))
		}
	}
	c.text("plot-unit", 0, foot+15, shorten(b.Unit, left-10))
	y := top + gap/2
	for i, text := range b.Labels {
		middle := y + row/2 + 4
		if b.Below != nil {
			c.text("plot-note plot-end", left-8, middle+8, shorten(b.Below[i], left-8))
			middle -= 7
		}
		c.text("plot-label plot-end", left-8, middle, shorten(text, left-8))
		at, sum := y+(row-each*float64(bars))/2, 0.0
		for _, s := range b.Series {
			v := s.Values[i]
			title := text + ", " + s.Name + ": " + b.Value(v)
			switch {
			case math.IsNaN(v):
				if !b.Stacked {
					c.text("plot-value", left+6, at+each-3, "–")
				}
			case b.Stacked && v > 0:
				c.rect("plot-bar "+s.Class, x(sum), at, x(sum+v)-x(sum), each, title)
				sum += v
			case !b.Stacked:
				if v > 0 {
					c.rect("plot-bar "+s.Class, left, at+0.5, x(v)-left, each-1, title)
				}
				c.text("plot-value", x(v)+6, at+each-2.5, b.Number(v))
			}
			if !b.Stacked {
				at += each
			}
		}
		y += row + gap
	}
	c.line("plot-axis", left, top, left, foot)
	return c.close()
}

func (b *Bars) highest() (most float64) {
	for i := range b.Labels {
		sum := 0.0
		for _, s := range b.Series {
			v := s.Values[i]
			if math.IsNaN(v) {
				continue
			}
			most = max(most, v)
			sum += v
		}
		if b.Stacked {
			most = max(most, sum)
		}
	}
	return most
}

// scale returns the distance of the lines and the end of the axis.
func (b *Bars) scale() (step, limit float64) {
	step, limit = Scale(b.highest())
	if b.Whole && step < 1 {
		return 1, math.Ceil(limit)
	}
	return step, limit
}

// Scale returns the distance of the lines and the end of the axis for values up to the highest.
func Scale(highest float64) (step, limit float64) {
	if highest <= 0 {
		return 1, 1
	}
	step = math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, times := range []float64{1, 2, 5, 10} {
		if highest/(step*times) <= 6 {
			step *= times
			break
		}
	}
	return step, step * math.Ceil(highest/step-1e-9)
}
