// Package plot draws bars, the states of a workflow and lines of time as SVG. A drawing has
// classes instead of colours, so that the style sheet of a page decides how it looks, in light
// and in dark.
package plot

import (
	"bytes"
	"html"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Style is a style sheet for drawings that are files of their own, with the colours of a light
// page. A page has its own rules for the same classes.
const Style = `text{font:12px sans-serif;fill:#222}.plot-title{font-size:18px;font-weight:bold}.plot-note,.plot-unit,.plot-tick{fill:#555}` +
	`.plot-end{text-anchor:end}.plot-mid{text-anchor:middle}.plot-paper{fill:#fff}.plot-grid{stroke:#ddd}.plot-axis{stroke:#444}` +
	`.plot-1{fill:#2f6db5}.plot-2{fill:#e08a2c}.plot-ok{fill:#1c7343}.plot-warn{fill:#e0a52c}.plot-bad{fill:#b3261e}` +
	`.plot-age-1{fill:#d7e6f5}.plot-age-2{fill:#a9cbe8}.plot-age-3{fill:#6ea8d8}.plot-age-4{fill:#3f7fbf}.plot-age-5{fill:#24588f}.plot-age-6{fill:#10305a}`

// letter is the mean width of a letter of 12 px, a little too large: a text that is thought
// too wide leaves a gap, and one that is thought too narrow runs into another.
const letter = 6.6

// widthOf returns the width that a text takes at most, usually.
func widthOf(text string) float64 { return letter * float64(utf8.RuneCountInString(text)) }

// shorten cuts a text that is wider than a width.
func shorten(text string, width float64) string {
	n := int(width / letter)
	if runes := []rune(text); len(runes) > n && n > 1 {
		return strings.TrimSpace(string(runes[:n-1])) + "…"
	}
	return text
}

// A canvas collects the elements of a drawing. Texts are escaped, numbers are short.
type canvas struct{ b bytes.Buffer }

// open begins the drawing. The title and the description are for those who do not see it.
func (c *canvas) open(id, class, title, description string, width, height float64, standalone bool) {
	c.b.WriteString(`<svg`)
	if standalone {
		c.attr("xmlns", "http://www.w3.org/2000/svg")
	}
	c.attr("class", class)
	c.attr("viewBox", "0 0 "+num(width)+" "+num(height))
	c.size("width", width)
	c.size("height", height)
	c.attr("role", "img")
	labels := id + "-t"
	if description != "" {
		labels += " " + id + "-d"
	}
	c.attr("aria-labelledby", labels)
	c.b.WriteString(`><title`)
	c.attr("id", id+"-t")
	c.b.WriteString(`>` + html.EscapeString(title) + `</title>`)
	if description != "" {
		c.b.WriteString(`<desc`)
		c.attr("id", id+"-d")
		c.b.WriteString(`>` + html.EscapeString(description) + `</desc>`)
	}
	if standalone {
		c.b.WriteString("<style>" + Style + "</style>")
		c.rect("plot-paper", 0, 0, width, height, "")
	}
	c.b.WriteByte('\n')
}

func (c *canvas) close() []byte {
	c.b.WriteString("</svg>\n")
	return c.b.Bytes()
}

func (c *canvas) attr(name, value string) {
	c.b.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
}

func (c *canvas) size(name string, v float64) { c.attr(name, num(v)) }

// rect draws a rectangle. Its title is shown on hover.
func (c *canvas) rect(class string, x, y, w, h float64, title string) {
	c.b.WriteString(`<rect`)
	c.attr("class", class)
	c.size("x", x)
	c.size("y", y)
	c.size("width", w)
	c.size("height", h)
	if title == "" {
		c.b.WriteString("/>\n")
		return
	}
	c.b.WriteString(`><title>` + html.EscapeString(title) + "</title></rect>\n")
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.b.WriteString(`<line`)
	c.attr("class", class)
	c.size("x1", x1)
	c.size("y1", y1)
	c.size("x2", x2)
	c.size("y2", y2)
	c.b.WriteString("/>\n")
}

func (c *canvas) circle(class string, x, y, r float64) {
	c.b.WriteString(`<circle`)
	c.attr("class", class)
	c.size("cx", x)
	c.size("cy", y)
	c.size("r", r)
	c.b.WriteString("/>\n")
}

func (c *canvas) path(class, d string) {
	c.b.WriteString(`<path`)
	c.attr("class", class)
	c.attr("d", d)
	c.b.WriteString("/>\n")
}

func (c *canvas) text(class string, x, y float64, text string) {
	c.b.WriteString(`<text`)
	c.attr("class", class)
	c.size("x", x)
	c.size("y", y)
	c.b.WriteString(`>` + html.EscapeString(text) + "</text>\n")
}

// num writes a number of the drawing with one decimal.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// keys draws the names of the series, in as many rows as they need, and returns the height.
func (c *canvas) keys(list []Series, left, top, right float64) float64 {
	x, y := left, top
	for _, s := range list {
		w := 18 + widthOf(s.Name) + 14
		if x > left && x+w-14 > right {
			x, y = left, y+18
		}
		c.rect("plot-bar "+s.Class, x, y, 11, 11, "")
		c.text("plot-key", x+17, y+10, s.Name)
		x += w
	}
	return y + 18 - top
}
