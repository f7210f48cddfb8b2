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
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

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
