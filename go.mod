module github.com/ticketkit/ticket

go 1.26.0

require github.com/oklog/ulid/v2 v2.1.2

require (
	github.com/looplab/fsm v1.0.3
	github.com/stretchr/testify v1.12.1
	golang.org/x/net v0.60.0
	golang.org/x/text v0.43.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
