package letter

import (
	"time"

	"github.com/ticketkit/ticket"
)

// samples returns notifications of a kind to every possible recipient, with all data and
// with only the required data.
func samples(k ticket.Kind) []ticket.Notification {
	id := ticket.ID{6: 1}
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	full := ticket.Notification{
		ID: id, Previous: id, Kind: k, Attempt: 1, Tenant: "example", Ticket: id, Number: "7Q4K-92MX-F", Seq: 2, At: at,
		Subject: "Printer prints blank pages", Phase: ticket.PhaseInProgress, With: "with the specialists", Writer: "Ada Byron",
		Expected: at.Add(time.Hour), ReopenUntil: at.Add(24 * time.Hour),
		Message: "Since this morning, every second page.\n\nWhat can I do?",
		Attachments: []ticket.Attachment{
			{Name: "page 1.png", MediaType: "image/png", Size: 1_234_567, SHA256: ticket.Digest{1}},
			{Name: "page 2.png"},
		},
		Zone: time.UTC, StatusLink: "https://help.example.org/t/abc",
	}
	metrics := []string{""}
	switch k {
	case ticket.KindMerged:
		full.Into = "9NC5-QBN3-1"
	case ticket.KindRated:
		full.Score = 1
	case ticket.KindDueSoon, ticket.KindOverdue:
		full.Due = at.Add(2 * time.Hour)
		metrics = append(metrics, "first answer", "next answer", "update", "solution", metricLevel)
	default:
	}
	person := ticket.Person{ID: "ada", Name: "Ada Byron", Email: "ada@example.org"}
	var list []ticket.Notification
	for i, to := range []ticket.Recipient{
		{Role: ticket.RoleRequester, Person: person}, {Role: ticket.RoleRequester},
		{Role: ticket.RoleFollower, Person: person},
		{Role: ticket.RoleAgent, Person: person}, {Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin"}},
		{Role: ticket.RoleAgent, Queue: "hardware", Level: 2}, {Role: ticket.RoleAgent, Level: 1},
	} {
		full.To = to
		for _, metric := range metrics {
			full.Metric = metric
			list = append(list, full)
			if metric != "" {
				list = append(list, ticket.Notification{ID: id, Kind: k, To: to, Number: full.Number, Ticket: id, Metric: metric})
			}
		}
		phases := []ticket.Phase{""}
		if i == 0 {
			phases = append(phases, append(ticket.OpenPhases(), ticket.PhaseSolved, ticket.PhaseClosed)...)
		}
		for _, phase := range phases {
			list = append(list, ticket.Notification{ID: id, Kind: k, To: to, Number: full.Number, Ticket: id, Phase: phase})
		}
	}
	return list
}
