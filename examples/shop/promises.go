package main

import (
	"time"
	_ "time/tzdata" // for machines without a time zone database

	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

// promises compiles what the shop promises: an answer within eight hours of its office.
func promises() (*sla.Agreement, error) {
	return sla.Spec{
		Name: "shop", Version: 1,
		Calendars: []businesshours.Spec{{
			Name:  "office",
			Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")},
		}},
		Policies: []sla.Policy{{
			Name:    "everybody",
			Targets: []sla.Target{{Metric: sla.MetricFirstAnswer, Within: 8 * time.Hour, Calendar: "office"}},
		}},
	}.Compile()
}
