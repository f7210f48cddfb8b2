package letter

import (
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

// overlay reads a file from the templates of the application, or else from the built-in
// ones.
type overlay struct{ custom, builtin fs.FS }

func (o overlay) read(path string) (string, error) {
	b, err := []byte(nil), fs.ErrNotExist
	if o.custom != nil {
		b, err = fs.ReadFile(o.custom, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		b, err = fs.ReadFile(o.builtin, path)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("is missing")
		}
		return "", &TemplateError{File: path, Err: err}
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), "\r\n", "\n"), nil
}

// languages returns the folders, sorted.
func (o overlay) languages() ([]string, error) {
	var langs []string
	for _, f := range []fs.FS{o.builtin, o.custom} {
		if f == nil {
			continue
		}
		entries, err := fs.ReadDir(f, ".")
		if err != nil {
			return nil, &TemplateError{File: ".", Err: err}
		}
		for _, e := range entries {
			if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if _, err := language.Parse(e.Name()); err != nil {
				return nil, &TemplateError{File: e.Name(), Err: fmt.Errorf("the folder name is not a language such as %q; if the languages are inside it, use fs.Sub: %w", "fr", err)}
			}
			langs = append(langs, e.Name())
			if err := known(f, e.Name()); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(langs)
	return slices.Compact(langs), nil
}

// known rejects files that are never read, such as those with a misspelled name.
func known(f fs.FS, lang string) error {
	entries, err := fs.ReadDir(f, lang)
	if err != nil {
		return &TemplateError{File: lang, Err: err}
	}
	for _, e := range entries {
		name, html := strings.CutSuffix(e.Name(), ".html")
		if !html {
			name, _ = strings.CutSuffix(e.Name(), ".txt")
		}
		switch {
		case strings.HasPrefix(e.Name(), "."), e.Name() == wordsFile, name == partsFile && name != e.Name():
		case name == e.Name() || !slices.Contains(sheetNames(), name):
			return &TemplateError{File: lang + "/" + e.Name(), Err: fmt.Errorf("is not a template; the templates are %s, each .txt and .html", strings.Join(append(sheetNames(), "words (.txt only)", partsFile), ", "))}
		}
	}
	return nil
}

// The files that the templates of a language share. words.txt is part of both forms.
const (
	wordsFile = "words.txt"
	partsFile = "parts"
)

// parse reads all templates of a language.
func (l *Letters) parse(files overlay, lang string) (faults []error) {
	text := texttemplate.New(lang).Option("missingkey=error")
	html := htmltemplate.New(lang).Option("missingkey=error")
	shared := func(name string, add func(source string) error) {
		path := lang + "/" + name
		source, err := files.read(path)
		if err == nil {
			if err = add(source); err != nil {
				err = &TemplateError{File: path, Err: err}
			}
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	addText := func(s string) error { _, err := text.New("parts").Parse(s); return err }
	addHTML := func(s string) error { _, err := html.New("parts").Parse(s); return err }
	shared(wordsFile, func(s string) error { return errors.Join(addText(s), addHTML(s)) })
	shared(partsFile+".txt", addText)
	shared(partsFile+".html", addHTML)
	if len(faults) > 0 {
		return faults
	}
	for _, name := range sheetNames() {
		path := lang + "/" + name
		s := &sheet{path: path}
		fault := func(ending string, err error) {
			if _, named := errors.AsType[*TemplateError](err); !named {
				err = &TemplateError{File: path + ending, Err: err}
			}
			faults = append(faults, err)
		}
		if err := s.parseText(files, text); err != nil {
			fault(".txt", err)
		}
		if err := s.parseHTML(files, html); err != nil {
			fault(".html", err)
		}
		l.sheets[path] = s
	}
	return faults
}

func (s *sheet) parseText(files overlay, shared *texttemplate.Template) error {
	source, err := files.read(s.path + ".txt")
	if err != nil {
		return err
	}
	subject, body, _ := strings.Cut(source, "\n")
	if second, _, _ := strings.Cut(body, "\n"); strings.TrimSpace(second) != "" {
		return errors.New("the line after the subject must be empty")
	}
	parse := func(source string) (*texttemplate.Template, error) {
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		return t.New(s.path + ".txt").Parse(source)
	}
	if s.subject, err = parse(subject); err != nil {
		return err
	}
	s.text, err = parse("\n" + body) // keeps the line numbers of errors
	return err
}

func (s *sheet) parseHTML(files overlay, shared *htmltemplate.Template) error {
	source, err := files.read(s.path + ".html")
	if err != nil {
		return err
	}
	t, err := shared.Clone()
	if err != nil {
		return err
	}
	s.html, err = t.New(s.path + ".html").Parse(source)
	return err
}

// sheetNames returns the names of all templates of a language, without extension.
func sheetNames() []string {
	var names []string
	for _, k := range allKinds() {
		for _, agent := range []bool{false, true} {
			if name := sheetName(k, agent); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Check reports the kinds without a template, like [ticket.NotifierChecker]. [New] has
// already checked the templates.
func (l *Letters) Check(kinds []ticket.Kind) error {
	var faults []error
	for _, k := range kinds {
		if sheetName(k, false) == "" && sheetName(k, true) == "" {
			faults = append(faults, fmt.Errorf("letter: the kind %q has no template", k))
		}
	}
	return errors.Join(faults...)
}

// try executes the templates of the kinds on samples for every possible recipient, and
// checks the results.
func (l *Letters) try(kinds []ticket.Kind) (faults []error) {
	seen := map[string]bool{}
	for _, k := range kinds {
		for _, n := range samples(k) {
			name := sheetName(k, agent(n.To))
			if name == "" {
				continue
			}
			for _, lang := range l.langs {
				n.To.Person.Locale = lang
				letter, err := l.write(n, locale{lang, language.Make(lang)})
				if err == nil {
					err = lacks(letter, lang+"/"+name, n.Number)
				}
				if err != nil && !seen[err.Error()] { // report a fault once
					seen[err.Error()] = true
					faults = append(faults, err)
				}
			}
		}
	}
	return faults
}

// lacks reports missing parts of a letter.
func lacks(l Letter, path string, n ticket.Number) error {
	var faults []error
	for _, p := range [...]struct{ ending, what, has string }{
		{".txt", "subject", l.Subject}, {".txt", "text", l.Text}, {".html", "text", l.HTML},
	} {
		if !strings.Contains(p.has, string(n)) {
			faults = append(faults, &TemplateError{File: path + p.ending, Err: fmt.Errorf("the %s must contain the number, {{.Number}}", p.what)})
		}
	}
	return errors.Join(faults...)
}
