package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"github.com/ticketkit/ticket"
)

// order is one of the shop's orders, with the number of its ticket.
type order struct {
	ID                        int64
	User, Item, Placed, State string
	Ticket                    ticket.Number // empty: nobody complained
}

func (s *shop) orders(ctx context.Context, u user) (list []order, err error) {
	rows, err := s.db.QueryContext(ctx,
		"SELECT id, item, placed, state, coalesce(ticket, '') FROM shop_orders WHERE user_id = $1 ORDER BY id", u.ID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		o := order{User: u.ID}
		if err := rows.Scan(&o.ID, &o.Item, &o.Placed, &o.State, &o.Ticket); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// order returns the order that the address names, if it is the user's.
func (s *shop) order(r *http.Request, u user) (o order, err error) {
	err = s.db.QueryRowContext(r.Context(),
		"SELECT id, item, placed, state, coalesce(ticket, '') FROM shop_orders WHERE cast(id AS text) = $1 AND user_id = $2",
		r.PathValue("order"), u.ID).Scan(&o.ID, &o.Item, &o.Placed, &o.State, &o.Ticket)
	return o, err
}

// ordersPage shows the user's orders.
func (s *shop) ordersPage(w http.ResponseWriter, r *http.Request, u user) error {
	orders, err := s.orders(r.Context(), u)
	if err != nil {
		return err
	}
	return s.show(w, http.StatusOK, u, "orders", orders)
}

// help is the form in which a customer asks for help with an order.
type help struct {
	Order                 order
	Subject, Message, Key string
	Notice                string // why it was not taken
}

func (s *shop) helpPage(w http.ResponseWriter, r *http.Request, u user) error {
	o, err := s.order(r, u)
	if err != nil {
		return err
	}
	if o.Ticket != "" {
		http.Redirect(w, r, "/help/tickets/"+string(o.Ticket), http.StatusSeeOther)
		return nil
	}
	return s.show(w, http.StatusOK, u, "help", help{Order: o, Key: newKey()})
}

// askForHelp accepts the form. If something is wrong with it, it is shown again
// with the input.
func (s *shop) askForHelp(w http.ResponseWriter, r *http.Request, u user) error {
	o, err := s.order(r, u)
	if err != nil {
		return err
	}
	if err := readForm(r); err != nil {
		return err
	}
	form := help{Order: o, Subject: text(r, "subject"), Message: text(r, "message"), Key: r.PostFormValue("key")}
	files, err := s.uploaded(r, u.actor())
	var t ticket.Ticket
	if err == nil {
		t, err = s.complain(r.Context(), u, form, files)
	}
	if errors.Is(err, errHasTicket) { // by another form, such as one in a second window
		return s.helpPage(w, r, u)
	}
	if errors.Is(err, ticket.ErrInvalid) {
		var status int
		status, form.Notice = fault(err)
		return s.show(w, status, u, "help", form)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/help/tickets/"+string(t.Number), http.StatusSeeOther)
	return nil
}

var errHasTicket = errors.New("the order has a ticket already")

// complain opens a ticket about an order. The ticket with its confirmation and the
// order's own row are written together or not at all.
func (s *shop) complain(ctx context.Context, u user, form help, files []ticket.Attachment) (t ticket.Ticket, err error) {
	err = s.store.Transact(ctx, s.desk, func(tx *sql.Tx, desk *ticket.Desk) error {
		t, err = desk.Open(ctx, u.actor(), ticket.Draft{
			Subject: form.Subject, Message: ticket.Message(form.Message), Attachments: files,
			Channel: ticket.ChannelWeb, Fields: ticket.Fields{"order": form.Order.ID}, Key: form.Key,
		})
		if err != nil {
			return err
		}
		return dispute(ctx, tx, form.Order.ID, t.Number)
	})
	return t, err
}

// dispute ties the order to its ticket. An order has one ticket at most. If a
// form is sent again, its ticket is the one that the order has already.
func dispute(ctx context.Context, tx *sql.Tx, id int64, n ticket.Number) error {
	result, err := tx.ExecContext(ctx,
		"UPDATE shop_orders SET state = 'disputed', ticket = $1 WHERE id = $2 AND (ticket IS NULL OR ticket = $1)", n, id)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 0 {
		return errors.Join(err, errHasTicket)
	}
	return nil
}
