package web

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A place is a ticket as its reader reaches it: signed in, or by a status link.
type place struct {
	actor ticket.Actor
	ref   string // for Track; empty for a link
	path  string // of the page, below the mount point
	link  bool
}

func (c *Customer) place(p *page) (place, error) {
	if token := p.arg("token"); token != "" {
		return place{actor: ticket.StatusLinkHolder(token).InTenant(p.actor.Tenant), path: "t/" + url.PathEscape(token), link: true}, nil
	}
	if !p.SignedIn() {
		return place{}, &fault{status: http.StatusForbidden, key: "sign_in"}
	}
	return place{actor: p.actor, ref: p.arg("number"), path: "tickets/" + url.PathEscape(p.arg("number"))}, nil
}

// track returns the customer's view. It also finds out whether the reader may send files.
func (c *Customer) track(p *page, at place) (v ticket.View, files bool, err error) {
	v, err = c.site.desk.Track(p.ctx(), at.actor, at.ref)
	if err != nil {
		return v, false, err
	}
	if files = c.files; files && at.link {
		_, err := c.site.desk.Attach(p.ctx(), at.actor, "", "", nil)
		files = !errors.Is(err, ticket.ErrRefused)
	}
	return v, files, nil
}

// ticketData is the data of customer_ticket.html.
type ticketData struct {
	View     ticket.View
	Steps    []step
	Promise  promise
	Path     string // of the page: addresses of files begin with it
	ByLink   bool
	Older    bool          // the messages are not the newest
	Done     string        // what the reader has just done, for the text done.DONE
	FollowUp ticket.Number // the new ticket that came of it
	Form     replyData
}

// A step is a part of the progress line.
type step struct {
	Phase string // for the text phase.PHASE
	Done  bool
	Now   bool
}

// A promise says when to expect what.
type promise struct {
	Key   string // the texts promise.KEY and promise.KEY.more; empty if nothing is promised
	At    time.Time
	First time.Time // what was promised first, if that was another time
}

// replyData is the form of a ticket's page.
type replyData struct {
	Key     string
	Message string
	Upload  uploadData
	Errors  []formError

	Reply, Confirm, Reopen, Cancel, Rate bool

	Others []button // actions of your own workflow

	Score   string
	Comment string
}

// Any reports whether there is anything to do.
func (d replyData) Any() bool {
	return d.Reply || d.Confirm || d.Reopen || d.Cancel || len(d.Others) > 0
}

// Error returns what is wrong with a field, or nothing.
func (d replyData) Error(field string) string { return formData{Errors: d.Errors}.Error(field) }

func (c *Customer) ticket(p *page) error {
	at, err := c.place(p)
	if err != nil {
		return err
	}
	v, files, err := c.track(p, at)
	if err != nil {
		return err
	}
	d := c.ticketPage(p, at, v, files)
	if before := p.query("before"); before != "" {
		d.View.Messages, d.View.Earlier, err = c.site.desk.Messages(p.ctx(), at.actor, at.ref, ticket.Cursor(before))
		if errors.Is(err, ticket.ErrInvalid) {
			return ticket.ErrNotFound
		}
		if err != nil {
			return err
		}
		d.Older = true
	}
	if done := ticket.ActionName(p.query("done")); slices.Contains(built, done) || slices.Contains(c.others, done) {
		if d.Done = wordKey("", string(done)); !p.Has("done." + d.Done) {
			d.Done = "other"
		}
		if n := p.query("number"); plainNumber.MatchString(n) {
			d.FollowUp = ticket.Number(n)
		}
	}
	return p.render(http.StatusOK, "customer_ticket.html", d)
}

// plainNumber is what a number of any form may look like on a page.
var plainNumber = regexp.MustCompile(`^[A-Za-z0-9/._-]{1,40}$`)

func (c *Customer) ticketPage(p *page, at place, v ticket.View, files bool) ticketData {
	d := ticketData{View: v, Steps: steps(v.Phase), Promise: promiseOf(p, &v), Path: at.path, ByLink: at.link}
	can := func(a ticket.ActionName) bool { return slices.Contains(v.Actions, a) }
	d.Form = replyData{
		Key: newKey(), Upload: c.uploads(), Reply: can(ticket.ActionReply), Confirm: can(ticket.ActionConfirm),
		Reopen: can(ticket.ActionReopen), Cancel: can(ticket.ActionCancel), Rate: can(ticket.ActionRate),
	}
	for _, a := range c.others {
		if can(a) {
			d.Form.Others = append(d.Form.Others, button{Action: string(a), Label: actionName(p, a)})
		}
	}
	d.Form.Upload.Files = files && d.Form.Reply
	return d
}

// steps returns the progress line of a phase.
func steps(phase ticket.Phase) []step {
	if phase == ticket.PhaseYourTurn {
		phase = ticket.PhaseInProgress
	}
	way := []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress, ticket.PhaseSolved, ticket.PhaseClosed}
	here := slices.Index(way, phase)
	var list []step
	for i, ph := range way {
		list = append(list, step{Phase: phaseKey(ph), Done: i <= here, Now: i == here})
	}
	return list
}

func phaseKey(ph ticket.Phase) string { return strings.ReplaceAll(string(ph), " ", "_") }

func promiseOf(p *page, v *ticket.View) promise {
	switch {
	case v.Phase == ticket.PhaseYourTurn:
		return promise{Key: "your_turn"}
	case v.Phase.Done() || v.Expected.IsZero():
		return promise{}
	case p.Late(v.Expected):
		return promise{Key: "late", At: v.Expected}
	case v.Promised.IsZero() || v.Promise != "open":
		return promise{Key: "next", At: v.Expected}
	case v.Promised.Equal(v.Expected):
		return promise{Key: "holds", At: v.Expected, First: v.Promised}
	}
	return promise{Key: "moved", At: v.Expected, First: v.Promised}
}

// Level returns who has the ticket, in the reader's language.
func (p *page) Level(with string) string { return p.label("with."+with, with) }

// act does what a button of the page says. A reply is always welcome. Every other action is
// pinned to the version that the reader saw, so that nobody agrees to a solution that has changed
// since. A form without a version, of a template of your application, is not pinned.
func (c *Customer) act(p *page) error {
	at, err := c.place(p)
	if err != nil {
		return err
	}
	v, files, err := c.track(p, at)
	if err != nil {
		return err
	}
	up := &uploader{c: c, p: p, actor: at.actor}
	if at.link { // whoever has it, from wherever
		up.limit = "ticket " + v.ID.String()
	}
	options := formOptions{most: c.cfg.MaxUpload}
	if files {
		options.file = up.take
	}
	f, tooLarge := p.readForm(options)
	if f == nil {
		return tooLarge
	}
	d := c.ticketPage(p, at, v, files)
	name, err := d.Form.fill(f, c.others)
	if err != nil && tooLarge == nil { // of a form that is too large, the button was not read
		return err
	}
	list, gone := c.kept(p, f)
	list = append(list, up.files...)
	d.Form.Upload.Kept, d.Form.Errors = c.keep(p, list), up.errors
	again := func(status int) error {
		d.Form.Upload.Error = d.Form.Error("files")
		return p.render(status, "customer_ticket.html", d)
	}
	fail := func(field, key string, values ...any) {
		d.Form.Errors = append(d.Form.Errors, formError{field, p.say(key, values...)})
	}
	if tooLarge != nil {
		fail("files", "form.too_large", "size", p.Bytes(c.cfg.MaxUpload))
		p.w.Header().Set("Connection", "close") // the rest is not read
		return again(http.StatusRequestEntityTooLarge)
	}
	if gone {
		fail("files", "form.files_gone")
	}
	if len(list) > c.cfg.MaxFiles && files {
		fail("files", "form.many_files", "n", c.cfg.MaxFiles)
	}
	if name == ticket.ActionRate {
		return c.rate(p, at, &d, again)
	}
	if name == ticket.ActionReply && strings.TrimSpace(d.Form.Message) == "" && len(list) == 0 && len(d.Form.Errors) == 0 {
		fail("message", "reply.need_message")
	}
	if len(d.Form.Errors) > 0 {
		return again(up.status())
	}
	act := ticket.Action{
		Name: name, Message: ticket.Message(d.Form.Message), Attachments: list,
		Channel: ticket.ChannelWeb, Key: formKey(d.Form.Key, string(name)),
	}
	if name != ticket.ActionReply {
		if act.Version, err = seenVersion(f); err != nil {
			return err
		}
	}
	if !c.opens.allow(up.limit, p.now) {
		fail("", "form.too_many")
		return again(http.StatusTooManyRequests)
	}
	t, err := c.site.desk.Do(p.ctx(), at.actor, v.ID, act)
	if dup, ok := errors.AsType[*ticket.DuplicateError](err); ok && dup.Reused {
		d.Form.Key = newKey()
		fail("", "form.sent_before")
		return again(http.StatusConflict)
	}
	switch {
	case errors.Is(err, ticket.ErrStale):
		now, files, err := c.track(p, at)
		if err != nil {
			return err
		}
		was := d.Form
		d = c.ticketPage(p, at, now, files)
		d.Form.Message, d.Form.Upload.Kept = was.Message, was.Upload.Kept
		fail("", "reply.changed")
		return again(http.StatusConflict)
	case errors.Is(err, ticket.ErrInvalid) && strings.TrimSpace(d.Form.Message) == "": // the workflow needs words
		fail("message", "reply.need_message")
		return again(http.StatusUnprocessableEntity)
	case errors.Is(err, ticket.ErrInvalid):
		fail("message", "form.unfit")
		return again(http.StatusUnprocessableEntity)
	case errors.Is(err, ticket.ErrRefused): // perhaps the desk has moved the ticket meanwhile
		fail("", "reply.refused")
		return again(http.StatusConflict)
	case errors.Is(err, ticket.ErrStatusLink), errors.Is(err, ticket.ErrNotFound):
		return err
	case err != nil:
		status, text := p.trouble(err)
		d.Form.Errors = append(d.Form.Errors, formError{"", text})
		return again(status)
	}
	done := url.Values{"done": {string(name)}}
	if t.ID == v.ID {
		return p.redirect(at.path, done)
	}
	done.Set("number", string(t.Number))
	if at.link { // it shows its own ticket only
		return p.redirect(at.path, done)
	}
	return p.redirect("tickets/"+url.PathEscape(string(t.Number)), done)
}

// built are the actions that the page has buttons of its own for.
var built = []ticket.ActionName{ticket.ActionReply, ticket.ActionConfirm, ticket.ActionReopen, ticket.ActionCancel, ticket.ActionRate}

// customersActions returns the other actions that workflows let customers do, and that need no more
// than the form asks for.
func customersActions(workflows []*ticket.Workflow) (list []ticket.ActionName) {
	for _, w := range workflows {
		for _, t := range w.Spec().Transitions {
			n := t.Needs
			n.Message, n.Words = false, false
			if t.By&ticket.RoleCustomer != 0 && n == (ticket.Inputs{}) && !slices.Contains(built, t.Action) {
				list = append(list, t.Action)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// fill puts what was sent into the form, and returns the action of the button.
func (d *replyData) fill(f *form, others []ticket.ActionName) (ticket.ActionName, error) {
	var name, key string
	for field, to := range map[string]*string{"action": &name, "key": &key, "message": &d.Message, "score": &d.Score, "comment": &d.Comment} {
		v, err := f.one(field)
		if err != nil {
			return "", err
		}
		*to = v
	}
	if len(key) > 64 {
		return "", badForm("the key of a form is too long")
	}
	if key != "" {
		d.Key = key
	}
	if a := ticket.ActionName(name); slices.Contains(built, a) || slices.Contains(others, a) {
		return a, nil
	}
	return "", badForm("a form has no action")
}

// seenVersion returns the version of the ticket that the sender of a form saw. Zero means that
// the form does not say.
func seenVersion(f *form) (int64, error) {
	text, err := f.one("version")
	if err != nil || text == "" {
		return 0, err
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 1 {
		return 0, badForm("a form has no valid version")
	}
	return v, nil
}

func (c *Customer) rate(p *page, at place, d *ticketData, again func(int) error) error {
	score, err := strconv.Atoi(d.Form.Score)
	if err != nil || score < 1 || score > 5 {
		d.Form.Errors = append(d.Form.Errors, formError{"score", p.say("rate.need_score")})
		return again(http.StatusUnprocessableEntity)
	}
	_, err = c.site.desk.Rate(p.ctx(), at.actor, d.View.ID, ticket.Rating{
		Score: score, Message: ticket.Message(d.Form.Comment), Channel: ticket.ChannelWeb, Key: formKey(d.Form.Key, "rate"),
	})
	switch {
	case errors.Is(err, ticket.ErrInvalid):
		d.Form.Errors = append(d.Form.Errors, formError{"comment", p.say("form.unfit")})
		return again(http.StatusUnprocessableEntity)
	case errors.Is(err, ticket.ErrRefused), errors.Is(err, ticket.ErrDuplicate):
		d.Form.Errors = append(d.Form.Errors, formError{"", p.say("rate.refused")})
		return again(http.StatusConflict)
	case errors.Is(err, ticket.ErrStatusLink), errors.Is(err, ticket.ErrNotFound):
		return err
	case err != nil:
		status, text := p.trouble(err)
		d.Form.Errors = append(d.Form.Errors, formError{"", text})
		return again(status)
	}
	return p.redirect(at.path, url.Values{"done": {"rate"}})
}
