package ticket_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

func TestEqualComparesInstants(t *testing.T) {
	k := newKit(t)
	a := k.get(k.open(lin, ticket.Draft{Requester: ada.Person, Fields: ticket.Fields{"t": tickettest.Start}}))
	b := a.Clone()
	zone := time.FixedZone("here", 3600)
	b.Created, b.Touched, b.Fields["t"] = b.Created.In(zone), b.Touched.In(zone), tickettest.Start.In(zone)
	b.Links, b.Followers = []ticket.Link{}, []ticket.Person{}
	require.True(t, a.Equal(b))
	b.Created = b.Created.Add(time.Microsecond)
	require.False(t, a.Equal(b))
}
