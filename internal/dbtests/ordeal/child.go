package ordeal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/ticketkit/ticket/sqlstore"
)

// A Child is another run of this program, with a task.
type Child struct {
	*exec.Cmd

	Input  io.Closer // closed when this program ends, in every case
	Errors *bytes.Buffer

	// These are set by Launch.
	Ready  chan struct{} // closed when the child has called Begun, or has ended
	Ended  chan struct{} // closed when the child has ended
	Failed error         // set before Ended is closed, if the child ended with an error of its own
}

// NewChild writes the task to a file and prepares a child that finds the file's path
// in the environment variable. It does not start the child.
func NewChild(variable, path string, task any) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(task)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	c := &Child{Cmd: exec.Command(self), Errors: &bytes.Buffer{}}
	c.Env = append(os.Environ(), variable+"="+path)
	c.Stderr = c.Errors
	c.Input, err = c.StdinPipe()
	return c, err
}

// Launch starts the child. Its name is for the error.
func (c *Child) Launch(name string) error {
	c.Ready, c.Ended = make(chan struct{}), make(chan struct{})
	output, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		defer close(c.Ended)
		_, _ = output.Read(make([]byte, 1)) // or it has ended
		close(c.Ready)
		_ = c.Wait() // the state has the result
		_ = c.Input.Close()
		if state := c.ProcessState; state.Exited() && !state.Success() {
			c.Failed = fmt.Errorf("a %s ended unexpectedly: %s: %s", name, state, c.Errors)
		}
	}()
	return nil
}

// Kill kills the child with SIGKILL, if it has not ended. It does not wait for the end.
func (c *Child) Kill() error {
	if err := c.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Killed reports whether the child, which has ended, was killed.
func (c *Child) Killed() bool { return !c.ProcessState.Exited() }

// BeChild runs a child and exits, if this program is one: if the environment variable
// has the path of its task. The child ends when its parent is gone.
func BeChild(variable string, perform func(path string) error) {
	path := os.Getenv(variable)
	if path == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	if err := perform(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// ReadTask reads the task of this program, a child.
func ReadTask(path string, task any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, task)
}

// Begun tells the parent that this program, a child, begins with its task.
func Begun() { fmt.Println("ready") }

// A Place says where a child works.
type Place struct {
	Role        string
	Driver, DSN string
	Dialect     sqlstore.Dialect
	Journal     string // the path
	Clock       string // the path
}

// Open opens all of it. It is closed when the process ends.
func (p *Place) Open(ctx context.Context) (*Clock, *Journal, *sqlstore.Store, error) {
	c, err := OpenClock(p.Clock)
	if err != nil {
		return nil, nil, nil, err
	}
	j, err := OpenJournal(p.Journal)
	if err != nil {
		return nil, nil, nil, err
	}
	s, _, err := OpenStore(ctx, p.Driver, p.DSN, p.Dialect)
	return c, j, s, err
}
