//go:build !unix

package servers

import (
	"errors"
	"os"
	"syscall"
)

// Servers are started on Unix only, because that needs its users, process groups and
// shell. On other systems this file lets the module build, and start returns an
// error.

var errNotUnix = errors.New("servers are started on Unix only")

type owner struct{ uid, gid uint32 }

func findOwner([]string) (*owner, error) { return nil, errNotUnix }

type process struct {
	pid  int
	done chan struct{}
	err  error
}

func startProcess([]string, string, *os.File, *owner, syscall.Signal) (*process, error) {
	return nil, errNotUnix
}

func (p *process) ended() error                { return p.err }
func (p *process) signal(syscall.Signal) error { return errNotUnix }
func (p *process) kill() error                 { return errNotUnix }
func (p *process) freeze() error               { return errNotUnix }

type watchdog struct{}

func newWatchdog(string, syscall.Signal) (*watchdog, error) { return nil, errNotUnix }

func (w *watchdog) watch(int) error { return errNotUnix }
func (w *watchdog) end() error      { return nil }
