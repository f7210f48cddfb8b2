package ticket

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// PersonalData is what a desk has about a customer; see [Desk.PersonalData]. It has a stable
// JSON form, for a copy in a machine-readable format.
type PersonalData struct {
	Person  Person           `json:"person"` // as it was asked for
	At      time.Time        `json:"at"`
	Tickets []PersonalTicket `json:"tickets,omitempty"` // by their creation
	Mails   []PersonalMail   `json:"mails,omitempty"`   // by their arrival
}

// PersonalTicket is the part of a ticket that is about a customer.
type PersonalTicket struct {
	Number  Number    `json:"number"`
	Created time.Time `json:"created"`
	Phase   Phase     `json:"phase"`
	// Roles says what the person is or was on the ticket: "requester", "follower", "author" of
	// a message that was copied to it, or "recipient" of a notification.
	Roles []string `json:"roles,omitempty"`
	// Persons are the forms in which the person stands in the history, the first one first.
	Persons []Person `json:"persons,omitempty"`
	// Subject and Fields are given if the person is the requester.
	Subject  string            `json:"subject,omitempty"`
	Fields   Fields            `json:"fields,omitempty"`
	Messages []PersonalMessage `json:"messages,omitempty"`
	// Notes are internal texts on the person's own tickets; only if they were asked for.
	Notes      []PersonalMessage  `json:"notes,omitempty"`
	Deliveries []PersonalDelivery `json:"deliveries,omitempty"`
}

// PersonalMessage is a message that the person wrote or may read, what the person wrote with a
// rating, or a note.
type PersonalMessage struct {
	At    time.Time `json:"at"`
	By    string    `json:"by"` // "you", "desk" or "another customer"
	Text  string    `json:"text,omitempty"`
	Files []string  `json:"files,omitempty"` // their names
	// MessageID is that of the person's own mail that brought it; see [Action].MessageID.
	MessageID string `json:"message_id,omitempty"`
}

// PersonalDelivery is a notification to the person.
type PersonalDelivery struct {
	Kind    Kind          `json:"kind"`
	Via     string        `json:"via,omitempty"`
	To      string        `json:"to"` // the address, the ID or the telephone number
	Created time.Time     `json:"created"`
	State   DeliveryState `json:"state"`
	Settled time.Time     `json:"settled,omitzero"`
}

// PersonalMail is a mail that the person wrote. Its bytes are in the [FileStore].
type PersonalMail struct {
	Arrived   time.Time `json:"arrived"`
	Mailbox   string    `json:"mailbox"`
	From      string    `json:"from,omitempty"`   // the sender of the envelope
	Author    string    `json:"author,omitempty"` // the address in its header From
	To        []string  `json:"to,omitempty"`     // the recipients of the envelope
	MessageID string    `json:"message_id,omitempty"`
	Size      int64     `json:"size"` // in bytes
	State     MailState `json:"state"`

	id ID
}

func (m *PersonalMail) compare(o *PersonalMail) int {
	return cmp.Or(m.Arrived.Compare(o.Arrived), m.id.Compare(o.id))
}

// WriteHTML writes the data as a readable page in English, without scripts, styles or
// references to anything outside of it. Times are in the given zone; nil means UTC.
func (p PersonalData) WriteHTML(w io.Writer, in *time.Location) error {
	if in == nil {
		in = time.UTC
	}
	at := func(t time.Time) string { return t.In(in).Format("2006-01-02 15:04 MST") }
	var b strings.Builder
	line := func(format string, args ...any) {
		for i, a := range args {
			args[i] = html.EscapeString(fmt.Sprint(a))
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Personal data</title></head>\n<body>\n<h1>Personal data</h1>")
	line("<p>%s, as of %s. Tickets: %s.</p>", p.Person.describe(), at(p.At), len(p.Tickets))
	for i := range p.Tickets {
		t := &p.Tickets[i]
		line("<h2>%s</h2>", strings.TrimSpace(string(t.Number)+" "+t.Subject))
		line("<p>Opened %s, %s. Your part: %s.</p>", at(t.Created), t.Phase, strings.Join(t.Roles, ", "))
		for _, one := range t.Persons {
			line("<p>Recorded as %s.</p>", one.describe())
		}
		if len(t.Fields) > 0 {
			line("<table>")
			for _, k := range sortedKeys(t.Fields) {
				v := t.Fields[k]
				if when, is := v.(time.Time); is {
					v = at(when)
				}
				line("<tr><th>%s</th><td>%v</td></tr>", k, v)
			}
			line("</table>")
		}
		for _, part := range [...]struct {
			title string
			list  []PersonalMessage
		}{{"Messages", t.Messages}, {"Internal notes", t.Notes}} {
			if len(part.list) == 0 {
				continue
			}
			line("<h3>%s</h3>", part.title)
			for _, m := range part.list {
				line("<p><b>%s, %s</b></p>\n<pre>%s</pre>", at(m.At), m.By, m.Text)
				for _, f := range m.Files {
					line("<p>File: %s</p>", f)
				}
				if m.MessageID != "" {
					line("<p>Message-ID: %s</p>", m.MessageID)
				}
			}
		}
		if len(t.Deliveries) > 0 {
			line("<h3>Notifications</h3>\n<table>\n<tr><th>Time</th><th>What</th><th>To</th><th>Result</th></tr>")
			for _, d := range t.Deliveries {
				line("<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", at(d.Created), d.Kind, d.To, d.State)
			}
			line("</table>")
		}
	}
	if len(p.Mails) > 0 {
		line("<h2>Mails</h2>\n<table>\n<tr><th>Time</th><th>From</th><th>To</th><th>Message-ID</th><th>Bytes</th><th>Result</th></tr>")
		for i := range p.Mails {
			m := &p.Mails[i]
			line("<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", at(m.Arrived), cmp.Or(m.Author, m.From),
				cmp.Or(strings.Join(m.To, ", "), m.Mailbox), m.MessageID, m.Size, m.State)
		}
		line("</table>")
	}
	line("</body>\n</html>")
	_, err := io.WriteString(w, b.String())
	return err
}

// describe returns everything that is known about a person, in words.
func (p Person) describe() string {
	var parts []string
	for _, f := range [...]struct{ what, is string }{
		{"", p.Name}, {"", p.Email}, {"telephone ", p.Phone}, {"ID ", p.ID}, {"organisation ", p.Organisation},
		{"language ", p.Locale}, {"time zone ", p.Zone},
	} {
		if f.is != "" {
			parts = append(parts, f.what+f.is)
		}
	}
	return strings.Join(parts, ", ")
}
