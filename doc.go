/*
Package ticket puts a service desk inside a Go program: numbered tickets, a
workflow across support levels, a history without gaps, confirmations that
arrive, and a status the customer can always see. There is no server to run
beside the program, no table of users, no global state.

# The story

Somebody asks for support. The host makes a [Requester] of them and calls
[Desk.Open]: the ticket has a [Number] that can be read out over the telephone,
and its requester has a confirmation on the way. An [Agent] of level 1 answers,
or escalates to the specialists of level 2, who may need those of level 3. Each
step is an [Action] that goes through [Desk.Do]: the workflow decides whether
this actor may do this now, and what becomes of the ticket. The customer can
look at any time with [Desk.Track], by number, wherever the ticket is. When it
is over, the number still leads to it.

	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)

	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"})
	t, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser?"})
	v, err := desk.Track(ctx, ada, "7q4k 92mx f") // the number, as it was read out

# Lifecycle

The main ways of the [DefaultWorkflow]:

	        take, assign, reply              ask
	 new ───────────────────────► open ─────────────► waiting
	  │                           ▲  │ ◄─────────────
	  │ escalate ↑, hand back ↓,  │  │     reply
	  │ hand over, release        │  │
	  ▼                           │  │     hold
	queued ───────────────────────┘  ├─────────────► on hold
	  ▲     take, assign, reply      │ ◄─────────────
	  │                              │     resume
	  │ reply, reopen                │ resolve
	  │ within 14 days               ▼     confirm
	  └─────────────────────────── resolved ────────► closed
	                                      or 7 days

What is new, queued, open, waiting or on hold is live: from each of these a
ticket can also be taken, asked about, put on hold, escalated, handed back,
handed over, resolved or cancelled. What is closed or cancelled can be taken
back to work like what is resolved.

[Workflow.Mermaid] and [Workflow.Graphviz] draw the whole of any workflow. A
workflow of one's own is a [WorkflowSpec], checked as a whole by
[WorkflowSpec.Compile].

# How it holds together

A ticket is the fold of its events ([Apply]), which are numbered 1, 2, 3 … and
chained by digests ([Chain]), so that the past can be read ([Replay],
[Desk.AsOf]) and trusted.

One pure function decides ([Workflow.Decide]); Do, [Desk.Actions] and
[Desk.Explain] ask the same one. What it decides is written in one piece
([Store].Commit), if the ticket still has the version that was decided on, and
decided anew if not. Notifications are rows of that same commit, and
[Desk.Run] delivers them to the host's [Notifier]: at least once each, in order
per recipient and ticket, until they are sent or given up. What became of each
stays beside the history ([Desk.Entries], [Desk.Deliveries]), and what was given
up can be tried again ([Desk.Redrive]). A [SendLimits] ends loops. Module mail brings
a notifier and its letters, package webhook another, module publish one for
brokers; status links ([Desk.StatusLink], [StatusLinkHolder]) show a customer the ticket without
an account.

A [Store] keeps it all: package sqlstore in SQLite, PostgreSQL, MySQL or MariaDB,
memstore in memory, or one of the host's own, which package storetest proves. [Desk.WithStore] works inside a transaction of the host's.

# Who may see and do what

The workflow says which roles may do what from where, and holds agents to the
levels and queues they serve. The [Policy] says who may know of a ticket at all;
what one may not know of is not found. Customers get the public form of
everything: no notes, no queues, no agents' names. A tenant is part of the actor
([Actor.InTenant]), and no call reaches from one into another.

# Promises about concurrency

A [Desk] and a [*Workflow] are safe for concurrent use, and so must be all that
is given to them: stores, notifiers, policies, guards, the clock. No lock is
held while any of these is called. Tickets, events and all other data are plain
values, copied in and out. Two actions on one ticket at the same time happen one
after the other, and each is decided on what the other left.

A context that is cancelled ends a call with the context's error. What was
committed before stays so; a [Draft].Key or [Action].Key lets a caller that does
not know whether its request got through simply send it again.

# Errors

Each failure belongs to a category, for [errors.Is], such as [ErrRefused], and
has its data in a struct, for [errors.As], such as [*RefusedError]. Input is
never a reason to panic; only functions whose names begin with Must do, and they
are for what is written in the program.
*/
package ticket
