// Package files keeps the bytes of files outside of a database: in a folder, or in memory for
// tests. Both are a [ticket.FileStore]; give it to the desk as ticket.Config.Files.
//
//	store, err := files.NewFolder("/var/lib/desk/files")
//	desk, err := ticket.NewDesk(tickets, ticket.Config{Files: store})
//
// Package sqlstore keeps files in the database of the tickets, and the module files/blob in
// object storage, such as S3. Package filestest tests other implementations.
package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

// content reads what is to be stored, and measures it. It ends when the context does.
type content struct {
	ctx  context.Context //nolint:containedctx // of one call of Put, as a reader has none
	r    io.Reader
	sum  hash.Hash
	size int64
	err  error // of the content, not of the place that it is written to
}

func newContent(ctx context.Context, r io.Reader) *content {
	return &content{ctx: ctx, r: r, sum: sha256.New()}
}

func (c *content) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.size += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("read the content after %d bytes: %w", c.size, err)
		err = c.err
	}
	return n, err
}

func (c *content) digest() ticket.Digest { return ticket.Digest(c.sum.Sum(nil)) }

// checkTenant refuses a tenant that a list could not return as it was given.
func checkTenant(tenant string) error {
	if !utf8.ValidString(tenant) {
		return &ticket.InvalidError{Field: "tenant", Reason: "must be UTF-8"}
	}
	return nil
}

func missing(sum ticket.Digest) error {
	return &ticket.NotFoundError{What: "file", Ref: sum.String()}
}

// changed returns the error of a file whose bytes have another SHA-256.
func changed(sum ticket.Digest) func(reason string) error {
	return func(reason string) error { return &ticket.FileError{SHA256: sum, Reason: reason} }
}
