package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/ticketkit/ticket"
)

// keepsFiles reports whether a desk keeps files.
func keepsFiles(ctx context.Context, desk *ticket.Desk) bool {
	// Without content nothing is stored, but a desk without files says that first.
	_, err := desk.Attach(ctx, ticket.System("console"), "probe", "", nil)
	return !errors.Is(err, errors.ErrUnsupported)
}

// A sentFile is a file that was stored, in a form that is shown again.
type sentFile struct {
	File     ticket.Attachment `json:"f"`
	Internal bool              `json:"i,omitempty"` // for a note
	For      string            `json:"a"`           // the agent who may use it
}

// sealFile returns the text of a file for a form.
func (c *Console) sealFile(p *page, k sentFile) string {
	data, err := json.Marshal(k)
	if err != nil {
		return ""
	}
	return c.seals.seal("agent's file", p.actor.Tenant, p.now.Add(keepFiles), data)
}

// mostFiles is how many files a form brings at most.
const mostFiles = 50

// An agentForm is the form of an action.
type agentForm struct {
	values url.Values
	kept   []sentFile
	wrong  []problem
	lost   bool // a file has to be attached again
	large  bool // the form is too large, and was not read to its end
	down   bool // a file could not be stored
}

// status is that of a form that is shown again because of what is wrong with it.
func (up *agentForm) status() int {
	switch {
	case up.large:
		return http.StatusRequestEntityTooLarge
	case up.down:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

// readUpload reads the form of an action. It stores the files on the way.
func (c *Console) readUpload(p *page) (*agentForm, error) {
	up := &agentForm{}
	o := formOptions{}
	if c.files {
		o.most = c.cfg.MaxUpload
		o.file = func(field, name, mediaType string, content io.Reader) error {
			if field != "files" && field != "note_files" {
				return badForm("a form has a file in a field of another kind")
			}
			refuse := func(key string) { up.wrong = append(up.wrong, problem{field, say(p, key, "name", name)}) }
			if len(up.kept) >= mostFiles {
				refuse("problem.many_files")
				return nil
			}
			a, err := p.attach(p.actor, name, mediaType, content)
			_, invalid := errors.AsType[*ticket.InvalidError](err)
			_, found := errors.AsType[*ticket.FileError](err)
			switch {
			case err == nil:
				up.kept = append(up.kept, sentFile{File: a, Internal: field == "note_files", For: p.actor.Person.ID})
			case invalid, found, errors.Is(err, ticket.ErrRefused):
				refuse("problem.file")
			case p.ctx().Err() != nil:
				return err
			default: // or the client has gone, which is noticed elsewhere
				up.down = true
				p.s.log(p.ctx(), "web: storing a file", err)
				refuse("problem.file_down")
			}
			return nil
		}
	}
	f, err := p.readForm(o)
	if f == nil {
		return nil, err
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		if !f.has("action") { // not even the beginning was read
			return nil, err
		}
		up.large = true
		up.wrong = append(up.wrong, problem{"files", say(p, "problem.too_large", "size", p.Bytes(large.Limit))})
		p.w.Header().Set("Connection", "close") // the rest is not read
	}
	up.values = url.Values(f.values)
	for _, text := range f.all("kept") {
		data, ok := c.seals.open("agent's file", p.actor.Tenant, text, p.now)
		var k sentFile
		if !ok || json.Unmarshal(data, &k) != nil || k.For != p.actor.Person.ID {
			up.lost = true
			continue
		}
		if len(up.kept) < mostFiles {
			up.kept = append(up.kept, k)
		}
	}
	return up, nil
}

// attachments returns the files for the customer and the internal ones.
func (up *agentForm) attachments() (files, internal []ticket.Attachment) {
	for _, k := range up.kept {
		if k.Internal {
			internal = append(internal, k.File)
		} else {
			files = append(files, k.File)
		}
	}
	return files, internal
}
