package ticket

import (
	"sync"
	"time"
)

// The times of the default workflow, which the comment on DefaultWorkflow gives
// in days.
const (
	reopenWindow  = 14 * 24 * time.Hour
	confirmWindow = 7 * 24 * time.Hour
)

// DefaultWorkflow returns the definition that desks use without a
// [Config].Workflows: three levels, and the statuses and actions that this
// package has constants for. Its name is "support". Your application can change it
// and compile it under another name.
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
//	link       agent, system      any                     =          Action.Ticket
//	unlink     agent              any                     =          Action.Ticket
//	edit       agent, system      any                     =          Action.Edit
//	publish    agent              resolved, closed        =          Action.Known
//	withdraw   agent              any                     =
//
// Take assigns the ticket to the acting agent, and assign to the agent it names.
// Reply, ask, hold, resume and resolve assign it to the acting agent if nobody has
// it. Release, escalate, hand back, hand over and reopen (also by a customer's
// reply) leave it without an assignee. Unmerge gives it back to the assignee from
// before the merge.
//
// A customer is the requester or a follower. Where 14 days are named and have
// passed, the action opens a follow-up ticket, or goes to the one that is still
// in work. The desk closes a resolved ticket after 7 days, and resumes one on hold
// at Action.Until.
func DefaultWorkflow() WorkflowSpec {
	live := []Status{StatusNew, StatusQueued, StatusOpen, StatusWaiting, StatusOnHold}
	done := []Status{StatusResolved, StatusClosed, StatusCancelled}
	anywhere := append(append([]Status{}, live...), done...)
	unsolved := append(append([]Status{}, live...), StatusResolved)
	const staff = RoleAgent | RoleSystem

	return WorkflowSpec{
		Name: "support", Version: 1, Levels: 3,
		LevelNames: []string{"with the service desk", "with the specialists", "with the developers"},
		Initial:    StatusNew,
		Statuses: []StatusSpec{
			{Name: StatusNew, Phase: PhaseReceived},
			{Name: StatusQueued, Phase: PhaseInProgress},
			{Name: StatusOpen, Phase: PhaseInProgress},
			{Name: StatusWaiting, Phase: PhaseYourTurn},
			{Name: StatusOnHold, Phase: PhaseInProgress, Then: ActionResume},
			{Name: StatusResolved, Phase: PhaseSolved, Then: ActionClose, After: confirmWindow},
			{Name: StatusClosed, Phase: PhaseClosed, Final: true},
			{Name: StatusCancelled, Phase: PhaseClosed, Final: true},
		},
		Transitions: []Transition{
			{Action: ActionTake, From: live, To: StatusOpen, Assign: "actor"},
			{Action: ActionAssign, From: []Status{StatusNew, StatusQueued, StatusOpen}, To: StatusOpen, By: staff, Needs: Inputs{Assignee: true}, Assign: "given"},
			{Action: ActionAssign, From: []Status{StatusWaiting, StatusOnHold}, By: staff, Needs: Inputs{Assignee: true}, Assign: "given"},
			{Action: ActionRelease, From: []Status{StatusNew, StatusOpen, StatusWaiting, StatusOnHold}, To: StatusQueued, Assign: "nobody"},

			{Action: ActionReply, From: []Status{StatusNew, StatusQueued}, To: StatusOpen, Needs: Inputs{Words: true}, Assign: "actor if nobody"},
			{Action: ActionReply, From: []Status{StatusOpen, StatusWaiting, StatusOnHold, StatusResolved}, Needs: Inputs{Words: true}},
			{Action: ActionReply, From: []Status{StatusNew, StatusQueued, StatusOpen, StatusOnHold}, By: RoleCustomer, Needs: Inputs{Words: true}},
			{Action: ActionReply, From: []Status{StatusWaiting}, To: StatusOpen, By: RoleCustomer, Needs: Inputs{Words: true}},
			{Action: ActionReply, From: done, To: StatusQueued, By: RoleCustomer, Needs: Inputs{Words: true}, Assign: "nobody", Within: reopenWindow, FollowUp: true},
			{Action: ActionAsk, From: live, To: StatusWaiting, Needs: Inputs{Message: true}, Assign: "actor if nobody"},
			{Action: ActionHold, From: live, To: StatusOnHold, Needs: Inputs{Reason: true}, Assign: "actor if nobody"},
			{Action: ActionResume, From: []Status{StatusWaiting, StatusOnHold}, To: StatusOpen, By: staff, Assign: "actor if nobody"},
			{Action: ActionNote, From: anywhere, By: staff, Needs: Inputs{Note: true}},

			{Action: ActionEscalate, From: live, To: StatusQueued, Level: "up", By: staff, Needs: Inputs{Note: true}, Assign: "nobody"},
			{Action: ActionHandBack, From: live, To: StatusQueued, Level: "down", By: staff, Needs: Inputs{Note: true}, Assign: "nobody"},
			{Action: ActionHandOver, From: live, To: StatusQueued, By: staff, Needs: Inputs{Queue: true}, Assign: "nobody"},

			{Action: ActionResolve, From: unsolved, To: StatusResolved, Needs: Inputs{Message: true}, Assign: "actor if nobody"},
			{Action: ActionConfirm, From: []Status{StatusResolved}, To: StatusClosed, By: RoleRequester},
			{Action: ActionReopen, From: done, To: StatusQueued, Needs: Inputs{Note: true}, Assign: "nobody"},
			{Action: ActionReopen, From: done, To: StatusQueued, By: RoleRequester, Assign: "nobody", Within: reopenWindow, FollowUp: true},
			{Action: ActionClose, From: []Status{StatusResolved}, To: StatusClosed, By: staff},
			{Action: ActionCancel, From: unsolved, To: StatusCancelled, Needs: Inputs{Reason: true}},
			{Action: ActionCancel, From: live, To: StatusCancelled, By: RoleRequester},
			{Action: ActionAmend, From: done, Level: "any", Needs: Inputs{Note: true}, Chosen: true},
			{Action: ActionAmend, From: []Status{StatusClosed, StatusCancelled}, To: StatusResolved, Level: "any", Needs: Inputs{Note: true}, Chosen: true},
			{Action: ActionAmend, From: []Status{StatusResolved, StatusCancelled}, To: StatusClosed, Level: "any", Needs: Inputs{Note: true}, Chosen: true},
			{Action: ActionAmend, From: []Status{StatusResolved, StatusClosed}, To: StatusCancelled, Level: "any", Needs: Inputs{Note: true}, Chosen: true},

			{Action: ActionMerge, From: unsolved, To: StatusClosed},
			{Action: ActionUnmerge, From: []Status{StatusClosed}, To: StatusQueued, Assign: "nobody"},
			{Action: ActionSplit, From: live},
			{Action: ActionLink, From: anywhere, By: staff},
			{Action: ActionUnlink, From: anywhere},
			{Action: ActionEdit, From: anywhere, By: staff},
			{Action: ActionPublish, From: []Status{StatusResolved, StatusClosed}},
			{Action: ActionWithdraw, From: anywhere},
		},
	}
}

// defaultWorkflow is compiled once and shared: it is immutable.
var defaultWorkflow = sync.OnceValue(func() *Workflow { return DefaultWorkflow().MustCompile(nil) })
