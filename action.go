package ticket

import "time"

// ActionName is the name of an action. The constants below are the actions of
// the [DefaultWorkflow]. A workflow may declare others.
type ActionName string

// The actions of the default workflow. The table of [DefaultWorkflow] says who may
// do each one, from which status, and with which content.
const (
	ActionOpen     ActionName = "open"      // opens the ticket; done by Desk.Open only
	ActionTake     ActionName = "take"      // assigns the ticket to the acting agent
	ActionAssign   ActionName = "assign"    // assigns the ticket to Action.Assignee
	ActionRelease  ActionName = "release"   // returns the ticket to its queue
	ActionReply    ActionName = "reply"     // sends Action.Message from the customer to the desk, or back
	ActionAsk      ActionName = "ask"       // asks the customer Action.Message and waits for a reply
	ActionHold     ActionName = "hold"      // pauses the ticket: Action.Reason, Action.Until
	ActionResume   ActionName = "resume"    // ends a hold
	ActionNote     ActionName = "note"      // records the internal Action.Note
	ActionEscalate ActionName = "escalate"  // moves the ticket to a higher level: Action.Note, perhaps Level and Queue
	ActionHandBack ActionName = "hand back" // moves the ticket to a lower level: Action.Note, perhaps Level and Queue
	ActionHandOver ActionName = "hand over" // moves the ticket to Action.Queue on the same level
	ActionResolve  ActionName = "resolve"   // solves the ticket: Action.Message is the solution, Action.Reason says how
	ActionConfirm  ActionName = "confirm"   // accepts the solution, for the customer
	ActionReopen   ActionName = "reopen"    // returns a finished ticket to work
	ActionClose    ActionName = "close"     // closes a solved ticket after the time to object
	ActionCancel   ActionName = "cancel"    // withdraws or rejects the ticket: Action.Reason
	ActionAmend    ActionName = "amend"     // corrects how a finished ticket is filed: Action.Note, perhaps Status, Level, Queue
	ActionMerge    ActionName = "merge"     // continues the ticket in Action.Ticket
	ActionUnmerge  ActionName = "unmerge"   // undoes a merge: both tickets are as they would be without it
	ActionSplit    ActionName = "split"     // opens a new ticket for a part of this one: Action.Draft
	ActionLink     ActionName = "link"      // links the ticket to another one: Action.Relation, Action.Ticket
	ActionUnlink   ActionName = "unlink"    // removes a link
	ActionEdit     ActionName = "edit"      // changes subject, grades, tags, fields or people: Action.Edit
	ActionPublish  ActionName = "publish"   // publishes the solution as a known problem, or changes it: Action.Known
	ActionWithdraw ActionName = "withdraw"  // takes back what was published

	// ActionClock is the action of events in which the desk itself records changes of clocks,
	// thresholds that only tell somebody, ends of snoozes, questions for feedback, and timers
	// that move because their calendar has changed. No workflow has it.
	ActionClock ActionName = "clock"

	// ActionErase and ActionArchive are the actions of events that record what [Desk.Erase]
	// has erased, and how far a finished ticket was put away. No workflow has them. A
	// [Policy] is asked about them.
	ActionErase   ActionName = "erase"
	ActionArchive ActionName = "archive"
)

// Action is one request to change a ticket, for [Desk.Do]. Name is always
// required. The workflow says which other fields an action requires. A field that
// the action does not use must be empty.
type Action struct {
	Name ActionName

	Message         Message      // text for the customer
	Attachments     []Attachment // files for the customer
	Note            Note         // internal text
	NoteAttachments []Attachment // internal files

	Level    int       // the new support level, where the action can choose one; zero means the next one
	Status   Status    // the new status, where the action can choose one
	Queue    string    // the new queue; empty means no change; cannot be erased
	Assignee string    // the ID of the agent who gets the ticket
	Reason   string    // why the ticket is on hold or cancelled, or how it was resolved, such as "first contact"
	Until    time.Time // when the desk ends a hold, or closes a resolved ticket, by itself; zero means the time of the workflow, by default never and after 7 days

	Ticket   ID       // the other ticket of a merge or a link
	Relation Relation // how the other ticket relates to this one, for a link
	Draft    *Draft   // the new ticket of a split
	Edit     *Edits   // the changes of an edit

	// Known is what ActionPublish makes known to all customers of the tenant.
	Known *KnownProblem

	// SolvedBy is the ticket whose solution helped to resolve this one; the zero ID means
	// none. It is for agents and for actions that solve a ticket. The actor must see that
	// ticket. Suggested says that the actor found it by [Desk.Similar]. Both are recorded
	// in the event, so that reports can tell how often suggestions help.
	SolvedBy  ID
	Suggested bool

	Channel Channel // how the action arrived

	// Automatic says that a machine wrote the text: an absence note, a bounce, a
	// monitor (RFC 3834 says how mail marks that). The text is recorded and the desk
	// is notified, but nothing moves, whatever the workflow says: no status, no
	// assignee, no timer, no follow-up. Customers do not get the text, and its
	// sender gets no notification about it. If the sender is an agent, the text does
	// not count as an answer.
	//
	// Automatic is refused with text for the actions Merge, Unmerge, Split, Link,
	// Unlink and Edit, and together with a field that moves the ticket, such as
	// Queue, Status or Level. Without a message or a file, it changes nothing about
	// an action.
	Automatic bool

	// Quiet says that no letter answers the action: its sender gets no notification about
	// it, such as a confirmation, and neither does the requester for whom a ticket was
	// opened. Otherwise the words count as a person's, unlike those that are Automatic. It is
	// for mails that ask for no answer, as by X-Auto-Response-Suppress, and for those of lists.
	Quiet bool

	// MessageID is the Message-ID of the mail that brought the action, without angle
	// brackets: up to 500 printable ASCII characters. The desk's next letter to the sender
	// answers it, so that both stand in one thread; see [Notification].Answers. No customer
	// sees it. It is erased with the [Identities] of the event.
	MessageID string

	// Version is the version of the ticket that the actor saw. If the ticket has
	// changed since, Do returns a [*StaleError] that lists the changes. Zero means
	// any version.
	Version int64

	// Key makes the action idempotent: a repeat with the same key in the same
	// tenant changes nothing and returns the ticket. The same key with a different
	// request is a [*DuplicateError]; Version may differ. The desk remembers keys for
	// Config.ReceiptAge. A key has at most 200 bytes. Empty means that a repeat is a
	// new action.
	Key string
}

// Edits is a change to the data of a ticket, for [ActionEdit]. Nil and empty fields
// change nothing. An edit that leaves the ticket as it is records no event, so
// the same edit twice is the same as once. An edit that contradicts itself, such
// as a tag both to add and to remove, is [ErrInvalid].
type Edits struct {
	Subject    string
	Priority   Grade // no longer follows from impact and urgency
	Impact     Grade
	Urgency    Grade
	Requester  Person // the new requester, who is notified
	AddTags    []string
	RemoveTags []string
	Fields     Fields   // a nil value removes the field
	Follow     []Person // new followers, who are notified
	Unfollow   []Person // followers to remove
	// Snooze is when the desk reminds the assignee, or the queue if there is none. A time that
	// has passed means at once, and the zero time ends the snooze. A message of a customer ends
	// it early, and so does the end of the work; a finished ticket takes none. It changes no
	// clock.
	Snooze *time.Time
	// LegalHold begins or ends a legal hold: while it lasts, nothing of the ticket is erased or
	// moved out. For agents and systems.
	LegalHold *bool
}

// Draft is a ticket to be opened, for [Desk.Open] and [ActionSplit]. It requires a
// subject and a requester; if the actor is a requester, it is that person. A
// requester may set every field that is not reserved for others below, priority
// and queue included: your application decides what its form offers.
type Draft struct {
	Requester Person
	Followers []Person
	Subject   string

	Message     Message // the customer's text
	Attachments []Attachment

	// From is the number of an event of the ticket that is split. The new ticket
	// takes the text and files of that event in place of Message and Attachments. A
	// customer must have written them, and the history of the new ticket names that
	// customer ([Identities].Author). If they belong to another customer and the
	// new requester cannot read them already, the split is refused, unless Followers
	// names the new requester too, which allows it to read them.
	From int64 `json:",omitempty"`

	Note Note // internal text; for agents and systems only

	// Solution opens and resolves the ticket in one commit, for a question that is
	// answered while the customer is on the line. The resolution of the ticket is
	// then "first contact". For agents only.
	Solution Message
	// SolvedBy and Suggested are those of the [Action] that resolves the ticket. They
	// require a Solution.
	SolvedBy  ID   `json:",omitzero"`
	Suggested bool `json:",omitempty"`

	Channel   Channel
	Automatic bool // a machine wrote the text, which may open a ticket; see Action.Automatic
	Quiet     bool `json:",omitempty"` // the requester gets no confirmation; see Action.Quiet

	// MessageID is the Message-ID of the requester's mail; see Action.MessageID. A split with
	// From takes that of the event.
	MessageID string `json:",omitempty"`

	// Priority is fixed if it is set. Zero means that it follows from Impact and
	// Urgency, also when these change. It is then their mean, rounded up (high
	// and low give medium, high and high give high). If only one of them is set,
	// it is that one. If neither is set, it is medium.
	Priority Grade
	Impact   Grade
	Urgency  Grade

	Level    int      // zero means the first; for agents and systems only
	Queue    string   // the department, if known; cannot be erased
	Tags     []string // for agents and systems only
	Fields   Fields
	Workflow string // the name of the workflow; empty means the desk's first
	Key      string // makes Open idempotent; see Action.Key
}

// firstContact is the reason that the desk records for a [Draft].Solution.
const firstContact = "first contact"
