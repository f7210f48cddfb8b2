package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// keepFiles is how long a file stays usable in a form that came back with errors. The desk
// removes a file that no ticket has after 23 hours.
const keepFiles = 20 * time.Hour

// An uploader stores the files of a form as they arrive.
type uploader struct {
	c     *Customer
	p     *page
	actor ticket.Actor
	limit string // the key by which files are limited; empty if they are not

	files  []ticket.Attachment
	errors []formError
	down   bool // the file store failed
	many   bool // the limit was reached
}

// take stores a file. A file that cannot be taken is an error of the form, so that the words
// and the other files are kept.
func (u *uploader) take(field, name, mediaType string, content io.Reader) error {
	if field != "files" {
		return badForm("a form has a file where none is taken")
	}
	refuse := func(key string, values ...any) {
		u.errors = append(u.errors, formError{Field: "files", Text: u.p.say(key, values...)})
	}
	if len(u.files) >= u.c.cfg.MaxFiles {
		refuse("form.many_files", "n", u.c.cfg.MaxFiles)
		return nil
	}
	if u.many {
		return nil
	}
	if !u.c.stores.allow(u.limit, u.p.now) {
		u.many = true
		refuse("form.too_many")
		return nil
	}
	a, err := u.p.attach(u.actor, name, mediaType, content)
	bad, invalid := errors.AsType[*ticket.InvalidError](err)
	_, found := errors.AsType[*ticket.FileError](err)
	switch {
	case err == nil:
		u.files = append(u.files, a)
	case found:
		refuse("form.file_refused", "name", name)
	case invalid && strings.HasSuffix(bad.Field, "size"):
		refuse("form.file_large", "name", name)
	case invalid:
		refuse("form.file_name", "name", name)
	case errors.Is(err, ticket.ErrRefused), errors.Is(err, errors.ErrUnsupported):
		refuse("form.no_files")
	case u.p.ctx().Err() != nil:
		return err
	default: // or the client has gone, which is noticed elsewhere
		u.down = true
		u.p.s.log(u.p.ctx(), "web: storing a file", err)
		refuse("form.file_unavailable", "name", name)
	}
	return nil
}

// attach stores a file with the media type that its bytes show, or else with what the browser
// said.
func (p *page) attach(a ticket.Actor, name, said string, content io.Reader) (ticket.Attachment, error) {
	r := bufio.NewReaderSize(content, 4096)
	first, _ := r.Peek(512) // a short file has fewer; Attach returns any other error
	return p.s.desk.Attach(p.ctx(), a, name, sniff(first, said), r)
}

// rasters are the media types that a browser may show. None of them can contain a script.
var rasters = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// sniff returns the media type of a file: an image if it is one, and otherwise what the
// browser said, as long as that is no image.
func sniff(first []byte, said string) string {
	if found := http.DetectContentType(first); slices.Contains(rasters, found) {
		return found
	}
	kind, _, err := mime.ParseMediaType(said)
	if err != nil || slices.Contains(rasters, kind) {
		return "application/octet-stream"
	}
	return kind
}

// A keptFile is a file of a form that came back with errors.
type keptFile struct {
	ticket.Attachment
	Seal string // proves that this server has stored it for the form
}

func (c *Customer) keep(p *page, list []ticket.Attachment) []keptFile {
	var kept []keptFile
	for _, a := range list {
		data, err := json.Marshal(a)
		if err != nil {
			continue
		}
		kept = append(kept, keptFile{a, c.seals.seal("file", p.actor.Tenant, p.now.Add(keepFiles), data)})
	}
	return kept
}

// kept returns the files that a form has from before.
func (c *Customer) kept(p *page, f *form) (list []ticket.Attachment, gone bool) {
	for _, text := range f.all("kept") {
		data, ok := c.seals.open("file", p.actor.Tenant, text, p.now)
		var a ticket.Attachment
		if !ok || json.Unmarshal(data, &a) != nil {
			gone = true
			continue
		}
		if !slices.ContainsFunc(list, func(o ticket.Attachment) bool { return o == a }) && len(list) < max(c.cfg.MaxFiles, 0) {
			list = append(list, a)
		}
	}
	return list, gone
}

// IsImage reports whether a browser may show a file.
func (p *page) IsImage(a ticket.Attachment) bool { return slices.Contains(rasters, a.MediaType) }

// Short returns the first bytes of a digest, to compare at a glance.
func (p *page) Short(d ticket.Digest) string {
	text := d.String()
	if len(text) < 8 {
		return text
	}
	return text[:4] + " " + text[4:8]
}

// download sends a file of a ticket, as an attachment. With "?show", an image is shown.
func (c *Customer) download(p *page) error {
	at, err := c.place(p)
	if err != nil {
		return err
	}
	var sum ticket.Digest
	if err := sum.UnmarshalText([]byte(p.arg("sum"))); err != nil {
		return ticket.ErrNotFound
	}
	v, err := c.site.desk.Track(p.ctx(), at.actor, at.ref)
	if err != nil {
		return err
	}
	return p.sendFile(at.actor, v.ID, sum)
}

// sendFile sends a file that the actor may see.
func (p *page) sendFile(a ticket.Actor, id ticket.ID, sum ticket.Digest) error {
	about, body, err := p.s.desk.File(p.ctx(), a, id, sum)
	if errors.Is(err, errors.ErrUnsupported) {
		return ticket.ErrNotFound
	}
	if err != nil {
		return fileFault(err)
	}
	defer func() { _ = body.Close() }()
	content := bufio.NewReader(body)
	first, err := content.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return fileFault(err)
	}
	kind, way := "application/octet-stream", "attachment"
	if found := http.DetectContentType(first); p.r.URL.Query().Has("show") && found == about.MediaType && slices.Contains(rasters, found) {
		kind, way = found, "inline"
	}
	h := p.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.FormatInt(about.Size, 10))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	disposition := mime.FormatMediaType(way, map[string]string{"filename": about.Name})
	if disposition == "" {
		disposition = way
	}
	h.Set("Content-Disposition", disposition)
	p.begun = true
	p.w.WriteHeader(http.StatusOK)
	if p.r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(hasty{p.w, http.NewResponseController(p.w), p.s.patience}, content); err != nil {
		p.s.log(p.ctx(), "web: sending a file", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // breaks the connection, so that the browser reports an incomplete file
	}
	return nil
}

// hasty gives up a client that takes nothing for a while.
type hasty struct {
	w io.Writer
	c *http.ResponseController
	d time.Duration
}

func (h hasty) Write(b []byte) (int, error) {
	_ = h.c.SetWriteDeadline(time.Now().Add(h.d)) //nolint:forbidigo // a deadline of the operating system
	return h.w.Write(b)
}

// fileFault says that the bytes of a file cannot be given out.
func fileFault(err error) error {
	if _, bad := errors.AsType[*ticket.FileError](err); bad {
		return &fault{status: http.StatusForbidden, key: "file", err: err}
	}
	return err
}
