package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/publish"
	"github.com/ticketkit/ticket/tickettest"
)

// publisher is a function that implements [message.Publisher].
type publisher func(topic string, m *message.Message) error

func (p publisher) Publish(topic string, list ...*message.Message) error {
	for _, m := range list {
		if err := p(topic, m); err != nil {
			return err
		}
	}
	return nil
}

func (publisher) Close() error { return nil }

// newDesk returns a desk that sends every event to this notifier, and its clock.
func newDesk(t *testing.T, n ticket.Notifier) (*ticket.Desk, *tickettest.Clock) {
	t.Helper()
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, nil)
	cfg.Notifiers = map[string]ticket.Notifier{"broker": n}
	cfg.EventNotifiers = []string{"broker"}
	cfg.ShowAgents = true
	cfg.StatusLinks = ticket.StatusLinks{
		Keys: []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 32)}},
		URL:  func(_, token string) string { return "https://help.example.org/t/" + token },
	}
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	return desk, clock
}

// deliverAll advances the clock until count deliveries are made.
func deliverAll(t *testing.T, desk *ticket.Desk, clock *tickettest.Clock, count int) {
	t.Helper()
	for sent, tries := 0, 0; sent < count; tries++ {
		require.Less(t, tries, 200, "%d of %d are sent", sent, count)
		done, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Zero(t, done.Dead)
		sent += done.Done
		clock.Advance(time.Hour)
	}
}

var (
	ada      = ticket.Requester(ticket.Person{ID: "ada", Name: "Ada Byron", Email: "ada@example.org"})
	lin      = ticket.Agent("lin", 1)
	agentMax = ticket.Agent("max", 2, 3)
)

// story opens a ticket and takes it through its life.
func story(t *testing.T, desk *ticket.Desk) ticket.Ticket {
	t.Helper()
	tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Every second page."})
	require.NoError(t, err)
	for _, step := range []struct {
		by   ticket.Actor
		does ticket.Action
	}{
		{lin, ticket.Action{Name: ticket.ActionTake}},
		{lin, ticket.Action{Name: ticket.ActionNote, Note: "a secret word: gudgeon"}},
		{lin, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault? gudgeon"}},
		{agentMax, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"}},
		{ada, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."}},
		{agentMax, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."}},
	} {
		tk, err = desk.Do(t.Context(), step.by, tk.ID, step.does)
		require.NoError(t, err, step.does.Name)
	}
	return tk
}

// Every event of a desk becomes a CloudEvent that the specification's own library
// can parse.
func TestEvents(t *testing.T) {
	var got []*message.Message
	n, err := publish.New(publisher(func(topic string, m *message.Message) error {
		require.Equal(t, "tickets", topic)
		got = append(got, m)
		return nil
	}), publish.Config{Source: "https://shop.example.org/desk"})
	require.NoError(t, err)
	desk, _ := newDesk(t, n)
	tk := story(t, desk)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)

	var actions []string
	for i, m := range got {
		require.NotContains(t, string(m.Payload), "gudgeon", "a note never leaves the desk")
		require.NotContains(t, string(m.Payload), "help.example.org", "nor does a link")

		var e cloudevents.Event
		require.NoError(t, json.Unmarshal(m.Payload, &e))
		require.NoError(t, e.Validate())
		require.Equal(t, m.UUID, e.ID())
		require.Equal(t, "1.0", e.SpecVersion())
		require.Equal(t, "https://shop.example.org/desk", e.Source())
		require.Equal(t, string(tk.Number), e.Subject())
		require.Equal(t, "application/json", e.DataContentType())
		require.Equal(t, map[string]any{"partitionkey": tk.ID.String()}, e.Extensions())

		var about ticket.Event
		require.NoError(t, e.DataAs(&about))
		require.Equal(t, tk.ID, about.Ticket)
		require.EqualValues(t, i+1, about.Seq, "in order")
		require.True(t, about.At.Equal(e.Time()))
		require.Equal(t, "com.github.ticketkit.ticket.event."+strings.ReplaceAll(string(about.Action), " ", "_"), e.Type())
		_, err := ticket.DecodeEvent(e.Data())
		require.NoError(t, err, "strictly")
		actions = append(actions, string(about.Action))

		require.Equal(t, message.Metadata{
			"content-type":   "application/cloudevents+json; charset=UTF-8",
			"ce_specversion": "1.0", "ce_id": e.ID(), "ce_source": e.Source(), "ce_type": e.Type(), "ce_subject": e.Subject(),
			"ce_time": e.Time().Format(time.RFC3339Nano), "ce_partitionkey": tk.ID.String(),
		}, m.Metadata)
	}
	require.Equal(t, []string{"open", "take", "note", "escalate", "ask", "reply", "resolve"}, actions)
}

// Notifications for people can be published, for applications that send them with a
// consumer of the broker.
func TestNotifications(t *testing.T) {
	var got *message.Message
	n, err := publish.New(publisher(func(_ string, m *message.Message) error { got = m; return nil }), publish.Config{})
	require.NoError(t, err)
	m := ticket.Notification{
		ID: ticket.NewID(tickettest.Start), Kind: ticket.KindHanded, Tenant: "north", Attempt: 1,
		To:     ticket.Recipient{Role: ticket.RoleRequester, Person: ada.Person},
		Ticket: ticket.NewID(tickettest.Start), Number: ticket.NumberOf(1), Seq: 1, At: tickettest.Start,
		Subject: "x", StatusLink: "https://help.example.org/t/token",
	}
	require.NoError(t, n.Notify(t.Context(), m))
	require.NotContains(t, string(got.Payload), "token")
	var e cloudevents.Event
	require.NoError(t, json.Unmarshal(got.Payload, &e))
	require.NoError(t, e.Validate())
	require.Equal(t, "com.github.ticketkit.ticket.notification.handed_on", e.Type())
	require.Equal(t, "north", e.Extensions()["tenant"])
	require.Equal(t, "north", got.Metadata["ce_tenant"])
	require.Equal(t, "/tickets", e.Source())
	var back ticket.Notification
	require.NoError(t, e.DataAs(&back))
	m.StatusLink = ""
	require.Equal(t, m, back)
}

// Kinds of two words have types without blanks.
func TestTypesOfKinds(t *testing.T) {
	for kind, want := range map[ticket.Kind]string{
		ticket.KindRescheduled: "com.github.ticketkit.ticket.notification.rescheduled",
		ticket.KindReminder:    "com.github.ticketkit.ticket.notification.reminder",
		ticket.KindDueSoon:     "com.github.ticketkit.ticket.notification.due_soon",
		ticket.KindOverdue:     "com.github.ticketkit.ticket.notification.overdue",
	} {
		require.Equal(t, want, publish.Type(ticket.Notification{Kind: kind}))
	}
}

// A broker in memory passes the messages to a subscriber.
func TestGoChannel(t *testing.T) {
	ps := gochannel.NewGoChannel(gochannel.Config{Persistent: true, OutputChannelBuffer: 100}, watermill.NopLogger{})
	defer func() { require.NoError(t, ps.Close()) }()
	n, err := publish.New(ps, publish.Config{TopicOf: func(n ticket.Notification) string {
		if n.Event.Action == ticket.ActionNote {
			return ""
		}
		return "desk." + string(n.Event.Action)
	}})
	require.NoError(t, err)
	desk, _ := newDesk(t, n)
	tk := story(t, desk)
	done, err := desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, done.Done)

	sub, err := ps.Subscribe(t.Context(), "desk.escalate")
	require.NoError(t, err)
	m := <-sub
	require.Equal(t, string(tk.Number), m.Metadata["ce_subject"])
	m.Ack()
	none, err := ps.Subscribe(t.Context(), "desk.note")
	require.NoError(t, err)
	require.Empty(t, none)
}

// A publisher that fails, panics or exits its goroutine causes an error and frees
// its place.
func TestFailures(t *testing.T) {
	down := errors.New("the broker is down")
	for name, tc := range map[string]struct {
		pub  publisher
		want string
	}{
		"error":  {func(string, *message.Message) error { return down }, `publish: topic "tickets": the broker is down`},
		"panic":  {func(string, *message.Message) error { panic("oh") }, `publish: topic "tickets": the publisher panicked: oh`},
		"goexit": {func(string, *message.Message) error { runtime.Goexit(); return nil }, `publish: topic "tickets": the publisher ended its goroutine`},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := publish.New(tc.pub, publish.Config{Calls: 1})
			require.NoError(t, err)
			for range 3 { // each call frees its place
				require.EqualError(t, n.Notify(t.Context(), ticket.Notification{}), tc.want)
			}
		})
	}
	n, err := publish.New(publisher(func(string, *message.Message) error { return down }), publish.Config{})
	require.NoError(t, err)
	require.ErrorIs(t, n.Notify(t.Context(), ticket.Notification{}), down)
}

// A call that does not end continues after its attempt, and counts towards
// Config.Calls.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := make(chan context.Context, 10)
		n, err := publish.New(publisher(func(_ string, m *message.Message) error {
			calls <- m.Context()
			<-release
			return nil
		}), publish.Config{Calls: 2})
		require.NoError(t, err)
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			require.ErrorIs(t, n.Notify(ctx, ticket.Notification{}), context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(began))
			require.Equal(t, ctx, <-calls, "the publisher could have known")
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.EqualError(t, n.Notify(ctx, ticket.Notification{}),
			`publish: topic "tickets": 2 calls of the publisher are still running: context deadline exceeded`)
		require.Empty(t, calls)

		close(release) // the broker is back
		synctest.Wait()
		require.NoError(t, n.Notify(t.Context(), ticket.Notification{}))
	})
}

func TestNewRefuses(t *testing.T) {
	ok := publisher(func(string, *message.Message) error { return nil })
	for want, f := range map[string]func() (*publish.Notifier, error){
		"publish: publisher is missing": func() (*publish.Notifier, error) { return publish.New(nil, publish.Config{}) },
		"publish: topic_of replaces topic: set one or the other": func() (*publish.Notifier, error) {
			return publish.New(ok, publish.Config{Topic: "x", TopicOf: func(ticket.Notification) string { return "" }})
		},
		"publish: source must be a URI reference: parse \":\": missing protocol scheme": func() (*publish.Notifier, error) {
			return publish.New(ok, publish.Config{Source: ":"})
		},
		"publish: calls must not be negative": func() (*publish.Notifier, error) { return publish.New(ok, publish.Config{Calls: -1}) },
	} {
		_, err := f()
		require.EqualError(t, err, want)
		var c *publish.ConfigError
		require.ErrorAs(t, err, &c)
	}
}
