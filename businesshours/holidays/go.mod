module github.com/ticketkit/ticket/businesshours/holidays

go 1.26.0

replace github.com/ticketkit/ticket => ../..

require (
	github.com/rickar/cal/v2 v2.1.13
	github.com/stretchr/testify v1.12.1
	github.com/ticketkit/ticket v0.0.0-00010101000000-000000000000
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
