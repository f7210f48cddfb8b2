package sqlstore

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// metrics are the metrics of clocks, in the order of the columns dueColumnNames and of
// the bits of the column missed.
var metrics = [...]string{"first answer", "next answer", "update", "solution", "level"}

// dueColumnNames are the columns with Ticket.Due of each metric. The column due has
// that of all.
var dueColumnNames = [len(metrics)]string{"due_first", "due_next", "due_update", "due_solution", "due_level"}

// metricIndex returns the index of a metric. A commit and a query with another metric
// were refused before.
func metricIndex(metric string) int { return max(0, slices.Index(metrics[:], metric)) }

// dueColumn returns the column with Ticket.Due of a metric, or of all.
func dueColumn(metric string) string {
	if metric == "" {
		return "due"
	}
	return dueColumnNames[metricIndex(metric)]
}

// missedBits returns the value of the column missed: a bit for each metric.
func missedBits(t *ticket.Ticket) (bits int64) {
	for i, m := range metrics {
		if t.Missed(m) {
			bits |= 1 << i
		}
	}
	return bits
}

// missedMask returns the bits for a metric or, if it is empty, for all. A ticket with a
// missed target has at least one of them.
func missedMask(metric string) int64 {
	if metric == "" {
		return 1<<len(metrics) - 1
	}
	return 1 << metricIndex(metric)
}

// missedLabel begins the label of a ticket that missed a target of a metric.
const missedLabel = "missed:"

// missedLabels returns the labels of missed targets that a change may add. A ticket that
// misses no target any more may keep the label. So a query along these labels also compares the
// column missed, and an update need not read the old ticket for them.
func missedLabels(ch *ticket.Change) (list []string) {
	for i := range ch.Events {
		for j := range ch.Events[i].Set.Clocks {
			m := ch.Events[i].Set.Clocks[j].Metric
			if label := missedLabel + m; ch.Ticket.Missed(m) && !slices.Contains(list, label) {
				list = append(list, label)
			}
		}
	}
	return list
}

// missedWanted returns the labels of tickets with a missed target of the metric, or of any.
func missedWanted(metric string) []string {
	if metric != "" {
		return []string{missedLabel + metric}
	}
	list := make([]string, len(metrics))
	for i, m := range metrics {
		list[i] = missedLabel + m
	}
	return list
}

// A clocksDoc is the JSON of the column clocks: the parts of a ticket that its policy
// changes, apart from doc, so that a change of a clock does not write doc.
type clocksDoc struct {
	Policy        string         `json:"policy,omitempty"`
	PolicyVersion int            `json:"policy_version,omitempty"`
	Clocks        []ticket.Clock `json:"clocks,omitempty"`
	Promised      time.Time      `json:"promised,omitzero"`
	Rescheduled   time.Time      `json:"rescheduled,omitzero"`
}

// clocksJSON returns the value of the column clocks, or NULL for a ticket without clocks and
// promises. It writes JSON by hand, like eventJSON.
func clocksJSON(t *ticket.Ticket) (any, error) {
	if t.Policy == "" && t.PolicyVersion == 0 && len(t.Clocks) == 0 && t.Promised.IsZero() && t.Rescheduled.IsZero() {
		return nil, nil
	}
	w := newJSON()
	w.open("")
	w.optional("policy", t.Policy)
	w.number("policy_version", t.PolicyVersion)
	w.clocks(t.Clocks)
	w.someTime("promised", t.Promised)
	w.someTime("rescheduled", t.Rescheduled)
	w.close()
	return w.done()
}

// clocks writes a list of clocks, unless it is empty.
func (w *jsonWriter) clocks(list []ticket.Clock) {
	if len(list) == 0 {
		return
	}
	w.key("clocks")
	w.b = append(w.b, '[')
	for i := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.clock(&list[i])
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) clock(c *ticket.Clock) {
	w.open("")
	w.string("metric", c.Metric)
	w.integer("event", c.Event)
	w.optional("policy", c.Policy)
	w.number("version", c.Version)
	w.number("level", c.Level)
	w.optional("queue", c.Queue)
	w.string("state", c.State)
	w.time("started", c.Started)
	w.time("since", c.Since)
	w.someTime("due", c.Due)
	w.someTime("breached", c.Breached)
	w.number("missed", c.Missed)
	w.texts("fired", c.Fired)
	w.someTime("next", c.Next)
	w.string("within", c.Within.String())
	w.string("counted", c.Counted.String())
	w.close()
}

// decode reads the column clocks. Like the document of a ticket, it is read by hand,
// and by encoding/json if it has anything unusual.
func (d *clocksDoc) decode(doc []byte) error {
	var fast clocksDoc
	r := readerOf(doc)
	if r.object(func(key string) bool {
		switch key {
		case "policy":
			return r.text(&fast.Policy)
		case "policy_version":
			return r.number(&fast.PolicyVersion)
		case "clocks":
			return r.clocks(&fast.Clocks)
		case "promised":
			return r.time(&fast.Promised)
		case "rescheduled":
			return r.time(&fast.Rescheduled)
		}
		return false
	}) && len(r.rest) == 0 {
		*d = fast
		return nil
	}
	return json.Unmarshal(doc, d)
}

func (r *docReader) clocks(to *[]ticket.Clock) bool {
	*to = make([]ticket.Clock, 0, len(metrics))
	return r.list(func() bool {
		*to = append(*to, ticket.Clock{})
		return r.clock(&(*to)[len(*to)-1])
	})
}

func (r *docReader) clock(c *ticket.Clock) bool {
	return r.object(func(key string) bool {
		switch key {
		case "metric":
			return r.word(`"`) && r.metric(&c.Metric)
		case "event":
			return r.integer(&c.Event)
		case "policy":
			return r.text(&c.Policy)
		case "version":
			return r.number(&c.Version)
		case "level":
			return r.number(&c.Level)
		case "queue":
			return r.text(&c.Queue)
		case "state":
			return r.text(&c.State)
		case "started":
			return r.time(&c.Started)
		case "since":
			return r.time(&c.Since)
		case "due":
			return r.time(&c.Due)
		case "breached":
			return r.time(&c.Breached)
		case "missed":
			return r.number(&c.Missed)
		case "fired":
			return r.texts(&c.Fired)
		case "next":
			return r.time(&c.Next)
		case "within":
			return r.duration(&c.Within)
		case "counted":
			return r.duration(&c.Counted)
		}
		return false
	})
}

// metric reads the rest of a metric. It makes no copy.
func (r *docReader) metric(to *string) bool {
	for _, m := range metrics {
		if len(r.rest) > len(m) && r.rest[:len(m)] == m && r.rest[len(m)] == '"' {
			r.rest = r.rest[len(m)+1:]
			*to = m
			return true
		}
	}
	return false
}

// list calls element for each element. A list has at least one.
func (r *docReader) list(element func() bool) bool {
	if !r.skip('[') {
		return false
	}
	for {
		if !element() {
			return false
		}
		if r.skip(']') {
			return true
		}
		if !r.skip(',') {
			return false
		}
	}
}

func (r *docReader) number(to *int) bool {
	var n int64
	ok := r.integer(&n)
	*to = int(n)
	return ok && int64(*to) == n // an int may have 32 bits
}

func (r *docReader) time(to *time.Time) bool {
	s, ok := r.quoted()
	return ok && to.UnmarshalText([]byte(s)) == nil
}

func (r *docReader) duration(to *time.Duration) bool {
	s, ok := r.quoted()
	if !ok {
		return false
	}
	d, err := time.ParseDuration(s)
	*to = d
	return err == nil
}

// clocksArgs appends the arguments for the columns clocks, missed and snoozed.
func (ch *changing) clocksArgs(args []any) []any {
	var missed any // NULL for most tickets
	if bits := missedBits(&ch.Ticket); bits != 0 {
		missed = bits
	}
	return append(args, ch.clocks, missed, nullTime(ch.Ticket.Snoozed))
}

// dueArgs appends the arguments for the column due and those of dueColumnNames that the
// bits name.
func (ch *changing) dueArgs(args []any, bits columns) []any {
	if bits&dueColumns == 0 {
		return args
	}
	args = append(args, nullTime(ch.Ticket.Due("")))
	for i, m := range metrics {
		if bits&(dueFirst<<i) != 0 {
			args = append(args, nullTime(ch.Ticket.Due(m)))
		}
	}
	return args
}

// dueText writes the same columns, each after before and with after.
func dueText(b *strings.Builder, bits columns, before, after string) {
	if bits&dueColumns == 0 {
		return
	}
	b.WriteString(before + "due" + after)
	for i, name := range dueColumnNames {
		if bits&(dueFirst<<i) != 0 {
			b.WriteString(before + name + after)
		}
	}
}
