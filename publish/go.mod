module github.com/ticketkit/ticket/publish

go 1.26.0

replace github.com/ticketkit/ticket => ..
