// Package checksum computes the SHA-256 of bytes while they are read, and compares it.
package checksum

import (
	"bytes"
	"context"
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

// Content reads what is to be stored, and measures it. It ends when the context does.
type Content struct {
	ctx  context.Context //nolint:containedctx // of one call, as a reader has none
	r    io.Reader
	sum  hash.Hash
	size int64
	err  error
}

// NewContent returns a Content that reads r.
func NewContent(ctx context.Context, r io.Reader) *Content {
	return &Content{ctx: ctx, r: r, sum: sha256.New()}
}

// Read reads on. All errors but io.EOF say that they are those of the content.
func (c *Content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.err = c.ctx.Err(); c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.size += int64(n)
	switch err { // the end itself, and not an error that wraps it
	case nil:
	case io.EOF:
		c.err = io.EOF
	default:
		c.err = fmt.Errorf("read the content after %d bytes: %w", c.size, err)
	}
	return n, c.err
}

// Size returns the number of bytes that were read.
func (c *Content) Size() int64 { return c.size }

// Sum returns the SHA-256 of the bytes that were read.
func (c *Content) Sum() [sha256.Size]byte { return [sha256.Size]byte(c.sum.Sum(nil)) }
