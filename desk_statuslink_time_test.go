package ticket_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// A link is valid for as long as was asked, and hardly longer, whenever it is
// made.
func TestALinkIsGoodForAsLongAsWasAsked(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for _, made := range []time.Duration{0, time.Microsecond, 14 * time.Second, 45*time.Second + 500*time.Millisecond, 59*time.Second + 999999*time.Microsecond} {
		for _, c := range []struct{ ttl, more time.Duration }{
			{time.Microsecond, time.Second}, {time.Second, time.Second}, {14 * time.Second, time.Second}, {30 * time.Second, time.Second},
			{90 * time.Second, time.Second}, {time.Hour, time.Second}, {century, time.Minute}, {2 * century, time.Minute},
		} {
			k := newKit(t, withLinks(1))
			tk := k.open(ada, ticket.Draft{})
			k.clock.Advance(made)
			token := k.link(ada, tk, ticket.StatusLinkRequest{TTL: c.ttl})
			require.Len(t, token, 72)
			k.clock.Advance(c.ttl - time.Microsecond)
			_, err := k.track(ticket.StatusLinkHolder(token), "")
			require.NoError(t, err, "made %v after the minute for %v", made, c.ttl)
			k.clock.Advance(time.Microsecond + c.more)
			var le *ticket.StatusLinkError
			_, err = k.track(ticket.StatusLinkHolder(token), "")
			require.ErrorAs(t, err, &le, "made %v after the minute for %v", made, c.ttl)
			require.False(t, le.Expired.IsZero())
		}
	}
	k := newKit(t, withLinks(1))
	_, err := k.desk.StatusLink(t.Context(), ada, k.open(ada, ticket.Draft{}).ID, ticket.StatusLinkRequest{TTL: math.MaxInt64})
	require.NoError(t, err, "292 years")
}

// Letters that were sent contain links in an older form, which expire at the
// end of a minute.
func TestLinksOfTheFirstVersionAreGood(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	k.clock.Advance(45 * time.Second)
	zoes := k.open(ticket.Requester(ticket.Person{Email: "Zoe@Example.org"}), ticket.Draft{})
	const adas, zoe = "040g36wdc9x800000000000000002081r639g00076w65yyyr6vn4n5warjqb598e4q4njn7", "040g36wdccn4g0000000000000008001r639g0009fxrq9mchcpkkgp8am3se32a802dg1a1"
	v, err := k.track(ticket.StatusLinkHolder(zoe), "")
	require.NoError(t, err)
	require.Equal(t, zoes.ID, v.ID)
	_, err = k.desk.Do(t.Context(), ticket.StatusLinkHolder(adas), tk.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message("It quotes " + zoe)})
	require.NoError(t, err)
	k.clock.Advance(59 * time.Minute)
	_, err = k.track(ticket.StatusLinkHolder(adas), "")
	require.NoError(t, err)
	k.clock.Advance(15 * time.Second) // now the minute is over in which the link expires
	_, err = k.track(ticket.StatusLinkHolder(adas), "")
	require.ErrorIs(t, err, ticket.ErrStatusLink)
	e := k.events(ada, tk)
	require.Contains(t, e[len(e)-1].Message, zoe, "the holder's own words, to the person")
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}})
	e = k.events(bob, tk)
	require.Equal(t, ticket.Message("It quotes …"), e[len(e)-1].Message)
}

// The link in a notification is the same at every attempt.
func TestANotificationsLinkStays(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.StatusLinks.URL = func(_, token string) string { return token }
	})
	var links []string
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.Kind == ticket.KindReceived {
			links = append(links, n.StatusLink)
		}
		return context.DeadlineExceeded
	})
	k.open(ada, ticket.Draft{})
	for range 4 {
		k.deliver()
		k.clock.Advance(time.Minute + 700*time.Millisecond)
	}
	require.Len(t, links, 4)
	for _, l := range links {
		require.Equal(t, links[0], l)
	}
}

// If a link ends during its holder's call, for any reason, nothing is written, and
// the call shows only what was there while the link was valid.
func TestALinkThatEndsMeanwhileWritesNothing(t *testing.T) {
	edit := func(e ticket.Edits) func(k *kit, t ticket.Ticket) {
		return func(k *kit, t ticket.Ticket) { k.do(lin, t, ticket.Action{Name: ticket.ActionEdit, Edit: &e}) }
	}
	for name, end := range map[string]func(k *kit, t ticket.Ticket){
		"revoked": func(k *kit, t ticket.Ticket) {
			_, err := k.desk.RevokeStatusLinks(k.Context(), lin, t.ID)
			require.NoError(k, err)
		},
		"no follower any more": edit(ticket.Edits{Unfollow: []ticket.Person{bob.Person}}),
	} {
		for _, merged := range []bool{false, true} {
			for at := 1; ; at++ {
				s := &meanwhile{Store: memstore.New()}
				k := newKitOn(t, s, withLinks(1))
				tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
				token := k.link(bob, tk, ticket.StatusLinkRequest{Reply: true})
				last := tk
				if merged {
					last = k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
					k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: last.ID})
				}
				done := false
				s.at, s.do = at, func() { end(k, last); done = true }
				_, err := k.desk.Do(t.Context(), ticket.StatusLinkHolder(token), tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "mine"})
				if !done {
					require.NoError(t, err)
					require.Greater(t, at, 2)
					break
				}
				not := []ticket.Ticket{tk, last}
				if canStillWrite := merged && name == "no follower any more"; canStillWrite && err == nil {
					not = not[1:] // bob still follows the one that was merged, and may write there
				} else {
					require.Error(t, err, "%s before call %d, merged %v", name, at, merged)
					if !merged {
						require.ErrorIs(t, err, ticket.ErrStatusLink)
					}
				}
				for _, of := range not {
					for e, err := range k.desk.Events(t.Context(), cron, of.ID) {
						require.NoError(t, err)
						require.NotEqual(t, ticket.Message("mine"), e.Message, "%s before call %d, merged %v", name, at, merged)
					}
				}
			}
		}
	}
	// Reads: once the ticket is read for showing, it is too late to end the link.
	for at := 1; at <= 2; at++ {
		s := &meanwhile{Store: memstore.New()}
		k := newKitOn(t, s, withLinks(1))
		tk := k.open(ada, ticket.Draft{})
		token := k.link(ada, tk, ticket.StatusLinkRequest{})
		s.at, s.do = at, func() { _, _ = k.desk.RevokeStatusLinks(t.Context(), lin, tk.ID) }
		_, err := k.track(ticket.StatusLinkHolder(token), "")
		require.ErrorIs(t, err, ticket.ErrStatusLink, "revoked before read %d", at)
	}
}

// The last year is the last one for links, too.
func TestALinkEndsWithTheLastYear(t *testing.T) {
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.Now = func() time.Time { return time.Date(9800, 1, 1, 0, 0, 0, 0, time.UTC) }
		c.StatusLinks.TTL, c.StatusLinks.URL = 290*365*24*time.Hour, func(_, token string) string { return token }
	})
	tk := k.open(ada, ticket.Draft{})
	_, err := k.desk.StatusLink(t.Context(), ada, tk.ID, ticket.StatusLinkRequest{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	k.link(ada, tk, ticket.StatusLinkRequest{TTL: 199 * 365 * 24 * time.Hour})
	k.deliver()
	_, err = k.track(ticket.StatusLinkHolder(k.sent.RequireSent(t, ticket.KindReceived, ada.Person.Email).StatusLink), "")
	require.NoError(t, err)
}
