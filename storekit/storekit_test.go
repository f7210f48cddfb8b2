package storekit_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/storekit"
)

// The variable some has texts of which different pairs are equal when concatenated.
var some = []string{"", "a", "b", "a:b", ":", "a\x00", "a\x00b", "\x00", "\x00\xff", "\x00\x01", "\x01", "\xff", "a\x01", "aa", "日本"}

func TestTextsNeverRunTogether(t *testing.T) {
	made := map[string]string{}
	for _, a := range some {
		for _, b := range some {
			for _, texts := range [][]string{{a}, {a, b}, {a, b, a}} {
				key, says := string(storekit.Join(texts...)), fmt.Sprintf("%q", texts)
				if other, taken := made[key]; taken {
					require.Equal(t, other, says, "the same key")
				}
				made[key] = says
			}
		}
	}
}

func TestTextsSortAndAreFoundByTheirBeginning(t *testing.T) {
	for _, a := range some {
		for _, b := range some {
			require.Equal(t, strings.Compare(a, b), bytes.Compare(storekit.Join(a, "x"), storekit.Join(b, "x")), "%q and %q", a, b)
			require.Equal(t, a == b, bytes.HasPrefix(storekit.Join(a, "x"), storekit.Join(b)), "%q and %q", a, b)
		}
	}
}

func times() []time.Time {
	return []time.Time{
		{}, time.Time{}.Add(time.Microsecond), time.Date(1905, 1, 2, 3, 4, 5, 6000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.UnixMicro(0).UTC(), time.Date(2001, 9, 9, 1, 46, 39, 0, time.UTC), time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC),
		time.Date(2300, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(2300, 1, 1, 0, 0, 0, 2000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
}

func TestTimesSortAndComeBack(t *testing.T) {
	for i, a := range times() {
		key := storekit.AppendTime(nil, a.In(time.FixedZone("here", 3600)))
		require.Len(t, key, storekit.TimeSize)
		require.Equal(t, a, storekit.Time(key))
		require.Equal(t, a, storekit.MicroTime(storekit.Micros(a)))
		for j, b := range times() {
			require.Equal(t, cmp.Compare(i, j), bytes.Compare(key, storekit.AppendTime(nil, b)), "%v and %v", a, b)
			require.Equal(t, cmp.Compare(i, j), cmp.Compare(storekit.Micros(a), storekit.Micros(b)))
		}
		for _, before := range []time.Time{time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1<<62, 0)} {
			require.Negative(t, bytes.Compare(storekit.AppendTime(nil, before), key))
		}
		for _, behind := range []time.Time{time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<62, 0)} {
			require.Positive(t, bytes.Compare(storekit.AppendTime(nil, behind), key))
		}
	}
}

func TestPlacesSortAsTheyCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderNewestFirst, ticket.OrderLeastRecent, ticket.OrderMostRecent, ticket.OrderMostUrgent, ticket.OrderSoonestDue} {
		q := ticket.Query{Order: order}
		var list []ticket.Ticket
		for range 60 {
			at := times()[1+r.IntN(9)]
			list = append(list, ticket.Ticket{ID: ticket.ID{byte(r.IntN(3)), 15: byte(r.IntN(256))}, Created: at, Touched: at, Clocks: []ticket.Clock{{Metric: "update", State: "running", Due: at}}, Priority: ticket.Grade(r.IntN(5))})
		}
		for i := range list {
			a := q.PlaceOf(&list[i])
			key := storekit.AppendPlace([]byte("prefix"), a)
			require.Equal(t, a.ID, storekit.PlaceID(order, key))
			for j := range list {
				b := q.PlaceOf(&list[j])
				require.Equal(t, a.Compare(b), bytes.Compare(key, storekit.AppendPlace([]byte("prefix"), b)), "%+v and %+v", a, b)
			}
		}
	}
}

func TestLinesSortAsTheyStand(t *testing.T) {
	var list []ticket.Delivery
	for _, person := range []ticket.Person{{Email: "Ada@example.org"}, {Email: "ada@example.org"}, {ID: "x:i:y"}, {ID: "y"}} {
		for _, via := range []string{"", "mail", "mail:i:x"} {
			for _, seq := range []int64{0, 1, 2, 9, 10, 100} {
				for id := range 2 {
					list = append(list, ticket.Delivery{ID: ticket.ID{byte(id)}, Ticket: ticket.ID{1}, Seq: seq, Notifier: via, To: ticket.Recipient{Person: person}})
				}
			}
		}
	}
	for i := range list {
		for j := range list {
			a, b := &list[i], &list[j]
			same := a.Before(b) || b.Before(a) || a.Notifier == b.Notifier && a.To.Key() == b.To.Key() && a.Seq == b.Seq && a.ID == b.ID
			require.Equal(t, same, slices.Equal(storekit.AppendLine(nil, a), storekit.AppendLine(nil, b)), "%v and %v", a, b)
			require.True(t, bytes.HasPrefix(storekit.AppendInLine(nil, a), storekit.AppendLine(nil, a)))
			if same {
				require.Equal(t, a.Before(b), bytes.Compare(storekit.AppendInLine(nil, a), storekit.AppendInLine(nil, b)) < 0)
			}
		}
	}
}

func ExampleJoin() {
	// The keys of receipts of two tenants always differ.
	fmt.Println(bytes.Equal(storekit.Join("a:b", "c"), storekit.Join("a", "b:c")))
	// Output: false
}

// The keys of an index sort as the list does, and show where to continue.
func ExampleAppendPlace() {
	q := ticket.Query{Tenant: "acme", Order: ticket.OrderNewestFirst}
	key := func(t *ticket.Ticket) []byte {
		return storekit.AppendPlace(storekit.Join(t.Tenant), q.PlaceOf(t))
	}
	old := ticket.Ticket{ID: ticket.ID{1}, Tenant: "acme", Created: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	recent := ticket.Ticket{ID: ticket.ID{2}, Tenant: "acme", Created: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}
	fmt.Println("the newest comes first:", bytes.Compare(key(&recent), key(&old)) < 0)

	after := q.PlaceOf(&recent) // or Query.Place of a cursor
	from := append(storekit.AppendPlace(storekit.Join("acme"), after), 0)
	fmt.Println("and the other one after it:", bytes.Compare(key(&old), from) >= 0)
	// Output:
	// the newest comes first: true
	// and the other one after it: true
}
