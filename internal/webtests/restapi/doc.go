// Package restapi compares the responses of the REST interface with its document. It has tests
// only.
package restapi
