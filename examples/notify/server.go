package main

import (
	"errors"
	"io"
	"log"
	"net"
	"strings"

	"github.com/emersion/go-smtp"
)

// serve starts the SMTP server. It accepts every letter except those to nobody@.
func serve() (address *net.TCPAddr, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, nil, errors.New("no TCP address to listen on")
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailbox{}, nil }))
	srv.Domain = "mx.example.org"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = srv.Serve(l) }()
	return address, func() { _ = srv.Close() }, nil
}

// mailbox is the server side of one conversation.
type mailbox struct{}

func (mailbox) Reset()                               {}
func (mailbox) Logout() error                        { return nil }
func (mailbox) Mail(string, *smtp.MailOptions) error { return nil }

func (mailbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (mailbox) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
