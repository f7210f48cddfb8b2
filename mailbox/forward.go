package mailbox

import "strings"

// readForward reads the mail that this one passes on: a single attached message, or one
// well-formed header of a mail within the text. If there is a doubt which mail it is,
// Forward stays nil.
func (m *message) readForward(messages map[*part]int) {
	if m.Automatic != "" {
		return
	}
	blocks := findBlocks(m.Full)
	marked := 0
	for _, b := range blocks {
		if b.marked {
			marked++
		}
	}
	if len(messages) == 1 {
		if marked > 0 {
			return
		}
		for p, index := range messages {
			if p.message != nil {
				m.Forward = attachedForward(p.message, index, m.Full)
			}
		}
		return
	}
	switch {
	case len(messages) > 1, len(blocks) == 0, marked > 1:
		return
	case marked == 1 && !blocks[0].marked: // the first one is what is answered
		return
	case marked == 0 && (len(blocks) > 1 || !m.Forwards):
		return
	}
	b := blocks[0]
	sender, _ := b.fields.get("from")
	subject, _ := b.fields.get("subject")
	date, _ := b.fields.get("date")
	from, bad := addresses([]string{sender}, "")
	if len(from) == 0 { // "Ada Byron [mailto:ada@example.org]", as Outlook once wrote
		from, bad = addresses([]string{strings.NewReplacer("[mailto:", "<", "]", ">").Replace(sender)}, "")
	}
	if len(from) == 0 { // "Ada Byron <ada@example.org <mailto:ada@example.org>>", from HTML
		if found := addressText.FindAllString(sender, -1); len(found) > 0 && allEqual(found) {
			from, bad = addresses(found[:1], "")
			if len(from) == 1 {
				name, _, _ := strings.Cut(sender, "<")
				from[0].Name = oneLine(name)
			}
		}
	}
	if len(from) != 1 || bad > 0 {
		return
	}
	text := m.Full[b.body:]
	if b.quoted {
		text = unquoteAll(text)
	}
	m.Forward = &forward{
		From: from[0], Subject: oneLine(subject), Date: mailDate(date),
		Text: strings.TrimSpace(text), Comment: strings.TrimSpace(m.Full[:b.start]), File: -1,
	}
}

// attachedForward reads an attached message. It returns nil if the message has not exactly
// one sender, or is a machine's report.
func attachedForward(p *part, index int, comment string) *forward {
	charset := p.charset()
	from, bad := addresses(p.fields.all("from"), charset)
	if len(from) != 1 || bad > 0 || p.typ == "multipart/report" {
		return nil
	}
	t := texts{shown: map[*part]bool{}, left: maxText}
	return &forward{
		From: from[0], Subject: oneLine(decodeWords(p.fields.get("subject"), charset)), Date: mailDate(p.fields.get("date")),
		Text: trimLines(t.textOf(p)), Comment: comment, Attached: true, File: index,
	}
}

func allEqual(list []string) bool {
	for _, s := range list {
		if !strings.EqualFold(s, list[0]) {
			return false
		}
	}
	return true
}

// unquoteAll removes one level of quotes.
func unquoteAll(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for line := range strings.SplitSeq(s, "\n") {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		line, quoted := strings.CutPrefix(line, ">")
		if quoted {
			line = strings.TrimPrefix(line, " ")
		}
		b.WriteString(line)
	}
	return b.String()
}
