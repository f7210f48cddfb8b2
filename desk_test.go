package ticket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

var (
	ada   = ticket.Requester(ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org"})
	bob   = ticket.Requester(ticket.Person{ID: "c2", Name: "Bob", Email: "bob@example.org"})
	lin   = ticket.Agent("lin", 1).Named("Lin")
	max   = ticket.Agent("max", 2, 3).Named("Max")
	super = ticket.Agent("super", 1, 2, 3)
	cron  = ticket.System("cron")
)

// The times of the default workflow.
const (
	reopenWindow  = 14 * 24 * time.Hour
	confirmWindow = 7 * 24 * time.Hour
)

// kit is a desk with a still clock and a recorder.
type kit struct {
	*testing.T
	desk  *ticket.Desk
	store ticket.Store
	clock *tickettest.Clock
	sent  *tickettest.Recorder
}

func newKit(t *testing.T, change ...func(*ticket.Config)) *kit {
	t.Helper()
	return newKitOn(t, memstore.New(), change...)
}

func newKitOn(t *testing.T, store ticket.Store, change ...func(*ticket.Config)) *kit {
	t.Helper()
	k := &kit{T: t, store: store, clock: tickettest.NewClock(), sent: tickettest.NewRecorder()}
	cfg := tickettest.Config(k.clock, k.sent)
	for _, c := range change {
		c(&cfg)
	}
	var err error
	k.desk, err = ticket.NewDesk(store, cfg)
	require.NoError(t, err)
	return k
}

func (k *kit) open(a ticket.Actor, d ticket.Draft) ticket.Ticket {
	k.Helper()
	if d.Subject == "" {
		d.Subject = "Printer prints blank pages"
	}
	t, err := k.desk.Open(k.Context(), a, d)
	require.NoError(k, err)
	return t
}

// do acts, and checks that the ticket still is what its history says.
func (k *kit) do(a ticket.Actor, t ticket.Ticket, act ticket.Action) ticket.Ticket {
	k.Helper()
	k.clock.Advance(time.Minute)
	after, err := k.desk.Do(k.Context(), a, t.ID, act)
	require.NoError(k, err)
	require.NoError(k, k.desk.Verify(k.Context(), cron.InTenant(a.Tenant), after.ID))
	return after
}

func (k *kit) refused(a ticket.Actor, t ticket.Ticket, act ticket.Action, category error) {
	k.Helper()
	_ = k.refusal(a, t, act, category)
}

// refusal is refused, for those who look closer.
func (k *kit) refusal(a ticket.Actor, t ticket.Ticket, act ticket.Action, category error) error {
	k.Helper()
	_, err := k.desk.Do(k.Context(), a, t.ID, act)
	require.ErrorIs(k, err, category)
	return err
}

func (k *kit) get(t ticket.Ticket) ticket.Ticket {
	k.Helper()
	got, err := k.desk.Get(k.Context(), cron.InTenant(t.Tenant), t.ID)
	require.NoError(k, err)
	return got
}

func (k *kit) events(a ticket.Actor, t ticket.Ticket) (all []ticket.Event) {
	k.Helper()
	for e, err := range k.desk.History(k.Context(), a, t.ID) {
		require.NoError(k, err)
		all = append(all, e)
	}
	return all
}

func (k *kit) deliver() {
	k.Helper()
	_, err := k.desk.Deliver(k.Context())
	require.NoError(k, err)
}

func TestAFullCase(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "Since this morning, every second page.", Channel: ticket.ChannelPhone})
	require.Equal(t, ticket.StatusNew, tk.Status)
	require.Equal(t, 1, tk.Level)
	require.Equal(t, ticket.GradeMedium, tk.Priority)
	require.NotEmpty(t, tk.Number)

	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	require.Equal(t, "lin", tk.Assignee)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault?"})
	require.Equal(t, ticket.State{Status: ticket.StatusQueued, Level: 2}, tk.State())
	require.Empty(t, tk.Assignee)
	require.Equal(t, "hardware", tk.Queue)
	tk = k.do(max, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"})
	require.Equal(t, ticket.PhaseYourTurn, tk.Phase)
	require.Equal(t, "max", tk.Assignee)
	require.Equal(t, tk.Touched, tk.FirstAnswered)
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."})
	require.Equal(t, ticket.StatusOpen, tk.Status)
	require.Empty(t, tk.Assignee, "a customer's copy does not say who has it")
	tk = k.do(max, tk, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."})
	require.Equal(t, ticket.PhaseSolved, tk.Phase)
	require.Equal(t, ticket.ActionClose, tk.Timer.Action)
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	require.Equal(t, ticket.StatusClosed, tk.Status)

	events := k.events(max, tk)
	require.Len(t, events, 7)
	require.NoError(t, ticket.Chain{}.Verify(events))

	for _, ref := range []string{string(tk.Number), strings.ToLower(strings.ReplaceAll(string(tk.Number), "-", " ")), tk.ID.String()} {
		found, err := k.desk.Find(t.Context(), lin, ref)
		require.NoError(t, err)
		require.Equal(t, tk.ID, found.ID)
	}
}

func TestOpenedAndSolvedInOneCommit(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Subject: "Where is the scanner?", Solution: "Room 2.14"})
	require.Equal(t, ticket.StatusResolved, tk.Status)
	require.Equal(t, ticket.FirstContact, tk.Resolution)
	require.EqualValues(t, 2, tk.Version)
	require.Equal(t, tk.Created, tk.FirstAnswered)
	require.Equal(t, "lin", tk.Assignee)
	v, err := k.desk.Track(t.Context(), ada, string(tk.Number))
	require.NoError(t, err)
	require.Len(t, v.Messages, 1)
	require.True(t, v.Messages[0].FromDesk)

	_, err = k.desk.Open(t.Context(), max, ticket.Draft{Requester: ada.Person, Subject: "x", Solution: "y"})
	require.ErrorIs(t, err, ticket.ErrRefused, "level 1 is not max's to answer at")
	_, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Solution: "y"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestNothingIsLostUnderConcurrency(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Attempts = 10_000 })
	tk := k.open(ada, ticket.Draft{})
	const workers, each = 16, 25
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(fmt.Sprintf("%d/%d", w, i))})
				if err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	tk = k.get(tk)
	require.EqualValues(t, 1+workers*each, tk.Version)
	notes := map[ticket.Note]bool{}
	for _, e := range k.events(lin, tk) {
		notes[e.Note] = true
	}
	require.Len(t, notes, 1+workers*each) // the opening has none
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
}

// conflicting is a store on which somebody else is always faster.
type conflicting struct {
	ticket.Store
	commits int
}

func (s *conflicting) Commit(ctx context.Context, c ticket.Commit) error {
	s.commits++
	if c.Changes[0].Expect > 0 {
		return &ticket.ConflictError{Ticket: c.Changes[0].Ticket.ID, Expected: c.Changes[0].Expect, Actual: -1}
	}
	return s.Store.Commit(ctx, c)
}

func TestConflictsAreRetriedUpToABound(t *testing.T) {
	s := &conflicting{Store: memstore.New()}
	k := newKitOn(t, s, func(c *ticket.Config) { c.Attempts = 5 })
	tk := k.open(ada, ticket.Draft{})
	s.commits = 0
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionTake}, ticket.ErrConflict)
	require.Equal(t, 5, s.commits)

	// In a host's transaction the host has to begin anew, so it is told at once.
	s.commits = 0
	_, err := k.desk.WithStore(s).Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, ticket.ErrConflict)
	require.Equal(t, 1, s.commits)
	require.ErrorIs(t, k.desk.WithStore(s).Run(t.Context()), ticket.ErrInvalid)

	// A context that ends while waiting ends the call.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, context.Canceled)
}

func TestNumbersThatCollideAreDrawnAgain(t *testing.T) {
	n := uint64(0)
	k := newKit(t, func(c *ticket.Config) {
		c.NewNumber = func() ticket.Number { n++; return ticket.NumberOf(n / 3) } // each number twice or more
	})
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	require.NotEqual(t, a.Number, b.Number)
}

func TestPinnedVersions(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "help"})
	seen := tk.Version
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "a secret"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which model?"})

	err := k.refusal(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: seen}, ticket.ErrStale)
	var stale *ticket.StaleError
	require.ErrorAs(t, err, &stale)
	require.Equal(t, seen, stale.Pinned)
	require.EqualValues(t, 3, stale.Current)
	require.Len(t, stale.Since, 2)
	require.Equal(t, ticket.Note("a secret"), stale.Since[0].Note)

	err = k.refusal(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: seen}, ticket.ErrStale)
	require.ErrorAs(t, err, &stale)
	require.Len(t, stale.Since, 1, "a customer is told of what it may see")
	require.Equal(t, ticket.Message("Which model?"), stale.Since[0].Message)

	tk = k.get(tk)
	seen = tk.Version
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "another"})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4.", Version: seen}) // nothing that it could see had changed
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: 99}, ticket.ErrStale)
}

func TestIdempotencyKeys(t *testing.T) {
	k := newKit(t)
	draft := ticket.Draft{Subject: "Parcel lost", Key: "form-1", Fields: ticket.Fields{"order": 7}}
	a := k.open(ada, draft)
	k.clock.Advance(time.Hour)
	b := k.open(ada, draft)
	require.Equal(t, a.ID, b.ID)
	require.Equal(t, a.Number, b.Number)
	draft.Subject = "Something else"
	_, err := k.desk.Open(t.Context(), ada, draft)
	require.ErrorIs(t, err, ticket.ErrDuplicate)
	var dup *ticket.DuplicateError
	require.ErrorAs(t, err, &dup)
	require.True(t, dup.Reused)
	draft.Subject = "Parcel lost"
	_, err = k.desk.Open(t.Context(), bob, draft)
	require.ErrorIs(t, err, ticket.ErrDuplicate, "another person's key is no way to its ticket")
	c := k.open(ada.InTenant("other"), draft)
	require.NotEqual(t, a.ID, c.ID, "keys are per tenant")

	// A repeat is recognised although the workflow would refuse it by now.
	take := ticket.Action{Name: ticket.ActionResolve, Message: "found", Key: "resolve-1"}
	k.do(lin, a, take)
	k.do(ada, a, ticket.Action{Name: ticket.ActionConfirm})
	again := k.do(lin, a, take)
	require.Equal(t, ticket.StatusClosed, again.Status, "the ticket as it stands now")
	require.EqualValues(t, 3, again.Version)

	var wg sync.WaitGroup
	ids := make([]ticket.ID, 16)
	for i := range ids {
		wg.Go(func() {
			got, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Key: "at once"})
			if err != nil {
				t.Errorf("%v", err)
			}
			ids[i] = got.ID
		})
	}
	wg.Wait()
	require.Len(t, slices.Compact(ids), 1)
}

// lossy is a store whose answer to a commit gets lost on the way, and perhaps
// the next question too.
type lossy struct {
	ticket.Store
	lose, down bool
}

var errLost = errors.New("connection lost")

func (s *lossy) Commit(ctx context.Context, c ticket.Commit) error {
	err := s.Store.Commit(ctx, c)
	if s.lose && err == nil {
		s.lose = false
		return errLost
	}
	return err
}

func (s *lossy) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.down && !s.lose {
		s.down = false
		return ticket.Receipt{}, errLost
	}
	return s.Store.Receipt(ctx, tenant, key)
}

func TestALostAnswerIsMendedByTheKey(t *testing.T) {
	s := &lossy{Store: memstore.New()}
	k := newKitOn(t, s)
	only := func(n int) {
		t.Helper()
		all, err := k.desk.List(t.Context(), ada, ticket.Query{})
		require.NoError(t, err)
		require.Len(t, all.Tickets, n)
	}
	s.lose = true
	k.open(ada, ticket.Draft{Key: "mended by the desk"})
	only(1)

	s.lose, s.down = true, true
	d := ticket.Draft{Subject: "Parcel lost", Key: "mended by the caller"}
	_, err := k.desk.Open(t.Context(), ada, d)
	require.ErrorIs(t, err, errLost)
	tk := k.open(ada, d)
	require.EqualValues(t, 1, tk.Version)
	only(2)

	s.lose = true
	_, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "no key, no promise"})
	require.ErrorIs(t, err, errLost)
	only(3)
}

func TestMergeAndUnmerge(t *testing.T) {
	k := newKit(t)
	ada, col := inOrg("ada", "x"), inOrg("col", "x")
	one, two := k.open(ada, ticket.Draft{Subject: "one"}), k.open(ada, ticket.Draft{Subject: "two", Followers: []ticket.Person{col.Person}})
	k.do(lin, one, ticket.Action{Name: ticket.ActionAsk, Message: "?"})

	merged := k.do(lin, two, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID})
	require.Equal(t, one.ID, merged.MergedInto)
	require.Equal(t, ticket.StatusClosed, merged.Status)
	target := k.get(one)
	_, linked := target.LinkTo(ticket.RelationDuplicatedBy, two.ID)
	require.True(t, linked)
	require.Equal(t, []ticket.Person{col.Person}, target.Followers)

	// Every number stays valid, and leads on.
	for _, a := range []ticket.Actor{ada, col, lin} {
		found, err := k.desk.Find(t.Context(), a, string(two.Number))
		require.NoError(t, err)
		require.Equal(t, one.ID, found.ID)
	}
	v, err := k.desk.Track(t.Context(), col, string(two.Number))
	require.NoError(t, err)
	require.Equal(t, one.Number, v.Number)
	replied := k.do(ada, two, ticket.Action{Name: ticket.ActionReply, Message: "to the old number"})
	require.Equal(t, one.ID, replied.ID)
	require.Equal(t, ticket.StatusOpen, replied.Status)

	err = k.refusal(lin, two, ticket.Action{Name: ticket.ActionReopen, Note: "n"}, ticket.ErrRefused)
	var refused *ticket.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "merged", refused.Why)
	require.Equal(t, one.ID, refused.Into)
	k.do(lin, two, ticket.Action{Name: ticket.ActionNote, Note: "still possible"})

	back := k.do(lin, two, ticket.Action{Name: ticket.ActionUnmerge})
	require.True(t, back.MergedInto.IsZero())
	require.Equal(t, ticket.StatusNew, back.Status, "as before the merge")
	require.Empty(t, back.Links)
	target = k.get(one)
	require.Empty(t, target.Links)
	require.Empty(t, target.Followers, "whom the merge had made followers")
	found, err := k.desk.Find(t.Context(), ada, string(two.Number))
	require.NoError(t, err)
	require.Equal(t, two.ID, found.ID)
	require.NoError(t, k.desk.Verify(t.Context(), lin, one.ID))
}

func TestUnmergeKeepsThoseWhoFollowedBefore(t *testing.T) {
	k := newKit(t)
	one := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	two := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.do(lin, two, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID})
	k.do(lin, two, ticket.Action{Name: ticket.ActionUnmerge})
	require.Equal(t, []ticket.Person{bob.Person}, k.get(one).Followers)
}

func TestMergeRefuses(t *testing.T) {
	k := newKit(t)
	one, two, other := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{}), k.open(bob, ticket.Draft{})
	merge := func(from, into ticket.Ticket, category error) {
		t.Helper()
		k.refused(super, from, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID}, category)
	}
	merge(one, other, ticket.ErrRefused) // another customer's
	merge(one, one, ticket.ErrInvalid)
	merge(one, ticket.Ticket{ID: ticket.NewID(tickettest.Start)}, ticket.ErrNotFound)
	k.do(super, two, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	k.refused(lin, one, ticket.Action{Name: ticket.ActionMerge, Ticket: two.ID}, ticket.ErrRefused) // level 2 is not lin's
	k.do(super, two, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	merge(one, two, ticket.ErrRefused) // is over
	three := k.open(ada, ticket.Draft{})
	four := k.open(ada, ticket.Draft{})
	k.do(super, three, ticket.Action{Name: ticket.ActionMerge, Ticket: four.ID})
	merge(one, three, ticket.ErrRefused) // was merged itself

	same := ticket.Requester(ticket.Person{ID: "c9", Organisation: "engines"})
	also := ticket.Requester(ticket.Person{ID: "c8", Organisation: "engines"})
	a, b := k.open(same, ticket.Draft{}), k.open(also, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	_, err := k.desk.Track(t.Context(), same, string(a.Number))
	require.NoError(t, err, "of one organisation")
}

func TestSplitLinkAndUnlink(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "two things", Queue: "hardware", Channel: ticket.ChannelMail, Priority: ticket.GradeHigh})
	child := k.do(lin, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "the second thing", Message: "quoted"}})
	require.NotEqual(t, tk.ID, child.ID)
	require.NotEqual(t, tk.Number, child.Number)
	require.Equal(t, ada.Person, child.Requester)
	require.Equal(t, "hardware", child.Queue)
	require.Equal(t, ticket.GradeHigh, child.Priority)
	_, ok := child.LinkTo(ticket.RelationChildOf, tk.ID)
	require.True(t, ok)
	parent := k.get(tk)
	_, ok = parent.LinkTo(ticket.RelationParentOf, child.ID)
	require.True(t, ok)

	other := k.open(bob, ticket.Draft{})
	link := ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationCausedBy, Ticket: other.ID}
	k.do(lin, tk, link)
	require.ErrorIs(t, k.refusal(lin, tk, link, ticket.ErrInvalid), ticket.ErrInvalid)
	o := k.get(other)
	_, ok = o.LinkTo(ticket.RelationCauseOf, tk.ID)
	require.True(t, ok)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionUnlink, Relation: ticket.RelationCausedBy, Ticket: other.ID})
	require.Empty(t, k.get(other).Links)
	require.NoError(t, k.desk.Verify(t.Context(), lin, other.ID))
}

func TestReopenWithinTheWindowAndFollowUpAfterIt(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "It stopped", Queue: "hardware", Followers: []ticket.Person{bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Try now."})
	back := k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "Still broken."})
	require.Equal(t, ticket.StatusQueued, back.Status)
	require.Equal(t, 1, back.Reopened)
	require.Equal(t, tk.ID, back.ID)
	require.Zero(t, back.Resolved)

	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "And now."})
	k.clock.Advance(reopenWindow + time.Minute)
	next := k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "It stopped again.", Attachments: []ticket.Attachment{{Name: "log.txt"}}})
	require.NotEqual(t, tk.ID, next.ID)
	full := k.get(next)
	require.Equal(t, ada.Person, full.Requester)
	require.Equal(t, "hardware", full.Queue)
	_, ok := full.LinkTo(ticket.RelationFollowUpOf, tk.ID)
	require.True(t, ok)
	old := k.get(tk)
	require.Equal(t, ticket.StatusResolved, old.Status)
	_, ok = old.LinkTo(ticket.RelationFollowedUpBy, next.ID)
	require.True(t, ok)
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))

	// Agents may undo a closing at any time, and that is no follow-up.
	again := k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "was not"})
	require.Equal(t, tk.ID, again.ID)
	require.Equal(t, 2, again.Reopened)
	// Words are needed for a follow-up as for a reply.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Minute)
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionReply}, ticket.ErrInvalid)
}

func TestTimers(t *testing.T) {
	k := newKit(t)
	fire := func(want int) {
		t.Helper()
		n, err := k.desk.FireTimers(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	k.do(lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: k.clock.Now().Add(2 * time.Hour)})
	held := k.get(tk)
	require.Equal(t, "vendor", held.Reason)
	require.Equal(t, ticket.PhaseInProgress, held.Phase)
	fire(0)
	k.clock.Advance(2 * time.Hour)
	fire(1)
	fire(0)
	on := k.get(tk)
	require.Equal(t, ticket.StatusOpen, on.Status)
	require.Empty(t, on.Reason)
	require.Equal(t, "lin", on.Assignee)
	require.True(t, on.Timer.IsZero())

	k.do(lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	k.clock.Advance(confirmWindow)
	fire(1)
	closed := k.get(tk)
	require.Equal(t, ticket.StatusClosed, closed.Status)
	require.NoError(t, k.desk.Verify(t.Context(), cron.InTenant("acme"), tk.ID))
}

// A timer whose action has become impossible is stopped and recorded, so that it
// does not come up for ever.
func TestATimerThatLeadsNowhereIsStopped(t *testing.T) {
	allow := true
	k := newKit(t, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{ticket.WorkflowSpec{
			Name: "w", Version: 1, Levels: 1, Initial: "in",
			Statuses: []ticket.StatusSpec{
				{Name: "in", Phase: ticket.PhaseReceived}, {Name: "wait", Phase: ticket.PhaseInProgress, Then: "end", After: time.Hour},
				{Name: "out", Phase: ticket.PhaseClosed, Final: true},
			},
			Transitions: []ticket.Transition{
				{Action: "begin", From: []ticket.Status{"in"}, To: "wait"},
				{Action: "end", From: []ticket.Status{"wait"}, To: "out", By: ticket.RoleAgent | ticket.RoleSystem, Guards: []string{"may"}},
			},
		}.MustCompile(map[string]func(ticket.Decision) error{"may": func(ticket.Decision) error {
			if allow {
				return nil
			}
			return errors.New("not today")
		}})}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: "begin"})
	allow = false
	k.clock.Advance(time.Hour)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	stopped := k.get(tk)
	require.True(t, stopped.Timer.IsZero())
	require.Equal(t, ticket.Status("wait"), stopped.Status)
	events := k.events(lin, tk)
	require.Contains(t, string(events[2].Note), "not today")
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
}

// What belongs to one tenant cannot be reached from another by any call, and
// cannot be told from what does not exist.
func TestTenants(t *testing.T) {
	k := newKit(t)
	mine := k.open(ada.InTenant("a"), ticket.Draft{Subject: "mine"})
	theirs := k.open(ada.InTenant("b"), ticket.Draft{Subject: "theirs"})
	unknown := ticket.Ticket{ID: ticket.NewID(tickettest.Start), Number: ticket.NumberOf(999)}

	for _, tenant := range []string{"b", ""} {
		for _, a := range []ticket.Actor{ada.InTenant(tenant), super.InTenant(tenant), cron.InTenant(tenant)} {
			for _, tk := range []ticket.Ticket{mine, unknown} {
				messages := map[string]bool{}
				calls := map[string]func() error{
					"Do": func() error {
						_, err := k.desk.Do(t.Context(), a, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
						return err
					},
					"Get":     func() error { _, err := k.desk.Get(t.Context(), a, tk.ID); return err },
					"Find":    func() error { _, err := k.desk.Find(t.Context(), a, string(tk.Number)); return err },
					"Find ID": func() error { _, err := k.desk.Find(t.Context(), a, tk.ID.String()); return err },
					"Track":   func() error { _, err := k.desk.Track(t.Context(), a, string(tk.Number)); return err },
					"History": func() (err error) {
						for _, e := range k.desk.History(t.Context(), a, tk.ID) {
							err = e
						}
						return err
					},
					"Verify":    func() error { return k.desk.Verify(t.Context(), a, tk.ID) },
					"AsOf":      func() error { _, err := k.desk.AsOf(t.Context(), a, tk.ID, tickettest.Start); return err },
					"AtVersion": func() error { _, err := k.desk.AtVersion(t.Context(), a, tk.ID, 1); return err },
					"Explain": func() error {
						return k.desk.Explain(a, func() ticket.Ticket { m := mine; m.ID = tk.ID; return m }(), ticket.Action{Name: ticket.ActionReply, Message: "m"})
					},
				}
				for name, call := range calls {
					err := call()
					require.ErrorIs(t, err, ticket.ErrNotFound, name)
					text := strings.ReplaceAll(strings.ReplaceAll(err.Error(), tk.ID.String(), "X"), string(tk.Number), "X")
					messages[text] = true
				}
				require.Len(t, messages, 1, "a foreign ticket reads like an unknown one: %v", messages)
			}
			for tk, err := range k.desk.Tickets(t.Context(), a, ticket.Query{Tenant: "a"}) {
				require.NoError(t, err)
				require.Equal(t, tenant, tk.Tenant)
			}
			for _, c := range k.desk.Actions(a, mine) {
				require.False(t, c.Allowed)
			}
		}
	}
	for _, act := range []ticket.Action{
		{Name: ticket.ActionMerge, Ticket: mine.ID}, {Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: mine.ID},
	} {
		k.refused(super.InTenant("b"), theirs, act, ticket.ErrNotFound)
	}
	require.EqualValues(t, 1, k.get(mine).Version)
}

func TestPolicy(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Queue: "hr"})
	hardware := ticket.Agent("h", 1, 2, 3).Serving("hardware")
	_, err := k.desk.Get(t.Context(), hardware, tk.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound, "agents see the queues they serve")
	k.do(super, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "h"})
	_, err = k.desk.Get(t.Context(), hardware, tk.ID)
	require.NoError(t, err, "and what is assigned to them")
	_, err = k.desk.Get(t.Context(), bob, tk.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound)

	strict := newKitOn(t, k.store, func(c *ticket.Config) { c.Policy = noCancel{} })
	err = strict.refusal(super, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "r"}, ticket.ErrRefused)
	require.ErrorIs(t, err, errNoCancel)
	for _, c := range strict.desk.Actions(super, k.get(tk)) {
		require.False(t, c.Allowed && c.Action == ticket.ActionCancel)
	}
	_, err = strict.desk.Open(t.Context(), bob, ticket.Draft{Subject: "x"})
	require.ErrorIs(t, err, ticket.ErrRefused)
}

type noCancel struct{ ticket.DefaultPolicy }

var errNoCancel = errors.New("only on Mondays")

func (noCancel) MayDo(a ticket.Actor, t ticket.Ticket, act ticket.ActionName) error {
	if act == ticket.ActionCancel || act == ticket.ActionOpen && a.Person.ID == "c2" {
		return errNoCancel
	}
	return nil
}

func TestActionsAndExplainAgreeWithDo(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, a := range []ticket.Actor{ada, bob, lin, max, super, cron} {
		for _, c := range k.desk.Actions(a, tk) {
			act := ticket.Action{Name: c.Action, Message: "m"}
			explained := k.desk.Explain(a, tk, act)
			if !c.Allowed {
				require.Error(t, explained)
				require.NotEmpty(t, c.Reason)
				_, err := k.desk.Do(t.Context(), a, tk.ID, act)
				require.Error(t, err)
				continue
			}
			require.NotErrorIs(t, explained, ticket.ErrRefused)
		}
	}
	require.EqualValues(t, 1, k.get(tk).Version)
	require.NoError(t, k.desk.Explain(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"}))
	require.ErrorIs(t, k.desk.Explain(lin, tk, ticket.Action{Name: ticket.ActionReply}), ticket.ErrInvalid)
	require.ErrorIs(t, k.desk.Explain(lin, tk, ticket.Action{Name: ticket.ActionConfirm}), ticket.ErrRefused)
	require.Nil(t, k.desk.Actions(lin, ticket.Ticket{Workflow: "unknown"}))
}

func TestTrackAndHistoryShowACustomerOnlyItsOwn(t *testing.T) {
	for _, named := range []bool{false, true} {
		k := newKit(t, func(c *ticket.Config) { c.ShowAgents = named })
		tk := k.open(ada, ticket.Draft{Message: "help", Attachments: []ticket.Attachment{{Name: "a.png", Ref: "secret-ref"}}})
		k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "secret-queue", Note: "secret-note"})
		k.do(max, tk, ticket.Action{Name: ticket.ActionReply, Message: "We look into it.", Note: "secret-note"})
		k.do(super, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"secret-tag"}, Fields: ticket.Fields{"secret": "secret-field"}, Follow: []ticket.Person{bob.Person}}})
		v, err := k.desk.Track(t.Context(), ada, string(tk.Number))
		require.NoError(t, err)
		require.Equal(t, "with the specialists", v.With)
		require.Equal(t, ticket.PhaseInProgress, v.Phase)
		require.Len(t, v.Messages, 2)
		require.Equal(t, "Ada Byron", v.Messages[0].Name)
		require.Equal(t, map[bool]string{true: "Max", false: ""}[named], v.Messages[1].Name)
		require.Equal(t, []ticket.ActionName{ticket.ActionCancel, ticket.ActionReply}, v.Actions)

		got, err := k.desk.Get(t.Context(), ada, tk.ID)
		require.NoError(t, err)
		byBob, err := k.desk.Track(t.Context(), bob, string(tk.Number))
		require.NoError(t, err)
		require.Equal(t, []ticket.ActionName{ticket.ActionReply}, byBob.Actions)
		bobs, err := k.desk.Get(t.Context(), bob, tk.ID)
		require.NoError(t, err)
		require.NotContains(t, asJSON(t, bobs), "ada@example.org", "a follower does not get the requester's address")
		for _, shown := range []any{v, got, k.events(ada, tk), byBob, k.events(bob, tk)} {
			text := asJSON(t, shown)
			require.NotContains(t, text, "secret")
			require.NotContains(t, text, "lin")
			require.NotContains(t, text, `"max"`)
		}
		require.NotContains(t, asJSON(t, []any{byBob, k.events(bob, tk)}), "ada@example.org")
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestTimeTravel(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	for version, status := range map[int64]ticket.Status{1: ticket.StatusNew, 2: ticket.StatusOpen, 3: ticket.StatusQueued} {
		past, err := k.desk.AtVersion(t.Context(), lin, tk.ID, version)
		require.NoError(t, err)
		require.Equal(t, status, past.Status)
		past, err = k.desk.AsOf(t.Context(), lin, tk.ID, tickettest.Start.Add(time.Duration(version-1)*time.Minute+time.Second))
		require.NoError(t, err)
		require.Equal(t, status, past.Status)
	}
	_, err := k.desk.AsOf(t.Context(), lin, tk.ID, tickettest.Start.Add(-1))
	require.ErrorIs(t, err, ticket.ErrNotFound)
	for _, v := range []int64{0, -1, 4} {
		_, err = k.desk.AtVersion(t.Context(), lin, tk.ID, v)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
}

// tampered shows stored events or tickets otherwise than they were written.
type tampered struct {
	ticket.Store
	event  func(*ticket.Event)
	ticket func(*ticket.Ticket)
	drop   int
}

func (s *tampered) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	events, err := s.Store.Events(ctx, tenant, id, after, limit)
	if s.event != nil {
		s.event(&events[1])
	}
	return events[:len(events)-s.drop], err
}

func (s *tampered) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	t, err := s.Store.Ticket(ctx, tenant, id)
	if s.ticket != nil {
		s.ticket(&t)
	}
	return t, err
}

func TestVerify(t *testing.T) {
	s := &tampered{Store: memstore.New()}
	k := newKitOn(t, s, func(c *ticket.Config) { c.ChainKey = []byte("0123456789abcdef0123456789abcdef") })
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
	fault := func(want string, seq int64) {
		t.Helper()
		err := k.desk.Verify(t.Context(), lin, tk.ID)
		var data *ticket.ChainError
		require.ErrorAs(t, err, &data)
		require.ErrorIs(t, err, ticket.ErrChain)
		require.Equal(t, want, data.Fault)
		require.Equal(t, seq, data.Seq)
		*s = tampered{Store: s.Store}
	}
	s.event = func(e *ticket.Event) { e.By.ID = "eve" }
	fault("altered", 2)
	s.drop = 1 // the chain alone would not notice
	fault("removed", 3)
	s.ticket = func(t *ticket.Ticket) { t.Assignee = "eve" }
	fault("altered", 3)

	other := newKitOn(t, s)
	require.ErrorIs(t, other.desk.Verify(t.Context(), lin, tk.ID), ticket.ErrChain, "the key is not the same")
}

func TestListsForCustomers(t *testing.T) {
	k := newKit(t)
	var want []ticket.ID
	for i := range 120 {
		tk := k.open(ada, ticket.Draft{Subject: fmt.Sprint(i)})
		want = append(want, tk.ID)
		k.open(bob, ticket.Draft{})
		k.clock.Advance(time.Second)
	}
	var got []ticket.ID
	for tk, err := range k.desk.Tickets(t.Context(), ada, ticket.Query{Limit: 7}) {
		require.NoError(t, err)
		got = append(got, tk.ID)
	}
	require.Equal(t, want, got)
	for _, q := range []ticket.Query{{Queue: []string{"x"}}, {Assignee: []string{"x"}}, {Tags: []string{"x"}}, {Fields: ticket.Fields{"x": 1}}, {Participant: bob.Person},
		{DueBefore: k.clock.Now()}, {Order: ticket.OrderSoonestDue}} {
		_, err := k.desk.List(t.Context(), ada, q)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	n := 0
	for _, err := range k.desk.Tickets(t.Context(), lin, ticket.Query{Status: []ticket.Status{ticket.StatusNew}, Limit: 100}) {
		require.NoError(t, err)
		if n++; n == 150 {
			break // an iterator can be left at any time
		}
	}
	_, err := k.desk.List(t.Context(), lin, ticket.Query{After: "nonsense"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	page, err := k.desk.List(t.Context(), lin, ticket.Query{Fields: ticket.Fields{"n": 1}})
	require.NoError(t, err)
	require.Empty(t, page.Tickets)
}

func TestWhatIsDueSoonest(t *testing.T) {
	k := newKit(t)
	k.open(ada, ticket.Draft{})
	resolved := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	held := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: k.clock.Now().Add(time.Hour)})
	list := func(q ticket.Query) (ids []ticket.ID) {
		for tk, err := range k.desk.Tickets(t.Context(), lin, q) {
			require.NoError(t, err)
			ids = append(ids, tk.ID)
		}
		return ids
	}
	require.True(t, resolved.Timer.At.After(held.Timer.At))
	require.Equal(t, []ticket.ID{held.ID, resolved.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue, Limit: 1}))
	require.Equal(t, []ticket.ID{held.ID}, list(ticket.Query{DueBefore: resolved.Timer.At}))
	require.Len(t, list(ticket.Query{Phase: ticket.OpenPhases()}), 2)
	for _, p := range ticket.Phases() {
		require.Equal(t, !p.Done(), slices.Contains(ticket.OpenPhases(), p))
	}
}

func TestWorkflowVersionsOnTheDesk(t *testing.T) {
	v1 := ticket.DefaultWorkflow().MustCompile(nil)
	s2 := ticket.DefaultWorkflow()
	s2.Version = 2
	s3 := ticket.DefaultWorkflow()
	s3.Version, s3.Levels, s3.LevelNames = 3, 1, nil
	s3.Transitions = slices.DeleteFunc(s3.Transitions, func(t ticket.Transition) bool { return t.Level == ticket.LevelUp || t.Level == ticket.LevelDown })
	v2, v3 := s2.MustCompile(nil), s3.MustCompile(nil)
	with := func(ws ...*ticket.Workflow) func(*ticket.Config) {
		return func(c *ticket.Config) { c.Workflows = ws }
	}
	old := newKit(t, with(v1))
	tk := old.open(ada, ticket.Draft{})
	high := old.open(ada, ticket.Draft{})
	old.do(lin, high, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})

	both := newKitOn(t, old.store, with(v1, v2), func(c *ticket.Config) { c.NewNumber = ticket.NewNumber; c.NewID = ticket.NewID })
	require.Equal(t, 1, both.do(lin, tk, ticket.Action{Name: ticket.ActionTake}).WorkflowVersion, "a ticket keeps its version")
	require.Equal(t, 2, both.open(ada, ticket.Draft{}).WorkflowVersion, "a new one follows the newest")

	next := newKitOn(t, old.store, with(v2))
	moved := next.do(lin, tk, ticket.Action{Name: ticket.ActionRelease})
	require.Equal(t, 2, moved.WorkflowVersion, "it goes on under the next version that accepts it")

	last := newKitOn(t, old.store, with(v3))
	last.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	last.refused(super, high, ticket.Action{Name: ticket.ActionTake}, ticket.ErrWorkflow) // there is no level 2 any more
	other := newKitOn(t, old.store, with(returns()))
	other.refused(lin, tk, ticket.Action{Name: ticket.ActionTake}, ticket.ErrWorkflow)
	_, err := other.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Workflow: "support"})
	require.ErrorIs(t, err, ticket.ErrWorkflow)
}

func returns() *ticket.Workflow {
	return ticket.WorkflowSpec{
		Name: "returns", Version: 1, Levels: 1, Initial: "in",
		Statuses:    []ticket.StatusSpec{{Name: "in", Phase: ticket.PhaseReceived}, {Name: "out", Phase: ticket.PhaseClosed, Final: true}},
		Transitions: []ticket.Transition{{Action: "end", From: []ticket.Status{"in"}, To: "out"}},
	}.MustCompile(nil)
}

func TestNewDeskRefuses(t *testing.T) {
	w := ticket.DefaultWorkflow().MustCompile(nil)
	for name, cfg := range map[string]ticket.Config{
		"nil workflow": {Workflows: []*ticket.Workflow{nil}}, "twice": {Workflows: []*ticket.Workflow{w, w}},
		"limits": {Limits: ticket.Limits{Subject: -1}}, "size": {Limits: ticket.Limits{AttachmentSize: -1}},
		"attempts": {Attempts: -1}, "relay": {Relay: ticket.Relay{Lease: -1}},
	} {
		_, err := ticket.NewDesk(memstore.New(), cfg)
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
	_, err := ticket.NewDesk(nil, ticket.Config{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	d, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	require.NoError(t, err)
	_, err = d.Open(t.Context(), ada, ticket.Draft{Subject: "the zero Config works"})
	require.NoError(t, err)
}

func TestInputLimits(t *testing.T) {
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

	// What each action keeps within bounds may not pass them in sum.
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

func TestCancelledContexts(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.desk.Track(ctx, ada, string(tk.Number))
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range k.desk.Tickets(ctx, lin, ticket.Query{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = k.desk.Deliver(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, k.get(tk).Version)
	// And a decision after a cancelled one works: the machine was not poisoned.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
}

func TestEditing(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "old"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
		Subject: "new", Impact: ticket.GradeHigh, Urgency: ticket.GradeCritical, AddTags: []string{"b", "a", "a"},
		Fields: ticket.Fields{"n": 1, "when": k.clock.Now(), "none": nil}, Follow: []ticket.Person{bob.Person}, Requester: ticket.Person{ID: "c3", Email: "eve@example.org"},
	}})
	require.Equal(t, "new", tk.Subject)
	require.Equal(t, ticket.GradeCritical, tk.Priority, "follows from impact and urgency")
	require.Equal(t, []string{"a", "b"}, tk.Tags)
	require.Equal(t, int64(1), tk.Fields["n"])
	require.NotContains(t, tk.Fields, "none")
	require.Equal(t, "c3", tk.Requester.ID)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{"a", "zz"}, Fields: ticket.Fields{"n": nil}, Unfollow: []ticket.Person{{ID: "c2"}}}})
	require.Equal(t, []string{"b"}, tk.Tags)
	require.NotContains(t, tk.Fields, "n")
	require.Empty(t, tk.Followers)
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{}}}, ticket.ErrInvalid)
}

// The same edit twice is the same as once.
func TestAnEditThatFindsAllAsItAsks(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	edits := map[string]ticket.Edits{
		"subject": {Subject: "new"}, "priority": {Priority: ticket.GradeMedium}, "impact": {Impact: ticket.GradeHigh, Urgency: ticket.GradeLow},
		"tags": {AddTags: []string{"a", "b"}}, "no tag": {RemoveTags: []string{"c", "c"}}, "field": {Fields: ticket.Fields{"n": 1, "when": k.clock.Now(), "list": []string{}}},
		"no field": {Fields: ticket.Fields{"none": nil}}, "follower": {Follow: []ticket.Person{bob.Person, bob.Person}}, "no follower": {Unfollow: []ticket.Person{{ID: "c9"}}},
		"requester": {Requester: ada.Person}, "all": {Subject: "x", AddTags: []string{"x"}, Fields: ticket.Fields{"x": "y"}, Priority: ticket.GradeHigh, Impact: ticket.GradeLow},
	}
	for name, e := range edits {
		first := k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		k.deliver()
		k.sent.Reset()
		second := k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		require.Equal(t, first, second, name)
		require.NoError(t, k.desk.Explain(lin, second, ticket.Action{Name: ticket.ActionEdit, Edit: &e}), name)
		k.deliver()
		require.Empty(t, k.sent.Sent(), name)
	}

	// With a key it is remembered, and does nothing again when others have
	// changed the ticket since.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeHigh}})
	act := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeHigh}, Key: "k"}
	k.do(lin, tk, act)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeLow}})
	require.Equal(t, ticket.GradeLow, k.do(lin, tk, act).Priority)
}

// One who follows by an address alone can be either of two who share it.
func TestWhoIsToFollowFollowsThoughAnotherIsToGo(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{{Email: "office@example.org"}}})
	e := ticket.Edits{Follow: []ticket.Person{{ID: "c8", Email: "office@example.org"}}, Unfollow: []ticket.Person{{ID: "c9", Email: "office@example.org"}}}
	for range 2 {
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		require.Equal(t, e.Follow, tk.Followers)
		require.EqualValues(t, 2, tk.Version, "the same edit twice is the same as once")
	}
}

func TestAnEditThatContradictsItself(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	for _, e := range []ticket.Edits{
		{AddTags: []string{"a"}, RemoveTags: []string{"b", "a"}},
		{AddTags: []string{"a"}, RemoveTags: []string{"a\u200b"}},
		{Follow: []ticket.Person{{Email: "x@example.org"}}, Unfollow: []ticket.Person{{Email: "X@EXAMPLE.org"}}},
		{Fields: ticket.Fields{"n": 1, "n\u00a0": nil}},
	} {
		k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e}, ticket.ErrInvalid)
	}
	require.EqualValues(t, 1, k.get(tk).Version)
}

// A priority that somebody set stays until somebody sets another; else it follows
// from impact and urgency.
func TestAPriorityThatWasSetStays(t *testing.T) {
	k := newKit(t)
	edit := func(tk ticket.Ticket, e ticket.Edits) ticket.Ticket {
		return k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
	}
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Impact: ticket.GradeLow})
	require.False(t, tk.PriorityGiven)
	require.Equal(t, ticket.GradeHigh, edit(tk, ticket.Edits{Impact: ticket.GradeHigh}).Priority)
	require.Equal(t, ticket.GradeHigh, edit(tk, ticket.Edits{Priority: ticket.GradeHigh}).Priority, "the same, but set from now on")
	got := edit(tk, ticket.Edits{Impact: ticket.GradeLow, Urgency: ticket.GradeLow})
	require.Equal(t, ticket.GradeHigh, got.Priority)
	require.True(t, got.PriorityGiven)
	require.Equal(t, ticket.GradeLow, edit(tk, ticket.Edits{Priority: ticket.GradeLow, Urgency: ticket.GradeCritical}).Priority)

	tk = k.open(ada, ticket.Draft{Priority: ticket.GradeCritical, Impact: ticket.GradeCritical})
	require.True(t, tk.PriorityGiven)
	require.Equal(t, ticket.GradeCritical, edit(tk, ticket.Edits{Impact: ticket.GradeLow}).Priority)
}

func TestMistypedIsNotUnknown(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	wrong := []byte(tk.Number)
	wrong[0] = 'Z'
	_, err := k.desk.Track(t.Context(), ada, string(wrong))
	require.ErrorIs(t, err, ticket.ErrMistyped)
	_, err = k.desk.Track(t.Context(), ada, string(ticket.NumberOf(123456)))
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = k.desk.Track(t.Context(), bob, string(tk.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound, "knowing a number is not being allowed")
}
