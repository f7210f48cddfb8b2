package report

import (
	"encoding/json"
	"maps"
	"math/big"
	"math/bits"
	"slices"
)

// exactUpTo is how many values a spread keeps one by one.
const exactUpTo = 4096

// A spread is a collection of times in microseconds. It gives percentiles, which are exact
// up to exactUpTo values. Above that it counts values in classes. It depends on the values
// only, not on their order.
type spread struct {
	N       int64         `json:"n"`
	Values  []int64       `json:"values,omitempty"`
	Classes map[int]int64 `json:"classes,omitempty"` // counts by class
}

func (s *spread) add(v int64) {
	s.N++
	if s.Classes != nil {
		s.Classes[classOf(v)]++
		return
	}
	s.Values = append(s.Values, v)
	if s.N <= exactUpTo {
		return
	}
	s.Classes = make(map[int]int64)
	for _, v := range s.Values {
		s.Classes[classOf(v)]++
	}
	s.Values = nil
}

// percentile returns the smallest value that is not less than p percent of all values. It
// returns false if there are none.
func (s *spread) percentile(p int64) (int64, bool) {
	if s.N == 0 {
		return 0, false
	}
	rank := (s.N*p + 99) / 100 // 1, 2, 3 …
	if s.Classes == nil {
		slices.Sort(s.Values)
		return s.Values[rank-1], true
	}
	classes := slices.Sorted(maps.Keys(s.Classes))
	for _, c := range classes {
		if rank -= s.Classes[c]; rank <= 0 {
			return middleOf(c), true
		}
	}
	return middleOf(classes[len(classes)-1]), true
}

// precision returns the text for the column of that name.
func (s *spread) precision() string {
	if s.Classes == nil {
		return "exact"
	}
	return "0.4 %"
}

// MarshalJSON sorts the values, so that equal spreads have equal bytes.
func (s *spread) MarshalJSON() ([]byte, error) {
	type plain spread
	slices.Sort(s.Values)
	return json.Marshal((*plain)(s))
}

// classOf returns the class of a time of 0 or more. Each power of two has 128 classes; below
// 256 each value has its own. It uses integers only, so all machines agree.
func classOf(v int64) int {
	shift := max(bits.Len64(uint64(v))-8, 0)
	return shift<<7 + int(v>>shift)
}

// middleOf returns the middle of a class.
func middleOf(class int) int64 {
	if class < 256 {
		return int64(class)
	}
	shift := class>>7 - 1
	return int64(class-shift<<7)<<shift + int64(1)<<shift/2
}

// A total is an exact sum of times in microseconds, of any size.
type total struct{ hi, lo uint64 }

func (t *total) add(v int64) {
	var carry uint64
	t.lo, carry = bits.Add64(t.lo, uint64(v), 0)
	t.hi += carry
}

func (t total) big() *big.Int {
	b := new(big.Int).SetUint64(t.hi)
	return b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(t.lo))
}

// MarshalText writes the number of microseconds.
func (t total) MarshalText() ([]byte, error) { return t.big().MarshalText() }

// UnmarshalText reads the form that MarshalText writes.
func (t *total) UnmarshalText(text []byte) error {
	var b big.Int
	if err := b.UnmarshalText(text); err != nil {
		return err
	}
	t.lo = new(big.Int).And(&b, new(big.Int).SetUint64(1<<64-1)).Uint64()
	t.hi = new(big.Int).Rsh(&b, 64).Uint64()
	return nil
}
