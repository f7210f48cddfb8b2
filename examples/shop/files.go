package main

import (
	"bufio"
	"errors"
	"net/http"

	"github.com/ticketkit/ticket"
)

// The limits of a form, in bytes.
const (
	maxFile = 5 << 20
	maxBody = maxFile + 1<<20
)

// uploaded stores the file of a form, and returns it as a list for the desk, or
// nil if none was chosen. The shop determines the media type itself; it takes only
// the name from the browser.
func (s *shop) uploaded(r *http.Request, a ticket.Actor) ([]ticket.Attachment, error) {
	f, header, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if header.Filename == "" {
		return nil, nil
	}
	if header.Size > maxFile {
		return nil, &http.MaxBytesError{Limit: maxFile}
	}
	content := bufio.NewReader(f)
	first, _ := content.Peek(512) // short files have fewer; Attach returns any other error
	about, err := s.desk.Attach(r.Context(), a, header.Filename, http.DetectContentType(first), content)
	return []ticket.Attachment{about}, err
}
