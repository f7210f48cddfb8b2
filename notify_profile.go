package ticket

// Profile holds data about a recipient that your application has in addition to the
// ticket: the address of an agent or a queue, a new address of a customer, the
// locale and the time zone, and the kinds of notification that a person wants.
type Profile struct {
	// Person replaces the person of the ticket field by field. Empty fields change
	// nothing. The notifier of package mail also takes several addresses for a
	// queue, separated by commas.
	Person Person
	// Unwanted says that the person does not want notifications of this kind. The
	// delivery is suppressed.
	Unwanted bool
}
