package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Mails is the incoming mail of the desk, for the pages that show held mail. *mailbox.Intake of
// module mailbox implements it.
type Mails interface {
	// Mails returns the mails of the actor's tenant that match, newest first.
	Mails(ctx context.Context, a ticket.Actor, q ticket.MailQuery) ([]ticket.Mail, error)
	// Raw returns the bytes of a mail. The caller closes them.
	Raw(ctx context.Context, a ticket.Actor, id ticket.ID) (io.ReadCloser, error)
	// Release takes a mail again and lets it pass the limits on senders and equal texts.
	Release(ctx context.Context, a ticket.Actor, id ticket.ID) error
	// Retake takes a mail again, with all rules.
	Retake(ctx context.Context, a ticket.Actor, id ticket.ID) error
	// Forget removes a settled mail.
	Forget(ctx context.Context, a ticket.Actor, id ticket.ID) error
}

// mailTabs are the states that the page of mails offers. The first one is the one that is opened.
var mailTabs = []ticket.MailState{ticket.MailHeld, ticket.MailIgnored, ticket.MailPending, ticket.MailDone, ticket.MailRepeated}

var mailClasses = map[ticket.MailState]string{ticket.MailHeld: "warn", ticket.MailDone: "ok", ticket.MailPending: "open"}

// mailsOnPage is how many mails a page lists.
const mailsOnPage = 50

// mailsData is the data of figures_mails.html.
type mailsData struct {
	State ticket.MailState
	Tabs  []tabItem
	Rows  []mailRow
	Next  string
	Note  string
}

type mailRow struct {
	ID        string
	From      string
	Subject   string // of a list; empty if it was not read
	Mailbox   string
	Arrived   time.Time
	Size      int64
	State     string
	Class     string
	Reason    string
	Number    ticket.Number
	CanAgain  bool
	CanForget bool
	Erased    bool
}

// mailData is the data of figures_mail.html.
type mailData struct {
	mailRow
	To       []string
	Facts    [][2]string // what was found, in words
	Notes    []string
	Evidence []evidenceView
	Head     [][2]string // lines of its header
	Text     string
	Cut      bool // the text goes on
	FromHTML bool // the text was taken out of HTML
	Files    []string
	Broken   bool // the bytes cannot be read
}

type evidenceView struct {
	Kind, Where string
	Number      ticket.Number
}

// mailExplanation is what the page needs of the JSON form of an explanation of module mailbox.
type mailExplanation struct {
	Outcome   string        `json:"outcome"`
	Notes     []string      `json:"notes"`
	Number    ticket.Number `json:"number"`
	Sender    string        `json:"sender"`
	Agent     string        `json:"agent"`
	Trust     string        `json:"trust"`
	Automatic string        `json:"automatic"`
	Quiet     string        `json:"quiet"`
	Evidence  []struct {
		Kind   string        `json:"kind"`
		Where  string        `json:"where"`
		Number ticket.Number `json:"number"`
	} `json:"evidence"`
	Suggested []string `json:"suggested"`
}

// listMails lists the mails in a state.
func (c *Console) listMails(p *page) error {
	q := ticket.MailQuery{States: mailTabs[:1], Limit: mailsOnPage + 1}
	if s := ticket.MailState(p.query("state")); slices.Contains(mailTabs, s) {
		q.States = []ticket.MailState{s}
	}
	if at, err := time.Parse(time.RFC3339Nano, p.query("before")); err == nil {
		if id, err := ticket.ParseID(p.query("id")); err == nil {
			q.Before, q.BeforeID = at, id
		}
	}
	list, err := c.mails.Mails(p.ctx(), p.actor, q)
	if err != nil {
		return err
	}
	d := p.mailsData(q.States[0])
	if len(list) > mailsOnPage {
		list = list[:mailsOnPage]
		last := &list[mailsOnPage-1]
		next := url.Values{"state": {string(d.State)}, "before": {last.Arrived.Format(time.RFC3339Nano)}, "id": {last.ID.String()}}
		d.Next = p.link("mails") + "?" + next.Encode()
	}
	for i := range list {
		row, err := c.mailRow(p, &list[i])
		if err != nil {
			return err
		}
		d.Rows = append(d.Rows, row)
	}
	c.subjects(p, list, d.Rows)
	return p.render(http.StatusOK, "figures_mails.html", d)
}

// subjectTime bounds how long the subjects of a list are read. A row without one has its sender.
const subjectTime = 500 * time.Millisecond

// subjects adds the subjects of mails. They are in the bytes of the mails only.
func (c *Console) subjects(p *page, list []ticket.Mail, rows []mailRow) {
	ctx, cancel := context.WithTimeout(p.ctx(), subjectTime)
	defer cancel()
	for i := range list {
		if list[i].Erased() {
			continue
		}
		raw, err := c.mails.Raw(ctx, p.actor, list[i].ID)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = raw.Close() // nothing was read
			}
			return
		case err != nil:
			continue // the page of the mail says it
		}
		rows[i].Subject = mailSubject(raw)
		_ = raw.Close() // it was only read
	}
}

func (p *page) mailsData(state ticket.MailState) mailsData {
	d := mailsData{State: state}
	for _, s := range mailTabs {
		d.Tabs = append(d.Tabs, tabItem{p.wordOf("mail", string(s)), p.link("mails") + "?state=" + string(s), s == state})
	}
	if did := p.query("did"); slices.Contains([]string{"release", "retake", "forget"}, did) {
		d.Note = p.say("figures.mail_did." + did)
	}
	return d
}

func (c *Console) mailRow(p *page, m *ticket.Mail) (mailRow, error) {
	r := p.mailRow(m)
	if m.Ticket.IsZero() {
		return r, nil
	}
	t, err := c.site.desk.Get(p.ctx(), p.actor, m.Ticket)
	if err != nil && !errors.Is(err, ticket.ErrNotFound) {
		return r, err
	}
	r.Number = t.Number
	return r, nil
}

func (p *page) mailRow(m *ticket.Mail) mailRow {
	again := m.State == ticket.MailHeld || m.State == ticket.MailIgnored
	r := mailRow{
		ID: m.ID.String(), From: m.Author, Mailbox: m.Mailbox, Arrived: m.Arrived, Size: m.Size, State: p.wordOf("mail", string(m.State)), Class: mailClasses[m.State],
		Reason: m.Reason, CanAgain: again && !m.Erased(), CanForget: m.State != ticket.MailPending, Erased: m.Erased(),
	}
	if r.From == "" {
		r.From = m.From
	}
	if r.From == "" {
		r.From = p.say("figures.no_sender")
	}
	return r
}

// mail returns the mail of the address.
func (c *Console) mail(p *page) (ticket.Mail, error) {
	id, err := ticket.ParseID(p.arg("id"))
	if err != nil {
		return ticket.Mail{}, ticket.ErrNotFound
	}
	list, err := c.mails.Mails(p.ctx(), p.actor, ticket.MailQuery{IDs: []ticket.ID{id}, Limit: 1})
	if err != nil {
		return ticket.Mail{}, err
	}
	if len(list) == 0 {
		return ticket.Mail{}, ticket.ErrNotFound
	}
	return list[0], nil
}

// showMail shows a mail with the reasons for what became of it. Its words are a stranger's, so
// they are shown as text.
func (c *Console) showMail(p *page) error {
	m, err := c.mail(p)
	if err != nil {
		return err
	}
	d := mailData{To: m.To}
	if d.mailRow, err = c.mailRow(p, &m); err != nil {
		return err
	}
	p.explainMail(&d, m.Explained)
	if !m.Erased() {
		raw, err := c.mails.Raw(p.ctx(), p.actor, m.ID)
		if err != nil {
			d.Broken = true
			p.s.log(p.ctx(), "web: the bytes of a mail cannot be read", err)
		} else {
			read := readMail(raw)
			_ = raw.Close() // it was only read
			d.Text, d.Cut, d.FromHTML, d.Files, d.Broken = read.text, read.cut, read.fromHTML, read.files, read.broken
			for _, h := range read.head {
				d.Head = append(d.Head, [2]string{p.wordOf("mail_head", h[0]), h[1]})
			}
		}
	}
	return p.render(http.StatusOK, "figures_mail.html", d)
}

// explainMail adds what the intake has found.
func (p *page) explainMail(d *mailData, explained []byte) {
	var x mailExplanation
	if json.Unmarshal(explained, &x) != nil {
		return
	}
	for _, f := range [...][2]string{
		{"outcome", x.Outcome}, {"sender", x.Sender}, {"agent", x.Agent}, {"trust", x.Trust}, {"automatic", x.Automatic}, {"quiet", x.Quiet},
		{"suggested", strings.Join(x.Suggested, ", ")},
	} {
		if f[1] != "" {
			value := f[1]
			if f[0] == "outcome" {
				value = p.wordOf("outcome", value)
			}
			d.Facts = append(d.Facts, [2]string{p.say("figures.mail_fact." + f[0]), value})
		}
	}
	d.Notes = x.Notes
	for _, e := range x.Evidence {
		d.Evidence = append(d.Evidence, evidenceView{p.wordOf("evidence", e.Kind), e.Where, e.Number})
	}
}

// actOnMail releases, retakes or forgets a mail.
func (c *Console) actOnMail(p *page) error {
	form, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	action, err := form.one("do")
	if err != nil {
		return err
	}
	m, err := c.mail(p)
	if err != nil {
		return err
	}
	switch action {
	case "release":
		err = c.mails.Release(p.ctx(), p.actor, m.ID)
	case "retake":
		err = c.mails.Retake(p.ctx(), p.actor, m.ID)
	case "forget":
		err = c.mails.Forget(p.ctx(), p.actor, m.ID)
	default:
		return badForm("no such action on a mail")
	}
	if errors.Is(err, ticket.ErrClaimLost) || errors.Is(err, ticket.ErrInvalid) && m.State != ticket.MailHeld && m.State != ticket.MailIgnored {
		return &fault{status: http.StatusConflict, key: "conflict"} // somebody else took it
	}
	if err != nil {
		return err
	}
	return p.redirect("mails", url.Values{"state": {string(m.State)}, "did": {action}})
}

// mailExamples are fixtures of figures_mails.html and figures_mail.html.
func mailExamples(s *site) (lists, mails []any) {
	p := s.example("en")
	row := p.mailRow(&ticket.Mail{Mailbox: "support", Author: "ada@example.com", Arrived: p.now, Size: 1000, State: ticket.MailHeld, Reason: "too many"})
	row.CanAgain, row.Erased, row.Number = true, false, "7Q4K92MXF"
	full := p.mailsData(ticket.MailHeld)
	row.Subject = "Printer"
	full.Rows, full.Next, full.Note = []mailRow{row, p.mailRow(&ticket.Mail{State: ticket.MailIgnored, Arrived: p.now})}, "mails?state=held", "forgotten"
	one := mailData{mailRow: row, To: []string{"help@example.org"}, Text: "Hello", Cut: true, FromHTML: true, Files: []string{"a.pdf"}, Head: [][2]string{{"Subject", "Printer"}}}
	p.explainMail(&one, []byte(`{"outcome":"held","notes":["a note"],"trust":"unknown","evidence":[{"kind":"number","where":"subject","number":"7Q4K92MXF"}]}`))
	return []any{full, p.mailsData(ticket.MailDone)}, []any{one, mailData{mailRow: p.mailRow(&ticket.Mail{State: ticket.MailDone}), Broken: true}}
}
