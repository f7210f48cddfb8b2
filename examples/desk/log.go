package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

//go:embed words.json
var wordsJSON []byte

// words are the sentences that customers and agents of the example write.
type words struct {
	Products []map[string]string
	Problems []problem
	Feedback map[string][]string // by score
}

// A problem is one kind of question, with all that is said about it.
type problem struct {
	Lang, Queue, Tag                                         string
	Weight                                                   int
	Impact                                                   ticket.Grade
	Known                                                    string // the title under which the solution is published
	Subject, Message, Ask, Answer, Reply, Note, Up, Solution string
}

// A line is one line of the log: who did what, and when.
type line struct {
	At   time.Time
	Case int
	By   string // "customer", "colleague" or "agent"

	Draft  *ticket.Draft // of the line that opens the case
	Action ticket.Action // of all others
	File   string        // the name of a file to send along
	Rating int           // the customer rates the case
	Into   int           // the other case of a merge or a link
	Helped bool          // the last solution of the same problem helped
	Tag    string        // of the problem
}

// The size of the log. It ends now.
const (
	cases = 1000
	days  = 120
)

// writer writes the log.
type writer struct {
	words
	rnd     *rand.Rand
	office  *businesshours.Calendar
	now     time.Time
	people  []person
	lines   []line
	cases   int
	written int // of these by hand, for today
	known   map[string]bool
	last    map[string]int // the last case of a problem that went to the third level
}

// writeLog makes up the log of a desk up to now, sorted by time. It makes up the same cases
// each time; only their times differ.
func writeLog(office *businesshours.Calendar, now time.Time) ([]line, error) {
	w := &writer{
		rnd: rand.New(rand.NewPCG(15, 2026)), office: office, now: now,
		people: append(everybody(), others()...),
		known:  map[string]bool{}, last: map[string]int{},
	}
	if err := json.Unmarshal(wordsJSON, &w.words); err != nil {
		return nil, fmt.Errorf("words.json: %w", err)
	}
	w.people = slices.DeleteFunc(w.people, person.agent)
	w.today()
	w.written = w.cases
	for w.cases < cases {
		w.open()
	}
	w.interrupt()
	lines := slices.DeleteFunc(w.lines, func(l line) bool { return l.At.After(now) })
	slices.SortStableFunc(lines, func(a, b line) int { return a.At.Compare(b.At) })
	return lines, nil
}

// interrupt ends many of the newest cases somewhere on their way, so that there is work of
// every kind left.
func (w *writer) interrupt() {
	of := make([][]int, w.cases+1) // the lines of each case
	for i, l := range w.lines {
		of[l.Case] = append(of[l.Case], i)
	}
	for _, at := range of[w.written+1:] {
		if !w.lines[at[0]].At.After(w.now.AddDate(0, 0, -14)) || !w.chance(75) {
			continue
		}
		for _, i := range at[1+w.rnd.IntN(min(len(at), 8)):] {
			w.lines[i].At = w.now.AddDate(1, 0, 0)
		}
	}
}

// chance is true in so many of a hundred cases.
func (w *writer) chance(percent int) bool { return w.rnd.IntN(100) < percent }

// after returns a time in office hours that is about so many hours of work later.
func (w *writer) after(t time.Time, hours float64) time.Time {
	d := time.Duration(hours * (0.15 + w.rnd.ExpFloat64()) * float64(time.Hour))
	at, err := w.office.Add(t, max(d, 2*time.Minute))
	if err != nil { // a calendar without an end has none
		return t.Add(d)
	}
	return at.Add(time.Duration(w.rnd.IntN(50)) * time.Second)
}

// soon returns a time that is about so many hours later, at any time of the day.
func (w *writer) soon(t time.Time, hours float64) time.Time {
	return t.Add(time.Duration(hours*(0.1+w.rnd.ExpFloat64())*float64(time.Hour)) + time.Minute)
}

// someday returns when a case begins: by day, and less on weekends.
func (w *writer) someday() time.Time {
	for {
		t := w.now.Add(-time.Duration(w.rnd.Float64() * days * 24 * float64(time.Hour)))
		hour := t.In(berlin).Hour()
		if day := t.In(berlin).Weekday(); (day == time.Saturday || day == time.Sunday) && !w.chance(35) {
			continue
		}
		if (hour < 7 || hour > 21) && !w.chance(8) {
			continue
		}
		return t
	}
}

// pick chooses a problem by its weight, and somebody who speaks its language.
func (w *writer) pick() (problem, person) {
	sum := 0
	for _, p := range w.Problems {
		sum += p.Weight
	}
	n := w.rnd.IntN(sum)
	i := 0
	for n -= w.Problems[0].Weight; n >= 0; n -= w.Problems[i].Weight {
		i++
	}
	p := w.Problems[i]
	for {
		who := w.people[w.rnd.IntN(len(w.people))]
		if who.Locale == language(p) {
			return p, who
		}
	}
}

func language(p problem) string {
	if p.Lang == "" {
		return "en"
	}
	return p.Lang
}

// fill puts an order, a product and an amount into a problem's words.
func (w *writer) fill(p problem) (problem, ticket.Fields) {
	order, amount := fmt.Sprint(40000+w.rnd.IntN(59999)), fmt.Sprint(19+w.rnd.IntN(480))
	product := w.Products[w.rnd.IntN(len(w.Products))][language(p)]
	r := strings.NewReplacer("{order}", order, "{amount}", amount, "{product}", product)
	for _, s := range []*string{&p.Subject, &p.Message, &p.Ask, &p.Answer, &p.Reply, &p.Note, &p.Up, &p.Solution} {
		*s = r.Replace(*s)
	}
	first, size := utf8.DecodeRuneInString(p.Subject)
	p.Subject = string(unicode.ToUpper(first)) + p.Subject[size:]
	return p, ticket.Fields{"order": order, "product": product}
}

// files are sent with answers about these problems.
var files = map[string]string{"wrong-item": "packing-slip.png", "broken-screen": "screen.png", "refund": "receipt.png", "battery": "device.log"}

// A story is one case that is being written.
type story struct {
	*writer
	n   int
	p   problem
	who person
	at  time.Time
}

func (w *writer) begin(p problem, who person, at time.Time, channel ticket.Channel) *story {
	w.cases++
	filled, fields := w.fill(p)
	s := &story{writer: w, n: w.cases, p: filled, who: who, at: at}
	d := &ticket.Draft{
		Requester: who.Person, Subject: s.p.Subject, Message: ticket.Message(s.p.Message), Channel: channel,
		Impact: p.Impact, Urgency: []ticket.Grade{ticket.GradeLow, ticket.GradeMedium, ticket.GradeMedium, ticket.GradeHigh}[w.rnd.IntN(4)],
		Queue: p.Queue, Fields: fields,
	}
	if p.Impact == ticket.GradeCritical {
		d.Urgency = ticket.GradeHigh
	}
	by := "customer"
	if channel == ticket.ChannelPhone {
		by = "agent"
	}
	if other := w.people[w.rnd.IntN(len(w.people))]; who.Organisation != "" && other.Organisation == who.Organisation && other.ID != who.ID {
		d.Followers = []ticket.Person{other.Person}
	}
	w.lines = append(w.lines, line{At: at, Case: s.n, By: by, Draft: d, Tag: p.Tag})
	return s
}

// does adds a line.
func (s *story) does(by string, a ticket.Action) *line {
	s.lines = append(s.lines, line{At: s.at, Case: s.n, By: by, Action: a, Tag: s.p.Tag})
	return &s.lines[len(s.lines)-1]
}

func (s *story) wait(hours float64) { s.at = s.after(s.at, hours) }

// take is how an agent begins.
func (s *story) take() {
	s.does("agent", ticket.Action{Name: ticket.ActionTake})
	if s.chance(60) {
		s.at = s.at.Add(time.Minute)
		s.does("agent", ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{s.p.Tag}}})
	}
	s.at = s.at.Add(time.Duration(3+s.rnd.IntN(9)) * time.Minute)
}

// ask asks the customer, who answers or does not.
func (s *story) ask() {
	s.does("agent", ticket.Action{Name: ticket.ActionAsk, Message: ticket.Message(s.p.Ask)})
	if s.chance(8) {
		s.at = s.at.AddDate(0, 0, 12)
		s.does("agent", ticket.Action{Name: ticket.ActionCancel, Reason: "no answer"})
		s.at = s.now.AddDate(1, 0, 0) // nothing else happens
		return
	}
	s.at = s.soon(s.at, 14)
	l := s.does("customer", ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Answer), Channel: ticket.ChannelMail})
	if f, ok := files[s.p.Tag]; ok {
		l.File = f
	}
	s.wait(4)
}

// up escalates, and somebody there takes over.
func (s *story) up() {
	if s.chance(70) {
		s.does("agent", ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(s.p.Note)})
		s.at = s.at.Add(4 * time.Minute)
	}
	s.does("agent", ticket.Action{Name: ticket.ActionEscalate, Note: ticket.Note(s.p.Up)})
	s.wait(3)
	s.does("agent", ticket.Action{Name: ticket.ActionTake})
	s.at = s.at.Add(20 * time.Minute)
	s.does("agent", ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Reply)})
	s.wait(7)
}

// solve ends a case, and perhaps it is not over.
func (s *story) solve() {
	l := s.does("agent", ticket.Action{Name: ticket.ActionResolve, Message: ticket.Message(s.p.Solution), Reason: "solved"})
	l.Helped = s.chance(25)
	if s.p.Known != "" && !s.known[s.p.Known] && s.at.After(s.now.AddDate(0, 0, -60)) && s.at.Before(s.now) {
		s.known[s.p.Known] = true
		s.at = s.at.Add(10 * time.Minute)
		s.does("agent", ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: s.p.Known, Text: ticket.Message(s.p.Solution)}})
	}
	s.at = s.soon(s.at, 20)
	switch {
	case s.chance(9):
		s.does("customer", ticket.Action{Name: ticket.ActionReopen, Message: "It is not solved: " + ticket.Message(s.p.Subject), Channel: ticket.ChannelWeb})
		s.wait(4)
		s.take()
		s.does("agent", ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Reply)})
		s.wait(6)
		s.does("agent", ticket.Action{Name: ticket.ActionResolve, Message: ticket.Message(s.p.Solution), Reason: "solved"})
	case s.chance(45):
		s.does("customer", ticket.Action{Name: ticket.ActionConfirm, Channel: ticket.ChannelWeb})
	case s.chance(5):
		s.at = s.at.AddDate(0, 0, 25)
		s.does("customer", ticket.Action{Name: ticket.ActionReply, Message: "Now it is as it was before. " + ticket.Message(s.p.Message), Channel: ticket.ChannelMail})
	}
	if s.chance(35) {
		s.at = s.soon(s.at.AddDate(0, 0, 2), 30)
		score := []int{5, 5, 5, 5, 4, 4, 4, 3, 2, 1}[s.rnd.IntN(10)]
		said := s.Feedback[fmt.Sprint(score)]
		s.does("customer", ticket.Action{Message: ticket.Message(said[s.rnd.IntN(len(said))])}).Rating = score
	}
}

// open writes one whole case.
func (w *writer) open() {
	p, who := w.pick()
	at := w.someday()
	channel := []ticket.Channel{ticket.ChannelWeb, ticket.ChannelWeb, ticket.ChannelMail, ticket.ChannelMail, ticket.ChannelChat}[w.rnd.IntN(5)]
	way := w.rnd.IntN(100)
	if way < 14 {
		channel = ticket.ChannelPhone
		at = w.after(at, 0.2)
	}
	s := w.begin(p, who, at, channel)
	if way < 8 { // answered on the telephone
		s.lines[len(s.lines)-1].Draft.Solution = ticket.Message(s.p.Solution)
		return
	}
	s.wait(1.3)
	if way < 12 && w.chance(70) { // withdrawn before anybody looked
		s.does("customer", ticket.Action{Name: ticket.ActionCancel, Channel: ticket.ChannelWeb})
		return
	}
	s.take()
	switch {
	case way < 38:
	case way < 62:
		s.ask()
	case way < 76:
		s.up()
	case way < 84:
		s.up()
		s.does("agent", ticket.Action{Name: ticket.ActionEscalate, Note: ticket.Note(s.p.Up)})
		s.wait(10)
		s.does("agent", ticket.Action{Name: ticket.ActionTake})
		if first, ok := w.last[p.Tag]; ok {
			s.at = s.at.Add(5 * time.Minute)
			s.does("agent", ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo}).Into = first
		}
		w.last[p.Tag] = s.n
		s.wait(12)
	case way < 92:
		s.does("agent", ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Reply)})
		s.at = s.at.Add(30 * time.Minute)
		until := s.after(s.at, 30)
		s.does("agent", ticket.Action{Name: ticket.ActionHold, Reason: []string{"vendor", "vendor", "spare part"}[w.rnd.IntN(3)], Until: until})
		s.at = until
		s.wait(6)
	case way < 96:
		s.duplicate()
	default:
		s.does("agent", ticket.Action{Name: ticket.ActionHandOver, Queue: []string{"billing", "shop"}[w.rnd.IntN(2)], Note: ticket.Note(s.p.Note)})
		s.wait(5)
		s.take()
		s.ask()
	}
	s.solve()
}

// duplicate lets the customer write the same again, as a second case that is merged.
func (s *story) duplicate() {
	second := s.begin(s.p, s.who, s.soon(s.at, 5), ticket.ChannelMail)
	second.wait(2)
	second.does("agent", ticket.Action{Name: ticket.ActionMerge, Message: "You wrote to us about this before, so we go on there."}).Into = s.n
	s.at = second.at.Add(15 * time.Minute)
}

// today writes the cases that a visitor should find whatever the hour is.
func (w *writer) today() {
	ago := func(d time.Duration) time.Time { return w.now.Add(-d) }
	problemOf := func(tag, lang string) problem {
		i := slices.IndexFunc(w.Problems, func(p problem) bool { return p.Tag == tag && p.Lang == lang })
		return w.Problems[i]
	}
	who := func(id string) person {
		p, _ := find(id)
		return p
	}
	agents := func(s *story, d time.Duration, a ticket.Action) { s.at = ago(d); s.does("agent", a) }

	// Nobody has answered: one is late, and one is almost.
	w.begin(problemOf("checkout", ""), who("mary"), ago(92*time.Minute), ticket.ChannelWeb)
	w.begin(problemOf("checkout", ""), who("grace"), ago(42*time.Minute), ticket.ChannelMail)

	// Ada was asked something.
	s := w.begin(problemOf("broken-screen", ""), who("ada"), ago(26*time.Hour), ticket.ChannelWeb)
	w.lines[len(w.lines)-1].File = "screen.png"
	agents(s, 25*time.Hour, ticket.Action{Name: ticket.ActionTake})
	agents(s, 24*time.Hour, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(s.p.Note)})
	agents(s, 23*time.Hour, ticket.Action{Name: ticket.ActionAsk, Message: ticket.Message(s.p.Ask)})

	// Ada's next question went up, and she answered again.
	s = w.begin(problemOf("battery", ""), who("ada"), ago(75*time.Hour), ticket.ChannelMail)
	agents(s, 74*time.Hour, ticket.Action{Name: ticket.ActionTake})
	agents(s, 73*time.Hour, ticket.Action{Name: ticket.ActionAsk, Message: ticket.Message(s.p.Ask)})
	s.at = ago(50 * time.Hour)
	s.does("customer", ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Answer), Channel: ticket.ChannelMail}).File = "device.log"
	agents(s, 49*time.Hour, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(s.p.Note)})
	agents(s, 48*time.Hour, ticket.Action{Name: ticket.ActionEscalate, Note: ticket.Note(s.p.Up)})
	agents(s, 30*time.Hour, ticket.Action{Name: ticket.ActionTake})
	agents(s, 29*time.Hour, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Reply)})
	s.at = ago(3 * time.Hour)
	s.does("customer", ticket.Action{Name: ticket.ActionReply, Message: "The log is attached. It is quite long.", Channel: ticket.ChannelMail}).File = "device.log"

	// Hers and Anneke's third were solved, and both can say whether they are.
	for _, c := range []struct{ who, tag, lang string }{{"ada", "invoice", ""}, {"anneke", "invoice", "de"}} {
		s = w.begin(problemOf(c.tag, c.lang), who(c.who), ago(30*time.Hour), ticket.ChannelWeb)
		agents(s, 29*time.Hour, ticket.Action{Name: ticket.ActionTake})
		agents(s, 5*time.Hour, ticket.Action{Name: ticket.ActionResolve, Message: ticket.Message(s.p.Solution), Reason: "solved"})
	}

	// Jonas has one at work, and one that is new.
	s = w.begin(problemOf("refund", "de"), who("jonas"), ago(51*time.Hour), ticket.ChannelWeb)
	agents(s, 50*time.Hour, ticket.Action{Name: ticket.ActionTake})
	agents(s, 49*time.Hour, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.p.Reply)})
	w.begin(problemOf("no-power", "de"), who("jonas"), ago(20*time.Minute), ticket.ChannelWeb)
}
