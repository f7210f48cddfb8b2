package web

import (
	"html/template"

	"github.com/ticketkit/ticket"
)

// Fault returns the data of the part "error".
func (p *page) Fault(field, text string) formError { return formError{field, text} }

// ErrorOf returns what is wrong with a field of the form on the page.
func (v view) ErrorOf(field string) string {
	if d, ok := v.form(); ok {
		return d.Error(field)
	}
	return ""
}

// form returns the data of the page if it is the form.
func (p *page) form() (formData, bool) { d, ok := p.data.(formData); return d, ok }

// fileList is the data of the part "files".
type fileList struct {
	Files []ticket.Attachment
	Path  string // of the page; empty means that there is nothing to download
}

// FilesOf returns the data of the part "files".
func (p *page) FilesOf(files []ticket.Attachment, path string) fileList { return fileList{files, path} }

// Mono returns a number in the style of numbers.
func (p *page) Mono(n ticket.Number) template.HTML {
	return template.HTML(`<span class="number">` + template.HTMLEscapeString(string(n)) + `</span>`) //nolint:gosec // it is escaped
}

// Scores are the ratings, the best first.
func (p *page) Scores() []int { return []int{5, 4, 3, 2, 1} }
