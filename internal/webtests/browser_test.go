package webtests

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// missing fails a test that needs something. Who asks for a browser wants no test skipped.
func missing(tb testing.TB, what string) {
	tb.Helper()
	tb.Fatalf("%s is missing; make servers installs it", what)
}

// A browser takes minutes, and both processors.
var inBrowser = flag.Bool("browser", false, "run the tests that need Chromium; make webtest sets it")

// chromiumPath returns the path of the browser. Without the flag the test is skipped.
func chromiumPath(tb testing.TB) string {
	tb.Helper()
	if !*inBrowser {
		tb.Skip("SKIPPED, NOTHING WAS TESTED IN A BROWSER: the flag -browser is not set; make webtest sets it")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(tb, "chromium")
	return ""
}

// The browser is started once, for all tests. TestMain ends it.
var browser struct {
	once sync.Once
	ctx  context.Context
	err  error
	end  []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(browser.end) {
		end()
	}
	example.end()
	os.Exit(code)
}

// patience bounds each step in the browser. Machines that test are slow.
const patience = 60 * time.Second

// A tab is a window of a browser with cookies of its own: one person at a computer. It
// collects the faults that the browser reports, and the test fails if there are any.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu      sync.Mutex
	faults  []string
	allowed []string // texts of faults that the test expects
}

// A setting changes a new tab.
type setting func(*tab)

func noScript(b *tab) {
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(b.t, err)
}

// theme emulates a preference of the system: light or dark.
func (b *tab) theme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	require.NoError(b.t, err)
}

// startBrowser starts the browser, with a folder of its own.
func startBrowser(path string) {
	dir, err := os.MkdirTemp("", "webtests-chromium")
	if err != nil {
		browser.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	browser.ctx, browser.err = ctx, chromedp.Do(ctx) //nolint:fatcontext // it is set once
	browser.end = append(browser.end, func() { removeAll(dir) }, stop, cancel)
}

// newTab opens a tab.
func newTab(t *testing.T, base string, settings ...setting) *tab {
	t.Helper()
	path := chromiumPath(t)
	browser.once.Do(func() { startBrowser(path) })
	require.NoError(t, browser.err, "start %s", path)

	b := &tab{t: t, base: base}
	ctx, closeTab := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		closeTab()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, f := range b.faults {
			t.Errorf("the browser reports: %s", f)
		}
	})
	require.NoError(t, chromedp.Do(ctx))
	b.size(1280, 900)
	for _, set := range settings {
		set(b)
	}
	return b
}

// removeAll removes the folder of a browser whose last processes still write there.
func removeAll(dir string) {
	for range 50 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// listen collects what a console would show in red or yellow: exceptions, errors, violations of
// the content security policy, resources that cannot be loaded.
func (b *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.fault("exception: %s %s", e.ExceptionDetails.Text, description(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value), a.Description)
			}
			b.fault("console.%s: %s", e.Type, strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" || e.Entry.Source == "security" {
			b.fault("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		b.fault("dialog: %s", e.Message)
	}
}

func description(o *runtime.RemoteObject) string {
	if o == nil {
		return ""
	}
	return o.Description
}

func (b *tab) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.allowed, func(a string) bool { return strings.Contains(text, a) }) {
		return
	}
	b.faults = append(b.faults, text)
}

// expect allows the browser to report a fault with this text, such as the status 404 of a page.
func (b *tab) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, text)
}

// run performs an action, within the patience.
func run[T any](b *tab, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		name := b.picture("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("%s, at %s: %v; see %s", what, at, err, name)
	}
	return v
}

// size changes the size of the window.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	run(b, "size", chromedp.EmulateViewport(width, height))
}

// open shows a page by its path, and returns its status.
func (b *tab) open(path string) int {
	b.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = b.base + path
	}
	r := run(b, "open "+address, func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, chromedp.Navigate(address))
	})
	return int(r.Status)
}

// follow clicks on something that leads to another page, and returns its status.
func (b *tab) follow(selector string) int {
	b.t.Helper()
	r := run(b, "click on "+selector, func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	})
	return int(r.Status)
}

// fill writes words into a field, before what is there. It needs no scripts.
func (b *tab) fill(selector, words string) {
	b.t.Helper()
	run(b, "focus "+selector, chromedp.Focus(chromedp.CSS(selector)))
	run(b, "write into "+selector, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: words})
	})
}

// press clicks on something that leads nowhere, such as a box to tick.
func (b *tab) press(selector string) {
	b.t.Helper()
	run(b, "press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// choose selects an entry of a list by its value.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	run(b, "choose "+value+" in "+selector, chromedp.SetValue(chromedp.CSS(selector), value))
}

// attach chooses files.
func (b *tab) attach(selector string, files ...string) {
	b.t.Helper()
	run(b, "attach to "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// value returns what is in a field.
func (b *tab) value(selector string) string {
	b.t.Helper()
	return run(b, "value of "+selector, chromedp.Value(chromedp.CSS(selector)))
}

// text returns the words of an element as a person sees them.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return run(b, "text of "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// main returns the words of the page, without what is around them.
func (b *tab) main() string {
	b.t.Helper()
	return b.text("main")
}

// count returns how many elements there are. It waits for nothing.
func (b *tab) count(selector string) int {
	b.t.Helper()
	ids := run(b, "count "+selector, chromedp.QueryNodeIDs(chromedp.CSSAll(selector), chromedp.AtLeast(0)))
	return len(ids)
}

// eventually waits until something is true.
func (b *tab) eventually(what string, is func() bool) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for !is() {
		if time.Now().After(end) {
			name := b.picture("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			b.t.Fatalf("not within %s: %s; see %s", patience, what, name)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// address returns the path of the page that is shown, with its query.
func (b *tab) address() string {
	b.t.Helper()
	return strings.TrimPrefix(run(b, "location", chromedp.Location()), b.base)
}

// picture writes a picture of the whole page, and returns the name of the file.
func (b *tab) picture(name string) string {
	b.t.Helper()
	file := filepath.Join("screenshots", name+".png")
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	data, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
	return file
}
