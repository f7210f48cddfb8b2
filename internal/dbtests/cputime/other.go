//go:build !unix

// Package cputime says what a process has used of the processors.
package cputime

import "time"

// Self is not known here.
func Self() time.Duration { return 0 }
