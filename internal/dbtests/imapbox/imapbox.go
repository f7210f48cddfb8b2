// Package imapbox is an IMAP server in memory with one account, for commands that take in mail.
package imapbox

import (
	"bytes"
	"log/slog"
	"net"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The account, and its folder.
const (
	User     = "desk"
	Password = "secret"
	Folder   = "INBOX"
)

// Account is the account with its folder.
type Account struct{ user *imapmemserver.User }

// Serve serves an account on l in the background, until stop is called.
func Serve(l net.Listener) (account Account, stop func(), err error) {
	server := imapmemserver.New()
	account = Account{imapmemserver.NewUser(User, Password)}
	server.AddUser(account.user)
	if err := account.user.Create(Folder, nil); err != nil {
		return Account{}, nil, err
	}
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return server.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	})
	go func() { _ = srv.Serve(l) }()
	return account, func() { _ = srv.Close() }, nil
}

// Append puts a mail into the folder.
func (a Account) Append(raw []byte) error {
	_, err := a.user.Append(Folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{})
	return err
}

// Renew makes the folder again, empty and with a new UIDVALIDITY.
func (a Account) Renew() error {
	if err := a.user.Delete(Folder); err != nil {
		return err
	}
	return a.user.Create(Folder, nil)
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }
