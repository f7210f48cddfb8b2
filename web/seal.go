package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// A sealer signs what a browser keeps between two requests, so that nobody can make it up.
type sealer struct{ key []byte }

// minKey is the shortest key, in bytes.
const minKey = 32

func newSealer(key []byte) sealer {
	if len(key) == 0 {
		key = make([]byte, minKey)
		_, _ = rand.Read(key) // never fails, by its documentation
	}
	return sealer{append([]byte(nil), key...)}
}

// seal returns the data with a signature, as text for a form or an address. It holds for this
// purpose and tenant, until the time.
func (s sealer) seal(purpose, tenant string, until time.Time, data []byte) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	b = append(b, data...)
	return base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(s.sum(purpose, tenant, b))
}

// open returns what was sealed, and whether it is genuine and not too old.
func (s sealer) open(purpose, tenant, text string, now time.Time) (data []byte, ok bool) {
	body, sum, found := strings.Cut(text, ".")
	b, err := base64.RawURLEncoding.DecodeString(body)
	if !found || err != nil || len(b) < 8 {
		return nil, false
	}
	given, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(given, s.sum(purpose, tenant, b)) {
		return nil, false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return b[8:], now.Before(until)
}

func (s sealer) sum(purpose, tenant string, b []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	for _, part := range []string{purpose, tenant} {
		_ = binary.Write(m, binary.BigEndian, uint64(len(part)))
		m.Write([]byte(part))
	}
	m.Write(b)
	return m.Sum(nil)[:16]
}

// newKey returns a random key for a form.
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}
