package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a form, apart from its files.
const (
	mostParts  = 500
	mostWords  = 2 << 20  // bytes of all fields together
	mostHeader = 300      // bytes of a file's media type
	mostRest   = 64 << 10 // bytes after the end of a form that are skipped
	// A client that sends or takes nothing for so long is given up.
	usualPatience = 30 * time.Second
	// In addition, a client may take a second for so many bytes of a form. So one that sends a
	// byte now and then does not hold a connection for ever.
	slowest = 1000
)

// A form is what a POST brought. Values are valid UTF-8 with "\n" as line break.
type form struct {
	values map[string][]string
}

// formOptions says what a form may bring.
type formOptions struct {
	// most bounds the request, in bytes. Zero means that it has no files.
	most int64
	// file gets each file as it arrives, before the fields after it. An error ends the reading.
	// It gets no file without a name: a browser sends one where nothing was chosen. Nil
	// refuses files.
	file func(field, name, mediaType string, content io.Reader) error
}

// badForm is the error for a request that no form of ours makes.
func badForm(format string, args ...any) error {
	return &fault{status: http.StatusBadRequest, key: "bad_form", err: fmt.Errorf("web: "+format, args...)}
}

// readForm reads the body of a POST. For a form that is too large, it returns what it has read,
// and an [*http.MaxBytesError].
func (p *page) readForm(o formOptions) (*form, error) {
	most := o.most
	if o.file == nil {
		most = mostWords + 64<<10
	}
	body := &patient{p: p, r: http.MaxBytesReader(p.w, p.r.Body, most)}
	defer body.done()
	kind, params, err := mime.ParseMediaType(p.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, &fault{status: http.StatusUnsupportedMediaType, key: "bad_form"}
	}
	f := &form{values: map[string][]string{}}
	p.sent = f
	switch kind {
	case "application/x-www-form-urlencoded":
		err = f.readFlat(body)
	case "multipart/form-data":
		if len(params["boundary"]) == 0 {
			return nil, badForm("a form has no boundary")
		}
		err = f.readParts(multipart.NewReader(body, params["boundary"]), o)
	default:
		return nil, &fault{status: http.StatusUnsupportedMediaType, key: "bad_form"}
	}
	if err == nil {
		return f, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return f, err
	}
	if _, ok := errors.AsType[*fault](err); ok || body.failed == nil && p.ctx().Err() == nil {
		return nil, err
	}
	if p.ctx().Err() != nil {
		return nil, context.Canceled
	}
	return nil, badForm("reading a form: %w", body.failed) // it ended before its end, or too slowly
}

func (f *form) readFlat(body io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(body, mostWords+1))
	if err != nil {
		return err
	}
	if len(data) > mostWords {
		return &http.MaxBytesError{Limit: mostWords}
	}
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return badForm("a form: %w", err)
	}
	n := 0
	for name, list := range values {
		for _, v := range list {
			if n++; n > mostParts {
				return badForm("a form has more than %d fields", mostParts)
			}
			if err := f.add(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *form) readParts(parts *multipart.Reader, o formOptions) error {
	left := mostWords
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a form that is cut off wraps it
			return nil
		}
		if err != nil {
			return malformed(err)
		}
		if n >= mostParts {
			return badForm("a form has more than %d parts", mostParts)
		}
		name := part.FormName()
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil || name == "" {
			return badForm("a part of a form has no name")
		}
		if _, isFile := params["filename"]; isFile {
			fileName := part.FileName() // without a path
			if fileName == "" {
				continue
			}
			if o.file == nil {
				return badForm("a form has a file where none is taken")
			}
			mediaType := part.Header.Get("Content-Type")
			if len(mediaType) > mostHeader {
				mediaType = ""
			}
			content := &watched{r: part}
			switch err := o.file(name, fileName, mediaType, content); {
			case content.failed != nil:
				return malformed(content.failed)
			case err != nil:
				return err
			}
			continue
		}
		data, err := io.ReadAll(io.LimitReader(part, int64(left)+1))
		if err != nil {
			return malformed(err)
		}
		if left -= len(data); left < 0 {
			return &http.MaxBytesError{Limit: mostWords}
		}
		if err := f.add(name, string(data)); err != nil {
			return err
		}
	}
}

func malformed(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return badForm("a form: %w", err)
}

func (f *form) add(name, value string) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return badForm("a form is not UTF-8")
	}
	f.values[name] = append(f.values[name], strings.ReplaceAll(value, "\r\n", "\n"))
	return nil
}

// one returns the value of a field that is sent once. A second value is an error: a form of
// ours has no such field, and it is not clear which one was meant.
func (f *form) one(name string) (string, error) {
	switch list := f.values[name]; len(list) {
	case 0:
		return "", nil
	case 1:
		return list[0], nil
	}
	return "", badForm("a form has a field twice")
}

// all returns the values of a field.
func (f *form) all(name string) []string { return f.values[name] }

// has reports whether a button of this name was pressed.
func (f *form) has(name string) bool { return len(f.values[name]) > 0 }

// watched remembers how reading a file failed: what stores it may hide that.
type watched struct {
	r      io.Reader
	failed error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.failed = err
	}
	return n, err
}

// patient reads a body, and gives up a client that sends nothing for a while, or too little.
type patient struct {
	p      *page
	r      io.Reader
	failed error
	got    int64         // bytes
	waited time.Duration // for the client, and not for the file store
}

func (b *patient) Read(buf []byte) (int, error) {
	began := time.Now() //nolint:forbidigo // a deadline of the operating system
	left := b.p.s.patience + time.Duration(b.got/slowest)*time.Second - b.waited
	b.deadline(began.Add(min(left, b.p.s.patience)))
	n, err := b.r.Read(buf)
	b.got += int64(n)
	b.waited += time.Since(began) //nolint:forbidigo // as above
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

// done reads what is left and takes the deadline back. If the client does not send the rest,
// the deadline stays: the server would wait for it for ever. The time to take the answer begins
// here, because a server counts it from the head of the request on.
func (b *patient) done() {
	defer func() {
		_ = http.NewResponseController(b.p.w).SetWriteDeadline(time.Now().Add(b.p.s.patience)) //nolint:forbidigo // not every server can
	}()
	if b.failed == nil {
		if n, err := io.CopyN(io.Discard, b, mostRest); n < mostRest && errors.Is(err, io.EOF) {
			b.deadline(time.Time{})
			return
		}
	}
	b.p.w.Header().Set("Connection", "close")
}

func (b *patient) deadline(t time.Time) {
	_ = http.NewResponseController(b.p.w).SetReadDeadline(t) // not every server can
}
