package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestFindAndSearchAcceptANumberAsPeopleCopyIt(t *testing.T) {
	k := newKit(t)
	tk, other := k.open(ada, ticket.Draft{Message: "paper"}), k.open(bob, ticket.Draft{Message: "paper"})
	n := string(tk.Number)
	id := tk.ID.String()
	for _, ref := range []string{n, "\u200e" + n, strings.ToLower(n), "[" + n + "]", "Ticket#" + n + ",", strings.ReplaceAll(n, "-", " "), id, "\ufeff" + strings.ToLower(id) + "\n", "(" + id + ")"} {
		for _, a := range []ticket.Actor{ada, lin} {
			got, err := k.desk.Find(t.Context(), a, ref)
			require.NoError(t, err, "%q", ref)
			require.Equal(t, tk.ID, got.ID)
			_, err = k.desk.Track(t.Context(), a, ref)
			require.NoError(t, err, "%q", ref)
			hits, err := k.desk.Search(t.Context(), a, ticket.SearchQuery{Text: ref})
			require.NoError(t, err, "%q", ref)
			require.Len(t, hits, 1, "%q", ref)
			require.Equal(t, tk.ID, hits[0].Ticket.ID)
			require.Equal(t, "<mark>"+n+"</mark>", hits[0].Snippet.HTML())
		}
		hits, err := k.desk.Search(t.Context(), bob, ticket.SearchQuery{Text: ref})
		require.NoError(t, err)
		require.Empty(t, hits, "not another customer's ticket")
	}
	hits, err := k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: n, Query: ticket.Query{Queue: []string{"elsewhere"}}})
	require.NoError(t, err)
	require.Empty(t, hits, "the ticket is not in the queue of the query")

	// If a message contains the number as well, the ticket with the number comes first.
	k.do(lin, other, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message("see " + n + " about paper")})
	hits, err = k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: n})
	require.NoError(t, err)
	require.Len(t, hits, 2)
	require.Equal(t, tk.ID, hits[0].Ticket.ID)
	hits, err = k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: n, Query: ticket.Query{Limit: 1}})
	require.NoError(t, err)
	require.Len(t, hits, 1)
	hits, err = k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: "paper " + n})
	require.NoError(t, err)
	require.Len(t, hits, 1, "a search for words and a number matches all of them")
	require.Equal(t, other.ID, hits[0].Ticket.ID)
}

// counter returns the numbers INC-000001, INC-000002 …
func counter() ticket.Numbers {
	var n atomic.Int64
	return numbersBy(func() ticket.Number { return ticket.Number(fmt.Sprintf("INC-%06d", n.Add(1))) })
}

// numbersBy returns Numbers with New and without Parse.
func numbersBy(draw func() ticket.Number) ticket.Numbers {
	return ticket.Numbers{New: func(context.Context, string) (ticket.Number, error) { return draw(), nil }}
}

func TestNumbersWithoutParseAreFoundInAnyCase(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Numbers = counter() })
	for i := range 100 { // some of these fit the desk's own form as well
		tk := k.open(ada, ticket.Draft{})
		require.EqualValues(t, fmt.Sprintf("INC-%06d", i+1), tk.Number)
		for _, ref := range []string{string(tk.Number), strings.ToLower(string(tk.Number)), "[Ticket#" + string(tk.Number) + "]", "%23" + string(tk.Number), "Ticket%20" + strings.Replace(string(tk.Number), "-", "%2D", 1), "&#35;" + string(tk.Number), "Номер: " + string(tk.Number), tk.ID.String(), "%23" + tk.ID.String()} {
			got, err := k.desk.Find(t.Context(), ada, ref)
			require.NoError(t, err, "%q", ref)
			require.Equal(t, tk.ID, got.ID)
		}
		require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
	}
	_, err := k.desk.Find(t.Context(), ada, "INC-999999")
	require.True(t, errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrMistyped))
	k.deliver()
	require.Equal(t, 200, len(k.sent.Sent()), "the customer and the queue") //nolint:testifylint // a list of 200 is too long to print
}

func TestInvalidNumbersAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	for _, bad := range []string{"", " INC-1", "INC-1 ", "INC\n1", "INC-\u200b1", "Nº1", "inc-000001", "#1", strings.Repeat("9", 33), "\x00", "\xff"} {
		k := newKit(t, func(c *ticket.Config) { c.Numbers = numbersBy(func() ticket.Number { return ticket.Number(bad) }) })
		_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.ErrorIs(t, err, ticket.ErrInvalid, "%q", bad)
		p, err := k.desk.List(t.Context(), cron, ticket.Query{})
		require.NoError(t, err)
		require.Empty(t, p.Tickets, "%q", bad)
	}
	// A number that Parse does not return unchanged is refused too.
	for bad, parse := range map[string]func(string) (ticket.Number, error){
		"":                      func(s string) (ticket.Number, error) { return ticket.Number(s), nil },
		"Nº1":                   func(s string) (ticket.Number, error) { return ticket.Number(s), nil },
		strings.Repeat("9", 33): func(s string) (ticket.Number, error) { return ticket.Number(s), nil },
		"inc-1":                 func(s string) (ticket.Number, error) { return ticket.Number(strings.ToUpper(s)), nil },
		"INC-1":                 func(string) (ticket.Number, error) { return "", errors.New("none") },
		"INC-2":                 func(string) (ticket.Number, error) { return "", nil },
		"INC-3":                 func(string) (ticket.Number, error) { panic("at once") },
	} {
		k := newKit(t, func(c *ticket.Config) {
			c.Numbers = ticket.Numbers{New: func(context.Context, string) (ticket.Number, error) { return ticket.Number(bad), nil }, Parse: parse}
		})
		_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.ErrorIs(t, err, ticket.ErrInvalid, "%q", bad)
		p, err := k.desk.List(t.Context(), cron, ticket.Query{})
		require.NoError(t, err)
		require.Empty(t, p.Tickets, "%q", bad)
	}
	_, err := ticket.NewDesk(newKit(t).store, ticket.Config{Numbers: ticket.Numbers{Parse: ticket.ParseNumber}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestNewAndParseDefineTheFormOfNumbers(t *testing.T) {
	var mu sync.Mutex
	last := map[string]int{}
	down := errors.New("the counter is down")
	k := newKit(t, func(c *ticket.Config) {
		c.Numbers = ticket.Numbers{
			New: func(_ context.Context, tenant string) (ticket.Number, error) {
				if tenant == "down" {
					return "", down
				}
				mu.Lock()
				defer mu.Unlock()
				last[tenant]++
				return ticket.Number(fmt.Sprintf("%s/%d", tenant, last[tenant])), nil
			},
			Parse: func(s string) (ticket.Number, error) {
				tenant, n, found := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "/")
				if !found {
					return "", errors.New("it looks like acme/12")
				}
				return ticket.Number(tenant + "/" + n), nil
			},
		}
	})
	for _, tenant := range []string{"acme", "mill"} {
		for i := range 3 {
			tk := k.open(ada.InTenant(tenant), ticket.Draft{})
			require.EqualValues(t, fmt.Sprintf("%s/%d", tenant, i+1), tk.Number)
			got, err := k.desk.Find(t.Context(), ada.InTenant(tenant), " "+strings.ToUpper(string(tk.Number)))
			require.NoError(t, err)
			require.Equal(t, tk.ID, got.ID)
		}
	}
	_, err := k.desk.Find(t.Context(), ada.InTenant("acme"), "7")
	require.ErrorIs(t, err, ticket.ErrMistyped)
	require.ErrorContains(t, err, "it looks like acme/12")
	require.NotContains(t, err.Error(), "7Q4K")
	_, err = k.desk.Open(t.Context(), ada.InTenant("down"), ticket.Draft{Subject: "s"})
	require.ErrorIs(t, err, down)

	// Explain uses no number.
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	require.NoError(t, k.desk.Explain(t.Context(), lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "part"}}))
	require.EqualValues(t, "acme/5", k.do(lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "part"}}).Number)
}

// One number in 30 has no digit.
func TestSearchFindsANumberOfLettersAlone(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Numbers = numbersBy(func() ticket.Number { return "NHBP-MABP-F" })
	})
	tk := k.open(ada, ticket.Draft{})
	for _, ref := range []string{"NHBP-MABP-F", "nhbp mabp f", "Ticket#NHBPMABPF"} {
		hits, err := k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: ref})
		require.NoError(t, err)
		require.Len(t, hits, 1, "%q", ref)
		require.Equal(t, tk.ID, hits[0].Ticket.ID)
	}
}

func TestNumbersThatLookLikeIDsAreFound(t *testing.T) {
	var n atomic.Int64
	k := newKit(t, func(c *ticket.Config) {
		c.Numbers = numbersBy(func() ticket.Number { return ticket.Number(fmt.Sprintf("2026-%022d", n.Add(1))) })
	})
	tk := k.open(ada, ticket.Draft{})
	for _, ref := range []string{string(tk.Number), "#" + string(tk.Number), tk.ID.String()} {
		got, err := k.desk.Find(t.Context(), ada, ref)
		require.NoError(t, err, "%q", ref)
		require.Equal(t, tk.ID, got.ID)
	}
	_, err := k.desk.Find(t.Context(), ada, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = newKit(t).desk.Find(t.Context(), ada, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	require.ErrorIs(t, err, ticket.ErrNotFound)
	require.NotErrorIs(t, err, ticket.ErrMistyped)
}
