//go:build unix && !linux

package servers

import "syscall"

// dieWithParent does nothing on this system; there is only the watchdog.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
