package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/transform"

	"github.com/ticketkit/ticket"
)

// fingerprint returns what tells a mail from others. A copy of it that came another way
// has the same one: fields that were added on the way, another transfer encoding of a part,
// other line ends, and spaces at the ends of lines change nothing. It is stored, so its
// definition is for ever:
//
// SHA-256 over these texts, each after its length in bytes as 8 bytes, big-endian:
//
//  1. "mail-1"
//  2. the Message-ID without angle brackets, or nothing
//  3. the addresses of From, sorted, separated by line feeds, with the domain in lower case
//     and ASCII; without a valid address the fields From, decoded, in one line
//  4. the Date as seconds since 1970 in UTC, in decimal; if it cannot be read, the field in
//     one line
//  5. the subject, decoded, in one line; raw bytes are UTF-8 or windows-1252 here
//  6. for each leaf of the tree of parts in order, those of attached messages included, the
//     SHA-256 of its body: without its transfer encoding; text in UTF-8 if its charset is
//     known; line ends as line feeds, without spaces and tabs before them, and without
//     empty lines at the end
func fingerprint(m *message, h header, root *part) ticket.Digest {
	sum := sha256.New()
	add := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		sum.Write(n[:])
		sum.Write(b)
	}
	add([]byte("mail-1"))
	add([]byte(m.MessageID))
	add([]byte(senders(m.From, h)))
	date := oneLine(h.get("date"))
	if !m.Date.IsZero() {
		date = strconv.FormatInt(m.Date.Unix(), 10)
	}
	add([]byte(date))
	subject := m.Subject
	if raw := h.get("subject"); !utf8.ValidString(raw) {
		subject = oneLine(decodeWords(raw, ""))
	}
	add([]byte(subject))
	buf := make([]byte, 4096)
	eachLeaf(root, func(p *part) {
		body := &bodySum{sum: sha256.New()}
		var r io.Reader = bytes.NewReader(p.content())
		if e := findCharset(p.params["charset"]); e != nil && strings.HasPrefix(p.typ, "text/") {
			r = transform.NewReader(r, e.NewDecoder())
		}
		_, _ = io.CopyBuffer(body, struct{ io.Reader }{r}, buf) // a decoder replaces what it cannot read
		add(body.sum.Sum(nil))
	})
	return ticket.Digest(sum.Sum(nil))
}

// eachLeaf calls f for each leaf, those of attached messages included.
func eachLeaf(p *part, f func(p *part)) {
	switch {
	case p.message != nil:
		eachLeaf(p.message, f)
	case len(p.parts) == 0:
		f(p)
	}
	for _, c := range p.parts {
		eachLeaf(c, f)
	}
}

// senders returns the addresses of From as they count for the fingerprint.
func senders(from []netmail.Address, h header) string {
	var list []string
	for _, a := range from {
		list = append(list, a.Address)
	}
	if len(list) == 0 {
		for _, s := range h.all("from") {
			list = append(list, oneLine(decodeWords(s, "")))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// bodySum hashes a body as it counts for the fingerprint.
type bodySum struct {
	sum    hash.Hash
	feeds  int    // line feeds that are written if more comes
	spaces []byte // spaces and tabs, likewise
}

var lineFeed = []byte{'\n'} // once, and not for each line

func (w *bodySum) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		switch b[0] {
		case '\n':
			w.feeds++
			w.spaces = w.spaces[:0]
			b = b[1:]
			continue
		case ' ', '\t', '\r':
			if len(w.spaces) < 4096 { // more than a line can have
				w.spaces = append(w.spaces, b[0])
			}
			b = b[1:]
			continue
		}
		for ; w.feeds > 0; w.feeds-- {
			w.sum.Write(lineFeed)
		}
		w.sum.Write(w.spaces)
		w.spaces = w.spaces[:0]
		end := bytes.IndexAny(b, " \t\r\n")
		if end < 0 {
			end = len(b)
		}
		w.sum.Write(b[:end])
		b = b[end:]
	}
	return n, nil
}
