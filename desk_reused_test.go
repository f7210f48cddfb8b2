package ticket_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// Two requests with one key meet: whoever loses learns whether it was the same
// request, whatever it failed by, and in a transaction of the host's as well.
func TestAKeyThatOthersUseMeanwhile(t *testing.T) {
	reply := func(key string, words ticket.Message) ticket.Action {
		return ticket.Action{Name: ticket.ActionReply, Key: key, Message: words}
	}
	for name, c := range map[string]struct {
		theirs func(k *kit, t ticket.Ticket) error
		reused bool
	}{
		"the same request": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), ada, t.ID, reply("key", "mine"))
			return err
		}, false},
		"another on the same ticket": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), ada, t.ID, reply("key", "yours"))
			return err
		}, true},
		"another on another ticket": {func(k *kit, _ ticket.Ticket) error {
			_, err := k.desk.Open(k.Context(), bob, ticket.Draft{Subject: "s", Key: "key"})
			return err
		}, true},
		"another, by which mine is not possible any more": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), lin, t.ID, ticket.Action{Name: ticket.ActionCancel, Key: "key", Reason: "withdrawn", Message: "m"})
			return err
		}, true},
		"another, by which mine is late": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), lin, t.ID, ticket.Action{Name: ticket.ActionReply, Key: "key", Message: "m"})
			return err
		}, true},
	} {
		for _, bound := range []bool{false, true} {
			for _, pinned := range []bool{false, true} {
				for at := 1; ; at++ {
					s := &meanwhile{Store: memstore.New()}
					k := newKitOn(t, s)
					tk := k.open(ada, ticket.Draft{})
					tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
					desk := k.desk
					if bound {
						desk = desk.WithStore(s)
					}
					done := false
					s.at, s.do = at, func() {
						done = true
						require.NoError(t, c.theirs(k, tk), name)
					}
					mine := reply("key", "mine")
					if pinned {
						mine.Version = tk.Version
					}
					if pinned && name == "the same request" {
						break // it is another, without the pin
					}
					_, err := desk.Do(t.Context(), ada, tk.ID, mine)
					if !done {
						break
					}
					if !c.reused {
						require.NoError(t, err, "%s, bound %v, before call %d", name, bound, at)
						continue
					}
					dup, ok := errors.AsType[*ticket.DuplicateError](err)
					require.True(t, ok, "%s, bound %v, pinned %v, before call %d: %v", name, bound, pinned, at, err)
					require.True(t, dup.Reused, "%s, bound %v, pinned %v, before call %d: %v", name, bound, pinned, at, err)
				}
			}
		}
	}
}
