package rest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:embed openapi.json
var openAPI []byte

//go:embed docs.css
var docsCSS []byte

//go:embed docs.html
var docsHTML string

func (c *call) getDocument() error {
	c.reply(http.StatusOK, mediaJSON, openAPI)
	return nil
}

func (c *call) getPage() error {
	page, err := page()
	if err != nil {
		return &problem{kind: kindInternal, cause: err}
	}
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	c.reply(http.StatusOK, mediaHTML, page)
	return nil
}

func (c *call) getStyle() error {
	c.reply(http.StatusOK, mediaCSS, docsCSS)
	return nil
}

// apiDocument is what the page shows of openapi.json.
type apiDocument struct {
	Info struct {
		Title, Version, Summary, Description string
	}
	Tags       []apiTag
	Paths      map[string]map[string]*apiOperation
	Components struct {
		Parameters map[string]apiParameter
		Responses  map[string]apiResponse
		Schemas    map[string]*apiSchema
	}
}

type apiTag struct{ Name, Description string }

type apiOperation struct {
	OperationID string
	Summary     string
	Description string
	Tags        []string
	Parameters  []apiParameter
	RequestBody *struct {
		Description string
		Content     map[string]struct{ Schema *apiSchema }
	}
	Responses map[string]apiResponse

	Method, Path string `json:"-"`
}

type apiParameter struct {
	Ref               string `json:"$ref"`
	Name, In          string
	Description       string
	Required          bool
	Schema            *apiSchema
	Content           map[string]struct{ Schema *apiSchema }
	Style             string
	Explode, Nullable *bool
}

type apiResponse struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]json.RawMessage
	Content     map[string]struct{ Schema *apiSchema }
}

type apiSchema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Format, Description  string
	Enum                 []any
	Items                *apiSchema
	Properties           map[string]*apiSchema
	Required             []string
	AdditionalProperties any
	OneOf, AnyOf         []*apiSchema
	MinLength, MaxLength *int
	Minimum, Maximum     *float64
	Pattern              string
	MinItems, MaxItems   *int
	Const                any
	Default              any
	WriteOnly, ReadOnly  bool
}

// last returns the last part of a reference.
func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// Kind names the type of a schema for the page.
func (s *apiSchema) Kind() string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return last(s.Ref)
	case len(s.OneOf)+len(s.AnyOf) > 0:
		var kinds []string
		for _, o := range append(s.OneOf, s.AnyOf...) {
			kinds = append(kinds, o.Kind())
		}
		return strings.Join(kinds, " or ")
	case len(s.Enum) > 0:
		return fmt.Sprintf("one of %s", strings.Trim(strings.ReplaceAll(fmt.Sprintf("%q", s.Enum), `" "`, `", "`), "[]"))
	}
	kind := fmt.Sprint(s.Type)
	if s.Type == nil {
		kind = "any"
	}
	if s.Items != nil {
		return "list of " + s.Items.Kind()
	}
	if s.Format != "" {
		kind += " (" + s.Format + ")"
	}
	return kind
}

// Links is the name of the schema that the kind leads to, if any.
func (s *apiSchema) Links() string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return last(s.Ref)
	case s.Items != nil:
		return s.Items.Links()
	}
	return ""
}

// section is a part of the page.
type section struct {
	Name, Description string
	Operations        []*apiOperation
}

type named[T any] struct {
	Name  string
	Value T
}

// sorted lists a map by its keys.
func sorted[T any](m map[string]T) []named[T] {
	list := make([]named[T], 0, len(m))
	for name, v := range m {
		list = append(list, named[T]{name, v})
	}
	slices.SortFunc(list, func(a, b named[T]) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// page is the page of docs, which is made when it is first asked for.
var page = sync.OnceValues(documentPage)

// methods is the order of an address's methods on the page.
var methods = []string{"get", "post", "put", "patch", "delete"}

// documentPage returns the page of the document.
func documentPage() ([]byte, error) {
	var doc apiDocument
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, fmt.Errorf("rest: openapi.json: %w", err)
	}
	var sections []section
	for _, tag := range doc.Tags {
		s := section{Name: tag.Name, Description: tag.Description}
		for _, path := range sorted(doc.Paths) {
			for _, method := range methods {
				op := path.Value[method]
				if op == nil || !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				op.Method, op.Path = strings.ToUpper(method), path.Name
				for i, p := range op.Parameters {
					if p.Ref != "" {
						op.Parameters[i] = doc.Components.Parameters[last(p.Ref)]
					}
				}
				for code, r := range op.Responses {
					if r.Ref != "" {
						op.Responses[code] = doc.Components.Responses[last(r.Ref)]
					}
				}
				s.Operations = append(s.Operations, op)
			}
		}
		sections = append(sections, s)
	}
	t, err := template.New("docs").Funcs(template.FuncMap{
		"responses": sorted[apiResponse],
		"schemas":   sorted[*apiSchema],
		"fields":    sorted[*apiSchema],
		"required":  func(s *apiSchema, name string) bool { return slices.Contains(s.Required, name) },
		"paragraphs": func(text string) []string {
			return strings.Split(strings.TrimSpace(text), "\n\n")
		},
	}).Parse(docsHTML)
	if err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Doc": doc, "Sections": sections})
	if err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	return b.Bytes(), nil
}
