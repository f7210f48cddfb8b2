package ticket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"
)

// everyActor is one of each kind that a ticket in queue "hardware" can meet.
var everyActor = []struct {
	mark  byte
	actor Actor
}{
	{'R', Requester(adaP)},
	{'F', Requester(bobP)},
	{'s', Requester(Person{ID: "stranger"})},
	{'1', Agent("lin", 1)},
	{'2', Agent("max", 2)},
	{'3', Agent("eve", 3)},
	{'A', Agent("all", 1, 2, 3)},
	{'q', Agent("other queue", 1, 2, 3).Serving("software")},
	{'0', Agent("no level")},
	{'S', System("cron")},
	{'-', Actor{}},
}

func ticketIn(s State) Ticket {
	w := defaultWorkflow()
	return Ticket{
		ID: testID(1), Number: NumberOf(1), Requester: adaP, Followers: []Person{bobP}, Subject: "s", Queue: "hardware",
		Status: s.Status, Level: s.Level, Phase: w.Phase(s.Status), Workflow: w.Name(), WorkflowVersion: w.Version(),
		Created: t0, Touched: t0, Resolved: t0, Version: 1,
	}
}

// The golden file has every action from every state by every kind of actor. Most
// combinations are refused.
func TestDefaultWorkflowTable(t *testing.T) {
	w := defaultWorkflow()
	var b strings.Builder
	b.WriteString("# action, state: who may (R requester, F follower, s stranger, 1 2 3 agents of one level,\n" +
		"# A agent of all levels, q agent of another queue, 0 agent of no level, S system, - nobody), where it leads\n")
	allowed, refused := 0, 0
	for _, name := range w.Actions() {
		for _, state := range w.States() {
			marks, to := "", ""
			for _, by := range everyActor {
				tk := ticketIn(state)
				if name == ActionUnmerge {
					tk.MergedInto = testID(2)
				}
				if name == ActionWithdraw {
					tk.Known.Title = "t"
				}
				d := Decision{Ticket: tk, Actor: by.actor, Action: Action{Name: name}, Now: t0.Add(time.Hour)}
				err := w.permit(&d)
				if err != nil {
					refused++
					marks += "."
					require.True(t, errors.Is(err, ErrRefused) || errors.Is(err, ErrInvalid), "%v", err)
					continue
				}
				allowed++
				marks += string(by.mark)
				if !strings.Contains(to, d.To.String()) {
					to += " " + d.To.String()
				}
			}
			fmt.Fprintf(&b, "%-10s %-11s %s%s\n", name, state, marks, to)
		}
	}
	fmt.Fprintf(&b, "allowed %d, refused %d\n", allowed, refused)
	golden(t, "default_workflow.txt", []byte(b.String()))
	require.Greater(t, refused, 3*allowed)
}

// The most important rows of the table, each with the reason for the refusal.
func TestDefaultWorkflowRefusesNonsense(t *testing.T) {
	w := defaultWorkflow()
	for _, c := range []struct {
		name  string
		state State
		actor Actor
		act   ActionName
		why   string
	}{
		{"a closed ticket is not escalated", State{StatusClosed, 1}, Agent("lin", 1), ActionEscalate, whyState},
		{"a requester does not resolve", State{StatusOpen, 1}, Requester(adaP), ActionResolve, whyRole},
		{"a requester confirms only a resolved ticket", State{StatusOpen, 1}, Requester(adaP), ActionConfirm, whyState},
		{"a follower does not confirm", State{StatusResolved, 1}, Requester(bobP), ActionConfirm, whyRole},
		{"a stranger does not reply", State{StatusOpen, 1}, Requester(Person{ID: "x"}), ActionReply, whyRole},
		{"an agent of level 1 does not act on level 3", State{StatusOpen, 3}, Agent("lin", 1), ActionResolve, whyLevel},
		{"nor write a note there", State{StatusOpen, 3}, Agent("lin", 1), ActionNote, whyLevel},
		{"an agent without a level acts nowhere", State{StatusOpen, 1}, Agent("lin"), ActionTake, whyLevel},
		{"an agent of another queue does not act", State{StatusOpen, 1}, Agent("lin", 1).Serving("software"), ActionTake, whyQueue},
		{"a system does not answer customers", State{StatusOpen, 1}, System("bot"), ActionReply, whyRole},
		{"nobody does not act", State{StatusOpen, 1}, Actor{}, ActionTake, whyRole},
		{"level 3 is the top", State{StatusOpen, 3}, Agent("eve", 3), ActionEscalate, whyState},
		{"level 1 is the bottom", State{StatusOpen, 1}, Agent("lin", 1), ActionHandBack, whyState},
		{"a ticket that was not merged is not unmerged", State{StatusClosed, 1}, Agent("lin", 1), ActionUnmerge, whyState},
		{"there is no such action", State{StatusOpen, 1}, Agent("lin", 1), "frobnicate", whyUnknown},
		{"open is no action to do", State{StatusOpen, 1}, Agent("lin", 1), ActionOpen, whyUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.Decide(Decision{Ticket: ticketIn(c.state), Actor: c.actor, Action: Action{Name: c.act, Message: "m", Note: "n"}, Now: t0})
			require.ErrorIs(t, err, ErrRefused)
			var data *RefusedError
			require.ErrorAs(t, err, &data)
			require.Equal(t, c.why, data.Why, err.Error())
			require.Equal(t, c.state, data.State)
			if c.why != whyUnknown {
				require.NotZero(t, data.By)
				require.NotEmpty(t, data.From)
			}
		})
	}
}

func TestDecideLevels(t *testing.T) {
	w := defaultWorkflow()
	agent := Agent("all", 1, 2, 3)
	for _, c := range []struct {
		act   ActionName
		at    int
		named int
		to    int // 0: refused
	}{
		{ActionEscalate, 1, 0, 2}, {ActionEscalate, 1, 2, 2}, {ActionEscalate, 1, 3, 3}, {ActionEscalate, 2, 0, 3}, {ActionEscalate, 2, 3, 3},
		{ActionEscalate, 2, 1, 0}, {ActionEscalate, 2, 2, 0}, {ActionEscalate, 1, 4, 0}, {ActionEscalate, 1, -1, 0},
		{ActionHandBack, 3, 0, 2}, {ActionHandBack, 3, 1, 1}, {ActionHandBack, 2, 0, 1}, {ActionHandBack, 2, 3, 0}, {ActionHandBack, 3, 3, 0},
		{ActionTake, 2, 0, 2}, {ActionTake, 2, 2, 2}, {ActionTake, 2, 3, 0},
	} {
		e, err := w.Decide(Decision{Ticket: ticketIn(State{StatusOpen, c.at}), Actor: agent, Action: Action{Name: c.act, Level: c.named, Note: noteFor(c.act)}, Now: t0})
		if c.to == 0 {
			require.ErrorIs(t, err, ErrInvalid, "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.to, e.To.Level, "%+v", c)
		require.Equal(t, c.at, e.From.Level)
	}
}

func noteFor(a ActionName) Note {
	if a == ActionEscalate || a == ActionHandBack {
		return "n"
	}
	return ""
}

func TestDecideAmendChooses(t *testing.T) {
	w := defaultWorkflow()
	decide := func(from State, act Action) (Event, error) {
		act.Name, act.Note = ActionAmend, "n"
		return w.Decide(Decision{Ticket: ticketIn(from), Actor: Agent("all", 1, 2, 3), Action: act, Now: t0})
	}
	done := []Status{StatusResolved, StatusClosed, StatusCancelled}
	for _, from := range done {
		for _, to := range done {
			for level := 1; level <= 3; level++ {
				e, err := decide(State{from, 2}, Action{Status: to, Level: level, Queue: "q"})
				require.NoError(t, err)
				require.Equal(t, State{to, level}, e.To)
				require.False(t, e.Reopens(w.Phase(from)))
			}
		}
		e, err := decide(State{from, 2}, Action{})
		require.NoError(t, err)
		require.Equal(t, State{from, 2}, e.To)
		_, err = decide(State{from, 2}, Action{Status: StatusOpen})
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := decide(State{StatusOpen, 2}, Action{})
	require.ErrorIs(t, err, ErrRefused)
}

func TestDecideContent(t *testing.T) {
	w := defaultWorkflow()
	lin, ada := Agent("lin", 1), Requester(adaP)
	open, other := State{StatusOpen, 1}, ticketIn(State{StatusOpen, 1})
	other.ID = testID(2)
	for _, c := range []struct {
		field string
		state State
		actor Actor
		act   Action
	}{
		{"action.note", open, lin, Action{Name: ActionEscalate}},
		{"action.note", open, lin, Action{Name: ActionNote}},
		{"action.message", open, lin, Action{Name: ActionResolve}},
		{"action.message", open, lin, Action{Name: ActionResolve, Attachments: []Attachment{{Name: "x"}}}},
		{"action.message", open, lin, Action{Name: ActionReply}},
		{"action.message", open, ada, Action{Name: ActionReply}},
		{"action.reason", open, lin, Action{Name: ActionHold}},
		{"action.queue", open, lin, Action{Name: ActionHandOver}},
		{"action.assignee", open, lin, Action{Name: ActionAssign}},
		{"action.ticket", open, lin, Action{Name: ActionMerge}},
		{"action.ticket", open, lin, Action{Name: ActionLink, Relation: RelationRelatedTo}},
		{"action.relation", open, lin, Action{Name: ActionLink, Ticket: other.ID, Relation: "x"}},
		{"action.ticket", open, lin, Action{Name: ActionUnlink, Relation: RelationRelatedTo, Ticket: other.ID}},
		{"action.draft", open, lin, Action{Name: ActionSplit}},
		{"action.edit", open, lin, Action{Name: ActionEdit}},
		{"action.edit", open, lin, Action{Name: ActionEdit, Edit: &Edits{}}},
		// Fields that no rule reads.
		{"action.note", open, ada, Action{Name: ActionReply, Message: "m", Note: "n"}},
		{"action.note", open, ada, Action{Name: ActionReply, Message: "m", NoteAttachments: []Attachment{{Name: "x"}}}},
		{"action.queue", open, lin, Action{Name: ActionReply, Message: "m", Queue: "q"}},
		{"action.assignee", open, lin, Action{Name: ActionTake, Assignee: "x"}},
		{"action.until", open, lin, Action{Name: ActionTake, Until: t0.Add(time.Hour)}},
		{"action.until", open, lin, Action{Name: ActionHold, Reason: "vendor", Until: t0}},
		{"action.ticket", open, lin, Action{Name: ActionTake, Ticket: other.ID}},
		{"action.relation", open, lin, Action{Name: ActionTake, Relation: RelationRelatedTo}},
		{"action.draft", open, lin, Action{Name: ActionTake, Draft: &Draft{}}},
		{"action.edit", open, lin, Action{Name: ActionTake, Edit: &Edits{}}},
		{"action.status", open, lin, Action{Name: ActionTake, Status: StatusOpen}},
		{"action.level", open, lin, Action{Name: ActionTake, Level: 2}},
		{"action.reason", open, lin, Action{Name: ActionNote, Note: "n", Reason: "r"}},
		{"action.reason", open, ada, Action{Name: ActionCancel, Reason: "r"}},
	} {
		t.Run(fmt.Sprintf("%s %s", c.act.Name, c.field), func(t *testing.T) {
			_, err := w.Decide(Decision{Ticket: ticketIn(c.state), Actor: c.actor, Action: c.act, Now: t0, Other: &other})
			require.ErrorIs(t, err, ErrInvalid)
			var data *InvalidError
			require.ErrorAs(t, err, &data)
			require.Equal(t, c.field, data.Field, err.Error())
		})
	}
}

func TestDecideKeepsHistoryInOrder(t *testing.T) {
	e, err := defaultWorkflow().Decide(Decision{Ticket: ticketIn(State{StatusOpen, 1}), Actor: Agent("lin", 1), Action: Action{Name: ActionNote, Note: "n"}, Now: t0.Add(-time.Hour)})
	require.NoError(t, err)
	require.Equal(t, t0, e.At, "a clock that was set back does not put an event before its predecessor")
}

func small() WorkflowSpec {
	return WorkflowSpec{
		Name: "small", Version: 1, Levels: 2, Initial: "in",
		Statuses: []StatusSpec{{Name: "in", Phase: PhaseReceived}, {Name: "work", Phase: PhaseInProgress, Then: "finish", After: time.Hour}, {Name: "out", Phase: PhaseClosed, Final: true}},
		Transitions: []Transition{
			{Action: "begin", From: []Status{"in"}, To: "work"},
			{Action: ActionEscalate, From: []Status{"work"}, To: "in", Level: "up", Needs: Inputs{Note: true}},
			{Action: "finish", From: []Status{"work"}, To: "out", By: RoleAgent | RoleSystem, Guards: []string{"ok"}},
		},
	}
}

func TestCompileFindsEveryFault(t *testing.T) {
	ok := map[string]func(Decision) error{"ok": func(Decision) error { return nil }}
	_, err := small().Compile(ok)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		change func(*WorkflowSpec)
		want   string
	}{
		"no name":            {func(s *WorkflowSpec) { s.Name = "" }, "name: must be"},
		"odd name":           {func(s *WorkflowSpec) { s.Name = "a\nb" }, "name: must be"},
		"version":            {func(s *WorkflowSpec) { s.Version = 0 }, "version: must be"},
		"no levels":          {func(s *WorkflowSpec) { s.Levels = 0 }, "levels: must be"},
		"too many levels":    {func(s *WorkflowSpec) { s.Levels = 1 << 30 }, "levels: must be"},
		"level names":        {func(s *WorkflowSpec) { s.LevelNames = []string{"x"} }, "has 1 names for 2 levels"},
		"initial":            {func(s *WorkflowSpec) { s.Initial = "x" }, `initial: "x" is not declared`},
		"twice":              {func(s *WorkflowSpec) { s.Statuses = append(s.Statuses, s.Statuses[0]) }, `"in" is declared twice`},
		"phase":              {func(s *WorkflowSpec) { s.Statuses[0].Phase = "x" }, `phase "x" of "in"`},
		"after without then": {func(s *WorkflowSpec) { s.Statuses[0].After = 1 }, "after of"},
		"then nobody can":    {func(s *WorkflowSpec) { s.Statuses[1].Then = "begin" }, "the system cannot begin"},
		"status name":        {func(s *WorkflowSpec) { s.Statuses[0].Name = "a/b" }, "name must be of letters"},
		"no from":            {func(s *WorkflowSpec) { s.Transitions[0].From = nil }, "from names no status"},
		"unknown from":       {func(s *WorkflowSpec) { s.Transitions[0].From = []Status{"x"} }, `from: "x" is not declared`},
		"from twice":         {func(s *WorkflowSpec) { s.Transitions[0].From = []Status{"in", "in"} }, `from names "in" twice`},
		"unknown to":         {func(s *WorkflowSpec) { s.Transitions[0].To = "x" }, `to: "x" is not declared`},
		"action name":        {func(s *WorkflowSpec) { s.Transitions[0].Action = "a@b" }, "action must be"},
		"open":               {func(s *WorkflowSpec) { s.Transitions[0].Action = ActionOpen }, "not for transitions"},
		"level":              {func(s *WorkflowSpec) { s.Transitions[0].Levels = []int{3} }, "level 3 is not in 1 to 2"},
		"level move":         {func(s *WorkflowSpec) { s.Transitions[0].Level = "x" }, `level move "x"`},
		"no level there":     {func(s *WorkflowSpec) { s.Transitions[1].Levels = []int{2} }, "leads nowhere"},
		"assignment":         {func(s *WorkflowSpec) { s.Transitions[0].Assign = "x" }, `assignment "x"`},
		"role":               {func(s *WorkflowSpec) { s.Transitions[0].By = 128 }, "a role that is not known"},
		"need":               {func(s *WorkflowSpec) { s.Transitions[0].Needs.Level = true }, "needs has one"},
		"within":             {func(s *WorkflowSpec) { s.Transitions[0].Within = -1 }, "within must be"},
		"follow-up":          {func(s *WorkflowSpec) { s.Transitions[0].FollowUp = true }, "within must be"},
		"unknown guard":      {func(s *WorkflowSpec) { s.Transitions[0].Guards = []string{"x"} }, `guard "x" is not known`},
		"there already":      {func(s *WorkflowSpec) { s.Transitions = append(s.Transitions, s.Transitions[0]) }, "is there already for agent in in/1"},
		"ambiguous": {func(s *WorkflowSpec) {
			s.Transitions = append(s.Transitions, Transition{Action: "begin", From: []Status{"in"}, To: "out"})
		}, "both must be chosen"},
		"unreachable": {func(s *WorkflowSpec) {
			s.Statuses = append(s.Statuses, StatusSpec{Name: "lost", Phase: PhaseClosed, Final: true})
		}, `"lost" cannot be reached`},
		"dead end":        {func(s *WorkflowSpec) { s.Statuses[2].Final = false }, "out/1, out/2: a dead end"},
		"no final status": {func(s *WorkflowSpec) { s.Statuses[2].Final = false }, "none is final"},
		"no way to a final one": {func(s *WorkflowSpec) {
			s.Transitions[2].Levels = []int{1}
			s.Statuses[1].Then, s.Statuses[1].After = "", 0
			s.Transitions = append(s.Transitions, Transition{Action: "back", From: []Status{"work"}, To: "in"})
		}, "in/2: no way leads to a final status"},
	} {
		t.Run(name, func(t *testing.T) {
			s := small()
			c.change(&s)
			w, err := s.Compile(ok)
			require.Nil(t, w)
			require.ErrorIs(t, err, ErrWorkflow)
			require.ErrorContains(t, err, c.want)
		})
	}

	t.Run("faults of the whole graph", func(t *testing.T) {
		s := small()
		s.Statuses = append(s.Statuses, StatusSpec{Name: "lost", Phase: PhaseClosed, Final: true})
		s.Statuses[2].Final, s.Statuses[1].Then, s.Transitions[0].Guards = false, "begin", []string{"typo"}
		_, err := s.Compile(ok)
		for _, want := range []string{`"lost" cannot be reached`, "a dead end", "the system cannot begin", `guard "typo"`} {
			require.ErrorContains(t, err, want)
		}
	})
	t.Run("all at once", func(t *testing.T) {
		s := small()
		s.Version, s.Initial, s.Transitions[0].To = 0, "x", "y"
		_, err := s.Compile(nil)
		for _, want := range []string{"version: must be", `initial: "x"`, `to: "y"`, `guard "ok"`} {
			require.ErrorContains(t, err, want)
		}
		var one *WorkflowError
		require.ErrorAs(t, err, &one)
		require.Panics(t, func() { s.MustCompile(nil) })
	})
	require.Panics(t, func() { small().MustCompile(nil) })
}

// Traps of the machine: with duplicate (event, source) pairs it silently keeps
// the last one, which is why Compile refuses them; "no transition" is a success;
// its list of transitions has no order, so it is never shown.
func TestMachineTraps(t *testing.T) {
	m := fsm.NewFSM("a", fsm.Events{{Name: "e", Src: []string{"a"}, Dst: "b"}, {Name: "e", Src: []string{"a"}, Dst: "a"}}, nil)
	err := m.Event(t.Context(), "e")
	require.ErrorAs(t, err, new(fsm.NoTransitionError), "the trap is still there: the second definition won without a word")

	// A context that is cancelled during a transition leaves the machine stuck for
	// good, and so does a panic in a callback.
	for name, callback := range map[string]func(cancel func()){
		"cancelled": func(cancel func()) { cancel() },
		"panicked":  func(func()) { panic("oops") },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		m = fsm.NewFSM("a", fsm.Events{{Name: "e", Src: []string{"a"}, Dst: "b"}}, fsm.Callbacks{
			"leave_a": func(context.Context, *fsm.Event) { callback(cancel) },
		})
		func() {
			defer func() { _ = recover() }()
			_ = m.Event(ctx, "e")
		}()
		require.ErrorAs(t, m.Event(t.Context(), "e"), new(fsm.InTransitionError), name)
		cancel()
	}

	w := defaultWorkflow()
	to, err := w.fire(State{StatusOpen, 1}, w.events[eventKey{action: ActionNote, role: RoleAgent, level: 1}])
	require.NoError(t, err)
	require.Equal(t, State{StatusOpen, 1}, to)

	_, err = w.fire(State{StatusClosed, 1}, w.events[eventKey{action: ActionEscalate, role: RoleAgent, level: 2}])
	require.ErrorAs(t, err, new(fsm.InvalidEventError))
	_, err = w.fire(State{StatusClosed, 1}, "no such event")
	require.ErrorAs(t, err, new(fsm.UnknownEventError))
	// A failed transition does not affect the next one.
	to, err = w.fire(State{StatusOpen, 1}, w.events[eventKey{action: ActionEscalate, role: RoleAgent, level: 2}])
	require.NoError(t, err)
	require.Equal(t, State{StatusQueued, 2}, to)
	require.IsNonDecreasing(t, w.Actions())
}

func TestDecideConcurrently(t *testing.T) {
	w := defaultWorkflow()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				level := i%2 + 1
				e, err := w.Decide(Decision{Ticket: ticketIn(State{StatusOpen, level}), Actor: Agent("all", 1, 2, 3), Action: Action{Name: ActionEscalate, Note: "n"}, Now: t0})
				if err != nil || e.To != (State{StatusQueued, level + 1}) {
					t.Errorf("%v %v", e.To, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestGuards(t *testing.T) {
	var saw Decision
	no := errors.New("after 90 days")
	guards := map[string]func(Decision) error{"ok": func(d Decision) error { saw = d; return no }}
	w := small().MustCompile(guards)
	delete(guards, "ok") // the workflow is immutable
	tk := Ticket{ID: testID(1), Status: "work", Level: 1, Phase: PhaseInProgress, Workflow: "small", WorkflowVersion: 1, Tags: []string{"x"}, Version: 1}
	_, err := w.Decide(Decision{Ticket: tk, Actor: Agent("lin", 1), Action: Action{Name: "finish"}, Now: t0})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorIs(t, err, no, "the guard's own error can be reached")
	require.Equal(t, State{"out", 1}, saw.To)
	require.Equal(t, RoleAgent, saw.Role)
	saw.Ticket.Tags[0] = "changed"
	require.Equal(t, "x", tk.Tags[0], "a guard has a copy")

	w = small().MustCompile(map[string]func(Decision) error{"ok": func(Decision) error { panic("oops") }})
	_, err = w.Decide(Decision{Ticket: tk, Actor: Agent("lin", 1), Action: Action{Name: "finish"}, Now: t0})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "oops")
}

func TestWorkflowVersions(t *testing.T) {
	ok := map[string]func(Decision) error{"ok": func(Decision) error { return nil }}
	v1 := small().MustCompile(ok)
	s := small()
	s.Version = 2
	v2 := s.MustCompile(ok)
	require.NoError(t, v2.Replaces(v1))
	require.ErrorIs(t, v1.Replaces(v2), ErrWorkflow)
	require.ErrorContains(t, v2.Replaces(defaultWorkflow()), "cannot replace")

	s.Version, s.Levels = 3, 1
	s.Statuses[0].Name, s.Initial = "start", "start"
	s.Transitions = []Transition{{Action: "begin", From: []Status{"start"}, To: "work"}, {Action: "finish", From: []Status{"work"}, To: "out", By: RoleAgent | RoleSystem}}
	s.Statuses[1].Phase = PhaseSolved
	err := s.MustCompile(nil).Replaces(v1)
	for _, want := range []string{"has 1 levels", `"in" of version 1 is missing`, `"work" was "in progress"`} {
		require.ErrorContains(t, err, want)
	}

	tk := Ticket{Workflow: "small", WorkflowVersion: 1, Status: "in", Level: 2}
	require.NoError(t, v2.Accepts(tk))
	require.ErrorContains(t, s.MustCompile(nil).Accepts(tk), "has no state in/2")
	tk.WorkflowVersion = 3
	require.ErrorContains(t, v2.Accepts(tk), "newer version")
	tk.Workflow = "other"
	require.ErrorContains(t, v2.Accepts(tk), "follows workflow")
}

func TestWorkflowJSON(t *testing.T) {
	b, err := json.MarshalIndent(DefaultWorkflow(), "", "  ")
	require.NoError(t, err)
	golden(t, "default_workflow.json", append(b, '\n'))
	back, err := ParseWorkflow(b)
	require.NoError(t, err)
	require.Equal(t, DefaultWorkflow(), back)
	_, err = back.Compile(nil)
	require.NoError(t, err)

	for name, bad := range map[string]string{
		"unknown name":      `{"nam":"x"}`,
		"unknown in status": `{"statuses":[{"name":"x","fase":"y"}]}`,
		"unknown in rule":   `{"transitions":[{"action":"x","form":["y"]}]}`,
		"duration":          `{"transitions":[{"action":"x","within":"14 days"}]}`,
		"role":              `{"transitions":[{"action":"x","by":"king"}]}`,
		"need":              `{"transitions":[{"action":"x","needs":"gold"}]}`,
		"rest":              `{} {}`, "empty": ``, "list": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseWorkflow([]byte(bad))
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
}

// The text form of Inputs has a name for each field, and reads back the same.
func TestInputsText(t *testing.T) {
	typ := reflect.TypeFor[Inputs]()
	require.Len(t, inputNames, typ.NumField())
	var all Inputs
	for i := range typ.NumField() {
		var one Inputs
		reflect.ValueOf(&one).Elem().Field(i).SetBool(true)
		b, err := json.Marshal(Transition{Action: "x", Needs: one})
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(`{"action":"x","from":null,"needs":%q}`, inputNames[i]), string(b))
		require.Equal(t, strings.ToLower(typ.Field(i).Name), strings.ReplaceAll(inputNames[i], "_", ""))
		back := all
		require.NoError(t, back.UnmarshalText([]byte(inputNames[i])))
		require.Equal(t, one, back, "the previous value is replaced")
		all = all.or(one)
		require.Equal(t, Inputs{}, one.without(all))
	}
	text, err := all.MarshalText()
	require.NoError(t, err)
	require.Equal(t, strings.Join(inputNames[:], " "), string(text))
	require.Equal(t, "note, queue", Inputs{Queue: true, Note: true}.String())
	require.ErrorIs(t, all.UnmarshalText([]byte("note gold")), ErrInvalid)
}

func TestSpecIsACopy(t *testing.T) {
	w := DefaultWorkflow().MustCompile(nil)
	s := w.Spec()
	s.Transitions[0].From[0] = "changed"
	s.Statuses[0].Name = "changed"
	require.NotEqual(t, s, w.Spec())
	require.Equal(t, DefaultWorkflow().Statuses, w.Spec().Statuses)
}

func TestDiagrams(t *testing.T) {
	w := defaultWorkflow()
	golden(t, "default_workflow.mermaid", []byte(w.Mermaid()))
	golden(t, "default_workflow.dot", []byte(w.Graphviz()))
}

func FuzzParseWorkflow(f *testing.F) {
	b, err := json.Marshal(DefaultWorkflow())
	require.NoError(f, err)
	f.Add(b)
	b, err = json.Marshal(small())
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"name":"x","version":1,"levels":1,"initial":"a","statuses":[{"name":"a","phase":"closed","final":true}],"transitions":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseWorkflow(data)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		b, err := json.Marshal(s)
		require.NoError(t, err)
		back, err := ParseWorkflow(b)
		require.NoError(t, err)
		if w, err := s.Compile(nil); err == nil {
			_, err := back.Compile(nil)
			require.NoError(t, err)
			_ = w.Mermaid() + w.Graphviz()
			for _, state := range w.States() {
				for _, a := range w.Actions() {
					_, _ = w.Decide(Decision{Ticket: Ticket{Status: state.Status, Level: state.Level}, Actor: Agent("a", 1, 2, 3), Action: Action{Name: a}, Now: t0})
				}
			}
		} else {
			require.ErrorIs(t, err, ErrWorkflow)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(string(Place{Order: OrderMostUrgent, Grade: GradeHigh, Time: t0, ID: testID(1)}.Cursor()))
	f.Add(string(Place{Order: OrderSoonestDue, Time: t0, ID: testID(1)}.Cursor()))
	f.Add("AQAA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseCursor(Cursor(s))
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		require.Equal(t, Cursor(s), p.Cursor(), "one place has one cursor")
	})
}
