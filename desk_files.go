package ticket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// sweepAge is how long a file is kept that nothing refers to, so that there is time to refer to
// it. usableFor is how long after it was stored an action may be the first to refer to it: the
// hour between them is more than a commit takes.
const (
	sweepAge  = 24 * time.Hour
	usableFor = sweepAge - time.Hour
	sweepPage = 1000
)

// noFiles is the error of a desk without a file store.
func noFiles() error {
	return fmt.Errorf("ticket: the desk has no Config.Files: %w", errors.ErrUnsupported)
}

// Attach stores the bytes of a file, for an attachment of a [Draft] or an [Action] of the same
// tenant, and returns the attachment, with its name cleaned, its size and its SHA-256. Refer to
// it within 23 hours: later the desk refuses an attachment that no event has, and
// [Desk.SweepFiles] removes the file. If the action does not happen, there is nothing to undo.
//
//	a, err := desk.Attach(ctx, actor, header.Filename, header.Header.Get("Content-Type"), upload)
//	…
//	_, err = desk.Do(ctx, actor, id, ticket.Action{Name: ticket.ActionReply, Message: text, Attachments: []ticket.Attachment{a}})
//
// The holder of a status link may attach files if the link has Upload. A file that is longer
// than Limits.AttachmentSize is [ErrInvalid], and so is a bad name. A file that the store
// refuses to give back, because a scanner found something in it, is a [*FileError]. A desk
// without Config.Files returns [errors.ErrUnsupported].
func (d *Desk) Attach(ctx context.Context, a Actor, name, mediaType string, content io.Reader) (Attachment, error) {
	a, err := d.admit(ctx, a)
	switch {
	case err != nil:
		return Attachment{}, err
	case a.held != nil && !a.held.Upload:
		return Attachment{}, &RefusedError{Action: ActionReply, Role: RoleRequester, Why: whyStatusLink, Detail: "this status link does not allow files"}
	case d.cfg.Files == nil:
		return Attachment{}, noFiles()
	case content == nil:
		return Attachment{}, invalid("attachment.content", "is missing")
	}
	c := check{Limits: d.cfg.Limits}
	list := c.attachments("attachment", []Attachment{{Name: name, MediaType: mediaType}})
	if c.err != nil {
		return Attachment{}, c.err
	}
	f, err := d.cfg.Files.Put(ctx, a.Tenant, &limited{r: content, left: c.AttachmentSize, most: c.AttachmentSize})
	if err != nil {
		return Attachment{}, err
	}
	r, err := d.cfg.Files.Open(ctx, a.Tenant, f.SHA256)
	if err == nil {
		_ = r.Close()
	}
	if _, bad := errors.AsType[*FileError](err); bad {
		return Attachment{}, err
	}
	if err != nil { // perhaps a scanner that does not answer; the file is stored
		d.trouble(ctx, "open a file that was just stored", err)
	}
	file := list[0]
	file.Size, file.SHA256 = f.Size, f.SHA256
	return file, nil
}

// limited is a reader that fails after some bytes.
type limited struct {
	r          io.Reader
	left, most int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, invalid("attachment.size", "must be 0 to %d bytes", l.most)
	}
	return n, err
}

// File opens a file of a ticket by its SHA-256. The actor must be able to read an event with
// this attachment in the ticket's [Desk.History]: customers get the files of messages that they
// may read, those of merged tickets included, and no internal ones. The newest attachment that
// has the digest is returned with the bytes, which the caller closes.
//
// A ticket or a file that the actor may not see is [ErrNotFound], as is one that does not
// exist, was erased, or is kept by your application and not in Config.Files. Bytes that are no
// longer those that were stored end in a [*FileError] instead of io.EOF, so when you copy them
// to a browser, check the error, and break the connection off. Send customers' files with
// "Content-Disposition: attachment" and "X-Content-Type-Options: nosniff": the media type is
// what the sender said it is. A desk without Config.Files returns [errors.ErrUnsupported].
func (d *Desk) File(ctx context.Context, a Actor, id ID, sum Digest) (Attachment, io.ReadCloser, error) {
	a, t, err := d.tracked(ctx, a, id.String())
	if err != nil {
		return Attachment{}, nil, err
	}
	if d.cfg.Files == nil {
		return Attachment{}, nil, noFiles()
	}
	shares, err := d.shares(ctx, a, t)
	if err != nil {
		return Attachment{}, nil, err
	}
	var file *Attachment
	d.read(ctx, d.thread(shares, true), func(e Event, _ *share, failed error) bool {
		if err = failed; err != nil {
			return false
		}
		for _, list := range [...][]Attachment{e.Attachments, e.NoteAttachments} {
			if i := slices.IndexFunc(list, func(a Attachment) bool { return a.SHA256 == sum }); i >= 0 && file == nil {
				file = &list[i]
			}
		}
		return file == nil
	})
	switch {
	case err != nil:
		return Attachment{}, nil, err
	case file == nil || sum.IsZero():
		return Attachment{}, nil, &NotFoundError{What: "file", Ref: sum.String()}
	}
	r, err := d.cfg.Files.Open(ctx, t.Tenant, sum)
	if err != nil {
		return Attachment{}, nil, err
	}
	return *file, r, nil
}

// kept reports whether the desk has the file, and not the application.
func (a *Attachment) kept() bool { return a.Ref == "" && !a.SHA256.IsZero() }

// checkStored refuses attachments whose bytes are not in the file store, or would not stay
// there. If the store fails, it refuses nothing: Attach has stored the file.
func (d *Desk) checkStored(ctx context.Context, tenant, field string, list []Attachment) error {
	if d.cfg.Files == nil {
		return nil
	}
	for i := range list {
		a := &list[i]
		if !a.kept() {
			continue
		}
		at := fmt.Sprintf("%s[%d]", field, i)
		f, found, err := d.storedFile(ctx, tenant, a.SHA256)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.trouble(ctx, "look for a file", err)
			continue
		case !found:
			return invalid(at+".sha256", "is not in Config.Files: call Desk.Attach, or set ref if your application keeps the file")
		case f.Size != a.Size:
			return invalid(at+".size", "must be %d, the number of bytes that are stored", f.Size)
		}
		if f.Stored.After(d.now().Add(-usableFor)) {
			continue
		}
		used, err := d.referred(ctx, tenant, []Digest{a.SHA256})
		switch {
		case errors.Is(err, errors.ErrUnsupported): // nothing is swept
		case err != nil:
			return err
		case !used[a.SHA256]:
			return invalid(at+".sha256", "was stored more than %s ago: call Desk.Attach again", usableFor)
		}
	}
	return nil
}

// storedFile looks up a file: the first one after the digest before it.
func (d *Desk) storedFile(ctx context.Context, tenant string, sum Digest) (File, bool, error) {
	before := sum
	for i := len(before) - 1; i >= 0; i-- {
		before[i]--
		if before[i] != 0xff {
			break
		}
	}
	list, err := d.cfg.Files.List(ctx, File{Tenant: tenant, SHA256: before}, 1)
	if err != nil || len(list) == 0 || list[0].Tenant != tenant || list[0].SHA256 != sum {
		return File{}, false, err
	}
	return list[0], true, nil
}

// referred returns which of the files an event or a mail refers to.
func (d *Desk) referred(ctx context.Context, tenant string, sums []Digest) (map[Digest]bool, error) {
	s, ok := d.store.(FileReferrer)
	if !ok {
		return nil, unsupported("index of files", errors.ErrUnsupported)
	}
	found, err := s.ReferredFiles(ctx, tenant, sums)
	if err != nil {
		return nil, unsupported("index of files", err)
	}
	if m, ok := d.store.(MailStore); ok {
		mails, err := m.MailFiles(ctx, tenant, sums)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		found = append(found, mails...)
	}
	used := make(map[Digest]bool, len(found))
	for _, sum := range found {
		used[sum] = true
	}
	return used, nil
}

// SweepFiles removes files from Config.Files that were stored more than a day ago and that no
// event and no mail refers to, and returns their number. [Desk.Run] calls it once an hour;
// without Run, call it now and then. It lists all files, and looks up a thousand at a time.
//
// So a file store must belong to one desk and its store alone: a desk removes the files of
// another one that shares it. If a file cannot be removed, SweepFiles goes on with the others,
// and joins the errors, up to 100. A desk without Config.Files, or whose store is not a
// [FileReferrer], returns [errors.ErrUnsupported]; then nothing is ever removed.
func (d *Desk) SweepFiles(ctx context.Context) (int, error) {
	if d.cfg.Files == nil {
		return 0, noFiles()
	}
	if err := d.unbound(); err != nil {
		return 0, err
	}
	n, before := 0, d.now().Add(-sweepAge)
	var faults []error
	for after := (File{}); ; {
		page, err := d.cfg.Files.List(ctx, after, sweepPage)
		if err != nil {
			return n, errors.Join(append(faults, err)...)
		}
		old := map[string][]Digest{} // of each tenant
		for _, f := range page {
			if f.Stored.Before(before) {
				old[f.Tenant] = append(old[f.Tenant], f.SHA256)
			}
		}
		for _, tenant := range slices.Sorted(maps.Keys(old)) {
			used, err := d.referred(ctx, tenant, old[tenant])
			if err != nil {
				return n, errors.Join(append(faults, err)...)
			}
			for _, sum := range old[tenant] {
				if used[sum] {
					continue
				}
				done, err := d.cfg.Files.Delete(ctx, tenant, sum, before)
				if done {
					n++
				}
				if err != nil {
					faults = append(faults, fmt.Errorf("file %s: %w", sum, err))
				}
				if ctx.Err() != nil || len(faults) == mostFaults {
					return n, errors.Join(faults...)
				}
			}
		}
		if len(page) < sweepPage {
			return n, errors.Join(faults...)
		}
		after = page[len(page)-1]
	}
}

// dropFiles removes the files of erased events that nothing refers to any more. It returns those
// that others refer to, and those that the next sweeps have to remove.
func (d *Desk) dropFiles(ctx context.Context, tenant string, erased []Attachment) (shared, pending []Attachment) {
	seen := map[Digest]bool{}
	for _, a := range erased {
		if !a.kept() || seen[a.SHA256] {
			continue
		}
		seen[a.SHA256] = true
		if d.bound { // the transaction may be rolled back
			pending = append(pending, a)
			continue
		}
		used, err := d.referred(ctx, tenant, []Digest{a.SHA256})
		if err == nil && used[a.SHA256] {
			shared = append(shared, a)
			continue
		}
		there := false
		if err == nil {
			_, err = d.cfg.Files.Delete(ctx, tenant, a.SHA256, d.now().Add(-sweepAge))
		}
		if err == nil {
			_, there, err = d.storedFile(ctx, tenant, a.SHA256)
		}
		if err != nil {
			d.trouble(ctx, "remove the file of an erased event", err)
		}
		if err != nil || there {
			pending = append(pending, a)
		}
	}
	return shared, pending
}

// filesWithin returns the file store of a desk whose store is bound to a transaction.
func filesWithin(store Store, files FileStore) FileStore {
	b, ok := store.(interface{ FilesWithin(FileStore) FileStore })
	if !ok || files == nil {
		return files
	}
	if w, ok := files.(interface {
		Rebound(func(FileStore) FileStore) FileStore
	}); ok {
		return w.Rebound(b.FilesWithin)
	}
	return b.FilesWithin(files)
}
