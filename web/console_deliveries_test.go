package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// lettersDesk has tickets of two queues. Letters to addresses with "bad" are given up.
func lettersDesk(t *testing.T) (*ticket.Desk, map[string]ticket.Ticket) {
	t.Helper()
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Now: newClock(noon).now, Logger: slog.New(slog.DiscardHandler),
		Notifiers: map[string]ticket.Notifier{"mail": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if strings.Contains(n.To.Person.Email, "bad") {
				return &ticket.DeliveryFault{Err: errors.New("552 <b>too large</b>"), Permanent: true}
			}
			return nil
		})},
	})
	require.NoError(t, err)
	tickets := map[string]ticket.Ticket{}
	for name, queue := range map[string]string{"bad": "hardware", "good": "hardware", "bad2": "billing"} {
		tickets[name], err = desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: name, Name: "Ms " + name, Email: name + "@example.com"}), ticket.Draft{Subject: "about " + name, Message: "m", Queue: queue})
		require.NoError(t, err)
	}
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	return desk, tickets
}

func TestDeliveriesAreFiltered(t *testing.T) {
	desk, tickets := lettersDesk(t)
	c := newConsole(t, desk, nil)
	for query, want := range map[string][]string{
		"":                       {"Ms bad", "Ms bad2"},
		"?tab=sent":              {"Ms good", "queue hardware", "queue billing"},
		"?tab=waiting":           nil,
		"?tab=all&kind=received": {"Ms bad", "Ms bad2", "Ms good"},
		"?tab=all&state=sent":    {"Ms good", "queue hardware", "queue billing"},
		"?state=sent":            {"Ms bad", "Ms bad2"}, // the tab has no such state
		"?kind=nonsense":         {"Ms bad", "Ms bad2"},
		"?tab=nonsense":          {"Ms bad", "Ms bad2"},
		"?after=nonsense":        {"Ms bad", "Ms bad2"},
		"?ticket=" + string(tickets["bad"].Number): {"Ms bad"},
		"?ticket=nonsense":                         nil,
		"?kind=queued":                             nil,
	} {
		w := get(c, "/deliveries"+query)
		require.Equal(t, http.StatusOK, w.Code, query)
		for _, name := range []string{"Ms bad", "Ms bad2", "Ms good", "queue hardware", "queue billing"} {
			require.Equal(t, slices.Contains(want, name), strings.Contains(w.Body.String(), "<b>"+name+"</b>"), "%s: %s", query, name)
		}
		if len(want) == 0 && !strings.Contains(query, "ticket=") {
			require.Contains(t, w.Body.String(), `class="empty"`, query)
		}
	}
	body := get(c, "/deliveries").Body.String()
	require.Contains(t, body, "given up")
	require.Contains(t, body, "552 &lt;b&gt;too large&lt;/b&gt;")
	require.Contains(t, body, "bad@example.com")
	require.Contains(t, body, "1 attempt")
	require.Contains(t, get(c, "/deliveries?ticket=nonsense").Body.String(), "no such ticket")
}

// An agent sees and redrives the letters of tickets that they may see.
func TestDeliveriesOfOthersAreNotThere(t *testing.T) {
	desk, tickets := lettersDesk(t)
	some := ticket.Agent("max", 1)
	some.Queues = []string{"billing"}
	c := newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Actor = as(some) })
	body := get(c, "/deliveries").Body.String()
	require.Contains(t, body, "Ms bad2")
	require.NotContains(t, body, "Ms bad<")
	require.NotContains(t, body, string(tickets["bad"].Number))
	w := get(c, "/deliveries?ticket="+string(tickets["bad"].Number))
	require.Equal(t, get(c, "/deliveries?ticket=0000-0000-0").Code, w.Code)
	require.Contains(t, w.Body.String(), "no such ticket")

	page, err := desk.Deliveries(t.Context(), ticket.Agent("lin", 1), ticket.DeliveryQuery{Ticket: tickets["bad"].ID, State: []ticket.DeliveryState{ticket.DeliveryDead}})
	require.NoError(t, err)
	id := page.Deliveries[0].ID.String()
	w = post(c, "/deliveries", flat, strings.NewReader(url.Values{"here": {""}, "id": {id}}.Encode()))
	require.Equal(t, "deliveries?redriven=0&tab=failed", w.Header().Get("Location"))
	require.Equal(t, http.StatusNotFound, post(c, "/deliveries/"+id, flat, strings.NewReader("here=&other=1")).Code)

	other := ticket.Agent("eve", 1)
	other.Tenant = "other"
	c = newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Actor = as(other) })
	require.NotContains(t, get(c, "/deliveries?tab=all").Body.String(), "Ms ")
}

func TestRedrive(t *testing.T) {
	desk, tickets := lettersDesk(t)
	c := newConsole(t, desk, nil)
	id := between(get(c, "/deliveries?ticket="+string(tickets["bad"].Number)).Body.String(), `name="id" value="`, `"`)
	waiting := func() int {
		page, err := desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending}})
		require.NoError(t, err)
		return len(page.Deliveries)
	}
	send := func(v url.Values) string {
		w := post(c, "/deliveries", flat, strings.NewReader(v.Encode()))
		require.Equal(t, http.StatusSeeOther, w.Code)
		return w.Header().Get("Location")
	}
	back := send(url.Values{"here": {"tab=failed&kind=received&evil=1"}, "id": {id}})
	require.Equal(t, "deliveries?kind=received&redriven=1&tab=failed", back)
	require.Equal(t, 1, waiting())
	require.Contains(t, get(c, "/"+back).Body.String(), "1 letter is on its way again.")

	require.Equal(t, "deliveries?redriven=1&tab=failed&ticket=nonsense", strings.Replace(send(url.Values{"here": {"ticket=" + string(tickets["bad2"].Number)}, "all": {"1"}}), url.QueryEscape(string(tickets["bad2"].Number)), "nonsense", 1))
	require.Equal(t, 2, waiting())
	require.Equal(t, "deliveries?redriven=0&tab=failed", send(url.Values{"here": {""}, "all": {"1"}}), "nothing is left")
	_, err := desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, "deliveries?redriven=2&tab=failed", send(url.Values{"here": {""}, "all": {"1"}}))

	for _, v := range []url.Values{{}, {"id": {"nonsense"}}, {"here": {"%"}, "all": {"1"}}, {"here": {"a", "b"}, "all": {"1"}}} {
		require.Equal(t, http.StatusBadRequest, post(c, "/deliveries", flat, strings.NewReader(v.Encode())).Code, v)
	}
	require.Equal(t, http.StatusNotFound, post(c, "/deliveries", flat, strings.NewReader("here=ticket%3Dnonsense&all=1")).Code)
	require.Equal(t, http.StatusForbidden, post(c, "/deliveries", flat, strings.NewReader("all=1"), header("Sec-Fetch-Site", "cross-site")).Code)
}

// A policy that forbids to redrive is told, and the others are redriven.
func TestRedriveThatIsRefused(t *testing.T) {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Now: newClock(noon).now, Logger: slog.New(slog.DiscardHandler), Policy: noRedrive{},
		Notifiers: map[string]ticket.Notifier{"mail": ticket.NotifierFunc(func(context.Context, ticket.Notification) error {
			return &ticket.DeliveryFault{Err: errors.New("no"), Permanent: true}
		})},
	})
	require.NoError(t, err)
	_, err = desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: "ada", Email: "ada@example.com"}), ticket.Draft{Subject: "a", Message: "m"})
	require.NoError(t, err)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	c := newConsole(t, desk, nil)
	w := post(c, "/deliveries", flat, strings.NewReader("here=&all=1"))
	require.Equal(t, "deliveries?left=refused&redriven=0&tab=failed", w.Header().Get("Location"))
	require.Contains(t, get(c, "/"+w.Header().Get("Location")).Body.String(), "Some were refused")
}

type noRedrive struct{ ticket.DefaultPolicy }

func (noRedrive) MayDo(_ ticket.Actor, _ ticket.Ticket, action ticket.ActionName) error {
	if action == ticket.ActionRedrive {
		return errors.New("not you")
	}
	return nil
}

func TestALetterThatCameBack(t *testing.T) {
	desk, tickets := lettersDesk(t)
	c := newConsole(t, desk, nil)
	page, err := desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{Ticket: tickets["good"].ID, State: []ticket.DeliveryState{ticket.DeliverySent}, Kind: []ticket.Kind{ticket.KindReceived}})
	require.NoError(t, err)
	id := page.Deliveries[0].ID
	state := func() ticket.Delivery {
		page, err := desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{IDs: []ticket.ID{id}})
		require.NoError(t, err)
		return page.Deliveries[0]
	}
	w := post(c, "/deliveries/"+id.String(), flat, strings.NewReader("here=tab%3Dsent&reason=mailbox+full&other=1"))
	require.Equal(t, "../deliveries?marked=1&tab=sent", w.Header().Get("Location"))
	require.Equal(t, ticket.DeliveryUndelivered, state().State)
	require.Equal(t, "mailbox full", state().LastError)
	w = post(c, "/deliveries/"+id.String(), flat, strings.NewReader("here=tab%3Dsent&reason=&address=1"))
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, ticket.DeliveryBounced, state().State)
	require.Equal(t, "recorded by lin", state().LastError)
	require.Contains(t, get(c, "/deliveries?tab=sent&marked=1").Body.String(), "It is recorded")
	require.Equal(t, http.StatusNotFound, post(c, "/deliveries/nonsense", flat, strings.NewReader("here=&other=1")).Code)
}

// What an address that bounced did not get stands in one card, which leads to the letter that came back.
func TestLettersToAnAddressThatBouncedStandTogether(t *testing.T) {
	desk, tickets := lettersDesk(t)
	c := newConsole(t, desk, nil)
	lin, good := ticket.Agent("lin", 1), tickets["good"].ID
	page, err := desk.Deliveries(t.Context(), lin, ticket.DeliveryQuery{Ticket: good, Kind: []ticket.Kind{ticket.KindReceived}})
	require.NoError(t, err)
	came := page.Deliveries[0].ID
	require.NoError(t, desk.Bounced(t.Context(), lin, came, "550 no such mailbox"))
	for range 2 {
		_, err = desk.Do(t.Context(), lin, good, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		require.NoError(t, err)
		_, err = desk.Deliver(t.Context())
		require.NoError(t, err)
	}
	address := "/deliveries?ticket=" + string(tickets["good"].Number)
	body := get(c, address).Body.String()
	require.Equal(t, 2, strings.Count(body, `class="card letter"`), "the letter that came back, and the two after it")
	require.Contains(t, body, `<a href="#d-`+came.String()+`">This address bounced before.</a>`)
	require.NotContains(t, body, "see delivery")
	require.NotContains(t, get(c, address+"&state=suppressed").Body.String(), "<a href=\"#d-", "it is not on the page")
	require.Contains(t, body, ">Send 2 again</button>")
	ids := between(body, `name="id" value="`, `"`)
	require.Len(t, strings.Fields(ids), 2)
	w := post(c, "/deliveries", flat, strings.NewReader(url.Values{"here": {""}, "id": {ids}}.Encode()))
	require.Equal(t, "deliveries?redriven=2&tab=failed", w.Header().Get("Location"))
}
