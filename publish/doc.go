// Package publish hands every event of a desk to a message broker.
package publish
