package eventlog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// The JSON form of OCEL 2.0. Values are strings, as its schema wants; types are declared
// with the type of the object or event.
type (
	ocelType struct {
		Name       string          `json:"name"`
		Attributes []ocelAttribute `json:"attributes"`
	}
	ocelAttribute struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	ocelValue struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		Time  string `json:"time,omitempty"` // of objects
	}
	ocelRelation struct {
		Object    string `json:"objectId"`
		Qualifier string `json:"qualifier"`
	}
	ocelEvent struct {
		ID         string         `json:"id"`
		Type       string         `json:"type"`
		Time       string         `json:"time"`
		Attributes []ocelValue    `json:"attributes"`
		Relations  []ocelRelation `json:"relationships"`
	}
	ocelObject struct {
		ID         string         `json:"id"`
		Type       string         `json:"type"`
		Attributes []ocelValue    `json:"attributes,omitempty"`
		Relations  []ocelRelation `json:"relationships,omitempty"`
	}
)

var (
	ticketAttributes = []ocelAttribute{{"status", "string"}, {"phase", "string"}, {"level", "integer"}, {"queue", "string"}}
	eventAttributes  = []ocelAttribute{{"status", "string"}, {"phase", "string"}, {"level", "integer"}, {"role", "string"}, {"answer", "boolean"}, {"automatic", "boolean"}}
)

// WriteOCEL writes histories as OCEL 2.0 in JSON. The types of events are the actions. There
// are three types of objects:
//
//	ticket  status, phase, level and queue as they change; related to the ticket that it is
//	        merged into, and to those that it is linked to
//	agent   related to the events that the agent made, as "by"
//	queue   related to the events after which the ticket is in it, as "in"
//
// Each event is related to its ticket, as "of". A merge and an unmerge are one event on two
// tickets: the one that is merged ("of") and the other one ("into", "out of").
//
// The log of all histories of a desk has every object that it refers to. Errors are those of
// [WriteXES], and those of the temporary file.
func WriteOCEL(ctx context.Context, w io.Writer, histories iter.Seq2[[]ticket.Event, error], cfg Config) (n Counts, err error) {
	file, err := os.CreateTemp("", "eventlog-*.json")
	if err != nil {
		return Counts{}, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	o := ocel{writer: newWriter(cfg), queues: map[string]bool{}, actions: map[string]bool{}}
	o.events.w, o.objects.w = bufio.NewWriter(w), bufio.NewWriter(file)

	o.events.text(`{"events":[`)
	if err := o.each(ctx, histories, o.history); err != nil {
		return o.n, err
	}
	for _, id := range slices.Sorted(maps.Keys(o.agents)) {
		o.objects.item(ocelObject{ID: agentObject(o.agents[id]), Type: "agent"})
	}
	for _, name := range slices.Sorted(maps.Keys(o.queues)) {
		o.objects.item(ocelObject{ID: queueObject(name), Type: "queue"})
	}
	o.events.text("\n],\n\"objects\":[")
	if err := errors.Join(o.objects.err, o.objects.w.Flush()); err != nil {
		return o.n, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return o.n, err
	}
	if _, err := io.Copy(o.events.w, file); err != nil {
		return o.n, err
	}
	o.events.text("\n],\n\"eventTypes\":[")
	o.events.items = 0
	for _, name := range slices.Sorted(maps.Keys(o.actions)) {
		o.events.item(ocelType{name, eventAttributes})
	}
	o.events.text("\n],\n\"objectTypes\":[")
	o.events.items = 0
	for _, t := range []ocelType{{"agent", []ocelAttribute{}}, {"queue", []ocelAttribute{}}, {"ticket", ticketAttributes}} {
		o.events.item(t)
	}
	o.events.text("\n]}\n")
	return o.n, errors.Join(o.events.err, o.events.w.Flush())
}

type ocel struct {
	*writer
	events, objects list
	queues, actions map[string]bool
}

// list writes the items of a JSON array.
type list struct {
	w     *bufio.Writer
	items int
	err   error
}

func (l *list) text(s string) {
	if l.err == nil {
		_, l.err = l.w.WriteString(s)
	}
}

func (l *list) item(v any) {
	data, err := json.Marshal(v)
	if l.err == nil {
		l.err = err
	}
	if l.items++; l.items > 1 {
		l.text(",")
	}
	l.text("\n" + string(data))
}

func ticketObject(id ticket.ID) string    { return "ticket:" + id.String() }
func agentObject(pseudonym string) string { return "agent:" + pseudonym }
func queueObject(name string) string      { return "queue:" + name }

// history writes the events of a ticket, and the ticket.
func (o *ocel) history(history []ticket.Event, t ticket.Ticket) error {
	object := ocelObject{ID: ticketObject(t.ID), Type: "ticket"}
	last := map[string]string{}
	var queue string
	var into ticket.ID
	for i := range history {
		e := &history[i]
		before := into
		follow(&queue, &into, e)
		at := e.At.UTC().Format(time.RFC3339Nano)
		for _, v := range []ocelValue{{"status", string(e.To.Status), at}, {"phase", string(e.Phase), at}, {"level", strconv.Itoa(e.To.Level), at}, {"queue", queue, at}} {
			if was, known := last[v.Name]; !known || was != v.Value {
				object.Attributes = append(object.Attributes, v)
				last[v.Name] = v.Value
			}
		}
		if !otherHalf(e) {
			o.event(e, at, queue, before)
		}
	}
	if !t.MergedInto.IsZero() {
		object.Relations = append(object.Relations, ocelRelation{ticketObject(t.MergedInto), "merged into"})
	}
	for _, l := range t.Links {
		object.Relations = append(object.Relations, ocelRelation{ticketObject(l.Ticket), string(l.Relation)})
	}
	o.objects.item(object)
	return errors.Join(o.events.err, o.objects.err)
}

// otherHalf reports whether the event is that of a merge or an unmerge on the other ticket.
// The history of the merged ticket has the event that is written.
func otherHalf(e *ticket.Event) bool {
	return e.Set.MergedInto == nil && (e.Action == ticket.ActionMerge || e.Action == ticket.ActionUnmerge)
}

func (o *ocel) event(e *ticket.Event, at, queue string, before ticket.ID) {
	o.actions[string(e.Action)] = true
	v := ocelEvent{
		ID: e.Ticket.String() + "/" + strconv.FormatInt(e.Seq, 10), Type: string(e.Action), Time: at,
		Attributes: []ocelValue{
			{Name: "status", Value: string(e.To.Status)}, {Name: "phase", Value: string(e.Phase)}, {Name: "level", Value: strconv.Itoa(e.To.Level)},
			{Name: "role", Value: role(e)}, {Name: "answer", Value: strconv.FormatBool(e.Answer)}, {Name: "automatic", Value: strconv.FormatBool(e.Automatic)},
		},
		Relations: []ocelRelation{{ticketObject(e.Ticket), "of"}},
	}
	if m := e.Set.MergedInto; m != nil {
		qualifier := "into"
		if m.IsZero() {
			qualifier = "out of"
		}
		if other := otherOf(e, before); !other.IsZero() {
			v.Relations = append(v.Relations, ocelRelation{ticketObject(other), qualifier})
		}
	}
	if agent := o.agent(e); agent != "" {
		v.Relations = append(v.Relations, ocelRelation{agentObject(agent), "by"})
	}
	if queue != "" {
		o.queues[queue] = true
		v.Relations = append(v.Relations, ocelRelation{queueObject(queue), "in"})
	}
	o.events.item(v)
	o.n.Events++
}
