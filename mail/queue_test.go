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
	n := notification(ticket.KindQueued, seq)
	n.To = ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 2}
	return n
}

// Every address of a queue gets a letter, whether Address or a profile names it.
func TestEveryAddressOfAQueueGetsALetter(t *testing.T) {
	for name, c := range map[string]struct {
		given string
		want  []string
		err   string
	}{
		"one":                   {"ann@staff.example", []string{"ann@staff.example"}, ""},
		"two":                   {"ann@staff.example, bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"without blanks":        {"ann@staff.example,bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"one twice":             {"ann@staff.example, Ann@STAFF.example., bob@staff.example", []string{"ann@staff.example", "bob@staff.example"}, ""},
		"malformed":             {"ann@", nil, `mail: the address of the queue "hardware" at level 2 is "ann@", which is not an address such as ada@example.org`},
		"one is malformed":      {"ann@staff.example, bob", nil, `mail: the address of the queue "hardware" at level 2 contains "bob", which is not an address such as ada@example.org`},
		"an empty one":          {"ann@staff.example, ", nil, `mail: the address of the queue "hardware" at level 2 contains "", which is empty`},
		"another separator":     {"ann@staff.example; bob@staff.example", nil, `mail: the address of the queue "hardware" at level 2 is "ann@staff.example; bob@staff.example", which is not an address such as ada@example.org`},
		"more than a queue has": {many(), nil, `mail: the address of the queue "hardware" at level 2 has 101 addresses; the maximum is 100`},
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
				require.Equal(t, "temporary", mark(err), "the application can fix it")
				require.True(t, ticket.DeliveryFaultOf(err).SenderFault, "and is logged as an error")
			})
		}
	}
	t.Run("a person has one address", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(func(cfg *mail.Config) {
			cfg.Address = func(ticket.Recipient) string { return "ann@staff.example, bob@staff.example" }
		})
		n := notification(ticket.KindAssigned, 1)
		n.To = ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: "ann"}}
		require.EqualError(t, m.Notify(t.Context(), n), "mail: the address that Config.Address returned is not an address such as ada@example.org")
	})
}

// many returns more addresses than a queue may have.
func many() string {
	list := make([]string, 101)
	for i := range list {
		list[i] = fmt.Sprintf("a%d@staff.example", i)
	}
	return strings.Join(list, ",")
}

// A queue address that fails does not stop the others.
func TestAFailingQueueAddressDoesNotStopTheOthers(t *testing.T) {
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
	// A temporary failure: the next attempt is for that address only.
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
	// A delivered notification is sent again only if the desk repeats it.
	require.NoError(t, m.Notify(t.Context(), queued(1)))
	require.Len(t, s.receivers(), 6)
	// A permanent failure: the others got the letter, and the error names the address.
	s.refuseWith(refuse(550, smtp.EnhancedCode{5, 1, 1}))
	err = m.Notify(t.Context(), queued(2))
	require.ErrorContains(t, err, "2 of 3 have got it: to bob@staff.example: ")
	require.Equal(t, "permanent", mark(err))
	require.Len(t, s.receivers(), 8)
}
