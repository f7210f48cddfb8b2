// Package letter words notifications: it turns a [ticket.Notification] into a
// subject, a plain text and an HTML text, in English or German.
//
// The words are templates of text/template and html/template, one pair for every
// kind and language. All of them can be replaced, one by one, and languages
// added; see [Config].Templates. [New] parses every template and executes it on
// full and on sparse data, so that a missing or a broken one is found at the
// start, with all faults in one error.
//
// # Files
//
// In the folder of each language, such as "de", every one both as .txt and .html:
//
//	received uploaded answered asked customer handed-on solved reopened closed
//	cancelled merged                      for customers
//	agent-assigned agent-queued agent-escalated agent-customer
//	agent-copy                            for agents; the last for copies of the customers' kinds
//	parts                                 blocks that the others share, such as "top" and "bottom"
//
// and words.txt, which has single words for both forms. Templates are executed on
// [Data]. Who replaces one should replace both its forms, or readers of HTML see
// other words than readers of text. The subject and both forms must show the
// number, {{.Number}}.
//
// What is in the letters comes from people, some of them hostile. Subjects,
// names and names of files are brought onto one line and lose what does not
// show (see [Line]), HTML is escaped where it stands, only addresses with http
// or https become links, and nothing is loaded from elsewhere.
//
// # Caveats
//
// A letter that confirms a request quotes it, to an address that perhaps never
// wrote: a form that is open to everybody can be used to send somebody words.
// The caps of [ticket.SendLimits] bound that. A host that wants to exclude it
// replaces received.txt and received.html with ones that quote nothing.
//
// The subject of all letters about one ticket is the same, because some clients
// put only such letters into one conversation. What a letter is about stands in
// its first sentence. A host that replaces the first line of a template decides
// otherwise.
package letter
