package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/ticketkit/ticket/internal/plot"
)

// policySpec is what the drawings need of the JSON form of an agreement of package sla.
type policySpec struct {
	Name     string   `json:"name"`
	Version  int      `json:"version"`
	Policies []policy `json:"policies"`
}

type policy struct {
	Name    string         `json:"name"`
	When    map[string]any `json:"when"`
	Targets []policyTarget `json:"targets"`
}

type policyTarget struct {
	Metric   string   `json:"metric"`
	Levels   []int    `json:"levels"`
	Queues   []string `json:"queues"`
	Within   span     `json:"within"`
	Calendar string   `json:"calendar"`
	Pause    []struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons"`
	} `json:"pause"`
	Restart    bool        `json:"restart"`
	Thresholds []threshold `json:"thresholds"`
}

type threshold struct {
	Share  int  `json:"share"`
	Before span `json:"before"`
	After  span `json:"after"`
	Do     []struct {
		Tell     string `json:"tell"`
		Escalate bool   `json:"escalate"`
		HandOver string `json:"hand_over"`
		Raise    any    `json:"raise"`
		Tag      string `json:"tag"`
	} `json:"do"`
}

// readPolicies reads the agreement of the configuration.
func readPolicies(m json.Marshaler) (policySpec, error) {
	var s policySpec
	data, err := m.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("web: ConsoleConfig.Policies: %w", err)
	}
	return s, nil
}

// policiesData is the data of figures_policies.html.
type policiesData struct {
	Title    string
	Workflow string // the address of the page of the workflow
	Policies []policyView
}

type policyView struct {
	Name, When string
	Targets    []targetView
}

type targetView struct {
	Title, Hours, Pause, More string
	Wide, Narrow              template.HTML
	Moments                   [][2]string // when, what happens
}

// mostPolicies bounds the page. An agreement may have a thousand.
const mostPolicies = 100

func (c *Console) showPolicies(p *page) error {
	return p.render(http.StatusOK, "figures_policies.html", p.policiesData(c.agreement))
}

func (p *page) policiesData(s policySpec) policiesData {
	d := policiesData{Title: p.say("figures.workflow_version", "name", s.Name, "n", s.Version), Workflow: p.link("workflow")}
	for i, pol := range s.Policies[:min(len(s.Policies), mostPolicies)] {
		v := policyView{Name: pol.Name, When: p.condition(pol.When)}
		for k := range pol.Targets {
			v.Targets = append(v.Targets, p.target(&pol.Targets[k], fmt.Sprintf("p%d-%d", i+1, k+1)))
		}
		d.Policies = append(d.Policies, v)
	}
	return d
}

// condition says which tickets a policy is for.
func (p *page) condition(when map[string]any) string {
	var parts []string
	for _, name := range []string{"priority", "queue", "tags", "fields", "organisation", "channel"} {
		var values []string
		switch v := when[name].(type) {
		case []any:
			for _, one := range v {
				values = append(values, p.wordOf("grade", fmt.Sprint(one)))
			}
		case map[string]any:
			for _, key := range sortedNames(v) {
				values = append(values, fmt.Sprintf("%s = %v", key, v[key]))
			}
		}
		if len(values) > 0 {
			parts = append(parts, p.say("figures.condition", "name", p.wordOf("condition", name), "values", strings.Join(values, ", ")))
		}
	}
	if len(parts) == 0 {
		return p.say("figures.every_ticket")
	}
	return strings.Join(parts, "; ")
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// target draws a promise as a line of open time, with what happens on the way.
func (p *page) target(t *policyTarget, id string) targetView {
	v := targetView{Title: p.say("figures.promise", "metric", p.wordOf("metric", t.Metric), "span", p.open(t.Within.seconds()))}
	var where []string
	for _, l := range t.Levels {
		where = append(where, p.say("figures.level", "n", l))
	}
	where = append(where, t.Queues...)
	if len(where) > 0 {
		v.More = strings.Join(where, ", ")
	}
	if t.Restart {
		v.More = strings.TrimPrefix(v.More+"; "+p.say("figures.restart"), "; ")
	}
	if v.Hours = p.say("figures.round_the_clock"); t.Calendar != "" {
		v.Hours = p.say("figures.calendar", "name", t.Calendar)
	}
	var pauses []string
	for _, pause := range t.Pause {
		one := p.wordOf("status", pause.Status)
		if len(pause.Reasons) > 0 {
			one += " (" + strings.Join(pause.Reasons, ", ") + ")"
		}
		pauses = append(pauses, one)
	}
	v.Pause = strings.Join(pauses, ", ")

	within := t.Within.seconds()
	line := plot.Timeline{ID: id, Title: v.Title, Description: v.Hours, End: within, Parts: []plot.Part{{To: within, Class: "plot-1", Title: v.Title}}}
	line.Marks = append(line.Marks, plot.Mark{Text: p.say("figures.start")})
	due := false
	for _, th := range t.Thresholds {
		at, when := within, p.say("figures.due")
		class := "plot-warn"
		switch {
		case th.Share == 100:
			class, due = "plot-bad", true
		case th.Share > 0:
			at, when = within*float64(th.Share)/100, p.say("figures.after_share", "n", th.Share)
		case th.Before > 0:
			at, when = max(0, within-th.Before.seconds()), p.say("figures.before_due", "span", p.open(th.Before.seconds()))
		default:
			at, when, class = within+th.After.seconds(), p.say("figures.after_due", "span", p.open(th.After.seconds())), "plot-bad"
			if !due {
				line.Marks, due = append(line.Marks, plot.Mark{At: within, Class: "plot-bad", Text: p.say("figures.due")}), true
			}
		}
		what := p.reactions(&th)
		line.Marks = append(line.Marks, plot.Mark{At: at, Class: class, Text: when + ": " + what})
		v.Moments = append(v.Moments, [2]string{when, what})
		line.End = max(line.End, at)
	}
	if !due {
		line.Marks = append(line.Marks, plot.Mark{At: within, Class: "plot-bad", Text: p.say("figures.due")})
	}
	if line.End > within {
		line.Parts = append(line.Parts, plot.Part{From: within, To: line.End, Class: "plot-bad", Title: p.say("figures.late_part")})
	}
	line.ID, line.Width = "w"+id, 900
	v.Wide = drawn(line.SVG())
	for i := range line.Marks { // there is no room for what happens: the table has it
		line.Marks[i].Text, _, _ = strings.Cut(line.Marks[i].Text, ": ")
	}
	line.ID, line.Width = "n"+id, widthNarrow
	v.Narrow = drawn(line.SVG())
	return v
}

// reactions says what happens at a threshold.
func (p *page) reactions(th *threshold) string {
	var list []string
	for _, r := range th.Do {
		switch {
		case r.Tell != "":
			list = append(list, p.say("figures.do_tell", "who", p.wordOf("audience", r.Tell)))
		case r.Escalate:
			list = append(list, p.say("figures.do_escalate"))
		case r.HandOver != "":
			list = append(list, p.say("figures.do_hand_over", "queue", r.HandOver))
		case r.Raise != nil:
			list = append(list, p.say("figures.do_raise", "grade", p.wordOf("grade", fmt.Sprint(r.Raise))))
		case r.Tag != "":
			list = append(list, p.say("figures.do_tag", "tag", r.Tag))
		}
	}
	return strings.Join(list, ", ")
}

// policiesExamples are fixtures.
func policiesExamples(s *site) []any {
	p := s.example("en")
	var spec policySpec
	_ = json.Unmarshal([]byte(`{"name":"contracts","version":1,"policies":[{"name":"gold","when":{"organisation":["acme"]},"targets":[{"metric":"first answer","within":"2h",`+
		`"calendar":"office","pause":[{"status":"waiting"}],"restart":true,"thresholds":[{"before":"30m","do":[{"tell":"assignee"}]},{"share":100,"do":[{"escalate":true}]}]}]}]}`), &spec)
	return []any{p.policiesData(spec), policiesData{Title: "contracts"}}
}
