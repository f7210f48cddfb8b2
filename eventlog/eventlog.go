// Package eventlog writes the histories of tickets as event logs for process mining: XES
// (IEEE 1849-2023) and OCEL 2.0 in JSON.
//
//	n, err := eventlog.WriteXES(ctx, file, desk.Histories(ctx, ticket.System("export"), ticket.ID{}), eventlog.Config{})
//
// A log has what happened to tickets and when: actions, times, statuses, phases, levels,
// queues, roles, and the tickets that were merged. It has no text and no customers, so erased
// content cannot be in it. Agents have pseudonyms unless Config.AgentIDs is set.
//
// In XES each ticket is a trace and each event of its history an event of the trace, so a
// merge is in the traces of both tickets. In OCEL a merge is one event on two objects of
// type "ticket". Agents and queues are objects too.
//
// Both functions write while they read. Memory grows with the numbers of agents, queues and
// actions, not with the number of tickets. WriteOCEL puts the objects into a temporary file
// until the events are written.
package eventlog

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"

	"github.com/ticketkit/ticket"
)

// Config says how a log is written. The zero Config works.
type Config struct {
	// Key makes the pseudonym of an agent a keyed hash of the ID, which is the same in every
	// log with this key. It is a secret: with it, anyone can find the agents by trying IDs.
	// Empty means that agents are numbered as they appear.
	Key []byte
	// AgentIDs writes the IDs of agents as they are. Check with your works council first.
	AgentIDs bool
	// Progress, if set, is called after each ticket with the numbers so far.
	Progress func(tickets, events int)
}

// Counts is what a log has.
type Counts struct {
	Tickets int
	Events  int // in OCEL, a merge counts once
	Agents  int
}

// writer is what both formats share.
type writer struct {
	cfg    Config
	agents map[string]string // pseudonyms by ID
	n      Counts
}

func newWriter(cfg Config) *writer { return &writer{cfg: cfg, agents: map[string]string{}} }

// agent returns the pseudonym of the agent who made an event. It returns "" if it was
// somebody else.
func (w *writer) agent(e *ticket.Event) string {
	if e.By.Role&ticket.RoleAgent == 0 || e.By.ID == "" {
		return ""
	}
	name, known := w.agents[e.By.ID]
	if known {
		return name
	}
	switch {
	case w.cfg.AgentIDs:
		name = e.By.ID
	case len(w.cfg.Key) > 0:
		mac := hmac.New(sha256.New, w.cfg.Key)
		mac.Write([]byte("eventlog: agent\x00" + e.By.ID))
		name = "agent " + hex.EncodeToString(mac.Sum(nil)[:8])
	default:
		name = "agent " + strconv.Itoa(len(w.agents)+1)
	}
	w.agents[e.By.ID] = name
	w.n.Agents = len(w.agents)
	return name
}

// each calls write with each history and its ticket.
func (w *writer) each(ctx context.Context, histories iter.Seq2[[]ticket.Event, error], write func(history []ticket.Event, t ticket.Ticket) error) error {
	for history, err := range histories {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if len(history) == 0 {
			continue
		}
		t, err := ticket.Replay(history)
		if err == nil {
			err = write(history, t)
		}
		if err != nil {
			return err
		}
		w.n.Tickets++
		if w.cfg.Progress != nil {
			w.cfg.Progress(w.n.Tickets, w.n.Events)
		}
	}
	return ctx.Err()
}

// role returns the name of the role that acted.
func role(e *ticket.Event) string {
	switch {
	case e.By.Role&ticket.RoleAgent != 0:
		return "agent"
	case e.By.Role&ticket.RoleSystem != 0:
		return "system"
	default:
		return "customer"
	}
}

// follow keeps the queue and the merge of a ticket up to date.
func follow(queue *string, into *ticket.ID, e *ticket.Event) {
	if e.Set.Queue != nil {
		*queue = *e.Set.Queue
	}
	if e.Set.MergedInto != nil {
		*into = *e.Set.MergedInto
	}
}

// uuid returns 16 bytes in the form of RFC 9562.
func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
