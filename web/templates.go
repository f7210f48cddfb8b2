package web

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed templates/*.html
var builtIn embed.FS

// templates has one set for each page: the layout, the parts, the frame and the page.
type templates struct {
	pages map[string]*template.Template
}

// families lists the beginnings of the names of the templates of each handler.
var families = map[string][]string{
	"customer": {"customer_"},
	"console":  {"console_", "figures_"},
}

// loadTemplates parses the templates of a handler, with files of the application in place of
// built-in ones.
func loadTemplates(kind string, replaced fs.FS) (templates, error) {
	read, err := replacing(kind, replaced)
	if err != nil {
		return templates{}, err
	}
	var shared, pages []string
	for _, name := range builtInNames() {
		switch {
		case name == "layout.html" || strings.HasPrefix(name, "base_") || name == kind+"_frame.html":
			shared = append(shared, name)
		case name == "error.html" || slices.ContainsFunc(families[kind], func(f string) bool { return strings.HasPrefix(name, f) }):
			pages = append(pages, name)
		}
	}
	// The layout comes first: the others define its blocks again.
	slices.SortStableFunc(shared, func(a, b string) int { return rank(a) - rank(b) })
	base := template.New("").Option("missingkey=error")
	for _, name := range shared {
		if err := parse(base, name, read); err != nil {
			return templates{}, err
		}
	}
	out := templates{pages: map[string]*template.Template{}}
	for _, name := range pages {
		set, err := base.Clone()
		if err == nil {
			err = parse(set, name, read)
		}
		if err != nil {
			return templates{}, err
		}
		out.pages[name] = set
	}
	return out, nil
}

func rank(name string) int {
	switch {
	case name == "layout.html":
		return 0
	case strings.HasPrefix(name, "base_"):
		return 1
	}
	return 2
}

func parse(set *template.Template, name string, read func(string) ([]byte, error)) error {
	text, err := read(name)
	if err == nil {
		_, err = set.New(name).Parse(string(text))
	}
	if err != nil {
		return fmt.Errorf("web: the template %s: %w", name, err)
	}
	return nil
}

// replacing returns a function that reads a template, and checks that each file of the
// application replaces one, of this handler or of the other.
func replacing(kind string, replaced fs.FS) (func(string) ([]byte, error), error) {
	original := func(name string) ([]byte, error) { return builtIn.ReadFile("templates/" + name) }
	if replaced == nil {
		return original, nil
	}
	known := builtInNames()
	err := fs.WalkDir(replaced, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir(), path.Ext(name) != ".html", slices.Contains(known, name):
			return nil
		}
		return fmt.Errorf("no template of %s has the name %s", kind, name)
	})
	if err != nil {
		return nil, fmt.Errorf("web: Look.Templates: %w", err)
	}
	return func(name string) ([]byte, error) {
		text, err := fs.ReadFile(replaced, name)
		if errors.Is(err, fs.ErrNotExist) {
			return original(name)
		}
		return text, err
	}, nil
}

// builtInNames lists the names of all built-in templates, sorted.
func builtInNames() []string {
	entries, err := builtIn.ReadDir("templates")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}
