package letter

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"slices"
	"strings"
	texttemplate "text/template"

	"golang.org/x/text/language"

	"github.com/ticketkit/ticket"
)

// Config says what the letters are like. The zero Config words every kind in
// English and German.
type Config struct {
	// Desk is the name that letters are signed with, such as "The Example Shop".
	// Empty: "Your support team", in the letter's language.
	Desk string
	// Fallback is the language for those who have none, or one that there are no
	// letters in. Default: "en".
	Fallback string
	// Templates has files that take the place of those that come along, with the
	// same paths: "en/received.txt", "de/parts.html". A folder with the name of
	// another language, such as "fr", adds that one, and must have all files. Nil:
	// none. A text file begins with the line of the subject and an empty line.
	Templates fs.FS
	// AgentURL makes the address of the page where an agent works on the ticket.
	// It must be quick. Nil, and what is not http or https: there is no link.
	AgentURL func(n ticket.Notification) string
	// NoReply says that nobody reads what is sent in reply, so that the letters
	// do not ask for it. Default: they do, so an application that takes in no mail
	// sets it.
	NoReply bool
}

// Letter is a notification in words.
type Letter struct {
	Language string // BCP 47, such as "de"
	Subject  string // one line
	Text     string // lines end in a line feed
	HTML     string // a whole page
}

// Letters writes letters. Make them with [New]; they are safe for concurrent
// use.
type Letters struct {
	cfg     Config
	langs   []string // the fallback first, then in order
	matcher language.Matcher
	sheets  map[string]*sheet // by path without the ending, such as "en/received"
}

// sheet is the words for one kind, audience and language.
type sheet struct {
	path    string
	subject *texttemplate.Template
	text    *texttemplate.Template
	html    *htmltemplate.Template
}

//go:embed templates
var embedded embed.FS

// New parses and checks the templates. Its error joins all faults, each a
// [*TemplateError].
func New(cfg Config) (*Letters, error) {
	if cfg.Fallback == "" {
		cfg.Fallback = "en"
	}
	cfg.Desk = Line(cfg.Desk, mostName)
	own, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	files := overlay{cfg.Templates, own}
	l := &Letters{cfg: cfg, sheets: map[string]*sheet{}}
	if l.langs, err = files.languages(); err != nil {
		return nil, err
	}
	at := slices.Index(l.langs, cfg.Fallback)
	if at < 0 {
		return nil, &TemplateError{File: cfg.Fallback, Err: fmt.Errorf("the fallback is none of the languages there are templates in: %s", strings.Join(l.langs, ", "))}
	}
	l.langs = slices.Insert(slices.Delete(l.langs, at, at+1), 0, cfg.Fallback)
	tags := make([]language.Tag, len(l.langs))
	for i, lang := range l.langs {
		tags[i] = language.Make(lang)
	}
	l.matcher = language.NewMatcher(tags)

	var faults []error
	for _, lang := range slices.Sorted(slices.Values(l.langs)) {
		faults = append(faults, l.parse(files, lang)...)
	}
	if len(faults) == 0 { // what is missing need not be executed
		faults = l.try(allKinds())
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return l, nil
}

// Languages lists the languages there are letters in, the fallback first.
func (l *Letters) Languages() []string { return slices.Clone(l.langs) }

// InvitesReplies reports whether the letters ask for replies; see
// [Config].NoReply.
func (l *Letters) InvitesReplies() bool { return !l.cfg.NoReply }

// Write words a notification. A template that fails on it, and a kind that there
// are no words for, is a [*TemplateError], marked with [ticket.Permanent].
func (l *Letters) Write(n ticket.Notification) (Letter, error) {
	at := l.choose(n.To.Person.Locale)
	letter, err := l.write(n, at)
	if err != nil {
		return Letter{}, ticket.Permanent(err)
	}
	return letter, nil
}

func (l *Letters) write(n ticket.Notification, at locale) (Letter, error) {
	path := at.lang + "/" + sheetName(n.Kind, agent(n.To))
	s := l.sheets[path]
	if s == nil {
		return Letter{}, &TemplateError{File: path + ".txt", Err: fmt.Errorf("there are no words for the kind %q", n.Kind)}
	}
	d := l.data(n, at)
	letter := Letter{Language: at.lang}
	var b strings.Builder
	if err := s.subject.Execute(&b, d); err != nil {
		return Letter{}, &TemplateError{File: path + ".txt", Err: err}
	}
	letter.Subject = Line(b.String(), mostSubject+50)
	b.Reset()
	if err := s.text.Execute(&b, d.keepingLines()); err != nil {
		return Letter{}, &TemplateError{File: path + ".txt", Err: err}
	}
	letter.Text = tidy(b.String())
	b.Reset()
	if err := s.html.Execute(&b, d); err != nil {
		return Letter{}, &TemplateError{File: path + ".html", Err: err}
	}
	letter.HTML = tidy(b.String())
	return letter, nil
}

// The names of the sheets for agents begin with agentPrefix. What is meant for
// customers, and goes to an agent as a copy, has one sheet for all kinds.
const (
	agentPrefix = "agent-"
	copySheet   = agentPrefix + "copy"
)

// sheetName is the name of the file for a kind and an audience, without folder
// and ending.
func sheetName(k ticket.Kind, agent bool) string {
	name := strings.ReplaceAll(string(k), " ", "-")
	switch {
	case !agent && slices.Contains(ticket.Kinds(ticket.RoleCustomer), k):
		return name
	case agent && slices.Contains(ticket.Kinds(ticket.RoleAgent), k):
		return agentPrefix + name
	case agent && slices.Contains(ticket.Kinds(ticket.RoleCustomer), k):
		return copySheet
	default:
		return ""
	}
}

// allKinds lists every kind once.
func allKinds() []ticket.Kind {
	kinds := ticket.Kinds(ticket.RoleCustomer | ticket.RoleAgent)
	slices.Sort(kinds)
	return kinds
}

// TemplateError is a fault of a template.
type TemplateError struct {
	File string // such as "en/received.txt"
	Err  error
}

func (e *TemplateError) Error() string { return "letter: " + e.File + ": " + e.Err.Error() }
func (e *TemplateError) Unwrap() error { return e.Err }
