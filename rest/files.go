package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// uploadFile stores the body as a file. Nothing refers to it yet.
func (c *call) uploadFile() error {
	r := reader{c: c}
	name := r.one("name")
	if name == "" {
		r.fail("name", "is missing: the name of the file")
	}
	if err := r.err(); err != nil {
		return err
	}
	mediaType := c.r.Header.Get("Content-Type")
	if err := c.uncompressed(); err != nil {
		return err
	}
	if mediaType != "" {
		if _, _, err := mime.ParseMediaType(mediaType); err != nil {
			return &problem{kind: kindMediaType, detail: "Content-Type is malformed."}
		}
	}
	body := &slowReader{c: c, end: wall().Add(c.h.cfg.Limits.File)}
	file, err := c.h.desk.Attach(c.ctx(), c.actor, name, mediaType, body)
	c.noDeadline()
	switch {
	case body.fault != nil && err != nil:
		return c.readFault(body.fault)
	case err != nil:
		return err
	}
	return c.json(created, file)
}

// wall is the time of the connections' deadlines.
func wall() time.Time {
	return time.Now() //nolint:forbidigo // deadlines of connections are real
}

// slowReader reads the body. Each read has a deadline, and so has all of them.
type slowReader struct {
	c     *call
	end   time.Time
	fault error
}

func (s *slowReader) Read(p []byte) (int, error) {
	at := wall().Add(s.c.h.cfg.Limits.Stall)
	if at.After(s.end) {
		at = s.end
	}
	_ = s.c.rc.SetReadDeadline(at) // a writer without deadlines has none
	n, err := s.c.r.Body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.fault = err
	}
	return n, err
}

// downloadFile sends a file, always as one to save: its media type is what its sender said it is.
func (c *call) downloadFile() error {
	var sum ticket.Digest
	if err := sum.UnmarshalText([]byte(c.path["sha256"])); err != nil || sum.IsZero() {
		return &problem{kind: kindNotFound}
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	file, content, err := c.h.desk.File(c.ctx(), c.actor, id, sum)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was read
	head := c.w.Header()
	head.Set("ETag", `"`+sum.String()+`"`)
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	if c.unchanged(sum.String()) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	head.Set("Content-Type", mediaFile)
	head.Set("Content-Disposition", disposition(file.Name))
	head.Set("Content-Length", strconv.FormatInt(file.Size, 10))
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.copy(content, file.Size)
}

// disposition says that a file is to be saved, under its name.
func disposition(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
		return d
	}
	return "attachment"
}

// copy sends a file of a known size. The last piece is held back until the end was read: a file
// that is not what was stored shows it only there, and must not look whole. net/http breaks off a
// connection on which less than the size was sent.
func (c *call) copy(content io.Reader, size int64) error {
	end := wall().Add(c.h.cfg.Limits.File)
	held, next := make([]byte, 0, 64<<10), make([]byte, 64<<10)
	sent := int64(0)
	for {
		n, err := io.ReadFull(content, next)
		_, damaged := errors.AsType[*ticket.FileError](err)
		done := !damaged && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
		if err != nil && !done {
			return c.broken(err, sent)
		}
		if done {
			held = append(held, next[:n]...)
			if sent+int64(len(held)) != size {
				return c.broken(io.ErrUnexpectedEOF, sent)
			}
			return c.last(held)
		}
		if len(held) > 0 {
			if err := c.piece(held, end); err != nil {
				return err
			}
			sent += int64(len(held))
		}
		held = append(held[:0], next[:n]...)
	}
}

func (c *call) last(p []byte) error {
	c.writeDeadline(c.h.cfg.Limits.Stall)
	if _, err := c.w.Write(p); err != nil {
		return &problem{kind: kindUnavailable} // the client is gone
	}
	c.end()
	return nil
}

func (c *call) piece(p []byte, end time.Time) error {
	at := wall().Add(c.h.cfg.Limits.Stall)
	if at.After(end) {
		at = end
	}
	_ = c.rc.SetWriteDeadline(at) // a writer without deadlines has none
	if _, err := c.w.Write(p); err != nil {
		return &problem{kind: kindUnavailable} // the client is gone
	}
	return nil
}

// broken tells of a file that cannot be read to its end: in words as long as nothing was sent.
func (c *call) broken(err error, sent int64) error {
	if sent == 0 {
		c.w.Header().Del("Content-Length")
		return err
	}
	c.w.Header().Set("Connection", "close")
	return &problem{kind: kindInternal, cause: err}
}
