package ticket

import (
	"bufio"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// ID identifies a ticket or a delivery inside your application. It is a ULID
// (https://github.com/ulid/spec): 16 bytes that sort by the millisecond of their
// making, with a text form of 26 symbols. The zero ID means none.
//
// People use the [Number] instead. A method that accepts a number as people write
// it, such as [Desk.Find], accepts the text form of an ID as well.
type ID [16]byte

// NewID makes an ID for the time t from cryptographic randomness. Within a process
// every ID is greater than all earlier ones, also within one millisecond. If t is
// before the t of an earlier call, the ID has the later time, so a clock that is
// set back does not disturb the order. A time outside the years 1970 to 10889,
// which a ULID cannot hold, counts as the nearest one inside.
//
// NewID is safe for concurrent use. It is the default of [Config].NewID.
func NewID(t time.Time) ID { return ids.next(t) }

// idSource makes IDs, each greater than the last.
type idSource struct {
	mu      sync.Mutex
	last    uint64 // the latest millisecond used
	entropy *ulid.MonotonicEntropy
}

var ids = newIDSource()

func newIDSource() *idSource {
	// The buffer saves system calls: one fills many IDs.
	return &idSource{entropy: ulid.Monotonic(bufio.NewReaderSize(rand.Reader, 1024), 0)}
}

func (s *idSource) next(t time.Time) ID {
	var ms uint64
	if t.UnixMilli() > 0 {
		ms = min(uint64(t.UnixMilli()), ulid.MaxTime())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, ms)
	id, err := ulid.New(s.last, s.entropy)
	for errors.Is(err, ulid.ErrMonotonicOverflow) && s.last < ulid.MaxTime() {
		s.last++ // the millisecond has no ID left: use the next one
		id, err = ulid.New(s.last, s.entropy)
	}
	if err != nil {
		// This is the last millisecond of a ULID; nothing else fails, since
		// crypto/rand returns no errors and the time is in range. IDs remain
		// unique, but no longer grow.
		_ = id.SetTime(ulid.MaxTime())
		_, _ = rand.Read(id[6:])
	}
	return ID(id)
}

// ParseID reads the text form of an ID: 26 symbols of Crockford's base 32, in upper
// or lower case, without spaces or look-alikes such as O for 0, and at most the
// largest ULID. Anything else is an [*InvalidError].
func ParseID(s string) (ID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil {
		return ID{}, &InvalidError{Field: "id", Reason: "is not a ULID of 26 symbols", Err: err}
	}
	return ID(u), nil
}

// String returns the text form of 26 symbols.
func (id ID) String() string {
	var text [ulid.EncodedSize]byte
	_ = ulid.ULID(id).MarshalTextTo(text[:]) // fails only for another size
	return string(text[:])
}

// Time returns the time in the ID, in UTC and whole milliseconds.
func (id ID) Time() time.Time { return ulid.Time(ulid.ULID(id).Time()).UTC() }

// IsZero reports whether the ID is zero, which means none.
func (id ID) IsZero() bool { return id == ID{} }

// Compare returns -1, 0 or +1 if id is less than, equal to or greater than other,
// in the order of their bytes. The text forms have the same order.
func (id ID) Compare(other ID) int { return ulid.ULID(id).Compare(ulid.ULID(other)) }

// MarshalText returns the text form, and an empty text for the zero ID.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return ulid.ULID(id).MarshalText()
}

// UnmarshalText reads what [ParseID] reads, and an empty text as the zero ID.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	p, err := ParseID(string(text))
	if err == nil {
		*id = p
	}
	return err
}

// readID reads an ID as people copy it, as leniently as [ParseNumber] reads a
// number. Look-alikes are not accepted: nobody types an ID.
func readID(s string) (ID, error) {
	id, err := ParseID(s)
	if err == nil || len(s) < len(id.String()) || len(s) > maxNumberText {
		return id, err
	}
	for _, text := range append([]string{s}, readings(s)...) {
		if p, err := ParseID(symbols(text)); err == nil {
			return p, nil
		}
	}
	return id, err
}

// symbols returns the letters and digits of s without the separators between them
// and the punctuation around them. It returns "" if they are in more than one word.
func symbols(s string) string {
	var b strings.Builder
	broke := false
	for _, r := range s {
		switch r = narrow(r); {
		case between(r):
		case !inWord(r):
			broke = broke || b.Len() > 0
		case broke:
			return ""
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
