package ticket

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	t0   = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	adaP = Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org", Phone: "+44 20 0000", Locale: "en-GB", Organisation: "engines"}
	bobP = Person{Name: "Bob", Email: "bob@example.org"}
)

func testID(n byte) ID { return ID{0, 1, 2, 3, 4, 5, 15: n} }

// fullEvents is a history in which everything that an event can hold occurs.
func fullEvents() []Event {
	id, other := testID(1), testID(2)
	events := []Event{
		{
			Action: ActionOpen, By: By{Role: RoleRequester}, To: State{StatusNew, 1}, Phase: PhaseReceived, Channel: ChannelPhone,
			Set: Patch{
				Number: NumberOf(1), Tenant: "acme", Workflow: "support", WorkflowVersion: 1,
				Priority: GradeHigh, Impact: GradeMedium, Urgency: GradeCritical, Queue: new("hardware"), AddTags: []string{"b", "a"},
				AddLinks: []Link{{RelationCausedBy, other, NumberOf(2)}},
			},
			PublicContent: PublicContent{Subject: "Zwölf leere Seiten 🖨", Message: "Since\nthis morning.", Attachments: []Attachment{
				{Name: "page.png", MediaType: "image/png", Size: 12, SHA256: Digest{1}, Ref: "s3://x"},
			}, Fields: Fields{"s": "text", "b": true, "i": int64(math.MaxInt64), "f": 2.0, "t": t0, "l": []string{"x", ""}, "gone": "soon"}},
			InternalContent: InternalContent{Note: "sounds upset"},
			Identities:      Identities{Actor: adaP, Requester: adaP, Followed: []Person{bobP}},
		},
		{
			Action: ActionEscalate, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusNew, 1}, To: State{StatusQueued, 2}, Phase: PhaseInProgress,
			Set: Patch{Queue: new(""), Assignee: new("max"), Reason: new("vendor"), RemoveTags: []string{"b"},
				Timer: &Timer{At: t0.Add(time.Hour), Action: ActionResume}},
			PublicContent:   PublicContent{Fields: Fields{"gone": nil}},
			InternalContent: InternalContent{Note: "fuser?", NoteAttachments: []Attachment{{Name: "log.txt"}}},
		},
		{
			Action: ActionResolve, By: By{Role: RoleAgent, ID: "max"}, From: State{StatusQueued, 2}, To: State{StatusResolved, 2}, Phase: PhaseSolved,
			Answer: true, PublicContent: PublicContent{Message: "New fuser."},
			Set:        Patch{Resolution: new("part"), Timer: &Timer{}, RemoveLinks: []Link{{RelationCausedBy, other, NumberOf(2)}}},
			Identities: Identities{Actor: Person{Name: "Max"}, Unfollowed: []Person{bobP}},
		},
		{
			Action: ActionMerge, By: By{Role: RoleAgent, ID: "max"}, From: State{StatusResolved, 2}, To: State{StatusClosed, 2}, Phase: PhaseClosed,
			Set: Patch{MergedInto: new(other)},
		},
		{
			Action: ActionUnmerge, By: By{Role: RoleAgent, ID: "max"}, From: State{StatusClosed, 2}, To: State{StatusQueued, 1}, Phase: PhaseInProgress,
			Set: Patch{MergedInto: new(ID{}), WorkflowVersion: 2},
		},
	}
	sealAll(id, events)
	return events
}

// laterEvents is a history with the fields that events gained later. The golden
// files of fullEvents must not change.
func laterEvents() []Event {
	id, other := testID(3), testID(4)
	agent := By{Role: RoleAgent, ID: "lin"}
	open, closed := State{StatusOpen, 1}, State{StatusClosed, 1}
	events := []Event{
		{
			Action: ActionOpen, By: agent, To: open, Phase: PhaseInProgress,
			Set:           Patch{Number: NumberOf(3), Workflow: "support", WorkflowVersion: 1, Priority: GradeHigh, PriorityGiven: new(true)},
			PublicContent: PublicContent{Subject: "A part of it", Message: "Also the lid."},
			Identities:    Identities{Actor: Person{Name: "Lin"}, Requester: adaP, Author: bobP},
		},
		{
			Action: ActionEdit, By: agent, From: open, To: open, Phase: PhaseInProgress,
			Set: Patch{NewCustomer: true, PriorityGiven: new(false)}, Identities: Identities{Requester: bobP},
		},
		{
			Action: ActionMerge, By: agent, From: open, To: closed, Phase: PhaseClosed,
			Set: Patch{MergedInto: new(other), Other: other},
		},
		{
			Action: ActionUnmerge, By: agent, From: closed, To: State{StatusResolved, 1}, Phase: PhaseSolved,
			Set: Patch{MergedInto: new(ID{}), Other: other, Restored: &restored{Resolved: t0.Add(-time.Hour), Closed: t0}},
		},
		{
			Action: ActionUnmerge, By: agent, From: State{StatusResolved, 1}, To: open, Phase: PhaseInProgress, Set: Patch{Restored: &restored{}},
		},
	}
	sealAll(id, events)
	return events
}

// upkeepEvents is a history with sealed remarks, an erasure, an archived ticket and a legal hold.
func upkeepEvents() []Event {
	system := By{Role: RoleSystem, ID: "privacy"}
	open, closed := State{StatusOpen, 1}, State{StatusClosed, 1}
	events := []Event{
		{
			Action: ActionOpen, By: By{Role: RoleRequester}, To: open, Phase: PhaseInProgress,
			Set: Patch{Number: NumberOf(5), Workflow: "support", WorkflowVersion: 1, Priority: GradeLow, Reason: new("vendor"),
				AddTags: []string{"vip"}},
			PublicContent: PublicContent{Subject: "Lid"}, Identities: Identities{Actor: adaP, Requester: adaP},
		},
		{
			Action: ActionClose, By: By{Role: RoleAgent, ID: "lin"}, From: open, To: closed, Phase: PhaseClosed,
			Set: Patch{Resolution: new("part"), RemoveTags: []string{"vip"}, LegalHold: new(true)},
		},
		{
			Action: ActionErase, By: system, From: closed, To: closed, Phase: PhaseClosed,
			Set: Patch{LegalHold: new(false), Erased: &Erased{Events: []int64{1, 2}, Reason: "request",
				Groups: Groups{PublicContent: true, InternalContent: true, Identities: true, Remarks: true}, Requester: true}},
		},
		{
			Action: ActionArchive, By: system, From: closed, To: closed, Phase: PhaseClosed, Set: Patch{Stage: new(StageErased)},
		},
	}
	sealAll(testID(5), events)
	return events
}

// feedbackEvents is a history with a question for feedback that was put off once, and a rating.
func feedbackEvents() []Event {
	open, closed := State{StatusOpen, 1}, State{StatusClosed, 1}
	lin, desk := By{Role: RoleAgent, ID: "lin"}, By{Role: RoleSystem, ID: "desk"}
	events := []Event{
		{
			Action: ActionOpen, By: By{Role: RoleRequester}, To: open, Phase: PhaseInProgress,
			Set:           Patch{Number: NumberOf(6), Workflow: "support", WorkflowVersion: 1, Priority: GradeLow},
			PublicContent: PublicContent{Subject: "Lid"}, Identities: Identities{Actor: adaP, Requester: adaP},
		},
		{
			Action: ActionClose, By: lin, From: open, To: closed, Phase: PhaseClosed,
			Set: Patch{FeedbackDue: new(t0.Add(24 * time.Hour))},
		},
		{
			Action: ActionReopen, By: lin, From: closed, To: open, Phase: PhaseInProgress,
			Set: Patch{FeedbackDue: &time.Time{}},
		},
		{
			Action: ActionClose, By: lin, From: open, To: closed, Phase: PhaseClosed,
			Set: Patch{FeedbackDue: new(t0.Add(48 * time.Hour))},
		},
		{
			Action: ActionClock, By: desk, From: closed, To: closed, Phase: PhaseClosed,
			Set: Patch{FeedbackDue: &time.Time{}, FeedbackAsked: true},
		},
		{
			Action: ActionRate, By: By{Role: RoleRequester}, From: closed, To: closed, Phase: PhaseClosed,
			Set: Patch{Score: 4}, PublicContent: PublicContent{Feedback: "Quick, but the lid is loose."}, Identities: Identities{Actor: adaP},
		},
	}
	sealAll(testID(6), events)
	return events
}

func TestFeedbackFolds(t *testing.T) {
	events := feedbackEvents()
	at := func(n int) Ticket {
		tk, err := Replay(events[:n])
		require.NoError(t, err)
		return tk
	}
	second, third, fifth, last := at(2), at(3), at(5), at(6)
	require.Equal(t, t0.Add(24*time.Hour), second.FeedbackDue)
	require.Equal(t, second.FeedbackDue, second.Wake())
	require.True(t, third.FeedbackDue.IsZero())
	require.True(t, third.Wake().IsZero())
	require.Equal(t, t0.Add(4*time.Minute), fifth.FeedbackAsked)
	require.True(t, fifth.FeedbackDue.IsZero())
	require.Equal(t, t0.Add(3*time.Minute), fifth.Touched, "to ask touches nothing")
	require.Equal(t, 4, last.Score)
	require.Equal(t, t0.Add(5*time.Minute), last.Rated)
	require.Equal(t, fifth.Closed, last.Closed)
	require.Equal(t, fifth.State(), last.State())
	require.Empty(t, last.FirstAnswered)

	erased := events[5].Erase(Groups{PublicContent: true, Identities: true})
	require.Empty(t, erased.Feedback)
	require.Equal(t, 4, erased.Set.Score, "the score stays")
	require.NoError(t, Chain{}.Verify(append(events[:5:5], erased)))
	copied := events[1].Clone()
	*copied.Set.FeedbackDue = t0
	require.Equal(t, t0.Add(24*time.Hour), *events[1].Set.FeedbackDue)
}

// knownEvents has the fields that came with known problems.
func knownEvents() []Event {
	id := testID(3)
	events := []Event{
		{Action: ActionOpen, By: By{Role: RoleAgent, ID: "lin"}, To: State{StatusNew, 1}, Phase: PhaseReceived, Set: Patch{Number: NumberOf(3)},
			PublicContent: PublicContent{Subject: "Blank pages"}, Identities: Identities{Requester: adaP}},
		{Action: ActionResolve, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusNew, 1}, To: State{StatusResolved, 1}, Phase: PhaseSolved,
			Set: Patch{SolvedBy: new(testID(8)), Suggested: true}, PublicContent: PublicContent{Message: "New fuser."}},
		{Action: ActionPublish, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusResolved, 1}, To: State{StatusResolved, 1}, Phase: PhaseSolved,
			Set: Patch{Published: new(true)}, PublicContent: PublicContent{Known: KnownProblem{Title: "Pages stay blank", Text: "The fuser is worn."}}},
		{Action: ActionWithdraw, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusResolved, 1}, To: State{StatusResolved, 1}, Phase: PhaseSolved,
			Set: Patch{Published: new(false)}},
		{Action: ActionReopen, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusResolved, 1}, To: State{StatusQueued, 1}, Phase: PhaseInProgress,
			Set: Patch{SolvedBy: new(ID)}},
		{Action: ActionPublish, By: By{Role: RoleAgent, ID: "lin"}, From: State{StatusQueued, 1}, To: State{StatusQueued, 1}, Phase: PhaseInProgress,
			Set: Patch{Published: new(true), SolvedBy: new(testID(7))}, PublicContent: PublicContent{Known: KnownProblem{Title: "Blank pages", Text: "Turn it off."}}},
	}
	sealAll(id, events)
	return events
}

// mailEvents has the fields that came with taking in mail.
func mailEvents() []Event {
	open := State{StatusOpen, 1}
	events := []Event{
		{Action: ActionOpen, By: By{Role: RoleRequester}, To: open, Phase: PhaseInProgress, Channel: ChannelMail, Quiet: true, Set: Patch{Number: NumberOf(4)},
			PublicContent: PublicContent{Subject: "Lid"}, Identities: Identities{Actor: adaP, Requester: adaP, MessageID: "1@mail.example.org"}},
		{Action: ActionNote, By: By{Role: RoleAgent, ID: "lin"}, From: open, To: open, Phase: PhaseInProgress, Channel: ChannelMail,
			InternalContent: InternalContent{Note: "Look."}, Identities: Identities{MessageID: "2@mail.example.org"}},
		{Action: ActionReply, By: By{Role: RoleRequester}, From: open, To: open, Phase: PhaseInProgress, Automatic: true, Quiet: true,
			PublicContent: PublicContent{Message: "Away."}, Identities: Identities{Actor: adaP}},
	}
	sealAll(testID(6), events)
	return events
}

func TestApplyKeepsTheNumbersOfTheLastMails(t *testing.T) {
	var tk, before Ticket
	for seq := int64(1); seq <= 20; seq++ {
		e := Event{Seq: seq}
		if seq != 15 {
			e.MessageID = "1@example.org"
		}
		before, tk = tk, Apply(tk, e)
		if seq == 18 {
			require.Equal(t, []int64{9, 10, 11, 12, 13, 14, 16, 17}, before.Mailed, "which did not change")
		}
	}
	require.Equal(t, []int64{12, 13, 14, 16, 17, 18, 19, 20}, tk.Mailed)
	require.Empty(t, tk.PublicTo(adaP).Mailed, "notes by mail would show")
}

func sealAll(id ID, events []Event) {
	var prev Digest
	for i := range events {
		events[i].Ticket, events[i].Seq, events[i].At = id, int64(i+1), t0.Add(time.Duration(i)*time.Minute)
		Chain{}.Seal(prev, &events[i])
		prev = events[i].Digest
	}
}

func TestApplyRestoresTimes(t *testing.T) {
	events := laterEvents()
	at := func(n int) Ticket {
		tk, err := Replay(events[:n])
		require.NoError(t, err)
		return tk
	}
	require.True(t, at(1).PriorityGiven)
	require.Zero(t, at(1).RequesterSince)
	require.False(t, at(2).PriorityGiven)
	require.EqualValues(t, 2, at(2).RequesterSince)
	require.Equal(t, t0.Add(2*time.Minute), at(3).Closed)
	require.Equal(t, t0.Add(-time.Hour), at(4).Resolved)
	require.Equal(t, t0, at(4).Closed)
	require.True(t, at(5).Resolved.IsZero())
	require.True(t, at(5).Closed.IsZero())
	require.Zero(t, at(5).Reopened, "to undo a merge is not to reopen")
}

func TestApply(t *testing.T) {
	events := fullEvents()
	at := func(n int) Ticket {
		tk, err := Replay(events[:n])
		require.NoError(t, err)
		return tk
	}
	first := at(1)
	require.Equal(t, adaP, first.Requester)
	require.Equal(t, []Person{bobP}, first.Followers)
	require.Equal(t, []string{"a", "b"}, first.Tags)
	require.Equal(t, t0, first.Created)
	require.Equal(t, "hardware", first.Queue)
	require.True(t, first.HasTag("b"))

	second := at(2)
	require.Equal(t, []string{"a"}, second.Tags)
	require.NotContains(t, second.Fields, "gone")
	require.Contains(t, first.Fields, "gone", "the ticket before is left alone")
	require.Empty(t, second.Queue)
	require.Equal(t, "max", second.Assignee)
	require.Equal(t, ActionResume, second.Timer.Action)
	require.True(t, second.FirstAnswered.IsZero(), "a note is no answer")

	third := at(3)
	require.Equal(t, t0.Add(2*time.Minute), third.FirstAnswered)
	require.Equal(t, t0.Add(2*time.Minute), third.Resolved)
	require.Empty(t, third.Links)
	require.Empty(t, third.Followers)
	require.True(t, third.Timer.IsZero())

	fourth := at(4)
	require.Equal(t, testID(2), fourth.MergedInto)
	require.Equal(t, t0.Add(2*time.Minute), fourth.Resolved)
	require.Equal(t, t0.Add(3*time.Minute), fourth.Closed)

	fifth := at(5)
	require.True(t, fifth.MergedInto.IsZero())
	require.True(t, fifth.Resolved.IsZero())
	require.True(t, fifth.Closed.IsZero())
	require.Equal(t, 1, fifth.Reopened)
	require.Equal(t, 2, fifth.WorkflowVersion)
	require.EqualValues(t, 5, fifth.Version)
	require.Equal(t, events[4].Digest, fifth.Digest)
}

func TestApplyIsPure(t *testing.T) {
	events := fullEvents()
	var before Ticket
	for i, e := range events {
		copyT, copyE := before.Clone(), e.Clone()
		after := Apply(before, e)
		require.True(t, before.Equal(copyT), "event %d", i)
		require.Equal(t, copyE, e)
		require.True(t, after.Equal(Apply(before, e)))
		before = Apply(copyT, e)
	}
}

// Verify finds every single change of a history, at the right event.
func TestVerifyFindsEveryChange(t *testing.T) {
	require.NoError(t, Chain{}.Verify(fullEvents()))
	require.NoError(t, Chain{}.Verify(nil))

	alter := map[string]func(*Event){
		"at":          func(e *Event) { e.At = e.At.Add(time.Microsecond) },
		"action":      func(e *Event) { e.Action = "x" },
		"role":        func(e *Event) { e.By.Role = RoleSystem },
		"agent":       func(e *Event) { e.By.ID += "x" },
		"from":        func(e *Event) { e.From.Level += 7 },
		"to":          func(e *Event) { e.To.Status += "x" },
		"phase":       func(e *Event) { e.Phase += "x" },
		"channel":     func(e *Event) { e.Channel += "x" },
		"answer":      func(e *Event) { e.Answer = !e.Answer },
		"number":      func(e *Event) { e.Set.Number += "x" },
		"tenant":      func(e *Event) { e.Set.Tenant += "x" },
		"workflow":    func(e *Event) { e.Set.Workflow += "x" },
		"version":     func(e *Event) { e.Set.WorkflowVersion += 7 },
		"priority":    func(e *Event) { e.Set.Priority++ },
		"impact":      func(e *Event) { e.Set.Impact++ },
		"urgency":     func(e *Event) { e.Set.Urgency++ },
		"queue":       func(e *Event) { e.Set.Queue = new("x") },
		"assignee":    func(e *Event) { e.Set.Assignee = new("x") },
		"reason":      func(e *Event) { e.Set.Reason = new("x") },
		"resolution":  func(e *Event) { e.Set.Resolution = new("x") },
		"timer":       func(e *Event) { e.Set.Timer = &Timer{At: t0.Add(3)} },
		"add tags":    func(e *Event) { e.Set.AddTags = append(e.Set.AddTags, "x") },
		"remove tags": func(e *Event) { e.Set.RemoveTags = append(e.Set.RemoveTags, "x") },
		"add links":   func(e *Event) { e.Set.AddLinks = append(e.Set.AddLinks, Link{Relation: RelationChildOf}) },
		"remove link": func(e *Event) { e.Set.RemoveLinks = append(e.Set.RemoveLinks, Link{Relation: RelationChildOf}) },
		"merged":      func(e *Event) { e.Set.MergedInto = new(testID(9)) },
		"other":       func(e *Event) { e.Set.Other = testID(9) },
		"restored":    func(e *Event) { e.Set.Restored = &restored{Closed: t0.Add(time.Second)} },
		"given":       func(e *Event) { e.Set.PriorityGiven = new(e.Set.PriorityGiven != nil && !*e.Set.PriorityGiven) },
		"customer":    func(e *Event) { e.Set.NewCustomer = !e.Set.NewCustomer },
		"asking":      func(e *Event) { e.Set.FeedbackDue = new(t0) },
		"asked":       func(e *Event) { e.Set.FeedbackAsked = !e.Set.FeedbackAsked },
		"score":       func(e *Event) { e.Set.Score++ },
		"feedback":    func(e *Event) { e.Feedback += "x" },
		"published":   func(e *Event) { e.Set.Published = new(e.Set.Published == nil || !*e.Set.Published) },
		"solved by":   func(e *Event) { e.Set.SolvedBy = new(testID(9)) },
		"suggested":   func(e *Event) { e.Set.Suggested = !e.Set.Suggested },
		"known":       func(e *Event) { e.Known.Title += "x" },
		"known text":  func(e *Event) { e.Known.Text += "x" },
		"subject":     func(e *Event) { e.Subject += "x" },
		"message":     func(e *Event) { e.Message += "x" },
		"attachments": func(e *Event) { e.Attachments = append(e.Attachments, Attachment{Name: "x"}) },
		"fields":      func(e *Event) { e.Fields = Fields{"x": int64(1)} },
		"note":        func(e *Event) { e.Note += "x" },
		"note files":  func(e *Event) { e.NoteAttachments = append(e.NoteAttachments, Attachment{Name: "x"}) },
		"actor":       func(e *Event) { e.Actor.Name += "x" },
		"requester":   func(e *Event) { e.Requester.Phone += "1" },
		"followed":    func(e *Event) { e.Followed = append(e.Followed, adaP) },
		"unfollowed":  func(e *Event) { e.Unfollowed = append(e.Unfollowed, adaP) },
		"author":      func(e *Event) { e.Author.Name += "x" },
		"salt":        func(e *Event) { e.Seals.PublicContent.Salt[0]++ },
		"sum":         func(e *Event) { e.Seals.PublicContent.Sum[0]++ },
		"digest":      func(e *Event) { e.Digest[0]++ },
	}
	for name, change := range alter {
		for i := range fullEvents() {
			events := fullEvents()
			change(&events[i])
			requireFault(t, Chain{}.Verify(events), chainAltered, int64(i+1), name)
		}
	}
}

func requireFault(t *testing.T, err error, fault string, seq int64, msg ...any) {
	t.Helper()
	require.ErrorIs(t, err, ErrChain, msg...)
	var data *ChainError
	require.ErrorAs(t, err, &data)
	require.Equal(t, fault, data.Fault, msg...)
	require.Equal(t, seq, data.Seq, msg...)
}

func TestVerifyFindsRemovedInsertedReordered(t *testing.T) {
	e := fullEvents()
	foreign := e[2].Clone()
	foreign.Ticket = testID(9)
	renumbered := e[3].Clone()
	renumbered.Seq = 3
	for name, c := range map[string]struct {
		events []Event
		fault  string
		seq    int64
	}{
		"first removed":          {[]Event{e[1], e[2]}, chainRemoved, 1},
		"middle removed":         {[]Event{e[0], e[1], e[3], e[4]}, chainRemoved, 3},
		"removed and renumbered": {[]Event{e[0], e[1], renumbered}, chainAltered, 3},
		"repeated":               {[]Event{e[0], e[1], e[1], e[2]}, chainInserted, 2},
		"foreign":                {[]Event{e[0], e[1], foreign}, chainInserted, 3},
		"swapped":                {[]Event{e[0], e[2], e[1], e[3]}, chainReordered, 3},
		"reversed":               {[]Event{e[4], e[3], e[2], e[1], e[0]}, chainReordered, 5},
	} {
		t.Run(name, func(t *testing.T) { requireFault(t, Chain{}.Verify(c.events), c.fault, c.seq) })
	}
	require.NoError(t, Chain{}.Verify(e[:3]), "a chain alone cannot show that its end was cut off; Desk.Verify does")
	_, err := Replay([]Event{e[0], e[2]})
	requireFault(t, err, chainRemoved, 2)
}

func TestChainKey(t *testing.T) {
	seal := func(c Chain) []Event {
		events := fullEvents()
		var prev Digest
		for i := range events {
			c.Seal(prev, &events[i])
			prev = events[i].Digest
		}
		return events
	}
	keyed := Chain{Key: []byte("a key of thirty-two random bytes")}
	events := seal(keyed)
	require.NoError(t, keyed.Verify(events))
	requireFault(t, Chain{}.Verify(events), chainAltered, 1)
	requireFault(t, Chain{Key: []byte("another")}.Verify(events), chainAltered, 1)

	// Without a key, anyone with write access can forge a history. With a key they cannot.
	plain := seal(Chain{})
	plain[4].Action = "forged"
	Chain{}.Seal(plain[3].Digest, &plain[4])
	require.NoError(t, Chain{}.Verify(plain))
	events[4].Action = "forged"
	Chain{}.Seal(events[3].Digest, &events[4])
	requireFault(t, keyed.Verify(events), chainAltered, 5)
}

func TestEraseKeepsTheChain(t *testing.T) {
	for _, groups := range []Groups{{PublicContent: true}, {InternalContent: true}, {Identities: true}, {Remarks: true}, allGroups} {
		events := fullEvents()
		for i := range events {
			events[i] = events[i].Erase(groups)
		}
		require.NoError(t, Chain{}.Verify(events))
		e := events[0]
		require.Equal(t, groups.PublicContent, e.Seals.PublicContent.Erased())
		require.Equal(t, groups.InternalContent, e.Seals.InternalContent.Erased())
		require.Equal(t, groups.Identities, e.Seals.Identities.Erased())
		require.False(t, events[3].Seals.PublicContent.Erased(), "where nothing was, nothing was erased")
		b, err := json.Marshal(events)
		require.NoError(t, err)
		require.Equal(t, groups.PublicContent, !strings.Contains(string(b), "morning"))
		require.Equal(t, groups.InternalContent, !strings.Contains(string(b), "upset"))
		require.Equal(t, groups.Identities, !strings.Contains(string(b), "ada@example.org"))

		// The times that reports need do not depend on erased content.
		tk, err := Replay(events[:3])
		require.NoError(t, err)
		require.Equal(t, t0.Add(2*time.Minute), tk.FirstAnswered)
	}
	events := fullEvents()
	events[0].Note = "" // taken out, but not erased
	requireFault(t, Chain{}.Verify(events), chainAltered, 1)
	events[0] = fullEvents()[0].Erase(Groups{InternalContent: true})
	events[0].Note = "put in again"
	requireFault(t, Chain{}.Verify(events), chainAltered, 1)
}

// A salt per group and event: equal content gives different seals, so erased
// content cannot be found by comparing with other events.
func TestSealsAreSalted(t *testing.T) {
	a, b := fullEvents()[0], fullEvents()[0]
	require.NotEqual(t, a.Seals.PublicContent.Sum, b.Seals.PublicContent.Sum)
	require.NotEqual(t, a.Seals.PublicContent.Salt, a.Seals.Identities.Salt)
}

// The digests of events that are stored for ever must not change with the code.
// The salts are fixed here, so the digests are too.
func TestDigestsAreStable(t *testing.T) {
	stable(t, fullEvents(), 3, "digests.txt", "events.json", "ticket.json")
	stable(t, laterEvents(), 3, "digests-later.txt", "events-later.json", "ticket-later.json")
	stable(t, upkeepEvents(), 4, "digests-upkeep.txt", "events-upkeep.json", "ticket-upkeep.json")
	stable(t, feedbackEvents(), 4, "digests-feedback.txt", "events-feedback.json", "ticket-feedback.json")
	stable(t, knownEvents(), 4, "digests-known.txt", "events-known.json", "ticket-known.json")
	stable(t, mailEvents(), 4, "digests-mail.txt", "events-mail.json", "ticket-mail.json")
}

// stable compares with stored forms. Events of older versions have only the first three groups.
func stable(t *testing.T, events []Event, groups int, digests, inJSON, folded string) {
	t.Helper()
	var prev Digest
	var got []string
	w := newWriter(nil)
	for i := range events {
		e := &events[i]
		e.Seals = Seals{}
		for _, g := range w.groups(e)[:groups] {
			if len(g.content()) > 0 {
				g.seal.Salt = salt{0: byte(i + 1), 15: g.tag}
				g.seal.Sum = w.commit(g.seal.Salt, g.tag)
			}
		}
		e.Digest = w.digest(prev, e)
		prev = e.Digest
		got = append(got, e.Digest.String())
	}
	golden(t, digests, []byte(strings.Join(got, "\n")+"\n"))

	b, err := json.MarshalIndent(events, "", "  ")
	require.NoError(t, err)
	golden(t, inJSON, append(b, '\n'))
	tk, err := Replay(events)
	require.NoError(t, err)
	b, err = json.MarshalIndent(tk, "", "  ")
	require.NoError(t, err)
	golden(t, folded, append(b, '\n'))

	// They come back from their JSON form as they were.
	var list []json.RawMessage
	stored, err := os.ReadFile(filepath.Join("testdata", inJSON))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &list))
	back := make([]Event, len(list))
	for i := range list {
		back[i], err = DecodeEvent(list[i])
		require.NoError(t, err)
	}
	require.NoError(t, Chain{}.Verify(back))
	require.Equal(t, events, back)
	var tk2 Ticket
	stored, err = os.ReadFile(filepath.Join("testdata", folded))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &tk2))
	require.True(t, tk.Equal(tk2))
}

// golden compares with a file in testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestFieldsJSON(t *testing.T) {
	f := Fields{"s": "1", "b": false, "i": int64(-1), "big": int64(math.MinInt64), "f": 1.0, "tiny": 5e-324, "huge": 1e300,
		"t": t0.Add(time.Microsecond), "l": []string{}, "none": nil}
	b, err := json.Marshal(f)
	require.NoError(t, err)
	var back Fields
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, f, back)
	for _, bad := range []string{
		`{"x":{}}x`, `{"x":{"other":1}}`, `{"x":[1]}`, `{"x":[null]}`, `{"x":[[]]}`, `{"x":9223372036854775808}`, `[]`, `1`, `{"x":{"time":1}}`,
	} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
	require.NoError(t, json.Unmarshal([]byte("null"), &back))
	require.Nil(t, back)
}

func TestDecodeEventRefuses(t *testing.T) {
	good, err := json.Marshal(fullEvents()[0])
	require.NoError(t, err)
	_, err = DecodeEvent(good)
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"empty": "", "rest": string(good) + "{}", "unknown name": `{"x":1,` + string(good)[1:],
		"no ticket": `{"seq":1,"at":"2026-01-05T09:00:00Z","action":"x"}`, "no seq": strings.Replace(string(good), `"seq":1`, `"seq":0`, 1),
		"no action": strings.Replace(string(good), `"action":"open"`, `"action":""`, 1), "role": strings.Replace(string(good), `"role":"requester"`, `"role":"king"`, 1),
		"grade": strings.Replace(string(good), `"priority":"high"`, `"priority":"higher"`, 1), "digest": strings.Replace(string(good), `"digest":"`, `"digest":"0`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeEvent([]byte(bad))
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range fullEvents() {
		b, err := json.Marshal(e)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"ticket":"01ARZ3NDEKTSV4RRFFQ69G5FAV","seq":1,"at":"2026-01-05T09:00:00+01:00","action":"x","fields":{"a":1e5,"b":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEvent(data)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		// A decoded event can be encoded, decodes to the same event, and has the
		// same digest.
		b, err := json.Marshal(e)
		require.NoError(t, err)
		back, err := DecodeEvent(b)
		require.NoError(t, err, "%s", b)
		w := newWriter(nil)
		defer w.free()
		require.Equal(t, w.digest(Digest{}, &e), w.digest(Digest{}, &back))
		require.Equal(t, w.checkSeals(&e), w.checkSeals(&back))
		Apply(Ticket{}, e)
	})
}

func TestPersonSame(t *testing.T) {
	for _, c := range []struct {
		a, b Person
		same bool
	}{
		{Person{ID: "1"}, Person{ID: "1", Email: "x@y"}, true},
		{Person{ID: "1", Email: "x@y"}, Person{ID: "2", Email: "x@y"}, false},
		{Person{ID: "1", Email: "x@y"}, Person{Email: "X@Y"}, true},
		{Person{Email: "k@y"}, Person{Email: "\u212a@y"}, false}, // the Kelvin sign folds to k elsewhere
		{Person{Email: "x@y", Phone: "1"}, Person{Phone: "1"}, false},
		{Person{Phone: "1"}, Person{Phone: "1"}, true},
		{Person{Name: "x"}, Person{Name: "x"}, false},
		{Person{}, Person{}, false},
		{Person{ID: "1"}, Person{}, false},
	} {
		require.Equal(t, c.same, c.a.Same(c.b), "%v %v", c.a, c.b)
		require.Equal(t, c.same, c.b.Same(c.a), "%v %v", c.b, c.a)
	}
}
