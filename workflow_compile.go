package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/looplab/fsm"
)

// maxLevels bounds a workflow; the machine has an entry for every state.
const maxLevels = 20

// Compile checks the definition as a whole and returns the workflow. It joins all
// faults into one error, each a [*WorkflowError]: unknown or unreachable
// statuses, dead ends that are not final, states with no way to a final one,
// two transitions for the same action, role and state, levels out of range,
// unknown guards, and more. Where names are wrong, Compile does not
// report unreachable statuses, because wrong names cause these.
//
// The guards are your application's own conditions, by the names that
// transitions use. They can be nil if no transition names one. A guard gets the
// [Decision] and returns nil, or the reason to refuse it. It must not change or
// keep the Decision, and should be quick. The library holds no lock while it runs. A
// panic counts as a refusal. [Desk.Actions] calls guards as well, before there is
// any content. The actor sees the reason, customers included.
func (s WorkflowSpec) Compile(guards map[string]func(Decision) error) (*Workflow, error) {
	c := &compiler{w: &Workflow{
		spec:     s.clone(),
		guards:   map[string]func(Decision) error{},
		statuses: map[Status]StatusSpec{},
		actions:  map[ActionName]*actionRule{},
		edges:    map[edgeKey][]*Transition{},
		events:   map[eventKey]string{},
		states:   map[string]State{},
		stateOf:  map[State]string{},
	}}
	maps.Copy(c.w.guards, guards)
	c.head()
	c.declareStatuses()
	if s.Levels > maxLevels {
		return nil, errors.Join(c.faults...) // too many states to expand
	}
	for i := range c.w.spec.Transitions {
		c.transition(i)
	}
	if !c.holes { // a graph with holes would only repeat the faults
		c.timers()
		c.graph()
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	c.finish()
	return c.w, nil
}

// MustCompile is [WorkflowSpec.Compile] for definitions that are part of the
// program; it panics on a fault.
func (s WorkflowSpec) MustCompile(guards map[string]func(Decision) error) *Workflow {
	w, err := s.Compile(guards)
	if err != nil {
		panic(err) //nolint:forbidigo // Must panics
	}
	return w
}

func (s WorkflowSpec) fault(where, format string, args ...any) error {
	return &WorkflowError{Name: s.Name, Version: s.Version, Where: where, Fault: fmt.Sprintf(format, args...)}
}

type compiler struct {
	w      *Workflow
	faults []error
	holes  bool // statuses or transitions are missing, because they are wrong
	descs  []fsm.EventDesc
	moves  map[State][]State // to other states only
}

func (c *compiler) fault(where, format string, args ...any) {
	c.faults = append(c.faults, c.w.spec.fault(where, format, args...))
}

func (c *compiler) head() {
	s := &c.w.spec
	if !goodName(s.Name) {
		c.fault("name", "must be a name of letters, digits, blanks, - and _")
	}
	if s.Version < 1 {
		c.fault("version", "must be 1 or more")
	}
	if s.Levels < 1 || s.Levels > maxLevels {
		c.fault("levels", "must be 1 to %d", maxLevels)
		c.holes = true
	}
	if n := len(s.LevelNames); n != 0 && n != s.Levels {
		c.fault("level_names", "has %d names for %d levels", n, s.Levels)
	}
}

func (c *compiler) declareStatuses() {
	s := &c.w.spec
	before := len(c.faults)
	defer func() { c.holes = c.holes || len(c.faults) > before }()
	for i, st := range s.Statuses {
		where := fmt.Sprintf("statuses[%d]", i)
		if !goodName(string(st.Name)) {
			c.fault(where, "name must be of letters, digits, blanks, - and _")
		}
		if _, twice := c.w.statuses[st.Name]; twice {
			c.fault(where, "%q is declared twice", st.Name)
		}
		if !slices.Contains(phases(), st.Phase) {
			c.fault(where, "phase %s of %q is none of %q", quote(string(st.Phase)), st.Name, phases())
		}
		if st.Calendar != "" && st.After <= 0 {
			c.fault(where, "%q has a calendar, but no time to count by it", st.Name)
		}
		if st.After < 0 || st.After > 0 && st.Then == "" {
			c.fault(where, "after of %q must be a positive time with an action in then", st.Name)
		}
		c.w.statuses[st.Name] = st
		for l := 1; l <= min(s.Levels, maxLevels); l++ {
			state := State{st.Name, l}
			c.w.stateOf[state] = state.String()
			c.w.states[state.String()] = state
		}
	}
	if _, ok := c.w.statuses[s.Initial]; !ok {
		c.fault("initial", "%q is not declared", s.Initial)
	}
}

// transition checks one rule and expands it into the events of the machine.
func (c *compiler) transition(i int) {
	t := &c.w.spec.Transitions[i]
	where := fmt.Sprintf("transitions[%d] (%s)", i, t.Action)
	if t.By == 0 {
		t.By = RoleAgent
	}
	c.details(where, t)
	before := len(c.faults)
	switch {
	case !goodName(string(t.Action)):
		c.fault(where, "action must be a name of letters, digits, blanks, - and _")
	case t.Action == ActionOpen:
		c.fault(where, "%q is not for transitions: it is how tickets begin", ActionOpen)
	}
	if len(t.From) == 0 {
		c.fault(where, "from names no status")
	}
	for _, f := range t.From {
		if _, ok := c.w.statuses[f]; !ok {
			c.fault(where, "from: %q is not declared", f)
		}
	}
	if _, ok := c.w.statuses[t.To]; t.To != "" && !ok {
		c.fault(where, "to: %q is not declared", t.To)
	}
	for _, l := range t.Levels {
		if l < 1 || l > c.w.spec.Levels {
			c.fault(where, "level %d is not in 1 to %d", l, c.w.spec.Levels)
		}
	}
	if !slices.Contains([]string{"", "up", "down", "any"}, t.Level) {
		c.fault(where, "level move %s is not known", quote(t.Level))
	}
	if len(c.faults) == before {
		c.expand(where, t)
	}
	c.holes = c.holes || len(c.faults) > before
}

// details checks the parts of a rule that do not affect its target state.
func (c *compiler) details(where string, t *Transition) {
	if !slices.Contains([]string{"", "actor", "actor if nobody", "given", "nobody"}, t.Assign) {
		c.fault(where, "assignment %s is not known", quote(t.Assign))
	}
	if t.By&^everyRole != 0 {
		c.fault(where, "by has a role that is not known")
	}
	if t.Needs.without(ruleInputs) != (Inputs{}) {
		c.fault(where, "needs has one that is not for a transition: it names any of %s", ruleInputs)
	}
	if t.Within < 0 || t.FollowUp && t.Within == 0 {
		c.fault(where, "within must be a positive time, which a follow-up needs")
	}
	for _, g := range t.Guards {
		if c.w.guards[g] == nil {
			c.fault(where, "guard %s is not known", quote(g))
		}
	}
}

func (c *compiler) expand(where string, t *Transition) {
	made := 0
	for _, from := range t.From {
		for level := 1; level <= c.w.spec.Levels; level++ {
			if len(t.Levels) > 0 && !slices.Contains(t.Levels, level) {
				continue
			}
			src := State{from, level}
			targets := t.targets(level, c.w.spec.Levels)
			made += len(targets)
			for i := range roleNames {
				if role := Role(1 << i); t.By&role != 0 && len(targets) > 0 {
					c.edge(where, t, role, src, targets)
				}
			}
		}
	}
	if made == 0 {
		c.fault(where, "leads nowhere: no level lies %s of those it may start from", t.Level)
	}
}

// targets returns the levels that the transition can lead to from one.
func (t *Transition) targets(level, levels int) []int {
	var to []int
	for l := 1; l <= levels; l++ {
		if t.Level == "any" || t.Level == "" && l == level || t.Level == "up" && l > level || t.Level == "down" && l < level {
			to = append(to, l)
		}
	}
	return to
}

func (c *compiler) edge(where string, t *Transition, role Role, src State, targets []int) {
	key := edgeKey{t.Action, role, src}
	for _, other := range c.w.edges[key] {
		switch {
		case other == t:
			c.fault(where, "from names %q twice", src.Status)
			return
		case other.To == t.To, cmp.Or(other.To, src.Status) == cmp.Or(t.To, src.Status):
			c.fault(where, "is there already for %s in %s", role, src)
			return
		case !other.Chosen || !t.Chosen:
			c.fault(where, "and another one lead from %s by %s to different statuses, so both must be chosen", src, role)
			return
		}
	}
	c.w.edges[key] = append(c.w.edges[key], t)

	rule := c.w.actions[t.Action]
	if rule == nil {
		rule = &actionRule{}
		c.w.actions[t.Action] = rule
	}
	rule.by |= role
	if !slices.Contains(rule.from, src.Status) {
		rule.from = append(rule.from, src.Status)
	}
	for _, level := range targets {
		dst := State{t.To, level}
		if t.To == "" {
			dst.Status = src.Status
		}
		ev := eventKey{action: t.Action, role: role, level: level}
		if t.Chosen {
			ev.status = dst.Status
		}
		name, ok := c.w.events[ev]
		if !ok {
			name = fmt.Sprintf("%s@%s>%d=%s", ev.action, ev.role, ev.level, ev.status)
			c.w.events[ev] = name
		}
		c.descs = append(c.descs, fsm.EventDesc{Name: name, Src: []string{src.String()}, Dst: dst.String()})
		if dst != src {
			if c.moves == nil {
				c.moves = map[State][]State{}
			}
			c.moves[src] = append(c.moves[src], dst)
		}
	}
}

// timers checks that the system may do the Then action of each status.
func (c *compiler) timers() {
	for i, s := range c.w.spec.Statuses {
		if s.Then == "" {
			continue
		}
		for l := 1; l <= c.w.spec.Levels; l++ {
			if !slices.ContainsFunc(c.w.edges[edgeKey{s.Then, RoleSystem, State{s.Name, l}}], func(t *Transition) bool {
				return t.Needs == (Inputs{}) && t.To != "" && !t.Chosen && !t.FollowUp
			}) {
				c.fault(fmt.Sprintf("statuses[%d]", i), "then: the system cannot %s from %q at level %d", s.Then, s.Name, l)
				break
			}
		}
	}
}

// graph checks that every status can be reached, and a final one from every
// state that can.
func (c *compiler) graph() {
	var roots []State
	for l := 1; l <= c.w.spec.Levels; l++ {
		roots = append(roots, State{c.w.spec.Initial, l})
	}
	reached := reach(roots, c.moves)

	back := map[State][]State{}
	for from, tos := range c.moves {
		for _, to := range tos {
			back[to] = append(back[to], from)
		}
	}
	var finals []State
	for _, s := range c.w.States() {
		if c.w.statuses[s.Status].Final {
			finals = append(finals, s)
		}
	}
	if len(finals) == 0 {
		c.fault("statuses", "none is final")
	}
	ends := reach(finals, back)

	for i, s := range c.w.spec.Statuses {
		where := fmt.Sprintf("statuses[%d]", i)
		met := false
		var dead, lost []string
		for l := 1; l <= c.w.spec.Levels; l++ {
			state := State{s.Name, l}
			if !reached[state] {
				continue
			}
			met = true
			switch {
			case !s.Final && len(c.moves[state]) == 0:
				dead = append(dead, state.String())
			case !ends[state]:
				lost = append(lost, state.String())
			}
		}
		if !met {
			c.fault(where, "%q cannot be reached", s.Name)
		}
		if len(dead) > 0 {
			c.fault(where, "%s: a dead end that is not final", strings.Join(dead, ", "))
		}
		if len(lost) > 0 && len(finals) > 0 {
			c.fault(where, "%s: no way leads to a final status", strings.Join(lost, ", "))
		}
	}
}

func reach(from []State, moves map[State][]State) map[State]bool {
	seen := map[State]bool{}
	for todo := slices.Clone(from); len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[s] {
			seen[s] = true
			todo = append(todo, moves[s]...)
		}
	}
	return seen
}

func (c *compiler) finish() {
	w := c.w
	for _, rule := range w.actions {
		slices.Sort(rule.from)
	}
	w.names = sortedKeys(w.actions)
	initial, descs := w.stateOf[State{w.spec.Initial, 1}], c.descs
	w.machines.New = func() any { return fsm.NewFSM(initial, descs, nil) }
}

// fire moves a machine from one state by an event and returns where it went.
//
// The machine has no callbacks, so it runs no code of your application. fire passes
// no cancellable context, because a cancellation during a transition would leave the
// machine stuck for good. A machine that failed in an unexpected way is not used again.
func (w *Workflow) fire(from State, event string) (State, error) {
	m := w.machines.Get().(*fsm.FSM)
	m.SetState(w.stateOf[from])
	err := m.Event(uncancelled, event)
	if stayed, ok := errors.AsType[fsm.NoTransitionError](err); ok && stayed.Err == nil {
		err = nil
	}
	if err != nil {
		return State{}, err
	}
	to := w.states[m.Current()]
	w.machines.Put(m)
	return to, nil
}

// uncancelled is the context for machines. A decision has no context.
var uncancelled = context.Background() //nolint:forbidigo // see fire

// goodName accepts names that are safe in diagrams, machine events and errors.
func goodName(s string) bool {
	return s != "" && len(s) <= 100 && strings.TrimSpace(s) == s && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '-' && r != '_'
	}) < 0
}
