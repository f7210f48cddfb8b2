package webtests

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is the program examples/desk. It is started once, for all tests.
var example exampleDesk

type exampleDesk struct {
	once sync.Once
	base string // its address, such as http://127.0.0.1:40123
	err  error
	dir  string
	cmd  *exec.Cmd
}

// exampleBase starts the example, and returns its address.
func exampleBase(t *testing.T) string {
	t.Helper()
	chromiumPath(t) // before all that takes longer
	example.once.Do(func() { example.err = example.start() })
	require.NoError(t, example.err)
	return example.base
}

var announced = regexp.MustCompile(`^The desk is at (http://[^/ ]+)/`)

func (e *exampleDesk) start() (err error) {
	if e.dir, err = os.MkdirTemp("", "webtests-desk"); err != nil {
		return err
	}
	program := filepath.Join(e.dir, "desk")
	build := exec.Command("go", "build", "-o", program, "./desk")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the example: %w\n%s", err, out)
	}
	e.cmd = exec.Command(program, "-addr", "127.0.0.1:0", "-data", filepath.Join(e.dir, "data"))
	e.cmd.Stderr = os.Stderr
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := announced.FindStringSubmatch(lines.Text()); m != nil {
			e.base = m[1]
			return nil
		}
	}
	return errors.Join(errors.New("the example did not say where it is"), lines.Err())
}

func (e *exampleDesk) end() {
	if e.cmd != nil && e.cmd.Process != nil {
		_ = e.cmd.Process.Signal(os.Interrupt)
		_ = e.cmd.Wait()
	}
	if e.dir != "" {
		_ = os.RemoveAll(e.dir)
	}
}

// as signs in as one of the people of the example, or as nobody.
func (b *tab) as(id string) {
	b.t.Helper()
	require.Equal(b.t, 200, b.open("/start"))
	b.follow(`button[value="` + id + `"]`)
}

// inLanguage chooses the language of all pages.
func (b *tab) inLanguage(lang string) {
	b.t.Helper()
	require.Equal(b.t, 200, b.open("/?lang="+lang))
}

// withLanguage adds a language to an address.
func withLanguage(path, lang string) string {
	if strings.Contains(path, "?") {
		return path + "&lang=" + lang
	}
	return path + "?lang=" + lang
}
