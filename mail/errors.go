package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// Step is a step of the SMTP conversation.
type Step string

// The steps, in order.
const (
	StepConnect Step = "connect"      // the network, TLS from the start, and the greeting
	StepHello   Step = "hello"        // EHLO
	StepTLS     Step = "STARTTLS"     // STARTTLS and the handshake
	StepAuth    Step = "authenticate" // AUTH
	StepSender  Step = "sender"       // MAIL
	StepTo      Step = "recipient"    // RCPT
	StepMessage Step = "message"      // DATA, the letter, and the reply to it
)

// Error says why the server did not accept a letter. [Notifier.Notify] marks it with its
// meaning for the next attempt; see the package comment.
type Error struct {
	Step     Step
	Code     int    // of the reply, such as 550; 0 without a reply
	Enhanced string // of the reply, such as "5.1.1"; may be empty
	Text     string // of the reply, on one line
	Err      error  // the cause, if there was no reply
	Sent     bool   // the complete letter was sent; it is unknown whether the server accepted it
}

func (e *Error) Error() string {
	if e.Code == 0 {
		// The cause may contain words of the server too.
		step := string(e.Step)
		if e.Sent {
			step += ": after the complete letter was sent"
		}
		return fmt.Sprintf("mail: %s: %s", step, letter.Line(e.Err.Error(), maxReplyText))
	}
	said := strings.Join(strings.Fields(e.Enhanced+" "+e.Text), " ")
	return strings.TrimRight(fmt.Sprintf("mail: %s: the server said %d %s", e.Step, e.Code, said), " ")
}

func (e *Error) Unwrap() error { return e.Err }

// LogValue implements [slog.LogValuer]: the step, and the codes of the reply or why there is no
// connection. It has no words of the server, which may name the recipient.
func (e *Error) LogValue() slog.Value {
	why := strings.TrimSpace(strconv.Itoa(e.Code) + " " + e.Enhanced)
	if e.Code == 0 {
		why = "no reply"
		if e.Err != nil && (e.Step == StepConnect || e.Step == StepTLS) {
			why = letter.Line(e.Err.Error(), maxReplyText)
		}
	}
	return slog.StringValue("mail: " + string(e.Step) + ": " + why)
}

// errNoAddress says that neither the ticket nor the application knows an address.
var errNoAddress = plainError("mail: the recipient has no address")

// plainError is an error that names nobody.
type plainError string

func (e plainError) Error() string { return string(e) }

// LogValue implements [slog.LogValuer].
func (e plainError) LogValue() slog.Value { return slog.StringValue(string(e)) }

// maxReplyText limits how many characters of a reply an error repeats.
const maxReplyText = 300

// newError makes the error of a step from the error of the SMTP client.
func newError(step Step, err error) *Error {
	reply, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		return &Error{Step: step, Err: err}
	}
	e := &Error{Step: step, Code: reply.Code}
	var lines []string
	for line := range strings.SplitSeq(reply.Msg, "\n") {
		code, rest := enhanced(line, reply.Code)
		if e.Enhanced == "" {
			e.Enhanced = code
		}
		if code != "" && code == e.Enhanced {
			line = rest
		}
		lines = append(lines, line)
	}
	e.Text = letter.Line(strings.Join(lines, " "), maxReplyText)
	return e
}

// enhanced reads the enhanced status code (RFC 2034) at the start of a line, if its class
// is that of the reply code.
func enhanced(line string, code int) (status, rest string) {
	status, rest, _ = strings.Cut(strings.TrimSpace(line), " ")
	parts := strings.Split(status, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || parts[0] != strconv.Itoa(code/100) {
		return "", line
	}
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n > 999 {
			return "", line
		}
	}
	return status, rest
}

// marked returns the error as a [ticket.DeliveryFault] with its meaning for the
// desk. An error without a special meaning stays as it is.
func marked(err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case e.Sent:
		return &ticket.DeliveryFault{Err: err, MaybeDelivered: true}
	case errors.Is(err, errASCII):
		return &ticket.DeliveryFault{Err: err, Permanent: true}
	case errors.Is(err, errOwnASCII), errors.Is(err, errNotOffered):
		return &ticket.DeliveryFault{Err: err, SenderFault: true}
	}
	switch judge(e.Step, e.Code, e.Enhanced, e.Text) {
	case bounce:
		return &ticket.DeliveryFault{Err: err, Bounced: true}
	case permanent:
		return &ticket.DeliveryFault{Err: err, Permanent: true}
	case own:
		return &ticket.DeliveryFault{Err: err, SenderFault: true}
	default:
		return err
	}
}

// gone reports whether the server closes the connection with this reply.
func (e *Error) gone() bool { return e.Code == 0 || e.Code == 421 }

var errTimeout = fmt.Errorf("no reply in time: %w", context.DeadlineExceeded)
