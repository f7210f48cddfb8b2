package mailbox

import (
	"cmp"
	"fmt"
)

// The default limits of a mail.
const (
	maxMail   = 40 << 20
	maxHeader = 256 << 10
	maxParts  = 500
	maxDepth  = 30
)

// maxText limits the bytes of a mail that are read as text. A ticket takes far less.
const maxText = 1 << 20

// limits bounds what is parsed. Zero fields mean the defaults.
type limits struct {
	Mail   int // bytes of a mail; default 40 MiB
	Header int // bytes of its header, and of the header of each part; default 256 KiB
	Parts  int // parts of all depths, those of attached messages included; default 500
	Depth  int // parts within parts; default 30
}

// withDefaults returns the limits without zeros.
func (l limits) withDefaults() limits {
	return limits{
		Mail:   cmp.Or(l.Mail, maxMail),
		Header: cmp.Or(l.Header, maxHeader),
		Parts:  cmp.Or(l.Parts, maxParts),
		Depth:  cmp.Or(l.Depth, maxDepth),
	}
}

// limitError is the error of a mail that exceeds a limit.
type limitError struct {
	What  string // "bytes", "bytes of header", "parts" or "levels of parts"
	Limit int
}

func (e *limitError) Error() string {
	return fmt.Sprintf("mailbox: the mail has more than %d %s", e.Limit, e.What)
}
