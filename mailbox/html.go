package mailbox

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxOpen   = 256      // open elements that are remembered
	maxIndent = 3        // levels of quotes and lists that are shown
	maxTag    = 64 << 10 // bytes of a tag; of a longer one only the name is read
	maxShown  = 2000     // bytes of a link that is shown
)

// htmlText returns the text of an HTML document: with line breaks where a browser has them,
// "> " before quotes, "- " before the items of lists and the targets of links in angle
// brackets. What a browser does not show is left out. It reads tokens and builds no tree,
// which would take a hundred times the memory.
func htmlText(document string) string {
	z := html.NewTokenizer(strings.NewReader(splitText(document)))
	w := &htmlWriter{}
	w.out.Grow(len(document))
	for w.out.Len() <= len(document)+maxText {
		switch z.Next() {
		case html.ErrorToken:
			return w.text()
		case html.TextToken:
			w.words(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z)
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			w.end(a, elementName(a, name))
		}
	}
	return w.text()
}

// htmlElement is an open element.
type htmlElement struct {
	name   string
	hidden bool // by itself
	quote  bool
	list   bool
	href   string
	from   int // where its text begins in the output
}

type htmlWriter struct {
	out    strings.Builder
	open   []htmlElement
	hidden int // open elements that are hidden
	quotes int // and that are quotes
	lists  int
	pre    int
	line   bool // the current line has text
	breaks int  // line breaks that are due
	space  bool // a space is due
}

// hiding are the elements whose text is not shown.
var hiding = []atom.Atom{atom.Script, atom.Style, atom.Head, atom.Title, atom.Template, atom.Object, atom.Iframe, atom.Svg,
	atom.Math, atom.Audio, atom.Video, atom.Canvas, atom.Select, atom.Datalist, atom.Textarea, atom.Noframes, atom.Noembed}

// blocks begin and end a line.
var blocks = []atom.Atom{atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Body, atom.Center, atom.Dd, atom.Details, atom.Dir, atom.Div, atom.Dl, atom.Dt,
	atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr,
	atom.Html, atom.Legend, atom.Li, atom.Main, atom.Menu, atom.Nav, atom.Ol, atom.P, atom.Pre, atom.Section, atom.Summary, atom.Table, atom.Tbody,
	atom.Tfoot, atom.Thead, atom.Tr, atom.Ul, atom.Caption}

// spaced have an empty line before and after them.
var spaced = []atom.Atom{atom.P, atom.Blockquote, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Dl, atom.Pre, atom.Table, atom.Hr}

// inHead are the elements of a head.
var inHead = []atom.Atom{atom.Meta, atom.Link, atom.Title, atom.Style, atom.Script, atom.Base, atom.Basefont, atom.Template, atom.Noscript, atom.Object}

// void elements have no end.
var void = []atom.Atom{atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr, atom.Keygen, atom.Frame}

// closes has the elements that end where another of them begins, up to the given parents.
var closes = map[atom.Atom][]string{
	atom.Li: {"li", "ul", "ol", "menu", "dir"}, atom.Option: {"option", "select"},
	atom.Dt: {"dt", "dl"}, atom.Dd: {"dd", "dl"},
	atom.Tr: {"tr", "table"}, atom.Td: {"td", "tr", "table"}, atom.Th: {"th", "tr", "table"},
}

// elementName returns the name of an element, without memory for those that are known.
func elementName(a atom.Atom, name []byte) string {
	if a != 0 {
		return a.String()
	}
	return string(name)
}

func (w *htmlWriter) start(z *html.Tokenizer) {
	name, more := z.TagName()
	a := atom.Lookup(name)
	e := htmlElement{name: elementName(a, name)}
	e.hidden = slices.Contains(hiding, a)
	var alt string
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "style":
			e.hidden = e.hidden || unseenStyle(value)
		case "hidden":
			e.hidden = true
		case "href":
			if a == atom.A {
				e.href = shownLink(string(value))
			}
		case "alt":
			if a == atom.Img && len(value) <= maxShown {
				alt = strings.TrimSpace(string(value))
			}
		case "type":
			if a == atom.Input && bytes.EqualFold(value, []byte("hidden")) {
				e.hidden = true
			}
		}
	}
	if n := len(w.open); n > 0 && w.open[n-1].name == "head" && !slices.Contains(inHead, a) {
		w.leave(n - 1) // its end is missing
	}
	if slices.Contains(blocks, a) { // ends a paragraph without an end
		w.closeUpTo("p", "p", "td", "th", "li", "div", "blockquote", "table", "body", "button")
	}
	if list := closes[a]; list != nil {
		w.closeUpTo(list[0], list...)
	}
	if w.hidden == 0 && !e.hidden {
		w.layout(a, alt)
	}
	if slices.Contains(void, a) {
		return
	}
	if len(w.open) >= maxOpen {
		if e.hidden { // its text would be shown, and its end not be noticed
			w.open = w.open[:maxOpen-1]
			w.recount()
		} else {
			return
		}
	}
	e.quote = a == atom.Blockquote
	e.list = a == atom.Ul || a == atom.Ol || a == atom.Menu || a == atom.Dir || a == atom.Dd
	e.from = w.out.Len()
	w.open = append(w.open, e)
	w.count(&e, 1)
}

// layout writes what an element shows where it begins.
func (w *htmlWriter) layout(a atom.Atom, alt string) {
	switch {
	case slices.Contains(spaced, a):
		w.newline(2)
	case slices.Contains(blocks, a):
		w.newline(1)
	}
	switch a {
	case atom.Br:
		w.newline(w.breaks + 1)
	case atom.Hr:
		w.words([]byte("----"))
		w.newline(2)
	case atom.Li:
		w.words([]byte("-"))
		w.space = true
	case atom.Td, atom.Th:
		w.space = w.line
	case atom.Img:
		if alt != "" && w.line { // alone it is a logo or decoration
			w.words([]byte("[" + alt + "]"))
		}
	}
}

// count enters or leaves an element.
func (w *htmlWriter) count(e *htmlElement, by int) {
	if e.hidden {
		w.hidden += by
	}
	if e.quote {
		w.quotes += by
	}
	if e.list {
		w.lists += by
	}
	if e.name == "pre" {
		w.pre += by
	}
}

func (w *htmlWriter) recount() {
	w.hidden, w.quotes, w.lists, w.pre = 0, 0, 0, 0
	for i := range w.open {
		w.count(&w.open[i], 1)
	}
}

// closeUpTo ends the innermost element of this name, if none of the others is within.
func (w *htmlWriter) closeUpTo(name string, within ...string) {
	for i, e := range slices.Backward(w.open) {
		if e.name == name {
			w.leave(i)
			return
		}
		if slices.Contains(within, e.name) {
			return
		}
	}
}

func (w *htmlWriter) end(a atom.Atom, name string) {
	for i, e := range slices.Backward(w.open) {
		if e.name == name {
			w.leave(i)
			break
		}
		// The end of an element within a cell does not end the table around it.
		if (e.name == "td" || e.name == "th") && a != atom.Tr && a != atom.Table && a != atom.Tbody && a != atom.Body && a != atom.Html {
			return
		}
	}
	if w.hidden > 0 {
		return
	}
	switch {
	case slices.Contains(spaced, a):
		w.newline(2)
	case slices.Contains(blocks, a):
		w.newline(1)
	}
}

// leave ends the element at this place, and all within it.
func (w *htmlWriter) leave(at int) {
	for i := len(w.open) - 1; i >= at; i-- {
		e := w.open[i]
		if e.href != "" && w.hidden == 0 {
			w.link(e)
		}
		w.count(&e, -1)
	}
	w.open = w.open[:at]
}

// link writes the target of a link, unless its text says it.
func (w *htmlWriter) link(e htmlElement) {
	text := strings.TrimSpace(w.out.String()[e.from:])
	if text == "" {
		return // an image
	}
	bare := func(s string) string {
		s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(s), "mailto:"), "https://"), "http://")
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "tel:"), "www."), "/")
	}
	if len(text) <= 2*maxShown && bare(text) == bare(e.href) {
		return
	}
	w.space = true
	w.words([]byte("<" + e.href + ">"))
}

// newline makes sure that the next text begins a line, after n-1 empty ones.
func (w *htmlWriter) newline(n int) {
	if w.out.Len() > 0 {
		w.breaks = max(w.breaks, min(n, 3))
	}
	w.space, w.line = false, false
}

// words writes text with its white space as a browser shows it.
func (w *htmlWriter) words(text []byte) {
	if w.hidden > 0 {
		return
	}
	for len(text) > 0 {
		if w.pre > 0 && text[0] == '\n' {
			w.newline(w.breaks + 1)
			text = text[1:]
			continue
		}
		end := bytes.IndexAny(text, " \t\r\n\f")
		switch {
		case end == 0:
			if w.pre > 0 && text[0] != '\r' && w.line {
				w.out.WriteByte(' ')
			} else {
				w.space = w.space || w.line
			}
			text = text[1:]
			continue
		case end < 0:
			end = len(text)
		}
		w.begin()
		w.out.Write(text[:end])
		text = text[end:]
	}
}

// begin writes what is due before text.
func (w *htmlWriter) begin() {
	if !w.line {
		for ; w.breaks > 0; w.breaks-- {
			w.out.WriteByte('\n')
			if w.breaks > 1 && w.quotes > 0 {
				w.out.WriteString(">>>"[:min(w.quotes, maxIndent)])
			}
		}
		if w.quotes > 0 {
			w.out.WriteString(">>>"[:min(w.quotes, maxIndent)])
			w.out.WriteByte(' ')
		}
		if w.lists > 1 {
			w.out.WriteString("    "[:2*min(w.lists, maxIndent)-2])
		}
		w.line, w.space = true, false
		return
	}
	if w.space {
		w.out.WriteByte(' ')
		w.space = false
	}
}

func (w *htmlWriter) text() string { return w.out.String() }

// unseenStyle reports whether a style hides its element.
func unseenStyle(style []byte) bool {
	if len(style) > maxTag {
		return false
	}
	s := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, string(style))
	var flat, clipped bool
	for declaration := range strings.SplitSeq(s, ";") {
		property, value, _ := strings.Cut(declaration, ":")
		value = strings.TrimSuffix(value, "!important")
		switch property + ":" + value {
		case "display:none", "visibility:hidden", "mso-hide:all":
			return true
		case "overflow:hidden":
			clipped = true
		}
		if !strings.HasPrefix(value, "0") || strings.Trim(strings.TrimRight(value, "pxtemrc%"), "0.") != "" {
			continue
		}
		switch property {
		case "font-size", "opacity":
			return true
		case "max-height", "height":
			flat = true
		}
	}
	return flat && clipped
}

// shownLink returns the target of a link if it helps a reader.
func shownLink(href string) string {
	href = strings.TrimSpace(href)
	lower := strings.ToLower(href[:min(len(href), 10)])
	for _, scheme := range [...]string{"http://", "https://", "mailto:", "tel:", "ftp://"} {
		if strings.HasPrefix(lower, scheme) && len(href) <= maxShown && !strings.ContainsFunc(href, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '<' || r == '>' }) {
			return href
		}
	}
	return ""
}

// splitText inserts end tags that end nothing into very long text, because the tokenizer
// copies its buffer again and again for a long token.
func splitText(document string) string {
	const tag = "</x>"
	var b strings.Builder
	done := 0
	for at := 0; len(document)-at > maxTag; {
		window := document[at : at+maxTag] // longer than any tag
		if i := strings.LastIndexByte(window, '<'); i >= 0 {
			at += i + 1
			continue
		}
		i := strings.LastIndexAny(window, " \n")
		if i <= 0 {
			at += maxTag
			continue
		}
		at += i
		if b.Cap() == 0 {
			b.Grow(len(document) + len(document)/maxTag*2*len(tag) + len(tag))
		}
		b.WriteString(document[done:at])
		b.WriteString(tag)
		done = at
	}
	if done == 0 {
		return document
	}
	b.WriteString(document[done:])
	return b.String()
}

// shortTags removes the attributes of very long tags. They are images as data: URLs, and
// attempts to make a parser use memory.
func shortTags(b []byte) []byte {
	if !hasLongTag(b) {
		return b
	}
	b = bytes.Clone(b)
	out := b[:0]
	quotes := true // what looks like a quoted value is one
	for len(b) > 0 {
		at := bytes.IndexByte(b, '<')
		if at < 0 || at+1 >= len(b) {
			break
		}
		out = append(out, b[:at]...)
		b = b[at:]
		if c := b[1] | 0x20; c < 'a' || c > 'z' {
			out = append(out, b[0])
			b = b[1:]
			continue
		}
		end, quote := 1, byte(0)
		for ; quotes && end < len(b); end++ {
			c := b[end]
			if quote != 0 {
				if c == quote {
					quote = 0
				}
				continue
			}
			if c == '>' {
				break
			}
			if (c == '"' || c == '\'') && b[end-1] == '=' {
				quote = c
			}
		}
		if quotes = quotes && end < len(b); !quotes { // one that never ends
			if end = bytes.IndexByte(b, '>'); end < 0 {
				end = len(b)
			}
		}
		if end <= maxTag {
			out = append(out, b[:end]...)
			b = b[end:]
			continue
		}
		name := bytes.IndexAny(b[:end], " \t\r\n\f/")
		if name < 0 {
			name = min(end, 100)
		}
		out = append(out, b[:name]...)
		b = b[end:]
	}
	return append(out, b...)
}

// hasLongTag reports whether a document can have a tag that is too long: more than maxTag
// bytes after a < without another one, or with a quoted value of this length.
func hasLongTag(s []byte) bool {
	for len(s) > maxTag {
		at := bytes.IndexByte(s, '<')
		if at < 0 {
			return false
		}
		s = s[at+1:]
		end := bytes.IndexByte(s, '>')
		if end < 0 || end > maxTag || !evenQuotes(s[:end]) {
			return true
		}
		s = s[end:]
	}
	return false
}

// evenQuotes reports whether the quoted values of a tag end within it.
func evenQuotes(s []byte) bool {
	return bytes.Count(s, []byte{'"'})%2 == 0 && bytes.Count(s, []byte{'\''})%2 == 0
}

// metaCharset finds the charset that a document declares itself.
var metaCharset = regexp.MustCompile(`(?i)<meta[^>]{1,200}charset\s*=\s*["']?([a-z0-9._:-]{2,40})`)

// htmlCharset returns the charset that an HTML document declares, or "".
func htmlCharset(b []byte) string {
	if m := metaCharset.FindSubmatch(b[:min(len(b), 4096)]); m != nil {
		return string(m[1])
	}
	return ""
}

// cidsIn adds the Content-IDs that an HTML document shows as images.
func cidsIn(b []byte, ids map[string]bool) {
	const most = 10_000
	for range most {
		at := bytes.Index(b, []byte("cid:"))
		if at < 0 {
			return
		}
		b = b[at+len("cid:"):]
		end := bytes.IndexAny(b[:min(len(b), 1000)], "\"'<> \t\r\n)")
		if end > 0 {
			ids[string(unpercent(string(b[:end])))] = true
		}
	}
}
