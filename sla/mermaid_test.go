package sla_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

func TestDiagramOfAPolicy(t *testing.T) {
	require.Equal(t, `flowchart LR
    p(["gold<br>priority high or critical; queue shop or billing; tag vip; field areas is a, b; field plan is gold; field rate is 2; field seats is 5; field since is 2020-01-02T03:04:05.000006Z; field trial is false; organisation acme; channel mail or phone"])
    p --> t1["first answer<br>within 2h30m of office"]
    t1 -.-|paused| t1p[/"waiting<br>on hold: vendor or parts"/]
    t1 -->|50% of the time| t1h1["tell assignee<br>tell queue"]
    t1h1 -->|30m before due| t1h2["add tag soon"]
    t1h2 -->|due| t1h3["escalate"]
    t1h3 -->|1m30s after due| t1h4["hand over to chiefs<br>raise the priority to critical"]
    p --> t2["solution<br>within 8h of fair<br>reopening starts again"]
    p --> t3["level 2 or 3 in shop<br>within 4h of office"]
    p --> t4["level<br>within 8h round the clock"]
`, contracts().Policies[0].Mermaid())
}

// A name cannot end its label, nor add a node or a link.
func TestDiagramQuotesNames(t *testing.T) {
	p := sla.Policy{Name: "\"]) --> evil[\"`x` #35; <b>&\\ \n    click p href"}
	require.Equal(t, `flowchart LR
    p(["#34;]) --#62; evil[#34;#96;x#96; #35;35; #60;b#62;#38;#92; �    click p href<br>every ticket"])
`, p.Mermaid())
}

func TestTextsOfADescription(t *testing.T) {
	require.Equal(t, "every ticket", sla.Condition{}.String())
	require.Equal(t, "queue a, b, c, d, e or 2 more", sla.Condition{Queue: []string{"a", "b", "c", "d", "e", "f", "g"}}.String())
	require.Equal(t, "queue a, b or c", sla.Condition{Queue: []string{"a", "b", "c"}}.String())
	require.Equal(t, "1% of the time", sla.Threshold{Share: 1}.String())
	require.Equal(t, "2h after due", sla.Threshold{After: 2 * time.Hour}.String())
	require.Equal(t, "nothing", sla.Reaction{}.String())
	require.Equal(t, "raise the priority to high", sla.Reaction{Raise: ticket.GradeHigh}.String())
}
