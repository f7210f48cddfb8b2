package sqlstore

import (
	"context"
	"errors"
	"regexp"
)

var channelName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Announce lets processes learn of each other's deliveries at once, on PostgreSQL.
// Every transaction that adds deliveries, or makes them pending again, notifies the
// channel (NOTIFY, without a payload). [Store.Listen] calls listen, which wakes the
// relay of a desk. Without this option, and on the other databases, among them CockroachDB
// and YugabyteDB, a relay finds the deliveries that another process committed within
// Relay.Poll.
//
// Listening needs a connection of its own and more than database/sql offers, so your
// application supplies listen in terms of its driver. listen must listen to the
// channel, call heard once it does and again for every notification, and return the
// reason when ctx is done or the connection breaks. docs/storage.md has one listen
// for pgx and one for lib/pq. listen may be nil in a process that only commits. All
// processes need this option with the same channel. A channel has 1 to 63 characters
// of a to z, 0 to 9 and underscore, and does not begin with a digit.
//
// The option has a cost: PostgreSQL holds one lock for each transaction that
// notifies, from before the transaction is written to disk until after it. Such
// transactions commit one after the other instead of together.
func Announce(channel string, listen func(ctx context.Context, channel string, heard func()) error) Option {
	return func(o *options) {
		o.channel, o.listen = channel, listen
		if !channelName.MatchString(channel) {
			o.fault = invalid("sqlstore.announce", "must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// announces reports whether commits notify.
func (s *Store) announces() bool { return s.lang.notifies && s.channel != "" }

// announce notifies the channel when the transaction commits, if the store has one.
func (x *session) announce(ctx context.Context) error {
	if !x.s.announces() {
		return nil
	}
	_, err := x.exec(ctx, "SELECT pg_notify(?, '')", x.s.channel)
	return err
}

// Listen calls heard soon after commits that added deliveries; see
// [ticket.Listener]. It needs [Announce] and PostgreSQL.
func (s *Store) Listen(ctx context.Context, heard func()) error {
	if !s.announces() || s.listen == nil {
		return errors.ErrUnsupported
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.listen(ctx, s.channel, heard)
}
