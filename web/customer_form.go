package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// formError is something to correct. An empty Field is the form as a whole.
type formError struct {
	Field string // the ID of the input
	Text  string
}

// formData is the data of customer_form.html.
type formData struct {
	Key       string
	Anonymous bool
	Name      string
	Email     string
	Subject   string
	Message   string
	Fields    []formField
	Upload    uploadData
	Errors    []formError
	Suggest   bool // the button that looks for known problems is shown
	Looked    bool // it was pressed
	Known     []ticket.KnownProblem
}

// uploadData is the data of the part that takes files.
type uploadData struct {
	Files     bool // files are taken
	MaxFiles  int
	MaxUpload int64
	Kept      []keptFile
	Error     string
}

// formField is a field with its texts in the reader's language and its value.
type formField struct {
	ID      string // of the input
	Type    string
	Label   string
	Hint    string
	Options []Option
	Needed  bool
	Value   string // "on" for a check
}

// Error returns what is wrong with a field, or nothing.
func (d formData) Error(field string) string {
	for _, e := range d.Errors {
		if e.Field == field {
			return e.Text
		}
	}
	return ""
}

func (c *Customer) newForm(p *page) error {
	d, err := c.blank(p)
	if err != nil {
		return err
	}
	d.Subject, d.Message = cut(p.query("subject"), 400), cut(p.query("message"), 4000)
	return p.render(http.StatusOK, "customer_form.html", d)
}

// cut shortens text that comes from an address.
func cut(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return strings.ToValidUTF8(s, "")
}

// blank returns the empty form of a reader, who must be signed in if the configuration says so.
func (c *Customer) blank(p *page) (formData, error) {
	if c.cfg.RequireSignIn && !p.SignedIn() && !p.example {
		return formData{}, &fault{status: http.StatusForbidden, key: "sign_in"}
	}
	d := formData{Key: newKey(), Anonymous: !p.SignedIn(), Upload: c.uploads(), Suggest: !c.unknown.Load()}
	for _, f := range c.cfg.Fields {
		key := "field." + f.Name
		shown := formField{ID: "f-" + f.Name, Type: f.Type, Needed: f.Required, Label: p.label(key, f.Label), Hint: p.label(key+".hint", f.Hint)}
		for _, o := range f.Options {
			label := o.Label
			if label == "" {
				label = o.Value
			}
			shown.Options = append(shown.Options, Option{o.Value, p.label(key+"."+o.Value, label)})
		}
		d.Fields = append(d.Fields, shown)
	}
	return d, nil
}

func (c *Customer) uploads() uploadData {
	return uploadData{Files: c.files, MaxFiles: c.cfg.MaxFiles, MaxUpload: c.cfg.MaxUpload}
}

// label returns the text of the language, or the one that the configuration has.
func (p *page) label(key, fallback string) string {
	if p.Has(key) {
		return p.say(key)
	}
	return fallback
}

// fill puts what was sent into the form. A field that was sent twice is an error.
func (d *formData) fill(f *form) error {
	fields := map[string]*string{"name": &d.Name, "email": &d.Email, "subject": &d.Subject, "message": &d.Message}
	key := ""
	fields["key"] = &key
	for i := range d.Fields {
		fields[d.Fields[i].ID] = &d.Fields[i].Value
	}
	for name, to := range fields {
		v, err := f.one(name)
		if err != nil {
			return err
		}
		*to = v
	}
	if len(key) > 64 {
		return badForm("the key of a form is too long")
	}
	if key != "" {
		d.Key = key
	}
	return nil
}

// open opens a ticket, or shows the form again with what was sent and what is wrong.
func (c *Customer) open(p *page) error {
	d, err := c.blank(p)
	if err != nil {
		return err
	}
	actor := p.actor
	if d.Anonymous {
		actor = c.system(p.actor)
	}
	up := &uploader{c: c, p: p, actor: actor}
	if d.Anonymous {
		up.limit = c.cfg.Client(p.r)
	}
	options := formOptions{most: c.cfg.MaxUpload}
	if c.files {
		options.file = up.take
	}
	f, tooLarge := p.readForm(options)
	if f == nil {
		return tooLarge
	}
	if err := d.fill(f); err != nil {
		return err
	}
	files, gone := c.kept(p, f)
	files = append(files, up.files...)
	d.Upload.Kept = c.keep(p, files)
	d.Errors = up.errors
	again := func(status int) error {
		if e := d.Error("files"); e != "" {
			d.Upload.Error = e
		}
		return p.render(status, "customer_form.html", d)
	}
	switch {
	case tooLarge != nil:
		d.Errors = append(d.Errors, formError{"files", p.say("form.too_large", "size", p.Bytes(c.cfg.MaxUpload))})
		p.w.Header().Set("Connection", "close") // the rest is not read
		return again(http.StatusRequestEntityTooLarge)
	case gone:
		d.Errors = append(d.Errors, formError{"files", p.say("form.files_gone")})
	case len(files) > c.cfg.MaxFiles && c.files:
		d.Errors = append(d.Errors, formError{"files", p.say("form.many_files", "n", c.cfg.MaxFiles)})
	}
	if f.has("look") {
		d.Errors, d.Looked = up.errors, true
		d.Known = c.similar(p, d.Subject, d.Message)
		return again(http.StatusOK)
	}
	draft := ticket.Draft{
		Subject: d.Subject, Message: ticket.Message(d.Message), Attachments: files,
		Channel: ticket.ChannelWeb, Key: formKey(d.Key, "open"),
	}
	d.need(p, &draft)
	if len(d.Errors) > 0 {
		return again(up.status())
	}
	if d.Anonymous {
		draft.Requester = ticket.Person{Name: d.Name, Email: d.Email, Locale: p.lang, Zone: p.zoneName()}
		if !c.opens.allow(up.limit, p.now) {
			d.Errors = append(d.Errors, formError{"", p.say("form.too_many")})
			return again(http.StatusTooManyRequests)
		}
	}
	if c.cfg.Complete != nil {
		key := draft.Key
		draft, err = c.cfg.Complete(p.r, draft)
		draft.Key = key
	}
	var t ticket.Ticket
	if err == nil {
		t, err = c.site.desk.Open(p.ctx(), actor, draft)
	}
	if bad, ok := errors.AsType[*ticket.InvalidError](err); ok {
		d.Errors = append(d.Errors, d.invalid(p, bad))
		return again(http.StatusUnprocessableEntity)
	}
	if dup, ok := errors.AsType[*ticket.DuplicateError](err); ok && dup.Reused {
		d.Key = newKey() // the words are others than those that were sent under the old one
		d.Errors = append(d.Errors, formError{"", p.say("form.sent_before")})
		return again(http.StatusConflict)
	}
	if err != nil {
		status, text := p.trouble(err)
		d.Errors = append(d.Errors, formError{"", text})
		return again(status)
	}
	return p.redirect("sent", url.Values{"r": {c.receipt(p, t.ID)}})
}

// status is that of a form with errors.
func (u *uploader) status() int {
	switch {
	case u.many:
		return http.StatusTooManyRequests
	case u.down:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

// trouble says why a form could not be saved, although nothing is wrong with it.
func (p *page) trouble(err error) (status int, text string) {
	if errors.Is(err, ticket.ErrRefused) {
		return http.StatusForbidden, p.say("form.refused")
	}
	p.s.log(p.ctx(), "web: saving a form", err)
	p.w.Header().Set("Retry-After", "30")
	return http.StatusServiceUnavailable, p.say("form.unavailable")
}

// formKey is the idempotency key of a form. Each of its buttons has its own.
func formKey(key, button string) string { return "web " + button + " " + key }

// zoneName returns the name of the reader's zone, if it is known.
func (p *page) zoneName() string {
	if name := p.zone.String(); name != p.s.look.Zone.String() && name != "Local" {
		return name
	}
	return ""
}

// need checks that the form is complete, and puts the values of its fields into the draft.
func (d *formData) need(p *page, draft *ticket.Draft) {
	fail := func(field, key string, values ...any) {
		d.Errors = append(d.Errors, formError{field, p.say(key, values...)})
	}
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	if d.Anonymous {
		switch {
		case blank(d.Email):
			fail("email", "form.need_email")
		case !strings.Contains(d.Email, "@"):
			fail("email", "form.bad_email")
		}
	}
	if blank(d.Subject) {
		fail("subject", "form.need_subject")
	}
	if blank(d.Message) {
		fail("message", "form.need_message")
	}
	for _, f := range d.Fields {
		if blank(f.Value) {
			if f.Needed {
				fail(f.ID, "form.need_field", "label", f.Label)
			}
			continue
		}
		value, ok := f.read()
		if !ok {
			fail(f.ID, "form.bad_field", "label", f.Label)
			continue
		}
		if draft.Fields == nil {
			draft.Fields = ticket.Fields{}
		}
		draft.Fields[strings.TrimPrefix(f.ID, "f-")] = value
	}
}

// read returns the value in the type of the field.
func (f *formField) read() (any, bool) {
	switch f.Type {
	case "check":
		return true, f.Value == "on"
	case "choice":
		return f.Value, slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == f.Value })
	case "number":
		text := strings.TrimSpace(f.Value)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, true
		}
		n, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
		return n, err == nil
	case "date":
		_, err := time.Parse(time.DateOnly, f.Value)
		return f.Value, err == nil
	case "lines":
		return f.Value, true
	}
	return strings.TrimSpace(f.Value), true
}

// invalid names the input that the desk refuses.
func (d *formData) invalid(p *page, bad *ticket.InvalidError) formError {
	field := strings.TrimPrefix(bad.Field, "draft.")
	switch {
	case field == "subject", field == "message":
		return formError{field, p.say("form.unfit")}
	case strings.HasPrefix(field, "requester.name"):
		return formError{"name", p.say("form.unfit")}
	case strings.HasPrefix(field, "requester"):
		return formError{"email", p.say("form.bad_email")}
	case strings.HasPrefix(field, "attachments"):
		return formError{"files", p.say("form.files_gone")}
	}
	for _, f := range d.Fields {
		if strings.Contains(field, strings.TrimPrefix(f.ID, "f-")) {
			return formError{f.ID, p.say("form.bad_field", "label", f.Label)}
		}
	}
	return formError{"", p.say("form.unfit")}
}

// known answers the script: what is published that is like the words typed so far.
func (c *Customer) known(p *page) error {
	f, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	subject, err := f.one("subject")
	if err != nil {
		return err
	}
	message, err := f.one("message")
	if err != nil {
		return err
	}
	if c.cfg.RequireSignIn && !p.SignedIn() {
		return &fault{status: http.StatusForbidden, key: "sign_in"}
	}
	return p.renderPart("customer_form.html", "known", formData{Known: c.similar(p, subject, message)})
}

// similar returns what is published that is like these words. It is a help only, so an error
// is no reason to refuse a form.
func (c *Customer) similar(p *page, subject, message string) []ticket.KnownProblem {
	if c.unknown.Load() || !c.suggesting.allow(c.cfg.Client(p.r), p.now) {
		return nil
	}
	actor := p.actor
	if actor.Role == 0 { // anybody may read what is published
		actor = ticket.Requester(ticket.Person{ID: "reader"}).InTenant(actor.Tenant)
	}
	found, err := c.site.desk.SimilarToDraft(p.ctx(), actor, ticket.Draft{Subject: cut(subject, 400), Message: ticket.Message(cut(message, 8<<10))}, 3)
	if errors.Is(err, errors.ErrUnsupported) {
		c.unknown.Store(true)
		return nil
	}
	if err != nil && !errors.Is(err, ticket.ErrInvalid) {
		c.site.log(p.ctx(), "web: looking for known problems", err)
	}
	var list []ticket.KnownProblem
	for _, s := range found {
		if !s.Known.IsZero() {
			list = append(list, s.Known)
		}
	}
	return list
}
