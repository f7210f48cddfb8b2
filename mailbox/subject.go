package mailbox

import (
	"slices"
	"strings"
	"unicode"

	"github.com/ticketkit/ticket"
)

const (
	maxNumbers = 10   // of one subject
	maxWords   = 100  // of a subject that are tried
	maxSubject = 1000 // bytes of a subject in which a number is looked for
)

// subjectNumbers returns the numbers in a subject, the likeliest first: those in brackets,
// that of the whole subject, then single words. Function parse reads a number, like
// [ticket.Numbers].Parse; nil means [ticket.ParseNumber], which wants a right check symbol.
// A word can be a number by chance, so what is no ticket's number counts for nothing.
func subjectNumbers(subject string, parse func(text string) (ticket.Number, error)) (list []ticket.Number) {
	if parse == nil {
		parse = ticket.ParseNumber
	}
	subject = cut(subject, maxSubject)
	try := func(s string) {
		if s = strings.TrimSpace(s); s == "" || len(list) >= maxNumbers {
			return
		}
		if n, err := parse(s); err == nil && n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	for _, pair := range [...]string{"[]", "()", "{}", "［］", "【】", "（）"} {
		open := []rune(pair)
		tried := 0
		for rest := subject; tried < maxWords; tried++ {
			_, after, found := strings.Cut(rest, string(open[0]))
			if !found {
				break
			}
			inside, _, closed := strings.Cut(after, string(open[1]))
			if !closed {
				break
			}
			try(inside)
			rest = after
		}
	}
	try(subject)
	words := strings.FieldsFunc(subject, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("[](){}<>,;:\"“”„'［］【】（）", r)
	})
	for _, w := range words[:min(len(words), maxWords)] {
		if strings.ContainsFunc(w, unicode.IsDigit) || strings.ContainsAny(w, "-_#/") {
			try(w)
		}
	}
	return list
}

// forwardPrefixes are what mail programs put before the subject of a mail that is passed
// on, in lower case. VS and VB stand for an answer in other languages.
var forwardPrefixes = []string{
	"fwd", "fw", "forward", // English, and many others
	"wg", "weitergeleitet", // German
	"tr", "transfert", "transféré", "réexp", // French
	"rv", "reenviado", "reenv", // Spanish
	"i", "inoltro", "inoltra", // Italian
	"enc", "encaminhado", // Portuguese
	"doorst", "doorgestuurd", // Dutch
	"vb", "vidarebefordrat", // Swedish
	"videresendt",   // Danish, Norwegian
	"vl", "välitys", // Finnish
	"pd", "przekazane", // Polish
	"továbbítás", "tov", // Hungarian
	"ilt", "i̇lt", "iletilen", // Turkish
	"πρθ", "προώθηση", // Greek
	"пересл", "пересылка", // Russian
	"转发", "轉寄", "轉發", "转寄", // Chinese
	"転送", // Japanese
	"전달", // Korean
	"הועבר", "إعادة توجيه",
}

// isForward reports whether a subject says that a mail is passed on. The first prefix
// decides: "Re: Fwd: …" is an answer.
func isForward(subject string) bool {
	s := strings.TrimLeftFunc(subject, func(r rune) bool { return unicode.IsSpace(r) || r == '[' || r == '(' })
	// A gateway's tag, such as [EXTERNAL].
	if strings.HasPrefix(strings.TrimSpace(subject), "[") {
		if tag, rest, found := strings.Cut(s, "]"); found && !strings.Contains(tag, ":") {
			s = strings.TrimSpace(rest)
		}
	}
	const longest = 40
	prefix, _, found := strings.Cut(s[:min(len(s), longest)], ":")
	if !found {
		if prefix, _, found = strings.Cut(s[:min(len(s), longest)], "："); !found {
			return false
		}
	}
	prefix = strings.ToLower(strings.TrimSpace(prefix))
	if i := strings.IndexAny(prefix, "[(0123456789"); i > 0 { // "Fwd[2]", "Fw2"
		prefix = prefix[:i]
	}
	return slices.Contains(forwardPrefixes, strings.TrimSpace(prefix))
}
