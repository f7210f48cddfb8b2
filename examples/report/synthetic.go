package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/internal/incidents"
)

// synthetic returns the log of a small desk from October 2025 to April 2026. It is the same
// in every run.
func synthetic() (rows []incidents.Row) {
	random := rand.New(rand.NewPCG(1, 2026))
	wait := func(mean time.Duration) time.Duration {
		return time.Duration(random.ExpFloat64() * float64(mean)).Truncate(time.Minute)
	}
	teams := []string{"", "service desk", "networks", "developers"} // by level
	end := time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)
	n := 0
	for day := time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC); day.Before(end); day = day.AddDate(0, 0, 1) {
		opened := 3 + random.IntN(6)
		if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
			opened = random.IntN(2)
		}
		for range opened {
			n++
			r := incidents.Row{
				Case: fmt.Sprintf("%04d", n), Time: day.Add(8*time.Hour + time.Duration(random.IntN(600))*time.Minute),
				Level: 1, Impact: ticket.Grade(1 + random.IntN(3)), Agent: fmt.Sprintf("agent %d", 1+random.IntN(6)),
			}
			add := func(state string, after time.Duration) {
				r.Time = r.Time.Add(after)
				if r.State, r.Team = state, teams[r.Level]; r.Time.Before(end) {
					rows = append(rows, r)
				}
			}
			if random.IntN(6) == 0 {
				add("Completed/In Call", 0)
				continue
			}
			add("Queued/Awaiting Assignment", 0)
			add("Accepted/In Progress", wait(2*time.Hour))
			for random.IntN(3) == 0 {
				r.Level = min(3, max(1, r.Level+1-2*random.IntN(2)))
				add("Queued/Awaiting Assignment", wait(3*time.Hour))
				add("Accepted/In Progress", wait(9*time.Hour))
			}
			for random.IntN(2) == 0 {
				add([]string{"Accepted/Wait - User", "Accepted/Wait - Vendor"}[random.IntN(2)], wait(4*time.Hour))
				add("Accepted/In Progress", wait(40*time.Hour))
			}
			if random.IntN(12) == 0 {
				continue // stays open
			}
			add("Completed/Resolved", wait(20*time.Hour))
			if random.IntN(10) == 0 {
				add("Accepted/In Progress", wait(50*time.Hour))
				add("Completed/Resolved", wait(10*time.Hour))
			}
			add("Completed/Closed", 7*24*time.Hour)
		}
	}
	slices.SortStableFunc(rows, func(a, b incidents.Row) int { return a.Time.Compare(b.Time) })
	return rows
}
