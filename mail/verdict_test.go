package mail

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"net/textproto"

	"github.com/stretchr/testify/require"
)

// Every line of the tables in docs/mail-replies.md holds.
func TestRepliesAreReadAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/mail-replies.md")
	require.NoError(t, err)
	steps := map[string]Step{"mail": StepSender, "rcpt": StepTo, "data": StepMessage}
	lines := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		step, is := steps[strings.TrimPrefix(cells[0], "| ")]
		if !is || len(cells) != 3 {
			continue
		}
		lines++
		code, err := strconv.Atoi(cells[1][:3])
		require.NoError(t, err, line)
		msg := ""
		if len(cells[1]) > 4 {
			msg = cells[1][4:]
		}
		e := newError(step, &textproto.Error{Code: code, Msg: msg})
		require.Equal(t, verdict(strings.TrimSuffix(cells[2], " |")), judge(e.Step, e.Code, e.Enhanced, e.Text), line)
	}
	require.Greater(t, lines, 80)
}
