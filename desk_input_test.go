package ticket_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Text without visible characters counts as missing in every field.
func TestTextWithoutVisibleCharactersIsMissing(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, s := range []string{" ", "\u00a0", "\u200b", "\u3164", "\u202e", "\u2800", "\u0301", "\ufe0f", "\U000e0020", "\u00ad\n\t"} {
		for what, d := range map[string]ticket.Draft{
			"subject":   {Subject: s},
			"solution":  {Subject: "s", Requester: ada.Person, Solution: ticket.Message(s)},
			"requester": {Subject: "s", Requester: ticket.Person{ID: s, Email: s, Phone: s}},
			"tag":       {Subject: "s", Requester: ada.Person, Tags: []string{s}},
			"field":     {Subject: "s", Requester: ada.Person, Fields: ticket.Fields{s: 1}},
			"key":       {Subject: "s", Requester: ada.Person, Key: s},
			"file":      {Subject: "s", Requester: ada.Person, Attachments: []ticket.Attachment{{Name: s}}},
			"follower":  {Subject: "s", Requester: ada.Person, Followers: []ticket.Person{{ID: s}}},
		} {
			_, err := k.desk.Open(t.Context(), lin, d)
			require.ErrorIs(t, err, ticket.ErrInvalid, "%s %q", what, s)
		}
		for what, act := range map[string]ticket.Action{
			"solution": {Name: ticket.ActionResolve, Message: ticket.Message(s)},
			"reply":    {Name: ticket.ActionReply, Message: ticket.Message(s)},
			"note":     {Name: ticket.ActionNote, Note: ticket.Note(s)},
			"reason":   {Name: ticket.ActionHold, Reason: s},
			"assignee": {Name: ticket.ActionAssign, Assignee: s},
			"queue":    {Name: ticket.ActionHandOver, Queue: s},
			"subject":  {Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: s}},
			"tag":      {Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{s}}},
			"action":   {Name: ticket.ActionName(s)},
		} {
			_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
			require.Error(t, err, "%s %q", what, s)
			require.True(t, what == "action" || errorsIs(err, ticket.ErrInvalid), "%s %q: %v", what, s, err)
		}
		for _, a := range []ticket.Actor{ticket.Agent(s, 1), ticket.System(s), ticket.Requester(ticket.Person{Email: s})} {
			_, err := k.desk.Get(t.Context(), a, tk.ID)
			require.ErrorIs(t, err, ticket.ErrInvalid, "%q", s)
		}
	}
	got := k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "\u200b", Attachments: []ticket.Attachment{{Name: "a.pdf"}}})
	require.Empty(t, k.events(lin, got)[1].Message, "blank words beside a file are no words")
}

// A person without visible characters is refused where an empty person means
// everybody, or the actor.
func TestAPersonWithoutVisibleCharactersIsRefused(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.StatusLinks = ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 32)}}}
	})
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	for _, s := range []string{" ", "\u200b", "\u3164"} {
		for _, q := range []ticket.Query{{Requester: ticket.Person{ID: s}}, {Participant: ticket.Person{Email: s}}, {Organisation: s}} {
			_, err := k.desk.List(t.Context(), lin, q)
			require.ErrorIs(t, err, ticket.ErrInvalid, "%q", s)
			_, err = k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: "printer", Query: q})
			require.ErrorIs(t, err, ticket.ErrInvalid, "%q", s)
		}
		_, err := k.desk.StatusLink(t.Context(), cron, tk.ID, ticket.StatusLinkRequest{For: ticket.Person{Phone: s}})
		require.ErrorIs(t, err, ticket.ErrInvalid, "%q", s)
		k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "s", Requester: ticket.Person{ID: s}}}, ticket.ErrInvalid)
	}
	p, err := k.desk.List(t.Context(), lin, ticket.Query{})
	require.NoError(t, err)
	require.Len(t, p.Tickets, 1)
}

func errorsIs(err, target error) bool {
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}

func TestWordsStayAsTheyAre(t *testing.T) {
	k := newKit(t)
	const words = " e\u0301 \u200d👩\u200d💻 \u202bעברית\u202c \n"
	tk := k.open(ada, ticket.Draft{Message: words})
	require.EqualValues(t, words, k.events(lin, tk)[0].Message)
}

// Tenants are compared by every byte: if two names were equal after cleaning, one
// tenant would see the other's data.
func TestTenantsAreTakenAsTheyAre(t *testing.T) {
	k := newKit(t)
	tenants := []string{"", " ", "acme", "acme ", "Acme", "ac\u200bme", "\u200eacme", "\uff41cme", "caf\u00e9", "cafe\u0301"}
	for _, tenant := range tenants {
		tk := k.open(ada.InTenant(tenant), ticket.Draft{})
		require.Equal(t, tenant, tk.Tenant)
		tk = k.do(lin.InTenant(tenant), tk, ticket.Action{Name: ticket.ActionHold, Reason: "parts", Until: k.clock.Now().Add(time.Hour)})
		page, err := k.desk.List(t.Context(), super.InTenant(tenant), ticket.Query{})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1, "%q", tenant)
		require.Equal(t, tk.ID, page.Tickets[0].ID)
	}
	k.clock.Advance(2 * time.Hour)
	fired, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(tenants), fired)
	for _, tenant := range []string{"a\x00b", "a\nb", "\xff", strings.Repeat("t", 1000)} {
		_, err := k.desk.List(t.Context(), super.InTenant(tenant), ticket.Query{})
		require.ErrorIs(t, err, ticket.ErrInvalid, "%q", tenant)
	}
}

// Names that differ only in invisible characters are one name, wherever they are
// given.
func TestNamesAreTheSameWhereverTheyAreGiven(t *testing.T) {
	k := newKit(t)
	odd := func(s string) string { return "\u200e" + s[:2] + "\u200b" + s[2:] + "\u00a0" }
	tk := k.open(ticket.Agent(odd("lin"), 1).InTenant("acme"), ticket.Draft{
		Requester: ticket.Person{ID: odd("c1"), Email: odd("ada@Example.ORG."), Organisation: odd("mill")},
		Followers: []ticket.Person{{Email: odd("bob@bücher.example")}},
		Queue:     odd("hardware"), Tags: []string{odd("urgent")}, Fields: ticket.Fields{odd("order"): 1},
	})
	require.Equal(t, ticket.Person{ID: "c1", Email: "ada@example.org", Organisation: "mill"}, tk.Requester)
	require.Equal(t, []ticket.Person{{Email: "bob@xn--bcher-kva.example"}}, tk.Followers)
	require.Equal(t, "hardware", tk.Queue)
	require.Equal(t, []string{"urgent"}, tk.Tags)
	require.Equal(t, ticket.Fields{"order": int64(1)}, tk.Fields)
	tk = k.do(ticket.Agent("lin", 1).InTenant("acme").Serving(odd("hardware")), tk, ticket.Action{Name: ticket.ActionTake})
	require.Equal(t, "lin", tk.Assignee)

	for what, q := range map[string]ticket.Query{
		"queue": {Queue: []string{odd("hardware")}}, "tag": {Tags: []string{odd("urgent")}}, "assignee": {Assignee: []string{odd("lin")}},
		"requester": {Requester: ticket.Person{ID: odd("c1")}}, "follower": {Participant: ticket.Person{Email: "BOB@BÜCHER.example"}},
		"organisation": {Organisation: odd("mill")}, "field": {Fields: ticket.Fields{odd("order"): 1}},
	} {
		queue := q.Queue
		p, err := k.desk.List(t.Context(), super.InTenant("acme"), q)
		require.NoError(t, err)
		require.Len(t, p.Tickets, 1, what)
		if queue != nil {
			require.Equal(t, odd("hardware"), queue[0], "what the caller has stays as it is")
		}
	}
	for _, a := range []ticket.Actor{ticket.Requester(ticket.Person{ID: odd("c1")}), ticket.Requester(ticket.Person{Email: odd("bob@BÜCHER.example")})} {
		_, err := k.desk.Track(t.Context(), a.InTenant("acme"), string(tk.Number))
		require.NoError(t, err)
	}
	tk = k.do(super.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{odd("urgent")}, Unfollow: []ticket.Person{{Email: odd("bob@bücher.example")}}, Fields: ticket.Fields{odd("order"): nil}}})
	require.Empty(t, tk.Tags)
	require.Empty(t, tk.Followers)
	require.Empty(t, tk.Fields)
	page, err := k.desk.Deliveries(t.Context(), super.InTenant("acme"), ticket.DeliveryQuery{To: ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{ID: odd("c1"), Email: odd("ada@Example.org")}}})
	require.NoError(t, err)
	require.NotEmpty(t, page.Deliveries)
}

// People that older versions stored without cleaning keep access to their
// tickets.
func TestPeopleStoredWithoutCleaningKeepAccess(t *testing.T) {
	a := ticket.Requester(ticket.Person{Email: "ada@xn--bcher-kva.example"})
	require.Equal(t, ticket.RoleRequester, a.RoleOn(ticket.Ticket{Requester: ticket.Person{Email: "ada@Bücher.example"}}))
	require.Equal(t, ticket.RoleFollower, a.RoleOn(ticket.Ticket{Followers: []ticket.Person{{Email: "ada@bücher.example.\u200b"}}}))
	require.Zero(t, a.RoleOn(ticket.Ticket{Requester: ticket.Person{Email: "bob@bücher.example"}}))
	require.True(t, ticket.Agent("a").Serving("hardware").ServesQueue("hardware "))
}

func TestProfilesAndCopiesAreCleaned(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
			return []ticket.Recipient{{Person: ticket.Person{Email: "boss@example.org\u200b"}}}, nil
		}
		c.Profile = func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (ticket.Profile, error) {
			if to.Role == ticket.RoleAgent {
				return ticket.Profile{}, nil
			}
			return ticket.Profile{Person: ticket.Person{Email: " ada@bücher.example"}}, nil
		}
	})
	k.open(ada, ticket.Draft{})
	k.deliver()
	var to []string
	for _, n := range k.sent.Sent() {
		to = append(to, n.To.Person.Email)
	}
	require.Contains(t, to, "ada@xn--bcher-kva.example")
	require.Contains(t, to, "boss@example.org")
}

func TestNamesAreCleanedInLinksActorsAndConfig(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.StatusLinks = ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 32)}}}
	})
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{{Email: "bob@bücher.example"}}})
	token, err := k.desk.StatusLink(t.Context(), cron, tk.ID, ticket.StatusLinkRequest{For: ticket.Person{Email: "\u200bbob@BÜCHER.example"}})
	require.NoError(t, err)
	_, err = k.desk.Track(t.Context(), ticket.StatusLinkHolder(token), "")
	require.NoError(t, err)
	allowed := 0
	for _, c := range k.desk.Actions(ticket.Requester(ticket.Person{Email: "bob@BÜCHER.example "}), k.get(tk)) {
		if c.Allowed {
			allowed++
		}
	}
	require.NotZero(t, allowed)
	_, err = ticket.NewDesk(k.store, ticket.Config{Notifiers: map[string]ticket.Notifier{"mail ": nil}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestTimesAreTakenOrRefused(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	times := []time.Time{
		time.Unix(1<<63-1, 0), time.Unix(-1<<63, 0), time.Unix(1<<62, 999), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -3*3600)), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Time{}.Add(1), time.Unix(0, -1), k.clock.Now().Add(1<<63 - 1),
	}
	for _, at := range times {
		for what, act := range map[string]ticket.Action{
			"until": {Name: ticket.ActionHold, Reason: "part", Until: at},
			"field": {Name: ticket.ActionEdit, Edit: &ticket.Edits{Fields: ticket.Fields{"f": at, "now": k.clock.Now()}}},
		} {
			tk := k.open(ada, ticket.Draft{})
			got, err := k.desk.Do(t.Context(), lin, tk.ID, act)
			if err != nil {
				require.ErrorIs(t, err, ticket.ErrInvalid, "%s %v", what, at)
				continue
			}
			require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID), "%s %v", what, at)
			_, err = json.Marshal(got)
			require.NoError(t, err, "%s %v", what, at)
		}
		_, err := k.desk.AsOf(t.Context(), lin, tk.ID, at)
		require.True(t, err == nil || errorsIs(err, ticket.ErrNotFound), "%v: %v", at, err)
	}
}

func TestAClockThatIsFarOffIsTakenForTheNearestTime(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1<<63-1, 0), time.Unix(-1<<63, 0), {}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(200000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		k := newKit(t, func(c *ticket.Config) {
			c.Now = func() time.Time { return at }
			c.Expected = func(context.Context, ticket.Ticket) (time.Time, error) { return at, nil }
		})
		tk := k.open(ada, ticket.Draft{})
		k.deliver()
		for _, n := range k.sent.Sent() {
			_, err := json.Marshal(n)
			require.NoError(t, err)
		}
		tk, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
		require.NoError(t, err, "%v", at)
		require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
		_, err = json.Marshal(tk)
		require.NoError(t, err, "%v", at)
	}
}

// An action accepts the inputs that its choice lists, and refuses all others.
func TestChoicesListTheInputsOfAnAction(t *testing.T) {
	k := newKit(t)
	tk, other := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	brings := map[string]func(*ticket.Action){
		"Message":         func(a *ticket.Action) { a.Message = "m" },
		"Note":            func(a *ticket.Action) { a.Note = "n" },
		"Reason":          func(a *ticket.Action) { a.Reason = "r" },
		"Queue":           func(a *ticket.Action) { a.Queue = "q" },
		"Assignee":        func(a *ticket.Action) { a.Assignee = "x" },
		"Attachments":     func(a *ticket.Action) { a.Attachments = []ticket.Attachment{{Name: "f"}} },
		"NoteAttachments": func(a *ticket.Action) { a.NoteAttachments = []ticket.Attachment{{Name: "f"}} },
		"Level":           func(a *ticket.Action) { a.Level = 2 },
		"Status":          func(a *ticket.Action) { a.Status = ticket.StatusClosed },
		"Until":           func(a *ticket.Action) { a.Until = k.clock.Now().Add(time.Hour) },
		"Ticket":          func(a *ticket.Action) { a.Ticket = other.ID },
		"Relation":        func(a *ticket.Action) { a.Relation = ticket.RelationRelatedTo },
		"Draft":           func(a *ticket.Action) { a.Draft = &ticket.Draft{Subject: "s"} },
		"Edit":            func(a *ticket.Action) { a.Edit = &ticket.Edits{Subject: "s"} },
		"Words":           func(a *ticket.Action) { a.Message = "m" },
		"Known":           func(a *ticket.Action) { a.Known = &ticket.KnownProblem{Title: "t", Text: "x"} },
		"SolvedBy":        func(a *ticket.Action) { a.SolvedBy = other.ID },
	}
	has := func(n ticket.Inputs, field string) bool { return reflect.ValueOf(n).FieldByName(field).Bool() }
	require.Len(t, brings, reflect.TypeFor[ticket.Inputs]().NumField())
	states := []ticket.Ticket{tk, k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "m"})}
	seen := map[string]bool{}
	for _, tk := range states {
		for _, a := range []ticket.Actor{super, ada, cron} {
			for _, c := range k.desk.Actions(a, k.get(tk)) {
				if !c.Allowed || c.Action == ticket.ActionUnlink {
					continue
				}
				full := ticket.Action{Name: c.Action}
				for field, bring := range brings {
					if has(c.Needs, field) {
						require.True(t, has(c.Takes, field), "%s takes what it needs", c.Action)
						bring(&full)
					}
				}
				if c.Takes.Status && a.Role == ticket.RoleAgent { // amended to closed
					full.Status = ticket.StatusClosed
				}
				require.NoError(t, k.desk.Explain(t.Context(), a, k.get(tk), full), "%s with what it needs", c.Action)
				for field, bring := range brings {
					act := full
					bring(&act)
					if c.Action == ticket.ActionHandBack || field == "Ticket" && c.Action == ticket.ActionUnmerge {
						continue
					}
					err := k.desk.Explain(t.Context(), a, k.get(tk), act)
					if has(c.Takes, field) {
						require.NoError(t, err, "%s takes %s", c.Action, field)
					} else {
						require.ErrorIs(t, err, ticket.ErrInvalid, "%s does not take %s", c.Action, field)
					}
					seen[field] = true
				}
			}
		}
	}
	require.Len(t, seen, len(brings))
	err := k.desk.Explain(t.Context(), ada, k.get(tk), ticket.Action{Name: ticket.ActionReply})
	require.ErrorContains(t, err, "or an attachment")
}

func TestInputAboveALimitIsRefused(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Limits = ticket.Limits{Tags: 3, Fields: 3, Followers: 3, Links: 1, Attachments: 2, AttachmentSize: 1000}
	})
	long := strings.Repeat("x", 300<<10)
	person := func(change func(*ticket.Person)) ticket.Person {
		p := ticket.Person{ID: "1"}
		change(&p)
		return p
	}
	for _, c := range []struct {
		field string
		draft ticket.Draft
	}{
		{"draft.subject", ticket.Draft{}},
		{"draft.subject", ticket.Draft{Subject: long}},
		{"draft.subject", ticket.Draft{Subject: "a\xffb"}},
		{"draft.subject", ticket.Draft{Subject: "a\r\nBcc: x@example.org"}},
		{"draft.subject", ticket.Draft{Subject: "a\u2028b"}},
		{"draft.message", ticket.Draft{Subject: "s", Message: ticket.Message(long)}},
		{"draft.message", ticket.Draft{Subject: "s", Message: "a\x00b"}},
		{"draft.message", ticket.Draft{Subject: "s", Message: "\xc3\x28"}},
		{"draft.note", ticket.Draft{Subject: "s", Note: ticket.Note(long)}},
		{"draft.requester.email", ticket.Draft{Subject: "s", Requester: person(func(p *ticket.Person) { p.Email = "nobody" })}},
		{"draft.requester.email", ticket.Draft{Subject: "s", Requester: person(func(p *ticket.Person) { p.Email = "a@b@c" })}},
		{"draft.requester.email", ticket.Draft{Subject: "s", Requester: person(func(p *ticket.Person) { p.Email = "Ada <a@example.org>" })}},
		{"draft.requester.email", ticket.Draft{Subject: "s", Requester: person(func(p *ticket.Person) { p.Email = strings.Repeat("x", 250) + "@example.org" })}},
		{"draft.requester.name", ticket.Draft{Subject: "s", Requester: person(func(p *ticket.Person) { p.Name = "a\nb" })}},
		{"draft.requester", ticket.Draft{Subject: "s", Requester: ticket.Person{Name: "nobody can be told"}}},
		{"draft.followers", ticket.Draft{Subject: "s", Followers: make([]ticket.Person, 4)}},
		{"draft.followers[0]", ticket.Draft{Subject: "s", Followers: make([]ticket.Person, 1)}},
		{"draft.tags", ticket.Draft{Subject: "s", Tags: []string{"a", "b", "c", "d"}}},
		{"draft.tags[1]", ticket.Draft{Subject: "s", Tags: []string{"a", ""}}},
		{"draft.fields", ticket.Draft{Subject: "s", Fields: ticket.Fields{"a": 1, "b": 1, "c": 1, "d": 1}}},
		{`draft.fields["a"]`, ticket.Draft{Subject: "s", Fields: ticket.Fields{"a": struct{}{}}}},
		{`draft.fields["a"]`, ticket.Draft{Subject: "s", Fields: ticket.Fields{"a": nil}}},
		{`draft.fields["a"]`, ticket.Draft{Subject: "s", Fields: ticket.Fields{"a": long}}},
		{`draft.fields["a"]`, ticket.Draft{Subject: "s", Fields: ticket.Fields{"a": make([]string, 9000)}}},
		{"draft.attachments", ticket.Draft{Subject: "s", Attachments: make([]ticket.Attachment, 3)}},
		{"draft.attachments[0].name", ticket.Draft{Subject: "s", Attachments: []ticket.Attachment{{Name: "../../etc/passwd"}}}},
		{"draft.attachments[0].name", ticket.Draft{Subject: "s", Attachments: []ticket.Attachment{{}}}},
		{"draft.attachments[1].size", ticket.Draft{Subject: "s", Attachments: []ticket.Attachment{{Name: "a"}, {Name: "b", Size: 1001}}}},
		{"draft.attachments[0].size", ticket.Draft{Subject: "s", Attachments: []ticket.Attachment{{Name: "a", Size: -1}}}},
		{"draft.priority", ticket.Draft{Subject: "s", Priority: 9}},
		{"draft.level", ticket.Draft{Subject: "s", Level: 4}},
		{"draft.level", ticket.Draft{Subject: "s", Level: -1}},
		{"draft.key", ticket.Draft{Subject: "s", Key: long}},
		{"draft.queue", ticket.Draft{Subject: "s", Queue: long}},
	} {
		if c.draft.Requester.IsZero() {
			c.draft.Requester = ada.Person
		}
		_, err := k.desk.Open(t.Context(), lin, c.draft)
		var data *ticket.InvalidError
		require.ErrorAs(t, err, &data, "%s", c.field)
		require.Equal(t, c.field, data.Field, err.Error())
		require.Less(t, len(err.Error()), 500, "an error does not repeat the input")
	}
	for _, c := range []struct {
		field string
		draft ticket.Draft
	}{
		{"draft.level", ticket.Draft{Subject: "s", Level: 2}},
		{"draft.note", ticket.Draft{Subject: "s", Note: "n"}},
		{"draft.tags", ticket.Draft{Subject: "s", Tags: []string{"t"}}},
		{"draft.requester", ticket.Draft{Subject: "s", Requester: bob.Person}},
	} {
		_, err := k.desk.Open(t.Context(), ada, c.draft)
		var data *ticket.InvalidError
		require.ErrorAs(t, err, &data, "%s", c.field)
		require.Equal(t, c.field, data.Field)
	}
	for field, a := range map[string]ticket.Actor{
		"actor.role": {}, "actor.person": ticket.Requester(ticket.Person{Name: "x"}), "actor.person.id": ticket.Agent("", 1),
		"actor.tenant": ada.InTenant("a\nb"),
	} {
		_, err := k.desk.Open(t.Context(), a, ticket.Draft{Subject: "s", Requester: ada.Person})
		var data *ticket.InvalidError
		require.ErrorAs(t, err, &data, "%s", field)
		require.Equal(t, field, data.Field)
	}

	// The sum of changes within the limits must not exceed them.
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Tags: []string{"a", "b"}})
	err := k.refusal(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"c", "d"}}}, ticket.ErrInvalid)
	require.ErrorContains(t, err, "ticket.tags")
	for i, act := range []ticket.Action{
		{Name: ticket.ActionReply, Message: ticket.Message(long)}, {Name: ticket.ActionNote, Note: "a\x00"}, {Name: "a\nb"},
		{Name: ticket.ActionHold, Reason: long}, {Name: ticket.ActionTake, Version: -1}, {Name: ticket.ActionTake, Key: long},
		{Name: ticket.ActionHold, Reason: "r", Until: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: 9}}, {Name: ticket.ActionSplit, Draft: &ticket.Draft{}},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Key: "k"}}, {Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Solution: "s"}},
	} {
		_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
		require.ErrorIs(t, err, ticket.ErrInvalid, "%d", i)
	}
	require.EqualValues(t, 1, k.get(tk).Version, "nothing of all this left a trace")
}

func TestMessageIDsAreChecked(t *testing.T) {
	k := newKit(t)
	for _, id := range []string{"a b@example.org", "<a@example.org>", "a\r\nBcc: eve@example.org", "\u00e4@example.org", "a\x00", "\xff", strings.Repeat("a", 501)} {
		_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", MessageID: id})
		var bad *ticket.InvalidError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "draft.message_id", bad.Field)
		_, err = k.desk.Do(t.Context(), ada, k.open(ada, ticket.Draft{}).ID, ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: id})
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "action.message_id", bad.Field)
	}
	tk := k.open(ada, ticket.Draft{MessageID: strings.Repeat("a", 500)})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: "no-domain"})
	err := k.refusal(lin, tk, split(ticket.Draft{From: 1, MessageID: "a@example.org"}), ticket.ErrInvalid)
	require.EqualError(t, err, "ticket: action.draft.message_id has no use with from: it is that of the event")
}
