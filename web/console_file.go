package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/ticketkit/ticket"
)

// inline are the media types that a browser may show. They can hold no script.
var inline = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// file sends a file of a ticket. Everybody who may not read it gets the page of what is not there.
func (c *Console) file(p *page) error {
	t, err := c.find(p)
	if err != nil {
		return err
	}
	var sum ticket.Digest
	if sum.UnmarshalText([]byte(p.arg("sum"))) != nil || sum.IsZero() {
		return ticket.ErrNotFound
	}
	a, r, err := c.site.desk.File(p.ctx(), p.actor, t.ID, sum)
	if errors.Is(err, errors.ErrUnsupported) {
		return ticket.ErrNotFound
	}
	if err != nil {
		return err
	}
	defer r.Close()
	h := p.w.Header()
	kind, disposition := "application/octet-stream", "attachment"
	if slices.Contains(inline, a.MediaType) {
		kind, disposition = a.MediaType, "inline"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": a.Name}))
	h.Set("Content-Length", strconv.FormatInt(a.Size, 10))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	p.w.WriteHeader(http.StatusOK)
	if p.r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(p.w, r); err != nil {
		panic(http.ErrAbortHandler) // the bytes are not those that were stored, or the client is gone
	}
	return nil
}
