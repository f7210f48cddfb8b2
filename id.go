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

// ID identifies a ticket or a delivery inside the system: a ULID
// (https://github.com/ulid/spec), 16 bytes that sort by the millisecond they
// were made in. Its text form has 26 symbols. The zero ID means none.
//
// People get the [Number] instead; wherever a number is taken from them, the
// text form of the ID is taken too.
type ID [16]byte

// NewID makes an ID for the time t from cryptographic randomness. Within a
// process every ID is greater than all those made before it, in the same
// millisecond as well, and also when t lies before an earlier t because a clock
// was set back: such an ID keeps the latest time seen. Times outside what a
// ULID can hold (the years 1970 to 10889) count as the nearest it can.
//
// It is safe for concurrent use, and the default of [Config].NewID.
func NewID(t time.Time) ID { return ids.next(t) }

// idSource makes IDs that only ever grow.
type idSource struct {
	mu      sync.Mutex
	last    uint64 // the latest millisecond used
	entropy *ulid.MonotonicEntropy
}

var ids = newIDSource()

func newIDSource() *idSource {
	// Randomness is fetched in blocks: one system call serves many IDs.
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
		s.last++ // 2⁸⁰ IDs are spent: borrow from the next millisecond
		id, err = ulid.New(s.last, s.entropy)
	}
	if err != nil {
		// Nothing else can fail: crypto/rand does not return errors, and the
		// time is within bounds. At the end of time uniqueness is kept and
		// order is given up.
		_ = id.SetTime(ulid.MaxTime())
		_, _ = rand.Read(id[6:])
	}
	return ID(id)
}

// ParseID reads the text form of an ID strictly: 26 symbols of Crockford's
// base 32 in either case, no aliases, no blanks, and not beyond the largest
// ULID. Anything else is an [*InvalidError].
func ParseID(s string) (ID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil {
		return ID{}, &InvalidError{Field: "id", Reason: "is not a ULID of 26 symbols", Err: err}
	}
	return ID(u), nil
}

// String returns the 26 symbols.
func (id ID) String() string { return ulid.ULID(id).String() }

// Time returns the millisecond the ID was made in, in UTC.
func (id ID) Time() time.Time { return ulid.Time(ulid.ULID(id).Time()).UTC() }

// IsZero reports whether this is no ID.
func (id ID) IsZero() bool { return id == ID{} }

// Compare returns -1, 0 or +1; the order is that of the bytes, of the text
// form, and of making.
func (id ID) Compare(other ID) int { return ulid.ULID(id).Compare(ulid.ULID(other)) }

// MarshalText returns the 26 symbols, and an empty text for no ID.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return ulid.ULID(id).MarshalText()
}

// UnmarshalText reads what [ParseID] reads, and an empty text as no ID.
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
// number, but for look-alikes: nobody types an ID.
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

// symbols returns the letters and digits that stand together in s; none where
// there is more than what may be between or around them.
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
