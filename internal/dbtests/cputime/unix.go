//go:build unix

// Package cputime says what a process has used of the processors.
package cputime

import (
	"syscall"
	"time"
)

// Self returns the time that this process has used so far. It is 0 where the
// system does not say, as on Windows.
func Self() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
