package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
)

func (s *shop) accountPage(w http.ResponseWriter, _ *http.Request, u user) error {
	return s.show(w, http.StatusOK, u, "account", nil)
}

// personalData shows the user everything that the desk has about them, as a page or
// as a file for other programs.
func (s *shop) personalData(w http.ResponseWriter, r *http.Request, u user) error {
	data, err := s.desk.PersonalData(r.Context(), ticket.System("shop"), u.person(), ticket.PersonalDataOptions{})
	if err != nil {
		return err
	}
	if r.FormValue("as") == "json" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="personal-data.json"`)
		return json.NewEncoder(w).Encode(data)
	}
	return data.WriteHTML(w, time.Local)
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
// the books, without a user. Open tickets are cancelled, and everything on all
// tickets that is the user's is erased. The desk removes the files at its next
// sweep.
func (s *shop) forget(ctx context.Context, u user) error {
	return s.store.Transact(ctx, s.desk, func(tx *sql.Tx, desk *ticket.Desk) error {
		open := ticket.Query{Requester: u.person(), Phase: ticket.OpenPhases(), NotMerged: true}
		for t, err := range desk.Tickets(ctx, u.actor(), open) {
			if err == nil {
				_, err = desk.Do(ctx, u.actor(), t.ID, ticket.Action{Name: ticket.ActionCancel})
			}
			if err != nil {
				return err
			}
		}
		if _, err := desk.Erase(ctx, ticket.System("shop"), ticket.Erasure{Person: u.person(), Reason: "left the shop"}); err != nil {
			return err
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
