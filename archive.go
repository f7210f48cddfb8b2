package ticket

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ArchiveManifest is the last line of an archive file. It shows that the file is complete.
type ArchiveManifest struct {
	Version int    `json:"version"` // of the form of the file: 1
	Tickets int    `json:"tickets"`
	Events  int    `json:"events"`
	SHA256  Digest `json:"sha256"` // of all lines before this one
}

// archiveVersion is the version of the form of archive files.
const archiveVersion = 1

// maxArchiveLine limits a line of an archive file, in bytes. An event at the default limits
// has less than a hundredth of that.
const maxArchiveLine = 64 << 20

// manifestLine is the last line; an event has no such name.
type manifestLine struct {
	Manifest *ArchiveManifest `json:"manifest"`
}

// WriteArchive writes histories as an archive file: one line of JSON for each event, in UTF-8,
// and the manifest as the last line. It verifies each history under the chain's key first. At
// the first error it stops without a manifest, so that the file does not count as complete.
// Memory holds one history.
func (c Chain) WriteArchive(w io.Writer, histories iter.Seq2[[]Event, error]) (ArchiveManifest, error) {
	m := ArchiveManifest{Version: archiveVersion}
	sum := sha256.New()
	buffered := bufio.NewWriter(w)
	out := json.NewEncoder(io.MultiWriter(buffered, sum))
	out.SetEscapeHTML(false)
	for events, err := range histories {
		if err == nil && len(events) == 0 {
			err = invalid("archive.history", "must not be empty")
		}
		if err == nil {
			err = c.Verify(events)
		}
		if err != nil {
			return ArchiveManifest{}, err
		}
		for i := range events {
			if err := out.Encode(&events[i]); err != nil {
				return ArchiveManifest{}, err
			}
		}
		m.Tickets++
		m.Events += len(events)
	}
	m.SHA256 = Digest(sum.Sum(nil))
	if err := json.NewEncoder(buffered).Encode(manifestLine{&m}); err != nil {
		return ArchiveManifest{}, err
	}
	return m, buffered.Flush()
}

// ReadArchive yields the histories of an archive file, each verified under the chain's key. If
// the file is incomplete, was altered, or goes on after the manifest, an error comes last: an
// [*InvalidError] with the line, or a [*ChainError]. Memory holds one history.
func (c Chain) ReadArchive(r io.Reader) iter.Seq2[[]Event, error] {
	return func(yield func([]Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxArchiveLine)
		lines.Split(scanLines)
		sum := sha256.New()
		var found ArchiveManifest
		var history []Event
		fail := func(n int, err error) {
			yield(nil, &InvalidError{Field: fmt.Sprintf("archive line %d", n), Reason: "is not right", Err: err})
		}
		end := func() bool {
			if len(history) == 0 {
				return true
			}
			if err := c.Verify(history); err != nil {
				yield(nil, err)
				return false
			}
			found.Tickets++
			found.Events += len(history)
			list := history
			history = nil
			return yield(list, nil)
		}
		n := 0
		for lines.Scan() {
			n++
			line := lines.Bytes()
			if bytes.HasPrefix(line, []byte(`{"manifest":`)) {
				var m manifestLine
				if err := decodeStrict(line, &m); err != nil || m.Manifest == nil {
					fail(n, err)
					return
				}
				if !end() {
					return
				}
				found.Version, found.SHA256 = archiveVersion, Digest(sum.Sum(nil))
				switch {
				case m.Manifest.Version != archiveVersion:
					fail(n, fmt.Errorf("version %d of archives is not known", m.Manifest.Version))
				case *m.Manifest != found:
					fail(n, errors.New("the manifest is of other lines"))
				case lines.Scan():
					fail(n+1, errors.New("it stands after the manifest"))
				case lines.Err() != nil:
					yield(nil, lines.Err())
				}
				return
			}
			sum.Write(line)
			sum.Write([]byte{'\n'})
			e, err := DecodeEvent(line)
			if err != nil {
				fail(n, err)
				return
			}
			if len(history) > 0 && history[0].Ticket != e.Ticket && !end() {
				return
			}
			history = append(history, e)
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
			return
		}
		fail(n+1, errors.New("the manifest is missing: the file is not complete"))
	}
}

// scanLines is like bufio.ScanLines, but keeps a carriage return, which changes the digest.
func scanLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
