package publish

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/ticketkit/ticket"
)

// Config configures a [Notifier]. The zero Config works.
type Config struct {
	// Topic is the topic of the messages. Default: "tickets".
	Topic string
	// TopicOf returns the topic of a notification and replaces Topic. If it returns
	// "", the notification is not published and counts as delivered.
	TopicOf func(n ticket.Notification) string
	// Source identifies the desk: a URI reference, preferably an absolute URI.
	// Source and id together identify a message. Default: "/tickets".
	Source string
	// Calls limits how many calls of the publisher run at the same time, including
	// calls that outlived their attempts. Other attempts wait. Default: 64.
	Calls int
}

// ConfigError says what is wrong with a configuration.
type ConfigError struct {
	Field  string
	Reason string // what is wrong and what would be right
	Err    error  // the cause, or nil
}

func (e *ConfigError) Error() string {
	if e.Err != nil {
		return "publish: " + e.Field + " " + e.Reason + ": " + e.Err.Error()
	}
	return "publish: " + e.Field + " " + e.Reason
}

func (e *ConfigError) Unwrap() error { return e.Err }

// Notifier is a [ticket.Notifier] that publishes. Make one with [New].
type Notifier struct {
	pub   message.Publisher
	cfg   Config
	calls chan struct{} // one element for each running call
}

// New returns a notifier for a publisher, or a [*ConfigError]. Your application
// closes the publisher after the desk has stopped.
func New(pub message.Publisher, cfg Config) (*Notifier, error) {
	if pub == nil {
		return nil, &ConfigError{Field: "publisher", Reason: "is missing"}
	}
	if cfg.Topic != "" && cfg.TopicOf != nil {
		return nil, &ConfigError{Field: "topic_of", Reason: "replaces topic: set one or the other"}
	}
	if cfg.Topic == "" {
		cfg.Topic = "tickets"
	}
	if cfg.TopicOf == nil {
		cfg.TopicOf = func(ticket.Notification) string { return cfg.Topic }
	}
	if cfg.Source == "" {
		cfg.Source = "/tickets"
	}
	if _, err := url.Parse(cfg.Source); err != nil {
		return nil, &ConfigError{Field: "source", Reason: "must be a URI reference", Err: err}
	}
	if cfg.Calls < 0 {
		return nil, &ConfigError{Field: "calls", Reason: "must not be negative"}
	}
	if cfg.Calls == 0 {
		cfg.Calls = 64
	}
	return &Notifier{pub: pub, cfg: cfg, calls: make(chan struct{}, cfg.Calls)}, nil
}

// Notify implements [ticket.Notifier]. After an error of the publisher, the
// delivery is tried again.
func (n *Notifier) Notify(ctx context.Context, m ticket.Notification) error {
	topic := n.cfg.TopicOf(m)
	if topic == "" {
		return nil
	}
	msg, err := newMessage(n.cfg.Source, m)
	if err != nil {
		return &ticket.DeliveryFault{Err: fmt.Errorf("publish: %w", err), Permanent: true}
	}
	msg.SetContext(ctx) // for publishers that use it
	select {
	case n.calls <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("publish: topic %q: %d calls of the publisher are still running: %w", topic, cap(n.calls), ctx.Err())
	}
	done := make(chan error, 1)
	go n.publish(topic, msg, done)
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("publish: topic %q: %w", topic, err)
	}
	return nil
}

// publish calls the publisher and turns a panic into an error. On this goroutine, a
// panic would end the program.
func (n *Notifier) publish(topic string, msg *message.Message, done chan<- error) {
	err := errors.New("the publisher ended its goroutine")
	defer func() {
		<-n.calls
		if r := recover(); r != nil {
			err = fmt.Errorf("the publisher panicked: %v", r)
		}
		done <- err
	}()
	err = n.pub.Publish(topic, msg)
}
