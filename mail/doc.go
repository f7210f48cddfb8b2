// Package mail delivers notifications by mail.
package mail
