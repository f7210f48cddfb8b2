package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/ticketkit/ticket"
)

// Times of the LMTP server.
const (
	lmtpTimeout = 5 * time.Minute // RFC 5321, section 4.5.3.2.7
	lmtpGrace   = 5 * time.Second // for mails under way when ctx ends
)

// ServeLMTP takes mail from a mail server of your own by LMTP (RFC 2033), until ctx ends. It
// closes l. The recipients say which mailbox a mail is for. Each gets an answer of its own:
//
//   - 250: the mail is stored.
//   - 550 5.1.1: no mailbox has this address.
//   - 552 5.3.4: the mail is too big.
//   - 451 4.3.0: the store or the file store fails. The server keeps the mail and tries again.
//
// Whoever can connect can deliver mail, with any sender: listen on a socket that only the mail
// server reaches, such as a Unix socket or loopback.
func (in *Intake) ServeLMTP(ctx context.Context, l net.Listener) error {
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{in: in, ctx: ctx}, nil }))
	srv.LMTP, srv.Domain = true, "localhost"
	srv.MaxMessageBytes = int64(in.cfg.Limits.Mail)
	srv.MaxRecipients = 1000
	srv.MaxLineLength = in.cfg.Limits.Mail // many programs write lines that are too long
	srv.ReadTimeout, srv.WriteTimeout = lmtpTimeout, lmtpTimeout
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = slog.NewLogLogger(in.cfg.Logger.Handler(), slog.LevelWarn)
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), lmtpGrace)
		defer cancel()
		_ = srv.Shutdown(grace)
		_ = srv.Close()
	})
	defer stop()
	err := srv.Serve(l)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// delivery is one connection of a mail server.
type delivery struct {
	in  *Intake
	ctx context.Context //nolint:containedctx // the library passes none

	from  string
	boxes []*box            // of the recipients, in order
	to    map[*box][]string // the recipients
}

func (d *delivery) Reset()        { d.from, d.boxes, d.to = "", nil, map[*box][]string{} }
func (d *delivery) Logout() error { return nil }

func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	d.Reset()
	d.from = from
	return nil
}

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	b := d.in.mailboxOf(to)
	if b == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no mailbox has this address"}
	}
	if len(d.to[b]) == 0 {
		d.boxes = append(d.boxes, b)
	}
	d.to[b] = append(d.to[b], to)
	return nil
}

// Data is not called on a server for LMTP.
func (d *delivery) Data(io.Reader) error { return errors.New("mailbox: LMTP only") }

// LMTPData stores the mail once for each mailbox, and answers for each recipient.
func (d *delivery) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	// What is not read would be answered with 554, for good, if it comes by BDAT (RFC 3030).
	defer io.Copy(io.Discard, r) //nolint:errcheck // the answers are given
	var first ticket.Mail
	var failed error
	for i, b := range d.boxes {
		err := failed
		if i == 0 {
			first, err = d.take(b, r, d.to[b])
			failed = err
		} else if failed == nil {
			err = d.copy(first, b, d.to[b])
		}
		for _, to := range d.to[b] {
			status.SetStatus(to, reply(err))
		}
	}
	return nil
}

func (d *delivery) take(b *box, r io.Reader, to []string) (ticket.Mail, error) {
	m, err := d.in.Take(d.ctx, b.Name, r, Envelope{From: d.from, HasFrom: true, To: to})
	if err != nil && !errors.Is(err, ErrTooBig) && !isTooLarge(err) {
		d.in.cfg.Logger.ErrorContext(d.ctx, "mailbox: a mail was refused for now", "mailbox", b.Name, "error", err)
	}
	return m, err
}

// copy stores the mail for another mailbox.
func (d *delivery) copy(m ticket.Mail, b *box, to []string) error {
	raw, err := d.in.cfg.Files.Open(d.ctx, m.Tenant, m.Raw)
	if err != nil {
		return err
	}
	defer raw.Close() //nolint:errcheck // it was only read
	_, err = d.take(b, raw, to)
	return err
}

func isTooLarge(err error) bool {
	var refused *smtp.SMTPError
	return errors.As(err, &refused) && refused.Code == 552
}

// reply returns the answer to a mail server.
func reply(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooBig) || isTooLarge(err):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "the mail is too big"}
	default:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail cannot be stored now, try again later"}
	}
}

// The exit statuses of [Intake.Pipe], of sysexits.h.
const (
	exitOK        = 0
	exitTooBig    = 65 // EX_DATAERR: the mail server sends it back
	exitTemporary = 75 // EX_TEMPFAIL: the mail server tries again
)

// Pipe stores one mail that a mail server pipes to your program, and returns the exit status
// for it: 0 if the mail is stored, 65 if it is too big and must go back to its sender, and 75
// for all other trouble, so that the mail server keeps the mail and tries again. It writes the
// reason to errors. A program that calls Pipe need not call [Intake.Run]: any other process
// puts the mail on a ticket.
//
// Function env returns environment variables and is usually [os.Getenv]. The envelope is that of
// SENDER and RECIPIENT, or ORIGINAL_RECIPIENT, which Postfix and Exim set. Postfix sets
// SENDER to MAILER-DAEMON for the null sender.
func (in *Intake) Pipe(ctx context.Context, mailbox string, raw io.Reader, env func(string) string, errs io.Writer) (status int) {
	defer func() {
		if p := recover(); p != nil {
			_, _ = fmt.Fprintf(errs, "mailbox: panic: %v\n", p)
			status = exitTemporary
		}
	}()
	var e Envelope
	if sender := strings.Trim(env("SENDER"), "<> "); sender != "" {
		e.HasFrom = true
		if sender != "MAILER-DAEMON" {
			e.From = sender
		}
	}
	for _, name := range []string{"ORIGINAL_RECIPIENT", "RECIPIENT"} {
		if to := strings.TrimSpace(env(name)); to != "" {
			e.To = append(e.To, to)
		}
	}
	_, err := in.Take(ctx, mailbox, raw, e)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, ErrTooBig):
		_, _ = fmt.Fprintln(errs, err)
		return exitTooBig
	default:
		_, _ = fmt.Fprintln(errs, err)
		return exitTemporary
	}
}
