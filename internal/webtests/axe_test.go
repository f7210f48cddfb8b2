package webtests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// axeSource returns the script of axe-core, of the version that package.json names.
var axeSource = sync.OnceValues(func() (string, error) {
	var wanted struct{ Dependencies map[string]string }
	data, err := os.ReadFile("package.json")
	if err == nil {
		err = json.Unmarshal(data, &wanted)
	}
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", err
	}
	if head := string(source[:min(len(source), 200)]); !strings.Contains(head, "axe v"+wanted.Dependencies["axe-core"]) {
		return "", fmt.Errorf("axe.min.js is not version %s: %s", wanted.Dependencies["axe-core"], head)
	}
	return string(source), nil
})

// A finding is a rule of axe-core that a page breaks.
type finding struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		Target  []any  `json:"target"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func (f finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.ID, f.Help)
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "\n    %v: %s", n.Target, strings.ReplaceAll(n.Summary, "\n", " "))
	}
	return b.String()
}

// axe checks the page that is shown by all rules of WCAG 2.2, levels A and AA, and by the
// best practices.
func (b *tab) axe(t *testing.T, name string) {
	t.Helper()
	source, err := axeSource()
	if os.IsNotExist(err) {
		missing(t, "axe-core")
	}
	require.NoError(t, err)
	run(b, "load axe-core", chromedp.Evaluate[chromedp.Void](source+"\n;0"))
	list := run(b, "run axe-core", chromedp.Evaluate[[]finding](
		`axe.run(document, {runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}, resultTypes: ["violations"]}).then(r => r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => ({target: n.target, failureSummary: n.failureSummary || ""}))})))`,
		chromedp.EvalAwaitPromise))
	for _, f := range list {
		t.Errorf("%s: axe-core finds %s", name, f)
	}
}

// fits fails if a page is wider than the window.
func (b *tab) fits(t *testing.T, name string, width int64) {
	t.Helper()
	b.size(width, 900)
	wide := run(b, "width of the page", chromedp.Evaluate[int64](`document.scrollingElement.scrollWidth`))
	if wide > width {
		who := run(b, "widest elements", chromedp.Evaluate[[]string](fmt.Sprintf(
			`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > %d + 1).slice(-3).map(e => e.outerHTML.slice(0, 120))`, width)))
		t.Errorf("%s: %d px wide in a window of %d px: %q", name, wide, width, who)
	}
}
