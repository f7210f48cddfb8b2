package ordeal

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
)

// A Journal is the record of a process. Each entry is a line, written with one
// write(2), so it is complete even if the process is killed at once.
type Journal struct{ f *os.File }

// OpenJournal opens a journal, and continues it if it exists.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &Journal{f}, err
}

// Write adds entries. If the journal cannot be written, it ends the process.
func (j *Journal) Write(lines ...string) {
	if len(lines) == 0 {
		return
	}
	if _, err := j.f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		panic(err)
	}
}

// EntrySaid is the kind of entry that has the text of an error.
const EntrySaid = "said"

// Said records an error.
func (j *Journal) Said(text string) {
	j.Write(EntrySaid + " " + strings.ReplaceAll(text, "\n", " "))
}

// Lines returns the entries of a journal, without an incomplete last line.
func Lines(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the process was killed before it began
	}
	if err != nil {
		return nil, err
	}
	list := strings.Split(string(text), "\n")
	return list[:len(list)-1], nil
}

// Logger returns the logger of a desk. It writes the desk's errors into the journal, if
// there is one.
func (j *Journal) Logger() *slog.Logger {
	if j == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&heard{Handler: slog.DiscardHandler, j: j})
}

// heard writes the errors between a desk and its store into the journal.
type heard struct {
	slog.Handler

	j *Journal
}

func (h *heard) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			h.j.Said(r.Message + ": " + a.Value.String())
		}
		return true
	})
	return nil
}
