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

// Receiver is an [http.Handler] for webhooks of this package. It reads the body up
// to a limit, verifies it with [Verify] and passes a genuine webhook to Handle. It
// answers
//
//	204  Handle accepted it
//	400  the headers or the body are not those of such a webhook
//	401  no signature fits, or it is too old
//	405  the method is not POST
//	413  the body is too large
//	500  Handle returned an error, or a secret is invalid or missing
//
// and gives no further reason, so that the answer does not help an attacker.
type Receiver struct {
	// Secrets are the accepted secrets; see Config.Secrets.
	Secrets []string
	// Handle processes a webhook. When it returns nil, it must have stored or
	// processed the webhook, because the sender does not send it again. It must
	// expect repeats, which have the same p.Data.ID.
	Handle func(ctx context.Context, p Payload) error
	// MaxBody is the longest accepted body, in bytes. Default: 16 MiB. That is
	// enough for a desk with the default [ticket.Limits]: fields of 800 KiB and a
	// message of 256 KiB, which JSON can make six times as long. For a desk with
	// larger limits, increase it; a body that is too large is refused at every
	// attempt.
	MaxBody int64
	// Refused is called with the error of every answer except 204, for a log. Nil:
	// nothing is called.
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
