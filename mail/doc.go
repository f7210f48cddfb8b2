// Package mail delivers notifications by mail. A [Notifier] words each notification
// with package letter and sends it to one SMTP server. Connections use STARTTLS or
// TLS, and are reused.
//
//	notifier, err := mail.New(mail.Config{
//		Host:     "smtp.example.org",
//		Username: "support", Password: mail.Secret(password),
//		From:     "Example Shop <support@example.org>",
//	})
//	if err != nil {
//		return err
//	}
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers: map[string]ticket.Notifier{"mail": notifier},
//	})
//
// # Headers
//
// The Message-ID is made from the ID of the delivery and is the same for all
// attempts. The Date is the time of the event. A repeated letter is therefore equal
// byte for byte, as long as the ticket and the recipient's profile are unchanged.
// In-Reply-To names the last mail that the recipient has sent since the previous letter
// ([ticket.Notification].Answers), or else the previous letter. The first letter therefore
// stands in the customer's own conversation. References has these mails, the previous
// letter, and an ID that all letters about the ticket share. Auto-Submitted
// tells machines not to answer (RFC 3834).
//
// # Errors
//
// The notifier reads each SMTP reply (RFC 5321, RFC 3463) and says in a
// [ticket.DeliveryFault] what it means for the next attempt:
//
//   - The reply rejects the mailbox, by 5.1.1 and similar codes or in words:
//     Bounced.
//   - The reply rejects the letter, for example its size (5xx): Permanent.
//   - The reply rejects the desk: its credentials, its sender address, relaying, a
//     quota or its reputation. This includes a 550 without an explanation. The error
//     is temporary even if the server calls it permanent. It is a SenderFault, so
//     that it is logged as an error. The letters are sent once the cause is fixed.
//   - A full mailbox (552, 5.2.2), any 4xx, and network and TLS errors are temporary.
//   - There was no reply to the complete letter: MaybeDelivered.
//
// The page docs/mail-replies.md lists the rules with real replies.
//
// A queue can have several addresses (see [Config].Address); each gets a letter. While
// an address is refused temporarily, the next attempts are for the addresses without a
// letter. If an address is refused permanently, the other addresses still get their
// letters, and the delivery ends with an error that names the address.
//
// Errors quote the server. They contain neither the password nor the text of the
// letter, but the server's words may contain the recipient's address.
//
// # Files
//
// A letter lists the files of the event with their sizes. The recipient opens them on
// the status page or in the desk. With [Config].OpenAttachment, files from agents are
// attached to letters to customers, up to [Config].MaxAttachmentBytes bytes in total;
// the rest is only listed. Letters that a customer caused (received, uploaded,
// customer, reopened) have no attachments. A file whose size or SHA-256 differs from
// that of the event fails the attempt.
//
// # Incoming mail
//
// With [Config].Addresses, replies and bounced letters come to signed addresses, which
// package replyaddress reads. [NumberOf] reads the ticket number from a plus address. [Notifier.Ticket] and
// [Notifier.Delivery] find the ticket and the delivery by the Message-IDs in a reply
// or in a bounced letter.
//
// # Caveats
//
// SMTP delivers at least once. If the connection breaks after the letter was sent and
// before the server replied, it is unknown whether the server accepted the letter.
// The notifier waits [Config].DataTimeout for that reply. Without it, the letter is
// repeated rarely and late, and the history says "perhaps delivered". The repeated
// letter has the same Message-ID, by which many servers and clients recognize it.
//
// The SMTP server accepts letters for forwarding; it does not guarantee that they
// arrive. A letter that a later server refuses is returned by mail to the sender's
// address, or to [Config].Bounces. Your application must read that mailbox.
//
// A letter starts only when a connection is free and enough time is left: the notifier
// is a [ticket.LimitedNotifier]. A letter to a slow server may take 14 minutes by
// default, and its lease is a third longer. After a process is killed, its letters
// wait for that long. A wrapper around the notifier should implement
// LimitedNotifier too; otherwise the lease in [ticket.Relay] must be as long.
//
// The Date is the time of the event, not the time of sending, even after a delay of
// hours.
package mail
