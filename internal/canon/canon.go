// Package canon encodes values for hashing: equal values always give equal bytes,
// and different values never do. The encoding is never decoded.
//
// An element is a tag of one byte, a length of four bytes, big-endian, and the
// content. Numbers are eight bytes, big-endian. A list is one element after the
// other, a struct is an element that contains elements. Empty values are left out,
// so a field that is added later, under a new tag, does not change the encoding of
// older values. Never give a tag twice, and never renumber one.
package canon

import (
	"encoding/binary"
	"math"
	"time"
)

// largest is the greatest capacity of a buffer that Wipe keeps, in bytes.
const largest = 1 << 20

// Buffer collects encoded values. The zero Buffer is empty and ready to use.
type Buffer struct {
	buf  []byte
	used int // the most bytes that were in use since the last Wipe
}

// Encoded returns everything that was written since the last Reset. It is valid until
// the next call of another method.
func (b *Buffer) Encoded() []byte { return b.buf }

// Reset empties the buffer. Its memory keeps the old content until Wipe.
func (b *Buffer) Reset() {
	b.used = max(b.used, len(b.buf))
	b.buf = b.buf[:0]
}

// Wipe empties the buffer and overwrites all content that it ever had. It releases the
// memory of a buffer of more than a megabyte.
func (b *Buffer) Wipe() {
	b.Reset()
	clear(b.buf[:b.used])
	b.used = 0
	if cap(b.buf) > largest {
		b.buf = nil
	}
}

// Raw writes bytes without a tag.
func (b *Buffer) Raw(p []byte) { b.buf = append(b.buf, p...) }

// Begin starts an element that contains what is written before End. It returns the
// argument for End.
func (b *Buffer) Begin(tag byte) int {
	b.buf = append(b.buf, tag, 0, 0, 0, 0)
	return len(b.buf)
}

// End ends the element that Begin started.
func (b *Buffer) End(begun int) {
	binary.BigEndian.PutUint32(b.buf[begun-4:begun], uint32(len(b.buf)-begun))
}

// Element writes p, even if it is empty.
func (b *Buffer) Element(tag byte, p []byte) {
	at := b.Begin(tag)
	b.buf = append(b.buf, p...)
	b.End(at)
}

// Bytes writes p unless all its bytes are zero.
func (b *Buffer) Bytes(tag byte, p []byte) {
	for _, c := range p {
		if c != 0 {
			b.Element(tag, p)
			return
		}
	}
}

// Text writes s unless it is empty.
func (b *Buffer) Text(tag byte, s string) {
	if s != "" {
		b.Optional(tag, &s)
	}
}

// Optional writes the text that s points to, even if it is empty. It writes nothing if
// s is nil.
func (b *Buffer) Optional(tag byte, s *string) {
	if s != nil {
		at := b.Begin(tag)
		b.buf = append(b.buf, *s...)
		b.End(at)
	}
}

// Texts writes each text of a list, even if it is empty.
func (b *Buffer) Texts(tag byte, list []string) {
	for i := range list {
		b.Optional(tag, &list[i])
	}
}

// Int writes n unless it is zero.
func (b *Buffer) Int(tag byte, n int64) {
	if n != 0 {
		b.Fixed(tag, uint64(n))
	}
}

// Fixed writes the eight bytes of n, even if it is zero.
func (b *Buffer) Fixed(tag byte, n uint64) {
	at := b.Begin(tag)
	b.buf = binary.BigEndian.AppendUint64(b.buf, n)
	b.End(at)
}

// Float writes the IEEE 754 form of f, even if it is zero.
func (b *Buffer) Float(tag byte, f float64) { b.Fixed(tag, math.Float64bits(f)) }

// Bool writes true as the number 1, and false not at all.
func (b *Buffer) Bool(tag byte, v bool) {
	if v {
		b.Int(tag, 1)
	}
}

// Flag writes one byte, 1 for true and 0 for false.
func (b *Buffer) Flag(tag byte, v bool) {
	if v {
		b.Element(tag, []byte{1})
	} else {
		b.Element(tag, []byte{0})
	}
}

// Time writes the microseconds since 1970 unless t is the zero time.
func (b *Buffer) Time(tag byte, t time.Time) {
	if !t.IsZero() {
		b.Fixed(tag, uint64(t.UnixMicro()))
	}
}
