package ticket_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// A repeat is recognised even if more is known about the people by then,
// whatever form empty lists have, and wherever your application keeps the files.
func TestARepeatedRequestIsRecognised(t *testing.T) {
	k := newKit(t)
	digest := ticket.Digest{1}
	east := time.FixedZone("east", 3*3600)
	at := k.clock.Now().Add(time.Hour)
	person := ticket.Requester
	draft := func(change func(*ticket.Draft)) ticket.Draft {
		d := ticket.Draft{Requester: ticket.Person{ID: "c9", Email: "a@example.org"}, Subject: "s", Fields: ticket.Fields{"n": 1, "f": 0.0, "at": at, "list": []string{"a", "b"}},
			Attachments: []ticket.Attachment{{Name: "a.pdf", Size: 1, SHA256: digest, Ref: "disk/1"}, {Name: "b.pdf"}},
			Tags:        []string{"vip", "mains"}, Followers: []ticket.Person{{ID: "c7"}, {Email: "c6@example.org"}}}
		if change != nil {
			change(&d)
		}
		return d
	}
	zero := 0.0
	opened := k.open(lin, func() ticket.Draft { d := draft(nil); d.Key = "k"; return d }())
	for name, again := range map[string]struct {
		a ticket.Actor
		d ticket.Draft
	}{
		"the agent's name":       {lin.Named("Linda"), draft(nil)},
		"the agent's levels":     {ticket.Agent("lin", 1, 2).Serving("mains"), draft(nil)},
		"the requester's mail":   {lin, draft(func(d *ticket.Draft) { d.Requester.Email, d.Requester.Name = "b@example.org", "Bea" })},
		"where the file is":      {lin, draft(func(d *ticket.Draft) { d.Attachments[0].Ref = "cloud/7" })},
		"another kind of number": {lin, draft(func(d *ticket.Draft) { d.Fields["n"], d.Fields["f"] = int64(1), -zero })},
		"another zone":           {lin, draft(func(d *ticket.Draft) { d.Fields["at"] = at.In(east) })},
		"blanks":                 {lin, draft(func(d *ticket.Draft) { d.Subject = "s \u200b" })},
		"the order of tags":      {lin, draft(func(d *ticket.Draft) { slices.Reverse(d.Tags) })},
		"a tag twice":            {lin, draft(func(d *ticket.Draft) { d.Tags = append(d.Tags, d.Tags[0]) })},
		"the order of followers": {lin, draft(func(d *ticket.Draft) { slices.Reverse(d.Followers) })},
		"the order of files":     {lin, draft(func(d *ticket.Draft) { slices.Reverse(d.Attachments) })},
	} {
		again.d.Key = "k"
		got, err := k.desk.Open(t.Context(), again.a, again.d)
		require.NoError(t, err, name)
		require.Equal(t, opened.ID, got.ID, name)
	}
	for name, other := range map[string]ticket.Draft{
		"a field that is zero": draft(func(d *ticket.Draft) { d.Fields["f"] = 1.5 }),
		"no such field":        draft(func(d *ticket.Draft) { delete(d.Fields, "f") }),
		"a file":               draft(func(d *ticket.Draft) { d.Attachments[0].SHA256 = ticket.Digest{2} }),
		"no digest":            draft(func(d *ticket.Draft) { d.Attachments[0].SHA256 = ticket.Digest{} }),
		"somebody else":        draft(func(d *ticket.Draft) { d.Requester.ID = "c8" }),
		"words":                draft(func(d *ticket.Draft) { d.Message = "m" }),
		"one tag less":         draft(func(d *ticket.Draft) { d.Tags = d.Tags[:1] }),
		"the order of a value": draft(func(d *ticket.Draft) { d.Fields["list"] = []string{"b", "a"} }),
	} {
		other.Key = "k"
		_, err := k.desk.Open(t.Context(), lin, other)
		require.ErrorIs(t, err, ticket.ErrDuplicate, name)
	}

	by := person(ticket.Person{Email: "Zoe@Example.org", Name: "Zoe"})
	first := k.open(by, ticket.Draft{Key: "z"})
	require.Equal(t, first.ID, k.open(person(ticket.Person{Email: "zoe@example.org.", Phone: "1", Locale: "de"}), ticket.Draft{Key: "z"}).ID)
	_, err := k.desk.Open(t.Context(), person(ticket.Person{Email: "zoe2@example.org"}), ticket.Draft{Subject: "Printer prints blank pages", Key: "z"})
	require.ErrorIs(t, err, ticket.ErrDuplicate)

	edit := func(e ticket.Edits) (ticket.Ticket, error) {
		return k.desk.Do(t.Context(), lin, opened.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &e, Key: "e"})
	}
	_, err = edit(ticket.Edits{AddTags: []string{"vip"}})
	require.NoError(t, err)
	again, err := edit(ticket.Edits{AddTags: []string{"vip"}, RemoveTags: []string{}, Fields: ticket.Fields{}, Follow: []ticket.Person{}})
	require.NoError(t, err)
	require.EqualValues(t, 2, again.Version)
	_, err = edit(ticket.Edits{AddTags: []string{"vip"}, Fields: ticket.Fields{"x": nil}})
	require.ErrorIs(t, err, ticket.ErrDuplicate)

	until := k.clock.Now().Add(48 * time.Hour)
	_, err = k.desk.Do(t.Context(), lin, opened.ID, ticket.Action{Name: ticket.ActionHold, Reason: "part", Until: until, Key: "h"})
	require.NoError(t, err)
	_, err = k.desk.Do(t.Context(), lin, opened.ID, ticket.Action{Name: ticket.ActionHold, Reason: "part", Until: until.In(east).Add(time.Nanosecond), Key: "h", Edit: nil, Attachments: []ticket.Attachment{}})
	require.NoError(t, err)
}
