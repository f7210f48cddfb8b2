package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// These are the kinds of entries, with the rest of the line. Times are nanoseconds
// since 1970, by the clock of the run.
const (
	entryClaim  = "claim"  // delivery, attempt, at, until: after the store has returned it
	entryBegin  = "begin"  // delivery, at: before the notifier is called
	entryEnd    = "end"    // delivery, at: after it has returned
	entrySettle = "settle" // delivery, at: before the call of the store
	entryKept   = "kept"   // delivery: after the store has recorded it
	entryWorked = "worked" // ticket, its number in the run: all its steps were acknowledged
)

// A grip is one claim of a delivery and its result, by the clock.
type grip struct {
	attempt   int
	at, until int64
	begin     int64  // 0: it did not begin
	end       int64  // 0: it was cut short
	settled   int64  // when the store was called, perhaps too late; 0: never
	kept      bool   // the store has recorded it
	by        string // the journal of the process
}

// A worked ticket is done, as its writer knows.
type worked struct {
	number int
	ticket ticket.ID
}

// journals holds the records of all processes.
type journals struct {
	grips  map[ticket.ID][]grip
	worked []worked
	said   map[string]int
}

// read adds the journal of a process.
func (js *journals) read(path string) error {
	list, err := ordeal.Lines(path)
	if err != nil {
		return err
	}
	mine := map[ticket.ID]int{} // the index of the last claim of this process, to which later entries belong
	for _, line := range list {
		kind, rest, _ := strings.Cut(line, " ")
		if kind == ordeal.EntrySaid {
			js.said[rest]++
			continue
		}
		if err := js.entry(path, mine, kind, strings.Fields(rest)); err != nil {
			return fmt.Errorf("%s: %q: %w", path, line, err)
		}
	}
	return nil
}

func (js *journals) entry(path string, mine map[ticket.ID]int, kind string, words []string) error {
	if len(words) == 0 {
		return errors.New("entry without a delivery or ticket")
	}
	id, err := ticket.ParseID(words[0])
	if err != nil {
		return err
	}
	var n [3]int64
	for i, word := range words[1:min(len(words), 1+len(n))] {
		if n[i], err = strconv.ParseInt(word, 10, 64); err != nil {
			return err
		}
	}
	switch kind {
	case entryWorked:
		js.worked = append(js.worked, worked{int(n[0]), id})
		return nil
	case entryClaim:
		mine[id] = len(js.grips[id])
		js.grips[id] = append(js.grips[id], grip{attempt: int(n[0]), at: n[1], until: n[2], by: path})
		return nil
	}
	i, known := mine[id]
	if !known {
		return errors.New("entry without a claim")
	}
	g := &js.grips[id][i]
	switch kind {
	case entryBegin:
		g.begin = n[0]
	case entryEnd:
		g.end = n[0]
	case entrySettle:
		g.settled = n[0]
	case entryKept:
		g.kept = true
	}
	return nil
}
