package mail

import "github.com/ticketkit/ticket"

// Compose makes the letter for a notification without sending it.
func (m *Notifier) Compose(n ticket.Notification) (to string, message []byte, err error) {
	list, err := m.recipients(n)
	if err != nil {
		return "", nil, err
	}
	e, err := m.compose(n, list[0], nil)
	return e.to, e.message, err
}
