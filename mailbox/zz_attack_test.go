package mailbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ticketkit/ticket"
)

func TestZZMatrix(t *testing.T) {
	odd := map[string]string{
		"zwsp": "\u200b", "nbsp": "\u00a0", "shy": "\u00ad", "braille": "\u2800", "hangul": "\u3164", "rlo": "\u202e", "lri": "\u2066", "pdi": "\u2069", "rlm": "\u200f",
		"tag": "\U000E0041", "vs": "\ufe0f", "bom": "\ufeff", "nul": "\x00", "esc": "\x1b", "del": "\x7f", "c1": "\u0085", "c1b": "\u009b", "ls": "\u2028", "nonchar": "\uffff", "nonchar2": "\ufdd0", "pua": "\ue000", "bad": "\xff", "surr": "\xed\xa0\x80",
		"combining": "\u0301", "cgj": "\u034f", "wj": "\u2060", "inv": "\u2063", "ideosp": "\u3000", "ogham": "\u1680", "mvs": "\u180e", "annot": "\ufff9", "repl": "\ufffd", "emoji": "😀", "zwj": "\u200d", "lt": "<", "quote": "\"", "bs": "\\", "pct": "%", "slash": "/",
		"musical": "\U0001D173", "khmer": "\u17b4", "deprecated": "\u206a", "unassigned": "\U000E0FFF",
	}
	forms := map[string]string{
		"subject only":  "From: ada@example.com\nSubject: %s\n\ntext\n",
		"subject":       "From: ada@example.com\nSubject: a%sb\n\ntext\n",
		"name":          "From: A%sda <ada@example.com>\nSubject: x\n\ntext\n",
		"name only":     "From: \"%s\" <ada@example.com>\nSubject: x\n\ntext\n",
		"local":         "From: a%sda@example.com\nSubject: x\n\ntext\n",
		"qlocal":        "From: \"a%sda\"@example.com\nSubject: x\n\ntext\n",
		"domain":        "From: ada@exam%sple.com\nSubject: x\n\ntext\n",
		"text":          "From: ada@example.com\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\na%sb\n",
		"text only":     "From: ada@example.com\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n%s\n",
		"html only":     "From: ada@example.com\nSubject: x\nContent-Type: text/html; charset=utf-8\n\n<p>%s</p>\n",
		"msgid":         "From: ada@example.com\nSubject: x\nMessage-ID: <a%sb@example.com>\n\ntext\n",
		"file":          "From: ada@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"a%sb.pdf\"\n\nx\n--b--\n",
		"file only":     "From: ada@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"%s\"\n\nx\n--b--\n",
		"type":          "From: ada@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: app%slication/pdf\n\nx\n--b--\n",
		"lang":          "From: ada@example.com\nSubject: x\nContent-Language: d%se\n\ntext\n",
		"cc":            "From: ada@example.com\nSubject: x\nCc: A%sb <b%sb@example.com>\n\ntext\n",
		"to":            "From: ada@example.com\nSubject: x\nTo: sup%sport@example.org\n\ntext\n",
		"inreplyto":     "From: ada@example.com\nSubject: x\nIn-Reply-To: <a%sb@example.org>\n\ntext\n",
		"envelope":      "Return-Path: <a%sb@example.com>\nFrom: ada@example.com\nSubject: x\n\ntext\n",
		"forward":       "From: Lin <lin@example.org>\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.org\nSubject: Fwd: x\n\nhi\n\n---------- Forwarded message ---------\nFrom: A%sda <ada@example.com>\nDate: x\nSubject: s%s\nTo: lin@example.org\n\nhelp%s\n",
	}
	for fn, form := range forms {
		for on, o := range odd {
			k := newKit(t, "take", func(c *Config, _ *ticket.Config) { for i := range c.Mailboxes { c.Mailboxes[i].FollowCc = true } })
			raw := []byte(strings.ReplaceAll(strings.ReplaceAll(form, "%s", o), "\n", "\r\n"))
			_, xerr := k.in.Explain(t.Context(), "support", strings.NewReader(string(raw)), Envelope{})
			x, _ := k.in.Explain(t.Context(), "support", strings.NewReader(string(raw)), Envelope{})
			k.arrive(raw)
			k.drain()
			m := k.all()[0]
			if m.State != ticket.MailDone || xerr != nil || string(x.Outcome) != "open" {
				fmt.Printf("ZZ %s/%s: %s %s | explain %v %v %s\n", fn, on, m.State, m.Reason, xerr, x.Outcome, x.Reason)
			}
		}
	}
}
