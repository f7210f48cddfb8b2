package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/ticketkit/ticket"
)

// newKey returns the key of a form, which makes sending it twice the same as once.
func newKey() string { return rand.Text() }

// keepsFiles reports whether a desk keeps files.
func keepsFiles(ctx context.Context, desk *ticket.Desk) bool {
	// Without content nothing is stored, but a desk without files says that first.
	_, err := desk.Attach(ctx, ticket.System("console"), "probe", "", nil)
	return !errors.Is(err, errors.ErrUnsupported)
}

// A sealer signs what a form brings back, with a key of this process. Another process does
// not accept it, and then the person attaches the files again.
type sealer struct{ key []byte }

func newSealer() sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return sealer{key}
}

// A keptFile is a file that was stored, in a form that is shown again.
type keptFile struct {
	File     ticket.Attachment `json:"f"`
	Internal bool              `json:"i,omitempty"` // for a note
	For      string            `json:"a"`           // who may use it
}

func (s sealer) sum(data []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write(data)
	return m.Sum(nil)
}

// seal returns the text of a file for a form.
func (s sealer) seal(k keptFile) string {
	data, err := json.Marshal(k)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.sum(data)) + "." + base64.RawURLEncoding.EncodeToString(data)
}

// open reads the text of a file.
func (s sealer) open(text string) (k keptFile, ok bool) {
	mac, data, _ := strings.Cut(text, ".")
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil {
		return k, false
	}
	body, err := base64.RawURLEncoding.DecodeString(data)
	if err != nil || !hmac.Equal(sum, s.sum(body)) {
		return k, false
	}
	return k, json.Unmarshal(body, &k) == nil
}

// An upload is the form of an action.
type upload struct {
	values url.Values
	kept   []keptFile
	lost   bool // a file has to be attached again
}

// forWhom names who may use the files of a form.
func forWhom(a ticket.Actor) string { return a.Tenant + "\x00" + a.Person.ID }

// readUpload reads the form of an action. It stores the files on the way.
func (c *Console) readUpload(p *page) (*upload, error) {
	up := &upload{}
	o := formOptions{}
	if c.files {
		o.most = c.cfg.MaxUpload
		o.file = func(field, name, mediaType string, content io.Reader) error {
			if field != "files" && field != "note_files" {
				return badForm("a form has a file in a field of another kind")
			}
			a, err := c.site.desk.Attach(p.ctx(), p.actor, name, mediaType, content)
			if err != nil {
				return err
			}
			up.kept = append(up.kept, keptFile{File: a, Internal: field == "note_files", For: forWhom(p.actor)})
			return nil
		}
	}
	f, err := p.readForm(o)
	if err != nil {
		return nil, err
	}
	up.values = url.Values(f.values)
	for _, text := range f.all("kept") {
		k, ok := c.seal.open(text)
		if !ok || k.For != forWhom(p.actor) {
			up.lost = true
			continue
		}
		up.kept = append(up.kept, k)
	}
	return up, nil
}

// attachments returns the files for the customer and the internal ones.
func (up *upload) attachments() (files, internal []ticket.Attachment) {
	for _, k := range up.kept {
		if k.Internal {
			internal = append(internal, k.File)
		} else {
			files = append(files, k.File)
		}
	}
	return files, internal
}
