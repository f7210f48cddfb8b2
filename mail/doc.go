// Package mail delivers notifications by mail: its [Notifier] words them with
// package letter and hands them to one SMTP server, with STARTTLS or TLS, and
// with connections that are used again.
//
// A letter says what it is about to machines as well. Its Message-ID is made from
// the ID of the delivery, and stays the same through all attempts; the Date is
// that of the event, so that a repeat is the same letter, byte for byte, as long
// as the ticket and the recipient's profile say the same. In-Reply-To names the
// letter before, and References also an ID that all letters about the ticket
// have in common, so that clients put them into one conversation.
// Auto-Submitted tells machines not to answer (RFC 3834).
//
// # What becomes of an error
//
// SMTP's replies (RFC 5321, RFC 3463) are read for what they mean to the next
// attempt:
//
//   - What names the mailbox, by 5.1.1 and the like or in words: Bounced,
//     in the [ticket.DeliveryFault] that the error is.
//   - What lies in the letter, such as its size (5xx): Permanent.
//   - What lies at the desk, however final the server says it: the credentials, the
//     sender, relaying, a quota, a reputation, and a 550 that says no more. It is
//     temporary, and a SenderFault, so that the log is loud. When it is mended,
//     the letters go out.
//   - A mailbox that is full (552, 5.2.2), 4xx, and faults of the network and of TLS
//     are temporary.
//   - No answer to the whole letter: MaybeDelivered.
//
// The page docs/mail-replies.md has the rules, with what servers say.
//
// A queue that several serve (see [Config].Address) gets a letter for each of them.
// As long as one is refused for now, the next attempt is for those who have not got
// it; where an address takes nothing, the others have got it all the same, and the
// delivery is given up with an error that names the address.
//
// Errors repeat what the server said, and hold neither the password nor what is
// in the letter. A server may name the recipient's address in them.
//
// # Files
//
// A letter names the files that came with the event, with their sizes, and no more:
// they are for the status page, or for whoever looks into the desk. With
// [Config].OpenAttachment those that an agent sent travel with the letters to customers, up to
// [Config].MaxAttachmentBytes bytes; what does not fit is only named. Letters that tell of a
// customer's own doing (received, uploaded, customer, reopened) carry no files. What
// is opened must be the file of the event: with another size or digest the attempt
// fails.
//
// # What comes in
//
// [NumberOf] reads the number out of a plus address, and the methods Ticket and
// Delivery of [Notifier] find what the Message-IDs in a reply belong to, and in what
// came back.
//
// # Caveats
//
// SMTP can deliver at least once, and no better. Where the connection breaks
// after the letter was sent, and before the server's last reply came, nobody
// knows whether it was taken. So that reply is waited for as long as
// [Config].DataTimeout says, and without it the letter is sent again seldom and late, and
// the history says "perhaps delivered". The repeat has the same
// Message-ID, by which many servers and clients tell.
//
// The server here takes letters on their way; it does not promise that they
// arrive. What a later server refuses comes back as a mail, to the sender's
// address or to [Config].Bounces, where the host must look.
//
// A letter is begun when there is a connection for it, and with its time left: the
// notifier is a [ticket.LimitedNotifier]. Its leases are as long as a letter to a slow server
// takes at most, a quarter of an hour by default, and so long after a process was
// killed its letters under way wait. Whatever is wrapped around the notifier should
// be Paced as well, or the lease of [ticket.Relay] must be as long.
//
// The Date is that of the event. A letter that was held up for hours shows
// when the event was, and not when it was sent.
package mail
