package dbtests_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rule that docs/storage.md states for the data source name of a SQLite file:
// a busy timeout, in the notation of the driver, and _txlock=immediate.
var (
	moderncOptions = regexp.MustCompile(`\?_pragma=busy_timeout\([0-9]+\)&_txlock=immediate$`)
	mattnOptions   = regexp.MustCompile(`\?_busy_timeout=[0-9]+&_txlock=immediate$`)
)

// These names deviate on purpose. The store must not need the options, so the tests
// and benchmarks of the store open databases without _txlock.
var otherwiseOnPurpose = map[string]string{
	"examples/hosttx/main.go":                   "another writer must commit while the transaction is open, to show the conflict",
	"internal/dbtests/backends_test.go":         "the suite runs without _txlock, and with synchronous=NORMAL",
	"internal/dbtests/cmd/bench/stores.go":      "a benchmark sets synchronous",
	"internal/dbtests/cmd/relaybench/main.go":   "a benchmark sets synchronous",
	"internal/dbtests/cmd/scale/main.go":        "a benchmark sets synchronous",
	"internal/dbtests/cmd/recall/measure.go":    "a measurement sets synchronous",
	"internal/dbtests/ordeal/backend.go":        "the crash and fault tests set synchronous=FULL",
	"internal/dbtests/failures_test.go":         "the file must not exist",
	"internal/dbtests/host_transaction_test.go": "a busy timeout of 1 ms",
	"internal/dbtests/schema_test.go":           "no busy timeout",
}

var (
	// A name with options in code or in a document, or the end of one that code
	// puts together.
	nameWithOptions = regexp.MustCompile("(?:file:[^\"`\\s|]*)?\\?_[a-z_]+=[^\"`\\s|]*")
	// A name of a file without options.
	bareName = regexp.MustCompile("[\"`]file:/?[^\"`\\s|?]*\\.db[\"`]")
	// The place where a database is opened.
	opensSQLite = regexp.MustCompile(`(?:sql|dbtests)\.Open\("sqlite3?", *"`)
)

// inMemory reports whether a line opens a database that has no file: only tests do.
func inMemory(line string) bool {
	return strings.Contains(line, "vfs=memdb") || strings.Contains(line, ":memory:")
}

// deviating returns the data source names of SQLite files in a text that break the
// rule, and how many it found.
func deviating(text string) (bad []string, found int) {
	for line := range strings.Lines(text) {
		names := nameWithOptions.FindAllString(line, -1)
		for _, name := range names {
			found++
			if !moderncOptions.MatchString(name) && !mattnOptions.MatchString(name) {
				bad = append(bad, name)
			}
		}
		if bare := bareName.FindString(line); bare != "" {
			found++
			bad = append(bad, bare)
		} else if len(names) == 0 && opensSQLite.MatchString(line) && !inMemory(line) && !strings.Contains(line, "sqliteDSN(") {
			found++
			bad = append(bad, strings.TrimSpace(line))
		}
	}
	return bad, found
}

func TestDataSourceNamesFollowOneRule(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	seen := map[string]int{}
	skipped := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if name == "internal/dbtests/data_source_names_test.go" {
			return nil
		}
		bad, found := deviating(string(text))
		if found > 0 {
			seen[name] = found
		}
		if _, skip := otherwiseOnPurpose[name]; skip {
			skipped[name] = len(bad) > 0
			return nil
		}
		assert.Empty(t, bad, "%s: a name must have a busy timeout and _txlock=immediate, in this order", name)
		return nil
	})
	require.NoError(t, err)
	for name := range otherwiseOnPurpose {
		assert.True(t, skipped[name], "%s follows the rule: remove it from the list", name)
	}
	for _, name := range []string{"README.md", "docs/storage.md", "docs/tutorial.md", "examples/hosttx/main.go", "examples/quickstart/main.go",
		"examples/replay/store.go", "examples/shop/main.go", "internal/dbtests/example_test.go"} {
		assert.Positive(t, seen[name], "%s has no data source name", name)
	}
	t.Log(slices.Sorted(maps.Keys(seen)))
}

func TestDataSourceNameWithoutAnOptionIsFound(t *testing.T) {
	for _, text := range []string{
		`sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)")`,
		`sql.Open("sqlite3", "file:"+file+"?_txlock=immediate")`,
		`sql.Open("sqlite3", "file:"+file+"?_busy_timeout=5000&_fk=1")`,
		`sql.Open("sqlite", "file:"+file)`,
		`sql.Open("sqlite", "desk.db")`,
		"| `file:desk.db?_pragma=busy_timeout(5000)` |",
		"Open `file:desk.db` with it.",
		`dsn := "file:desk.db"`,
	} {
		bad, _ := deviating(text)
		assert.Len(t, bad, 1, text)
	}
	for _, text := range []string{
		`sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")`,
		"| `file:desk.db?_busy_timeout=5000&_txlock=immediate` |",
		"Tests open `file:/name.db?vfs=memdb`.",
		`sql.Open("sqlite", "file:/name.db?vfs=memdb")`,
	} {
		bad, _ := deviating(text)
		assert.Empty(t, bad, text)
	}
}
