package ticket

import (
	"context"
	"io"
	"time"
)

// FileStore keeps the bytes of files: those that customers and agents send, and mails as
// they arrived. Package files has one that writes to a folder, sqlstore one that writes to
// the database of the tickets. Implementations must be safe for concurrent use. If the context
// is cancelled before the call, a method must return its error and change nothing. Package
// filestest tests an implementation: each sentence below that contains "must" has a test case
// there.
//
// A file is known by its tenant and the SHA-256 of its bytes. Equal bytes of one tenant are
// stored once. Tenants share nothing, so that none learns what another has.
type FileStore interface {
	// Put stores what content yields until [io.EOF] and returns its size and SHA-256. It
	// must return only after the bytes would survive a crash of the process, and must leave
	// nothing that Open or List finds if it fails or content does. If the bytes are already
	// there, it sets Stored to now and returns the file. It must not keep the whole file in
	// memory.
	Put(ctx context.Context, tenant string, content io.Reader) (File, error)

	// Open returns the file's bytes. The caller closes them. A file that is not there is
	// ErrNotFound. Bytes that no longer match the SHA-256 must end in an error that is a
	// [*FileError] and not in io.EOF, at the latest when the last byte has been read.
	Open(ctx context.Context, tenant string, sum Digest) (io.ReadCloser, error)

	// Delete removes a file if it was last stored before the given time, and reports whether
	// it did. A file that is not there, or was stored since, is no error. Delete and Put must
	// not overlap: what Put has returned is there.
	Delete(ctx context.Context, tenant string, sum Digest, before time.Time) (bool, error)

	// List returns the files of all tenants after the given one, ordered by tenant and
	// SHA-256, both by their bytes, at most limit of them. The zero File starts at the first.
	// A limit of 0 or less means none.
	List(ctx context.Context, after File, limit int) ([]File, error)
}

// File is a file in a [FileStore].
type File struct {
	Tenant string    `json:"tenant,omitempty"`
	SHA256 Digest    `json:"sha256"`
	Size   int64     `json:"size"`   // in bytes
	Stored time.Time `json:"stored"` // when the same bytes were last stored
}

// FileError is an error of a file whose bytes are not those that were stored.
type FileError struct {
	SHA256 Digest // of the bytes that were stored
	Reason string
}

func (e *FileError) Error() string { return "ticket: file " + e.SHA256.String() + ": " + e.Reason }
