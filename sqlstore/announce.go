package sqlstore

import (
	"context"
	"errors"
	"regexp"
)

var channelName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Announce makes processes hear of each other's deliveries at once, on PostgreSQL:
// every transaction that brings deliveries on their way notifies the channel
// (NOTIFY, without a payload), and [Store.Listen] calls listen, by which the relay
// of a desk is woken. Without it, and on the other databases, a relay finds what
// another process committed within Relay.Poll.
//
// What listens needs a connection for itself and more than database/sql has, so
// listen is the host's, in the terms of its driver: it must listen to the channel,
// call heard once it does and then for every notification, and return when ctx is
// done or the connection breaks, with the reason. docs/storage.md has one for pgx
// and one for lib/pq. It may be nil in a process that only commits. All processes
// need the option with the same channel, which has 1 to 63 symbols of a to z, 0 to 9
// and underscore, and begins with no digit.
//
// It has a price: PostgreSQL takes one lock for all transactions that notify, from
// before they are written to the disk until after it, so that they commit one after
// the other and no longer together.
func Announce(channel string, listen func(ctx context.Context, channel string, heard func()) error) Option {
	return func(o *options) {
		o.channel, o.listen = channel, listen
		if !channelName.MatchString(channel) {
			o.fault = invalid("sqlstore.announce", "must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// announces reports whether commits notify.
func (s *Store) announces() bool { return s.dialect == Postgres && s.channel != "" }

// announce notifies, once the transaction is committed, if the store does.
func (x *session) announce(ctx context.Context) error {
	if !x.s.announces() {
		return nil
	}
	_, err := x.exec(ctx, "SELECT pg_notify(?, '')", x.s.channel)
	return err
}

// Listen calls heard soon after commits that brought deliveries, see
// [ticket.Listener]; it needs [Announce], on PostgreSQL.
func (s *Store) Listen(ctx context.Context, heard func()) error {
	if !s.announces() || s.listen == nil {
		return errors.ErrUnsupported
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.listen(ctx, s.channel, heard)
}
