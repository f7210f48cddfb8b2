package mail

import "github.com/ticketkit/ticket"

// Compose makes the letter for a notification without sending it.
func (m *Notifier) Compose(n ticket.Notification) (to string, message []byte, err error) {
	e, err := m.compose(n)
	return e.to, e.message, err
}
