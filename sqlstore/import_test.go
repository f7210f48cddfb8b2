package sqlstore

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Text that is not UTF-8 is found in every string of an event.
func TestImportRefusesInvalidText(t *testing.T) {
	tried := 0
	var try func(v reflect.Value, e *ticket.Event, path string)
	try = func(v reflect.Value, e *ticket.Event, path string) {
		switch v.Kind() {
		case reflect.String:
			for _, bad := range []string{"\xff", "a\\\xff", `\\` + "\xc3", "a\x00"} {
				v.SetString(bad)
				_, err := encodeEvent(e)
				require.ErrorIs(t, err, ticket.ErrInvalid, "%s: %q", path, bad)
			}
			for _, good := range []string{"\ufffd", `\ufffd`, `\\ufffd`, `\u0000`, "ß\u2028\""} {
				v.SetString(good)
				_, err := encodeEvent(e)
				require.NoError(t, err, "%s: %q", path, good)
			}
			v.SetString("")
			tried++
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range v.NumField() {
				try(v.Field(i), e, path+"."+v.Type().Field(i).Name)
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			try(v.Index(0), e, path)
			v.SetZero()
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			try(v.Elem(), e, path)
			v.SetZero()
		case reflect.Map: // fields
			for _, fields := range []ticket.Fields{{"\xff": true}, {"a": "\xff"}, {"a": []string{"\xff"}}, {"a": 1}, {"a": struct{}{}}} {
				v.Set(reflect.ValueOf(fields))
				_, err := encodeEvent(e)
				require.ErrorIs(t, err, ticket.ErrInvalid, "%s: %q", path, fields)
			}
			v.SetZero()
		}
	}
	e := ticket.Event{Ticket: ticket.NewID(time.Now()), Seq: 1, At: time.Now(), Action: "a", Digest: ticket.Digest{1}}
	for i := range reflect.TypeFor[ticket.Event]().NumField() {
		f := reflect.TypeFor[ticket.Event]().Field(i)
		e := e
		if f.Name == "Action" {
			continue // tested below: it must not be empty
		}
		try(reflect.ValueOf(&e).Elem().Field(i), &e, f.Name)
	}
	e.Action = "\xff"
	_, err := encodeEvent(&e)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	assert.Greater(t, tried, 40, "all strings of an event")
}

// The lengths of statements are few, and no statement has too much text.
func TestInsertRowsTakesSteps(t *testing.T) {
	long := string(make([]byte, mostStatementBytes/2))
	for name, c := range map[string]struct {
		rows int
		text string
		want []int
	}{
		"none": {0, "", nil}, "few": {2, "", []int{1, 1}}, "many": {317, "", []int{200, 50, 50, 10, 3, 3, 1}},
		"long": {7, long, []int{1, 1, 1, 1, 1, 1, 1}}, "less long": {7, long[:len(long)/2], []int{3, 3, 1}},
		"too long": {2, long + long + long, []int{1, 1}},
	} {
		args := make([]any, 0, c.rows*2)
		for i := range c.rows {
			args = append(args, i, c.text)
		}
		var got []int
		for len(args) > 0 {
			n := rowsOf(args, 2)
			got = append(got, n)
			args = args[2*n:]
		}
		assert.Equal(t, c.want, got, name)
	}
}
