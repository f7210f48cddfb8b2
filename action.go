package ticket

import "time"

// ActionName names what an actor asks for. A workflow may have others than
// these, which are those of the default one.
type ActionName string

// The actions of the default workflow. Who may do which, from which status and
// with what content is in the table of [DefaultWorkflow].
const (
	ActionOpen     ActionName = "open"      // made by Desk.Open, never by Do
	ActionTake     ActionName = "take"      // the agent works on it from now on
	ActionAssign   ActionName = "assign"    // another agent does: Action.Assignee
	ActionRelease  ActionName = "release"   // back to the queue
	ActionReply    ActionName = "reply"     // words between customer and desk: Action.Message
	ActionAsk      ActionName = "ask"       // a question; the customer's turn: Action.Message
	ActionHold     ActionName = "hold"      // wait for something else: Action.Reason, Action.Until
	ActionResume   ActionName = "resume"    // go on with it
	ActionNote     ActionName = "note"      // words inside the desk: Action.Note
	ActionEscalate ActionName = "escalate"  // to a higher level: Action.Note, perhaps Level and Queue
	ActionHandBack ActionName = "hand back" // to a lower level: Action.Note, perhaps Level and Queue
	ActionHandOver ActionName = "hand over" // to another queue of the same level: Action.Queue
	ActionResolve  ActionName = "resolve"   // solved: Action.Message is the solution, Action.Reason how
	ActionConfirm  ActionName = "confirm"   // the customer agrees
	ActionReopen   ActionName = "reopen"    // it is not solved after all
	ActionClose    ActionName = "close"     // nobody objected
	ActionCancel   ActionName = "cancel"    // withdrawn, or not to be done: Action.Reason
	ActionAmend    ActionName = "amend"     // put right how a finished ticket is filed: Action.Note, perhaps Status, Level, Queue
	ActionMerge    ActionName = "merge"     // goes on in another ticket: Action.Ticket
	ActionUnmerge  ActionName = "unmerge"   // undo a merge: both tickets are what they would be without it
	ActionSplit    ActionName = "split"     // a part of it becomes a ticket of its own: Action.Draft
	ActionLink     ActionName = "link"      // tie it to another ticket: Action.Relation, Action.Ticket
	ActionUnlink   ActionName = "unlink"    // undo a link
	ActionEdit     ActionName = "edit"      // subject, grades, tags, fields, followers: Action.Edit
)

// Action is what an actor asks for: plain data. Name is always needed; which of
// the other fields are needed is for the workflow to say, and a field that the
// action has no use for must be left empty.
type Action struct {
	Name ActionName

	Message         Message      // words for the customer
	Attachments     []Attachment // files the customer may have
	Note            Note         // words inside the desk
	NoteAttachments []Attachment // files inside the desk

	Level    int       // the support level to go to, where the action chooses one; 0: the next one
	Status   Status    // the status to go to, where the action chooses one
	Queue    string    // the queue to go to; empty: the same; it cannot be erased
	Assignee string    // the agent to have it
	Reason   string    // in a word: why on hold, why cancelled, how resolved; it stands in the digest and cannot be erased
	Until    time.Time // when to go on by itself; zero: not by itself

	Ticket   ID       // the other ticket, of a merge or a link
	Relation Relation // what the other ticket is to this one, of a link
	Draft    *Draft   // the new ticket, of a split
	Edit     *Edits   // the changes, of an edit

	Channel Channel // how it came in

	// Automatic says that a machine wrote the words: an absence note, a bounce, a
	// monitor (RFC 3834 tells how mail shows that). They are recorded and the desk
	// is told, but they move nothing, whatever the workflow says: no status, no
	// assignee, no timer, no follow-up. Customers are not sent them, and their
	// sender is sent nothing because of them. An agent's are no answer.
	//
	// It has no use for Merge, Unmerge, Split, ActionLink, Unlink and Edit, nor beside
	// anything that says where to move, such as Queue, Status and Level. Without a
	// message or a file it changes nothing of what an action does.
	Automatic bool

	// Version pins the action to what the actor saw: with any other version of
	// the ticket it is refused with a [*StaleError] that says what changed. 0:
	// whatever the version is.
	Version int64

	// Key makes the action happen once, however often it is sent: a repeat with
	// the same key in the same tenant changes nothing and returns the ticket.
	// The same key with something else is a [*DuplicateError]. It is remembered
	// for Config.ReceiptAge. At most 200 bytes; empty: no such promise.
	Key string
}

// Edits is a change to what a ticket says of itself. Nil and empty fields change
// nothing. Where the ticket is as it would be afterwards, nothing happens: the same
// edit twice is the same as once. What contradicts itself, such as a tag to add
// and to remove, is [ErrInvalid]. Tags stand in the
// digest and cannot be erased.
type Edits struct {
	Subject    string
	Priority   Grade // stays from now on, whatever impact and urgency become
	Impact     Grade
	Urgency    Grade
	Requester  Person // the person it is really for, who is told of it
	AddTags    []string
	RemoveTags []string
	Fields     Fields   // a nil value removes the field
	Follow     []Person // they are told of it
	Unfollow   []Person
}

// Draft is a ticket to be opened. A subject is needed, and a requester, who is
// the actor where the actor is one. A requester may set everything that is not
// said to be for others, the priority and the queue included: the host decides
// what its form offers.
type Draft struct {
	Requester Person
	Followers []Person
	Subject   string

	Message     Message // what the customer says
	Attachments []Attachment

	// From takes the words of a split from the ticket: those, and the files, of
	// the event with this number, which a customer said. The new ticket's history
	// says who ([Identities].Author). Instead of a Message and Attachments. A requester
	// who may not read them already, because they are another customer's, is
	// refused, unless Followers names it too: that is to say that it shall.
	From int64 `json:",omitempty"`

	Note Note // what the agent who opens it adds for the desk; for agents and systems

	// Solution opens the ticket as answered already: opened and resolved in one
	// commit, as when the customer is still on the line. For agents only.
	Solution Message

	Channel   Channel
	Automatic bool // a machine wrote it, which may open a ticket; see Action.Automatic

	Priority Grade // 0: from impact and urgency, also when these change
	Impact   Grade
	Urgency  Grade
	Level    int      // 0: the first; for agents and systems
	Queue    string   // the department, where it is known; it cannot be erased
	Tags     []string // for agents and systems; they cannot be erased
	Fields   Fields
	Workflow string // the workflow's name; empty: the desk's first
	Key      string // see Action.Key
}

// firstContact is the reason that the desk records for a [Draft].Solution.
const firstContact = "first contact"
