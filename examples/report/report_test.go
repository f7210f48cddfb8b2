package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The made-up tickets give the same tables and drawings in every run.
func TestReportOfMadeUpTickets(t *testing.T) {
	t.Parallel()
	var was map[string]string
	for range 2 {
		dir := t.TempDir()
		var out, notes bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-month", "2026-03", "-zone", "Europe/Berlin", "-svg", dir, "-json", filepath.Join(dir, "report.json")}, &out, &notes))
		require.Empty(t, notes.String())
		for _, title := range []string{"first answer", "next answer", "solution", "first contact", "reopened", "backlog", "flow by day", "level moves", "time by holder"} {
			require.Contains(t, out.String(), title+" (version 1, ")
		}
		files := map[string]string{"": out.String()}
		for _, name := range []string{"backlog.svg", "flow.svg", "first-answer.svg", "solution.svg", "levels.svg", "reopened.svg", "report.json"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			files[name] = string(data)
			if filepath.Ext(name) == ".svg" {
				require.Positive(t, elements(t, data)["rect"], name)
			}
		}
		if was != nil {
			require.Equal(t, was, files)
		}
		was = files
	}
}

// elements counts the elements of an XML file, which must be well-formed.
func elements(t *testing.T, data []byte) map[string]int {
	t.Helper()
	n := map[string]int{}
	for dec := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

func TestAMonthThatIsNotOverIsReportedSoFar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-month", "2026-04"}, &out, io.Discard))
	require.Contains(t, out.String(), "\n  2026-04-01 ")
	require.NotContains(t, out.String(), "\n  2026-04-03 ")
	require.ErrorContains(t, run(t.Context(), []string{"-month", "2026-05"}, &out, io.Discard), "report.to")
	require.ErrorContains(t, run(t.Context(), []string{"-month", "May"}, &out, io.Discard), "2006-01")
	require.Error(t, run(t.Context(), []string{"-zone", "Nowhere/Here"}, &out, io.Discard))
	require.Error(t, run(t.Context(), []string{"-log", "missing.csv"}, &out, io.Discard))
}
