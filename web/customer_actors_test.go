package web

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Whoever asks for whatever never sees a note, a ticket of another tenant, or words that the
// desk does not show to that actor.
func TestNobodySeesMoreThanTheDeskShows(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, c *CustomerConfig) { cfg.Policy, c.Organisation = colleagues{}, true })
	random := rand.New(rand.NewPCG(1, 2))
	people := []ticket.Actor{ada, grace, eve, ada.InTenant("b"), eve.InTenant("b"), {}, ticket.Actor{}.InTenant("b"), lin, ticket.System("s")}
	type secret struct {
		t     ticket.Ticket
		words string
		link  string
		file  string
	}
	var all []secret
	for i := range 24 {
		by := people[random.IntN(5)]
		s := secret{words: fmt.Sprintf("WORDS-%02d-", i)}
		file, err := w.desk.Attach(t.Context(), by, "f.txt", "text/plain", strings.NewReader("FILE-"+s.words))
		require.NoError(t, err)
		d := ticket.Draft{Subject: s.words + "subject", Message: ticket.Message(s.words), Attachments: []ticket.Attachment{file}}
		if random.IntN(3) == 0 {
			d.Followers = []ticket.Person{eve.Person}
		}
		s.t, err = w.desk.Open(t.Context(), by, d)
		require.NoError(t, err)
		s.file = file.SHA256.String()
		agent := lin.InTenant(by.Tenant)
		note, err := w.desk.Attach(t.Context(), agent, "NOTE.txt", "text/plain", strings.NewReader("NOTE-FILE"))
		require.NoError(t, err)
		w.do(agent, s.t, ticket.Action{Name: ticket.ActionNote, Note: "NOTE-TEXT", NoteAttachments: []ticket.Attachment{note}})
		w.do(agent, s.t, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(s.words + "answer")})
		token, err := w.desk.StatusLink(t.Context(), ticket.System("s").InTenant(by.Tenant), s.t.ID, everyScope)
		require.NoError(t, err)
		s.link = "/t/" + token
		all = append(all, s)
	}
	may := func(a ticket.Actor, s *secret) bool {
		if a.Role != ticket.RoleRequester {
			return false // the pages are for customers
		}
		v, err := w.desk.Track(t.Context(), a, s.t.ID.String())
		return err == nil && v.ID == s.t.ID
	}
	seen := 0
	for range 600 {
		w.actor = people[random.IntN(len(people))]
		s, byLink := &all[random.IntN(len(all))], false
		at := "/tickets/" + []string{string(s.t.Number), s.t.ID.String()}[random.IntN(2)]
		if random.IntN(3) == 0 {
			at, byLink = s.link, true
		}
		address := []string{at, at, at + "/files/" + s.file, "/tickets", "/tickets?of=organisation", "/", "/find"}[random.IntN(7)]
		r := w.get(address)
		if random.IntN(4) == 0 && strings.HasPrefix(address, at) {
			r = w.send(at, url.Values{"action": {"rate"}, "score": {"9"}}) // an error page with the ticket
		}
		body := r.Body.String()
		assert.NotContains(t, body, "NOTE", "%s %s", w.actor, address)
		for i := range all {
			if !strings.Contains(body, all[i].words) {
				continue
			}
			seen++
			linked := byLink && &all[i] == s && w.actor.Tenant == s.t.Tenant && w.actor.Role&(ticket.RoleAgent|ticket.RoleSystem) == 0
			assert.True(t, linked || may(w.actor, &all[i]), "%s (tenant %q) sees %s at %s", w.actor, w.actor.Tenant, all[i].words, address)
		}
		if !byLink && w.actor.Role == 0 && strings.HasPrefix(address, "/tickets") {
			assert.Equal(t, http.StatusForbidden, r.Code)
		}
	}
	assert.Greater(t, seen, 100)
}
