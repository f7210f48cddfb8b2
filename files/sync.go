//go:build !windows

package files

import "os"

// syncFolder writes the names in a folder to the disk.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // a folder of the store
	if err != nil {
		return err
	}
	err = d.Sync()
	if bad := d.Close(); err == nil {
		err = bad
	}
	return err
}
