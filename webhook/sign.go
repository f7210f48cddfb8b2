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

// Tolerance is how far the time of an attempt may lie from the receiver's clock,
// before or after.
const Tolerance = 5 * time.Minute

// What a webhook can be refused for. Data: [*VerifyError].
var (
	// ErrHeader: a header is missing, or is not what the specification says.
	ErrHeader = errors.New("webhook: header")
	// ErrTimestamp: the attempt is too old, or lies in the future.
	ErrTimestamp = errors.New("webhook: timestamp")
	// ErrSignature: no signature fits any of the secrets.
	ErrSignature = errors.New("webhook: signature")
)

// VerifyError says why a webhook was refused. It repeats nothing of the secrets
// and nothing of what came in.
type VerifyError struct {
	Header string // the header at fault
	Reason string // what is wrong and what would be right
	Err    error  // ErrHeader, ErrTimestamp or ErrSignature
}

func (e *VerifyError) Error() string { return fmt.Sprintf("webhook: %s %s", e.Header, e.Reason) }

func (e *VerifyError) Unwrap() error { return e.Err }

// The longest headers that are looked at, in bytes. Seconds have ten digits
// until the year 2286.
const (
	maxID        = 256
	maxTimestamp = 12
	maxSignature = 4096 // some eighty signatures
)

// Verify checks a webhook of any sender that keeps to the specification: header
// and body as they were received, the body byte for byte, now the receiver's
// time. It is genuine when one of its signatures of version v1 fits one of the
// secrets; those of other versions are passed over. Comparing takes the same
// time whatever fits.
//
// It fails with a [*VerifyError], or with a [*SecretError] where a secret is
// none. Whether it came before is for the receiver to tell, by webhook-id.
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

// single returns the only value of a header. More than one would leave it to
// chance which of them a receiver goes by.
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

// signature is of the ID, the timestamp and the body, with full stops between.
func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
