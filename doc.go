/*
Package ticket adds support tickets to a Go application: numbered tickets, a
workflow across support levels, a complete history, reliable notifications, and
a status that customers can always see. It runs inside your application and
keeps its data in a database that you choose. It has no server, no user table and
no global state.

# Overview

A customer asks for support. Your application makes a [Requester] of the customer
and calls [Desk.Open]. The ticket gets a [Number] that can be read out over the
telephone, and the customer gets a confirmation. An [Agent] of level 1 answers, or
escalates the ticket to the specialists of level 2 or 3. Each step is an [Action],
passed to [Desk.Do]: the workflow decides whether this actor may do this now, and
how the ticket changes. The customer can look at the ticket with [Desk.Track] at
any time, by its number, which never changes.

	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)

	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"})
	t, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser?"})
	v, err := desk.Track(ctx, ada, "7q4k 92mx f") // the number as the customer said it

# Lifecycle

The main transitions of the [DefaultWorkflow]:

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

A ticket that is new, queued, open, waiting or on hold is live. A live ticket can
also be taken, asked about, put on hold, escalated, handed back, handed over,
resolved or cancelled. A closed or cancelled ticket can return to work like a
resolved one.

[Workflow.Mermaid] and [Workflow.Graphviz] draw a complete workflow. To use your
own, write a [WorkflowSpec] and call [WorkflowSpec.Compile], which checks it.

# How it works

A ticket is the result of its events ([Apply]). Events are numbered 1, 2, 3 … and
chained by digests ([Chain]), so that every earlier state can be read ([Replay],
[Desk.AsOf]) and no change of the past goes unnoticed.

One pure function, [Workflow.Decide], makes every decision: [Desk.Do],
[Desk.Actions] and [Desk.Explain] all call it. The desk commits the result
([Store].Commit) completely or not at all. If the ticket has changed in the
meantime, the desk decides again.

Notifications are committed together with the change. [Desk.Run] delivers them to
your [Notifier], each at least once and in order for each recipient and ticket.
[Desk.Entries] and [Desk.Deliveries] show the result. A delivery that failed for
good is not lost: [Desk.Redrive] retries it. [SendLimits] stop mail loops. Module
mail has a notifier with templates, package webhook one for HTTP, module publish
one for message brokers. A status link ([Desk.StatusLink], [StatusLinkHolder]) shows a
customer the ticket without an account.

With [Config].ServiceLevels the desk promises answers and solutions in business hours.
Tickets then have clocks. The desk acts before a promise is broken and when it is broken.
[Desk.List] and [Desk.Count] find overdue tickets. Package sla has the policies.

[Desk.Watch] yields the changes of tickets as they happen, for pages that update
themselves.

[Desk.Histories] yields the events of all tickets. Package report computes the figures of
a month from them, and package eventlog writes them for process mining.

A [Store] keeps the data. Package sqlstore uses SQLite, PostgreSQL, MySQL or
MariaDB, package memstore uses memory, and package storetest tests your own store.
[Desk.WithStore] works inside a transaction of your application.

# Access

The workflow says which roles may do what in which state, and limits agents to
the levels and queues that they serve. The [Policy] says who may see a ticket; for
anybody else the ticket does not exist. Customers never see notes, queues and, by
default, agents' names. The tenant is part of the actor ([Actor.InTenant]), and no
call reaches another tenant.

# Concurrency

A [Desk] and a [*Workflow] are safe for concurrent use. So must be everything in
[Config]: notifiers, policies, guards, the clock; and the store. The desk calls
them without holding a lock. Tickets, events and all other data are plain values,
copied in and out. Two concurrent actions on one ticket happen one after the
other, and the second is decided on the result of the first.

If a context is cancelled, the call returns the context's error. What is committed
by then stays. A caller that does not know whether its request succeeded can
repeat it, if it set [Draft].Key or [Action].Key.

# Errors

Each error belongs to a category for [errors.Is], such as [ErrRefused], and has
its data in a struct for [errors.As], such as [*RefusedError]. The library does not
panic on any input.
*/
package ticket
