package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A label is a text by which a ticket can be found:
//
//	tag:vip
//	org:mill
//	field:"order"=i4711
//	merged                 into another ticket
//	known                  something is published about it
//	solved by:01HZ…        the ticket that solved it
//	missed:solution        a target of this metric; see missedLabels
//	file:2c26…             an event refers to the file with this SHA-256; not of the ticket itself, and without a stage
//	requester:id:c-1       follower:id:c-2
//	requester:email:a@b.c  follower:email:a@b.c     of a person without an ID
//	requester:email+:a@b.c follower:email+:a@b.c    of a person with an ID
//	requester:phone:…      requester:phone+:…       of a person without an address
//
// With the last ones, at most two labels decide [ticket.Person.Same]; see wanted. The labels
// of a ticket that was put away begin with its stage, as in 1/tag:vip.

// mergedLabel is the label of a ticket that was merged into another one.
const mergedLabel = "merged"

// knownLabel is the label of a ticket with a known problem, and solvedByLabel begins the
// label of a ticket that another one solved.
const (
	knownLabel    = "known"
	solvedByLabel = "solved by:"
)

// labelsOf returns the labels of a ticket, sorted, without duplicates.
func labelsOf(t *ticket.Ticket) []string {
	list := make([]string, 0, 4+len(t.Tags)+len(t.Fields))
	if !t.MergedInto.IsZero() {
		list = append(list, mergedLabel)
	}
	list = personLabels(list, "requester", t.Requester)
	for _, p := range t.Followers {
		list = personLabels(list, "follower", p)
	}
	if o := t.Requester.Organisation; o != "" {
		list = append(list, short("org:"+o))
	}
	for _, tag := range t.Tags {
		list = append(list, short("tag:"+tag))
	}
	for k, v := range t.Fields {
		list = append(list, fieldLabel(k, v))
	}
	if !t.Known.IsZero() {
		list = append(list, knownLabel)
	}
	if !t.SolvedBy.IsZero() {
		list = append(list, solvedByLabel+t.SolvedBy.String())
	}
	for _, m := range metrics {
		if t.Missed(m) {
			list = append(list, missedLabel+m)
		}
	}
	if t.Stage != ticket.StageActive {
		list = stageLabels([]int64{stageNumber(t.Stage)}, list)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func personLabels(list []string, as string, p ticket.Person) []string {
	with := ":"
	if p.ID != "" {
		list = append(list, short(as+":id:"+p.ID))
		with = "+:"
	}
	switch {
	case p.Email != "":
		list = append(list, short(as+":email"+with+lower(p.Email)))
	case p.Phone != "":
		list = append(list, short(as+":phone"+with+p.Phone))
	}
	return list
}

// wanted returns the labels of persons that are the same as p.
func wanted(as string, p ticket.Person) (list []string) {
	contact := ""
	switch {
	case p.Email != "":
		contact = "email|" + lower(p.Email)
	case p.Phone != "":
		contact = "phone|" + p.Phone
	}
	kind, value, has := strings.Cut(contact, "|")
	if has {
		list = append(list, short(as+":"+kind+":"+value))
	}
	switch {
	case p.ID != "": // IDs decide alone where both have one
		list = append(list, short(as+":id:"+p.ID))
	case has:
		list = append(list, short(as+":"+kind+"+:"+value))
	}
	return list
}

// fieldLabel returns the label of a field: its name, type and value.
func fieldLabel(name string, v any) string {
	text := ""
	switch v := v.(type) {
	case string:
		text = "s" + v
	case bool:
		text = "b" + strconv.FormatBool(v)
	case int64:
		text = "i" + strconv.FormatInt(v, 10)
	case float64:
		if v == 0 {
			v = 0 // minus zero equals zero
		}
		text = "f" + strconv.FormatUint(math.Float64bits(v), 16)
	case time.Time:
		text = "t" + strconv.FormatInt(v.UnixMicro(), 10)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		text = "l" + strings.Join(quoted, ",")
	}
	return short("field:" + strconv.Quote(name) + "=" + text)
}

// longest is the most bytes of a label. A longer one is cut and ends in a digest,
// which makes it longer than any label that is not cut.
const longest = 195

func short(label string) string {
	if len(label) <= longest {
		return label
	}
	sum := sha256.Sum256([]byte(label))
	return strings.ToValidUTF8(label[:longest-29], "") + "~" + hex.EncodeToString(sum[:16])
}

// lower converts A to Z only, as [ticket.Person.Same] does.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
