package handler

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// A Stream is a response of server-sent events. Its methods report whether the client is still
// there and fast enough.
type Stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	bad   bool
}

// NewStream begins the response. A client may take as long as stall for one write.
func NewStream(w http.ResponseWriter, stall time.Duration) *Stream {
	s := &Stream{w: w, rc: http.NewResponseController(w), stall: stall}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("X-Accel-Buffering", "no") // so that nginx passes on each event at once
	w.WriteHeader(http.StatusOK)
	return s
}

// Retry says how long the client waits before it connects again.
func (s *Stream) Retry(after time.Duration) bool {
	return s.write(strconv.AppendInt([]byte("retry: "), after.Milliseconds(), 10))
}

// Alive sends no event, but the place where the client continues from.
func (s *Stream) Alive(id string) bool {
	return s.write(append([]byte(":\nid: "), id...))
}

// Send sends an event with data as JSON. The client continues after the place id.
func (s *Stream) Send(event, id string, data any) bool {
	body, err := json.Marshal(data)
	if err != nil {
		return false
	}
	b := make([]byte, 0, 64+len(event)+len(id)+len(body))
	b = append(append(b, "id: "...), id...)
	b = append(append(b, "\nevent: "...), event...)
	return s.write(append(append(b, "\ndata: "...), body...))
}

func (s *Stream) write(b []byte) bool {
	s.deadline()
	_, err := s.w.Write(append(b, "\n\n"...))
	if err == nil {
		err = s.rc.Flush()
	}
	s.bad = err != nil && !errors.Is(err, errors.ErrUnsupported)
	return !s.bad
}

// End gives the end of the response as much time as a write. After a time without events the
// deadline of the last one is over. Net/http removes this one after the response.
func (s *Stream) End() {
	if !s.bad {
		s.deadline()
	}
}

func (s *Stream) deadline() {
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.stall)) //nolint:forbidigo // deadlines of connections are real; not every server has them
}
