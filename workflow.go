package ticket

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// WorkflowSpec is a workflow as data, written in Go or read from JSON with
// [ParseWorkflow]. [WorkflowSpec.Compile] checks it as a whole and makes a
// [Workflow] of it. In JSON, durations are text such as "168h" for a week (there
// is no unit for days). Roles and needs are words with blanks between them, such as
// "by": "agent system" and "needs": "note queue". The roles are requester,
// follower, agent and system. The needs are message, words, note, reason, queue and
// assignee.
type WorkflowSpec struct {
	Name    string `json:"name"`
	Version int    `json:"version"` // 1, 2, 3 …; tickets remember it
	Levels  int    `json:"levels"`  // support levels 1 to this

	// LevelNames are the names of the levels that customers see, one for each
	// level, such as "with the specialists". Empty: customers see no level.
	LevelNames []string `json:"level_names,omitempty"`

	Initial     Status       `json:"initial"` // of a new ticket, at any level
	Statuses    []StatusSpec `json:"statuses"`
	Transitions []Transition `json:"transitions"`
}

// StatusSpec declares a status.
type StatusSpec struct {
	Name  Status `json:"name"`
	Phase Phase  `json:"phase"`           // what a customer sees
	Final bool   `json:"final,omitempty"` // a ticket may stay here for ever

	// Then is the action that the desk does as a System when a ticket has been
	// in this status for After, or at Action.Until where the action that led here
	// set it. With no After and no Until the desk does nothing.
	Then  ActionName    `json:"then,omitempty"`
	After time.Duration `json:"after,omitempty"`
	// Calendar is the name of a calendar of [Config].ServiceLevels: After is then open time
	// in it. Empty means real time, and [Workflow.Decide] without a desk always uses real time.
	// Action.Until is an instant, so no calendar matters. [NewDesk] refuses an unknown name.
	Calendar string `json:"calendar,omitempty"`
}

// Transition is a rule for one action: the states it leads from and to, the roles
// that may do it, and the fields that it needs. An action may have several
// transitions, as long as only one applies to each role and state.
type Transition struct {
	Action ActionName `json:"action"`
	From   []Status   `json:"from"`
	Levels []int      `json:"levels,omitempty"` // at these levels only; none: at every level
	To     Status     `json:"to,omitempty"`     // empty: the status stays

	// Chosen lets one action lead from a state to several statuses: each is a
	// transition of its own with Chosen set, and Action.Status chooses. An
	// empty Action.Status chooses the one whose status stays.
	Chosen bool `json:"chosen,omitempty"`

	// Level says what becomes of the ticket's level:
	//
	//	""      it stays
	//	"up"    it becomes Action.Level, which must be higher, or the next higher one if that is 0
	//	"down"  it becomes Action.Level, which must be lower, or the next lower one if that is 0
	//	"any"   it becomes Action.Level, higher or lower, or stays if that is 0
	Level string `json:"level,omitempty"`

	By     Role     `json:"by,omitempty"`     // zero means RoleAgent
	Needs  Inputs   `json:"needs,omitzero"`   // the fields that the action must have
	Guards []string `json:"guards,omitempty"` // by name, see Compile; all must agree

	// Assign says who is the assignee afterwards:
	//
	//	""                 the assignee stays
	//	"actor"            the agent who acts
	//	"actor if nobody"  the agent who acts, if there is no assignee
	//	"given"            Action.Assignee
	//	"nobody"           no assignee
	Assign string `json:"assign,omitempty"`

	// Within is how long after the ticket was resolved (or closed, where it
	// never was) the action is possible. 0: always.
	Within time.Duration `json:"within,omitempty"`
	// FollowUp makes the action open a new ticket, linked to this one, after
	// Within. If false, the action is refused then.
	FollowUp bool `json:"follow_up,omitempty"`
}

// Inputs names fields of an [Action]: those that a rule needs, or those that it
// takes. A field of Inputs is true where the field of the action with the same
// name is meant. So a template can say {{if .Takes.Message}}. Values compare
// with ==.
//
// [Transition].Needs may have the first six only. The others follow from the
// action, and only the Needs and Takes of a [Choice] have them.
//
// The text form, which JSON has as well, is the names of the fields that are
// true, in this order, in lower case and with blanks between them, such as
// "note queue". NoteAttachments is "note_attachments" there.
type Inputs struct {
	Message  bool // Action.Message
	Words    bool // Action.Message or Action.Attachments: one of them is enough
	Note     bool // Action.Note
	Reason   bool // Action.Reason
	Queue    bool // Action.Queue
	Assignee bool // Action.Assignee

	Attachments     bool // Action.Attachments
	NoteAttachments bool // Action.NoteAttachments
	Level           bool // Action.Level
	Status          bool // Action.Status
	Until           bool // Action.Until
	Ticket          bool // Action.Ticket
	Relation        bool // Action.Relation
	Draft           bool // Action.Draft
	Edit            bool // Action.Edit
	Known           bool // Action.Known
	SolvedBy        bool // Action.SolvedBy
}

// ruleInputs are the fields that Transition.Needs may have.
var ruleInputs = Inputs{Message: true, Words: true, Note: true, Reason: true, Queue: true, Assignee: true}

// inputNames are the names of the text form, in the order of the fields.
var inputNames = [...]string{"message", "words", "note", "reason", "queue", "assignee",
	"attachments", "note_attachments", "level", "status", "until", "ticket", "relation", "draft", "edit", "known", "solved_by"}

// fields returns the fields of n in the order of inputNames.
func (n *Inputs) fields() [len(inputNames)]*bool {
	return [...]*bool{&n.Message, &n.Words, &n.Note, &n.Reason, &n.Queue, &n.Assignee,
		&n.Attachments, &n.NoteAttachments, &n.Level, &n.Status, &n.Until, &n.Ticket, &n.Relation, &n.Draft, &n.Edit, &n.Known, &n.SolvedBy}
}

// without returns the fields that n has and m has not.
func (n Inputs) without(m Inputs) Inputs {
	drop := m.fields()
	for i, f := range n.fields() {
		*f = *f && !*drop[i]
	}
	return n
}

// or returns the fields that n or m has.
func (n Inputs) or(m Inputs) Inputs {
	more := m.fields()
	for i, f := range n.fields() {
		*f = *f || *more[i]
	}
	return n
}

func (n Inputs) text(sep string) string {
	var names []string
	for i, f := range n.fields() {
		if *f {
			names = append(names, inputNames[i])
		}
	}
	return strings.Join(names, sep)
}

// String lists the names of the fields that are true, such as "note, queue".
func (n Inputs) String() string { return n.text(", ") }

// MarshalText writes the text form; see [Inputs].
func (n Inputs) MarshalText() ([]byte, error) { return []byte(n.text(" ")), nil }

// UnmarshalText reads the text form. An unknown name is an [*InvalidError].
func (n *Inputs) UnmarshalText(text []byte) error {
	bits, err := flagParse(string(text), inputNames[:], "needs")
	for i, f := range n.fields() {
		*f = bits&(1<<i) != 0
	}
	return err
}

// Workflow is a compiled workflow: immutable, and safe for concurrent use. Its
// machine is looplab/fsm.
type Workflow struct {
	spec     WorkflowSpec
	guards   map[string]func(Decision) error
	statuses map[Status]StatusSpec
	actions  map[ActionName]*actionRule
	names    []ActionName // of actions, sorted
	edges    map[edgeKey][]*Transition
	events   map[eventKey]string // the machine's event for what was chosen
	states   map[string]State    // by the machine's name
	stateOf  map[State]string
	machines sync.Pool // of *fsm.FSM
}

// actionRule says which roles may do an action at all, and from which statuses.
type actionRule struct {
	by   Role
	from []Status // sorted
}

// edgeKey finds the transitions for an action by a role in a state.
type edgeKey struct {
	action ActionName
	role   Role // one bit
	state  State
}

// eventKey names an event of the machine: an action by a role to a level and,
// where the action chooses one, to a status.
type eventKey struct {
	action ActionName
	role   Role // one bit
	level  int
	status Status
}

// Name returns the workflow's name.
func (w *Workflow) Name() string { return w.spec.Name }

// Version returns the workflow's version.
func (w *Workflow) Version() int { return w.spec.Version }

// Spec returns a copy of the definition.
func (w *Workflow) Spec() WorkflowSpec { return w.spec.clone() }

// Actions returns the names of all actions, sorted.
func (w *Workflow) Actions() []ActionName { return slices.Clone(w.names) }

// States returns all states, by status in the order of the definition, then by
// level.
func (w *Workflow) States() []State {
	var all []State
	for _, s := range w.spec.Statuses {
		for l := 1; l <= w.spec.Levels; l++ {
			all = append(all, State{s.Name, l})
		}
	}
	return all
}

// Phase returns the phase of a status, which is what customers see of it. It
// returns "" for an unknown status.
func (w *Workflow) Phase(s Status) Phase { return w.statuses[s].Phase }

// LevelName returns the name of a level that customers see, or "".
func (w *Workflow) LevelName(level int) string {
	if level < 1 || level > len(w.spec.LevelNames) {
		return ""
	}
	return w.spec.LevelNames[level-1]
}

// Accepts returns nil if a ticket, perhaps of an older version of this workflow,
// can continue under this version, and otherwise a [*WorkflowError] that says why
// not.
func (w *Workflow) Accepts(t Ticket) error {
	switch _, known := w.stateOf[t.State()]; {
	case t.Workflow != w.spec.Name:
		return w.fault("", "the ticket follows workflow %s", quote(t.Workflow))
	case t.WorkflowVersion > w.spec.Version:
		return w.fault("", "the ticket follows the newer version %d", t.WorkflowVersion)
	case !known:
		return w.fault("", "has no state %s, in which the ticket is", t.State())
	}
	return nil
}

// Replaces returns nil if every ticket of the older version can continue under
// this one, and otherwise all faults joined. Each status and level must still
// exist. A status in which work is over must not become one in which it is not, or
// the other way round.
func (w *Workflow) Replaces(old *Workflow) error {
	if old.spec.Name != w.spec.Name {
		return w.fault("", "cannot replace workflow %s", quote(old.spec.Name))
	}
	var faults []error
	if old.spec.Version >= w.spec.Version {
		faults = append(faults, w.fault("version", "must be above %d, which it is to replace", old.spec.Version))
	}
	if old.spec.Levels > w.spec.Levels {
		faults = append(faults, w.fault("levels", "has %d levels, version %d has %d", w.spec.Levels, old.spec.Version, old.spec.Levels))
	}
	for _, s := range old.spec.Statuses {
		now, ok := w.statuses[s.Name]
		switch {
		case !ok:
			faults = append(faults, w.fault("statuses", "%s of version %d is missing", quote(string(s.Name)), old.spec.Version))
		case now.Phase.Done() != s.Phase.Done():
			faults = append(faults, w.fault("statuses", "%s was %q in version %d and is now %q", quote(string(s.Name)), s.Phase, old.spec.Version, now.Phase))
		}
	}
	return errors.Join(faults...)
}

func (w *Workflow) fault(where, format string, args ...any) error {
	return w.spec.fault(where, format, args...)
}

func (s WorkflowSpec) clone() WorkflowSpec {
	s.LevelNames = slices.Clone(s.LevelNames)
	s.Statuses = slices.Clone(s.Statuses)
	s.Transitions = slices.Clone(s.Transitions)
	for i := range s.Transitions {
		t := &s.Transitions[i]
		t.From, t.Levels, t.Guards = slices.Clone(t.From), slices.Clone(t.Levels), slices.Clone(t.Guards)
	}
	return s
}
