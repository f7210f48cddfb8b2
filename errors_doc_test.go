package ticket_test

import (
	"go/ast"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/errors.md has each exported error of each package once, with what it
// means, what to do, and an HTTP status.
func TestEveryErrorIsExplained(t *testing.T) {
	inRepository(t)
	text, err := os.ReadFile("docs/errors.md")
	require.NoError(t, err)
	var explained []string
	pkg := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			pkg = strings.TrimSpace(name)
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		names := regexp.MustCompile("`\\*?(\\w+)`").FindAllStringSubmatch(cells[0], -1)
		if !strings.HasPrefix(line, "| `") || len(names) == 0 {
			continue
		}
		if !assert.Len(t, cells, 4, "a row has the error, what it means, what to do and the status: %s", line) {
			continue
		}
		for _, c := range cells {
			assert.NotEmpty(t, strings.TrimSpace(c), line)
		}
		if status := strings.TrimSpace(cells[3]); status != "none" {
			code, err := strconv.Atoi(status)
			assert.NoError(t, err, line)
			assert.NotEmpty(t, http.StatusText(code), "no such status: %s", line)
		}
		for _, n := range names {
			explained = append(explained, pkg+": "+n[1])
		}
	}
	slices.Sort(explained)

	var there []string
	for dir := range packages(t) {
		if strings.HasPrefix(dir, "internal/") {
			continue
		}
		name := "ticket"
		if dir != "." {
			name = dir
		}
		for _, e := range errorsOf(t, dir) {
			there = append(there, name+": "+e)
		}
	}
	slices.Sort(there)
	assert.Greater(t, len(there), 30)
	assert.Equal(t, strings.Join(there, "\n"), strings.Join(explained, "\n"), "docs/errors.md and the code have different errors")
}

// errorsOf returns the exported errors of a package: variables that begin with
// Err, and types with a method Error() string.
func errorsOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for name, line := range exported(t, dir).names {
		if strings.HasPrefix(line, "var Err") {
			all = append(all, name)
		}
	}
	for _, file := range syntax(t, dir) {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Error" || signature(f.Type) != "() string" {
				continue
			}
			if name := baseName(f.Recv.List[0].Type); ast.IsExported(name) {
				all = append(all, name)
			}
		}
	}
	return all
}
