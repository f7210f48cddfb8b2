package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/plot"
)

// workflowData is the data of figures_workflow.html.
type workflowData struct {
	Title    string
	Levels   string // "1: with the service desk, …"; empty if levels have no names
	Others   []tabItem
	Policies string // the address of the page of service levels; empty if there is none
	Drawing  template.HTML
	Rules    []ruleView
	Timers   []string // what the desk does by itself
}

type tabItem struct {
	Name, Link string
	Current    bool
}

// ruleView is a row of the table of transitions.
type ruleView struct{ Action, From, To, By, Needs, More string }

// workflow shows a workflow of the desk: the newest version of the first one, or the one that
// the address names.
func (c *Console) workflow(p *page) error {
	all := c.site.desk.Workflows()
	chosen := -1
	for i, w := range all {
		wanted := p.query("name") == w.Name() && (p.query("version") == "" || p.query("version") == strconv.Itoa(w.Version()))
		if p.query("name") == "" {
			wanted = w.Name() == all[0].Name()
		}
		if wanted && (chosen < 0 || w.Version() > all[chosen].Version()) {
			chosen = i
		}
	}
	if chosen < 0 {
		return ticket.ErrNotFound
	}
	data := p.workflowData(all[chosen])
	for i, w := range all {
		if len(all) > 1 {
			q := url.Values{"name": {w.Name()}, "version": {strconv.Itoa(w.Version())}}
			data.Others = append(data.Others, tabItem{p.say("figures.workflow_version", "name", w.Name(), "n", w.Version()), p.link("workflow") + "?" + q.Encode(), i == chosen})
		}
	}
	if len(c.policies) > 0 {
		data.Policies = p.link("policies")
	}
	return p.render(http.StatusOK, "figures_workflow.html", data)
}

func (p *page) workflowData(w *ticket.Workflow) workflowData {
	spec := w.Spec()
	d := workflowData{Title: p.say("figures.workflow_version", "name", spec.Name, "n", spec.Version), Drawing: drawn(p.states(&spec).SVG()), Rules: p.rules(&spec)}
	for i, name := range spec.LevelNames {
		d.Levels += fmt.Sprintf("%s%d: %s", strings.Repeat(" · ", min(i, 1)), i+1, name)
	}
	for _, s := range spec.Statuses {
		switch {
		case s.Then != "" && s.After > 0:
			d.Timers = append(d.Timers, p.say("figures.timer_after", "status", p.wordOf("status", string(s.Name)), "action", p.wordOf("action", string(s.Then)), "span", p.took(s.After.Seconds())))
		case s.Then != "":
			d.Timers = append(d.Timers, p.say("figures.timer_until", "status", p.wordOf("status", string(s.Name)), "action", p.wordOf("action", string(s.Then))))
		}
	}
	return d
}

// wordOf translates a word of a workflow. Workflows may have words of their own, which stay.
func (p *page) wordOf(group, word string) string {
	for _, key := range []string{"figures." + group + "." + keyOfWord(word), group + "." + keyOfWord(word)} {
		if p.Has(key) {
			return p.say(key)
		}
	}
	return word
}

var levelMarks = map[string]string{"up": " ↑", "down": " ↓", "any": " ↕"}

// states draws a workflow: the statuses in columns of their phases. What leads to a status from
// all that are in work, or from all that are done, stands in its box and has no arrows.
func (p *page) states(spec *ticket.WorkflowSpec) plot.States {
	title := p.say("figures.workflow_title", "name", spec.Name)
	out := plot.States{ID: "workflow", Title: title, Description: p.say("figures.workflow_text")}
	phases := []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress, ticket.PhaseYourTurn, ticket.PhaseSolved, ticket.PhaseClosed}
	column := map[ticket.Phase]int{}
	for _, ph := range phases {
		if slices.ContainsFunc(spec.Statuses, func(s ticket.StatusSpec) bool { return s.Phase == ph }) {
			column[ph] = len(out.Columns)
			out.Columns = append(out.Columns, p.wordOf("phase", string(ph)))
		}
	}
	index := map[ticket.Status]int{}
	var groups [2][]int // those in work, those that are done
	for i, s := range spec.Statuses {
		index[s.Name] = i
		group, class := 0, ""
		switch s.Phase {
		case ticket.PhaseReceived:
			class = "fresh"
		case ticket.PhaseYourTurn:
			class = "turn"
		case ticket.PhaseSolved, ticket.PhaseClosed:
			group, class = 1, "done"
		}
		groups[group] = append(groups[group], i)
		out.Boxes = append(out.Boxes, plot.Box{Name: p.wordOf("status", string(s.Name)), Column: column[s.Phase], Class: class, Start: s.Name == spec.Initial, Final: s.Final})
	}
	// How each action leads from status to status.
	ways := map[string]map[[2]int]bool{}
	for i := range spec.Transitions {
		t := &spec.Transitions[i]
		label := p.wordOf("action", string(t.Action)) + levelMarks[t.Level]
		for _, from := range t.From {
			if t.To == "" || t.To == from {
				continue
			}
			if ways[label] == nil {
				ways[label] = map[[2]int]bool{}
			}
			ways[label][[2]int{index[from], index[t.To]}] = true
		}
	}
	labels := map[[2]int][]string{}
	for to := range spec.Statuses {
		for g, group := range groups {
			others := slices.DeleteFunc(slices.Clone(group), func(i int) bool { return i == to })
			if len(others) < 2 {
				continue
			}
			var joined []string
			for _, label := range sortedLabels(ways) {
				if slices.ContainsFunc(others, func(from int) bool { return !ways[label][[2]int{from, to}] }) {
					continue
				}
				joined = append(joined, label)
				for _, from := range others {
					delete(ways[label], [2]int{from, to})
				}
			}
			if len(joined) > 0 {
				key := []string{"figures.from_open", "figures.from_done"}[g]
				out.Boxes[to].Lines = append(out.Boxes[to].Lines, p.say(key, "actions", strings.Join(joined, ", ")))
			}
		}
	}
	for _, label := range sortedLabels(ways) {
		for way := range ways[label] {
			labels[way] = append(labels[way], label)
		}
	}
	for from := range spec.Statuses {
		for to := range spec.Statuses {
			if list := labels[[2]int{from, to}]; len(list) > 0 {
				out.Arrows = append(out.Arrows, plot.Arrow{From: from, To: to, Labels: list})
			}
		}
	}
	return out
}

func sortedLabels(ways map[string]map[[2]int]bool) []string {
	list := make([]string, 0, len(ways))
	for label := range ways {
		list = append(list, label)
	}
	slices.Sort(list)
	return list
}

// rules lists the transitions.
func (p *page) rules(spec *ticket.WorkflowSpec) (list []ruleView) {
	words := func(group string, values []string) string {
		for i, v := range values {
			values[i] = p.wordOf(group, v)
		}
		return strings.Join(values, ", ")
	}
	for i := range spec.Transitions {
		t := &spec.Transitions[i]
		by := t.By
		if by == 0 {
			by = ticket.RoleAgent
		}
		r := ruleView{Action: p.wordOf("action", string(t.Action)) + levelMarks[t.Level], By: words("role", strings.Split(by.String(), ", "))}
		var from []string
		for _, s := range t.From {
			from = append(from, string(s))
		}
		r.From = words("status", from)
		if len(from) == len(spec.Statuses) {
			r.From = p.say("figures.any")
		}
		if r.To = p.wordOf("status", string(t.To)); t.To == "" {
			r.To = p.say("figures.stays")
		}
		if needs := t.Needs.String(); needs != "" {
			r.Needs = words("need", strings.Split(needs, ", "))
		}
		var more []string
		if len(t.Levels) > 0 {
			more = append(more, p.say("figures.at_levels", "list", strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Levels), " ", ", "), "[]")))
		}
		if t.Within > 0 {
			key := "figures.within"
			if t.FollowUp {
				key = "figures.within_follow_up"
			}
			more = append(more, p.say(key, "span", p.took(t.Within.Seconds())))
		}
		if t.Assign != "" {
			more = append(more, p.say("figures.assign", "who", p.wordOf("assign", t.Assign)))
		}
		more = append(more, t.Guards...)
		r.More = strings.Join(more, "; ")
		list = append(list, r)
	}
	return list
}

// workflowExamples are fixtures.
func workflowExamples(s *site) []any {
	p := s.example("en")
	full := p.workflowData(s.desk.Workflows()[0])
	full.Others = []tabItem{{"support 1", "workflow?version=1", true}, {"support 2", "workflow?version=2", false}}
	full.Policies = "policies"
	return []any{full, workflowData{Title: "support", Rules: []ruleView{{Action: "take"}}}}
}

// span is a duration in the JSON form of package sla: text such as "2h30m".
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}

func (s span) seconds() float64 { return time.Duration(s).Seconds() }
