package ticket

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/ticketkit/ticket/internal/limits"
)

// Limits bound what the desk takes in. Lengths are in bytes of UTF-8. A field
// that is 0 has its default.
//
// Besides, for all text: it must be valid UTF-8 without NUL bytes, and what
// stands on one line (subjects, names, addresses, tags …) must have no control
// characters, so that no line break can be smuggled into a mail header. What
// stands on one line loses the blanks at its ends and is brought into Unicode's
// form NFC; names, IDs and addresses lose what cannot be seen besides. Text that
// shows nothing counts as missing. Messages and notes stay as they are.
//
// The name of a file is not refused for its length: it is shortened in the
// middle to 255 bytes. What some system could not store under it is replaced.
type Limits struct {
	Subject        int   // of a subject. Default: 400
	Message        int   // of a message, a solution. Default: 262144 (256 KiB)
	Note           int   // of a note. Default: 262144 (256 KiB)
	Name           int   // of a name, ID, queue, tag, reason, field name. Default: 200
	Email          int   // of an e-mail address. Default: 254
	Ref            int   // of an attachment's Ref. Default: 2048
	FieldValue     int   // of a custom field's string, or all strings of its list. Default: 8192 (8 KiB)
	Tags           int   // tags on a ticket. Default: 50
	Fields         int   // custom fields on a ticket. Default: 100
	Followers      int   // followers of a ticket. Default: 100
	Links          int   // links of a ticket; that to a follow-up is made all the same. Default: 1000
	Attachments    int   // attachments of one action, of either kind. Default: 50
	AttachmentSize int64 // bytes of one attachment. Default: 1073741824 (1 GiB)
}

// defaultLimits are the limits of a zero [Config].
func defaultLimits() Limits {
	l, _ := Limits{}.withDefaults()
	return l
}

// withDefaults fills the fields that are 0, and refuses negative ones.
func (l Limits) withDefaults() (Limits, error) {
	for _, f := range []struct {
		name string
		v    *int
		d    int
	}{
		{"subject", &l.Subject, limits.Subject}, {"message", &l.Message, limits.Message}, {"note", &l.Note, limits.Note},
		{"name", &l.Name, limits.Name}, {"email", &l.Email, limits.Email}, {"ref", &l.Ref, limits.Ref},
		{"field_value", &l.FieldValue, limits.FieldValue}, {"tags", &l.Tags, limits.Tags}, {"fields", &l.Fields, limits.Fields},
		{"followers", &l.Followers, limits.Followers}, {"links", &l.Links, limits.Links}, {"attachments", &l.Attachments, limits.Attachments},
	} {
		if *f.v < 0 {
			return l, invalid("config.limits."+f.name, "must not be negative")
		}
		*f.v = cmp.Or(*f.v, f.d)
	}
	if l.AttachmentSize < 0 {
		return l, invalid("config.limits.attachment_size", "must not be negative")
	}
	l.AttachmentSize = cmp.Or(l.AttachmentSize, limits.AttachmentSize)
	return l, nil
}

// normalizeField returns the value in one of the types that [Fields] hold.
func normalizeField(v any) (any, error) {
	switch v := v.(type) {
	case string, bool, int64:
		return v, nil
	case []string:
		return append([]string{}, v...), nil
	case time.Time:
		if y := v.UTC().Year(); y < 1 || y > 9999 {
			return nil, fmt.Errorf("must lie in the years 1 to 9999")
		}
		return microTime(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("must be a finite number")
		}
		return v, nil
	case float32:
		return normalizeField(float64(v))
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint:
		return normalizeField(uint64(v))
	case uint64:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("must fit an int64")
		}
		return int64(v), nil
	default:
		return nil, fmt.Errorf("must be a string, bool, integer, float64, time or list of strings, not %T", v)
	}
}

// microTime is the form of all times in tickets: UTC, whole microseconds, no
// monotonic reading.
func microTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
