package sluice

import (
	"encoding/json"
	"time"
)

// An Event is one event of a stream.
type Event struct {
	// ID is the event id, such as "10532.k7f3qa": opaque, and the cursor once the event has been handled.
	ID string `json:"id"`
	// Type, such as "item.updated".
	Type string `json:"type"`
	// Data is the JSON object as it was published, digit by digit.
	Data json.RawMessage `json:"data"`

	// The fields below are set with [FeedOptions.Envelope] only.

	Position int64     `json:"position"`
	At       time.Time `json:"at"`
	// EventID is a UUID.
	EventID     string `json:"event_id"`
	Traceparent string `json:"traceparent"`
}

// A Redacted is what takes the place of data that an admin has erased.
type Redacted struct {
	Redacted bool   `json:"redacted"`
	Reason   string `json:"reason"`
	At       string `json:"at"`
}

// Decode stores the data in the value that into points to, as [json.Unmarshal] does.
func (e Event) Decode(into any) error { return json.Unmarshal(e.Data, into) }

// Value is the data of an event of a type that the gateway defines, such as [*ItemUpdated]; a [*Redacted] if it was
// erased; nil for the types of applications, which Decode reads.
//
//	switch data := value.(type) {
//	case *sluice.ItemUpdated:
//		fmt.Println(data.PartNumber, data.Revision)
//	}
func (e Event) Value() (any, error) {
	into := newData(e.Type)
	if into == nil {
		return nil, nil
	}
	var redacted Redacted
	if err := e.Decode(&redacted); err == nil && redacted.Redacted {
		return &redacted, nil
	}
	return into, e.Decode(into)
}

// A Reset says that events are missing between the client's cursor and Head.
type Reset struct {
	// Reason is "retention", "history-lost", "unknown-id" or "deleted".
	Reason string `json:"reason"`
	// Earliest is where to start to read everything that is still stored.
	Earliest string `json:"earliest"`
	// Head is where the stream continues.
	Head string `json:"head"`
	// ID is the new cursor.
	ID string `json:"-"`
}

// A Notice is a message of the gateway beside the events, such as `server.state`. The feed has acted on it already.
type Notice struct {
	Name string
	Data json.RawMessage
}

// Names of the notices (docs/protocol.md of Sluice): no application can publish events of these names.
const (
	noticeState       = "server.state"
	noticeHeartbeat   = "heartbeat"
	noticeReset       = "reset"
	noticeUnavailable = "unavailable"
	noticeCursor      = "cursor"
	noticeExpired     = "auth-expired"
	noticeRenewed     = "auth-renewed"
	noticeRevoked     = "auth-revoked"
	noticeError       = "error"
)
