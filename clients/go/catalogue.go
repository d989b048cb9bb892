// Code generated from the schemas of the gateway by "npm run catalogue". DO NOT EDIT.

package sluice

import "encoding/json"

// EventRedacted is the data of event.redacted: the data of an earlier event of the stream was erased: clients drop their copies.
type EventRedacted struct {
	Position int64  `json:"position"`
	ID       string `json:"id"`
	Reason   string `json:"reason"`
	At       string `json:"at"`
}

// Chunk is the data of chunk: a message, or a part of one, was appended to a durable stream; the data has one of its members.
type Chunk struct {
	// A message of a JSON stream, as it was written.
	Json json.RawMessage `json:"json,omitempty"`
	// Bytes of a text.
	Text string `json:"text,omitempty"`
	// Other bytes.
	Base64 string `json:"base64,omitempty"`
}

// ChunkCancel is the data of chunk.cancel: a client asks the writer of the stream to stop; a reader of the durable stream does not get it.
type ChunkCancel struct {
	Reason string `json:"reason,omitempty"`
}

// ConsumerLagging is the data of consumer.lagging: a consumer or a webhook is far behind, or, with `lost`, retention has removed events that it had not acknowledged.
type ConsumerLagging struct {
	// The name of the consumer, or the id of the webhook.
	Consumer string `json:"consumer"`
	// One of "pull", "webhook".
	Kind   json.RawMessage `json:"kind"`
	Stream string          `json:"stream"`
	// Positions after its cursor.
	LagEvents int64 `json:"lag_events"`
	// Age of the first stored event after its cursor.
	LagSeconds int64 `json:"lag_seconds"`
	Lost       bool  `json:"lost"`
}

// WebhookPaused is the data of webhook.paused: a webhook was paused: by an admin, because the last try of an event has failed, or because no key opens its secrets.
type WebhookPaused struct {
	WebhookID string `json:"webhook_id"`
	UrlHost   string `json:"url_host"`
	// One of "by-admin", "exhausted", "secret-unreadable".
	Reason json.RawMessage `json:"reason"`
}

// WebhookResumed is the data of webhook.resumed: an admin has resumed a webhook; `reason` is why it was not active.
type WebhookResumed struct {
	WebhookID string `json:"webhook_id"`
	UrlHost   string `json:"url_host"`
	// One of "by-admin", "exhausted", "secret-unreadable", "gone", "no-success".
	Reason json.RawMessage `json:"reason"`
}

// WebhookDisabled is the data of webhook.disabled: a webhook was disabled: its receiver has answered 410, or nothing has succeeded for days.
type WebhookDisabled struct {
	WebhookID string `json:"webhook_id"`
	UrlHost   string `json:"url_host"`
	// One of "gone", "no-success".
	Reason json.RawMessage `json:"reason"`
}

// PresenceJoined is the data of presence.joined: on `presence:NAME`: a principal follows the stream NAME.
type PresenceJoined struct {
	Principal string `json:"principal"`
	// Open streams on the followed stream then, of all principals.
	Clients int64 `json:"clients"`
}

// PresenceLeft is the data of presence.left: on `presence:NAME`: a principal has not followed the stream NAME for 15 s.
type PresenceLeft struct {
	Principal string `json:"principal"`
	// Open streams on the followed stream then, of all principals.
	Clients int64 `json:"clients"`
}

// ItemCreated is the data of item.created: an item was created, at revision 1.
type ItemCreated struct {
	PartNumber  string `json:"part_number"`
	Description string `json:"description"`
	ItemType    string `json:"item_type"`
}

// ItemUpdated is the data of item.updated: an item was changed, or released under its next revision.
type ItemUpdated struct {
	PartNumber string `json:"part_number"`
	Revision   int64  `json:"revision"`
}

// ItemDeleted is the data of item.deleted: an item was deleted, with its revisions.
type ItemDeleted struct {
	PartNumber string `json:"part_number"`
}

// RevisionCreated is the data of revision.created: an item was released under its next revision; `item.updated` follows.
type RevisionCreated struct {
	PartNumber     string `json:"part_number"`
	RevisionNumber int64  `json:"revision_number"`
	Comment        string `json:"comment"`
}

// JobCreated is the data of job.created: a job was queued.
type JobCreated struct {
	// The id of the job.
	JobID    string  `json:"job_id"`
	Kind     string  `json:"kind"`
	Project  *string `json:"project"`
	Title    *string `json:"title"`
	Priority int64   `json:"priority"`
}

// JobStarted is the data of job.started: a runner claimed the job, or its creator started it without a runner.
type JobStarted struct {
	// The id of the job.
	JobID   string  `json:"job_id"`
	Attempt int64   `json:"attempt"`
	Runner  *string `json:"runner"`
}

// JobRequeued is the data of job.requeued: the runner handed the job back, or its lease expired.
type JobRequeued struct {
	// The id of the job.
	JobID   string `json:"job_id"`
	Attempt int64  `json:"attempt"`
	// One of "handed-back", "lease-expired".
	Reason json.RawMessage `json:"reason"`
}

// JobCompleted is the data of job.completed: the job was reported as completed.
type JobCompleted struct {
	// The id of the job.
	JobID   string          `json:"job_id"`
	Status  string          `json:"status"`
	Result  json.RawMessage `json:"result"`
	Attempt int64           `json:"attempt"`
}

// JobFailed is the data of job.failed: the job was reported as failed.
type JobFailed struct {
	// The id of the job.
	JobID   string          `json:"job_id"`
	Status  string          `json:"status"`
	Result  json.RawMessage `json:"result"`
	Attempt int64           `json:"attempt"`
}

// JobCancelled is the data of job.cancelled: an editor cancelled the job.
type JobCancelled struct {
	// The id of the job.
	JobID   string          `json:"job_id"`
	Status  string          `json:"status"`
	Result  json.RawMessage `json:"result"`
	Attempt int64           `json:"attempt"`
}

// JobAborted is the data of job.aborted: its executor or an editor gave the job up.
type JobAborted struct {
	// The id of the job.
	JobID   string          `json:"job_id"`
	Status  string          `json:"status"`
	Result  json.RawMessage `json:"result"`
	Attempt int64           `json:"attempt"`
}

// JobInterrupted is the data of job.interrupted: the lease of the last permitted attempt expired, or no runner claimed the job in time.
type JobInterrupted struct {
	// The id of the job.
	JobID   string          `json:"job_id"`
	Status  string          `json:"status"`
	Result  json.RawMessage `json:"result"`
	Attempt int64           `json:"attempt"`
}

// Output is the data of output: a command that `sluice runner` executes wrote a line.
type Output struct {
	Line string `json:"line"`
	// One of "stdout", "stderr".
	Stream json.RawMessage `json:"stream"`
	// The line goes on in the next event.
	Continues bool `json:"continues,omitempty"`
	// Bytes that are not UTF-8 became U+FFFD.
	Replaced bool `json:"replaced,omitempty"`
}

// newData is a pointer to the struct for a type of event; nil for types that the gateway does not define.
func newData(eventType string) any {
	switch eventType {
	case "event.redacted":
		return &EventRedacted{}
	case "chunk":
		return &Chunk{}
	case "chunk.cancel":
		return &ChunkCancel{}
	case "consumer.lagging":
		return &ConsumerLagging{}
	case "webhook.paused":
		return &WebhookPaused{}
	case "webhook.resumed":
		return &WebhookResumed{}
	case "webhook.disabled":
		return &WebhookDisabled{}
	case "presence.joined":
		return &PresenceJoined{}
	case "presence.left":
		return &PresenceLeft{}
	case "item.created":
		return &ItemCreated{}
	case "item.updated":
		return &ItemUpdated{}
	case "item.deleted":
		return &ItemDeleted{}
	case "revision.created":
		return &RevisionCreated{}
	case "job.created":
		return &JobCreated{}
	case "job.started":
		return &JobStarted{}
	case "job.requeued":
		return &JobRequeued{}
	case "job.completed":
		return &JobCompleted{}
	case "job.failed":
		return &JobFailed{}
	case "job.cancelled":
		return &JobCancelled{}
	case "job.aborted":
		return &JobAborted{}
	case "job.interrupted":
		return &JobInterrupted{}
	case "output":
		return &Output{}
	}
	return nil
}
