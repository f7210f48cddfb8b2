package mail

import (
	"errors"
	"mime"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/plusaddress"
)

// plusAddress returns the reply address for a ticket. If the number does not fit, it
// returns the mailbox itself: the subject has the number as well.
func plusAddress(base string, n ticket.Number) string {
	local, domain := split(base)
	if local += "+" + plusNumber(n); len(local) > maxLocal {
		return base
	}
	return local + "@" + domain
}

// plusNumber returns a number as it is written after a plus.
func plusNumber(n ticket.Number) string {
	return plusaddress.Encode(string(n), func(short string) bool {
		read, err := ticket.ParseNumber(short)
		return err == nil && read == n
	})
}

// NumberOf reads the ticket number from an address that a reply was sent to, with or
// without a name: support+7Q4K92MXF@example.org. It is as lenient as [ticket.ParseNumber].
// An address without a number is a [*ticket.NumberError]. For numbers in another format
// use [AddressNumber].
//
// Knowing the address proves nothing about the sender: your application must check whether
// the sender may write to the ticket.
func NumberOf(address string) (ticket.Number, error) {
	return AddressNumber(address, ticket.ParseNumber)
}

// AddressNumber is like [NumberOf], for numbers in another format. Function parse reads
// the number, like [ticket.Numbers].Parse; nil means [ticket.ParseNumber]. It must accept
// letters in any case, because mail servers may change it.
func AddressNumber(address string, parse func(text string) (ticket.Number, error)) (ticket.Number, error) {
	if len(address) > 1000 {
		return "", &ticket.NumberError{Input: address[:40], Reason: "is too long for an address"}
	}
	s := address
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	local, domain := split(s)
	i := strings.LastIndexByte(local, '+')
	if domain == "" || i < 0 {
		return "", &ticket.NumberError{Input: address, Reason: "is not an address with a number after a plus"}
	}
	return number(plusaddress.Decode(strings.Trim(local[i+1:], `"`)), parse)
}

// SubjectNumber reads the ticket number from the subject of a reply, encoded as in the
// header or decoded: "Re: [7Q4K-92MX-F] Printer". It returns the first text in square
// brackets that parse accepts; parse is as in [AddressNumber]. If there is none, parse
// gets the whole subject. A subject without a number is a [*ticket.NumberError].
//
// The number says which ticket is meant, not whether the sender may write to it.
func SubjectNumber(subject string, parse func(text string) (ticket.Number, error)) (ticket.Number, error) {
	if len(subject) > 10_000 {
		return "", &ticket.NumberError{Input: subject[:40], Reason: "is too long for a subject"}
	}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(subject); err == nil {
		subject = decoded
	}
	for rest := subject; ; {
		_, after, found := strings.Cut(rest, "[")
		if !found {
			break
		}
		rest = after
		inside, _, found := strings.Cut(after, "]")
		if !found {
			break
		}
		if n, err := number(inside, parse); err == nil {
			return n, nil
		}
	}
	return number(subject, parse)
}

// number calls parse, and returns its failures as one of two error types.
func number(text string, parse func(string) (ticket.Number, error)) (ticket.Number, error) {
	if parse == nil {
		parse = ticket.ParseNumber
	}
	n, err := parse(text)
	switch {
	case err == nil && n != "":
		return n, nil
	case errors.Is(err, ticket.ErrMistyped):
		return "", err
	default:
		return "", &ticket.NumberError{Input: text, Reason: "is not a ticket number of this desk", Err: err}
	}
}
