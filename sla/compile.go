package sla

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// Limits of a description. They bound its cost for untrusted input.
const (
	maxText       = 200     // bytes of a name, as the desk's default
	maxField      = 8 << 10 // bytes of a custom field, as the desk's default
	maxCalendars  = 100
	maxPolicies   = 1000
	maxValues     = 10_000 // values of all conditions together
	maxTargets    = 100    // of a policy
	maxPauses     = 100    // of a target
	maxNames      = 1000   // queues of a target, reasons of a pause
	maxLevel      = 20     // workflows have no more
	maxThresholds = 20     // of a target
	maxReactions  = 20     // of a threshold
	maxTime       = 10 * 365 * 24 * time.Hour
)

// Known lists what exists at a desk, so that [Spec.Compile] can refuse names of anything
// else.
type Known struct {
	// Workflows have the statuses of pauses, and the levels. A status must exist in one of
	// them. None means that every status and the levels 1 to 20 are accepted.
	Workflows []*ticket.Workflow
	// Queues are the names of all queues. None means that every name is accepted.
	Queues []string
	// Chosen says that a function chooses the policies; see [Agreement.WithChooser]. So a
	// policy need not have a condition that the policies before it leave room for.
	Chosen bool
}

// Agreement is a compiled [Spec]: immutable, and safe for concurrent use.
type Agreement struct {
	spec      Spec
	policies  []policy // in the order of the Spec
	named     map[string]*policy
	calendars map[string]*businesshours.Calendar
	chooser   func(ticket.Ticket) string // nil: the conditions choose
}

// policy is a compiled Policy.
type policy struct {
	Policy
	version int // of the Spec
	when    condition
	targets []target // in the order of Policy.Targets
}

// target is a compiled Target.
type target struct {
	Target
	cal   *businesshours.Calendar
	looks []look   // the thresholds and the breach, in the order in which they are reached
	names []string // of looks
}

// look is a moment at which the desk must look at a clock.
type look struct {
	amount time.Duration // of counted time
	after  bool          // it is not reached until a microsecond later
	breach bool
	do     []Reaction
}

// lookList fills in looks and names.
func (t *target) lookList() {
	add := func(th Threshold) {
		t.looks = append(t.looks, look{th.offset(t.Within), th.After != 0 || th.Share == 100, th.Share == 100, th.Do})
		t.names = append(t.names, th.String())
	}
	breach := Threshold{Share: 100}
	for _, th := range t.Thresholds {
		if th.After != 0 && breach.Share != 0 {
			add(breach)
		}
		if th.After != 0 || th.Share == 100 {
			breach.Share = 0 // it is in the list
		}
		add(th)
	}
	if breach.Share != 0 {
		add(breach)
	}
}

// Name returns the name of the Spec.
func (a *Agreement) Name() string { return a.spec.Name }

// Version returns the version of the Spec.
func (a *Agreement) Version() int { return a.spec.Version }

// Spec returns a copy of the Spec that the agreement was compiled from.
func (a *Agreement) Spec() Spec {
	s := a.spec.clone()
	for i, c := range s.Calendars {
		s.Calendars[i] = a.calendars[c.Name].Spec()
	}
	return s
}

// MarshalJSON returns the JSON form of the Spec.
func (a *Agreement) MarshalJSON() ([]byte, error) { return json.Marshal(a.spec) }

// Calendar returns the calendar that the targets call by this name. The empty name is the
// calendar round the clock. It returns false for an unknown name.
func (a *Agreement) Calendar(name string) (*businesshours.Calendar, bool) {
	c := a.calendar(name)
	return c, c != nil
}

// calendar returns nil for an unknown name.
func (a *Agreement) calendar(name string) *businesshours.Calendar {
	if name == "" {
		return roundTheClock()
	}
	return a.calendars[name]
}

var roundTheClock = sync.OnceValue(func() *businesshours.Calendar {
	return businesshours.Spec{
		Name:  "round the clock",
		Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Daily("00:00-24:00")},
	}.MustCompile()
})

// CheckAt returns an error if a calendar ends too early for a ticket that is opened at
// this time. It joins a fault for each target that cannot be met, and for each threshold
// that cannot be reached, before the calendar ends. Each is an [*InvalidError] whose cause
// is a [*businesshours.HorizonError]. Pauses and later starts of a clock need more.
//
// [Spec.Compile] reports only what no ticket can meet. Call CheckAt with the current time
// before you use an agreement whose calendars have an end; see [businesshours.Calendar.Horizon].
func (a *Agreement) CheckAt(at time.Time) error {
	f := faults{agreement: a.spec.Name}
	var list []need
	for i, p := range a.policies {
		for j, t := range p.targets {
			list = append(list, needs(fmt.Sprintf("policies[%d].targets[%d]", i, j), t)...)
		}
	}
	f.horizon(list, at)
	return f.err()
}

// need is open time that a calendar must have.
type need struct {
	place, what string
	cal         *businesshours.Calendar
	amount      time.Duration
}

// needs returns what a target and its thresholds need.
func needs(place string, t target) []need {
	list := []need{{place + ".calendar", "the target can be met", t.cal, t.Within}}
	for i, th := range t.Thresholds {
		if 0 < th.After && th.After <= maxTime { // others need no more than the target
			list = append(list, need{fmt.Sprintf("%s.thresholds[%d].after", place, i), "the threshold is reached", t.cal, th.offset(t.Within)})
		}
	}
	return list
}

// horizon reports which needs the calendars do not have from start on. It asks each
// calendar once, for the greatest amount, since a calendar with many versions is slow.
func (f *faults) horizon(list []need, start time.Time) {
	if start.Unix() < 0 { // calendars begin with 1970
		start = time.Unix(0, 0).UTC()
	}
	most := map[*businesshours.Calendar]time.Duration{}
	for _, n := range list {
		most[n.cal] = max(most[n.cal], n.amount)
	}
	left := map[*businesshours.Calendar]*businesshours.HorizonError{}
	for cal, amount := range most {
		_, err := cal.Add(start, amount)
		if end, ok := errors.AsType[*businesshours.HorizonError](err); ok {
			left[cal] = end
		}
	}
	for _, n := range list {
		if end := left[n.cal]; end != nil && n.amount > end.Counted {
			cause := *end
			cause.Amount = n.amount
			f.addErr(n.place, &cause, "calendar %s ends before %s", quote(n.cal.Name()), n.what)
		}
	}
}

// Compile checks the whole description and returns it ready for use. Its error joins all
// faults, each an [*InvalidError] that names its place: missing, repeated and unknown
// names, durations and shares out of range, thresholds out of order, calendars that do not
// compile or that end before a target can be met, policies and targets that never apply,
// fields that do not go together, and exceeded limits.
//
// With known, names of statuses, levels and queues must be among those. Several are taken
// together.
func (s Spec) Compile(known ...Known) (*Agreement, error) {
	c := compiler{
		a:       &Agreement{spec: s.clone(), calendars: map[string]*businesshours.Calendar{}},
		defined: map[string]bool{},
		level:   maxLevel,
	}
	c.agreement = s.Name
	c.know(known)
	c.text("name", s.Name)
	if s.Version < 1 {
		c.add("version", "must be 1 or more")
	}
	if c.most("calendars", len(s.Calendars), maxCalendars) {
		for i := range s.Calendars {
			c.compileCalendar(i)
		}
	}
	if len(s.Policies) == 0 {
		c.add("policies", "must not be empty")
	}
	if c.most("policies", len(s.Policies), maxPolicies) {
		c.policies()
	}
	c.horizon(c.needs, time.Unix(0, 0).UTC())
	if err := c.err(); err != nil {
		return nil, err
	}
	switch data, err := json.Marshal(c.a.spec); {
	case err != nil:
		c.addErr("", err, "cannot be written as JSON")
	case len(data) > maxJSON:
		c.add("", "has %d bytes as JSON; the maximum is %d", len(data), maxJSON)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	c.a.named = make(map[string]*policy, len(c.a.policies))
	for i := range c.a.policies {
		c.a.named[c.a.policies[i].Name] = &c.a.policies[i]
	}
	return c.a, nil
}

// MustCompile is like [Spec.Compile] but panics on a fault. It is for descriptions that
// are part of the program.
func (s Spec) MustCompile(known ...Known) *Agreement {
	a, err := s.Compile(known...)
	if err != nil {
		panic(err) //nolint:forbidigo // as Must says
	}
	return a
}

type compiler struct {
	faults
	a       *Agreement
	defined map[string]bool // names of calendars, also of those that do not compile
	values  int             // of all conditions so far
	needs   []need          // of the targets that are good

	statuses map[ticket.Status]bool // nil: any
	level    int                    // the highest
	queues   map[string]bool        // nil: any
	chosen   bool                   // see Known
}

func (c *compiler) know(known []Known) {
	for _, k := range known {
		c.chosen = c.chosen || k.Chosen
		for _, w := range k.Workflows {
			if w == nil {
				continue
			}
			if c.statuses == nil {
				c.statuses, c.level = map[ticket.Status]bool{}, 0
			}
			s := w.Spec()
			c.level = max(c.level, s.Levels)
			for _, st := range s.Statuses {
				c.statuses[st.Name] = true
			}
		}
		for _, q := range k.Queues {
			if c.queues == nil {
				c.queues = map[string]bool{}
			}
			c.queues[q] = true
		}
	}
}

// most reports whether a list is short enough.
func (c *compiler) most(place string, n, most int) bool {
	if n > most {
		c.add(place, "has %d entries; the maximum is %d", n, most)
	}
	return n <= most
}

// text checks a name, and reports whether it is good.
func (c *compiler) text(place, s string) bool {
	switch {
	case s == "":
		c.add(place, "must not be empty")
	case len(s) > maxText:
		c.add(place, "has %d bytes; the maximum is %d", len(s), maxText)
	case !utf8.ValidString(s):
		c.add(place, "is not UTF-8")
	case strings.ContainsFunc(s, controls):
		c.add(place, "%s has a line break or another control character", quote(s))
	case !strings.ContainsFunc(s, visible):
		c.add(place, "%s has no visible character", quote(s))
	case strings.TrimSpace(s) != s:
		c.add(place, "%s begins or ends with a space", quote(s))
	default:
		return true
	}
	return false
}

// controls reports whether a rune breaks a line, or hides or reverses the text after it.
func controls(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == '\u202d' || r == '\u202e'
}

func visible(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.In(r, unicode.Cf, unicode.M)
}

// texts checks a list of names.
func checkTexts[T ~string](c *compiler, place string, list []T) {
	checkList(c, place, list, func(at string, s T) bool { return c.text(at, string(s)) })
}

// checkList checks the values of a list, and that none occurs twice.
func checkList[T comparable](c *compiler, place string, list []T, check func(at string, v T) bool) {
	first := make(map[T]int, len(list))
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", place, i)
		if !check(at, v) {
			continue
		}
		if j, twice := first[v]; twice {
			c.add(at, "repeats %s[%d]", place, j)
			continue
		}
		first[v] = i
	}
}

func (c *compiler) queue(place, name string) bool {
	switch {
	case !c.text(place, name):
		return false
	case c.queues != nil && !c.queues[name]:
		c.add(place, "%s is not a known queue", quote(name))
		return false
	}
	return true
}

func (c *compiler) grade(place string, g ticket.Grade) bool {
	if g < ticket.GradeLow || g > ticket.GradeCritical {
		c.add(place, "must be low, medium, high or critical")
		return false
	}
	return true
}

func (c *compiler) compileCalendar(i int) {
	s := &c.a.spec.Calendars[i]
	place := fmt.Sprintf("calendars[%d]", i)
	if s.Name != "" { // otherwise it does not compile
		c.text(place+".name", s.Name)
		if c.defined[s.Name] {
			c.add(place+".name", "%s is there already", quote(s.Name))
		}
		c.defined[s.Name] = true
	}
	cal, err := s.Compile()
	if err != nil {
		c.calendar(place, err)
		return
	}
	if c.a.calendars[s.Name] == nil {
		c.a.calendars[s.Name] = cal
	}
	*s = cal.Spec()
}

func (c *compiler) policies() {
	list := c.a.spec.Policies
	named := make(map[string]int, len(list))
	for i := range list {
		p := &list[i]
		place := fmt.Sprintf("policies[%d]", i)
		if c.text(place+".name", p.Name) {
			if j, twice := named[p.Name]; twice {
				c.add(place+".name", "%s is the name of policies[%d] already", quote(p.Name), j)
			} else {
				named[p.Name] = i
			}
		}
		when, counted := c.condition(place+".when", p.When)
		if counted && !c.chosen {
			for j, earlier := range c.a.policies {
				if earlier.when.covers(when) {
					c.add(place+".when", "cannot be reached: policies[%d] applies to all these tickets", j)
					break
				}
			}
		}
		if len(p.Targets) == 0 {
			c.add(place+".targets", "must not be empty")
		}
		compiled := policy{Policy: *p, version: c.a.spec.Version, when: when}
		if c.most(place+".targets", len(p.Targets), maxTargets) {
			compiled.targets = c.targets(place, p.Targets)
		}
		c.a.policies = append(c.a.policies, compiled)
	}
}

// condition checks a condition. It returns false if there are too many values to compare
// it with others.
func (c *compiler) condition(place string, when Condition) (condition, bool) {
	n := len(when.Priority) + len(when.Queue) + len(when.Tags) + len(when.Fields) + len(when.Organisation) + len(when.Channel)
	before := c.values
	if c.values += n; c.values > maxValues {
		if before <= maxValues { // told once
			c.add(place, "has %d values; the maximum of all conditions together is %d", n, maxValues)
		}
		return condition{}, false
	}
	checkList(c, place+".priority", when.Priority, c.grade)
	checkList(c, place+".queue", when.Queue, c.queue)
	checkTexts(c, place+".tags", when.Tags)
	for _, name := range slices.Sorted(maps.Keys(when.Fields)) {
		at := fmt.Sprintf("%s.fields[%s]", place, quote(name))
		c.text(at, name)
		v, reason := fieldValue(when.Fields[name])
		if reason != "" {
			c.add(at, "%s", reason)
		}
		when.Fields[name] = v
	}
	checkTexts(c, place+".organisation", when.Organisation)
	checkTexts(c, place+".channel", when.Channel)
	return compileCondition(when), true
}

// fieldValue returns the value of a custom field in the type that the desk stores. The
// reason says what is wrong with it.
func fieldValue(v any) (stored any, reason string) {
	stored, err := fieldvalue.Normalize(v)
	switch {
	case errors.Is(err, fieldvalue.ErrType):
		return nil, fmt.Sprintf("must be a string, a boolean, a number, a list of strings or a time, not %T", v)
	case err != nil:
		return nil, err.Error()
	}
	var list []string
	switch v := stored.(type) {
	case string:
		list = []string{v}
	case []string:
		list = v
	}
	size := 0
	for _, s := range list {
		if size += len(s); !utf8.ValidString(s) {
			return stored, "is not UTF-8"
		}
	}
	if size > maxField {
		return stored, fmt.Sprintf("has %d bytes; the maximum is %d", size, maxField)
	}
	return stored, ""
}

func (c *compiler) targets(place string, list []Target) []target {
	first := map[Metric]int{}
	var stays stays
	compiled := make([]target, len(list))
	for i, t := range list {
		at := fmt.Sprintf("%s.targets[%d]", place, i)
		compiled[i] = c.target(at, t)
		switch j, twice := first[t.Metric]; {
		case t.Metric == MetricLevel:
			if !stays.add(t, c.level) {
				c.add(at, "cannot be reached: the targets before it apply to all its levels and queues")
			}
		case !slices.Contains(Metrics(), t.Metric):
		case twice:
			c.add(at+".metric", "%s is the metric of targets[%d] already", quote(t.Metric), j)
		default:
			first[t.Metric] = i
		}
	}
	return compiled
}

// stays are the stays at a level that have a target: bits of the levels, for every queue
// and for single queues.
type stays struct {
	every  uint32
	queues map[string]uint32
}

// add returns false if all stays of the target have one already.
func (s *stays) add(t Target, highest int) bool {
	levels := uint32(0)
	for _, l := range t.Levels {
		if 1 <= l && l <= highest {
			levels |= 1 << l
		}
	}
	if len(t.Levels) == 0 {
		levels = 1<<(highest+1) - 2
	}
	if levels == 0 {
		return true // its levels are wrong, which is a fault of its own
	}
	if len(t.Queues) == 0 {
		free := levels&^s.every != 0
		s.every |= levels
		return free
	}
	free := false
	if s.queues == nil {
		s.queues = map[string]uint32{}
	}
	for _, q := range t.Queues {
		free = free || levels&^(s.every|s.queues[q]) != 0
		s.queues[q] |= levels
	}
	return free
}

// target checks a target.
func (c *compiler) target(at string, t Target) target {
	if !slices.Contains(Metrics(), t.Metric) {
		c.add(at+".metric", "%s is none of %q", quote(t.Metric), Metrics())
	}
	if t.Metric != MetricLevel && len(t.Levels) > 0 {
		c.add(at+".levels", "is for the metric %q only", MetricLevel)
	}
	if t.Metric != MetricLevel && len(t.Queues) > 0 {
		c.add(at+".queues", "is for the metric %q only", MetricLevel)
	}
	if t.Metric != MetricSolution && t.Restart {
		c.add(at+".restart", "is for the metric %q only", MetricSolution)
	}
	if c.most(at+".levels", len(t.Levels), maxNames) {
		checkList(c, at+".levels", t.Levels, func(at string, l int) bool {
			if l < 1 || l > c.level {
				c.add(at, "must be 1 to %d", c.level)
				return false
			}
			return true
		})
	}
	if c.most(at+".queues", len(t.Queues), maxNames) {
		checkList(c, at+".queues", t.Queues, c.queue)
	}
	if c.most(at+".pause", len(t.Pause), maxPauses) {
		c.pauses(at+".pause", t.Pause)
	}
	good := c.duration(at+".within", t.Within)
	if c.most(at+".thresholds", len(t.Thresholds), maxThresholds) {
		c.thresholds(at, t, good)
	}
	if t.Calendar != "" && !c.defined[t.Calendar] {
		c.add(at+".calendar", "%s is not the name of a calendar", quote(t.Calendar))
	}
	compiled := target{Target: t, cal: c.a.calendar(t.Calendar)}
	compiled.lookList()
	if compiled.cal != nil && good {
		c.needs = append(c.needs, needs(at, compiled)...)
	}
	return compiled
}

// duration checks a duration that must be set.
func (c *compiler) duration(place string, d time.Duration) bool {
	switch {
	case d <= 0:
		c.add(place, "must be more than zero")
	case d > maxTime:
		c.add(place, "%s is too long; the maximum is %s", short(d), short(maxTime))
	case d%time.Microsecond != 0:
		c.add(place, "%s is not a whole number of microseconds", d)
	default:
		return true
	}
	return false
}

func (c *compiler) pauses(place string, list []Pause) {
	first := map[ticket.Status]int{}
	for i, p := range list {
		at := fmt.Sprintf("%s[%d]", place, i)
		if c.text(at+".status", string(p.Status)) {
			j, twice := first[p.Status]
			switch {
			case twice:
				c.add(at+".status", "%s is the status of %s[%d] already", quote(p.Status), place, j)
			case c.statuses != nil && !c.statuses[p.Status]:
				c.add(at+".status", "%s is not a status of a known workflow", quote(p.Status))
			default:
				first[p.Status] = i
			}
		}
		if c.most(at+".reasons", len(p.Reasons), maxNames) {
			checkTexts(c, at+".reasons", p.Reasons)
		}
	}
}

// thresholds checks the thresholds of a target, their order only if Within is good.
func (c *compiler) thresholds(at string, t Target, ordered bool) {
	last := -1
	for i, th := range t.Thresholds {
		place := fmt.Sprintf("%s.thresholds[%d]", at, i)
		c.reactions(place+".do", th.Do)
		field, ok := c.moment(place, th)
		if !ok {
			continue
		}
		if ordered && last >= 0 {
			before := t.Thresholds[last]
			switch was, is := before.offset(t.Within), th.offset(t.Within); {
			case is == was:
				c.add(field, "is the moment of thresholds[%d]; put the reactions together", last)
			case is < was:
				c.add(field, "%q is reached before thresholds[%d], %q; sort them", th, last, before)
			}
		}
		last = i
	}
}

// moment checks that exactly one moment is set, and returns the place of it.
func (c *compiler) moment(place string, t Threshold) (field string, ok bool) {
	switch set := count(t.Share != 0, t.Before != 0, t.After != 0); {
	case set == 0:
		c.add(place, "must have one of share, before and after")
		return "", false
	case set > 1:
		c.add(place, "must have only one of share, before and after")
		return "", false
	case t.Share != 0:
		field = place + ".share"
		if t.Share < 1 || t.Share > 100 {
			c.add(field, "must be 1 to 100")
			return "", false
		}
		return field, true
	case t.Before != 0:
		field = place + ".before"
		return field, c.duration(field, t.Before)
	default:
		field = place + ".after"
		return field, c.duration(field, t.After)
	}
}

func (c *compiler) reactions(place string, list []Reaction) {
	if len(list) == 0 {
		c.add(place, "must not be empty")
	}
	if c.most(place, len(list), maxReactions) {
		checkList(c, place, list, c.reaction)
	}
}

func (c *compiler) reaction(at string, r Reaction) bool {
	const fields = "tell, escalate, hand_over, raise and tag"
	switch set := count(r.Tell != "", r.Escalate, r.HandOver != "", r.Raise != 0, r.Tag != ""); {
	case set == 0:
		c.add(at, "must have one of %s", fields)
		return false
	case set > 1:
		c.add(at, "must have only one of %s", fields)
		return false
	case r.Tell != "" && !slices.Contains(Audiences(), r.Tell):
		c.add(at+".tell", "%s is none of %q", quote(r.Tell), Audiences())
		return false
	case r.HandOver != "":
		return c.queue(at+".hand_over", r.HandOver)
	case r.Raise == ticket.GradeLow:
		c.add(at+".raise", "low raises no priority")
		return false
	case r.Raise != 0:
		return c.grade(at+".raise", r.Raise)
	case r.Tag != "":
		return c.text(at+".tag", r.Tag)
	}
	return true
}

// count returns how many of the conditions hold.
func count(conditions ...bool) (n int) {
	for _, holds := range conditions {
		if holds {
			n++
		}
	}
	return n
}
