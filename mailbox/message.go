package mailbox

import (
	netmail "net/mail"
	"time"

	"github.com/ticketkit/ticket"
)

// message is a parsed mail. It holds what the mail says, not what the desk does about it.
type message struct {
	MessageID  string   // without angle brackets, as are the next two; empty if there is none
	InReplyTo  []string // in order
	References []string // in order: the last is the mail that this one answers

	From, ReplyTo, Sender []netmail.Address // the domain of an address is in lower case and in ASCII
	To, Cc, DeliveredTo   []netmail.Address // DeliveredTo: also X-Original-To and Envelope-To
	Date                  time.Time         // zero if it cannot be read
	Subject               string            // decoded, in one line
	Language              string            // the first of Content-Language, such as "de"; empty if there is none
	ReturnPath            string            // of the topmost Return-Path; empty is the null sender if HasReturnPath
	HasReturnPath         bool
	Received              int    // the number of Received fields
	Automatic             string // why it is from a machine, in words; empty if it is from a person
	Quiet                 string // why nobody may be written to because of it, in words; empty if they may
	Auth                  []authResult
	Text                  string // the sender's words, without quotes that are provably of our letters
	Full                  string // the same with these quotes
	Files                 []file // in order of the parts
	Reports               []report
	Receipt               bool          // is a read receipt (RFC 8098); Reports then has what it says
	Forward               *forward      // what it passes on; nil if it passes nothing on, or not in a form that is understood
	Encrypted, Signed     bool          // by S/MIME or OpenPGP; a signature is not checked
	Invitation            string        // a summary of the invitation that it brings; empty if there is none
	Fingerprint           ticket.Digest // see fingerprint
	Problems              []string      // what is wrong with its form, in words, for the explanation
	AutoReply             bool          // Automatic, and an answer such as an absence note
	List                  bool          // came over a mailing list
	Cut                   bool          // Text and Full are the beginning of what the mail says
	Forwards              bool          // the subject says that it passes a mail on: "Fwd:", "WG:"; Forward can still be nil
	Quotes                bool          // Text has, or seems to have, words of other mails
	messages              map[*part]int // attached messages and their places in Files, while it is parsed
}

// file is a file in a mail.
type file struct {
	Name      string // cleaned, never empty; several files can have one name
	MediaType string // such as "image/png", in lower case and without parameters
	Inline    bool   // the text shows it
	ContentID string // without angle brackets
	Content   []byte // decoded; can share memory with the raw mail
}

// authResult is one result of an Authentication-Results field (RFC 8601). Only results of
// the fields on top are kept: the first such field, and those that follow it without
// another field between them, all of them above the fields of the author such as From.
type authResult struct {
	Server string            // the authserv-id, in lower case; can be empty
	Field  int               // which field it is from: 0 for the topmost
	Method string            // such as "dmarc", "dkim" or "spf", in lower case
	Result string            // such as "pass" or "fail", in lower case
	Props  map[string]string // such as "header.from": "example.org", both in lower case
}

// report says what became of a letter for one recipient: a delivery report (RFC 3464) or a
// read receipt (RFC 8098).
type report struct {
	FinalRecipient    string // the address, with its domain in lower case
	OriginalRecipient string // the address that the letter was sent to, if it is another one
	Action            string // failed, delayed, delivered, relayed, expanded; in a receipt displayed, deleted, …
	Status            string // such as "5.1.1"
	Diagnostic        string // the words of the server
	ReportingMTA      string
	EnvelopeID        string // Original-Envelope-Id
	MessageID         string // of the letter that it is about, without angle brackets; empty if it does not say so
}

// forward is a mail that another one passes on.
type forward struct {
	From     netmail.Address
	Subject  string
	Date     time.Time // zero if it cannot be read
	Text     string    // the words of the mail that is passed on
	Comment  string    // the words of the person who passes it on
	Attached bool      // it is an attached message, and not a block in the text
	File     int       // the index in Files of the attached message; -1 if it is a block
}
