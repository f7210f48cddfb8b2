package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/publish"
)

// jetstream starts a NATS server with JetStream and a stream for tickets.
func jetstream(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(20*time.Second))
	conn, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	defer conn.Close()
	js, err := conn.JetStream()
	require.NoError(t, err)
	_, err = js.AddStream(&nats.StreamConfig{Name: "TICKETS", Subjects: []string{"tickets.>"}, Duplicates: 10 * time.Minute})
	require.NoError(t, err)
	return s
}

func jetstreamPublisher(t *testing.T, s *server.Server, track bool) message.Publisher {
	t.Helper()
	pub, err := wmnats.NewPublisher(wmnats.PublisherConfig{
		URL: s.ClientURL(), Marshaler: &wmnats.NATSMarshaler{}, JetStream: wmnats.JetStreamConfig{TrackMsgId: track},
	}, watermill.NopLogger{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pub.Close() })
	return pub
}

// read returns count messages of the stream and checks that there are no more.
func read(t *testing.T, s *server.Server, topic string, count int) []*message.Message {
	t.Helper()
	sub, err := wmnats.NewSubscriber(wmnats.SubscriberConfig{
		URL: s.ClientURL(), Unmarshaler: &wmnats.NATSMarshaler{},
		JetStream: wmnats.JetStreamConfig{SubscribeOptions: []nats.SubOpt{nats.DeliverAll(), nats.AckExplicit()}},
	}, watermill.NopLogger{})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list, err := sub.Subscribe(ctx, topic)
	require.NoError(t, err)
	var got []*message.Message
	for len(got) < count {
		m, ok := <-list
		require.True(t, ok, "%d of %d messages came", len(got), count)
		got = append(got, m)
		m.Ack()
	}
	select {
	case m, ok := <-list:
		require.False(t, ok, "one more came: %v", m)
	case <-time.After(100 * time.Millisecond):
	}
	return got
}

// lossy loses the first acknowledgement of every message, like a connection that
// breaks before the acknowledgement arrives.
func lossy(pub message.Publisher) publisher {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(topic string, m *message.Message) error {
		err := pub.Publish(topic, m)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && !seen[m.UUID] {
			seen[m.UUID] = true
			return errors.New("the acknowledgement was lost")
		}
		return err
	}
}

// With a real server, every event arrives, and the events of each ticket arrive in
// order. A repeat has the same ID, and the server drops it if it is asked to.
func TestJetStream(t *testing.T) {
	for _, tc := range []struct {
		name  string
		track bool
		each  int // how often a message is in the stream
	}{
		{"with the IDs tracked a repeat is dropped", true, 1},
		{"without it is told by its ID", false, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := jetstream(t)
			n, err := publish.New(lossy(jetstreamPublisher(t, s, tc.track)), publish.Config{Topic: "tickets.events"})
			require.NoError(t, err)
			desk, clock := newDesk(t, n)
			const tickets, events = 5, 7
			for range tickets {
				story(t, desk)
			}
			deliverAll(t, desk, clock, tickets*events)

			ids := map[string]int{}       // how often each arrived
			last := map[ticket.ID]int64{} // the last new event of each ticket
			for _, m := range read(t, s, "tickets.events", tickets*events*tc.each) {
				var e cloudevents.Event
				require.NoError(t, json.Unmarshal(m.Payload, &e))
				require.NoError(t, e.Validate())
				require.Equal(t, e.ID(), m.UUID)
				require.Equal(t, e.ID(), m.Metadata["ce_id"], "headers go through as they are")
				var about ticket.Event
				require.NoError(t, e.DataAs(&about))
				if ids[e.ID()]++; ids[e.ID()] == 1 {
					require.Equal(t, last[about.Ticket]+1, about.Seq, "in order, nothing left out")
					last[about.Ticket] = about.Seq
				}
			}
			require.Len(t, ids, tickets*events)
			for id, times := range ids {
				require.Equal(t, tc.each, times, id)
			}
			require.Len(t, last, tickets)
		})
	}
}

// No event is lost while a broker is unavailable.
func TestJetStreamOutage(t *testing.T) {
	s := jetstream(t)
	broker := jetstreamPublisher(t, s, true)
	up := false
	n, err := publish.New(publisher(func(topic string, m *message.Message) error {
		if !up {
			return nats.ErrConnectionClosed
		}
		return broker.Publish(topic, m)
	}), publish.Config{Topic: "tickets.events"})
	require.NoError(t, err)
	desk, clock := newDesk(t, n)
	story(t, desk)
	done, err := desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Zero(t, done.Done)
	require.Equal(t, 1, done.Again, "what comes after it waits for it")
	up = true
	deliverAll(t, desk, clock, 7)
	read(t, s, "tickets.events", 7)
}
