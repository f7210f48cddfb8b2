package publish

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/ticketkit/ticket"
)

// The prefixes of the types.
const (
	TypeEvent        = "com.github.ticketkit.ticket.event."        // and the action
	TypeNotification = "com.github.ticketkit.ticket.notification." // and the kind
)

const (
	specVersion = "1.0"
	contentType = "application/cloudevents+json; charset=UTF-8"
)

// Type returns the CloudEvents type of a notification. It replaces blanks in the
// name of the action or the kind by "_".
func Type(n ticket.Notification) string {
	prefix, name := TypeNotification, string(n.Kind)
	if n.Event != nil {
		prefix, name = TypeEvent, string(n.Event.Action)
	}
	return prefix + strings.ReplaceAll(name, " ", "_")
}

// envelope is a CloudEvent in its structured form. Names of extensions consist of
// lower-case letters and digits. The specification documents the extension
// partitionkey.
type envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Tenant          string          `json:"tenant,omitempty"`
	PartitionKey    string          `json:"partitionkey"`
	Data            json.RawMessage `json:"data"`
}

// newMessage returns the message of a notification.
func newMessage(source string, n ticket.Notification) (*message.Message, error) {
	var about any = n // the JSON form does not contain the status link
	if n.Event != nil {
		about = n.Event
	}
	data, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	e := envelope{
		SpecVersion: specVersion, ID: n.ID.String(), Source: source, Type: Type(n), Subject: string(n.Number),
		Time: n.At.UTC(), DataContentType: "application/json", Tenant: n.Tenant, PartitionKey: n.Ticket.String(), Data: data,
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	m := message.NewMessage(e.ID, body)
	// The names are those of the CloudEvents binding for Kafka. It allows headers
	// beside a body that contains the same attributes.
	m.Metadata = message.Metadata{
		"content-type":   contentType,
		"ce_specversion": e.SpecVersion, "ce_id": e.ID, "ce_source": e.Source, "ce_type": e.Type,
		"ce_subject": e.Subject, "ce_time": e.Time.Format(time.RFC3339Nano), "ce_partitionkey": e.PartitionKey,
	}
	if e.Tenant != "" {
		m.Metadata["ce_tenant"] = e.Tenant
	}
	return m, nil
}
