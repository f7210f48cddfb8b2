package main

import (
	"time"
	_ "time/tzdata" // for machines without a time zone database

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

// promises compiles what the desk promises: something quick for what is critical, at any
// hour, more to those with a contract, and less to everybody else.
func promises() (*sla.Agreement, error) {
	waiting := []sla.Pause{{Status: ticket.StatusWaiting}, {Status: ticket.StatusOnHold, Reasons: []string{"vendor"}}}
	warn := func(before time.Duration) []sla.Threshold {
		return []sla.Threshold{
			{Before: before, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}}},
			{Share: 100, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}, {Tag: "late"}}},
		}
	}
	return sla.Spec{
		Name: "shop", Version: 1,
		Calendars: []businesshours.Spec{{
			Name:  "office",
			Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("08:00-18:00")},
		}},
		Policies: []sla.Policy{{
			Name: "critical",
			When: sla.Condition{Priority: []ticket.Grade{ticket.GradeCritical}},
			Targets: []sla.Target{
				{Metric: sla.MetricFirstAnswer, Within: time.Hour, Thresholds: warn(20 * time.Minute)},
				{Metric: sla.MetricSolution, Within: 24 * time.Hour, Pause: waiting},
			},
		}, {
			Name: "contract",
			When: sla.Condition{Organisation: []string{"mills", "werft", "foundry"}},
			Targets: []sla.Target{
				{Metric: sla.MetricFirstAnswer, Within: 4 * time.Hour, Calendar: "office", Thresholds: warn(30 * time.Minute)},
				{Metric: sla.MetricNextAnswer, Within: 8 * time.Hour, Calendar: "office"},
				{Metric: sla.MetricSolution, Within: 40 * time.Hour, Calendar: "office", Pause: waiting},
			},
		}, {
			Name: "everybody",
			Targets: []sla.Target{
				{Metric: sla.MetricFirstAnswer, Within: 8 * time.Hour, Calendar: "office", Thresholds: warn(time.Hour)},
				{Metric: sla.MetricSolution, Within: 60 * time.Hour, Calendar: "office", Pause: waiting},
			},
		}},
	}.Compile()
}
