package ticket

import (
	"sync"
	"time"
)

// The times of the default workflow.
const (
	// ReopenWindow is how long after a ticket was resolved a customer's reply or
	// reopen takes it back to work. After that, either opens a follow-up ticket.
	ReopenWindow = 14 * 24 * time.Hour
	// ConfirmWindow is how long a resolved ticket waits for an objection before
	// the desk closes it.
	ConfirmWindow = 7 * 24 * time.Hour
)

// DefaultWorkflow returns the definition that desks use without a
// [Config].Workflows: three levels, and the statuses and actions that this
// package has constants for. It can be changed and compiled under a name of
// one's own.
//
// Work goes on in new, queued, open, waiting and on hold; the table says "live"
// for these five, and "done" for resolved, closed and cancelled.
//
//	action     by                 from                    to         needs
//	take       agent              live                    open
//	assign     agent, system      new, queued, open       open       assignee
//	assign     agent, system      waiting, on hold        =          assignee
//	release    agent              new, open, waiting,     queued
//	                              on hold
//	reply      agent              new, queued             open       words
//	reply      agent              open, waiting, on hold, =          words
//	                              resolved
//	reply      customer           new, queued, open,      =          words
//	                              on hold
//	reply      customer           waiting                 open       words
//	reply      customer           done, 14 days           queued     words
//	ask        agent              live                    waiting    message
//	hold       agent              live                    on hold    reason
//	resume     agent, system      waiting, on hold        open
//	note       agent, system      any                     =          note
//	escalate   agent, system      live                    queued ↑   note
//	hand back  agent, system      live                    queued ↓   note
//	hand over  agent, system      live                    queued     queue
//	resolve    agent              live, resolved          resolved   message
//	confirm    requester          resolved                closed
//	reopen     agent              done                    queued     note
//	reopen     requester          done, 14 days           queued
//	close      agent, system      resolved                closed
//	cancel     agent              live, resolved          cancelled  reason
//	cancel     requester          live                    cancelled
//	amend      agent              done                    done ↕     note
//	merge      agent              live, resolved          closed     Action.Ticket
//	unmerge    agent              closed                  as before
//	split      agent              live                    =          Action.Draft
//	link       agent              any                     =          Action.Ticket
//	unlink     agent              any                     =          Action.Ticket
//	edit       agent, system      any                     =          Action.Edit
//
// Who has the ticket afterwards: with take the agent; with assign the one named;
// with reply, ask, hold, resume and resolve the agent, if nobody had it; with
// release, escalate, hand back, hand over and reopen (also by a customer's reply)
// nobody; with unmerge who had it before the merge.
//
// A customer is the requester or a follower. Where 14 days are named and have
// passed, the action opens a follow-up ticket, or goes to the one that is under
// way. By itself, a resolved ticket is closed after 7 days, and one on hold goes
// on at Action.Until.
func DefaultWorkflow() WorkflowSpec {
	live := In(StatusNew, StatusQueued, StatusOpen, StatusWaiting, StatusOnHold)
	done := In(StatusResolved, StatusClosed, StatusCancelled)
	anywhere := append(append([]Status{}, live...), done...)
	unsolved := append(append([]Status{}, live...), StatusResolved)
	const staff = Agents | Systems

	return WorkflowSpec{
		Name: "support", Version: 1, Levels: 3,
		LevelNames: []string{"with the service desk", "with the specialists", "with the developers"},
		Initial:    StatusNew,
		Statuses: []StatusSpec{
			{Name: StatusNew, Phase: PhaseReceived},
			{Name: StatusQueued, Phase: PhaseInProgress},
			{Name: StatusOpen, Phase: PhaseInProgress},
			{Name: StatusWaiting, Phase: PhaseYourTurn},
			{Name: StatusOnHold, Phase: PhaseInProgress, Then: Resume},
			{Name: StatusResolved, Phase: PhaseSolved, Then: Close, After: ConfirmWindow},
			{Name: StatusClosed, Phase: PhaseClosed, Final: true},
			{Name: StatusCancelled, Phase: PhaseClosed, Final: true},
		},
		Transitions: []Transition{
			{Action: Take, From: live, To: StatusOpen, Assign: ToActor},
			{Action: Assign, From: In(StatusNew, StatusQueued, StatusOpen), To: StatusOpen, By: staff, Needs: NeedAssignee, Assign: ToGiven},
			{Action: Assign, From: In(StatusWaiting, StatusOnHold), By: staff, Needs: NeedAssignee, Assign: ToGiven},
			{Action: Release, From: In(StatusNew, StatusOpen, StatusWaiting, StatusOnHold), To: StatusQueued, Assign: ToNobody},

			{Action: Reply, From: In(StatusNew, StatusQueued), To: StatusOpen, Needs: NeedWords, Assign: ToActorIfNone},
			{Action: Reply, From: In(StatusOpen, StatusWaiting, StatusOnHold, StatusResolved), Needs: NeedWords},
			{Action: Reply, From: In(StatusNew, StatusQueued, StatusOpen, StatusOnHold), By: Customers, Needs: NeedWords},
			{Action: Reply, From: In(StatusWaiting), To: StatusOpen, By: Customers, Needs: NeedWords},
			{Action: Reply, From: done, To: StatusQueued, By: Customers, Needs: NeedWords, Assign: ToNobody, Within: ReopenWindow, FollowUp: true},
			{Action: Ask, From: live, To: StatusWaiting, Needs: NeedMessage, Assign: ToActorIfNone},
			{Action: Hold, From: live, To: StatusOnHold, Needs: NeedReason, Assign: ToActorIfNone},
			{Action: Resume, From: In(StatusWaiting, StatusOnHold), To: StatusOpen, By: staff, Assign: ToActorIfNone},
			{Action: AddNote, From: anywhere, By: staff, Needs: NeedNote},

			{Action: Escalate, From: live, To: StatusQueued, Level: Up, By: staff, Needs: NeedNote, Assign: ToNobody},
			{Action: HandBack, From: live, To: StatusQueued, Level: Down, By: staff, Needs: NeedNote, Assign: ToNobody},
			{Action: HandOver, From: live, To: StatusQueued, By: staff, Needs: NeedQueue, Assign: ToNobody},

			{Action: Resolve, From: unsolved, To: StatusResolved, Needs: NeedMessage, Assign: ToActorIfNone},
			{Action: Confirm, From: In(StatusResolved), To: StatusClosed, By: Requesters},
			{Action: Reopen, From: done, To: StatusQueued, Needs: NeedNote, Assign: ToNobody},
			{Action: Reopen, From: done, To: StatusQueued, By: Requesters, Assign: ToNobody, Within: ReopenWindow, FollowUp: true},
			{Action: Close, From: In(StatusResolved), To: StatusClosed, By: staff},
			{Action: Cancel, From: unsolved, To: StatusCancelled, Needs: NeedReason},
			{Action: Cancel, From: live, To: StatusCancelled, By: Requesters},
			{Action: Amend, From: done, Level: AnyLevel, Needs: NeedNote, Chosen: true},
			{Action: Amend, From: In(StatusClosed, StatusCancelled), To: StatusResolved, Level: AnyLevel, Needs: NeedNote, Chosen: true},
			{Action: Amend, From: In(StatusResolved, StatusCancelled), To: StatusClosed, Level: AnyLevel, Needs: NeedNote, Chosen: true},
			{Action: Amend, From: In(StatusResolved, StatusClosed), To: StatusCancelled, Level: AnyLevel, Needs: NeedNote, Chosen: true},

			{Action: Merge, From: unsolved, To: StatusClosed},
			{Action: Unmerge, From: In(StatusClosed), To: StatusQueued, Assign: ToNobody},
			{Action: Split, From: live},
			{Action: AddLink, From: anywhere},
			{Action: Unlink, From: anywhere},
			{Action: Edit, From: anywhere, By: staff},
		},
	}
}

// defaultWorkflow is compiled once and shared: it is immutable.
var defaultWorkflow = sync.OnceValue(func() *Workflow { return DefaultWorkflow().MustCompile(nil) })
