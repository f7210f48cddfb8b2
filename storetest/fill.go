package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/ticketkit/ticket"
)

// awkward is text that is known to come back changed from some stores. It has no NUL
// byte, because the desk refuses that.
var awkward = []string{
	"plain", "Straße", "cafe\u0301", "café", "日本語", "שלום", "👩‍👩‍👧‍👦", "İıſK", "\u202eturned", "\ufeffmark", "\u2028line\u2029",
	"\uffff\ufffd\U0010ffff", " blanks  around ", "tab\tand\r\nbreaks\n", "\x01\x1b\x7f\u0085", `"quoted" 'twice'`, `back\slash \n \u0041`,
	"100% _sure_", "<b>&amp;</b>", "null", "{}", "0", "1e3", "NaN", "true", "$1 ? :name @p1 %s", "-- /* ; */",
}

// A filler sets every field of a value, so that the cases about values also cover fields
// that are added later.
type filler struct {
	n      int
	text   func(n int) string
	time   func(n int) time.Time
	fields func(n int) ticket.Fields
}

// plainly returns a filler with short text and whole seconds.
func plainly() *filler {
	return &filler{
		text: func(n int) string { return fmt.Sprintf("text %d", n) },
		time: func(n int) time.Time { return clock.Add(time.Duration(n) * time.Second) },
		fields: func(n int) ticket.Fields {
			return ticket.Fields{fmt.Sprintf("field %d", n): "text", fmt.Sprintf("list %d", n): []string{"one", "two"}}
		},
	}
}

// event returns an edit that fills an event, except the fields that tie it to its ticket.
func (f *filler) event(e *ticket.Event) {
	was := *e
	f.fill(reflect.ValueOf(e).Elem())
	e.Ticket, e.Seq, e.At, e.From, e.To.Level, e.Phase = was.Ticket, was.Seq, was.At, was.From, was.To.Level, was.Phase
	e.Set.Number, e.Set.Tenant = was.Set.Number, was.Set.Tenant
}

func (f *filler) delivery(d *ticket.Delivery) {
	was := *d
	f.fill(reflect.ValueOf(d).Elem())
	d.ID, d.Tenant, d.Ticket, d.Seq = was.ID, was.Tenant, was.Ticket, was.Seq
	d.State, d.Attempts, d.Until, d.Settled, d.LastError, d.Address = was.State, was.Attempts, was.Until, was.Settled, was.LastError, was.Address
}

func (f *filler) receipt(r *ticket.Receipt) {
	was := *r
	f.fill(reflect.ValueOf(r).Elem())
	r.Tenant, r.Ticket, r.Version = was.Tenant, was.Ticket, was.Version
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = f.time(f.n)
		return
	case *ticket.ID:
		*p = idOf(uint64(f.n))
		return
	case *ticket.Number:
		*p = numberOf(uint64(f.n))
		return
	case *ticket.Fields:
		*p = f.fields(f.n)
		return
	case *ticket.Role:
		*p = ticket.RoleAgent
		return
	case *ticket.Grade:
		*p = ticket.GradeHigh
		return
	case *[]ticket.Clock: // a ticket has one of each metric at most
		*p = make([]ticket.Clock, len(metrics))
		for i := range *p {
			f.fill(reflect.ValueOf(&(*p)[i]).Elem())
			(*p)[i].Metric = metrics[i]
		}
		return
	case *ticket.Stage: // the others are refused
		*p = pickNth(ticket.Stages(), f.n)
		return
	case *ticket.Seals:
		return // made when the event is sealed
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8:
		v.SetUint(uint64(f.n % 251))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	default:
		panic("storetest: cannot fill a " + v.Type().String())
	}
}

func pickNth[T any](list []T, n int) T { return list[n%len(list)] }

// scribble overwrites everything that can be reached from p, like a careless caller.
func scribble(p any) { scribbleOver(reflect.ValueOf(p)) }

func scribbleOver(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			scribbleOver(v.Elem())
		}
	case reflect.Struct:
		if _, ok := reflect.TypeAssert[time.Time](v); ok {
			if v.CanSet() {
				v.Set(reflect.ValueOf(clock.AddDate(-50, 0, 0)))
			}
			return
		}
		for _, field := range v.Fields() {
			scribbleOver(field)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			scribbleOver(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			scribbleOver(v.MapIndex(k))
			v.SetMapIndex(k, reflect.ValueOf("scribbled"))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString("scribbled")
		}
	case reflect.Bool:
		if v.CanSet() {
			v.SetBool(!v.Bool())
		}
	case reflect.Int, reflect.Int64:
		if v.CanSet() {
			v.SetInt(v.Int() + 1)
		}
	case reflect.Uint8:
		if v.CanSet() {
			v.SetUint(v.Uint() ^ 0xFF)
		}
	}
}

// times calls f with every time that can be reached from v.
func times(v reflect.Value, f func(time.Time)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			times(v.Elem(), f)
		}
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			f(t)
			return
		}
		for _, field := range v.Fields() {
			times(field, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			times(v.Index(i), f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			times(v.MapIndex(k), f)
		}
	}
}
