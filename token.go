package ticket

import "time"

// Links says how status links are made: signed addresses that show one ticket's
// customer view to whoever has them. See [Desk.Link].
type Links struct {
	// Keys sign and check links. The first one signs; all of them check, so that
	// a key can be replaced: put the new one first, and take the old one out when
	// its last link has expired. No keys: no links.
	Keys []LinkKey
	// URL makes the address of a token, such as
	// "https://help.example.org/t/" + token. It puts links into the notifications
	// for customers; nil: there are none.
	URL func(tenant, token string) string
	// TTL is how long a link in a notification is good, from the event on.
	// Default: 90 days.
	TTL time.Duration
	// Scope is what the links in notifications allow besides looking. Default:
	// nothing.
	Scope LinkScope
}

// LinkKey is a key for status links. Two keys of a desk must not have the same
// ID. The secret should be 32 random bytes, and must be 32 at least.
type LinkKey struct {
	ID     uint8
	Secret []byte
}

// LinkScope is what a status link allows besides looking.
type LinkScope uint8

// The scopes; they can be combined.
const (
	LinkReply  LinkScope = 1 << iota // to write: Reply with a message
	LinkUpload                       // to send files: Reply with attachments
)
