package sla_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

func Example() {
	a, err := sla.Spec{
		Name: "contracts", Version: 1,
		Calendars: []businesshours.Spec{{
			Name:  "office",
			Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")},
		}},
		Policies: []sla.Policy{
			{
				Name: "gold",
				When: sla.Condition{Organisation: []string{"acme"}},
				Targets: []sla.Target{{
					Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
					Thresholds: []sla.Threshold{{Share: 100, Do: []sla.Reaction{{Escalate: true}}}},
				}},
			},
			{
				Name:    "everybody",
				Targets: []sla.Target{{Metric: sla.MetricFirstAnswer, Within: 16 * time.Hour, Calendar: "office"}},
			},
		},
	}.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, organisation := range []string{"acme", "umbrella"} {
		p, ok := a.Policy(ticket.Ticket{Requester: ticket.Person{Organisation: organisation}})
		fmt.Println(organisation, ok, p.Name, p.Targets[0].Within)
	}
	// Output:
	// acme true gold 2h0m0s
	// umbrella true everybody 16h0m0s
}

func ExampleParse() {
	spec, err := sla.Parse([]byte(`{
	  "name": "contracts",
	  "version": 1,
	  "policies": [{
	    "name": "everybody",
	    "targets": [{
	      "metric": "solution",
	      "within": "48h",
	      "pause": [{"status": "waiting"}, {"status": "on hold", "reasons": ["vendor"]}],
	      "thresholds": [{"share": 75, "do": [{"tell": "assignee"}]}, {"after": "2h30m", "do": [{"raise": "high"}]}]
	    }]
	  }]
	}`))
	fmt.Println(spec.Policies[0].Targets[0].Thresholds[1].After, err)

	_, err = sla.Parse([]byte(`{"name": "contracts", "policies": [{"targets": [{"within": 48}], "if": {}}]}`))
	fmt.Println(err)
	// Output:
	// 2h30m0s <nil>
	// sla: agreement "contracts": policies[0].targets[0].within: must be a string such as "2h30m"
	// sla: agreement "contracts": policies[0]: has the unknown name "if"; the names are name, targets, when
}

func ExampleSpec_Compile() {
	workflow, err := ticket.DefaultWorkflow().Compile(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = sla.Spec{
		Name: "contracts", Version: 1,
		Policies: []sla.Policy{
			{Name: "everybody", Targets: []sla.Target{{
				Metric: sla.MetricSolution, Within: 8 * time.Hour, Calendar: "office",
				Pause:      []sla.Pause{{Status: "paused"}},
				Thresholds: []sla.Threshold{{Share: 100, Do: []sla.Reaction{{Tell: "boss"}}}, {Before: time.Hour, Do: []sla.Reaction{{Escalate: true}}}},
			}}},
			{Name: "gold", When: sla.Condition{Tags: []string{"gold"}}, Targets: []sla.Target{{Metric: "answer"}}},
		},
	}.Compile(sla.Known{Workflows: []*ticket.Workflow{workflow}})
	fmt.Println(err)
	// Output:
	// sla: agreement "contracts": policies[0].targets[0].pause[0].status: "paused" is not a status of a known workflow
	// sla: agreement "contracts": policies[0].targets[0].thresholds[0].do[0].tell: "boss" is none of ["assignee" "queue" "requester" "agents"]
	// sla: agreement "contracts": policies[0].targets[0].thresholds[1].before: "1h before due" is reached before thresholds[0], "due"; sort them
	// sla: agreement "contracts": policies[0].targets[0].calendar: "office" is not the name of a calendar
	// sla: agreement "contracts": policies[1].when: cannot be reached: policies[0] applies to all these tickets
	// sla: agreement "contracts": policies[1].targets[0].metric: "answer" is none of ["first answer" "next answer" "update" "solution" "level"]
	// sla: agreement "contracts": policies[1].targets[0].within: must be more than zero
}

func ExampleAgreement_CheckAt() {
	a := sla.Spec{
		Name: "trade fair", Version: 1,
		Calendars: []businesshours.Spec{{
			Name: "fair",
			Hours: businesshours.Hours{
				Zone: "Europe/Berlin",
				Days: []businesshours.Day{{Date: "2026-03-02", Open: []businesshours.Span{"09:00-17:00"}}},
			},
		}},
		Policies: []sla.Policy{{
			Name:    "stand",
			Targets: []sla.Target{{Metric: sla.MetricFirstAnswer, Within: time.Hour, Calendar: "fair"}},
		}},
	}.MustCompile()
	fmt.Println(a.CheckAt(time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)))
	fmt.Println(a.CheckAt(time.Date(2026, time.March, 2, 15, 30, 0, 0, time.UTC)))
	// Output:
	// <nil>
	// sla: agreement "trade fair": policies[0].targets[0].calendar: calendar "fair" ends before the target can be met: businesshours: calendar "fair" has too few hours left: 1h0m0s were needed from 2026-03-02T15:30:00Z on, 30m0s remain
}

func ExampleAgreement_MarshalJSON() {
	a := sla.Spec{
		Name: "contracts", Version: 2,
		Policies: []sla.Policy{{
			Name:    "everybody",
			Targets: []sla.Target{{Metric: sla.MetricUpdate, Within: 36 * time.Hour}},
		}},
	}.MustCompile()
	data, err := json.Marshal(a)
	fmt.Println(string(data), err)
	// Output:
	// {"name":"contracts","version":2,"policies":[{"name":"everybody","targets":[{"metric":"update","within":"36h"}]}]} <nil>
}

func ExamplePolicy_Mermaid() {
	p := sla.Policy{
		Name: "gold",
		When: sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh, ticket.GradeCritical}, Organisation: []string{"acme"}},
		Targets: []sla.Target{
			{
				Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
				Thresholds: []sla.Threshold{
					{Before: 30 * time.Minute, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}}},
					{Share: 100, Do: []sla.Reaction{{Escalate: true}, {Tag: "late"}}},
				},
			},
			{
				Metric: sla.MetricSolution, Within: 16 * time.Hour, Calendar: "office",
				Pause: []sla.Pause{{Status: ticket.StatusWaiting}, {Status: ticket.StatusOnHold, Reasons: []string{"vendor"}}},
			},
		},
	}
	fmt.Print(p.Mermaid())
	// Output:
	// flowchart LR
	//     p(["gold<br>priority high or critical; organisation acme"])
	//     p --> t1["first answer<br>within 2h of office"]
	//     t1 -->|30m before due| t1h1["tell assignee"]
	//     t1h1 -->|due| t1h2["escalate<br>add tag late"]
	//     p --> t2["solution<br>within 16h of office"]
	//     t2 -.-|paused| t2p[/"waiting<br>on hold: vendor"/]
}

// A function chooses the policy by data that only the application has.
func ExampleAgreement_WithChooser() {
	office := businesshours.Spec{Name: "office", Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")}}
	contracts := map[string]string{"acme": "gold"} // by organisation
	a := sla.Spec{
		Name: "contracts", Version: 1,
		Calendars: []businesshours.Spec{office},
		Policies: []sla.Policy{
			{Name: "gold", Targets: []sla.Target{{Metric: sla.MetricSolution, Within: 8 * time.Hour, Calendar: "office"}}},
			{Name: "basic", Targets: []sla.Target{{Metric: sla.MetricSolution, Within: 40 * time.Hour, Calendar: "office"}}},
		},
	}.MustCompile(sla.Known{Chosen: true}).WithChooser(func(t ticket.Ticket) string {
		return cmp.Or(contracts[t.Requester.Organisation], "basic")
	})
	for _, organisation := range []string{"acme", "mill"} {
		p, _ := a.Policy(ticket.Ticket{Requester: ticket.Person{Organisation: organisation}})
		fmt.Println(organisation, p.Name)
	}
	// Output:
	// acme gold
	// mill basic
}
