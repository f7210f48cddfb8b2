// Package storekit holds what authors of a [ticket.Store] would otherwise write
// themselves, and get wrong first: keys whose bytes sort as the contract wants, and
// that never run together.
//
// All keys are made for a database that orders by bytes, and may hold any byte. For
// one that keeps only text, hexadecimal digits keep the order.
package storekit

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// AppendText appends a text to a key, so that what follows cannot run together with
// it: "a:b" and "c" make another key than "a" and "b:c". Keys that begin with texts
// sort by these, and all keys of one text, and no others, begin with it. Any text
// will do, one with NUL bytes included.
func AppendText(key []byte, text string) []byte {
	// A NUL byte ends the text; one in it is followed by 0xFF, so that it cannot.
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

// TimeSize is how many bytes a time has in a key.
const TimeSize = 8

// AppendTime appends a time to a key, to the microsecond. Times sort as they
// should, those before 1970 included. What lies outside of the years 1 to 9999,
// which no store keeps but Due may be asked for, sorts before or behind all others.
func AppendTime(key []byte, t time.Time) []byte {
	switch year := t.UTC().Year(); {
	case year < 1:
		return binary.BigEndian.AppendUint64(key, 0)
	case year > 9999:
		return binary.BigEndian.AppendUint64(key, 1<<64-1)
	}
	return binary.BigEndian.AppendUint64(key, uint64(t.UnixMicro())^1<<63)
}

// Time reads what [AppendTime] wrote of a time that a store keeps, in UTC. It needs
// TimeSize bytes.
func Time(key []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(key) ^ 1<<63)).UTC()
}

// Micros is a time as a whole number that sorts as times do: the microseconds since
// 1970, which are negative before it. The zero time is one as well, of the year 1,
// and comes back from [MicroTime] as the zero time.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// MicroTime is the time of [Micros], in UTC.
func MicroTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// AppendPlace appends a place in a list to a key. Of two places in the same order,
// the key of the one that comes first sorts first, whatever the order: a list walks
// forwards from behind the key of its cursor. The key ends with the ID.
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

// PlaceID reads the ID at the end of a key that ends with a place of the order.
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
// its recipient's Key. All that stand in one line have it in common, and no others.
func AppendLine(key []byte, d *ticket.Delivery) []byte {
	key = append(key, d.Ticket[:]...)
	return AppendText(AppendText(key, d.Notifier), d.To.Key())
}

// AppendInLine appends a delivery's place in its line to a key, of a line and then
// the number of the event and the ID. In a line the key of the one that comes first
// sorts first. The key ends with the ID.
func AppendInLine(key []byte, d *ticket.Delivery) []byte {
	key = AppendLine(key, d)
	key = binary.BigEndian.AppendUint64(key, uint64(d.Seq)^1<<63)
	return append(key, d.ID[:]...)
}
