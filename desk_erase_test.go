package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var privacy = ticket.System("privacy")

func (k *kit) erase(r ticket.Erasure) ticket.ErasureReport {
	k.Helper()
	if r.Reason == "" {
		r.Reason = "asked for it"
	}
	report, err := k.desk.Erase(k.Context(), privacy, r)
	require.NoError(k, err)
	for _, t := range report.Tickets {
		require.NoError(k, k.desk.Verify(k.Context(), cron, t.Ticket))
	}
	return report
}

// stored returns everything that the store has of a ticket, as text.
func (k *kit) stored(t ticket.Ticket) string {
	k.Helper()
	tk, err := k.store.Ticket(k.Context(), t.Tenant, t.ID)
	require.NoError(k, err)
	events, err := k.store.Events(k.Context(), t.Tenant, t.ID, 0, 0)
	require.NoError(k, err)
	page, err := k.store.Deliveries(k.Context(), ticket.DeliveryQuery{Tenant: t.Tenant, Ticket: t.ID, Limit: ticket.MaxLimit})
	require.NoError(k, err)
	return asJSON(k.T, []any{tk, events, page.Deliveries})
}

func TestEraseTicket(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{
		Subject: "canary", Message: "canary", Fields: ticket.Fields{"canary": "canary"}, Key: "canary",
		Attachments: []ticket.Attachment{{Name: "canary.pdf", Ref: "canary"}}, Followers: []ticket.Person{{Name: "canary", Phone: "canary"}},
	})
	other := k.open(ada, ticket.Draft{Subject: "another"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"canary"}}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionHold, Reason: "canary", Note: "canary"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResume})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "canary", Reason: "canary"})
	require.Contains(t, k.stored(tk), "canary")
	before := k.get(tk)

	report := k.erase(ticket.Erasure{Ticket: tk.ID, Key: "erase 1"})
	require.Len(t, report.Tickets, 1)
	require.Equal(t, tk.Number, report.Tickets[0].Number)
	require.EqualValues(t, tk.Version, report.Tickets[0].Events, "every event has content: the name of the agent, if nothing else")
	require.Positive(t, report.Tickets[0].Deliveries)
	require.Equal(t, []ticket.Attachment{{Name: "canary.pdf", Ref: "canary"}}, report.Tickets[0].Files)

	require.NotContains(t, k.stored(tk), "canary")
	require.NotContains(t, k.stored(tk), "ada@example.org")
	_, err := k.store.Receipt(t.Context(), "", "canary")
	require.ErrorIs(t, err, ticket.ErrNotFound)
	require.Contains(t, k.stored(other), "ada@example.org")

	after := k.get(tk)
	require.Equal(t, before.Version+1, after.Version)
	require.Equal(t, []any{before.Number, before.Phase, before.Created, before.FirstAnswered, before.Resolved, before.Touched},
		[]any{after.Number, after.Phase, after.Created, after.FirstAnswered, after.Resolved, after.Touched})
	require.True(t, after.Requester.IsZero())
	require.Empty(t, after.Followers)
	require.Empty(t, after.Tags)
	require.Empty(t, after.Fields)
	require.Empty(t, after.Resolution)
	require.False(t, after.Erased.IsZero())
	view, err := k.desk.Track(t.Context(), lin, string(tk.Number))
	require.NoError(t, err)
	require.Equal(t, after.Erased, view.Erased)
	require.Equal(t, ticket.PhaseSolved, view.Phase)
	for _, m := range view.Messages {
		require.True(t, m.Erased)
	}
	last := k.events(lin, tk)[after.Version-1]
	require.Equal(t, ticket.By{Role: ticket.RoleSystem, ID: "privacy"}, last.By)
	require.Equal(t, "asked for it", last.Set.Erased.Reason)

	// Done again, it changes nothing, with the key and without it.
	require.Empty(t, k.erase(ticket.Erasure{Ticket: tk.ID, Key: "erase 1"}).Tickets)
	require.Empty(t, k.erase(ticket.Erasure{Ticket: tk.ID}).Tickets)
	require.Equal(t, after.Version, k.get(tk).Version)
	_, err = k.desk.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Key: "erase 1", Reason: "another"})
	require.ErrorIs(t, err, ticket.ErrDuplicate)
	k.deliver()
	for _, n := range k.sent.Sent() {
		require.False(t, n.Ticket == tk.ID && n.To.Role&ticket.RoleCustomer != 0, "nothing is sent to an erased person")
	}

	// Erased words are over; the ticket goes on, and new words are erased by the next call.
	_ = k.do(super, after, ticket.Action{Name: ticket.ActionReopen, Note: "canary"})
	require.Contains(t, k.stored(tk), "canary")
	require.Len(t, k.erase(ticket.Erasure{Ticket: tk.ID}).Tickets, 1)
	require.NotContains(t, k.stored(tk), "canary")
}

func TestEraseEvent(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "Lid", Message: "first", Fields: ticket.Fields{"order": "1", "kept": true}})
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "my password is secret"})
	said := tk.Version
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Fields: ticket.Fields{"order": "2"}, Subject: "Lids", Follow: []ticket.Person{bob.Person}}})
	edited := tk.Version

	k.erase(ticket.Erasure{Ticket: tk.ID, Event: said})
	require.NotContains(t, k.stored(tk), "secret")
	require.Contains(t, k.stored(tk), "ada@example.org", "the persons stay, unless they are asked for")
	require.Equal(t, ada.Person, k.get(tk).Requester)

	k.erase(ticket.Erasure{Ticket: tk.ID, Event: edited, Groups: ticket.Groups{PublicContent: true, Identities: true}})
	tk = k.get(tk)
	require.Equal(t, ticket.Fields{"kept": true}, tk.Fields, "the value before the erased one does not come back")
	require.Equal(t, "Lid", tk.Subject)
	require.Empty(t, tk.Followers)
	require.Equal(t, ada.Person, tk.Requester)

	_, err := k.desk.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Event: 99, Reason: "x"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestErasePerson(t *testing.T) {
	k := newKit(t)
	byMail := ticket.Requester(ticket.Person{Email: "ADA@example.org"})
	// Her own tickets, one written by mail, before your application knew who she is.
	own := k.open(ada, ticket.Draft{Message: "her words", Followers: []ticket.Person{bob.Person}})
	own = k.do(lin, own, ticket.Action{Name: ticket.ActionTake})
	own = k.do(lin, own, ticket.Action{Name: ticket.ActionReply, Message: "answer to her"})
	own = k.do(bob, own, ticket.Action{Name: ticket.ActionReply, Message: "bob's words about Ada Byron"})
	mailed := k.open(byMail, ticket.Draft{Message: "mailed words"})
	// Bob's ticket, which she followed and wrote on.
	his := k.open(bob, ticket.Draft{Message: "bob's problem", Followers: []ticket.Person{ada.Person, {ID: "c3", Name: "Cleo"}}})
	his = k.do(ada, his, ticket.Action{Name: ticket.ActionReply, Message: "her words on his ticket"})
	his = k.do(lin, his, ticket.Action{Name: ticket.ActionNote, Note: "ada@example.org is nice"})
	gone := k.open(bob, ticket.Draft{Followers: []ticket.Person{ada.Person}})
	gone = k.do(lin, gone, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{ada.Person}}})
	// A ticket that she gave away, a copied message, and one that must be kept.
	given := k.open(ada, ticket.Draft{Subject: "given away"})
	given = k.do(lin, given, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: bob.Person}})
	held := k.open(ada, ticket.Draft{Message: "held words"})
	held = k.do(super, held, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{LegalHold: new(true)}})
	tenant := k.open(ada.InTenant("other"), ticket.Draft{Message: "of another tenant"})
	// An agent and another customer with the same ID or name.
	agent := ticket.Agent("c1", 1)
	namesake := k.open(ticket.Requester(ticket.Person{ID: "c9", Name: "Ada Byron"}), ticket.Draft{Message: "a namesake"})
	namesake = k.do(agent, namesake, ticket.Action{Name: ticket.ActionTake})

	report := k.erase(ticket.Erasure{Person: ada.Person})
	erased := map[ticket.ID]bool{}
	for _, e := range report.Tickets {
		erased[e.Ticket] = true
	}
	for _, tk := range []ticket.Ticket{own, mailed, his, gone, given} {
		require.True(t, erased[tk.ID], tk.Subject)
	}
	require.Len(t, report.Tickets, 5)
	require.Equal(t, []ticket.ID{held.ID}, report.Held)
	require.Equal(t, []ticket.Mention{{Ticket: own.ID, Number: own.Number, Seq: 4}, {Ticket: his.ID, Number: his.Number, Seq: 3}}, report.Mentions)

	for _, tk := range []ticket.Ticket{own, mailed, his, gone, given} {
		text := strings.ReplaceAll(strings.ReplaceAll(k.stored(tk), "about Ada Byron", ""), "ada@example.org is nice", "")
		for _, word := range []string{"Ada", "ada@example.org", "ADA@", `"c1"`, "her words", "mailed words", "answer to her"} {
			require.NotContains(t, text, word)
		}
	}
	own, his, given = k.get(own), k.get(his), k.get(given)
	require.True(t, own.Requester.IsZero())
	require.Equal(t, []ticket.Person{bob.Person}, own.Followers)
	require.Contains(t, k.stored(own), "bob's words")
	require.Equal(t, bob.Person, his.Requester)
	require.Equal(t, []ticket.Person{{ID: "c3", Name: "Cleo"}}, his.Followers, "named beside her, and still there")
	require.Contains(t, k.stored(his), "bob's problem")
	require.Equal(t, bob.Person, given.Requester, "the former requester does not come back")
	require.Contains(t, k.stored(held), "held words")
	require.Contains(t, k.stored(tenant), "of another tenant")
	require.Contains(t, k.stored(namesake), "a namesake")

	// Again: nothing is left but what the hold keeps. When it ends, that goes too.
	require.Empty(t, k.erase(ticket.Erasure{Person: ada.Person}).Tickets)
	held = k.do(super, held, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{LegalHold: new(false)}})
	require.Len(t, k.erase(ticket.Erasure{Person: ada.Person}).Tickets, 1)
	require.NotContains(t, k.stored(held), "held words")
	k.cannotSee(ada, own)
}

// If a ticket once had another requester, that one must not come back when the later
// requester is erased.
func TestEraseDoesNotBringAFormerRequesterBack(t *testing.T) {
	k := newKit(t)
	tk := k.open(bob, ticket.Draft{})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ada.Person}})
	k.erase(ticket.Erasure{Person: ada.Person})
	require.True(t, k.get(tk).Requester.IsZero())
	k.cannotSee(bob, tk)
}

func TestEraseRefuses(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for name, c := range map[string]struct {
		actor ticket.Actor
		r     ticket.Erasure
		want  error
	}{
		"a customer":            {ada, ticket.Erasure{Ticket: tk.ID, Reason: "x"}, ticket.ErrRefused},
		"an agent":              {super, ticket.Erasure{Ticket: tk.ID, Reason: "x"}, ticket.ErrRefused},
		"another tenant":        {privacy.InTenant("other"), ticket.Erasure{Ticket: tk.ID, Reason: "x"}, ticket.ErrNotFound},
		"no reason":             {privacy, ticket.Erasure{Ticket: tk.ID}, ticket.ErrInvalid},
		"nothing":               {privacy, ticket.Erasure{Reason: "x"}, ticket.ErrInvalid},
		"both":                  {privacy, ticket.Erasure{Ticket: tk.ID, Person: ada.Person, Reason: "x"}, ticket.ErrInvalid},
		"a person with nothing": {privacy, ticket.Erasure{Person: ticket.Person{Name: "Ada"}, Reason: "x"}, ticket.ErrInvalid},
		"a person and an event": {privacy, ticket.Erasure{Person: ada.Person, Event: 1, Reason: "x"}, ticket.ErrInvalid},
		"a person and a key":    {privacy, ticket.Erasure{Person: ada.Person, Key: "k", Reason: "x"}, ticket.ErrInvalid},
		"a negative event":      {privacy, ticket.Erasure{Ticket: tk.ID, Event: -1, Reason: "x"}, ticket.ErrInvalid},
		"a long reason":         {privacy, ticket.Erasure{Ticket: tk.ID, Reason: strings.Repeat("x", 10_000)}, ticket.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.desk.Erase(t.Context(), c.actor, c.r)
			require.ErrorIs(t, err, c.want)
		})
	}
	require.EqualValues(t, 1, k.get(tk).Version)
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionErase}, ticket.ErrRefused)
	k.refused(privacy, tk, ticket.Action{Name: ticket.ActionArchive}, ticket.ErrRefused)

	_, err := newKitOn(t, struct{ ticket.Store }{memstore.New()}).desk.Erase(t.Context(), privacy, ticket.Erasure{Person: ada.Person, Reason: "x"})
	require.ErrorIs(t, err, errors.ErrUnsupported)

	allowed := newKit(t, func(c *ticket.Config) { c.Policy = anybodyErases{} })
	tk = allowed.open(ada, ticket.Draft{Queue: "a"})
	_, err = allowed.desk.Erase(t.Context(), super, ticket.Erasure{Ticket: tk.ID, Reason: "x"})
	require.NoError(t, err)
	_, err = allowed.desk.Erase(t.Context(), super.Serving("b"), ticket.Erasure{Ticket: tk.ID, Reason: "x"})
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = allowed.desk.Erase(t.Context(), ada, ticket.Erasure{Ticket: tk.ID, Reason: "x"})
	require.ErrorIs(t, err, ticket.ErrRefused)
}

type anybodyErases struct{ ticket.DefaultPolicy }

func (anybodyErases) MayDo(ticket.Actor, ticket.Ticket, ticket.ActionName) error { return nil }

// erasing is a store that counts and disturbs erasures.
type erasing struct {
	*memstore.Store
	calls  int
	before func(call int) error
}

func (s *erasing) Erase(ctx context.Context, e ticket.EraseCommit) error {
	s.calls++
	if s.before != nil {
		if err := s.before(s.calls); err != nil {
			return err
		}
	}
	return s.Store.Erase(ctx, e)
}

// A long history is erased in steps. Interrupted between any two of them, the ticket still
// verifies, and the next call erases the rest.
func TestEraseInSteps(t *testing.T) {
	s := &erasing{Store: memstore.New()}
	k := newKitOn(t, s)
	tk := k.open(ada, ticket.Draft{Message: "said 1"})
	for i := range 1200 {
		k.clock.Advance(time.Second)
		_, err := k.desk.Do(t.Context(), []ticket.Actor{ada, lin, bob}[i%2], tk.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(fmt.Sprint("said ", i))})
		require.NoError(t, err)
	}
	broken := errors.New("broken")
	s.before = func(call int) error {
		if call%2 == 0 {
			return broken
		}
		return nil
	}
	var events, calls int
	for calls = 1; ; calls++ {
		report, err := k.desk.Erase(t.Context(), privacy, ticket.Erasure{Person: ada.Person, Reason: "x"})
		for _, e := range report.Tickets {
			events += e.Events
		}
		require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
		if err == nil {
			break
		}
		require.ErrorIs(t, err, broken)
		require.Less(t, calls, 20)
	}
	require.Greater(t, calls, 2)
	require.GreaterOrEqual(t, events, 1201)
	text := k.stored(tk)
	require.NotContains(t, text, "said")
	require.NotContains(t, text, "ada@example.org")
}

// Somebody writes while Erase decides: what they wrote is erased too, or stays as a whole.
func TestEraseWhileOthersWrite(t *testing.T) {
	s := &erasing{Store: memstore.New()}
	k := newKitOn(t, s)
	tk := k.open(ada, ticket.Draft{Message: "said"})
	s.before = func(call int) error {
		if call == 1 {
			k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "said late"})
		}
		return nil
	}
	k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Equal(t, 2, s.calls)
	require.NotContains(t, k.stored(tk), "said")
}

func TestRemoveFilesComesFirst(t *testing.T) {
	broken := errors.New("broken")
	var removed []string
	fail := true
	k := newKit(t, func(c *ticket.Config) {
		c.RemoveFiles = func(_ context.Context, tenant string, files []ticket.Attachment) error {
			for _, f := range files {
				removed = append(removed, f.Ref)
			}
			if fail {
				return broken
			}
			return nil
		}
	})
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{{Name: "a", Ref: "1"}}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "see", NoteAttachments: []ticket.Attachment{{Name: "b", Ref: "2"}}})
	_, err := k.desk.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Reason: "x"})
	require.ErrorIs(t, err, broken)
	require.Contains(t, k.stored(tk), `"ref":"1"`, "the reference stays until the file is gone")
	fail = false
	k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Equal(t, []string{"1", "2", "1", "2"}, removed)
	require.NotContains(t, k.stored(tk), `"ref"`)
}

// After any erasures in any histories: the chain and the fold hold, events that were not
// erased are the same bytes, nothing of the person is left, and nothing else is lost.
func TestErasingAtRandom(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 13))
			k := newKit(t)
			people := []ticket.Actor{
				ada, bob, ticket.Requester(ticket.Person{Email: "ada@EXAMPLE.org"}), ticket.Requester(ticket.Person{Phone: "+49 1", ID: "c4"}),
			}
			var tickets []ticket.Ticket
			for range 5 {
				d := ticket.Draft{Message: "words", Fields: ticket.Fields{"f": "v"}}
				if r.IntN(2) == 0 {
					d.Followers = []ticket.Person{people[r.IntN(4)].Person}
				}
				tickets = append(tickets, k.open(people[r.IntN(4)], d))
			}
			for range 40 {
				k.act(r, people, tickets)
			}
			before := map[ticket.ID][]ticket.Event{}
			for _, tk := range tickets {
				before[tk.ID], _ = k.store.Events(t.Context(), "", tk.ID, 0, 0)
			}
			request := ticket.Erasure{Person: ada.Person, Reason: "x"}
			if r.IntN(2) == 0 {
				request = ticket.Erasure{Ticket: tickets[r.IntN(5)].ID, Reason: "x"}
			}
			k.erase(request)
			for _, tk := range tickets {
				require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
				now, err := k.store.Events(t.Context(), "", tk.ID, 0, 0)
				require.NoError(t, err)
				erased := map[int64]bool{}
				for _, e := range now {
					if e.Set.Erased != nil {
						for _, seq := range e.Set.Erased.Events {
							erased[seq] = true
						}
					}
				}
				for i, e := range before[tk.ID] {
					if !erased[e.Seq] {
						require.Equal(t, asJSON(t, e), asJSON(t, now[i]))
					} else {
						require.Equal(t, e.Digest, now[i].Digest)
					}
				}
				for _, e := range now {
					require.False(t, request.Ticket.IsZero() && e.Names(ada.Person))
				}
			}
			require.Empty(t, k.erase(request).Tickets)
			for range 10 { // the tickets go on
				k.act(r, people, tickets)
			}
			for _, tk := range tickets {
				require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
			}
		})
	}
}

// act performs a random action, which may be refused.
func (k *kit) act(r *rand.Rand, people []ticket.Actor, tickets []ticket.Ticket) {
	k.clock.Advance(time.Minute)
	tk, person := tickets[r.IntN(len(tickets))], people[r.IntN(len(people))].Person
	edit := func(e ticket.Edits) ticket.Action { return ticket.Action{Name: ticket.ActionEdit, Edit: &e} }
	acts := []ticket.Action{
		{Name: ticket.ActionReply, Message: "words"},
		{Name: ticket.ActionNote, Note: "words"},
		{Name: ticket.ActionHold, Reason: "words"},
		{Name: ticket.ActionResolve, Message: "words", Reason: "words"},
		{Name: ticket.ActionReopen, Message: "words", Note: "words"},
		{Name: ticket.ActionMerge, Ticket: tickets[r.IntN(len(tickets))].ID},
		{Name: ticket.ActionUnmerge},
		edit(ticket.Edits{AddTags: []string{"a", "b"}[r.IntN(2):]}),
		edit(ticket.Edits{RemoveTags: []string{"a"}}),
		edit(ticket.Edits{Fields: ticket.Fields{"f": fmt.Sprint(r.IntN(3)), "g": nil}}),
		edit(ticket.Edits{Fields: ticket.Fields{"f": nil, "g": int64(1)}}),
		edit(ticket.Edits{Follow: []ticket.Person{person}}),
		edit(ticket.Edits{Unfollow: []ticket.Person{person}}),
		edit(ticket.Edits{Requester: person, Subject: "words"}),
	}
	actors := slices.Concat(people, []ticket.Actor{super, cron, super})
	_, err := k.desk.Do(k.Context(), actors[r.IntN(len(actors))], tk.ID, acts[r.IntN(len(acts))])
	if err != nil && !errors.Is(err, ticket.ErrRefused) && !errors.Is(err, ticket.ErrInvalid) && !errors.Is(err, ticket.ErrNotFound) {
		require.NoError(k, err)
	}
}

// What was published about a problem helps others, and outlives the customer who had it first.
func TestErasingKeepsWhatWasPublished(t *testing.T) {
	k := newKit(t, rules(usualRule))
	tk := k.closed(ada, ticket.Draft{Subject: "Blank pages", Message: "said by her"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "Pages stay blank", Text: "The fuser is worn."}})
	known := func() (titles []string) {
		for p, err := range k.desk.KnownProblems(t.Context(), bob) {
			require.NoError(t, err)
			titles = append(titles, p.Title)
		}
		return titles
	}
	require.Equal(t, []string{"Pages stay blank"}, known())
	k.erase(ticket.Erasure{Person: ada.Person})
	require.NotContains(t, k.stored(tk), "said by her")
	require.Equal(t, []string{"Pages stay blank"}, known())
	for range 3 {
		k.clock.Advance(400 * day)
		require.Len(t, k.retain(ticket.RetainOptions{}).Steps, 1)
	}
	require.Equal(t, ticket.StageErased, k.get(tk).Stage)
	require.Equal(t, "Pages stay blank", k.get(tk).Known.Title)
	require.Equal(t, []string{"Pages stay blank"}, known(), "also of an archived ticket")
	k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Empty(t, known())
}

// An erasure is committed between the reads of Verify.
func TestVerifyDuringAnErasure(t *testing.T) {
	s := &beforeEvents{Store: memstore.New()}
	k := newKitOn(t, s)
	tk := k.open(ada, ticket.Draft{Message: "said"})
	s.do = func() { k.erase(ticket.Erasure{Ticket: tk.ID}) }
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	require.NotContains(t, k.stored(tk), "said")
}

// beforeEvents is a store that runs a function once before it reads events.
type beforeEvents struct {
	*memstore.Store
	do func()
}

func (s *beforeEvents) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
	return s.Store.Events(ctx, tenant, id, after, limit)
}

// The event that records an erasure names the other followers of erased events again. Who
// became a follower by a merge must not read more than before, and who was added by an agent
// not less.
func TestErasePersonKeepsWhatFollowersRead(t *testing.T) {
	k := newKit(t)
	cleo := ticket.Requester(ticket.Person{ID: "c3", Email: "cleo@example.org"})
	colleague, leaver, owner := inOrg("a2", "A"), inOrg("a3", "A"), inOrg("a1", "A")
	tk := k.open(bob, ticket.Draft{Message: "secret of another customer"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: owner.Person, Follow: []ticket.Person{leaver.Person, cleo.Person}}})
	dup := k.open(colleague, ticket.Draft{Message: "the same", Followers: []ticket.Person{inOrg("a4", "A").Person}})
	k.do(lin, dup, ticket.Action{Name: ticket.ActionMerge, Ticket: tk.ID})
	reads := func(a ticket.Actor) bool {
		return strings.Contains(asJSON(t, k.events(a, tk)), "secret of another customer")
	}
	for _, p := range []ticket.Person{{}, inOrg("a4", "A").Person, leaver.Person, owner.Person} {
		if !p.IsZero() {
			require.NotEmpty(t, k.erase(ticket.Erasure{Person: p}).Tickets)
		}
		require.False(t, reads(colleague), p.ID)
		require.True(t, reads(cleo), p.ID)
	}
}

// The first event names the requester and the followers. If a follower is erased, it names
// nobody any more, but the words are still the requester's.
func TestEraseFollowerAndThenRequester(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "her subject", Message: "her words", Followers: []ticket.Person{bob.Person}})
	other := k.open(ada, ticket.Draft{Message: "given words", Followers: []ticket.Person{bob.Person}})
	other = k.do(lin, other, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{ID: "c3"}}})
	k.erase(ticket.Erasure{Person: bob.Person})
	one := k.personal(ada.Person, ticket.PersonalDataOptions{}).Tickets[0]
	require.Contains(t, one.Roles, "author")
	require.Equal(t, []ticket.PersonalMessage{{At: tk.Created, By: "you", Text: "her words"}}, one.Messages)

	k.erase(ticket.Erasure{Person: ada.Person})
	require.NotContains(t, k.stored(tk), "her ")
	k.erase(ticket.Erasure{Person: ticket.Person{ID: "c3"}})
	require.Contains(t, k.stored(other), "given words", "of an earlier requester, who is another customer")
}

// Every text that stays is searched for the person.
func TestEraseMentions(t *testing.T) {
	k := newKit(t)
	tk := k.open(bob, ticket.Draft{Message: "said", Followers: []ticket.Person{ada.Person}, Fields: ticket.Fields{"of Ada Byron": true}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "A problem", Text: "As ADA Byron found"}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "Ada@example.org", Text: "found it"}})
	var found []int64
	for _, m := range k.erase(ticket.Erasure{Person: ada.Person}).Mentions {
		found = append(found, m.Seq)
	}
	require.Equal(t, []int64{1, 3, 4}, found)
	require.Contains(t, k.stored(tk), "ADA Byron")
}

// The event that records an erasure has the ID of the agent, and nothing to erase.
func TestEraseByAnAgentWithAName(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Policy = anybodyErases{} })
	tk := k.open(ada, ticket.Draft{Message: "said"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	for range 3 {
		_, err := k.desk.Erase(t.Context(), lin, ticket.Erasure{Ticket: tk.ID, Reason: "x"})
		require.NoError(t, err)
		require.Equal(t, tk.Version+1, k.get(tk).Version)
	}
	require.NotContains(t, k.stored(tk), "Lin")
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
}

type forbidsSome struct {
	anybodyErases
	hidden, refused *ticket.ID
}

func (h forbidsSome) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return t.ID != *h.hidden && h.anybodyErases.MaySee(a, t)
}

func (h forbidsSome) MayDo(_ ticket.Actor, t ticket.Ticket, _ ticket.ActionName) error {
	if t.ID == *h.refused {
		return errors.New("not this one")
	}
	return nil
}

// A ticket that the actor may not see or erase does not keep the others from being erased.
func TestErasePersonGoesOnAfterATicketThatIsNotAllowed(t *testing.T) {
	h := forbidsSome{hidden: new(ticket.ID), refused: new(ticket.ID)}
	k := newKit(t, func(c *ticket.Config) { c.Policy = h })
	hidden, refused, last := k.open(ada, ticket.Draft{Message: "said"}), k.open(ada, ticket.Draft{Message: "said"}), k.open(ada, ticket.Draft{Message: "said"})
	*h.hidden, *h.refused = hidden.ID, refused.ID
	report, err := k.desk.Erase(t.Context(), super, ticket.Erasure{Person: ada.Person, Reason: "x"})
	require.ErrorIs(t, err, ticket.ErrNotFound)
	require.ErrorIs(t, err, ticket.ErrRefused)
	require.Len(t, report.Tickets, 1)
	require.NotContains(t, k.stored(last), "said")
	require.Contains(t, k.stored(hidden), "said")
	require.Contains(t, k.stored(refused), "said")
}

// A split copies a message into a ticket of its own. If the requester of that ticket is
// erased, the copy loses its author: it must not stay, or nobody could find it later.
func TestEraseRequesterAndThenAuthorOfACopy(t *testing.T) {
	k := newKit(t)
	tk := k.open(bob, ticket.Draft{Message: "bob's words", Followers: []ticket.Person{ada.Person}})
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "her words"})
	child := k.do(lin, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "another", From: 2}})
	require.Equal(t, bob.Person, child.Requester)
	k.erase(ticket.Erasure{Person: bob.Person})
	require.Contains(t, k.stored(tk), "her words")
	k.erase(ticket.Erasure{Person: ada.Person})
	require.NotContains(t, k.stored(tk), "her words")
	require.NotContains(t, k.stored(child), "her words")
}

// Tickets that have only a delivery to the person are found last, and reported in their place.
func TestErasePersonReportsInTheOrderOfIDs(t *testing.T) {
	to := ticket.Recipient{Role: ticket.RoleFollower, Person: ticket.Person{Email: "cc@example.org"}}
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
			return []ticket.Recipient{to}, nil
		}
	})
	var want []ticket.ID
	for i := range 4 {
		want = append(want, k.open([]ticket.Actor{bob, ticket.Requester(to.Person)}[i%2], ticket.Draft{Message: "said"}).ID)
	}
	var got []ticket.ID
	for _, e := range k.erase(ticket.Erasure{Person: to.Person}).Tickets {
		got = append(got, e.Ticket)
	}
	require.Equal(t, want, got)
}

// An event that names two customers loses both. The report lists those whose words a later
// erasure of their author no longer finds.
func TestEraseListsWordsThatLoseTheirAuthor(t *testing.T) {
	carl := ticket.Person{ID: "c9", Email: "carl@example.org"}
	for name, given := range map[string]bool{"the author is the requester": false, "the author was the requester before": true} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			tk := k.open(ada, ticket.Draft{Message: "by ada", Followers: []ticket.Person{carl}})
			if given {
				tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: bob.Person}})
			}
			erase := func(p ticket.Person) ticket.ErasureReport {
				report, err := k.desk.Erase(t.Context(), cron, ticket.Erasure{Person: p, Reason: "request"})
				require.NoError(t, err)
				return report
			}
			report := erase(carl)
			if !given {
				require.Empty(t, report.Unsigned)
				erase(ada.Person)
				require.NotContains(t, k.stored(tk), "by ada")
				return
			}
			require.Equal(t, []ticket.Mention{{Ticket: tk.ID, Number: tk.Number, Seq: 1}}, report.Unsigned)
			erase(ada.Person)
			require.Contains(t, k.stored(tk), "by ada")
			_, err := k.desk.Erase(t.Context(), cron, ticket.Erasure{Ticket: tk.ID, Event: 1, Reason: "request"})
			require.NoError(t, err)
			require.NotContains(t, k.stored(tk), "by ada")
		})
	}
}

// What the desk wrote to an earlier requester of another customer goes with that one, and not
// with the present one.
func TestEraseTakesAnswersWithTheRequesterOfTheirTime(t *testing.T) {
	for _, first := range []bool{true, false} {
		k := newKit(t)
		tk := k.open(ada, ticket.Draft{Message: "by ada"})
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "answer to ada"})
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "note about ada"})
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: bob.Person}})
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "answer to bob"})
		who, gone, stays := ada, "ada", "bob"
		if !first {
			who, gone, stays = bob, "bob", "ada"
		}
		_, err := k.desk.Erase(t.Context(), cron, ticket.Erasure{Person: who.Person, Reason: "request"})
		require.NoError(t, err)
		stored := k.stored(tk)
		require.NotContains(t, stored, "answer to "+gone)
		require.Contains(t, stored, "answer to "+stays)
		require.Equal(t, !first, strings.Contains(stored, "note about ada"))
		require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	}
}
