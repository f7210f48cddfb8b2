package letter

import (
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Data is what templates are executed on. All its text is ready to show: subjects and
// names are one line, and times and sizes are in the language and zone of the recipient.
// Unknown values are empty.
type Data struct {
	Desk     string // Config.Desk
	Language string // of the letter, such as "de"

	Kind     ticket.Kind
	Number   ticket.Number
	Tenant   string
	Subject  string   // of the ticket
	Message  string   // the words of the event; lines end in a line feed
	Lines    []string // the lines of the message
	Files    []File
	Phase    ticket.Phase  // after the event
	With     string        // the level that has the ticket, as the workflow names it
	Writer   string        // the name of the author
	Into     ticket.Number // of the ticket that this one was merged into
	At       string        // the time of the event
	Expected string        // the time by which to expect an answer
	Metric   string        // of a target that is due soon or overdue: "first answer", "next answer", "update", "solution" or "level"
	Due      string        // when that target is or was due; empty for a customer if Metric is "level"
	Score    int           // of a rating: 1 to 5; 0 if there is none
	Reopen   string        // the last time at which a reply reopens the ticket

	Name     string // of the recipient, if fit for a greeting
	Follower bool   // the recipient is a follower
	Agent    bool   // the recipient is an agent or a queue
	Queue    string // of a recipient that is a queue
	Level    int    // of a recipient that is a queue
	Link     string // a page about the ticket: the status link, or for agents Config.AgentURL; http or https
	NoReply  bool   // Config.NoReply
	AnswerTo string // for agents: the address for answers to the customer; see Config.AnswerTo
}

// File is a file of the event.
type File struct {
	Name   string // without a path
	Size   string // such as "1.5 MB"
	SHA256 string // in hexadecimal; empty if unknown
	Time   string // when it arrived
}

// metricLevel is the metric of the time that a ticket stays at one level.
const metricLevel = "level"

// The maximum length of single lines, in characters.
const (
	maxSubject = 150
	maxName    = 200
	maxAddress = 254
)

func (l *Letters) data(n ticket.Notification, at locale) Data {
	d := Data{
		Desk: l.cfg.Desk, Language: at.lang,
		Kind: n.Kind, Number: n.Number, Tenant: n.Tenant,
		Subject: Line(n.Subject, maxSubject), Message: words(string(n.Message)),
		Phase: n.Phase, With: Line(n.With, maxName), Writer: greeted(n.Writer), Into: n.Into,
		At: at.time(n.At, n.Zone), Expected: at.time(n.Expected, n.Zone), Reopen: at.time(n.ReopenUntil, n.Zone),
		Metric: n.Metric, Due: at.time(n.Due, n.Zone), Score: n.Score,
		Name: greeted(n.To.Person.Name), Follower: n.To.Role == ticket.RoleFollower,
		Queue: Line(n.To.Queue, maxName), Level: n.To.Level,
		Link: link(n.StatusLink), NoReply: l.cfg.NoReply,
	}
	if d.Agent = agent(n.To); d.Agent {
		d.Link = ""
		if l.cfg.AgentURL != nil {
			d.Link = link(l.cfg.AgentURL(n))
		}
		if l.cfg.AnswerTo != nil {
			d.AnswerTo = Line(l.cfg.AnswerTo(n), maxAddress)
		}
	} else if n.Metric == metricLevel {
		d.Due = "" // levels are not promised to customers
	}
	if strings.TrimSpace(d.Message) != "" {
		d.Lines = strings.Split(d.Message, "\n")
	} else {
		d.Message = ""
	}
	for _, a := range n.Attachments {
		f := File{Name: Line(a.Name, maxName), Size: at.size(a.Size), Time: d.At}
		if !a.SHA256.IsZero() {
			f.SHA256 = a.SHA256.String()
		}
		d.Files = append(d.Files, f)
	}
	return d
}

// kept marks the empty lines of a message while a text is formatted. Messages cannot
// contain it: they have no control characters.
const kept = "\x00"

// keepingLines returns the data for a text template. In its message, kept stands for
// every empty line.
func (d Data) keepingLines() Data {
	if len(d.Lines) == 0 {
		return d
	}
	d.Lines = slices.Clone(d.Lines)
	for i, line := range d.Lines {
		if strings.TrimSpace(line) == "" {
			d.Lines[i] = kept
		}
	}
	d.Message = strings.Join(d.Lines, "\n")
	return d
}

// agent reports whether the recipient gets the letters for agents.
func agent(r ticket.Recipient) bool { return r.Role&ticket.RoleCustomer == 0 }
