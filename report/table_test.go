package report_test

import (
	"bytes"
	"encoding/csv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/report"
)

// A queue can be named by a customer's draft, and a spreadsheet computes what it reads.
func TestCSVHasNoFormulas(t *testing.T) {
	var all [][]ticket.Event
	for _, name := range []string{"=1+1", "+1", "-1", "@a", "\tx", "plain", "a,\"b\"\nc"} {
		all = append(all, history(opened("02 09:00", queue(name)), event("02 10:00", ticket.StatusResolved)))
	}
	r := reportOn(t, march, all...)
	table, ok := r.Table("time by queue")
	require.True(t, ok)
	var b bytes.Buffer
	require.NoError(t, table.WriteCSV(&b))
	records, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, append([]string{"figure", "version", "population", "formula", "unit", "clock"}, table.Columns...), records[0])
	var names []string
	for i, record := range records[1:] {
		require.Equal(t, []string{table.Name, "1", table.Population, table.Formula, table.Unit, table.Clock}, record[:6])
		require.Equal(t, table.Rows[i][1].String(), record[7])
		names = append(names, record[6])
	}
	require.Equal(t, []string{"'\tx", "'+1", "'-1", "'=1+1", "'@a", "a,\"b\"\nc", "plain"}, names)
	require.NotContains(t, table.String(), "\tx")
}

func TestTablesForPeopleHaveUnits(t *testing.T) {
	for end, want := range map[string]string{"02 09:00": "0s", "02 09:59": "59m00s", "02 11:05": "2h05m", "04 12:00": "2d03h"} {
		r := reportOn(t, march, history(opened("02 09:00"), event(end, ticket.StatusResolved)))
		table, ok := r.Table("solution")
		require.True(t, ok)
		require.Contains(t, table.String(), "  "+want+"  ")
	}
}

// The open times of a calendar with a clock change add up as well.
func TestTimesInBusinessHoursAddUp(t *testing.T) {
	calendar, err := businesshours.Spec{Name: "office", Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-12:00", "13:00-17:30")}}.Compile()
	require.NoError(t, err)
	cfg := march
	cfg.Hours = calendar
	r := reportOn(t, cfg, randomDesk(t, 7, 2500)...)
	table, ok := r.TableInHours("time by holder")
	require.True(t, ok)
	require.Equal(t, "business hours: office", table.Clock)
	sum := int64(0)
	for _, row := range table.Rows[:len(table.Rows)-1] {
		sum += micros(t, row[table.Column("total")])
	}
	require.Equal(t, micros(t, table.Rows[len(table.Rows)-1][table.Column("total")]), sum)
	require.Greater(t, sum, (10 * time.Hour).Microseconds())
}

var _ report.Hours = (*businesshours.Calendar)(nil)
