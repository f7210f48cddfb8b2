package servers

import "syscall"

// dieWithParent makes the kernel send a signal to the process when the thread that
// started it is gone.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) {
	attr.Pdeathsig = sig
}
