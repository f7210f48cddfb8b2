module github.com/ticketkit/ticket/telemetry

go 1.26.0

replace github.com/ticketkit/ticket => ..
