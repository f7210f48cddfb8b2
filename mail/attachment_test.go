package mail_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/mail"
)

// filesOf returns the media type of a letter's first part, and the names and contents
// of its attachments.
func filesOf(t *testing.T, data string) (words string, files map[string]string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	if kind != "multipart/mixed" {
		return kind, nil
	}
	files = map[string]string{}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return words, files
		}
		require.NoError(t, err)
		if words == "" {
			words, params, err = mime.ParseMediaType(p.Header.Get("Content-Type"))
			require.NoError(t, err)
			inner := multipart.NewReader(p, params["boundary"])
			for _, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
				q, err := inner.NextPart()
				require.NoError(t, err)
				require.Equal(t, want, q.Header.Get("Content-Type"))
			}
			_, err = inner.NextPart()
			require.ErrorIs(t, err, io.EOF)
			continue
		}
		content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		require.NoError(t, err)
		files[p.FileName()] = p.Header.Get("Content-Type") + ": " + string(content)
	}
}

func file(name, kind, content string) ticket.Attachment {
	return ticket.Attachment{Name: name, MediaType: kind, Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content)), Ref: content}
}

// Files from agents are attached if OpenAttachment opens them and they fit.
func TestFilesOfAgentsAreAttached(t *testing.T) {
	long := strings.Repeat("0123456789", 20)
	several := []ticket.Attachment{
		file("müller's \"plan\".pdf", "application/pdf", long), file("empty", "", ""), file("letter.eml", "message/rfc822", "x"),
		file("odd", "no type\r\nBcc: eve@example.org", "y"), file("large.bin", "", strings.Repeat("x", 200)), file("kept.txt", "text/plain", "z"),
	}
	opened := func(_ context.Context, _ ticket.Notification, a ticket.Attachment) (io.ReadCloser, error) {
		if a.Name == "kept.txt" {
			return nil, nil
		}
		return io.NopCloser(bytes.NewReader([]byte(a.Ref))), nil
	}
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) { cfg.OpenAttachment, cfg.MaxAttachmentBytes = opened, 300 })
	n := notification(ticket.KindAnswered, 1)
	n.Attachments = several
	require.NoError(t, m.Notify(t.Context(), n))
	require.NoError(t, m.Notify(t.Context(), n))
	require.Equal(t, s.got()[0].data, s.got()[1].data, "a repeat is the same letter")
	words, got := filesOf(t, s.got()[0].data)
	require.Equal(t, "multipart/alternative", words)
	require.Equal(t, map[string]string{
		"müller's \"plan\".pdf": "application/pdf: " + long, "empty": "application/octet-stream: ",
		"letter.eml": "application/octet-stream: x", "odd": "application/octet-stream: y",
	}, got)
	require.NotContains(t, s.got()[0].data, "Bcc")
	for line := range strings.SplitSeq(s.got()[0].data, "\n") {
		require.Less(t, len(line), 998)
	}

	for _, k := range []ticket.Kind{ticket.KindReceived, ticket.KindUploaded, ticket.KindCustomer, ticket.KindReopened} {
		n := notification(k, 2)
		n.Attachments = several
		require.NoError(t, m.Notify(t.Context(), n))
		_, got := filesOf(t, s.got()[len(s.got())-1].data)
		require.Empty(t, got, k)
	}
	n = notification(ticket.KindAnswered, 3)
	n.To, n.Attachments = ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: "ann", Email: "ann@staff.example"}}, several
	require.NoError(t, m.Notify(t.Context(), n))
	_, got = filesOf(t, s.got()[len(s.got())-1].data)
	require.Empty(t, got, "it is for customers")
}

// With the desk's file store, what an agent stored travels with the letter. What is not there, or
// must not be read, is named only; a store that fails fails the attempt.
func TestFilesOfTheDeskAreAttached(t *testing.T) {
	store := files.NewMemory()
	for _, text := range []string{"text", "virus", "damaged"} {
		_, err := store.Put(t.Context(), "acme", strings.NewReader(text))
		require.NoError(t, err)
	}
	down := error(nil)
	guarded, err := files.NewQuarantine(store, func(_ context.Context, r io.Reader) (string, error) {
		b, err := io.ReadAll(r)
		if string(b) == "virus" {
			return "Test.Virus", nil
		}
		return "", errors.Join(err, down)
	})
	require.NoError(t, err)
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) { cfg.Files = damaging{guarded} })
	n := notification(ticket.KindAnswered, 1)
	n.Tenant = "acme"
	n.Attachments = []ticket.Attachment{file("a.txt", "text/plain", "text"), file("b.txt", "", "virus"), file("c.txt", "", "never stored"), {Name: "d.txt"}, file("e.txt", "", "damaged")}
	require.NoError(t, m.Notify(t.Context(), n))
	_, got := filesOf(t, s.got()[0].data)
	require.Equal(t, map[string]string{"a.txt": "text/plain: text"}, got)

	down = errors.New("the scanner does not answer")
	n = notification(ticket.KindAnswered, 2)
	n.Attachments = []ticket.Attachment{file("a.txt", "text/plain", "another")}
	_, err = store.Put(t.Context(), n.Tenant, strings.NewReader("another"))
	require.NoError(t, err)
	err = m.Notify(t.Context(), n)
	require.ErrorIs(t, err, down)
	require.Equal(t, "temporary", mark(err))
}

// damaging is a store whose file "damaged" does not match its digest.
type damaging struct{ ticket.FileStore }

func (d damaging) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if sum == sha256.Sum256([]byte("damaged")) {
		return io.NopCloser(iotest.ErrReader(&ticket.FileError{SHA256: sum, Reason: "is damaged"})), nil
	}
	return d.FileStore.Open(ctx, tenant, sum)
}

// A file that differs from the event is not sent, and the attempt fails.
func TestFilesThatDifferFromTheEventFail(t *testing.T) {
	right := "content"
	for name, c := range map[string]struct {
		content string
		err     error
		want    string
		mark    string
	}{
		"shorter":          {"conten", nil, "size of the opened file differs", "temporary"},
		"longer":           {"content and more", nil, "size of the opened file differs", "temporary"},
		"another":          {"kontent", nil, "SHA-256 of the opened file differs", "temporary"},
		"an error":         {"", errors.New("the storage is down"), "the storage is down", "temporary"},
		"an error for all": {"", &ticket.DeliveryFault{Err: errors.New("it was removed"), Permanent: true}, "it was removed", "permanent"},
	} {
		s := start(t, nil)
		m := s.notifier(func(cfg *mail.Config) {
			cfg.OpenAttachment = func(context.Context, ticket.Notification, ticket.Attachment) (io.ReadCloser, error) {
				if c.err != nil {
					return nil, c.err
				}
				return io.NopCloser(strings.NewReader(c.content)), nil
			}
		})
		n := notification(ticket.KindAnswered, 1)
		n.Attachments = []ticket.Attachment{file("a.txt", "text/plain", right)}
		err := m.Notify(t.Context(), n)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, c.mark, mark(err), name)
		require.NotContains(t, err.Error(), "a.txt", "errors contain nothing from the letter")
		require.Empty(t, s.got(), name)
	}
}

// A file name longer than a header line keeps its extension.
func TestLongFileNamesKeepTheirExtension(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) {
		cfg.OpenAttachment = func(_ context.Context, _ ticket.Notification, a ticket.Attachment) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(a.Ref)), nil
		}
	})
	n := notification(ticket.KindAnswered, 1)
	n.Attachments = []ticket.Attachment{file(strings.Repeat("😀", 200)+".pdf", "", "x"), file(strings.Repeat("a", 255), "", "y")}
	require.NoError(t, m.Notify(t.Context(), n))
	_, got := filesOf(t, s.got()[0].data)
	require.Len(t, got, 2)
	require.Contains(t, got, strings.Repeat("😀", 50)+"…"+strings.Repeat("😀", 11)+".pdf")
}
