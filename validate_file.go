package ticket

import "github.com/ticketkit/ticket/internal/chars"

// file returns the name of a file in a form that every system can store and that
// does not mislead people.
func (c *check) file(field, s string) string {
	c.letters(field, s)
	if c.err != nil {
		return s
	}
	s, fault := chars.FileName(s)
	if fault != "" {
		c.fail(field, "%s", fault)
	}
	return s
}
