package files

import (
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lockFile locks a file, for this caller alone or together with others.
func lockFile(name string, alone bool) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the store's own file
	if err != nil {
		return nil, err
	}
	const exclusive = 2
	how := uintptr(0)
	if alone {
		how = exclusive
	}
	if ok, _, err := lockFileEx.Call(f.Fd(), how, 0, 1, 0, uintptr(unsafe.Pointer(&syscall.Overlapped{}))); ok == 0 { //nolint:gosec // as the function asks for
		_ = f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { _ = f.Close() }, nil // this ends the lock too
}
