// Package replyaddress makes and reads signed mail addresses: reply addresses, which say
// which ticket a mail belongs to and whom the address was made for, and bounce addresses,
// which say which delivery came back.
//
//	addresses, err := replyaddress.New(replyaddress.Config{
//		Mailbox: "support@example.org",
//		Bounces: "bounces@example.org",
//		Keys:    []replyaddress.Key{{ID: 1, Secret: secret}},
//	})
//
// The two mailboxes must accept plus addresses, in which a server ignores the part from the
// plus sign on. A reply address has the ticket number after the plus, and then 34 symbols:
//
//	support+7Q4K92MXF07hekdxj9dpy77xpn7ajs3gwngp8z05rf4@example.org
//
// These are the ID of the key, four bytes that stand for the person, and a MAC of 16
// bytes, which is the first half of an HMAC-SHA-256. The MAC covers the tenant, the number,
// the person and the [Kind]. A bounce address has the ID of the key, the ID of the delivery
// and a MAC of 12 bytes in 47 symbols. Servers may change the case of an address, so
// addresses are read in any case. Nobody can make an address without a key, and an address
// contains no name and no other address.
//
// An address does not expire. A person who has an address can give it to others, and it is
// in every letter that is forwarded. It therefore says which ticket is meant, and whom the
// desk wrote to. It gives no permission: compare the sender of the mail with the people
// on the ticket, and verify the sender before you take a mail as an agent's.
//
// # Changing keys
//
// The first key of [Config].Keys makes addresses, and all keys verify them. To replace a
// key, put a new one with a new ID first. Keep the old one as long as replies to old letters
// shall find their ticket. Replies to addresses of a removed key are read as addresses with
// a number and no signature.
package replyaddress
