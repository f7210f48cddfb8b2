package ticket_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rootNames is how many exported names the root package may have at top level.
// Lower it when names go. To raise it is a decision; see CONTRIBUTING.md.
const rootNames = 298

// testdata/api has the exported names of each package, with their signatures.
// UPDATE_GOLDEN=1 writes the files. A difference is a change that users see.
func TestExportedNamesArePinned(t *testing.T) {
	inRepository(t)
	const folder = "testdata/api"
	update := os.Getenv("UPDATE_GOLDEN") != ""
	files := map[string]bool{}
	for dir := range packages(t) {
		if strings.HasPrefix(dir, "internal/") {
			continue
		}
		name := strings.ReplaceAll(cmp.Or(strings.TrimPrefix(dir, "."), "ticket"), "/", "-") + ".txt"
		files[name] = true
		got := exported(t, dir).String()
		if update {
			require.NoError(t, os.MkdirAll(folder, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(got), 0o600))
			continue
		}
		want, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, "run UPDATE_GOLDEN=1 go test -run %s .", t.Name())
		assert.Equal(t, string(want), got, "package %s: if the change is meant, say so in CHANGELOG.md and docs/migrating.md, "+
			"and run UPDATE_GOLDEN=1 go test -run %s .", dir, t.Name())
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		if files[e.Name()] {
			continue
		}
		if update {
			require.NoError(t, os.Remove(filepath.Join(folder, e.Name())))
			continue
		}
		assert.Fail(t, "a listing of no package", e.Name())
	}
}

func TestRootPackageKeepsToItsBudget(t *testing.T) {
	names := exported(t, ".").names
	assert.LessOrEqual(t, len(names), rootNames, "the root package has %d exported names at top level, %d are allowed",
		len(names), rootNames)
}

// The listing shows what a user can depend on, and nothing else.
func TestListingShowsEveryKindOfName(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(`package p

const (
	A Kind = iota + 1
	B
	hidden
)

type Kind int

func (k Kind) String() string { return "" }

type Pair[K comparable, V any] struct {
	Key  K
	Val, Other V
	none int
	fmt.Stringer
	*embedded
}

func (p *Pair[K, V]) Swap(with, by int) (done bool) { return false }

type Doer interface {
	Do(ctx context.Context) error
	secret()
}

type Alias = Kind
type embedded struct{ X int }

func (embedded) Y() {}

var ErrX, errY = 1, 2

func F(a, b int, rest ...string) (n int, err error) { return 0, nil }
func f() {}
`), 0o600))
	assert.Equal(t, `const A Kind = iota + 1 // iota is 0
const B Kind = iota + 1 // iota is 1
func F(int, int, ...string) (int, error)
type Alias = Kind
type Doer interface
	method Do(context.Context) error
	method with an unexported name
type Kind int
	method (Kind) String() string
type Pair[K comparable, V any] struct
	field Key K
	field Other V
	field Val V
	field embedded fmt.Stringer
	method (*Pair[K, V]) Swap(int, int) bool
var ErrX
`, exported(t, dir).String())
}

// surface is what a package exports.
type surface struct {
	names map[string]string   // by name: the line that declares it
	parts map[string][]string // by type: its fields and methods
}

func (s surface) String() string {
	var b strings.Builder
	lines := slices.SortedFunc(maps.Keys(s.names), func(x, y string) int { return strings.Compare(s.names[x], s.names[y]) })
	for _, name := range lines {
		fmt.Fprintln(&b, s.names[name])
		parts := slices.Clone(s.parts[name])
		slices.Sort(parts)
		for _, p := range slices.Compact(parts) {
			fmt.Fprintln(&b, "\t"+p)
		}
	}
	return b.String()
}

// exported reads the exported names of the package in dir, by its syntax alone.
// So it needs no compiler and no dependencies.
func exported(t *testing.T, dir string) surface {
	t.Helper()
	s := surface{map[string]string{}, map[string][]string{}}
	for _, file := range syntax(t, dir) {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				s.addFunc(d)
			case *ast.GenDecl:
				s.addDecl(d)
			}
		}
	}
	return s
}

// syntax parses the files of the package in dir without its tests. It always
// parses the files for the same operating system, on whatever system the test
// runs.
func syntax(t *testing.T, dir string) []*ast.File {
	t.Helper()
	p, err := system().ImportDir(dir, 0)
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
	}
	return files
}

func system() *build.Context {
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled = "linux", "amd64", false
	return &c
}

func (s surface) addFunc(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	if d.Recv == nil {
		s.names[d.Name.Name] = "func " + d.Name.Name + typeParams(d.Type.TypeParams) + signature(d.Type)
		return
	}
	recv := d.Recv.List[0].Type
	if base := baseName(recv); ast.IsExported(base) {
		s.parts[base] = append(s.parts[base], "method ("+source(recv)+") "+d.Name.Name+signature(d.Type))
	}
}

func (s surface) addDecl(d *ast.GenDecl) {
	var last *ast.ValueSpec // the constant whose type and value those after it repeat
	for i, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				s.addType(spec)
			}
		case *ast.ValueSpec:
			from := spec
			if d.Tok == token.CONST && spec.Type == nil && spec.Values == nil {
				from = last
			}
			last = from
			for n, name := range spec.Names {
				if name.IsExported() {
					s.names[name.Name] = value(d.Tok, name.Name, from, n, i)
				}
			}
		}
	}
}

func value(tok token.Token, name string, from *ast.ValueSpec, n, line int) string {
	s := tok.String() + " " + name
	if from.Type != nil {
		s += " " + source(from.Type)
	}
	if tok == token.CONST && n < len(from.Values) {
		v := source(from.Values[n])
		s += " = " + v
		if strings.Contains(v, "iota") {
			s += fmt.Sprintf(" // iota is %d", line)
		}
	}
	return s
}

func (s surface) addType(spec *ast.TypeSpec) {
	name := spec.Name.Name
	line := "type " + name + typeParams(spec.TypeParams)
	if spec.Assign.IsValid() {
		line += " ="
	}
	add := func(part string) { s.parts[name] = append(s.parts[name], part) }
	switch u := spec.Type.(type) {
	case *ast.StructType:
		line += " struct"
		for _, f := range u.Fields.List {
			if len(f.Names) == 0 && ast.IsExported(baseName(f.Type)) {
				add("field embedded " + source(f.Type))
			}
			for _, n := range f.Names {
				if n.IsExported() {
					add("field " + n.Name + " " + source(f.Type))
				}
			}
		}
	case *ast.InterfaceType:
		line += " interface"
		for _, f := range u.Methods.List {
			if len(f.Names) == 0 {
				add("embedded " + source(f.Type))
			}
			for _, n := range f.Names {
				if !n.IsExported() {
					add("method with an unexported name")
					continue
				}
				add("method " + n.Name + signature(f.Type.(*ast.FuncType)))
			}
		}
	default:
		line += " " + source(u)
	}
	s.names[name] = line
}

// baseName is the name of a type without pointer, package and type parameters.
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	}
	return ""
}

// signature returns the signature of a function without the names of its
// parameters.
func signature(f *ast.FuncType) string {
	types := func(list *ast.FieldList) []string {
		var all []string
		for _, p := range list.List {
			all = append(all, source(p.Type))
			for range len(p.Names) - 1 { // a, b int
				all = append(all, source(p.Type))
			}
		}
		return all
	}
	s := "(" + strings.Join(types(f.Params), ", ") + ")"
	if f.Results == nil {
		return s
	}
	results := types(f.Results)
	if len(results) == 1 {
		return s + " " + results[0]
	}
	return s + " (" + strings.Join(results, ", ") + ")"
}

func typeParams(list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var all []string
	for _, p := range list.List {
		for _, n := range p.Names {
			all = append(all, n.Name+" "+source(p.Type))
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// source prints an expression on one line.
func source(e ast.Expr) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), e); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// inRepository skips a test about the nested modules where they are missing: a
// copy of the root module from the module cache has none.
func inRepository(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("mail/go.mod"); os.IsNotExist(err) {
		t.Skip("this copy of the module has no nested modules beside it")
	}
}

// packages returns the packages of the library with their imports, by folder:
// those of all modules but the examples and the tests with servers.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		path = filepath.ToSlash(path)
		if path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || path == "examples" ||
			path == "internal/dbtests" || path == "internal/webtests") {
			return filepath.SkipDir
		}
		p, err := system().ImportDir(path, 0)
		if _, none := err.(*build.NoGoError); none { //nolint:errorlint // it is never wrapped
			return nil
		}
		all[path] = p.Imports
		return err
	})
	require.NoError(t, err)
	return all
}
