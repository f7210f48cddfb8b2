package ticket

// Profile is what a host knows of a recipient beyond what the ticket's snapshot
// says: the address of an agent or a queue, a new address of a customer, the
// locale and the time zone, what a person wants to be told.
type Profile struct {
	// Person replaces what the snapshot says, field by field; empty fields leave
	// it as it is.
	Person Person
	// Unwanted says that the person does not want to be told this kind. The
	// delivery is then suppressed.
	Unwanted bool
}
