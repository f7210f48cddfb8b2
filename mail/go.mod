module github.com/ticketkit/ticket/mail

go 1.26.0

replace github.com/ticketkit/ticket => ..
