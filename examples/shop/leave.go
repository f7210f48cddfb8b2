package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"github.com/ticketkit/ticket"
)

func (s *shop) accountPage(w http.ResponseWriter, _ *http.Request, u user) error {
	return s.show(w, http.StatusOK, u, "account", nil)
}

// leave deletes the user's account.
func (s *shop) leave(w http.ResponseWriter, r *http.Request, u user) error {
	if u.Level > 0 {
		return errNoPage // agents cannot delete their accounts
	}
	if err := s.forget(r.Context(), u); err != nil {
		return err
	}
	setCookie(w, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// forget deletes a user and the user's data in one transaction. Orders stay, for
// the books, without a user. For tickets see part.
//
// The library cannot yet erase the history of a ticket: the messages, and the
// name and address in its events and in the rows of letters that were sent.
func (s *shop) forget(ctx context.Context, u user) error {
	return s.store.Transact(ctx, s.desk, func(tx *sql.Tx, desk *ticket.Desk) error {
		var ids []string
		mine := ticket.Query{Participant: u.person()}
		for t, err := range desk.Tickets(ctx, ticket.System("shop"), mine) {
			if err != nil {
				return err
			}
			if err := part(ctx, desk, u, t); err != nil {
				return err
			}
			if t.Requester.Same(u.person()) {
				ids = append(ids, t.ID.String())
			}
		}
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, "DELETE FROM shop_files WHERE ticket = $1", id); err != nil {
				return err
			}
		}
		for _, statement := range []string{
			"UPDATE shop_orders SET user_id = NULL WHERE user_id = $1",
			"DELETE FROM shop_sessions WHERE user_id = $1",
			"DELETE FROM shop_users WHERE id = $1",
		} {
			if _, err := tx.ExecContext(ctx, statement, u.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// part removes a user from one ticket as far as possible. If the user is its
// requester, the ticket is cancelled if it is open, its links end, and the
// requester becomes the bare ID. A follower is removed from the followers.
func part(ctx context.Context, desk *ticket.Desk, u user, t ticket.Ticket) error {
	edit := ticket.Edits{Unfollow: []ticket.Person{u.person()}}
	if t.Requester.Same(u.person()) {
		if !t.Phase.Done() && t.MergedInto.IsZero() {
			if _, err := desk.Do(ctx, u.actor(), t.ID, ticket.Action{Name: ticket.ActionCancel}); err != nil {
				return err
			}
		}
		if _, err := desk.RevokeStatusLinks(ctx, ticket.System("shop"), t.ID); err != nil {
			return err
		}
		edit = ticket.Edits{Requester: ticket.Person{ID: u.ID}}
	}
	_, err := desk.Do(ctx, ticket.System("shop"), t.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &edit})
	if refused, is := errors.AsType[*ticket.RefusedError](err); is && refused.Why == "merged" {
		return nil // a merged ticket cannot be edited, only the ticket it was merged into
	}
	return err
}
