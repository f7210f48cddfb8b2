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

// Config configures [Letters]. The zero Config has templates for every kind, in English
// and German.
type Config struct {
	// Desk is the name that letters are signed with, such as "The Example Shop". Empty
	// means "Your support team", in the language of the letter.
	Desk string
	// Fallback is the language of letters to recipients whose language is unknown or has
	// no templates. Empty means "en".
	Fallback string
	// Templates has files that replace built-in templates with the same path:
	// "en/received.txt", "de/parts.html". A folder named after another language, such as
	// "fr", adds that language and must have all files. A text template begins with the
	// subject line and an empty line. Nil means the built-in templates.
	Templates fs.FS
	// AgentURL returns the address of the page where an agent works on the ticket. It must
	// return quickly. Nil, and an address that is not http or https, mean no link.
	AgentURL func(n ticket.Notification) string
	// AnswerTo returns the address by which an agent answers the customer by mail, such as
	// AnswerTo of package replyaddress. Letters to agents then say that a reply to them becomes
	// an internal note, and name this address. It must return quickly. Nil, and a result of "",
	// mean that letters to agents say nothing about answers.
	AnswerTo func(n ticket.Notification) string
	// NoReply means nobody reads replies, so that the letters do not ask for them. Set it
	// if your application receives no mail.
	NoReply bool
}

// Letter is the text of a notification.
type Letter struct {
	Language string // BCP 47, such as "de"
	Subject  string // one line
	Text     string // lines end in a line feed
	HTML     string // a whole page
}

// Letters turns notifications into letters. Make one with [New]. It is safe for concurrent use.
type Letters struct {
	cfg     Config
	langs   []string // the fallback first, then in order
	matcher language.Matcher
	sheets  map[string]*sheet // by path without extension, such as "en/received"
}

// sheet has the templates for one kind, audience and language.
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
	cfg.Desk = Line(cfg.Desk, maxName)
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
		return nil, &TemplateError{File: cfg.Fallback, Err: fmt.Errorf("the fallback is not a language with templates: %s", strings.Join(l.langs, ", "))}
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
	if len(faults) == 0 { // missing templates cannot be executed
		faults = l.try(allKinds())
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return l, nil
}

// Languages returns the languages that have templates, the fallback first.
func (l *Letters) Languages() []string { return slices.Clone(l.langs) }

// InvitesReplies reports whether the letters ask for replies; see [Config].NoReply.
func (l *Letters) InvitesReplies() bool { return !l.cfg.NoReply }

// Write returns the letter for a notification. If the template fails, or the kind has no template, the
// error is a [*TemplateError] in a permanent [ticket.DeliveryFault].
func (l *Letters) Write(n ticket.Notification) (Letter, error) {
	at := l.choose(n.To.Person.Locale)
	letter, err := l.write(n, at)
	if err != nil {
		return Letter{}, &ticket.DeliveryFault{Err: err, Permanent: true}
	}
	return letter, nil
}

func (l *Letters) write(n ticket.Notification, at locale) (Letter, error) {
	path := at.lang + "/" + sheetName(n.Kind, agent(n.To))
	s := l.sheets[path]
	if s == nil {
		return Letter{}, &TemplateError{File: path + ".txt", Err: fmt.Errorf("the kind %q has no template", n.Kind)}
	}
	d := l.data(n, at)
	letter := Letter{Language: at.lang}
	var b strings.Builder
	if err := s.subject.Execute(&b, d); err != nil {
		return Letter{}, &TemplateError{File: path + ".txt", Err: err}
	}
	letter.Subject = Line(b.String(), maxSubject+50)
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

// The names of templates for agents begin with agentPrefix. An agent who gets a copy of a
// customer notification gets copySheet, whatever its kind.
const (
	agentPrefix = "agent-"
	copySheet   = agentPrefix + "copy"
)

// sheetName returns the template name for a kind and audience, without folder and
// extension, or "" if there is none.
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

// allKinds returns every kind once.
func allKinds() []ticket.Kind {
	kinds := ticket.Kinds(ticket.RoleCustomer | ticket.RoleAgent)
	slices.Sort(kinds)
	return kinds
}

// TemplateError reports a fault of a template.
type TemplateError struct {
	File string // such as "en/received.txt"
	Err  error
}

func (e *TemplateError) Error() string { return "letter: " + e.File + ": " + e.Err.Error() }
func (e *TemplateError) Unwrap() error { return e.Err }
