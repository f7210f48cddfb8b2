package mail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/ticketkit/ticket"
)

// defaultAttachmentBytes stays below the 20 to 25 MB that large providers accept, even
// after base64 encoding.
const defaultAttachmentBytes = 10 << 20

// attachment is a file attached to a letter.
type attachment struct {
	name, mediaType string
	content         []byte
}

// attach opens the files to attach: files from agents, in letters to customers.
func (m *Notifier) attach(ctx context.Context, n ticket.Notification) (list []attachment, err error) {
	if m.cfg.OpenAttachment == nil || n.To.Role&ticket.RoleCustomer == 0 {
		return nil, nil
	}
	switch n.Kind {
	case ticket.KindReceived, ticket.KindUploaded, ticket.KindCustomer, ticket.KindReopened: // caused by the customer
		return nil, nil
	}
	left := m.cfg.MaxAttachmentBytes
	for i, a := range n.Attachments {
		if a.Size > left || a.Size < 0 {
			continue
		}
		content, err := m.open(ctx, n, a)
		if err != nil {
			// Without the name: erasing the event removes the name, but not this error.
			return nil, fmt.Errorf("mail: file %d of %d: %w", i+1, len(n.Attachments), err)
		}
		if content == nil {
			continue
		}
		left -= a.Size
		list = append(list, attachment{a.Name, a.MediaType, content})
	}
	return list, nil
}

// open reads a whole file. It returns nil if there is no reader.
func (m *Notifier) open(ctx context.Context, n ticket.Notification, a ticket.Attachment) (content []byte, err error) {
	r, err := m.cfg.OpenAttachment(ctx, n, a)
	if err != nil || r == nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if content, err = io.ReadAll(io.LimitReader(r, a.Size+1)); err != nil {
		if _, bad := errors.AsType[*ticket.FileError](err); bad { // it will not get better
			return nil, nil
		}
		return nil, err
	}
	if int64(len(content)) != a.Size {
		return nil, errors.New("the size of the opened file differs from the event")
	}
	if !a.SHA256.IsZero() && sha256.Sum256(content) != a.SHA256 {
		return nil, errors.New("the SHA-256 of the opened file differs from the event")
	}
	return content, nil
}

// openStored opens a file of the desk's file store. It returns nil for one that is only named.
func (cfg Config) openStored(ctx context.Context, n ticket.Notification, a ticket.Attachment) (io.ReadCloser, error) {
	if a.SHA256.IsZero() {
		return nil, nil
	}
	r, err := cfg.Files.Open(ctx, n.Tenant, a.SHA256)
	if _, bad := errors.AsType[*ticket.FileError](err); bad || errors.Is(err, ticket.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// withFiles adds attachments after the text of a letter.
func withFiles(letter []byte, id ticket.ID, files []attachment) ([]byte, error) {
	const contentType = "\r\nContent-Type: "
	head, body, ok := bytes.Cut(letter, []byte("\r\n\r\n"))
	at := bytes.Index(head, []byte(contentType))
	if !ok || at < 0 {
		return nil, errors.New("mail: the letter has no header")
	}
	ends := at + len(contentType) // after the continuation lines
	for {
		next := bytes.Index(head[ends:], []byte("\r\n"))
		if next < 0 {
			ends = len(head)
			break
		}
		if ends += next; head[ends+2] != ' ' && head[ends+2] != '\t' {
			break
		}
		ends += 2
	}
	boundary := "files-" + id.String()
	var b bytes.Buffer
	b.Grow(len(letter) + 1000)
	b.Write(head[:at])
	b.Write(head[ends:])
	fmt.Fprintf(&b, "%smultipart/mixed;\r\n boundary=%s\r\n\r\n--%s", contentType, boundary, boundary)
	b.Write(head[at:ends])
	b.WriteString("\r\n\r\n")
	b.Write(body)
	for _, f := range files {
		fmt.Fprintf(&b, "\r\n--%s%s%s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: %s\r\n\r\n", boundary, contentType, mediaType(f.mediaType),
			mime.FormatMediaType("attachment", map[string]string{"filename": fileName(f.name)}))
		text := base64.StdEncoding.EncodeToString(f.content)
		for ; len(text) > 76; text = text[76:] {
			b.WriteString(text[:76] + "\r\n")
		}
		b.WriteString(text)
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes(), nil
}

// fileName shortens a name to fit a header line, where most bytes take three. It cuts the
// middle, so that the extension stays.
func fileName(s string) string {
	const head, tail = 200, 50
	if len(s) <= head+tail+len("…") {
		return s
	}
	return strings.ToValidUTF8(s[:head], "") + "…" + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// mediaType returns the media type to write into a letter.
func mediaType(s string) string {
	kind, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(kind, "/") || len(kind) > 100 || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		return "application/octet-stream" // multipart and message types restrict their content
	}
	return kind
}
