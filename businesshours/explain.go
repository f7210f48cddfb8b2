package businesshours

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Explanation lists the open and closed intervals between two instants, as data and, with
// String, as text. In JSON, durations are strings such as "1h30m0s".
type Explanation struct {
	Calendar string        `json:"calendar"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Open     time.Duration `json:"open"`  // total open time
	Steps    []Step        `json:"steps"` // without gaps from From to To
}

// Step is an interval of an [Explanation] that is either open or closed. It ends when that
// changes or when another version of the calendar starts. Its times are in the zone of its
// version.
type Step struct {
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`
	Open  bool          `json:"open"`
	Total time.Duration `json:"total"`           // open time from the start of the explanation to To
	Notes []Note        `json:"notes,omitempty"` // exceptions, in order
}

// Note is an exception that applies to a [Step] or starts in it.
type Note struct {
	Kind NoteKind      `json:"kind"`
	At   time.Time     `json:"at"`           // when it starts; for a day, its midnight
	Day  Day           `json:"day,omitzero"` // for NoteDay
	By   time.Duration `json:"by,omitzero"`  // for NoteClock: how far the clock goes forward; negative means back
}

// NoteKind is the kind of a [Note].
type NoteKind string

// The kinds of notes.
const (
	NoteDay    NoteKind = "day"    // a [Day] sets the hours
	NoteClock  NoteKind = "clock"  // the zone's offset changes
	NoteChange NoteKind = "change" // another version of the calendar starts
)

// Explain returns the open and closed intervals between two instants, both limited to the
// years of the calendar. To see how a due time came about, explain from its start to the
// result of [Calendar.Add]. There are about two steps per day, and none if to is not after
// from.
func (c *Calendar) Explain(from, to time.Time) Explanation {
	at, end := clamp(from), clamp(to)
	x := Explanation{Calendar: c.spec.Name, From: c.time(at), To: c.time(end)}
	for k := c.eraAt(at); k < len(c.eras) && max(at, c.eras[k].from) < end; k++ {
		e := c.eras[k]
		t, limit := max(at, e.from), min(end, e.until)
		notes := e.notes(t, limit)
		if k > 0 && e.from == t {
			notes = slices.Insert(notes, 0, timedNote{t, t + 1, Note{Kind: NoteChange, At: time.Unix(0, t).In(e.zone)}})
		}
		for t < limit {
			a, b, ok := c.next(t, limit)
			if !ok {
				a, b = limit, limit
			}
			for _, s := range [...]struct {
				from, to int64
				open     bool
			}{{t, a, false}, {a, b, true}} {
				if s.from == s.to {
					continue
				}
				if s.open {
					x.Open += time.Duration(s.to - s.from)
				}
				step := Step{From: time.Unix(0, s.from).In(e.zone), To: time.Unix(0, s.to).In(e.zone), Open: s.open, Total: x.Open}
				for len(notes) > 0 && notes[0].to <= s.from {
					notes = notes[1:]
				}
				for _, n := range notes {
					if n.from >= s.to {
						break
					}
					if s.from < n.to {
						step.Notes = append(step.Notes, n.Note)
					}
				}
				x.Steps = append(x.Steps, step)
			}
			t = b
		}
	}
	return x
}

// timedNote is a note with the time at which it applies.
type timedNote struct {
	from, to int64
	Note
}

// notes returns the notes between two instants, in order.
func (e *era) notes(from, to int64) []timedNote {
	const second, day = int64(time.Second), daySeconds * int64(time.Second)
	ps := periods(e.zone, from/second-3*daySeconds, to/second+3*daySeconds)
	var list []timedNote
	for i, p := range ps[1:] {
		at := p.start * second
		if from <= at && at < to {
			list = append(list, timedNote{at, at + 1, Note{
				Kind: NoteClock, At: time.Unix(0, at).In(e.zone), By: time.Duration(p.offset-ps[i].offset) * time.Second,
			}})
		}
	}
	for k := sort.Search(len(e.dates), func(k int) bool { return e.dates[k].number >= from/day-2 }); k < len(e.dates); k++ {
		d := e.dates[k]
		start, end := resolve(ps, d.number*daySeconds)*second, resolve(ps, (d.number+1)*daySeconds)*second
		if start >= to {
			break
		}
		if start < end && from < end {
			list = append(list, timedNote{start, end, Note{Kind: NoteDay, At: time.Unix(0, start).In(e.zone), Day: d.clone()}})
		}
	}
	slices.SortStableFunc(list, func(a, b timedNote) int { return cmp.Compare(a.from, b.from) })
	return list
}

const stepTime = "Mon 2006-01-02 15:04:05 -07:00"

// String returns the explanation as text, with one line for each step, followed by one
// line for each of its notes.
func (x Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "calendar %s: %s open\n", x.Calendar, short(x.Open))
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "%s to %s  ", s.From.Format(stepTime), s.To.Format(stepTime))
		if s.Open {
			fmt.Fprintf(&b, "open %s, total %s\n", short(s.To.Sub(s.From)), short(s.Total))
		} else {
			b.WriteString("closed\n")
		}
		for _, n := range s.Notes {
			fmt.Fprintf(&b, "    %s\n", n)
		}
	}
	return b.String()
}

// String returns the note as text.
func (n Note) String() string {
	at := n.At.Format("15:04:05 -07:00 on 2006-01-02")
	switch {
	case n.Kind == NoteClock && n.By < 0:
		return fmt.Sprintf("the clock goes back by %s, to %s", short(-n.By), at)
	case n.Kind == NoteClock:
		return fmt.Sprintf("the clock goes forward by %s, to %s", short(n.By), at)
	case n.Kind == NoteChange:
		return "other hours are valid from " + at
	}
	what := n.Day.Date
	if n.Day.Name != "" {
		what += " is " + n.Day.Name
	}
	if len(n.Day.Open) == 0 {
		return what + ": closed"
	}
	open := make([]string, len(n.Day.Open))
	for i, s := range n.Day.Open {
		open[i] = string(s)
	}
	return what + ": " + strings.Join(open, ", ")
}

// short formats a duration without trailing zero units.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// text is a duration with a text form.
type text time.Duration

func (t text) MarshalText() ([]byte, error) { return []byte(time.Duration(t).String()), nil }

func (t *text) UnmarshalText(data []byte) error {
	d, err := time.ParseDuration(string(data))
	*t = text(d)
	return err
}

// The JSON forms replace durations with text.
type (
	plainExplanation Explanation
	explanationJSON  struct {
		plainExplanation
		Open text `json:"open"`
	}
	plainStep Step
	stepJSON  struct {
		plainStep
		Total text `json:"total"`
	}
	plainNote Note
	noteJSON  struct {
		plainNote
		By text `json:"by,omitzero"`
	}
)

// MarshalJSON encodes durations as text.
func (x Explanation) MarshalJSON() ([]byte, error) {
	return json.Marshal(explanationJSON{plainExplanation(x), text(x.Open)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (x *Explanation) UnmarshalJSON(data []byte) error {
	var j explanationJSON
	err := json.Unmarshal(data, &j)
	*x = Explanation(j.plainExplanation)
	x.Open = time.Duration(j.Open)
	return err
}

// MarshalJSON encodes durations as text.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(stepJSON{plainStep(s), text(s.Total)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (s *Step) UnmarshalJSON(data []byte) error {
	var j stepJSON
	err := json.Unmarshal(data, &j)
	*s = Step(j.plainStep)
	s.Total = time.Duration(j.Total)
	return err
}

// MarshalJSON encodes durations as text.
func (n Note) MarshalJSON() ([]byte, error) {
	return json.Marshal(noteJSON{plainNote(n), text(n.By)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (n *Note) UnmarshalJSON(data []byte) error {
	var j noteJSON
	err := json.Unmarshal(data, &j)
	*n = Note(j.plainNote)
	n.By = time.Duration(j.By)
	return err
}
