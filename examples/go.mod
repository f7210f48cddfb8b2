module github.com/ticketkit/ticket/examples

go 1.26

replace github.com/ticketkit/ticket => ../

require (
	github.com/stretchr/testify v1.12.1
	github.com/ticketkit/ticket v0.0.0-00010101000000-000000000000
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/looplab/fsm v1.0.3 // indirect
	github.com/oklog/ulid/v2 v2.1.2 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.45.0 // indirect
)
