// Package letter words notifications: it turns a [ticket.Notification] into a subject,
// a plain text and an HTML text, in English or German.
//
//	letters, err := letter.New(letter.Config{Desk: "The Example Shop"})
//	if err != nil {
//		return err
//	}
//	l, err := letters.Write(notification) // l.Subject, l.Text, l.HTML
//
// Package text/template executes the text templates and package html/template the HTML
// templates, one pair for each kind and language. Your application can replace single
// templates and add languages; see [Config].Templates. [New] parses every template and
// executes it on full and on sparse data, so that a missing or broken template is
// found at startup. All faults are joined into one error.
//
// # Template files
//
// The folder of each language, such as "de", has these templates, each as .txt and
// .html:
//
//	received uploaded answered asked customer handed-on solved reopened closed
//	cancelled merged added rescheduled link feedback due-soon overdue
//	                                      for customers
//	agent-assigned agent-queued agent-escalated agent-customer agent-unassigned
//	agent-reminder agent-rated agent-due-soon agent-overdue
//	agent-copy                            for agents; the last for copies of the customers' kinds
//	parts                                 blocks shared by the others, such as "top" and "bottom"
//
// and words.txt, with the words for both forms: "expected" says when to expect an answer,
// "promise" says for a customer which target is due soon or overdue, and "target" says it
// for an agent. "answerwords" tells an agent how to answer the customer by mail. Templates
// are executed on [Data].
// Replace both forms of a template, or readers of HTML and of text see different
// words. The subject and both forms must show the number, {{.Number}}.
//
// # Untrusted text
//
// The content of letters comes from people, some of them hostile. Subjects, names and
// file names become one line without invisible characters (see [Line]). HTML is escaped
// by context. Only http and https addresses become links. Nothing is loaded from other
// servers.
//
// # Caveats
//
// A confirmation quotes the request, and its recipient may not be its sender: a public
// form can be used to send words to a stranger. [ticket.SendLimits] limit how many. To
// exclude it, replace received.txt and received.html with templates that quote
// nothing.
//
// All letters about one ticket have the same subject, because some clients group
// letters only by subject. The first sentence says what a letter is about. To change
// this, replace the first line of the templates.
package letter
