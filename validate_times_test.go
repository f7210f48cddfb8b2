package ticket_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

var absurdTimes = []time.Time{
	time.Time{}.Add(-1), time.Time{}.Add(1), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(292_278, 1, 1, 0, 0, 0, 0, time.UTC), time.UnixMicro(math.MinInt64), time.UnixMicro(math.MaxInt64),
	time.Unix(math.MinInt64/2, 0), time.Unix(math.MaxInt64/2, 0),
}

func TestTimesOutsideTheYears1To9999AreRefused(t *testing.T) {
	for _, at := range absurdTimes {
		for _, q := range []ticket.Query{{CreatedFrom: at}, {CreatedBefore: at}, {TouchedFrom: at}, {TouchedBefore: at}, {DueBefore: at}} {
			require.ErrorIs(t, q.Check(), ticket.ErrInvalid, "%v", q)
			require.ErrorIs(t, ticket.SearchQuery{Query: q, Text: "word"}.Check(), ticket.ErrInvalid)
		}
		for _, q := range []ticket.DeliveryQuery{{SettledFrom: at}, {SettledBefore: at}} {
			require.ErrorIs(t, q.Check(), ticket.ErrInvalid, "%v", q)
		}
		for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderMostRecent} {
			p := ticket.Place{Order: order, Time: at}
			if at.Year() == 1 {
				continue // a cursor has microseconds only
			}
			_, _, err := ticket.Query{Order: order, After: p.Cursor()}.Place()
			if err == nil { // the microseconds overflow into a valid time
				continue
			}
			require.ErrorIs(t, err, ticket.ErrInvalid)
		}
	}
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	require.NoError(t, ticket.Query{CreatedFrom: time.Time{}.Add(time.Microsecond), CreatedBefore: last}.Check())
	require.ErrorIs(t, ticket.ClaimRequest{Now: last, Lease: time.Second, Limit: 1}.Check(), ticket.ErrInvalid)
}
