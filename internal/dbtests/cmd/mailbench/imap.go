package main

import (
	"bytes"
	"log/slog"
	"net"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The account on the IMAP server.
const user, password = "desk", "secret"

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// serve starts an IMAP server in memory.
func serve() (account *imapmemserver.User, addr string, stop func(), err error) {
	server := imapmemserver.New()
	account = imapmemserver.NewUser(user, password)
	server.AddUser(account)
	if err := account.Create("INBOX", nil); err != nil {
		return nil, "", nil, err
	}
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return server.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	go func() { _ = srv.Serve(l) }()
	return account, l.Addr().String(), func() { _ = srv.Close() }, nil
}
