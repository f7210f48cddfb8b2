package mail

import (
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// plusAddress is the address for replies about a ticket. Where the number leaves
// it no room it is the mailbox itself: the subject has the number as well.
func plusAddress(base string, n ticket.Number) string {
	local, domain := split(base)
	if local += "+" + plusNumber(n); len(local) > maxLocal {
		return base
	}
	return local + "@" + domain
}

// plusNumber is a number as it stands after a plus: one of the desk's own form
// without its dashes, one of another form as it is, with "=" and two hexadecimal
// digits for what many servers refuse before the @.
func plusNumber(n ticket.Number) string {
	short := strings.ReplaceAll(string(n), "-", "")
	if read, err := ticket.ParseNumber(short); err == nil && read == n {
		return short
	}
	var b strings.Builder
	for _, c := range []byte(n) {
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// fromPlus undoes plusNumber, as far as its dashes are not needed.
func fromPlus(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// NumberOf reads the number out of an address that a reply was sent to, with a
// name or without: support+7Q4K92MXF@example.org. It is as lenient about the
// number as [ticket.ParseNumber]. An address without one is a
// [*ticket.NumberError]. For numbers of another form there is [AddressNumber].
//
// Whoever knows the address knows the number, and no more: the host must find
// out whether the sender may write to the ticket.
func NumberOf(address string) (ticket.Number, error) {
	return AddressNumber(address, ticket.ParseNumber)
}

// AddressNumber is [NumberOf] for a desk with numbers of another form, which parse
// reads: what [ticket.Numbers].Parse is; nil is [ticket.ParseNumber]. The case of
// letters may have been lost on the way.
func AddressNumber(address string, parse func(text string) (ticket.Number, error)) (ticket.Number, error) {
	if len(address) > 1000 {
		return "", &ticket.NumberError{Input: address[:40], Reason: "is far too long for an address"}
	}
	s := address
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	local, domain := split(s)
	i := strings.LastIndexByte(local, '+')
	if domain == "" || i < 0 {
		return "", &ticket.NumberError{Input: address, Reason: "is no address with a number after a plus"}
	}
	return number(fromPlus(strings.Trim(local[i+1:], `"`)), parse)
}

// SubjectNumber reads the number out of the subject of a reply, as it stands in the
// mail's header or decoded: "Re: [7Q4K-92MX-F] Printer". It is the first that stands
// in square brackets, as in the letters of package letter, and that parse reads, which
// is as in [AddressNumber]. Without brackets, all of it must be
// the number for parse. A subject without one is a [*ticket.NumberError].
//
// What holds for an address holds here: it says which ticket is meant, and not
// that the sender may write to it.
func SubjectNumber(subject string, parse func(text string) (ticket.Number, error)) (ticket.Number, error) {
	if len(subject) > 10_000 {
		return "", &ticket.NumberError{Input: subject[:40], Reason: "is far too long for a subject"}
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

// number is what parse makes of a text; its errors are of one type.
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
		return "", &ticket.NumberError{Input: text, Reason: "is no number of this desk", Err: err}
	}
}
