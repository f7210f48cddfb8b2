// Package checksum compares bytes with their SHA-256 while they are read.
package checksum

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// NewReader returns a reader of r that does not end in io.EOF if the bytes of r do not have
// the SHA-256 want. It ends in fault(reason) then. Closing it closes r.
func NewReader(r io.ReadCloser, want [sha256.Size]byte, fault func(reason string) error) io.ReadCloser {
	return &reader{r: r, want: want, fault: fault, sum: sha256.New()}
}

type reader struct {
	r     io.ReadCloser
	want  [sha256.Size]byte
	fault func(reason string) error
	sum   hash.Hash
	n     int64
	end   error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.r.Read(p)
	r.sum.Write(p[:n])
	r.n += int64(n)
	if errors.Is(err, io.EOF) {
		err = io.EOF
		if !bytes.Equal(r.sum.Sum(nil), r.want[:]) {
			err = r.fault(fmt.Sprintf("its %d bytes are not those that were stored", r.n))
		}
	}
	r.end = err
	return n, err
}

func (r *reader) Close() error { return r.r.Close() }
