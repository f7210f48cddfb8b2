package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A composer is the form of one action on the page of a ticket.
type composer struct {
	Action, Label string // the name of the action, and that of its button
	Title         string
	To            string // who gets the words; empty if it is not a message
	Tab           bool
	Version       int64
	Key           string
	Open, More    []inputField
	MoreOpen      bool
	Multipart     bool
	Kept          []keptItem

	Problems []problem
	Lost     bool // a file has to be attached again
	Refused  string
	Stale    bool
	Since    []historyItem // what changed since the form was loaded
}

// A keptItem is a file that the form has already.
type keptItem struct {
	Name string
	Size int64
	Seal string
}

// A inputField is a field of a form.
type inputField struct {
	Name, Kind string // Kind is text, lines, select, file, time, solved, split, edit …
	Label      string
	Hint       string
	Value, Was string
	Options    []option
	List       []option // suggestions
	Needed     bool
	Problem    string
	Rows       int
	People     []option
	Held       bool
}

// formOf returns the form of an action. Values are those that the form had before.
func (c *Console) formOf(p *page, t *ticket.Ticket, ch ticket.Choice, v url.Values, d *agentTicket) *composer {
	name := string(ch.Action)
	f := &composer{
		Action: name, Title: actionName(p, ch.Action), Label: actionName(p, ch.Action), Version: t.Version, Key: newKey(),
		Tab: slices.Contains(tabs, ch.Action),
	}
	if key := "submit." + name; p.Has(key) {
		f.Label = say(p, key, "person", customerName(p, t.Requester))
	}
	open, more := formFields(ch)
	needs := inputNames(ch.Needs)
	for _, list := range []struct {
		names []string
		into  *[]inputField
	}{{open, &f.Open}, {more, &f.More}} {
		for _, field := range list.names {
			if (field == "files" || field == "note_files") && !c.files {
				continue
			}
			for _, ff := range c.field(p, t, ch, field, v, d) {
				ff.Needed = ff.Needed || ff.Name == field && slices.Contains(needs, field)
				if v.Get(ff.Name) != "" && slices.Contains(more, field) {
					f.MoreOpen = true
				}
				f.Multipart = f.Multipart || ff.Kind == "file"
				*list.into = append(*list.into, ff)
			}
		}
	}
	if len(f.Open) > 0 && (f.Open[0].Kind == "lines" || f.Open[0].Kind == "note") {
		f.Open[0].Needed = false // it is what the form is for
	}
	return f
}

// field returns the form fields of an input.
func (c *Console) field(p *page, t *ticket.Ticket, ch ticket.Choice, name string, v url.Values, d *agentTicket) []inputField {
	label := p.T0("field." + name)
	f := inputField{Name: name, Label: label, Value: v.Get(name)}
	switch name {
	case "message":
		f.Kind, f.Rows = "lines", 7
		f.Label = say(p, "field.message_to", "person", customerName(p, t.Requester))
	case "note":
		f.Kind, f.Rows, f.Hint = "note", 4, p.T0("field.note_hint")
	case "files", "note_files":
		f.Kind = "file"
	case "reason":
		f.Kind = "text"
		if ch.Action == ticket.ActionResolve {
			f.Label = p.T0("field.resolution")
		}
	case "queue":
		f.Kind, f.List = "text", c.queueNames(p)
		if !ch.Needs.Queue {
			f.Hint = p.T0("field.unchanged")
		}
	case "assignee":
		f.Kind = "text"
		f.List = p.agentOptions()
	case "level":
		f.Kind, f.Options = "select", c.levelOptions(p, t, ch, v.Get(name))
	case "status":
		f.Kind = "select"
		f.Options = append(f.Options, option{"", p.T0("field.same"), false})
		_, statuses := c.states()
		for _, s := range statuses {
			f.Options = append(f.Options, option{string(s), nameOf(p, "status.", string(s)), v.Get(name) == string(s)})
		}
	case "until":
		f.Kind = "time"
		f.Hint = p.zoneHint()
	case "ticket":
		f.Kind, f.Label = "text", p.T0("field.ticket")
		for _, o := range d.Others {
			f.People = append(f.People, option{o.Number, o.Subject, v.Get(name) == o.Number})
		}
	case "relation":
		f.Kind = "select"
		for _, r := range relations {
			f.Options = append(f.Options, option{string(r), nameOf(p, "relation.", string(r)), v.Get(name) == string(r)})
		}
	case "solved_by":
		f.Kind = "solved"
		for _, s := range d.Similar {
			f.Options = append(f.Options, option{s.Number, s.Subject, v.Get(name) == s.Number})
		}
		if len(f.Options) == 0 {
			f.Kind = "text"
		}
	case "draft":
		return c.splitFields(p, t, v, d)
	case "edit":
		return c.editFields(p, t, v)
	case "known":
		title, text := t.Subject, ""
		if !t.Known.IsZero() {
			title, text = t.Known.Title, string(t.Known.Text)
		}
		if v.Has("title") {
			title, text = v.Get("title"), v.Get("text")
		}
		return []inputField{
			{Name: "title", Kind: "text", Label: p.T0("field.title"), Value: title, Needed: true, Hint: p.T0("field.known_hint")},
			{Name: "text", Kind: "lines", Label: p.T0("field.text"), Value: text, Needed: true, Rows: 6},
		}
	}
	return []inputField{f}
}

// relations are the relations that agents can choose.
var relations = []ticket.Relation{
	ticket.RelationRelatedTo, ticket.RelationChildOf, ticket.RelationParentOf, ticket.RelationCausedBy,
	ticket.RelationCauseOf, ticket.RelationDuplicateOf, ticket.RelationDuplicatedBy, ticket.RelationFollowUpOf, ticket.RelationFollowedUpBy,
}

// zoneHint names the zone in which times are typed.
func (p *page) zoneHint() string { return p.T0("field.zone", "zone", zoneName(p.now.In(p.zone))) }

// queueNames lists the queues that a form suggests.
func (c *Console) queueNames(p *page) (list []option) {
	n := c.counts.peek(p.actor)
	if n == nil {
		n = &tally{}
	}
	for _, q := range c.queues(ticket.System("console"), n) {
		if q != "" {
			list = append(list, option{Value: q})
		}
	}
	return list
}

// levelOptions lists the levels that an action can lead to.
func (c *Console) levelOptions(p *page, t *ticket.Ticket, ch ticket.Choice, chosen string) []option {
	list := []option{{"", p.T0("field.level_next"), false}}
	if ch.Action == ticket.ActionAmend {
		list[0].Name = p.T0("field.same")
	}
	levels, _ := c.states()
	for _, l := range levels {
		if ch.Action == ticket.ActionEscalate && l <= t.Level || ch.Action == ticket.ActionHandBack && l >= t.Level {
			continue
		}
		s := strconv.Itoa(l)
		list = append(list, option{s, say(p, "agent.level", "level", s), s == chosen})
	}
	return list
}

// splitFields are the fields of a split: which message becomes the new ticket, and its subject.
func (c *Console) splitFields(p *page, t *ticket.Ticket, v url.Values, d *agentTicket) []inputField {
	from := inputField{Name: "from", Kind: "split", Label: p.T0("field.split_from")}
	for _, it := range d.Items {
		if it.Split {
			seq := strconv.FormatInt(it.Seq, 10)
			from.Options = append(from.Options, option{seq, shorten(it.Text, 120), v.Get("from") == seq})
		}
	}
	from.Options = append(from.Options, option{"", p.T0("field.split_own"), v.Get("from") == ""})
	return []inputField{
		{Name: "subject", Kind: "text", Label: p.T0("field.subject"), Value: cmp.Or(v.Get("subject"), ""), Needed: true},
		from,
		{Name: "text", Kind: "lines", Label: p.T0("field.split_text"), Value: v.Get("text"), Rows: 3},
		{Name: "queue", Kind: "text", Label: p.T0("field.queue"), Value: cmp.Or(v.Get("queue"), t.Queue), List: c.queueNames(p)},
	}
}

// shorten cuts text to a number of symbols.
func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// editFields are the fields of an edit. Each has the value it began with.
func (c *Console) editFields(p *page, t *ticket.Ticket, v url.Values) []inputField {
	field := func(name, kind, was string) inputField {
		f := inputField{Name: name, Kind: kind, Label: p.T0("field." + name), Value: was, Was: was}
		if v.Has(name) {
			f.Value = v.Get(name)
			if v.Get(name) == v.Get("was:"+name) {
				f.Value = was // it was left alone: show what it is now
			}
		}
		return f
	}
	list := []inputField{field("subject", "edit_text", t.Subject)}
	for _, g := range []struct {
		name string
		is   ticket.Grade
	}{{"priority", t.Priority}, {"impact", t.Impact}, {"urgency", t.Urgency}} {
		f := field(g.name, "edit_select", g.is.String())
		if g.is == 0 {
			f.Options = append(f.Options, option{"", p.T0("field.not_set"), f.Value == ""})
		}
		f.Options = append(f.Options, grades(p, func(o ticket.Grade) bool { return o.String() == f.Value })...)
		list = append(list, f)
	}
	tags := field("tags", "edit_text", joinTags(t.Tags))
	tags.Hint = p.T0("field.tags_hint")
	list = append(list, tags)
	for _, name := range fieldNames(t.Fields) {
		f := field("field:"+name, "edit_field", fieldString(t.Fields[name]))
		f.Label = name
		list = append(list, f)
	}
	snooze := ""
	if !t.Snoozed.IsZero() {
		snooze = t.Snoozed.In(p.zone).Format(untilForm)
	}
	s := field("snooze", "edit_time", snooze)
	s.Hint = p.zoneHint()
	people := inputField{Name: "unfollow", Kind: "people", Label: p.T0("field.unfollow")}
	for _, f := range t.Followers {
		key := personKey(f)
		people.People = append(people.People, option{key, personName(p, f), slices.Contains(v["unfollow"], key)})
	}
	list = append(list,
		inputField{Name: "new_field", Kind: "pair", Label: p.T0("field.new_field"), Value: v.Get("new_field"), Was: v.Get("new_value")}, s,
		inputField{Name: "follow", Kind: "text", Label: p.T0("field.follow"), Value: v.Get("follow"), Hint: p.T0("field.follow_hint")})
	if len(people.People) > 0 {
		list = append(list, people)
	}
	return append(list, inputField{Name: "legal_hold", Kind: "check", Label: p.T0("field.legal_hold"), Held: t.LegalHold, Was: boolText(t.LegalHold)})
}

func boolText(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// joinTags writes tags as a form has them.
func joinTags(tags []string) string { return strings.Join(tags, ", ") }

// personKey identifies a follower in a form.
func personKey(p ticket.Person) string { return cmp.Or(p.ID, p.Email, p.Phone) }

// keep adds what a form had that was not accepted.
func (f *composer) keep(c *Console, p *page, up *agentForm) {
	for _, k := range up.kept {
		f.Kept = append(f.Kept, keptItem{k.File.Name, k.File.Size, c.sealFile(p, k)})
	}
	f.Lost = up.lost
}

// explain puts problems beside their fields.
func (f *composer) explain(list []problem) {
	f.Problems = slices.Clone(list)
	for _, fields := range [][]inputField{f.Open, f.More} {
		for i := range fields {
			for j, pr := range list {
				if pr.Field == fields[i].Name {
					fields[i].Problem = pr.Text
					f.Problems[j].Text = strings.TrimSuffix(fields[i].Label, "?") + ": " + pr.Text
				}
			}
		}
	}
	f.MoreOpen = f.MoreOpen || slices.ContainsFunc(f.More, func(ff inputField) bool { return ff.Problem != "" })
}

// localTime returns the time of day where somebody is, or nothing if that is not known.
func localTime(p ticket.Person, now time.Time) string {
	if p.Zone == "" || p.Zone == "Local" {
		return ""
	}
	loc, err := time.LoadLocation(p.Zone)
	if err != nil {
		return ""
	}
	return now.In(loc).Format("15:04") + ", " + p.Zone
}
