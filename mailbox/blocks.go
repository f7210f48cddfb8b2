package mailbox

import (
	"slices"
	"strings"
	"unicode"
)

// blockLabels are the labels of the header of a mail within the text of another one, as
// mail programs write them, in lower case. The values say which field it is.
var blockLabels = func() map[string]string {
	labels := map[string]string{}
	for field, list := range map[string]string{
		"from":    "from von de da van från fra od от gönderen kimden feladó lähettäjä 发件人 寄件者 寄件人 差出人 送信者 보낸\u00a0사람 από מאת من",
		"date":    "sent date gesendet datum envoyé envoyé\u00a0le fecha enviado enviado\u00a0el data inviato enviada\u00a0em enviado\u00a0em verzonden skickat dato sendt wysłano wysłane отправлено дата gönderilme\u00a0tarihi tarih elküldve dátum lähetetty päivämäärä 发送时间 日期 寄件日期 送信日時 日付 보낸\u00a0날짜 날짜",
		"to":      "to an à para a aan till til do кому kime kime címzett vastaanottaja 收件人 收件者 宛先 받는\u00a0사람",
		"subject": "subject betreff objet asunto oggetto assunto onderwerp ämne emne temat тема konu tárgy aihe 主题 主旨 件名 제목 θέμα",
		"cc":      "cc kopie copie kopia kopi copia копия 抄送 副本 bcc",
		"other":   "reply-to antwort\u00a0an répondre\u00a0à responder\u00a0a rispondi\u00a0a resent-from priority importance wichtigkeit attachments anlagen organization",
	} {
		for label := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ' ' }) {
			labels[strings.ReplaceAll(label, "\u00a0", " ")] = field
		}
	}
	return labels
}()

// block is the header of a mail within the text of another one.
type block struct {
	start  int  // where it begins in the text, with the line that announces it
	body   int  // where the text after it begins
	marked bool // a line before it says that a mail is passed on
	quoted bool // its lines begin with >
	fields blockFields
}

// blockFields are the values of a header, by the names in blockLabels.
type blockFields struct {
	values [6]string
	has    [6]bool
}

// fieldNames are the names in blockLabels.
var fieldNames = [6]string{"from", "date", "to", "subject", "cc", "other"}

func (f *blockFields) get(name string) (string, bool) {
	i := slices.Index(fieldNames[:], name)
	return f.values[i], f.has[i]
}

func (f *blockFields) set(name, value string) {
	i := slices.Index(fieldNames[:], name)
	f.values[i], f.has[i] = value, true
}

const (
	maxBlockTries  = 1000 // lines that can begin a header
	maxBlocks      = 20
	maxBlockLines  = 14
	maxBlockHeader = 4000 // bytes
)

// findBlocks returns the headers of mails within a text: lines with a sender and at least
// two of date, recipients and subject, each once.
func findBlocks(s string) (list []block) {
	tries := 0
	before, beforeAt := "", 0 // the last line that is not empty
	for at := 0; at < len(s) && len(list) < maxBlocks; {
		line, next := lineAt(s, at)
		if b, ok := blockAt(s, at, &tries); ok {
			b.start = at
			if kind := separator(before); kind != "" {
				b.start, b.marked = beforeAt, kind == "forward"
			}
			list = append(list, b)
			at, before = b.body, ""
			continue
		}
		if bare := unquoted(line); bare != "" {
			before, beforeAt = bare, at
		}
		at = next
	}
	return list
}

// blockAt reads the header that begins at this line. It counts the lines that could have
// begun one; after too many of them there is none.
func blockAt(s string, at int, tries *int) (b block, ok bool) {
	first, _ := lineAt(s, at)
	if *tries >= maxBlockTries || strings.IndexByte(first, ':') < 0 && !strings.Contains(first, "：") {
		return b, false
	}
	if label, _ := blockField(unquoted(first)); label == "" || label == "other" || label == "cc" {
		return b, false
	}
	*tries++
	b.quoted = strings.HasPrefix(first, ">")
	start, last := at, ""
	for range maxBlockLines {
		line, next := lineAt(s, at)
		bare := unquoted(line)
		if bare == "" || next-start > maxBlockHeader {
			break
		}
		label, value := blockField(bare)
		switch {
		case label == "" && last == "": // not the header it seemed to be
			return b, false
		case label == "" && (last == "to" || last == "cc" || strings.HasPrefix(bare, "<")): // goes on
			value, _ := b.fields.get(last)
			b.fields.set(last, value+" "+bare)
		case label == "":
			b.body = at
			return b, b.wellFormed()
		default:
			if _, twice := b.fields.get(label); twice && label != "other" {
				return b, false
			}
			b.fields.set(label, value)
			last = label
		}
		if at = next; at >= len(s) {
			break
		}
	}
	b.body = at
	return b, b.wellFormed()
}

func (b *block) wellFormed() bool {
	n := 0
	for _, label := range [...]string{"date", "to", "subject"} {
		if _, has := b.fields.get(label); has {
			n++
		}
	}
	from, _ := b.fields.get("from")
	return from != "" && n >= 2
}

// blockField reads a line such as "*Von:* Ada <ada@example.org>".
func blockField(line string) (label, value string) {
	line = strings.TrimLeft(line, "* \t|")
	name, value, found := strings.Cut(line, ":")
	if wide, after, is := strings.Cut(line, "："); is && (!found || len(wide) < len(name)) {
		name, value, found = wide, after, true
	}
	if !found || len(name) > 60 {
		return "", ""
	}
	name = strings.ToLower(strings.Trim(name, "* \t\u00a0"))
	return blockLabels[name], strings.TrimSpace(strings.TrimLeft(value, "* \t"))
}

// lineAt returns the line that begins at this place, and where the next one begins.
func lineAt(s string, at int) (line string, next int) {
	if i := strings.IndexByte(s[at:], '\n'); i >= 0 {
		return s[at : at+i], at + i + 1
	}
	return s[at:], len(s)
}

// unquoted returns a line without the marks of a quote before it.
func unquoted(line string) string {
	return strings.TrimSpace(strings.TrimLeft(line, "> \t|"))
}

// passedOn are parts of lines that announce a mail that is passed on, in lower case.
var passedOn = []string{"forward", "weitergeleitet", "transféré", "transfert", "transmis", "reenviad", "inoltrat", "encaminhad", "reencaminhad",
	"doorgestuurd", "vidarebefordra", "videresend", "przekaza", "przesłan", "пересыла", "пересланн", "переадрес", "iletilen", "iletildi", "továbbított", "továbbítva",
	"välitetty", "προωθ", "转发", "轉寄", "轉發", "転送", "전달"}

// originals are parts of lines that announce the mail that is answered or passed on.
var originals = []string{"original", "ursprüngliche nachricht", "message d'origine", "messaggio originale", "oorspronkelijk bericht", "oprindelig", "opprinnelig",
	"ursprungligt", "исходное сообщение", "wiadomość oryginalna", "özgün ileti", "原始邮件", "原始郵件", "元のメッセージ", "mensaje original", "mensagem original"}

// separator reports whether a line announces another mail: "forward" if it says that the
// mail is passed on, "original" if it can be either, "" if it is no such line.
func separator(line string) string {
	const longest = 120
	line = strings.Trim(line, "* ")
	if line == "" || len(line) > longest {
		return ""
	}
	ruled := strings.HasPrefix(line, "--") || strings.HasPrefix(line, "__") || strings.HasPrefix(line, "==")
	words := strings.ToLower(strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) }))
	switch {
	case ruled && words == "" && len(line) >= 20:
		return "original"
	case !ruled && !strings.HasSuffix(line, ":") && !strings.HasSuffix(line, "："):
		return ""
	}
	for _, p := range passedOn {
		if strings.Contains(words, p) {
			return "forward"
		}
	}
	for _, p := range originals {
		if ruled && strings.Contains(words, p) {
			return "original"
		}
	}
	return ""
}
