package ticket

import (
	"cmp"

	"github.com/ticketkit/ticket/internal/limits"
)

// Limits are the upper limits for the input of a desk. Lengths are in bytes of
// UTF-8. Zero means the default. Input above a limit is an [*InvalidError].
//
// All text must be valid UTF-8 without NUL bytes. Text of one line (subjects,
// names, addresses, tags …) must have no control characters, so that it cannot
// break a mail header. The desk removes spaces at its ends and converts it to
// Unicode's form NFC; from names, IDs and addresses it removes invisible
// characters as well. Text without visible characters counts as missing. Messages
// and notes stay as they are.
//
// A file name above 255 bytes is not refused: the desk cuts it in the middle. It
// replaces characters that some systems cannot store in a file name.
type Limits struct {
	Subject        int   // length of a subject. Zero means 400
	Message        int   // length of a message or a solution. Zero means 262144 (256 KiB)
	Note           int   // length of a note. Zero means 262144 (256 KiB)
	Name           int   // length of a name, ID, queue, tag, reason or field name. Zero means 200
	Email          int   // length of an e-mail address. Zero means 254, the longest that mail allows (RFC 5321, section 4.5.3.1.3)
	Ref            int   // length of an attachment's Ref. Zero means 2048
	FieldValue     int   // length of a custom field's string, or of all strings of its list. Zero means 8192 (8 KiB)
	Tags           int   // number of tags on a ticket. Zero means 50
	Fields         int   // number of custom fields on a ticket. Zero means 100
	Followers      int   // number of followers of a ticket. Zero means 100
	Links          int   // number of links of a ticket, which a link to a follow-up may exceed. Zero means 1000
	Attachments    int   // number of attachments of one action, for the customer and internal ones each. Zero means 50
	AttachmentSize int64 // size of one attachment, in bytes. Zero means 1073741824 (1 GiB)
}

// defaultLimits are the limits of a zero [Config].
func defaultLimits() Limits {
	l, _ := Limits{}.withDefaults()
	return l
}

// withDefaults returns the limits with the defaults for zeros. It refuses negative
// limits.
func (l Limits) withDefaults() (Limits, error) {
	for _, f := range []struct {
		name string
		v    *int
		d    int
	}{
		{"subject", &l.Subject, limits.Subject}, {"message", &l.Message, limits.Message}, {"note", &l.Note, limits.Note},
		{"name", &l.Name, limits.Name}, {"email", &l.Email, limits.Email}, {"ref", &l.Ref, limits.Ref},
		{"field_value", &l.FieldValue, limits.FieldValue}, {"tags", &l.Tags, limits.Tags}, {"fields", &l.Fields, limits.Fields},
		{"followers", &l.Followers, limits.Followers}, {"links", &l.Links, limits.Links}, {"attachments", &l.Attachments, limits.Attachments},
	} {
		if *f.v < 0 {
			return l, invalid("config.limits."+f.name, "must not be negative")
		}
		*f.v = cmp.Or(*f.v, f.d)
	}
	if l.AttachmentSize < 0 {
		return l, invalid("config.limits.attachment_size", "must not be negative")
	}
	l.AttachmentSize = cmp.Or(l.AttachmentSize, limits.AttachmentSize)
	return l, nil
}
