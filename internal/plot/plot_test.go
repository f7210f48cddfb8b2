package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden compares a drawing with a file. UPDATE_GOLDEN=1 writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	wellFormed(t, got)
	file := filepath.Join("testdata", name+".svg")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o600))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run UPDATE_GOLDEN=1 go test ./internal/plot, and look at the drawing")
	require.Equal(t, string(want), string(got))
}

// wellFormed checks that a drawing is XML without style, script and events, which the policy of a
// page refuses. Only a file of its own has a style sheet.
func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	for dec := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		require.NotContains(t, []string{"script", "foreignObject", "image", "use"}, e.Name.Local)
		for _, a := range e.Attr {
			require.NotEqual(t, "style", a.Name.Local)
			require.False(t, strings.HasPrefix(a.Name.Local, "on"), a.Name.Local)
		}
	}
}

func days(n int) (labels []string) {
	for i := range n {
		labels = append(labels, []string{"01", "02", "03", "04", "05", "06", "07", "08", "09", "10"}[i%10])
	}
	return labels
}

func TestBars(t *testing.T) {
	stacked := Bars{
		ID: "backlog", Title: "Backlog by age", Description: "Open tickets at the end of each day", Unit: "tickets", Labels: days(30), Stacked: true, Whole: true,
		Series: []Series{{"under 1 day", "plot-age-1", nil}, {"1 to 3 days", "plot-age-2", nil}, {"3 to 7 days", "plot-age-3", nil}, {"90 days and more", "plot-age-6", nil}},
	}
	for i := range stacked.Series {
		for d := range 30 {
			stacked.Series[i].Values = append(stacked.Series[i].Values, float64((d*7+i*5)%11+i))
		}
	}
	golden(t, "stacked", stacked.SVG())
	stacked.Width = 340
	golden(t, "stacked-narrow", stacked.SVG())

	grouped := Bars{
		ID: "first", Title: "First answer", Note: "Of tickets created in the month", Unit: "hours", Labels: []string{"2026-01", "2026-02", "2026-03"}, Below: []string{"n 92", "n 101", "n 0"},
		Series: []Series{{"median", "plot-1", []float64{2.5, 3, math.NaN()}}, {"90 % within", "plot-2", []float64{8, 20.25, math.NaN()}}}, Width: 460,
	}
	golden(t, "grouped", grouped.SVG())
	grouped.File = true
	golden(t, "file", grouped.SVG())

	across := Bars{
		ID: "queues", Title: "Time by queue", Unit: "hours", Labels: []string{"service desk", "a queue with a name that is far too long for a drawing", "<b>&\"'"}, Below: []string{"n 92", "n 3", "n 0"}, Across: true,
		Series: []Series{{"median", "plot-1", []float64{12, 30.5, math.NaN()}}, {"90 % within", "plot-2", []float64{20, 110, math.NaN()}}}, Width: 460,
	}
	golden(t, "across", across.SVG())
	share := Bars{
		ID: "targets", Title: "Targets", Unit: "clocks", Labels: []string{"first answer, gold", "solution, gold"}, Across: true, Stacked: true, Whole: true,
		Series: []Series{{"met", "plot-ok", []float64{80, 60}}, {"late", "plot-warn", []float64{1, 0}}, {"missed", "plot-bad", []float64{3, 17}}}, Width: 340,
	}
	golden(t, "across-stacked", share.SVG())
}

// A drawing of nothing, or of one value, is a drawing.
func TestBarsOfNothing(t *testing.T) {
	for _, b := range []Bars{
		{}, {Labels: []string{"a"}, Series: []Series{{"s", "plot-1", []float64{0}}}}, {Labels: []string{"a"}, Series: []Series{{"s", "plot-1", []float64{math.NaN()}}}},
	} {
		for _, across := range []bool{false, true} {
			b.Across = across
			svg := b.SVG()
			wellFormed(t, svg)
			require.NotContains(t, string(svg), "NaN")
			require.NotContains(t, string(svg), "Inf")
		}
	}
}

func TestScalesAreRound(t *testing.T) {
	for highest, want := range map[float64][2]float64{0: {1, 1}, 1: {0.2, 1}, 7: {2, 8}, 100: {20, 100}, 1150: {200, 1200}} {
		step, limit := Scale(highest)
		require.InDelta(t, want[0], step, 1e-9, highest)
		require.InDelta(t, want[1], limit, 1e-9, highest)
	}
	step, limit := (&Bars{Whole: true, Labels: []string{"a"}, Series: []Series{{Values: []float64{2}}}}).scale()
	require.Equal(t, [2]float64{1, 2}, [2]float64{step, limit})
}

func TestStates(t *testing.T) {
	s := States{
		ID: "w", Title: "Workflow support", Columns: []string{"received", "in progress", "your turn", "solved", "closed"},
		Boxes: []Box{
			{Name: "new", Start: true},
			{Name: "queued", Column: 1, Lines: []string{"from any open one: escalate ↑, hand back ↓, hand over, release", "from any done one: reply, reopen"}},
			{Name: "open", Column: 1, Lines: []string{"from any open one: take"}},
			{Name: "on hold", Column: 1, Lines: []string{"from any open one: hold"}},
			{Name: "waiting", Column: 2, Lines: []string{"from any open one: ask"}},
			{Name: "resolved", Column: 3, Lines: []string{"from any open one: resolve"}},
			{Name: "closed", Column: 4, Final: true, Lines: []string{"from any open one: merge"}},
			{Name: "cancelled", Column: 4, Final: true, Lines: []string{"from any open one: cancel"}},
		},
		Arrows: []Arrow{
			{0, 2, []string{"assign", "reply"}}, {1, 2, []string{"assign", "reply"}}, {4, 2, []string{"reply", "resume"}}, {3, 2, []string{"resume"}}, {1, 3, []string{"park"}},
			{5, 6, []string{"close", "confirm", "merge"}}, {5, 7, []string{"cancel"}}, {6, 1, []string{"unmerge"}}, {0, 5, []string{"solve at once"}}, {2, 2, []string{"note"}},
		},
	}
	golden(t, "states", s.SVG())
	wellFormed(t, States{}.SVG())
}

func TestTimeline(t *testing.T) {
	l := Timeline{
		ID: "t", Title: "first answer", End: 150, Width: 700,
		Parts: []Part{{0, 100, "plot-1", "counted"}, {100, 150, "plot-bad", "late"}},
		Marks: []Mark{{0, "", "start"}, {50, "plot-warn", "50% of the time: tell assignee"}, {75, "plot-warn", "75% of the time: tell queue"}, {100, "plot-bad", "due: escalate"}, {150, "plot-bad", "1h after due: tell agents"}},
	}
	golden(t, "timeline", l.SVG())
	l.Width = 340
	golden(t, "timeline-narrow", l.SVG())
	wellFormed(t, Timeline{}.SVG())
}
