//go:build unix

// Package cputime measures the CPU time of a process.
package cputime

import (
	"syscall"
	"time"
)

// Self returns the CPU time that this process has used so far. It is 0 if the system
// does not report it, as on Windows.
func Self() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
