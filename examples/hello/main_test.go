package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first program of the README is this one, word for word.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, shown, "the README has no program")
	assert.Equal(t, string(program), string(shown[1]))
}

func TestProgramRuns(t *testing.T) {
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out.txt"))
	require.NoError(t, err)
	defer func() { _ = out.Close() }()
	os.Stdout = out
	require.NoError(t, run(t.Context(), "file:"+filepath.ToSlash(filepath.Join(dir, "hello.db"))+"?_pragma=busy_timeout(5000)&_txlock=immediate"))

	said, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	assert.Regexp(t, `^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z] is \w+
- Since this morning, every second page\.
- Which model is it\?
- An LJ-4\.
- New fuser fitted\.
$`, string(said))
}
