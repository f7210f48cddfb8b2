// Package mailbox takes in mail and puts it on tickets.
package mailbox
