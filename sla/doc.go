/*
Package sla describes service levels: what a desk promises for which tickets, and what
happens when time runs short.

A [Spec] has calendars and policies, in Go or in JSON. [Spec.Compile] checks all of it and
returns an [Agreement]:

	a, err := sla.Spec{
		Name: "contracts", Version: 1,
		Calendars: []businesshours.Spec{office},
		Policies: []sla.Policy{{
			Name: "gold",
			When: sla.Condition{Organisation: []string{"acme"}},
			Targets: []sla.Target{{
				Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
				Thresholds: []sla.Threshold{
					{Before: 30 * time.Minute, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}}},
					{Share: 100, Do: []sla.Reaction{{Escalate: true}}},
				},
			}},
		}},
	}.Compile()

[Agreement.Policy] returns the policy of a ticket: the first whose condition fits.
[Policy.Mermaid] draws a policy. [Agreement.Clocks] computes the clocks of a ticket from its
history. [Agreement.Explain] says why one of them is due when it is, and
[Agreement.ExplainTicket] does it for a stored ticket. [UsageOf] splits the time of a ticket
between its holders. [Simulation] and [Estimation] look at many past tickets.

# Targets

A [Target] says how much open time there is for one [Metric]. Time counts while the
calendar is open and the ticket is in none of the statuses that pause the target. Without a
calendar, time counts round the clock. Calendars are open in the years 1970 to 2199 only,
and so clocks count in these years.

A [Threshold] is a moment of a target, with the reactions of the desk.

# At a desk

An Agreement is a [ticket.ServiceLevels]. With it in [ticket.Config] the desk records the
clocks in the tickets, tells customers when to expect an answer, and performs the reactions
of thresholds:

	desk, err := ticket.NewDesk(store, ticket.Config{ServiceLevels: a})

Each threshold fires once for each clock. If the desk is late, the highest one that was
reached fires alone. Nothing fires while a clock is paused.

# Versions

An agreement never changes. To change a Spec, compile it again with a higher version, and
call [ticket.Desk.RefreshClocks]; [Agreement.Advance] describes the effect.

# Limits

A Spec has at most 100 calendars, 1000 policies, and 10,000 values in all conditions
together. A policy has at most 100 targets. A target has at most 1000 queues, 100 pauses
with 1000 reasons each, and 20 thresholds with 20 reactions each. Names have at most 200
bytes, and the JSON form 8 MiB. Times are at most ten years.
*/
package sla
