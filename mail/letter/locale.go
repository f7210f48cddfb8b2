package letter

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// locale is a language with templates, and how a person writes numbers and times.
type locale struct {
	lang string       // the folder of the templates, such as "de"
	tag  language.Tag // of the person, such as de-CH, or of the folder if the person's is unknown
}

// choose returns the locale for a preferred language, such as "de-CH": the best match, or
// the fallback.
func (l *Letters) choose(preferred string) locale {
	// The preference may come from a user, and parsing a long tag takes long.
	if preferred != "" && len(preferred) <= 100 {
		tag, err := language.Parse(strings.ReplaceAll(preferred, "_", "-"))
		if err == nil {
			if _, i, c := l.matcher.Match(tag); c >= language.High {
				return locale{l.langs[i], tag}
			}
		}
	}
	return locale{l.langs[0], language.Make(l.langs[0])}
}

// size formats a number of bytes, such as "1.5 MB", where 1 MB is 10⁶ bytes.
func (l locale) size(bytes int64) string {
	p := message.NewPrinter(l.tag)
	bytes = max(bytes, 0)
	if bytes < 1000 {
		unit := "bytes"
		switch {
		case l.lang == "de" && bytes == 1:
			unit = "Byte"
		case l.lang == "de":
			unit = "Bytes"
		case bytes == 1:
			unit = "byte"
		}
		return p.Sprintf("%v %s", number.Decimal(bytes), unit)
	}
	v, unit := float64(bytes)/1000, 0
	units := [...]string{"kB", "MB", "GB", "TB", "PB", "EB"}
	for v >= 999.95 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	return p.Sprintf("%v %s", number.Decimal(v, number.MaxFractionDigits(1)), units[unit])
}

// time formats an instant for the language, with the zone abbreviation. The zero time
// gives "".
func (l locale) time(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	region, how := l.tag.Region()
	switch {
	case l.lang == "de":
		return fmt.Sprintf("%d. %s %d, %s Uhr %s", t.Day(), germanMonths[t.Month()-1], t.Year(), t.Format("15:04"), zoneName(t, germanZones))
	case l.lang == "en" && how == language.Exact && region.String() == "US":
		return t.Format("January 2, 2006, 3:04 PM ") + zoneName(t, nil)
	case l.lang == "en":
		return t.Format("2 January 2006, 15:04 ") + zoneName(t, nil)
	default:
		return t.Format("2006-01-02 15:04 ") + zoneName(t, nil)
	}
}

var germanMonths = [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni",
	"Juli", "August", "September", "Oktober", "November", "Dezember"}

// germanZones maps zone abbreviations to German ones.
var germanZones = map[string]string{"CET": "MEZ", "CEST": "MESZ", "EET": "OEZ", "EEST": "OESZ", "WET": "WEZ", "WEST": "WESZ"}

// zoneName returns the zone abbreviation at an instant, or the offset from UTC if there is
// none.
func zoneName(t time.Time, names map[string]string) string {
	name, _ := t.Zone()
	if n, ok := names[name]; ok {
		return n
	}
	if name == "" || strings.ContainsAny(name, "+-0123456789") {
		return "UTC" + t.Format("-07:00")
	}
	return name
}
