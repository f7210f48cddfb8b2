// Package fieldvalue converts and compares the values of custom fields. A value is a
// string, bool, int64, float64, time.Time or []string.
package fieldvalue

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// ErrType is the error for a value of any other type that Normalize does not convert.
var ErrType = errors.New("must be a string, bool, integer, float64, time or list of strings")

// Normalize returns the value in one of the types. It converts other integer types and
// float32, copies a list, and cuts a time to microseconds in UTC. It returns an error for
// a value that has no such form: of another type, not a finite number, more than an int64,
// or a time outside the years 1 to 9999.
func Normalize(v any) (any, error) {
	switch v := v.(type) {
	case string, bool, int64:
		return v, nil
	case []string:
		return append([]string{}, v...), nil
	case time.Time:
		if y := v.UTC().Year(); y < 1 || y > 9999 {
			return nil, errors.New("must be in the years 1 to 9999")
		}
		return v.UTC().Truncate(time.Microsecond), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("must be a finite number")
		}
		return v, nil
	case float32:
		return Normalize(float64(v))
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
		return Normalize(uint64(v))
	case uint64:
		if v > math.MaxInt64 {
			return nil, errors.New("must fit an int64")
		}
		return int64(v), nil
	default:
		return nil, fmt.Errorf("%w, not %T", ErrType, v)
	}
}

// Equal reports whether two values are equal, in type and value. Values of other types
// are equal to nothing.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case []string:
		b, ok := b.([]string)
		return ok && slices.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case string, bool, int64, float64:
		return a == b
	default:
		return false
	}
}
