//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package files

import "sync"

// alone stands in for the lock of a file, which this system does not have.
var alone sync.RWMutex

// lockFile locks within this process.
func lockFile(_ string, exclusive bool) (unlock func(), err error) {
	if exclusive {
		alone.Lock()
		return alone.Unlock, nil
	}
	alone.RLock()
	return alone.RUnlock, nil
}
