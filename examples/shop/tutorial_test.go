package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const tutorial = "../../docs/tutorial.md"

// Every sample of the tutorial is a declaration of this program, word for word.
// The comment above it names the file and the declaration, and a link shows the
// file to the reader. With -update, links and samples are written again.
func TestTutorialShowsThisProgram(t *testing.T) {
	text, err := os.ReadFile(tutorial)
	require.NoError(t, err)
	source := declarations(t)
	sample := regexp.MustCompile("(?s)(?:<!-- (\\S+): (\\S+) -->\n(?:In \\[[^\n]*\n)?)?```go\n(.*?)```\n")
	samples := 0
	want := sample.ReplaceAllStringFunc(string(text), func(block string) string {
		m := sample.FindStringSubmatch(block)
		name := m[1] + ": " + m[2]
		code, there := source[name]
		if !assert.True(t, there, "a sample is of %q, which is not in the program:\n%s", name, m[3]) {
			return block
		}
		samples++
		link := fmt.Sprintf("In [%s](../examples/shop/%[1]s):\n", m[1])
		return "<!-- " + name + " -->\n" + link + "```go\n" + code + "\n```\n"
	})
	assert.Greater(t, samples, 10)
	want = regexp.MustCompile(`(?s)(<!-- lines -->\n).*?(<!-- end -->\n)`).ReplaceAllString(want, "${1}"+lines(t)+"${2}")
	if *update {
		require.NoError(t, os.WriteFile(tutorial, []byte(want), 0o600))
		return
	}
	assert.Equal(t, want, string(text))
}

// tasks lists the files of each task.
var tasks = []struct {
	what  string
	files []string
}{
	{"Setting up the desk and the tables", []string{"shop.go"}},
	{"The promise of an answer", []string{"promises.go"}},
	{"A ticket from an order", []string{"orders.go"}},
	{"Files", []string{"files.go"}},
	{"Letters", []string{"letters.go"}},
	{"Mail that arrives", []string{"intake.go"}},
	{"The pages of customers, agents and the manager", []string{"mount.go"}},
	{"Somebody leaves", []string{"leave.go"}},
	{"The shop itself: program, users, sessions, routes, errors", []string{"main.go", "users.go", "web.go"}},
	{"The demonstration", []string{"story.go", "browser.go"}},
	{"Tests", []string{"shop_test.go", "security_test.go", "letters_test.go", "intake_test.go", "tutorial_test.go"}},
}

// lines returns a table of the lines of code for each task. It counts lines
// that are not blank.
func lines(t *testing.T) string {
	t.Helper()
	table := "| task | file | lines |\n|---|---|---|\n"
	named := map[string]bool{}
	for _, task := range tasks {
		n := 0
		for _, file := range task.files {
			named[file] = true
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			for line := range strings.Lines(string(source)) {
				if strings.TrimSpace(line) != "" {
					n++
				}
			}
		}
		table += fmt.Sprintf("| %s | %s | %d |\n", task.what, strings.Join(task.files, ", "), n)
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		assert.True(t, named[file], "%s is for no task", file)
	}
	return table
}

// declarations returns the source of all declarations of this program at top
// level, by file and name.
func declarations(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	all := map[string]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, source, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			from := d.Pos()
			var name string
			var doc *ast.CommentGroup
			switch d := d.(type) {
			case *ast.FuncDecl:
				name, doc = d.Name.Name, d.Doc
			case *ast.GenDecl:
				doc = d.Doc
				switch s := d.Specs[0].(type) {
				case *ast.TypeSpec:
					name = s.Name.Name
				case *ast.ValueSpec:
					name = s.Names[0].Name
				}
			}
			if doc != nil {
				from = doc.Pos()
			}
			if _, there := all[file+": "+name]; there {
				continue // a method with the name of a type
			}
			all[file+": "+name] = strings.TrimSpace(string(source[set.Position(from).Offset:set.Position(d.End()).Offset]))
		}
	}
	return all
}
