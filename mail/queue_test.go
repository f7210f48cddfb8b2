package mail_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

func (s *server) receivers() (list []string) {
	for _, l := range s.got() {
		list = append(list, l.to)
	}
	return list
}

func queued(seq int) ticket.Notification {
	n := notice(ticket.KindQueued, seq)
	n.To = ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 2}
	return n
}

// A queue that several serve: each gets a letter, however the addresses are given.
func TestAQueueOfSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		given string
		want  []string
		err   string
	}{
		"one":                   {"ann@staff.example", []string{"ann@staff.example"}, ""},
		"two":                   {"ann@staff.example, bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"without blanks":        {"ann@staff.example,bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"one twice":             {"ann@staff.example, Ann@STAFF.example., bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"malformed":             {"ann@", nil, `mail: what was given for the queue "hardware" at level 2 is "ann@", which is not an address such as ada@example.org`},
		"one is malformed":      {"ann@staff.example, bob", nil, `mail: what was given for the queue "hardware" at level 2 has in its list "bob", which is not an address such as ada@example.org`},
		"an empty one":          {"ann@staff.example, ", nil, `mail: what was given for the queue "hardware" at level 2 has in its list "", which is empty`},
		"another separator":     {"ann@staff.example; bob@staff.example", nil, `mail: what was given for the queue "hardware" at level 2 is "ann@staff.example; bob@staff.example", which is not an address such as ada@example.org`},
		"more than a queue has": {many(), nil, `mail: what was given for the queue "hardware" at level 2 are 101 addresses, at most 100 are taken`},
	} {
		for _, by := range []string{"Config.Address", "Config.Profile"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				s := start(t, nil)
				n := queued(1)
				m := s.notifier(func(cfg *mail.Config) {
					if by == "Config.Address" {
						cfg.Address = func(ticket.Recipient) string { return c.given }
					} else {
						n.To.Person.Email = c.given
					}
				})
				err := m.Notify(t.Context(), n)
				require.Equal(t, c.want, s.receivers())
				if c.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, c.err)
				require.Equal(t, "temporary", mark(err), "the host can mend it")
				require.True(t, ticket.DeliveryFaultOf(err).SenderFault, "and has to be told")
			})
		}
	}
	t.Run("a person has one address", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(func(cfg *mail.Config) {
			cfg.Address = func(ticket.Recipient) string { return "ann@staff.example, bob@staff.example" }
		})
		n := notice(ticket.KindAssigned, 1)
		n.To = ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: "ann"}}
		require.EqualError(t, m.Notify(t.Context(), n), "mail: the address that Config.Address returned is not an address such as ada@example.org")
	})
}

// many are more addresses than a queue may have.
func many() string {
	list := make([]string, 101)
	for i := range list {
		list[i] = fmt.Sprintf("a%d@staff.example", i)
	}
	return strings.Join(list, ",")
}

// What becomes of the others when one of several cannot be sent to.
func TestOneOfAQueueThatTakesNothing(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) {
		cfg.Address = func(ticket.Recipient) string { return "ann@staff.example, bob@staff.example, eve@staff.example" }
	})
	refuse := func(code int, enhanced smtp.EnhancedCode) func(step, what string) error {
		return func(step, what string) error {
			if step == "rcpt" && what == "bob@staff.example" {
				return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: "no"}
			}
			return nil
		}
	}
	// For now: the next attempt is for him alone.
	s.refuseWith(refuse(450, smtp.EnhancedCode{4, 2, 0}))
	err := m.Notify(t.Context(), queued(1))
	require.ErrorContains(t, err, "2 of 3 have got it: to bob@staff.example: ")
	require.Equal(t, "temporary", mark(err))
	var e *mail.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 450, e.Code)
	s.refuseWith(nil)
	require.NoError(t, m.Notify(t.Context(), queued(1)))
	require.Equal(t, []string{"ann@staff.example", "eve@staff.example", "bob@staff.example"}, s.receivers())
	// Who has got all of it gets it again only where the desk says so.
	require.NoError(t, m.Notify(t.Context(), queued(1)))
	require.Len(t, s.receivers(), 6)
	// For ever: the others have got it, and the delivery says who has not.
	s.refuseWith(refuse(550, smtp.EnhancedCode{5, 1, 1}))
	err = m.Notify(t.Context(), queued(2))
	require.ErrorContains(t, err, "2 of 3 have got it: to bob@staff.example: ")
	require.Equal(t, "permanent", mark(err))
	require.Len(t, s.receivers(), 8)
}
