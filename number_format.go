package ticket

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Numbers makes a desk's numbers a form of the host's own, such as INC-000001.
// The zero Numbers means the desk's own form; see [Number]. Else both are needed.
//
// A number is of printable ASCII and of at most 32 bytes, and means one ticket of
// all tenants: a counter for each tenant needs the tenant in the number. One that
// is taken is drawn again, up to Config.Attempts times. What was drawn for a
// ticket that was not opened after all is not used again, so there may be gaps.
//
// Numbers that can be guessed are no danger by themselves: whoever knows one
// still has to be allowed to see the ticket.
type Numbers struct {
	// New gives the next number. It is called while the desk decides, not within
	// the transaction that writes the ticket, and must be safe for concurrent
	// use. An error fails the call.
	New func(ctx context.Context, tenant string) (Number, error)
	// Parse reads a number as people write and copy it, and is as lenient as it
	// likes. Of what New gives it must return the same. An error means that this
	// can be no number; a [*NumberError] says why. Package mail takes it as well, to
	// read replies.
	Parse func(text string) (Number, error)
}

func (n Numbers) check() error {
	if n.Parse != nil && n.New == nil {
		return invalid("config.numbers", "has Parse and needs New as well")
	}
	return nil
}

// draw gives the number of a new ticket, and sees to it that it can be stored and
// found again. Without a context nothing is to be used up, and the number is only
// one of the form.
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
			must = "must be in capitals and begin and end with a letter or digit; set Config.Numbers.Parse for other forms"
		}
		return "", &InvalidError{Field: "number", Reason: quote(string(n)) + " from Config.Numbers.New " + must, Err: err}
	}
	return n, nil
}

// numbers returns the numbers that a text can mean, the likeliest first; none,
// with an error, if it can be none.
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
	// Where the host gives numbers and says nothing of their form, a text is taken
	// as it is, in capitals; and only then for one of the desk's form, as which
	// INC-000001 might pass.
	own, err := ParseNumber(text)
	if d.cfg.Numbers.New != nil && len(text) <= maxNumberText {
		for _, text := range append([]string{text}, readings(text)...) {
			n := strings.ToUpper(tidyName(strings.Map(narrow, text)))
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
