package ticket

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ticketkit/ticket/internal/chars"
)

// Numbers makes the numbers of a desk's tickets, for numbers in your own form, such
// as INC-000001. The zero Numbers means [NewNumber] and [ParseNumber].
//
// A number is printable ASCII of at most 32 bytes. It names one ticket among all
// tenants, so a counter for each tenant needs the tenant in the number. If a number
// is taken, the desk asks for another one, up to Config.Attempts times. A number
// is not used again if its ticket could not be opened, so there may be gaps.
//
// Numbers that can be guessed give no access: the policy decides who may see a
// ticket.
type Numbers struct {
	// New returns the next number. The desk calls it before the transaction that
	// writes the ticket. It must be safe for concurrent use. An error fails the
	// call.
	New func(ctx context.Context, tenant string) (Number, error)
	// Parse reads a number as people write and copy it, as leniently as you like.
	// It must return each number of New unchanged. An error means that the text is
	// no number; a [*NumberError] says why. Functions of package mail take it as
	// well, to read replies. Nil means that numbers are in upper case and that people write them
	// as they are, in any case; [ParseNumber] is tried as well. Parse needs New.
	Parse func(text string) (Number, error)
}

func (n Numbers) check() error {
	if n.Parse != nil && n.New == nil {
		return invalid("config.numbers", "needs New if it has Parse")
	}
	return nil
}

// draw returns the number of a new ticket, after a check that it can be stored and
// found again. Without a context it calls nothing, and returns any valid number.
func (d *Desk) draw(ctx context.Context, tenant string) (n Number, err error) {
	if ctx == nil {
		return NumberOf(0), nil
	}
	if d.cfg.Numbers.New == nil {
		return NewNumber(), nil
	}
	err = safely("Config.Numbers.New", func() error {
		n, err = d.cfg.Numbers.New(ctx, tenant)
		return err
	})
	if err != nil {
		return n, err
	}
	if err := n.check(); err != nil {
		return "", &InvalidError{Field: "number", Reason: "from Config.Numbers.New is not valid", Err: err}
	}
	if list, err := d.numbers(string(n)); len(list) == 0 || list[0] != n {
		must := "must be what Config.Numbers.Parse makes of it"
		if d.cfg.Numbers.Parse == nil {
			must = "must be in upper case and begin and end with a letter or digit; set Config.Numbers.Parse for other forms"
		}
		return "", &InvalidError{Field: "number", Reason: quote(string(n)) + " from Config.Numbers.New " + must, Err: err}
	}
	return n, nil
}

// numbers returns the numbers that a text can mean, the likeliest first, or an error
// if there are none.
func (d *Desk) numbers(text string) (list []Number, err error) {
	if d.cfg.Numbers.Parse != nil {
		var n Number
		err := safely("Config.Numbers.Parse", func() error {
			n, err = d.cfg.Numbers.Parse(text)
			return err
		})
		if err == nil {
			err = n.check()
		}
		switch {
		case err == nil:
			return []Number{n}, nil
		case errors.Is(err, ErrMistyped):
			return nil, err
		default:
			return nil, &NumberError{Input: text, Reason: "is no number of this desk", Err: err}
		}
	}
	// With New and without Parse, the text in upper case is the likeliest number. The
	// desk's own form comes second, since some numbers such as INC-000001 fit it too.
	own, err := ParseNumber(text)
	if d.cfg.Numbers.New != nil && len(text) <= maxNumberText {
		for _, text := range append([]string{text}, readings(text)...) {
			n := strings.ToUpper(chars.Tidy(strings.Map(narrow, text)))
			n = strings.TrimFunc(n, func(r rune) bool { return !inWord(r) })
			if n := Number(n); n.check() == nil && n != own && !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	if err == nil {
		list = append(list, own)
	}
	return list, err
}
