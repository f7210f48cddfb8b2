package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
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
			c.StatusLinks.Keys = append(c.StatusLinks.Keys, ticket.StatusLinkKey{ID: id, Secret: secret(id)})
		}
	}
}

func (k *kit) link(a ticket.Actor, t ticket.Ticket, r ticket.StatusLinkRequest) string {
	k.Helper()
	token, err := k.desk.StatusLink(k.Context(), a, t.ID, r)
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
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "SECRET"})
	token := k.link(ada, tk, ticket.StatusLinkRequest{})
	require.Regexp(t, `^[0-9a-z]{72}$`, token, "no symbol that ends an address in a mail")

	for _, ref := range []string{"", string(tk.Number), tk.ID.String()} {
		v, err := k.track(ticket.StatusLinkHolder(token), ref)
		require.NoError(t, err, ref)
		require.Equal(t, tk.Number, v.Number)
		require.Equal(t, ticket.PhaseInProgress, v.Phase)
		require.NotContains(t, asJSON(t, v), "SECRET")
		require.Empty(t, v.Actions, "it is for looking only")
	}
	_, err := k.track(ticket.StatusLinkHolder(strings.ToUpper(token)), "")
	require.NoError(t, err, "as somebody read it out")
	_, err = k.track(ticket.StatusLinkHolder(token), string(other.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound, "though the requester could see it")

	// Everything else refuses a link.
	h, ctx := ticket.StatusLinkHolder(token), t.Context()
	_, err = k.desk.Get(ctx, h, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Find(ctx, h, string(tk.Number))
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.List(ctx, h, ticket.Query{})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Open(ctx, h, ticket.Draft{Subject: "s"})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.StatusLink(ctx, h, tk.ID, ticket.StatusLinkRequest{Reply: true})
	require.ErrorIs(t, err, ticket.ErrRefused, "no link out of a link")
	_, err = k.desk.RevokeStatusLinks(ctx, h, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.Search(ctx, h, ticket.SearchQuery{Text: "help"})
	require.Error(t, err)
	require.ErrorIs(t, k.desk.Verify(ctx, h, tk.ID), ticket.ErrRefused)
	for _, err := range k.desk.History(ctx, h, tk.ID) {
		require.ErrorIs(t, err, ticket.ErrRefused)
	}
}

func TestALinkAllowsOnlyItsScope(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	words := ticket.Action{Name: ticket.ActionReply, Message: "m"}
	file := ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "proof.pdf", Size: 3}}}
	both := ticket.Action{Name: ticket.ActionReply, Message: "m", Attachments: file.Attachments}
	for scope, allowed := range map[[2]bool][3]bool{
		{}:            {},
		{true, false}: {true, false, false},
		{false, true}: {false, true, false},
		{true, true}:  {true, true, true},
	} {
		h := ticket.StatusLinkHolder(k.link(bob, tk, ticket.StatusLinkRequest{Reply: scope[0], Upload: scope[1]}))
		for i, act := range []ticket.Action{words, file, both} {
			_, err := k.desk.Do(t.Context(), h, tk.ID, act)
			if allowed[i] {
				require.NoError(t, err, "%v %d", scope, i)
				e := k.events(cron, tk)
				require.Equal(t, "c2", e[len(e)-1].Actor.ID, "in the name of whom it was made for")
			} else {
				require.ErrorIs(t, err, ticket.ErrRefused, "%v %d", scope, i)
			}
		}
		_, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionCancel, Reason: "r"})
		require.ErrorIs(t, err, ticket.ErrRefused)
		v, err := k.track(h, "")
		require.NoError(t, err)
		if scope == [2]bool{} {
			require.Empty(t, v.Actions)
		} else {
			require.Equal(t, []ticket.ActionName{ticket.ActionReply}, v.Actions)
		}
	}
	other := k.open(bob, ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(bob, tk, ticket.StatusLinkRequest{Reply: true}))
	_, err := k.desk.Do(t.Context(), h, other.ID, words)
	require.ErrorIs(t, err, ticket.ErrNotFound, "another ticket of the same person")
}

// refusal returns why a call was refused, or nothing if it was not.
func refusal(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*ticket.RefusedError](err)
	require.True(t, ok, "%v", err)
	return refused.Why
}

// Each scope alone and all together, for the requester and a follower, on an open and a
// solved ticket: Track lists an action exactly where Do and Rate perform it.
func TestEveryScopeOfALinkAllowsExactlyItsAction(t *testing.T) {
	scoped := func(bits int) ticket.StatusLinkRequest {
		return ticket.StatusLinkRequest{Reply: bits&1 != 0, Upload: bits&2 != 0, Confirm: bits&4 != 0, Reopen: bits&8 != 0, Cancel: bits&16 != 0, Rate: bits&32 != 0}
	}
	for bits := range 64 {
		r := scoped(bits)
		for _, c := range []struct {
			person ticket.Actor
			solved bool
			can    map[ticket.ActionName]bool // what the workflow allows the person
		}{
			{ada, false, map[ticket.ActionName]bool{ticket.ActionReply: true, ticket.ActionCancel: true}},
			{ada, true, map[ticket.ActionName]bool{ticket.ActionReply: true, ticket.ActionConfirm: true, ticket.ActionReopen: true, ticket.ActionRate: true}},
			{bob, false, map[ticket.ActionName]bool{ticket.ActionReply: true}},
			{bob, true, map[ticket.ActionName]bool{ticket.ActionReply: true}},
		} {
			if r.Rate && c.person.Person == bob.Person {
				continue // not made
			}
			k := newKit(t, askingAfter(day))
			scopes := map[ticket.ActionName]bool{
				ticket.ActionReply: r.Reply || r.Upload, ticket.ActionConfirm: r.Confirm, ticket.ActionReopen: r.Reopen, ticket.ActionCancel: r.Cancel, ticket.ActionRate: r.Rate,
			}
			ready := func() (ticket.Ticket, ticket.Actor) {
				tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
				if c.solved {
					tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
				}
				return tk, ticket.StatusLinkHolder(k.link(c.person, tk, r))
			}
			_, h := ready()
			v, err := k.track(h, "")
			require.NoError(t, err)
			var want []ticket.ActionName
			for _, name := range []ticket.ActionName{ticket.ActionCancel, ticket.ActionConfirm, ticket.ActionRate, ticket.ActionReopen, ticket.ActionReply} {
				if scopes[name] && c.can[name] {
					want = append(want, name)
				}
			}
			require.Equal(t, want, v.Actions, "%+v %+v", r, c)
			for _, name := range []ticket.ActionName{ticket.ActionCancel, ticket.ActionConfirm, ticket.ActionReopen, ticket.ActionRate, ticket.ActionReply, ticket.ActionTake, ticket.ActionClose, ticket.ActionEdit} {
				tk, h := ready()
				act := ticket.Action{Name: name}
				switch {
				case name == ticket.ActionReply && r.Upload && !r.Reply:
					act.Attachments = []ticket.Attachment{{Name: "proof.pdf"}}
				case name == ticket.ActionReply:
					act.Message = "m"
				case name == ticket.ActionEdit:
					act.Edit = &ticket.Edits{Subject: "s"}
				}
				if name == ticket.ActionRate {
					_, err = k.desk.Rate(t.Context(), h, tk.ID, ticket.Rating{Score: 5})
				} else {
					_, err = k.desk.Do(t.Context(), h, tk.ID, act)
				}
				switch why := refusal(t, err); {
				case scopes[name] && c.can[name]:
					require.Empty(t, why, "%+v %+v %s", r, c, name)
					e := k.events(cron, tk)
					require.Equal(t, c.person.Person.ID, e[len(e)-1].Actor.ID)
				case !scopes[name]:
					require.Equal(t, "link", why, "%+v %+v %s", r, c, name)
				default:
					require.Contains(t, []string{"role", "state"}, why, "%+v %+v %s", r, c, name)
				}
			}
		}
	}
}

func TestWordsAndFilesNeedScopesOfTheirOwn(t *testing.T) {
	k := newKit(t, withLinks(1))
	for _, r := range []ticket.StatusLinkRequest{{Reopen: true}, {Reopen: true, Reply: true}, {Reopen: true, Upload: true}} {
		tk := k.open(ada, ticket.Draft{})
		k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
		h := ticket.StatusLinkHolder(k.link(ada, tk, r))
		why := map[bool]string{false: "link"}
		_, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen, Message: "No.", Attachments: []ticket.Attachment{{Name: "a"}}})
		require.Equal(t, "link", refusal(t, err))
		_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen, Message: "No."})
		require.Equal(t, why[r.Reply], refusal(t, err))
		k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
		_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen, Attachments: []ticket.Attachment{{Name: "a"}}})
		require.Equal(t, why[r.Upload], refusal(t, err))
		k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
		_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen})
		require.NoError(t, err)
	}
}

// Where the workflow wants words, a link without Reply does not offer the action.
func TestALinkOffersOnlyWhatItsHolderCanComplete(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	for i := range spec.Transitions {
		if tr := &spec.Transitions[i]; tr.Action == ticket.ActionCancel && tr.By == ticket.RoleRequester {
			tr.Needs = ticket.Inputs{Message: true}
		}
	}
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)} })
	tk := k.open(ada, ticket.Draft{})
	for _, reply := range []bool{false, true} {
		h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Cancel: true, Reply: reply}))
		v, err := k.track(h, "")
		require.NoError(t, err)
		require.Equal(t, reply, slices.Contains(v.Actions, ticket.ActionCancel))
		_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionCancel, Message: "It works now."})
		require.Equal(t, reply, err == nil)
	}
}

// After the window, a link that lets its holder reopen opens a follow-up.
func TestALateReopenThroughALinkOpensAFollowUp(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Reopen: true}))
	k.clock.Advance(reopenWindow + day)
	v, err := k.track(h, "")
	require.NoError(t, err)
	require.Equal(t, []ticket.ActionName{ticket.ActionReopen}, v.Actions)
	got, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen})
	require.NoError(t, err)
	require.NotEqual(t, tk.ID, got.ID)
	require.True(t, got.Requester.IsZero())
	_, err = k.desk.Do(t.Context(), h, got.ID, ticket.Action{Name: ticket.ActionReopen})
	require.ErrorIs(t, err, ticket.ErrNotFound, "the link is for the old ticket")
}

func TestRolesThatMayMakeLinks(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	_, err := k.desk.StatusLink(t.Context(), ada, tk.ID, ticket.StatusLinkRequest{For: bob.Person})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.StatusLink(t.Context(), lin, tk.ID, ticket.StatusLinkRequest{Reply: true})
	require.ErrorIs(t, err, ticket.ErrRefused, "an agent does not write in the customer's name")
	_, err = k.desk.StatusLink(t.Context(), lin, tk.ID, ticket.StatusLinkRequest{Upload: true})
	require.ErrorIs(t, err, ticket.ErrRefused, "nor sends files")
	for _, r := range []ticket.StatusLinkRequest{{Confirm: true}, {Reopen: true}, {Cancel: true}, {Rate: true}} {
		_, err = k.desk.StatusLink(t.Context(), lin, tk.ID, r)
		require.ErrorIs(t, err, ticket.ErrRefused, "nor acts otherwise")
	}
	_, err = k.desk.StatusLink(t.Context(), cron, tk.ID, ticket.StatusLinkRequest{For: ticket.Person{ID: "eve"}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.StatusLink(t.Context(), cron, tk.ID, ticket.StatusLinkRequest{TTL: -1})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.StatusLink(t.Context(), ticket.Requester(ticket.Person{ID: "eve"}), tk.ID, ticket.StatusLinkRequest{})
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = newKitOn(t, k.store).desk.StatusLink(t.Context(), cron, tk.ID, ticket.StatusLinkRequest{})
	require.ErrorIs(t, err, ticket.ErrInvalid, "no keys, no links")
	_, err = k.track(ticket.StatusLinkHolder(k.link(lin, tk, ticket.StatusLinkRequest{For: bob.Person})), "")
	require.NoError(t, err)
}

func TestLinksEnd(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	dead := func(token, why string, expired bool) {
		t.Helper()
		var le *ticket.StatusLinkError
		_, err := k.track(ticket.StatusLinkHolder(token), "")
		require.ErrorIs(t, err, ticket.ErrStatusLink, why)
		require.ErrorAs(t, err, &le)
		require.Equal(t, expired, !le.Expired.IsZero())
	}
	short := k.link(ada, tk, ticket.StatusLinkRequest{TTL: time.Hour})
	k.clock.Advance(59 * time.Minute)
	_, err := k.track(ticket.StatusLinkHolder(short), "")
	require.NoError(t, err)
	k.clock.Advance(time.Minute)
	dead(short, "it has expired", true)

	// Revoked.
	mine, his := k.link(ada, tk, ticket.StatusLinkRequest{}), k.link(bob, tk, ticket.StatusLinkRequest{})
	_, err = k.desk.RevokeStatusLinks(t.Context(), bob, tk.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)
	got, err := k.desk.RevokeStatusLinks(t.Context(), lin, tk.ID)
	require.NoError(t, err)
	require.Equal(t, 1, got.LinkEpoch)
	dead(mine, "revoked", false)
	dead(his, "revoked", false)
	e := k.events(lin, tk)
	require.Equal(t, ticket.ActionRevokeStatusLinks, e[len(e)-1].Action)
	require.Equal(t, ticket.By{Role: ticket.RoleAgent, ID: "lin"}, e[len(e)-1].By)
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	_, err = k.track(ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{})), "")
	require.NoError(t, err, "new ones are good")
	_, err = k.desk.RevokeStatusLinks(t.Context(), ada, tk.ID)
	require.NoError(t, err, "the requester may")

	// The link of a former follower is dead.
	his = k.link(bob, tk, ticket.StatusLinkRequest{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{bob.Person}}})
	dead(his, "no longer concerned", false)

	// A merge leads on.
	mine = k.link(ada, tk, ticket.StatusLinkRequest{Reply: true})
	into := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	v, err := k.track(ticket.StatusLinkHolder(mine), "")
	require.NoError(t, err)
	require.Equal(t, into.Number, v.Number)
	_, err = k.desk.Do(t.Context(), ticket.StatusLinkHolder(mine), tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
}

func TestForgedLinks(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	token := k.link(ada.InTenant("acme"), tk, ticket.StatusLinkRequest{})
	for i := range token {
		for _, c := range []byte("07az") {
			if token[i] == c {
				continue
			}
			b := []byte(token)
			b[i] = c
			_, err := k.track(ticket.StatusLinkHolder(string(b)).InTenant("acme"), "")
			require.ErrorIs(t, err, ticket.ErrStatusLink, "symbol %d", i)
		}
	}
	for _, bad := range []string{"x", token[:71], token + "0", strings.Repeat("0", 72), strings.Repeat("u", 72), strings.Repeat("\xff", 72), strings.Repeat("é", 36)} {
		_, err := k.track(ticket.StatusLinkHolder(bad).InTenant("acme"), "")
		require.ErrorIs(t, err, ticket.ErrStatusLink)
	}
	_, err := k.track(ticket.StatusLinkHolder(token), "")
	require.ErrorIs(t, err, ticket.ErrStatusLink, "of another tenant")
	_, err = k.track(ticket.StatusLinkHolder(token).InTenant("acme"), "")
	require.NoError(t, err)
	require.NotContains(t, token, "c1")
}

func TestLinkKeysRotate(t *testing.T) {
	store := memstore.New()
	old := newKitOn(t, store, withLinks(1))
	tk := old.open(ada, ticket.Draft{})
	first := old.link(ada, tk, ticket.StatusLinkRequest{})
	both := newKitOn(t, store, withLinks(2, 1))
	second := both.link(ada, tk, ticket.StatusLinkRequest{})
	for _, token := range []string{first, second} {
		_, err := both.track(ticket.StatusLinkHolder(token), "")
		require.NoError(t, err)
	}
	last := newKitOn(t, store, withLinks(2))
	_, err := last.track(ticket.StatusLinkHolder(first), "")
	require.ErrorIs(t, err, ticket.ErrStatusLink)
	_, err = last.track(ticket.StatusLinkHolder(second), "")
	require.NoError(t, err)
	// The same ID with another secret is another key.
	fake := newKitOn(t, store, func(c *ticket.Config) { c.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 2, Secret: secret(9)}} })
	_, err = fake.track(ticket.StatusLinkHolder(second), "")
	require.ErrorIs(t, err, ticket.ErrStatusLink)

	for name, l := range map[string]ticket.StatusLinks{
		"a short secret": {Keys: []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 31)}}},
		"an ID twice":    {Keys: []ticket.StatusLinkKey{{ID: 1, Secret: secret(1)}, {ID: 1, Secret: secret(2)}}},
		"no key":         {URL: func(string, string) string { return "" }},
		"negative TTL":   {TTL: -1},
	} {
		_, err := ticket.NewDesk(store, ticket.Config{StatusLinks: l})
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
}

func TestLinksInNotifications(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.StatusLinks.URL = func(tenant, token string) string { return "https://" + tenant + ".example.org/t/" + token }
		c.StatusLinks.Upload = true
		c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
			return []ticket.Recipient{{Role: ticket.RoleFollower, Person: ticket.Person{Email: "team@example.org"}}}, nil
		}
	})
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	token, found := strings.CutPrefix(n.StatusLink, "https://acme.example.org/t/")
	require.True(t, found, n.StatusLink)
	require.NotContains(t, asJSON(t, n), token, "it is a secret, and so no part of what is logged or posted")
	_, err := k.track(ticket.StatusLinkHolder(token).InTenant("acme"), "")
	require.NoError(t, err)
	_, err = k.desk.Do(t.Context(), ticket.StatusLinkHolder(token).InTenant("acme"), tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a", Size: 1}}})
	require.NoError(t, err)
	require.Empty(t, k.sent.RequireSent(t, ticket.KindReceived, "team@example.org").StatusLink, "not concerned with the ticket")
	require.Empty(t, k.sent.RequireSent(t, ticket.KindQueued, "queue:").StatusLink, "agents have other ways")
}

// Each scope of the configuration is in the letters, that for rating only in the
// requester's.
func TestScopesOfLinksInNotifications(t *testing.T) {
	for i, name := range []ticket.ActionName{ticket.ActionReply, ticket.ActionReply, ticket.ActionConfirm, ticket.ActionReopen, ticket.ActionCancel, ticket.ActionRate} {
		k := newKit(t, askingAfter(day), func(c *ticket.Config) {
			l := &c.StatusLinks
			l.Reply, l.Upload, l.Confirm, l.Reopen, l.Cancel, l.Rate = i == 0, i == 1, i == 2, i == 3, i == 4, i == 5
		})
		tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
		if name != ticket.ActionCancel {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
		}
		k.deliver()
		for _, address := range []string{"ada@example.org", "bob@example.org"} {
			kind := ticket.KindSolved
			if name == ticket.ActionCancel {
				kind = ticket.KindReceived
			}
			v, err := k.track(ticket.StatusLinkHolder(tokenIn(k.sent.RequireSent(t, kind, address))), "")
			require.NoError(t, err)
			if address == "bob@example.org" && name != ticket.ActionReply {
				require.Empty(t, v.Actions, "%d", i)
			} else {
				require.Equal(t, []ticket.ActionName{name}, v.Actions, "%d", i)
			}
		}
	}
}

func FuzzHolder(f *testing.F) {
	store := memstore.New()
	desk, err := ticket.NewDesk(store, ticket.Config{StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: secret(1)}}}})
	require.NoError(f, err)
	tk, err := desk.Open(context.Background(), ada, ticket.Draft{Subject: "s"})
	require.NoError(f, err)
	good, err := desk.StatusLink(context.Background(), ada, tk.ID, ticket.StatusLinkRequest{})
	require.NoError(f, err)
	f.Add(good)
	f.Add(strings.ToUpper(good))
	f.Add("")
	f.Add(strings.Repeat("0", 72))
	f.Fuzz(func(t *testing.T, token string) {
		_, err := desk.Track(t.Context(), ticket.StatusLinkHolder(token), "")
		folded := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(token))
		switch {
		case token == "":
			require.Error(t, err)
		case folded == good:
			require.NoError(t, err)
		default:
			require.ErrorIs(t, err, ticket.ErrStatusLink)
		}
	})
}

// A person that the ticket stored under wider limits can still hold a link.
func TestALinkOfAPersonStoredUnderWiderLimits(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Limits.Email = 400 })
	eve := ticket.Requester(ticket.Person{Email: strings.Repeat("e", 300) + "@example.org"})
	tk := k.open(eve, ticket.Draft{})
	token := k.link(eve, tk, ticket.StatusLinkRequest{Reply: true})
	now := newKitOn(t, k.store, withLinks(1))
	v, err := now.track(ticket.StatusLinkHolder(token), "")
	require.NoError(t, err)
	require.Equal(t, tk.Number, v.Number)
	_, err = now.desk.Do(t.Context(), ticket.StatusLinkHolder(token), tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
}

// An action that Track shows through a status link is possible after a merge.
func TestAStatusLinkActsOnTheTicketItsOwnWasMergedInto(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	into := k.open(ada, ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Reply: true}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	v, err := k.track(h, "")
	require.NoError(t, err)
	require.Equal(t, []ticket.ActionName{ticket.ActionReply}, v.Actions)
	_, err = k.desk.Do(t.Context(), h, v.ID, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: v.Version})
	_, err2 := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: v.Version})
	require.True(t, err == nil || err2 == nil)
}

// Revoking the links of a ticket ends those of the tickets merged into it.
func TestRevokedStatusLinksOfMergedTicketsShowNothing(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	into := k.open(ada, ticket.Draft{Message: "private"})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Reply: true}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	_, err := k.desk.RevokeStatusLinks(t.Context(), lin, into.ID)
	require.NoError(t, err)
	v, err := k.track(h, "")
	require.ErrorIs(t, err, ticket.ErrStatusLink, "shows %s", v.Number)
}

// A status link without a scope allows no action, even one that needs no words.
func TestAStatusLinkWithoutScopeDoesNotAct(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	spec.Name = "own"
	for i := range spec.Transitions {
		if tr := &spec.Transitions[i]; tr.Action == ticket.ActionReply && tr.By == ticket.RoleCustomer {
			tr.Needs = ticket.Inputs{}
		}
	}
	w, err := spec.Compile(nil)
	require.NoError(t, err)
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	h := ticket.StatusLinkHolder(k.link(lin, tk, ticket.StatusLinkRequest{}))
	got, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply})
	require.ErrorIs(t, err, ticket.ErrRefused, "now %s", got)
}

// The ticket that an action by a status link returns has no address.
func TestActingByAStatusLinkDoesNotRevealAddresses(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org", Phone: "+49 1"}), ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Reply: true}))
	got, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
	require.NotContains(t, asJSON(t, got), "ada@example.org")
}

// A status link stays good when its holder, known by ID, gets another address.
func TestAStatusLinkOutlivesANewAddressOfThePerson(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{ID: "c1", Name: "Ada", Email: "ada@example.com"}}})
	_, err := k.track(h, "")
	require.NoError(t, err, "the same person, by ID")
}

// Of two people with one mailbox, the link of one acts as that one.
func TestAStatusLinkActsAsItsOwnHolderInASharedMailbox(t *testing.T) {
	k := newKit(t, withLinks(1))
	a := ticket.Requester(ticket.Person{ID: "a", Email: "team@example.org"})
	b := ticket.Requester(ticket.Person{ID: "b", Email: "team@example.org"})
	tk := k.open(a, ticket.Draft{Followers: []ticket.Person{b.Person}})
	h := ticket.StatusLinkHolder(k.link(b, tk, ticket.StatusLinkRequest{Reply: true}))
	_, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
	e := k.events(cron, tk)
	require.Equal(t, "b", e[len(e)-1].Actor.ID)
}

// A lifetime of seconds is kept, whatever the second of the minute.
func TestAStatusLinkMayLiveForSeconds(t *testing.T) {
	k := newKit(t, withLinks(1))
	k.clock.Advance(50 * time.Second)
	tk := k.open(ada, ticket.Draft{})
	_, err := k.track(ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{TTL: 30 * time.Second})), "")
	require.NoError(t, err)
	_, err = k.track(ticket.StatusLinkHolder(""), "")
	require.ErrorIs(t, err, ticket.ErrStatusLink)
}
