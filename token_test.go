package ticket_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// withLinks makes status links under these keys, each with its ID for a secret.
func withLinks(ids ...uint8) func(*ticket.Config) {
	return func(c *ticket.Config) {
		for _, id := range ids {
			c.Links.Keys = append(c.Links.Keys, ticket.LinkKey{ID: id, Secret: secret(id)})
		}
	}
}

func (k *kit) link(a ticket.Actor, t ticket.Ticket, r ticket.LinkRequest) string {
	k.Helper()
	token, err := k.desk.Link(k.Context(), a, t.ID, r)
	require.NoError(k, err)
	return token
}

func (k *kit) track(a ticket.Actor, ref string) (ticket.View, error) {
	return k.desk.Track(k.Context(), a, ref)
}

func TestAStatusLinkShowsOneTicket(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Message: "help", Followers: []ticket.Person{bob.Person}})
	other := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.Take})
	k.do(lin, tk, ticket.Action{Name: ticket.AddNote, Note: "SECRET"})
	token := k.link(ada, tk, ticket.LinkRequest{})
	require.Regexp(t, `^[0-9a-z]{72}$`, token, "no symbol that ends an address in a mail")
	require.Len(t, token, ticket.TokenSize)

	for _, ref := range []string{"", string(tk.Number), tk.ID.String()} {
		v, err := k.track(ticket.Holder(token), ref)
		require.NoError(t, err, ref)
		require.Equal(t, tk.Number, v.Number)
		require.Equal(t, ticket.PhaseInProgress, v.Phase)
		require.NotContains(t, asJSON(t, v), "SECRET")
		require.Empty(t, v.Actions, "it is for looking only")
	}
	_, err := k.track(ticket.Holder(strings.ToUpper(token)), "")
	require.NoError(t, err, "as somebody read it out")
	_, err = k.track(ticket.Holder(token), string(other.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound, "though the requester could see it")

	// Everything else refuses a link.
	h, ctx := ticket.Holder(token), t.Context()
	_, err = k.desk.Get(ctx, h, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Find(ctx, h, string(tk.Number))
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.List(ctx, h, ticket.Query{})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Open(ctx, h, ticket.Draft{Subject: "s"})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Link(ctx, h, tk.ID, ticket.LinkRequest{Scope: ticket.LinkReply})
	require.ErrorIs(t, err, ticket.ErrRefused, "no link out of a link")
	_, err = k.desk.RevokeLinks(ctx, h, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Search(ctx, h, ticket.SearchQuery{Text: "help"})
	require.Error(t, err)
	require.ErrorIs(t, k.desk.Verify(ctx, h, tk.ID), ticket.ErrRefused)
	for _, err := range k.desk.History(ctx, h, tk.ID) {
		require.ErrorIs(t, err, ticket.ErrRefused)
	}
}

func TestWhatALinkAllows(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	words := ticket.Action{Name: ticket.Reply, Message: "m"}
	file := ticket.Action{Name: ticket.Reply, Attachments: []ticket.Attachment{{Name: "proof.pdf", Size: 3}}}
	both := ticket.Action{Name: ticket.Reply, Message: "m", Attachments: file.Attachments}
	for scope, allowed := range map[ticket.LinkScope][3]bool{
		0:                                    {},
		ticket.LinkReply:                     {true, false, false},
		ticket.LinkUpload:                    {false, true, false},
		ticket.LinkReply | ticket.LinkUpload: {true, true, true},
	} {
		h := ticket.Holder(k.link(bob, tk, ticket.LinkRequest{Scope: scope}))
		for i, act := range []ticket.Action{words, file, both} {
			_, err := k.desk.Do(t.Context(), h, tk.ID, act)
			if allowed[i] {
				require.NoError(t, err, "%s %d", scope, i)
				e := k.events(cron, tk)
				require.Equal(t, "c2", e[len(e)-1].Actor.ID, "in the name of whom it was made for")
			} else {
				require.ErrorIs(t, err, ticket.ErrRefused, "%s %d", scope, i)
			}
		}
		_, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.Cancel, Reason: "r"})
		require.ErrorIs(t, err, ticket.ErrRefused)
		v, err := k.track(h, "")
		require.NoError(t, err)
		if scope == 0 {
			require.Empty(t, v.Actions)
		} else {
			require.Equal(t, []ticket.ActionName{ticket.Reply}, v.Actions)
		}
	}
	other := k.open(bob, ticket.Draft{})
	h := ticket.Holder(k.link(bob, tk, ticket.LinkRequest{Scope: ticket.LinkReply}))
	_, err := k.desk.Do(t.Context(), h, other.ID, words)
	require.ErrorIs(t, err, ticket.ErrNotFound, "another ticket of the same person")
}

func TestWhoMakesLinks(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	_, err := k.desk.Link(t.Context(), ada, tk.ID, ticket.LinkRequest{For: bob.Person})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Link(t.Context(), lin, tk.ID, ticket.LinkRequest{Scope: ticket.LinkReply})
	require.ErrorIs(t, err, ticket.ErrRefused, "an agent does not write in the customer's name")
	_, err = k.desk.Link(t.Context(), cron, tk.ID, ticket.LinkRequest{For: ticket.Person{ID: "eve"}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.Link(t.Context(), cron, tk.ID, ticket.LinkRequest{Scope: 8})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.Link(t.Context(), cron, tk.ID, ticket.LinkRequest{TTL: -1})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.Link(t.Context(), ticket.Requester(ticket.Person{ID: "eve"}), tk.ID, ticket.LinkRequest{})
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = newKitOn(t, k.store).desk.Link(t.Context(), cron, tk.ID, ticket.LinkRequest{})
	require.ErrorIs(t, err, ticket.ErrInvalid, "no keys, no links")
	_, err = k.track(ticket.Holder(k.link(lin, tk, ticket.LinkRequest{For: bob.Person})), "")
	require.NoError(t, err)
}

func TestLinksEnd(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	dead := func(token, why string, expired bool) {
		t.Helper()
		var le *ticket.LinkError
		_, err := k.track(ticket.Holder(token), "")
		require.ErrorIs(t, err, ticket.ErrLink, why)
		require.ErrorAs(t, err, &le)
		require.Equal(t, expired, !le.Expired.IsZero())
	}
	short := k.link(ada, tk, ticket.LinkRequest{TTL: time.Hour})
	k.clock.Advance(59 * time.Minute)
	_, err := k.track(ticket.Holder(short), "")
	require.NoError(t, err)
	k.clock.Advance(time.Minute)
	dead(short, "it has expired", true)

	// Revoked.
	mine, his := k.link(ada, tk, ticket.LinkRequest{}), k.link(bob, tk, ticket.LinkRequest{})
	_, err = k.desk.RevokeLinks(t.Context(), bob, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	got, err := k.desk.RevokeLinks(t.Context(), lin, tk.ID)
	require.NoError(t, err)
	require.Equal(t, 1, got.LinkEpoch)
	dead(mine, "revoked", false)
	dead(his, "revoked", false)
	e := k.events(lin, tk)
	require.Equal(t, ticket.RevokeLinks, e[len(e)-1].Action)
	require.Equal(t, ticket.By{Role: ticket.Agents, ID: "lin"}, e[len(e)-1].By)
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	_, err = k.track(ticket.Holder(k.link(ada, tk, ticket.LinkRequest{})), "")
	require.NoError(t, err, "new ones are good")
	_, err = k.desk.RevokeLinks(t.Context(), ada, tk.ID)
	require.NoError(t, err, "the requester may")

	// Who no longer follows has a dead link.
	his = k.link(bob, tk, ticket.LinkRequest{})
	k.do(lin, tk, ticket.Action{Name: ticket.Edit, Edit: &ticket.Edits{Unfollow: []ticket.Person{bob.Person}}})
	dead(his, "no longer concerned", false)

	// A merge leads on.
	mine = k.link(ada, tk, ticket.LinkRequest{Scope: ticket.LinkReply})
	into := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.Merge, Ticket: into.ID})
	v, err := k.track(ticket.Holder(mine), "")
	require.NoError(t, err)
	require.Equal(t, into.Number, v.Number)
	_, err = k.desk.Do(t.Context(), ticket.Holder(mine), tk.ID, ticket.Action{Name: ticket.Reply, Message: "m"})
	require.NoError(t, err)
}

func TestForgedLinks(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada.In("acme"), ticket.Draft{})
	token := k.link(ada.In("acme"), tk, ticket.LinkRequest{})
	for i := range token {
		for _, c := range []byte("07az") {
			if token[i] == c {
				continue
			}
			b := []byte(token)
			b[i] = c
			_, err := k.track(ticket.Holder(string(b)).In("acme"), "")
			require.ErrorIs(t, err, ticket.ErrLink, "symbol %d", i)
		}
	}
	for _, bad := range []string{"x", token[:71], token + "0", strings.Repeat("0", 72), strings.Repeat("u", 72), strings.Repeat("\xff", 72), strings.Repeat("é", 36)} {
		_, err := k.track(ticket.Holder(bad).In("acme"), "")
		require.ErrorIs(t, err, ticket.ErrLink)
	}
	_, err := k.track(ticket.Holder(token), "")
	require.ErrorIs(t, err, ticket.ErrLink, "of another tenant")
	_, err = k.track(ticket.Holder(token).In("acme"), "")
	require.NoError(t, err)
	require.NotContains(t, token, "c1")
}

func TestLinkKeysRotate(t *testing.T) {
	store := memstore.New()
	old := newKitOn(t, store, withLinks(1))
	tk := old.open(ada, ticket.Draft{})
	first := old.link(ada, tk, ticket.LinkRequest{})
	both := newKitOn(t, store, withLinks(2, 1))
	second := both.link(ada, tk, ticket.LinkRequest{})
	for _, token := range []string{first, second} {
		_, err := both.track(ticket.Holder(token), "")
		require.NoError(t, err)
	}
	last := newKitOn(t, store, withLinks(2))
	_, err := last.track(ticket.Holder(first), "")
	require.ErrorIs(t, err, ticket.ErrLink)
	_, err = last.track(ticket.Holder(second), "")
	require.NoError(t, err)
	// The same ID with another secret is another key.
	fake := newKitOn(t, store, func(c *ticket.Config) { c.Links.Keys = []ticket.LinkKey{{ID: 2, Secret: secret(9)}} })
	_, err = fake.track(ticket.Holder(second), "")
	require.ErrorIs(t, err, ticket.ErrLink)

	for name, l := range map[string]ticket.Links{
		"a short secret": {Keys: []ticket.LinkKey{{ID: 1, Secret: make([]byte, 31)}}},
		"an ID twice":    {Keys: []ticket.LinkKey{{ID: 1, Secret: secret(1)}, {ID: 1, Secret: secret(2)}}},
		"no key":         {URL: func(string, string) string { return "" }},
		"negative TTL":   {TTL: -1},
		"unknown scope":  {Scope: 4},
	} {
		_, err := ticket.NewDesk(store, ticket.Config{Links: l})
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
}

func TestLinksInNotifications(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.Links.URL = func(tenant, token string) string { return "https://" + tenant + ".example.org/t/" + token }
		c.Links.Scope = ticket.LinkUpload
		c.Copies = func(ticket.Ticket, ticket.Kind) []ticket.Recipient {
			return []ticket.Recipient{{Role: ticket.Followers, Person: ticket.Person{Email: "team@example.org"}}}
		}
	})
	tk := k.open(ada.In("acme"), ticket.Draft{})
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	token, found := strings.CutPrefix(n.Link, "https://acme.example.org/t/")
	require.True(t, found, n.Link)
	require.NotContains(t, asJSON(t, n), token, "it is a secret, and so no part of what is logged or posted")
	_, err := k.track(ticket.Holder(token).In("acme"), "")
	require.NoError(t, err)
	_, err = k.desk.Do(t.Context(), ticket.Holder(token).In("acme"), tk.ID, ticket.Action{Name: ticket.Reply, Attachments: []ticket.Attachment{{Name: "a", Size: 1}}})
	require.NoError(t, err)
	require.Empty(t, k.sent.RequireSent(t, ticket.KindReceived, "team@example.org").Link, "not concerned with the ticket")
	require.Empty(t, k.sent.RequireSent(t, ticket.KindQueued, "queue:").Link, "agents have other ways")
}

func FuzzHolder(f *testing.F) {
	store := memstore.New()
	desk, err := ticket.NewDesk(store, ticket.Config{Links: ticket.Links{Keys: []ticket.LinkKey{{ID: 1, Secret: secret(1)}}}})
	require.NoError(f, err)
	tk, err := desk.Open(context.Background(), ada, ticket.Draft{Subject: "s"})
	require.NoError(f, err)
	good, err := desk.Link(context.Background(), ada, tk.ID, ticket.LinkRequest{})
	require.NoError(f, err)
	f.Add(good)
	f.Add(strings.ToUpper(good))
	f.Add("")
	f.Add(strings.Repeat("0", ticket.TokenSize))
	f.Fuzz(func(t *testing.T, token string) {
		_, err := desk.Track(t.Context(), ticket.Holder(token), "")
		folded := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(token))
		switch {
		case token == "":
			require.Error(t, err)
		case folded == good:
			require.NoError(t, err)
		default:
			require.ErrorIs(t, err, ticket.ErrLink)
		}
	})
}

// Whom a ticket has stored holds a link, though the desk takes less by now.
func TestALinkOfSomebodyWhoWasTakenBefore(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Limits.Email = 400 })
	eve := ticket.Requester(ticket.Person{Email: strings.Repeat("e", 300) + "@example.org"})
	tk := k.open(eve, ticket.Draft{})
	token := k.link(eve, tk, ticket.LinkRequest{Scope: ticket.LinkReply})
	now := newKitOn(t, k.store, withLinks(1))
	v, err := now.track(ticket.Holder(token), "")
	require.NoError(t, err)
	require.Equal(t, tk.Number, v.Number)
	_, err = now.desk.Do(t.Context(), ticket.Holder(token), tk.ID, ticket.Action{Name: ticket.Reply, Message: "m"})
	require.NoError(t, err)
}
