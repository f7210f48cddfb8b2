package mail

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// Step is a step of the conversation with the server.
type Step string

// The steps.
const (
	StepConnect Step = "connect"      // the network, TLS from the start, and the greeting
	StepHello   Step = "hello"        // EHLO
	StepTLS     Step = "STARTTLS"     // and the handshake after it
	StepAuth    Step = "authenticate" // AUTH
	StepSender  Step = "sender"       // MAIL
	StepTo      Step = "recipient"    // RCPT
	StepMessage Step = "message"      // DATA, the letter, and the reply to it
)

// Error is why a letter could not be handed to the server. What it means for the
// next attempt, [Notifier.Notify] marks; see the package's comment.
type Error struct {
	Step     Step
	Code     int    // of the server's reply, such as 550; 0: there was none
	Enhanced string // of the reply, such as "5.1.1"; may be empty
	Text     string // of the reply, on one line
	Err      error  // what happened where there was no reply
	Sent     bool   // the whole letter was sent before that: nobody knows whether it was taken
}

func (e *Error) Error() string {
	if e.Code == 0 {
		// What happened may have the server's words in it as well.
		step := string(e.Step)
		if e.Sent {
			step += ": the letter was sent, and then"
		}
		return fmt.Sprintf("mail: %s: %s", step, letter.Line(e.Err.Error(), mostSaid))
	}
	said := strings.Join(strings.Fields(e.Enhanced+" "+e.Text), " ")
	return strings.TrimRight(fmt.Sprintf("mail: %s: the server said %d %s", e.Step, e.Code, said), " ")
}

func (e *Error) Unwrap() error { return e.Err }

// The most characters of what a server said that an error repeats.
const mostSaid = 300

// newError makes the error of a step from what the client returned.
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
	e.Text = letter.Line(strings.Join(lines, " "), mostSaid)
	return e
}

// enhanced reads the enhanced status code (RFC 2034) that a line begins with,
// where it is of the class that the reply's code is of.
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

// marked is the error as the desk wants it.
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

// gone reports whether the server ends the connection with this reply.
func (e *Error) gone() bool { return e.Code == 0 || e.Code == 421 }

var errTimeout = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
