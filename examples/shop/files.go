package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

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

// download sends a file of a ticket that the user may see.
func (s *shop) download(w http.ResponseWriter, r *http.Request, u user) error {
	id, err := s.ticketOf(r.Context(), u.actor(), r.PathValue("number"))
	if err != nil {
		return err
	}
	return s.sendFile(w, r, u.actor(), id)
}

func (s *shop) holderDownloads(w http.ResponseWriter, r *http.Request) error {
	a := ticket.StatusLinkHolder(r.PathValue("token"))
	id, err := s.ticketOf(r.Context(), a, "")
	if err != nil {
		return err
	}
	return s.sendFile(w, r, a, id)
}

// ticketOf returns the ID of a ticket. Agents open merged tickets too.
func (s *shop) ticketOf(ctx context.Context, a ticket.Actor, ref string) (ticket.ID, error) {
	if a.Role == ticket.RoleAgent {
		t, err := s.desk.Lookup(ctx, a, ref)
		return t.ID, err
	}
	seen, err := s.desk.Track(ctx, a, ref)
	return seen.ID, err
}

// sendFile sends a file as a download, whatever it contains, so that it cannot
// act as a page of the shop.
func (s *shop) sendFile(w http.ResponseWriter, r *http.Request, a ticket.Actor, id ticket.ID) error {
	var sum ticket.Digest
	if err := sum.UnmarshalText([]byte(r.PathValue("file"))); err != nil {
		return errNoPage
	}
	about, body, err := s.desk.File(r.Context(), a, id, sum)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(about.Size, 10))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": about.Name}))
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler) // breaks the connection, so that the browser reports an incomplete file
	}
	return nil
}
