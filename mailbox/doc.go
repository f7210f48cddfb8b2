// Package mailbox takes in mail and puts it on tickets: from IMAP servers, from your own mail
// server by LMTP or a pipe, or as bytes that your application has.
//
//	in, err := mailbox.New(mailbox.Config{
//		Desk: desk, Store: store, Files: files,
//		Mailboxes: []mailbox.Mailbox{{
//			Name:      "support",
//			Addresses: []string{"support@example.org"},
//			Replies:   addresses, // the same as those of the notifier
//			IMAP:      &mailbox.IMAP{Addr: "imap.example.org:993", Username: "support", Password: password},
//		}},
//	})
//	if err != nil {
//		return err
//	}
//	return in.Run(ctx)
//
// # How a mail goes
//
// A mail is stored first: its bytes in the file store, and a [ticket.Mail] in the store. Only
// then the source hears that it was taken: the flag or the move on the IMAP server, 250 by
// LMTP, exit status 0. Then [Intake.Run] of any process reads the mail, decides, and commits.
// The fingerprint of the mail is the key of what it does, so it is done exactly once, even
// if the process ends at any moment.
//
// Every mail ends in one state, and none disappears: it is on a ticket (done), was taken before
// (repeated), changes nothing by a rule (ignored), or waits for a person (held). The record
// says why, and [Intake.Explain] says it without doing anything. See docs/mail.md for the rules.
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
//
// # Trust
//
// Everybody can write any address into From. So a customer's mail only does what a customer may do
// who answers, and never more than a note if the server says that From is forged. An agent's mail
// needs both a verified address and a signed address that was made for this agent. No
// field of a mail is a command.
package mailbox
