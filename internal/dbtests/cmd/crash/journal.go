package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"

	"github.com/ticketkit/ticket"
)

// A request is one call of the desk. Its token is in the note or message of the one
// event that it makes.
type request struct {
	Token  string         `json:"token"`
	Actor  ticket.Actor   `json:"actor"`
	Ticket ticket.ID      `json:"ticket,omitzero"`
	Action *ticket.Action `json:"action,omitempty"`
	Draft  *ticket.Draft  `json:"draft,omitempty"` // instead of an action
	Whose  int            `json:"whose,omitempty"` // the customer of a draft
}

func (r *request) key() string {
	if r.Draft != nil {
		return r.Draft.Key
	}
	return r.Action.Key
}

// An entry is one line of a writer's journal. It is written with one write(2), so it
// is complete even if the writer is killed at once.
type entry struct {
	Kind    string        `json:"kind"` // see below
	Token   string        `json:"token"`
	Keyed   *request      `json:"keyed,omitempty"` // of a request with a key: the request
	Ticket  ticket.ID     `json:"ticket,omitzero"`
	Version int64         `json:"version,omitempty"`
	Number  ticket.Number `json:"number,omitempty"`
	Text    string        `json:"text,omitempty"` // of an error
}

// The kinds of entries.
const (
	asked        = "asked"        // before the desk is called
	acknowledged = "acknowledged" // after it has returned the ticket: from now on it must be there
	refused      = "refused"      // after an error which says that nothing was written
	failed       = "failed"       // after any other error: the outcome is unknown
	reminder     = "reminder"     // the outcome is still unknown
)

type journal struct{ f *os.File }

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &journal{f}, err
}

func (j *journal) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = j.f.Write(append(line, '\n'))
	return err
}

// readJournal returns the entries of a writer that has ended. It drops an incomplete
// last line, whose result no caller learned.
func readJournal(path string) ([]entry, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // it was killed before it began
	}
	if err != nil {
		return nil, err
	}
	var list []entry
	for line := range bytes.Lines(text) {
		var e entry
		if json.Unmarshal(line, &e) == nil {
			list = append(list, e)
		}
	}
	return list, nil
}

// An attempt holds all known facts about a request.
type attempt struct {
	keyed   *request
	outcome string // acknowledged, refused, or empty for unknown
	doubt   bool   // it was asked at least once without an answer
	ticket  ticket.ID
	version int64
	number  ticket.Number
	asked   int
}

// record holds the contents of the journals.
type record struct {
	attempts map[string]*attempt // by token
	again    int                 // repeated requests
	failures map[string]int      // errors by text
}

func newRecord() *record {
	return &record{attempts: map[string]*attempt{}, failures: map[string]int{}}
}

// add adds the journal of a writer that has ended.
func (r *record) add(list []entry) {
	open := map[string]bool{}
	for _, e := range list {
		a := r.attempts[e.Token]
		if a == nil {
			a = &attempt{}
			r.attempts[e.Token] = a
		}
		switch e.Kind {
		case asked:
			if a.asked++; a.asked > 1 {
				r.again++
			}
			if e.Keyed != nil {
				a.keyed = e.Keyed
			}
			open[e.Token] = true
		case reminder:
		case failed:
			a.doubt = true
			r.failures[e.Text]++
			delete(open, e.Token)
		default:
			a.outcome, a.ticket, a.version, a.number = e.Kind, e.Ticket, e.Version, e.Number
			delete(open, e.Token)
		}
	}
	for token := range open {
		r.attempts[token].doubt = true
	}
}

// pending returns the requests of the list that have a key and no known outcome.
func (r *record) pending(list []entry) (open []request) {
	seen := map[string]bool{}
	for _, e := range list {
		a := r.attempts[e.Token]
		if !seen[e.Token] && a.keyed != nil && a.outcome == "" {
			seen[e.Token] = true
			open = append(open, *a.keyed)
		}
	}
	return open
}
