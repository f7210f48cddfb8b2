package ticket

import (
	"fmt"
	"slices"
	"strings"
)

// Mermaid draws the workflow as a state diagram in Mermaid's language
// (https://mermaid.js.org/syntax/stateDiagram.html): a node for each status with
// its phase, and an arrow for each pair of connected statuses with its actions. ↑ and
// ↓ mark actions that move the ticket up or down a level. The same workflow always
// gives the same text.
func (w *Workflow) Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	id := w.nodeIDs()
	for _, s := range w.spec.Statuses {
		fmt.Fprintf(&b, "    state \"%s (%s)\" as %s\n", s.Name, s.Phase, id[s.Name])
	}
	fmt.Fprintf(&b, "    [*] --> %s\n", id[w.spec.Initial])
	for _, a := range w.arrows() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", id[a.from], id[a.to], strings.Join(a.labels, ", "))
	}
	for _, s := range w.spec.Statuses {
		if s.Final {
			fmt.Fprintf(&b, "    %s --> [*]\n", id[s.Name])
		}
	}
	return b.String()
}

// Graphviz draws the workflow as a graph in the DOT language
// (https://graphviz.org/doc/info/lang.html), with the same content as [Workflow.Mermaid].
func (w *Workflow) Graphviz() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n    rankdir=LR\n    node [shape=box, style=rounded]\n    start [shape=point]\n", w.spec.Name)
	id := w.nodeIDs()
	for _, s := range w.spec.Statuses {
		more := ""
		if s.Final {
			more = ", peripheries=2"
		}
		fmt.Fprintf(&b, "    %s [label=\"%s\\n%s\"%s]\n", id[s.Name], s.Name, s.Phase, more)
	}
	fmt.Fprintf(&b, "    start -> %s\n", id[w.spec.Initial])
	for _, a := range w.arrows() {
		fmt.Fprintf(&b, "    %s -> %s [label=\"%s\"]\n", id[a.from], id[a.to], strings.Join(a.labels, "\\n"))
	}
	b.WriteString("}\n")
	return b.String()
}

// nodeIDs gives each status a name that needs no quoting in either language.
func (w *Workflow) nodeIDs() map[Status]string {
	id := map[Status]string{}
	for i, s := range w.spec.Statuses {
		id[s.Name] = fmt.Sprintf("s%d", i+1)
	}
	return id
}

type arrow struct {
	from, to Status
	labels   []string // sorted
}

// arrows joins the transitions between the same two statuses, in the order of
// the statuses.
func (w *Workflow) arrows() []arrow {
	labels := map[[2]Status]map[string]bool{}
	for i := range w.spec.Transitions {
		t := &w.spec.Transitions[i]
		label := string(t.Action) + map[string]string{"up": " ↑", "down": " ↓", "any": " ↕"}[t.Level]
		for _, from := range t.From {
			to := t.To
			if to == "" {
				to = from
			}
			way := [2]Status{from, to}
			if labels[way] == nil {
				labels[way] = map[string]bool{}
			}
			labels[way][label] = true
		}
	}
	var all []arrow
	for _, from := range w.spec.Statuses {
		for _, to := range w.spec.Statuses {
			if set := labels[[2]Status{from.Name, to.Name}]; set != nil {
				all = append(all, arrow{from.Name, to.Name, slices.Clone(sortedKeys(set))})
			}
		}
	}
	return all
}
