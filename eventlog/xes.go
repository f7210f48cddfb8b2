package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/xml"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// xesHead declares the extensions of the standard that the log uses, and what every trace
// and event has.
const xesHead = xml.Header + `<log xes.version="1849.2023" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Identity" prefix="identity" uri="http://www.xes-standard.org/identity.xesext"/>
<global scope="trace">
<string key="concept:name" value=""/>
<id key="identity:id" value="00000000-0000-0000-0000-000000000000"/>
</global>
<global scope="event">
<string key="concept:name" value=""/>
<string key="lifecycle:transition" value="complete"/>
<date key="time:timestamp" value="1970-01-01T00:00:00Z"/>
<string key="org:role" value=""/>
<id key="identity:id" value="00000000-0000-0000-0000-000000000000"/>
<string key="status" value=""/>
<string key="phase" value=""/>
<int key="level" value="0"/>
</global>
<classifier name="Action" scope="event" keys="concept:name"/>
<classifier name="Status" scope="event" keys="status level"/>
<string key="lifecycle:model" value="standard"/>
`

// WriteXES writes histories as XES. Each trace has the ticket's ID as concept:name, and as
// identity:id in the form of a UUID. Each event has these attributes:
//
//	concept:name          the action, such as "reply"
//	lifecycle:transition  "complete"
//	time:timestamp        the time, in UTC
//	org:resource          the agent; left out if none acted
//	org:role              "agent", "customer" or "system"
//	org:group             the queue after the event; left out if there is none
//	identity:id           a UUID that is the same in every log
//	status, phase, level  of the ticket after the event
//	other                 the ID of the other ticket of a merge
//
// An error of the stream ends it; the log is then not complete. A history that is not
// numbered 1, 2, 3 … or is not of one ticket gives a [*ticket.ChainError].
func WriteXES(ctx context.Context, w io.Writer, histories iter.Seq2[[]ticket.Event, error], cfg Config) (Counts, error) {
	x := xes{writer: newWriter(cfg), out: bufio.NewWriter(w)}
	x.text(xesHead)
	err := x.each(ctx, histories, func(history []ticket.Event, t ticket.Ticket) error {
		x.trace(history, t)
		return x.err
	})
	if err != nil {
		return x.n, err
	}
	x.text("</log>\n")
	if x.err == nil {
		x.err = x.out.Flush()
	}
	return x.n, x.err
}

type xes struct {
	*writer
	out *bufio.Writer
	buf bytes.Buffer
	err error
}

func (x *xes) text(s string) {
	if x.err == nil {
		_, x.err = x.out.WriteString(s)
	}
}

// attribute writes an attribute with a value of the given type.
func (x *xes) attribute(kind, key, value string) {
	x.buf.Reset()
	// Characters that XML does not have become U+FFFD.
	if err := xml.EscapeText(&x.buf, []byte(value)); err != nil && x.err == nil {
		x.err = err
	}
	x.text("<" + kind + ` key="` + key + `" value="` + x.buf.String() + "\"/>\n")
}

func (x *xes) trace(history []ticket.Event, t ticket.Ticket) {
	x.text("<trace>\n")
	x.attribute("string", "concept:name", t.ID.String())
	x.attribute("id", "identity:id", uuid(t.ID[:]))
	var queue string
	var into ticket.ID
	for i := range history {
		e := &history[i]
		before := into
		follow(&queue, &into, e)
		x.text("<event>\n")
		x.attribute("string", "concept:name", string(e.Action))
		x.attribute("string", "lifecycle:transition", "complete")
		x.attribute("date", "time:timestamp", e.At.UTC().Format(time.RFC3339Nano))
		if agent := x.agent(e); agent != "" {
			x.attribute("string", "org:resource", agent)
		}
		x.attribute("string", "org:role", role(e))
		if queue != "" {
			x.attribute("string", "org:group", queue)
		}
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(e.Ticket[:], uint64(e.Seq)))
		x.attribute("id", "identity:id", uuid(sum[:16]))
		x.attribute("string", "status", string(e.To.Status))
		x.attribute("string", "phase", string(e.Phase))
		x.attribute("int", "level", strconv.Itoa(e.To.Level))
		if other := otherOf(e, before); !other.IsZero() {
			x.attribute("string", "other", other.String())
		}
		x.text("</event>\n")
		x.n.Events++
	}
	x.text("</trace>\n")
}

// otherOf returns the other ticket of a merge or an unmerge; zero if the event is none, or is
// so old that it does not name it. before is the ticket that this one was merged into before
// the event.
func otherOf(e *ticket.Event, before ticket.ID) ticket.ID {
	switch m := e.Set.MergedInto; {
	case !e.Set.Other.IsZero():
		return e.Set.Other
	case m != nil && m.IsZero():
		return before
	case m != nil:
		return *m
	}
	return ticket.ID{}
}
