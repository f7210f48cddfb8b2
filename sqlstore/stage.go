package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// Tickets that were put away must not slow down lists of active tickets. So they are in a
// range of their own of every index that a list can walk along:
//
//   - The index of the tickets by creation has the stage before the creation time.
//   - Labels begin with the stage; see stageLabels.
//   - In the index of the events, the time of each event is moved; see stageShift.
//   - The other indexes have only open tickets, or only tickets with running clocks.

// stages has the stages by the value of the column stage. Every read and write of a ticket
// looks at it.
var stages = ticket.Stages()

// stageNumber returns the value of the column stage.
func stageNumber(s ticket.Stage) int64 { return int64(slices.Index(stages, s)) }

func stageOf(n int64) (ticket.Stage, error) {
	if 0 <= n && n < int64(len(stages)) {
		return stages[n], nil
	}
	return "", fmt.Errorf("invalid stored stage %d", n)
}

// stagesOf returns the stages that a query selects, in their order.
func stagesOf(q *ticket.Query) []int64 {
	if len(q.Stage) == 0 {
		return []int64{0}
	}
	list := make([]int64, len(q.Stage))
	for i, s := range q.Stage {
		list[i] = stageNumber(s)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// inStages returns the condition that a ticket has one of the stages.
func inStages(wanted []int64) string {
	if len(wanted) == 1 {
		return "t.stage = " + strconv.FormatInt(wanted[0], 10)
	}
	list := make([]string, len(wanted))
	for i, n := range wanted {
		list[i] = strconv.FormatInt(n, 10)
	}
	return "t.stage IN (" + strings.Join(list, ", ") + ")"
}

// notInOthers returns the same condition for a walk along an index without the stage. It
// keeps planners away from the index that begins with it, and from the assumption that few
// of the tickets they meet have the stage.
func notInOthers(wanted []int64) string {
	var list []string
	for n := range int64(len(stages)) {
		if !slices.Contains(wanted, n) {
			list = append(list, "t.stage + 0 <> "+strconv.FormatInt(n, 10))
		}
	}
	if len(list) == 0 {
		return "1 = 1"
	}
	return strings.Join(list, " AND ")
}

// stagePrefix begins the labels of tickets of a stage. It is empty for active tickets.
func stagePrefix(stage int64) string {
	if stage == 0 {
		return ""
	}
	return strconv.FormatInt(stage, 10) + "/"
}

// stageLabels returns the labels as tickets of these stages have them.
func stageLabels(wanted []int64, labels []string) []string {
	if len(wanted) == 1 && wanted[0] == 0 {
		return labels
	}
	list := make([]string, 0, len(wanted)*len(labels))
	for _, n := range wanted {
		for _, l := range labels {
			list = append(list, stagePrefix(n)+l)
		}
	}
	return list
}

// stageSpan is the distance between the times of events of two stages, in microseconds. All
// times from year 1 to 9999 are within half of it.
const stageSpan = int64(1) << 60

// stageShift returns what the column "at" of the events has less than their time.
func stageShift(stage int64) int64 { return stage * stageSpan }

// moveEvents moves the events of a ticket to the range of its stage. The events of a ticket
// that became active again stay where they are, until it is put away the next time: lists
// look only at the last event.
func (ch *changing) moveEvents(ctx context.Context, x *session) error {
	to := stageNumber(ch.Ticket.Stage)
	for from := range int64(len(stages)) {
		if from == to || to == 0 {
			continue
		}
		middle := -stageShift(from)
		_, err := x.exec(ctx, "UPDATE {t}events{by events_id} SET at = at + ? WHERE ticket = ? AND at >= ? AND at < ?",
			stageShift(from)-stageShift(to), ch.id, middle-stageSpan/2, middle+stageSpan/2)
		if err != nil {
			return err
		}
	}
	return nil
}
