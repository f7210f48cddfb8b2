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
//   - The address takes nothing (550, 551, 553 and 556 to RCPT, 5.1.x, 5.2.1):
//     [ticket.Bounce].
//   - A refusal for another reason, such as the words, the size or a policy (5xx):
//     [ticket.Permanent].
//   - A mailbox that is full (552, 5.2.2) is temporary, whatever the first digit:
//     its owner can make room, and RFC 3463 calls it a persistent transient
//     failure.
//   - 4xx, faults of the network and of TLS, and timeouts are temporary.
//   - So is everything that lies in the configuration, however final the server
//     says it: the greeting, the authentication (535), the sender's address, and
//     5.1.7 and 5.1.8, wherever they come. When it is mended, the letters go out.
//
// A queue that several serve (see [Config].Address) gets a letter for each of them.
// As long as one is refused for now, the next attempt is for those who have not got
// it; where an address takes nothing, the others have got it all the same, and the
// delivery is given up with an error that names the address.
//
// Errors repeat what the server said, and hold neither the password nor what is
// in the letter. A server may name the recipient's address in them.
//
// # Caveats
//
// SMTP can deliver at least once, and no better. Where the connection breaks
// after the letter was sent, and before the server's last reply came, nobody
// knows whether it was taken, so it is sent again. The repeat has the same
// Message-ID, by which many servers and clients tell.
//
// The server here takes letters on their way; it does not promise that they
// arrive. What a later server refuses comes back as a mail, to the sender's
// address or to [Config].Bounces, where the host must look.
//
// An attempt ends with its context, which [ticket.Relay].Lease bounds: three
// quarters of a minute unless the host says otherwise. Where a server takes
// longer to look a letter over, it needs a longer lease and Timeout, or it gets
// letters twice.
//
// The Date is that of the event. A letter that was held up for hours shows
// when the event was, and not when it was sent.
package mail
