// Package restclient is a client of the REST interface, generated from its document. It shows
// that a generator understands the document, and its tests that the client works.
package restclient

//go:generate go tool oapi-codegen -config oapi-codegen.yaml -o client.gen.go ../../../rest/openapi.json
