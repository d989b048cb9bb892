package sluice

import "encoding/json"

// An Event is one event of a stream.
type Event struct {
	// ID is the event id, such as "10532.k7f3qa": opaque, and the cursor once the event has been handled.
	ID string
	// Type, such as "item.updated".
	Type string
	// Data is the JSON object as it was published, digit by digit.
	Data json.RawMessage
}

// Decode stores the data in the value that into points to, as [json.Unmarshal] does.
func (e Event) Decode(into any) error { return json.Unmarshal(e.Data, into) }

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
