package mail

import (
	"regexp"
	"strings"
)

// verdict is the meaning of a reply for further attempts. A test reads the rules from the
// tables in docs/mail-replies.md.
type verdict string

const (
	temporary verdict = "temporary"
	own       verdict = "own fault" // temporary, until the desk is fixed
	permanent verdict = "permanent" // this letter only
	bounce    verdict = "bounce"    // this letter and all later ones to the mailbox
)

// judge returns the verdict on a reply. Only a reply that names the mailbox is a bounce,
// because a bounce stops all mail to that address. In doubt the verdict is own fault,
// which the desk can fix.
func judge(step Step, code int, enhanced, text string) verdict {
	if code < 500 || code > 599 {
		return temporary
	}
	if step != StepTo && step != StepMessage {
		return own // the server has seen neither recipient nor letter
	}
	switch code {
	case 500, 501, 502, 503, 504, 530, 534, 535, 538, 555: // rejects the command or the sign-in
		if !saysMailbox(text) {
			return own
		}
	}
	text = bare(text)
	switch v := byStatus[enhanced]; {
	case v == bounce && (ofSender.MatchString(text) || ofRate.MatchString(text)):
		return own
	case v == bounce && code == 552:
		return temporary
	case v != "":
		return v
	case enhanced == "5.4.1" && strings.Contains(text, "recipient address rejected"): // Exchange Online, for unknown recipients
		return bounce
	}
	class, detail, _ := strings.Cut(strings.TrimPrefix(enhanced, "5."), ".")
	switch class {
	case "6":
		return permanent
	case "7", "3", "4":
		return own
	case "5", "1", "2":
		if detail != "0" {
			return own
		}
	}
	return byText(step, code, text)
}

// byStatus maps the enhanced codes with a clear meaning (RFC 3463, RFC 5248 and its
// registry).
var byStatus = map[string]verdict{
	"5.1.1":  bounce,    // no such mailbox
	"5.1.2":  bounce,    // no such domain
	"5.1.3":  bounce,    // malformed address
	"5.1.4":  bounce,    // ambiguous
	"5.1.6":  bounce,    // moved
	"5.1.10": bounce,    // the domain takes no mail (RFC 7505)
	"5.2.1":  bounce,    // disabled
	"5.2.2":  temporary, // mailbox full; the owner can make room
	"5.2.3":  permanent, // longer than the mailbox takes
	"5.2.4":  permanent, // a list that cannot be expanded
	"5.3.4":  permanent, // longer than the server takes
	"5.7.17": bounce,    // the mailbox has a new owner (RFC 7293)
	"5.7.18": bounce,    // the domain has a new owner
}

// byText judges a reply whose codes say nothing: RFC 5321 uses 550 for a missing mailbox
// and for any policy.
func byText(step Step, code int, text string) verdict {
	switch {
	case ofFull.MatchString(text):
		return temporary
	case ofSize.MatchString(text):
		return permanent
	case ofSender.MatchString(text), ofRate.MatchString(text), ofPolicy.MatchString(text):
		return own
	case ofMailbox.MatchString(text), code == 556 && step == StepTo: // RFC 7504: the domain takes no mail
		return bounce
	case code == 552: // the storage of the mailbox
		return temporary
	case step == StepMessage:
		return permanent // the server saw the letter and gives no reason
	}
	return own
}

func saysMailbox(text string) bool {
	text = bare(text)
	return ofMailbox.MatchString(text) && !ofSender.MatchString(text) && !ofPolicy.MatchString(text)
}

// bare returns a text in lower case without addresses and links, whose words mean nothing.
func bare(text string) string {
	return strings.Join(strings.Fields(inText.ReplaceAllString(strings.ToLower(text), " ")), " ")
}

var inText = regexp.MustCompile(`<[^>]*>|https?://\S+|\S+@\S+`)

// The subjects of replies, as large providers and common servers word them.
var (
	ofSender  = regexp.MustCompile(`\byour account\b|\bthis account\b( \S+){0,3} (sending|send)\b|\b(in|for|of) this account\b|\bout(going|bound)\b|\bsend(er|ing|ers)\b|\bsend as\b|\bfrom (address|header|domain)|\bmail from\b|\breturn.?path\b|\benvelope from\b|\bhelo\b|\behlo\b|\b(your|client) (ip|host|server|address|domain|network|mail ?server)\b`)
	ofRate    = regexp.MustCompile(`\bexceed|\bquota\b|\blimit(s|ed)?\b|\btoo (many|much|fast|quickly|often|frequent)|\brate\b|\bper (second|minute|hour|day)\b|\bdaily\b|\bhourly\b|\bthrottl|\btry (again )?later\b|\bgr[ae]y.?list|\btemporar`)
	ofPolicy  = regexp.MustCompile(`\brelay(ing)? |\brelay(ing)?$|to relay\b|\brelay(ing)?[:;,.]|\brcpthosts\b|\bpolic(y|ies)\b|\bspam|\bbulk\b|\bjunk\b|\bblock|\bblack.?list|\bdeny.?list|\bban(ned)?\b|\blisted\b|\brbl\b|\bdnsbl\b|\breputation\b|\bspf\b|\bdkim\b|\bdmarc\b|\bptr\b|\breverse dns\b|\bauth(entication|enticate|enticated|orized|orised|orization|orisation)?\b|\bunauthori[sz]ed\b|\bnot (allowed|permitted)\b|\bpermission|\baccess (is )?denied\b|\bprohibited\b|\badministrative|\bdns\b|\btls\b|\bencrypt|\bbill|\bpayment|\bsubscription\b|\bnot verified\b|\bverify\b|\bidentit|\bip\b|\bhost ?name\b|\breverse\b|\bspoof|\babuse\b|\bsmtp account\b|\btrial\b|\brenew|\bupgrade\b|\blicen[cs]e\b|\bcredits?\b|\bapi\b|\blog.?in\b|\bpassword\b`)
	ofFull    = regexp.MustCompile(`\b(mailbox|inbox|maildir|mail box|user|recipient|account)('s)?( \S+){0,3} (is )?(too )?(full|over ?quota|out of (space|storage))|\bover ?quota\b|\b(mailbox|storage|disk) quota\b|\b(mailbox|user|recipient) exceeds( \S+)? quota|\bmailbox size limit|\bexceeded storage|\bexhausted( \S+)? storage|\btoo many messages on the server|\binsufficient (system |disk )?(storage|space)|\bno space left`)
	ofSize    = regexp.MustCompile(`\b(message|mail|size|letter|body|content|attachment)( \S+){0,3} (too (big|large|long)|exceeds?( \S+){0,4} (size|limit|maximum))|\bsize (limit )?exceed|\bmaximum (message )?size\b|\bmessage size\b`)
	ofMailbox = regexp.MustCompile(`\b(no|not (a|an)|unknown( or illegal)?|illegal|invalid|bad|incorrect|non.?exist(e|a)nt|inactive|deactivated|disabled|unrout(e)?able|undeliverable|unknown local|bad destination)( such| valid| known| local| virtual| active| e-?mail)* (user|recipient|mailbox|mail ?box|address|addressee|account|alias|person|customer|mailbox name|part)\b|` +
		`\b(recipient|destination|rcpt)\b( \S+){0,4} (domain|host) (is |was |has )?(unknown|invalid|not found|(not|n't) exist)|\b(domain|host) of (the )?recipient (is |does )?(unknown|invalid|not found|not exist)|\b(no such|unknown|invalid|bad) (recipient|destination) (domain|host)\b|` +
		`\b(user|recipient|mailbox|mail ?box|address|addressee|account|person|alias|name)( address| name| account| part)?( rejected:?|( that)? you tried to reach)?[ :]*( \S+){0,3}? ?(is |was |has been |does |do |could |can)?(unknown|unavailable|invalid|inactive|disabled|suspended|deactivated|discontinued|closed|expired|deleted|undeliverable|unrout(e)?able|terminated|(not|n't|no longer)( \S+){0,1} ?(found|exist|known|here|local|valid|available|active|recogni[sz]ed|in use|have|accept|receiv|deliver))|` +
		`\bdoes(n't| not) have( \S+){0,3} (account|mailbox)\b|\bno mailbox\b|\bno one here\b|\bnot our (user|customer)|\bnull mx\b|\baccepts no mail\b|\bdoes(n't| not) accept mail\b`)
)
