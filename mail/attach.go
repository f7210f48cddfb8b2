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

// mostAttached is how much of files a letter carries by default: in base 64 it stays
// below the 20 to 25 MB that large providers take.
const mostAttached = 10 << 20

// attached is a file that travels with a letter.
type attached struct {
	name, mediaType string
	content         []byte
}

// attach opens the files that travel with a letter: those of the desk, to customers.
func (m *Notifier) attach(ctx context.Context, n ticket.Notification) (list []attached, err error) {
	if m.cfg.OpenAttachment == nil || n.To.Role&ticket.RoleCustomer == 0 {
		return nil, nil
	}
	switch n.Kind {
	case ticket.KindReceived, ticket.KindUploaded, ticket.KindCustomer, ticket.KindReopened: // a customer's own
		return nil, nil
	}
	left := m.cfg.MaxAttachmentBytes
	for i, a := range n.Attachments {
		if a.Size > left || a.Size < 0 {
			continue
		}
		content, err := m.open(ctx, n, a)
		if err != nil {
			// Not its name: that goes when the event is erased, and the error stays.
			return nil, fmt.Errorf("mail: file %d of %d: %w", i+1, len(n.Attachments), err)
		}
		if content == nil {
			continue
		}
		left -= a.Size
		list = append(list, attached{a.Name, a.MediaType, content})
	}
	return list, nil
}

// open reads a file whole; nil where the host does not give it.
func (m *Notifier) open(ctx context.Context, n ticket.Notification, a ticket.Attachment) (content []byte, err error) {
	r, err := m.cfg.OpenAttachment(ctx, n, a)
	if err != nil || r == nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if content, err = io.ReadAll(io.LimitReader(r, a.Size+1)); err != nil {
		return nil, err
	}
	if int64(len(content)) != a.Size {
		return nil, errors.New("what Config.OpenAttachment opened has another size")
	}
	if !a.SHA256.IsZero() && sha256.Sum256(content) != a.SHA256 {
		return nil, errors.New("what Config.OpenAttachment opened has another digest")
	}
	return content, nil
}

// withFiles makes a letter one with files behind its words.
func withFiles(letter []byte, id ticket.ID, files []attached) ([]byte, error) {
	const contentType = "\r\nContent-Type: "
	head, body, ok := bytes.Cut(letter, []byte("\r\n\r\n"))
	at := bytes.Index(head, []byte(contentType))
	if !ok || at < 0 {
		return nil, errors.New("mail: the letter has no header")
	}
	ends := at + len(contentType) // with the lines that go on
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

// fileName is a name that fits into a line of a header, which has three bytes for most
// of its bytes; what is too much is left out of its middle.
func fileName(s string) string {
	const head, tail = 200, 50
	if len(s) <= head+tail+len("…") {
		return s
	}
	return strings.ToValidUTF8(s[:head], "") + "…" + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// mediaType is that of a file as it can stand in a letter.
func mediaType(s string) string {
	kind, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(kind, "/") || len(kind) > 100 || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		return "application/octet-stream" // those have rules of their own for what is inside
	}
	return kind
}
