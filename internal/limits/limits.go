// Package limits has the defaults of ticket.Limits, for the root and for the
// packages whose tests fill a ticket to its limits.
package limits

// The defaults. Lengths are in bytes of UTF-8.
const (
	Subject        = 400
	Message        = 256 << 10
	Note           = 256 << 10
	Name           = 200
	Email          = 254 // the longest address for mail: RFC 5321, section 4.5.3.1.3, less the brackets
	Ref            = 2048
	FieldValue     = 8 << 10
	Tags           = 50
	Fields         = 100
	Followers      = 100
	Links          = 1000
	Attachments    = 50
	AttachmentSize = 1 << 30
)
