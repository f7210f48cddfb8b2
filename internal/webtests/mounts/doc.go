// Package mounts tests the handlers in the routers that many applications have. It has tests
// only.
package mounts
