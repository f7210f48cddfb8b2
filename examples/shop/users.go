package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// user is one of the shop's users: a customer, or somebody who works for it.
type user struct {
	ID, Name, Email, Locale, Zone string

	Level int // serves the desk's levels 1 to this; 0: a customer
}

// person returns the data of a user that tickets have.
func (u user) person() ticket.Person {
	return ticket.Person{ID: u.ID, Name: u.Name, Email: u.Email, Locale: u.Locale, Zone: u.Zone}
}

// actor returns the user as an actor of the desk.
func (u user) actor() ticket.Actor {
	if u.Level == 0 {
		return ticket.Requester(u.person())
	}
	levels := make([]int, u.Level)
	for i := range levels {
		levels[i] = i + 1
	}
	a := ticket.Agent(u.ID, levels...).Named(u.Name)
	a.Person.Locale, a.Person.Zone = u.Locale, u.Zone // for the console
	return a
}

func (s *shop) users(ctx context.Context) (list []user, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, name, email, locale, zone, level FROM shop_users ORDER BY level, id")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var u user
		if err := rows.Scan(&u.ID, &u.Name, &u.Email, &u.Locale, &u.Zone, &u.Level); err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, rows.Err()
}

func (s *shop) user(ctx context.Context, id string) (user, error) {
	return s.userWhere(ctx, "id = $1", id)
}

// userWith returns the user with an address of mail.
func (s *shop) userWith(ctx context.Context, address string) (user, error) {
	return s.userWhere(ctx, "lower(email) = $1", strings.ToLower(address))
}

func (s *shop) userWhere(ctx context.Context, condition, value string) (u user, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT id, name, email, locale, zone, level FROM shop_users WHERE "+condition, value).
		Scan(&u.ID, &u.Name, &u.Email, &u.Locale, &u.Zone, &u.Level)
	return u, err
}

// The cookie of a session. Its prefix makes browsers take it from this host only,
// over TLS only, and for all paths. They make an exception for localhost.
const (
	sessionCookie = "__Host-session"
	sessionAge    = 7 * 24 * time.Hour
)

var errSignIn = errors.New("nobody has signed in")

// signIn begins a session and gives the browser its token. The database has only
// a digest of it, so somebody who reads the table cannot act as a user.
func (s *shop) signIn(w http.ResponseWriter, r *http.Request) error {
	u, err := s.user(r.Context(), r.PostFormValue("user"))
	if err != nil {
		return err
	}
	token := rand.Text()
	if _, err := s.db.ExecContext(r.Context(), "INSERT INTO shop_sessions (token, user_id, ends) VALUES ($1, $2, $3)",
		digest(token), u.ID, s.now().Add(sessionAge).Unix()); err != nil {
		return err
	}
	setCookie(w, token, sessionAge)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *shop) signOut(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(sessionCookie); err == nil {
		if _, err := s.db.ExecContext(r.Context(), "DELETE FROM shop_sessions WHERE token = $1", digest(c.Value)); err != nil {
			return err
		}
	}
	setCookie(w, "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// session returns the user who is signed in with this browser.
func (s *shop) session(r *http.Request) (user, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return user{}, errSignIn
	}
	var id string
	err = s.db.QueryRowContext(r.Context(), "SELECT user_id FROM shop_sessions WHERE token = $1 AND ends > $2",
		digest(c.Value), s.now().Unix()).Scan(&id)
	if err != nil {
		return user{}, signInAgain(err)
	}
	u, err := s.user(r.Context(), id)
	return u, signInAgain(err)
}

func signInAgain(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errSignIn
	}
	return err
}

func setCookie(w http.ResponseWriter, token string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", MaxAge: int(age.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
