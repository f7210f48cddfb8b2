package ticket

// Profile is what a host knows of a recipient beyond what the ticket's snapshot
// says: the address of an agent or a queue, a new address of a customer, the
// locale and the time zone, what a person wants to be told.
type Profile struct {
	// Person replaces what the ticket says, field by field; empty fields leave it
	// as it is. For a queue that several serve, the notifier of package mail takes
	// several addresses as well, with commas between them.
	Person Person
	// Unwanted says that the person does not want to be told this kind. The
	// delivery is then suppressed.
	Unwanted bool
}
