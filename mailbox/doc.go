// Package mailbox takes in mail and puts it on tickets.
//
// # What is read from a mail
//
// A mail has at most 40 MiB, 256 KiB of header, 500 parts and 30 levels of parts, attached
// messages included. The words are those of the plain text, or else of the HTML. Bytes that
// do not fit the declared charset are read as UTF-8 or windows-1252; a wrong charset fails
// no mail. At most 1 MiB is read as text. Everything else is a file, also an attached
// message; files keep their names, except for paths and characters that mislead.
//
// A quote at the end is left out only if it is certainly of a letter of the desk: the mail
// answers that letter, every line of the quote begins with ">", and the quote has the number
// of a ticket, or the line above it names an address that the mail was sent to. Quotes
// without ">", as of Outlook, and those with an answer between or below the lines stay.
//
// The fingerprint is the SHA-256 of the Message-ID, the sender, the date, the subject and
// the decoded bodies. A copy of a mail that came another way has the same fingerprint.
package mailbox
