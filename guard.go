package ticket

// Guard keeps a desk and a machine that answers it from writing to each other
// for ever. What it holds back becomes Suppressed, with the reason, so that the
// ticket's history tells; [Desk.Redrive] sends it after all. It applies to
// customers, not to agents, queues and streams.
//
// Besides the caps, which are set here: who sent something automatically (see
// [Action].Automatic) is sent nothing because of it, and who bounced (see
// [Bounce]) is sent nothing at all. In a cap, 0 means the default, and a
// negative number no cap.
type Guard struct {
	Recipient int // messages to one recipient by one notifier within an hour. Default: 40
	Ticket    int // of these, about one ticket. Default: 20
}
