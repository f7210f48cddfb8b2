package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

// Error is the error of a failed attempt. Its text omits the path and the query of
// the URL, because these are secrets of some receivers. Of the receiver's answer it
// has at most a short excerpt on one line.
type Error struct {
	Endpoint string // scheme, host and port
	Status   int    // of the answer; zero means that there was none
	Excerpt  string // the beginning of the answer's body, if it is text
	Err      error  // why there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "webhook: %s ", e.Endpoint)
	switch {
	case e.Status == 0 && e.Err != nil:
		b.WriteString("did not answer: " + oneLine(e.Err.Error(), maxCause))
	case e.Status == http.StatusGone:
		b.WriteString("answered 410: the endpoint is gone, take it out")
	case e.Status/100 == 3:
		fmt.Fprintf(&b, "answered %d: redirects are not followed, set the URL that is meant", e.Status)
	default:
		fmt.Fprintf(&b, "answered %d", e.Status)
		if text := http.StatusText(e.Status); text != "" {
			b.WriteString(" " + text)
		}
	}
	if e.Excerpt != "" {
		fmt.Fprintf(&b, " (%q)", e.Excerpt)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrorType is the class of the failure, for metrics and traces: the status in
// digits, or "timeout", "canceled", "address" (one that is not public),
// "certificate", or "connection" for the rest.
func (e *Error) ErrorType() string {
	var (
		_, address = errors.AsType[*AddressError](e.Err)
		_, cert    = errors.AsType[*tls.CertificateVerificationError](e.Err)
		late, ok   = errors.AsType[net.Error](e.Err)
	)
	switch {
	case e.Status != 0:
		return strconv.Itoa(e.Status)
	case address:
		return "address"
	case cert:
		return "certificate"
	case errors.Is(e.Err, context.Canceled):
		return "canceled"
	case errors.Is(e.Err, context.DeadlineExceeded), ok && late.Timeout():
		return "timeout"
	}
	return "connection"
}

// The longest texts of others that an error shows, in bytes.
const (
	maxExcerpt = 120
	maxCause   = 200
)

// drain is how long to wait for the body of an answer. The status has arrived
// before.
const drain = time.Second

// judge returns the error for an answer, or nil if the webhook was delivered.
func judge(endpoint string, r *http.Response, body []byte, now time.Time) error {
	if r.StatusCode/100 == 2 {
		return nil
	}
	err := &Error{Endpoint: endpoint, Status: r.StatusCode, Excerpt: excerpt(r.Header, body)}
	if r.StatusCode == http.StatusGone {
		return &ticket.DeliveryFault{Err: err, Permanent: true}
	}
	if wait, ok := retryAfter(r.Header.Get("Retry-After"), now); ok {
		return &ticket.DeliveryFault{Err: err, RetryAfter: wait}
	}
	return err
}

// unanswered returns the error for a request that got no answer. It removes what the
// client wraps around the cause, because that has the whole URL.
func unanswered(endpoint string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Error{Endpoint: endpoint, Err: err}
}

// read returns the beginning of an answer's body, as much as arrives in time. cancel
// ends the request.
func read(r *http.Response, most int64, cancel context.CancelFunc) []byte {
	timer := time.AfterFunc(drain, cancel)
	defer timer.Stop()
	// A body that breaks off does no harm: the status is known.
	body, _ := io.ReadAll(io.LimitReader(r.Body, most))
	return body
}

// retryAfter parses a Retry-After header (RFC 9110, section 10.2.3): seconds or an
// HTTP date. It returns false for anything else. A date in the past means no wait.
func retryAfter(v string, now time.Time) (time.Duration, bool) {
	const most = 365 * 24 * time.Hour // the desk has its own limit, this one is for the arithmetic
	v = strings.TrimSpace(v)
	if v == "" || len(v) > 64 {
		return 0, false
	}
	if strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(most/time.Second) {
			return most, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), most), true
}

// excerpt returns the beginning of a body that is plain text or JSON.
func excerpt(h http.Header, body []byte) string {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case kind == "text/plain", kind == "application/json", strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"):
		return oneLine(string(body[:min(len(body), 4*maxExcerpt)]), maxExcerpt)
	}
	return ""
}

// oneLine makes a text safe for a log. It replaces runs of blanks and unprintable
// characters by one blank and shortens the text to this many bytes.
func oneLine(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || r == ' ' || r == utf8.RuneError
	}), " ")
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
