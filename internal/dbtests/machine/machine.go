// Package machine tells under which conditions something was measured. What only Linux tells is
// missing on other systems.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Load returns the load average of the last minute. If it exceeds the number of processors, times
// include the wait for one.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// Memory is the memory of the process, in bytes: the heap, and what is and was resident.
type Memory struct{ Heap, RSS, Most int64 }

// InUse returns the memory of the process.
func InUse() (u Memory) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Heap = int64(m.HeapAlloc)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return u
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, err := strconv.ParseInt(f[1], 10, 64)
		switch {
		case err != nil:
		case f[0] == "VmRSS:":
			u.RSS = kb << 10
		case f[0] == "VmHWM:":
			u.Most = kb << 10
		}
	}
	return u
}

func (u Memory) String() string {
	return fmt.Sprintf("heap %d MB, RSS %d MB, at most %d MB", u.Heap>>20, u.RSS>>20, u.Most>>20)
}
