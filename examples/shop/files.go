package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/ticketkit/ticket"
)

// The limits of a form, in bytes.
const (
	maxFile = 5 << 20
	maxBody = maxFile + 1<<20
)

// upload is a file that somebody sent: its description for the ticket, and its
// bytes, which the shop stores.
type upload struct {
	about ticket.Attachment
	body  []byte
}

// attachments returns the file as a list for the desk, or nil without a file.
func (f *upload) attachments() []ticket.Attachment {
	if f == nil {
		return nil
	}
	return []ticket.Attachment{f.about}
}

// uploaded returns the file of a form, or nil if none was chosen. The shop
// determines the media type itself; it takes only the name from the browser.
func uploaded(r *http.Request) (*upload, error) {
	f, header, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(f)
	if err != nil || header.Filename == "" {
		return nil, err
	}
	if len(body) > maxFile {
		return nil, &http.MaxBytesError{Limit: maxFile}
	}
	return &upload{ticket.Attachment{
		Name: header.Filename, MediaType: http.DetectContentType(body), Size: int64(len(body)), SHA256: sha256.Sum256(body),
	}, body}, nil
}

// keep stores a file of a ticket, in the transaction that puts it on the ticket.
func keep(ctx context.Context, tx *sql.Tx, id ticket.ID, f *upload) error {
	if f == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO shop_files (ticket, sha256, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		id.String(), f.about.SHA256.String(), f.body)
	return err
}

// download sends a file of a ticket that the user may see.
func (s *shop) download(w http.ResponseWriter, r *http.Request, u user) error {
	return s.sendFile(w, r, u.actor(), r.PathValue("number"))
}

func (s *shop) holderDownloads(w http.ResponseWriter, r *http.Request) error {
	return s.sendFile(w, r, ticket.StatusLinkHolder(r.PathValue("token")), "")
}

// sendFile sends a file as a download, whatever it contains, so that it cannot
// act as a page of the shop.
func (s *shop) sendFile(w http.ResponseWriter, r *http.Request, a ticket.Actor, ref string) error {
	about, err := s.attachment(r.Context(), a, ref, r.PathValue("file"))
	if err != nil {
		return err
	}
	var body []byte
	err = s.db.QueryRowContext(r.Context(), "SELECT body FROM shop_files WHERE sha256 = $1 LIMIT 1", about.SHA256.String()).Scan(&body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": about.Name}))
	_, err = w.Write(body)
	return err
}

// attachment finds a file among those that the actor may see on the ticket. A
// digest alone opens nothing.
func (s *shop) attachment(ctx context.Context, a ticket.Actor, ref, sha256 string) (ticket.Attachment, error) {
	if a.Role == ticket.RoleAgent {
		return s.deskAttachment(ctx, a, ref, sha256)
	}
	var before ticket.Cursor
	for {
		messages, earlier, err := s.desk.Messages(ctx, a, ref, before)
		if err != nil {
			return ticket.Attachment{}, err
		}
		for _, m := range messages {
			for _, f := range m.Attachments {
				if f.SHA256.String() == sha256 {
					return f, nil
				}
			}
		}
		if earlier == "" {
			return ticket.Attachment{}, errNoPage
		}
		before = earlier
	}
}

// deskAttachment finds files in notes and in merged tickets as well.
func (s *shop) deskAttachment(ctx context.Context, a ticket.Actor, ref, sha256 string) (ticket.Attachment, error) {
	t, err := s.desk.Lookup(ctx, a, ref)
	if err != nil {
		return ticket.Attachment{}, err
	}
	for e, err := range s.desk.History(ctx, a, t.ID) {
		if err != nil {
			return ticket.Attachment{}, err
		}
		for _, list := range [][]ticket.Attachment{e.Attachments, e.NoteAttachments} {
			for _, f := range list {
				if f.SHA256.String() == sha256 {
					return f, nil
				}
			}
		}
	}
	return ticket.Attachment{}, errNoPage
}
