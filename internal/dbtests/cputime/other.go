//go:build !unix

// Package cputime measures the CPU time of a process.
package cputime

import "time"

// Self is always 0 on this system.
func Self() time.Duration { return 0 }
