package cputime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc on Linux.
const tick = 10 * time.Millisecond

// Children returns the CPU time that the running children of this process, and their children,
// have used so far. These are the database servers that it has started. It is 0 on systems other than
// Linux.
func Children() time.Duration {
	type process struct {
		parent int
		used   time.Duration
	}
	all := map[int]process{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The line is: pid (name) state parent …, and the name may contain parentheses. The times are
		// the fields 14 to 17: its own, and those of its children that have ended.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 15 {
			continue
		}
		var p process
		p.parent, _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] {
			n, _ := strconv.Atoi(f)
			p.used += time.Duration(n) * tick
		}
		all[pid] = p
	}
	self := os.Getpid()
	var sum time.Duration
	for pid, p := range all {
		at := p.parent
		for at > 1 && at != self {
			at = all[at].parent
		}
		if at == self && pid != self {
			sum += p.used
		}
	}
	return sum
}
