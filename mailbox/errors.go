package mailbox

import (
	"errors"
	"fmt"
)

// ErrTooBig is the category of a mail that is larger than [Limits].Mail. Such a mail is not
// stored: the other side must be told that it is refused for good.
var ErrTooBig = errors.New("mailbox: the mail is too big")

// ErrUnknown is the category of a recipient or a mailbox that the configuration does not
// have.
var ErrUnknown = errors.New("mailbox: no such mailbox")

// SourceError says why a mailbox cannot be read.
type SourceError struct {
	Mailbox string
	Step    string // what was done, such as "connect", "sign in" or "select"
	// Credentials says that the server refused the credentials, or that there is no token.
	// It does not get better by itself.
	Credentials bool
	Err         error
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("mailbox %q: %s: %v", e.Mailbox, e.Step, e.Err)
}

func (e *SourceError) Unwrap() error { return e.Err }

// heldError is the error of a mail that cannot be taken, however often it is tried.
type heldError struct {
	why string
	err error
}

func (e *heldError) Error() string {
	if e.err != nil {
		return e.why + ": " + e.err.Error()
	}
	return e.why
}

func (e *heldError) Unwrap() error { return e.err }

func hold(err error, format string, args ...any) error {
	return &heldError{why: fmt.Sprintf(format, args...), err: err}
}

// laterError is the error of a mail that has to wait for something else.
type laterError struct{ why string }

func (e *laterError) Error() string { return e.why }
