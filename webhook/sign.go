package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a webhook.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Tolerance is how far the time of an attempt may differ from the receiver's clock,
// in either direction.
const Tolerance = 5 * time.Minute

// The errors of [Verify], with the data in a [*VerifyError].
var (
	// ErrHeader means that a header is missing or malformed.
	ErrHeader = errors.New("webhook: header")
	// ErrTimestamp means that the attempt is too old or in the future.
	ErrTimestamp = errors.New("webhook: timestamp")
	// ErrSignature means that no signature fits any of the secrets.
	ErrSignature = errors.New("webhook: signature")
)

// VerifyError says why a webhook was refused. It contains nothing of the secrets or
// of the request.
type VerifyError struct {
	Header string // the header at fault
	Reason string // what is wrong and what would be right
	Err    error  // ErrHeader, ErrTimestamp or ErrSignature
}

func (e *VerifyError) Error() string { return fmt.Sprintf("webhook: %s %s", e.Header, e.Reason) }

func (e *VerifyError) Unwrap() error { return e.Err }

// The longest accepted headers, in bytes. Seconds have ten digits until the year
// 2286.
const (
	maxID        = 256
	maxTimestamp = 12
	maxSignature = 4096 // about eighty signatures
)

// Verify checks a webhook of any sender that implements the specification. Pass the
// header and the body as received, the body byte for byte, and the receiver's time.
// A webhook is genuine if one of its v1 signatures fits one of the secrets.
// Signatures of other versions are skipped. The comparison takes constant time.
//
// Verify returns a [*VerifyError], or a [*SecretError] if a secret is invalid. It
// does not detect repeats; the receiver does, by webhook-id.
func Verify(secrets []string, header http.Header, body []byte, now time.Time) error {
	keys, err := parseSecrets(secrets)
	if err != nil {
		return err
	}
	id, err := single(header, HeaderID, maxID)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }) {
		return &VerifyError{HeaderID, "must be visible ASCII without a full stop, which ends it where it is signed", ErrHeader}
	}
	stamp, err := single(header, HeaderTimestamp, maxTimestamp)
	if err != nil {
		return err
	}
	if strings.Trim(stamp, "0123456789") != "" {
		return &VerifyError{HeaderTimestamp, "must be seconds since 1970 in digits", ErrHeader}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return &VerifyError{HeaderTimestamp, "must be seconds since 1970 in digits", ErrHeader}
	}
	signatures, err := single(header, HeaderSignature, maxSignature)
	if err != nil {
		return err
	}
	switch age := now.Sub(time.Unix(seconds, 0)); {
	case age > Tolerance:
		return &VerifyError{HeaderTimestamp, "is more than five minutes old: an old webhook sent again, or clocks that differ", ErrTimestamp}
	case age < -Tolerance:
		return &VerifyError{HeaderTimestamp, "is more than five minutes ahead: clocks that differ", ErrTimestamp}
	}
	fits := 0
	for _, key := range keys {
		want := []byte(signature(key, id, stamp, body))
		for s := range strings.SplitSeq(signatures, " ") {
			fits |= subtle.ConstantTimeCompare([]byte(s), want)
		}
	}
	if fits == 0 {
		return &VerifyError{HeaderSignature, "has no signature v1 that fits: another secret, or a body that was changed on its way", ErrSignature}
	}
	return nil
}

// single returns the only value of a header. With several values, receivers could
// disagree on which one counts.
func single(header http.Header, name string, most int) (string, error) {
	switch v := header.Values(name); {
	case len(v) == 0 || len(v) == 1 && v[0] == "":
		return "", &VerifyError{name, "is missing", ErrHeader}
	case len(v) > 1:
		return "", &VerifyError{name, "is there more than once", ErrHeader}
	case len(v[0]) > most:
		return "", &VerifyError{name, fmt.Sprintf("is %d bytes long, at most %d are taken", len(v[0]), most), ErrHeader}
	default:
		return v[0], nil
	}
}

// sign returns the value of webhook-signature: one signature for each key.
func sign(keys [][]byte, id, stamp string, body []byte) string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = signature(key, id, stamp, body)
	}
	return strings.Join(all, " ")
}

// signature signs the ID, the timestamp and the body, joined by full stops.
func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
