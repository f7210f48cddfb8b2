package ordeal

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
)

// A Child is another run of this program, with a task.
type Child struct {
	*exec.Cmd

	Input  io.Closer // closed when this program ends, in every case
	Errors *bytes.Buffer
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

// EndWithParent ends this program, a child, when its parent is gone.
func EndWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
}
