package ticket

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The comparison of a ticket with the fold of its events covers every field.
func TestIdenticalComparesEveryField(t *testing.T) {
	var zero Ticket
	require.True(t, zero.identical(&Ticket{}))
	for i := range reflect.TypeFor[Ticket]().NumField() {
		var other Ticket
		field := reflect.ValueOf(&other).Elem().Field(i)
		name := reflect.TypeFor[Ticket]().Field(i).Name
		switch field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Int, reflect.Int64:
			field.SetInt(1)
		case reflect.Uint8:
			field.SetUint(1)
		case reflect.Array:
			field.Index(0).SetUint(1)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Map:
			field.Set(reflect.ValueOf(Fields{"x": "y"}))
		default:
			switch v := field.Addr().Interface().(type) {
			case *time.Time:
				*v = time.Unix(1, 0)
			case *Person:
				v.ID = "x"
			case *Timer:
				v.Action = "x"
			case *KnownProblem:
				v.Title = "x"
			default:
				require.Fail(t, "a kind of field unknown to this test", name)
			}
		}
		require.False(t, zero.identical(&other), name)
	}
}

// Commit.Check refuses a ticket that differs from its events. For a new ticket it checks
// every field, for an existing one the fields of the last event.
func TestCommitRequiresTheFold(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)
	first := Event{
		Ticket: NewID(at), Seq: 1, At: at, Action: ActionOpen, To: State{StatusNew, 1}, Phase: PhaseReceived,
		Set:           Patch{Number: NewNumber(), Workflow: "default", WorkflowVersion: 1, Priority: GradeMedium, AddTags: []string{"b", "a"}},
		PublicContent: PublicContent{Subject: "Printer", Fields: Fields{"n": int64(1)}}, Identities: Identities{Requester: Person{ID: "ada"}, Followed: []Person{{ID: "bea"}, {ID: "cyd"}}},
	}
	second := Event{
		Ticket: first.Ticket, Seq: 2, At: at.Add(time.Second), Action: ActionResolve, From: first.To, To: State{StatusResolved, 1}, Phase: PhaseSolved,
		Set:           Patch{Assignee: new("lin"), RemoveTags: []string{"a"}, Timer: &Timer{At: at.Add(time.Hour), Action: ActionClose}},
		PublicContent: PublicContent{Fields: Fields{"n": nil}},
		Identities:    Identities{Unfollowed: []Person{{ID: "bea"}}, Followed: []Person{{ID: "dan"}, {ID: "bea"}}},
	}
	opened := Change{Ticket: Apply(Ticket{}, first), Events: []Event{first}}
	changed := Change{Expect: 1, Ticket: Apply(opened.Ticket, second), Events: []Event{second}}
	both := Change{Ticket: changed.Ticket, Events: []Event{first, second}}
	for _, c := range []Change{opened, changed, both} {
		require.NoError(t, Commit{Changes: []Change{c}}.Check())
		local := c
		local.Ticket.Touched = local.Ticket.Touched.In(time.FixedZone("here", 3600))
		require.NoError(t, Commit{Changes: []Change{local}}.Check(), "the same instant in another location")
	}
	for what, spoil := range map[string]func(c *Change){
		"status":   func(c *Change) { c.Ticket.Status = StatusClosed },
		"phase":    func(c *Change) { c.Ticket.Phase = PhaseClosed },
		"touched":  func(c *Change) { c.Ticket.Touched = at.Add(time.Minute) },
		"assignee": func(c *Change) { c.Ticket.Assignee = "max" },
		"timer":    func(c *Change) { c.Ticket.Timer = Timer{} },
		"tags":     func(c *Change) { c.Ticket.Tags = []string{"a", "b"} },
		"field":    func(c *Change) { c.Ticket.Fields = Fields{"n": int64(1)} },
		"resolved": func(c *Change) { c.Ticket.Resolved = time.Time{} },
	} {
		for _, c := range []Change{changed, both} {
			spoil(&c)
			require.ErrorIs(t, Commit{Changes: []Change{c}}.Check(), ErrInvalid, what)
		}
	}
	for what, spoil := range map[string]func(c *Change){
		"number":    func(c *Change) { c.Ticket.Number = NewNumber() },
		"tenant":    func(c *Change) { c.Ticket.Tenant = "acme" },
		"subject":   func(c *Change) { c.Ticket.Subject = "Scanner" },
		"requester": func(c *Change) { c.Ticket.Requester = Person{ID: "max"} },
		"workflow":  func(c *Change) { c.Ticket.Workflow = "other" },
		"created":   func(c *Change) { c.Ticket.Created = at.Add(-time.Hour) },
		"followers": func(c *Change) { c.Ticket.Followers = nil },
	} {
		for _, c := range []Change{opened, both} {
			spoil(&c)
			require.ErrorIs(t, Commit{Changes: []Change{c}}.Check(), ErrInvalid, what)
		}
	}
}

func BenchmarkCommitCheck(b *testing.B) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)
	e := Event{Ticket: NewID(at), Seq: 1, At: at, To: State{StatusNew, 1}, Set: Patch{Number: NewNumber()}, PublicContent: PublicContent{Subject: "Printer"}}
	opened := Change{Ticket: Apply(Ticket{}, e), Events: []Event{e}}
	e.Seq, e.Set, e.PublicContent = 2, Patch{}, PublicContent{}
	changed := Change{Expect: 1, Ticket: Apply(opened.Ticket, e), Events: []Event{e}}
	for name, c := range map[string]Change{"new": opened, "changed": changed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			commit := Commit{Changes: []Change{c}}
			for b.Loop() {
				_ = commit.Check()
			}
		})
	}
}
