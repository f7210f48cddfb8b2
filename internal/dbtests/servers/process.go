//go:build unix

package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An owner is the user as whom a server runs, if it differs from the current one.
type owner struct {
	uid, gid uint32
}

// findOwner returns the first existing user of those, or "nobody", if the current
// user is root, because PostgreSQL refuses to run as root. Otherwise it returns nil.
func findOwner(names []string) (*owner, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range append(slices.Clip(names), "nobody") {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, err
		}
		return &owner{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("a server must not run as root, and the users %s and nobody do not exist", strings.Join(names, " nor "))
}

// A process is a program that was started.
type process struct {
	pid  int
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; read it only after done
}

// startProcess starts a program with its own environment, so that neither PGPORT nor
// MYSQL_HOME nor a locale affects it.
func startProcess(command []string, dir string, log *os.File, own *owner, orphan syscall.Signal) (*process, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp"), "LC_ALL=C",
	}
	cmd.Stdout, cmd.Stderr = log, log
	// It has its own process group, so that an interrupt from the terminal does not
	// reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if own != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: own.uid, Gid: own.gid}
	}
	dieWithParent(cmd.SysProcAttr, orphan)

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux the parent of a process is a thread, so the thread must live as
		// long as the program. It waits for the program here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended returns an error that describes how a program ended unexpectedly.
func (p *process) ended() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// signal sends a signal to the program alone. It is no error if the program has
// ended.
func (p *process) signal(sig syscall.Signal) error {
	select {
	case <-p.done: // another program may have its number now
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to process %d: %w", sig, p.pid, err)
	}
	return nil
}

// kill kills the program and its children, and waits until they are gone.
//
// Killing the process group is not enough: every child of a PostgreSQL makes itself
// the leader of a session. So kill first stops the program, so that it starts no
// more children, and then looks them up.
func (p *process) kill() error {
	select {
	case <-p.done: // another program may have its number now, and children
		return nil
	default:
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var children []int
	deadline := time.Now().Add(stopTimeout)
	for halted := false; ; {
		all, err := processes()
		if err != nil {
			return errors.Join(err, p.signal(syscall.SIGKILL))
		}
		if self, ok := all[p.pid]; ok && self.running() && self.state != 'T' && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
			continue
		}
		if !halted { // a child that it started meanwhile may be missing in this list
			halted = true
			continue
		}
		for pid, i := range all {
			if i.parent == p.pid {
				children = append(children, pid)
			}
		}
		break
	}
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already, or waited for below
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // what its children have started, such as a copy to another server
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	for {
		all, err := processes()
		if err != nil {
			return err
		}
		left := 0
		for _, pid := range children {
			if all[pid].running() {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes still run after kill -9", left)
		}
		time.Sleep(time.Millisecond)
	}
}

// freeze stops the program and its children, as a machine that hangs. Only a kill ends that.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil { // it starts no more children
		return err
	}
	all, err := processes()
	for pid, i := range all {
		if i.parent == p.pid {
			_ = syscall.Kill(pid, syscall.SIGSTOP) // or it has ended
		}
	}
	return err
}

// A processInfo holds the system's data about a process.
type processInfo struct {
	parent int
	state  byte // R, S, D, T, Z …; 0: there is no such process
}

// running reports whether the process exists. A zombie, which has ended and whose
// parent did not wait for it, does not count.
func (i processInfo) running() bool {
	return i.state != 0 && i.state != 'Z' && i.state != 'X'
}

// processes returns all processes of the system.
func processes() (map[int]processInfo, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := map[int]processInfo{}
	for _, path := range entries {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended in the meantime
		}
		// The line is: pid (name) state parent …, and the name may contain
		// parentheses.
		i := bytes.LastIndexByte(stat, ')')
		pid, pidErr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(stat[i+1:]))
		if i < 0 || pidErr != nil || len(fields) < 2 {
			return nil, fmt.Errorf("cannot parse %s: %q", path, stat)
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s is not understood: %w", path, err)
		}
		all[pid] = processInfo{parent: parent, state: fields[0][0]}
	}
	if len(all) > 0 {
		return all, nil
	}

	// This system has no /proc.
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,state=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		var state string
		if _, err := fmt.Sscan(line, &pid, &parent, &state); err != nil {
			return nil, fmt.Errorf("ps says %q: %w", line, err)
		}
		all[pid] = processInfo{parent: parent, state: state[0]}
	}
	return all, nil
}

// A watchdog is a shell that outlives this program. When its input ends, it stops
// the server and removes the directory. Each line of its input is the ID of the
// current server process, or empty for none.
type watchdog struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

const watchdogScript = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
	kill -"$2" "$pid"
	i=0
	while kill -0 "$pid" && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
	kill -KILL "$pid"
fi
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
`

func newWatchdog(dir string, orphan syscall.Signal) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "watchdog", dir, strconv.Itoa(int(orphan)))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &watchdog{cmd: cmd, input: input}, nil
}

// watch names the current server process. Zero means none.
func (w *watchdog) watch(pid int) error {
	line := "\n"
	if pid != 0 {
		line = strconv.Itoa(pid) + "\n"
	}
	if _, err := io.WriteString(w.input, line); err != nil {
		return fmt.Errorf("the watchdog: %w", err)
	}
	return nil
}

// end ends the watchdog, after the server.
func (w *watchdog) end() error {
	if err := errors.Join(w.input.Close(), w.cmd.Wait()); err != nil {
		return fmt.Errorf("the watchdog: %w", err)
	}
	return nil
}
