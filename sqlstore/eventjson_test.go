package sqlstore

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// The result must equal that of encoding/json for every value, and for every field
// that is added later.
func TestHandWrittenJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var e ticket.Event
		scatter(r, reflect.ValueOf(&e).Elem())
		want, err := json.Marshal(e)
		require.NoError(t, err)
		got, err := eventJSON(&e)
		require.NoError(t, err)
		require.Equal(t, string(want), got)

		var to ticket.Recipient
		scatter(r, reflect.ValueOf(&to).Elem())
		want, err = json.Marshal(to)
		require.NoError(t, err)
		got, err = recipientJSON(&to)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
	}
}

func TestHandWrittenJSONRefuses(t *testing.T) {
	e := ticket.Event{At: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}
	_, err := eventJSON(&e)
	require.Error(t, err, "JSON has no such year")
	_, err = eventJSON(&ticket.Event{Set: ticket.Patch{Priority: 99}})
	require.Error(t, err)
}

// scatter sets about half of the fields.
func scatter(r *rand.Rand, v reflect.Value) {
	texts := []string{"plain", "Straße", `"quoted" \ back`, "<b>&amp;", "line\nbreak\u2028", "\x01\x7f", "", "bad \xff UTF-8"}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.UnixMicro(r.Int64N(4e15)).UTC()
		return
	case *ticket.Grade:
		*p = ticket.Grade(r.IntN(5))
		return
	case *ticket.Role:
		*p = ticket.Role(r.IntN(16))
		return
	case *ticket.Fields:
		values := []any{texts[r.IntN(len(texts))], true, int64(-7), int64(12), false, 1.0, time.UnixMicro(5).UTC(), []string{"a", "b"}, nil}
		for range r.IntN(4) {
			if *p == nil {
				*p = ticket.Fields{}
			}
			(*p)[texts[r.IntN(len(texts))]] = values[r.IntN(len(values))]
		}
		return
	}
	if r.IntN(2) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1000))
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scatter(r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			scatter(r, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			scatter(r, v.Index(i))
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			scatter(r, field)
		}
	}
}

func BenchmarkEventJSON(b *testing.B) {
	e := ticket.Event{Ticket: ticket.ID{1}, Seq: 5, At: time.UnixMicro(1e15).UTC(), Action: ticket.ActionAsk, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"},
		From: ticket.State{Status: ticket.StatusOpen, Level: 1}, To: ticket.State{Status: ticket.StatusWaiting, Level: 1}, Phase: ticket.PhaseYourTurn, Answer: true,
		PublicContent: ticket.PublicContent{Message: "Which model is it?"}, Identities: ticket.Identities{Actor: ticket.Person{ID: "lin"}}}
	ticket.Chain{}.Seal(ticket.Digest{}, &e)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eventJSON(&e); err != nil {
			b.Fatal(err)
		}
	}
}
