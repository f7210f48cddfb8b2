// Package storekit helps authors of a [ticket.Store]. It makes keys whose bytes sort
// as the contract demands. Two different lists of texts never make the same key.
//
// The keys are for a database that orders by bytes and accepts any byte. In a
// database that only stores text, hexadecimal digits keep the order.
package storekit

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// AppendText appends a text to a key and marks its end: "a:b" and "c" make another
// key than "a" and "b:c". Keys sort by the texts that they begin with. All keys
// whose first text is this one, and no others, begin with the appended bytes. The
// text may contain NUL bytes.
func AppendText(key []byte, text string) []byte {
	// A NUL byte ends the text. A NUL byte within the text is followed by 0xFF.
	for {
		before, after, found := strings.Cut(text, "\x00")
		key = append(key, before...)
		if !found {
			return append(key, 0, 1)
		}
		key = append(key, 0, 0xFF)
		text = after
	}
}

// Join makes one key of texts, each as with [AppendText].
func Join(texts ...string) []byte {
	var key []byte
	for _, text := range texts {
		key = AppendText(key, text)
	}
	return key
}

// TimeSize is the number of bytes of a time in a key.
const TimeSize = 8

// AppendTime appends a time to a key, in microseconds. Keys sort in the order of
// time, also before 1970. A time outside of the years 1 to 9999 sorts before or
// after all others. No store keeps such a time, but Due may be called with one.
func AppendTime(key []byte, t time.Time) []byte {
	switch year := t.UTC().Year(); {
	case year < 1:
		return binary.BigEndian.AppendUint64(key, 0)
	case year > 9999:
		return binary.BigEndian.AppendUint64(key, 1<<64-1)
	}
	return binary.BigEndian.AppendUint64(key, uint64(t.UnixMicro())^1<<63)
}

// Time reads a stored time that [AppendTime] wrote, in UTC. It needs TimeSize bytes.
func Time(key []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(key) ^ 1<<63)).UTC()
}

// Micros returns the microseconds since 1970, which are negative before 1970. The
// numbers sort as the times do. [MicroTime] turns the number of the zero time, which
// is in the year 1, into the zero time again.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// MicroTime returns the time of [Micros], in UTC.
func MicroTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// AppendPlace appends a place in a list to a key. In every order, the keys sort as
// the list does, also if it shows the newest tickets first. So the next page consists
// of the keys that sort after the key of the cursor. The key ends with the ID.
func AppendPlace(key []byte, p ticket.Place) []byte {
	start := len(key)
	switch p.Order {
	case ticket.OrderNewestFirst, ticket.OrderMostRecent:
		key = append(AppendTime(key, p.Time), p.ID[:]...)
		for i := start; i < len(key); i++ {
			key[i] ^= 0xFF
		}
		return key
	case ticket.OrderMostUrgent:
		key = append(key, 0xFF-byte(p.Grade))
	}
	return append(AppendTime(key, p.Time), p.ID[:]...)
}

// PlaceID returns the ID from the end of a key that ends with [AppendPlace]'s bytes for
// a place in this order.
func PlaceID(order ticket.Order, key []byte) ticket.ID {
	id := ticket.ID(key[len(key)-len(ticket.ID{}):])
	if order == ticket.OrderNewestFirst || order == ticket.OrderMostRecent {
		for i := range id {
			id[i] ^= 0xFF
		}
	}
	return id
}

// AppendLine appends the line of a delivery to a key: its ticket, its notifier and
// its recipient's Key. All deliveries of one line, and no others, have these bytes.
func AppendLine(key []byte, d *ticket.Delivery) []byte {
	key = append(key, d.Ticket[:]...)
	return AppendText(AppendText(key, d.Notifier), d.To.Key())
}

// AppendInLine appends a delivery's line and its place in the line to a key. The
// place is the number of the event and the ID. The keys of a line sort in the order
// of its deliveries. The key ends with the ID.
func AppendInLine(key []byte, d *ticket.Delivery) []byte {
	key = AppendLine(key, d)
	key = binary.BigEndian.AppendUint64(key, uint64(d.Seq)^1<<63)
	return append(key, d.ID[:]...)
}
