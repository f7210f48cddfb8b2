package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Receiver is an [http.Handler] that takes webhooks of this package: it reads
// the body up to a limit, checks it with [Verify], and hands what is genuine to
// Handle. It answers
//
//	204  Handle took it
//	400  the headers or the body are not those of such a webhook
//	401  no signature fits, or it is too old
//	405  it is no POST
//	413  the body is too large
//	500  Handle returned an error, or there is no secret that is one
//
// and says no more than that, so that nobody learns from it how to get through.
type Receiver struct {
	// Secrets are those that are accepted; see Config.Secrets.
	Secrets []string
	// Handle takes a webhook. It must have stored it, or done with it, when it
	// returns nil, for the sender then forgets it. It must expect repeats, which
	// have the same p.Data.ID.
	Handle func(ctx context.Context, p Payload) error
	// MaxBody is the longest body that is taken, in bytes. Default: 16 MiB, which
	// holds whatever a desk with the default [ticket.Limits] sends: fields of 800 KiB and a
	// message of 256 KiB, of which JSON can make six times that. Where the desk has
	// wider limits, it must be larger; a body that is too large is refused at every
	// attempt.
	MaxBody int64
	// Refused is told of the error of every answer except 204, for a log. Nil:
	// nobody is.
	Refused func(r *http.Request, err error)
	// Now is the clock. Nil: [time.Now].
	Now func() time.Time
}

var (
	errBody      = errors.New("webhook: the body is not the JSON of a payload")
	errMethod    = errors.New("webhook: the method must be POST")
	errNoHandler = errors.New("webhook: the receiver has no Handle")
	errOtherID   = errors.New("webhook: webhook-id is not the ID in the body")
)

// ServeHTTP implements [http.Handler].
func (rc Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, err := rc.take(w, r)
	if err != nil && rc.Refused != nil {
		rc.Refused(r, err)
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(status)
}

func (rc Receiver) take(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errMethod
	}
	most := rc.MaxBody
	if most <= 0 {
		most = 16 << 20
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return http.StatusRequestEntityTooLarge, err
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	now := rc.Now
	if now == nil {
		now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	switch err := Verify(rc.Secrets, r.Header, body, now()); {
	case errors.Is(err, ErrHeader):
		return http.StatusBadRequest, err
	case errors.Is(err, ErrSignature), errors.Is(err, ErrTimestamp):
		return http.StatusUnauthorized, err
	case err != nil:
		return http.StatusInternalServerError, err
	}
	var p Payload
	if err := json.Unmarshal(body, &p); err != nil {
		return http.StatusBadRequest, fmt.Errorf("%w: %w", errBody, err)
	}
	if p.Data.ID.String() != r.Header.Get(HeaderID) {
		return http.StatusBadRequest, errOtherID
	}
	if rc.Handle == nil {
		return http.StatusInternalServerError, errNoHandler
	}
	if err := rc.Handle(r.Context(), p); err != nil {
		return http.StatusInternalServerError, err
	}
	return http.StatusNoContent, nil
}
