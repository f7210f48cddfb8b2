package letter

import (
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Data is what a template is executed on. Everything in it is text that is
// ready to be shown: one line where it is one, times and sizes in the manner of
// the recipient's language and zone. What is not known is empty.
type Data struct {
	Desk     string // Config.Desk
	Language string // of the letter, such as "de"

	Kind     ticket.Kind
	Number   ticket.Number
	Tenant   string
	Subject  string   // of the ticket
	Message  string   // what was written; lines end in a line feed
	Lines    []string // the lines of the message
	Files    []File
	Phase    ticket.Phase // after the event
	With     string       // who has the ticket now, as the workflow calls it
	Writer   string       // who wrote
	Into     ticket.Number
	At       string // when it happened
	Expected string // when an answer can be expected
	Reopen   string // until when a reply reopens the ticket

	Name     string // of the recipient, where it is fit for a greeting
	Follower bool   // the recipient follows the ticket of another
	Agent    bool   // the recipient is an agent or a queue
	Queue    string // of a recipient that is a queue
	Level    int    // of a recipient that is a queue
	Link     string // a page about the ticket: the status link, or for agents Config.AgentURL; http or https
	NoReply  bool   // Config.NoReply
}

// File is a file that came with the event.
type File struct {
	Name   string // without a path
	Size   string // such as "1.5 MB"
	SHA256 string // in hexadecimal; empty: not known
	Time   string // when it arrived
}

// The most characters of what stands on one line.
const (
	mostSubject = 150
	mostName    = 200
)

func (l *Letters) data(n ticket.Notification, at locale) Data {
	d := Data{
		Desk: l.cfg.Desk, Language: at.lang,
		Kind: n.Kind, Number: n.Number, Tenant: n.Tenant,
		Subject: Line(n.Subject, mostSubject), Message: words(string(n.Message)),
		Phase: n.Phase, With: Line(n.With, mostName), Writer: greeted(n.Writer), Into: n.Into,
		At: at.time(n.At, n.Zone), Expected: at.time(n.Expected, n.Zone), Reopen: at.time(n.ReopenUntil, n.Zone),
		Name: greeted(n.To.Person.Name), Follower: n.To.Role == ticket.RoleFollower,
		Queue: Line(n.To.Queue, mostName), Level: n.To.Level,
		Link: link(n.StatusLink), NoReply: l.cfg.NoReply,
	}
	if d.Agent = agent(n.To); d.Agent {
		d.Link = ""
		if l.cfg.AgentURL != nil {
			d.Link = link(l.cfg.AgentURL(n))
		}
	}
	if strings.TrimSpace(d.Message) != "" {
		d.Lines = strings.Split(d.Message, "\n")
	} else {
		d.Message = ""
	}
	for _, a := range n.Attachments {
		f := File{Name: Line(a.Name, mostName), Size: at.size(a.Size), Time: d.At}
		if !a.SHA256.IsZero() {
			f.SHA256 = a.SHA256.String()
		}
		d.Files = append(d.Files, f)
	}
	return d
}

// kept stands in empty lines of the words while a text is put into shape. No words
// have it, since they have no control characters.
const kept = "\x00"

// keepingLines are the data for a text that is put into shape, whose words keep
// their empty lines.
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
