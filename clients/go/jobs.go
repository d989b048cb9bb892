package sluice

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// A JobState is a job as the gateway stores it.
type JobState struct {
	ID             string          `json:"id"`
	Kind           string          `json:"kind"`
	Project        string          `json:"project"`
	Title          string          `json:"title"`
	Payload        json.RawMessage `json:"payload"`
	Priority       int             `json:"priority"`
	Status         string          `json:"status"`
	Result         json.RawMessage `json:"result"`
	Attempt        int             `json:"attempt"`
	MaxAttempts    int             `json:"max_attempts"`
	TimeoutMS      int64           `json:"timeout_ms"`
	Runner         string          `json:"runner"`
	LeaseExpiresAt *time.Time      `json:"lease_expires_at"`
	CreatedBy      string          `json:"created_by"`
	CreatedAt      time.Time       `json:"created_at"`
	StartedAt      *time.Time      `json:"started_at"`
	EndedAt        *time.Time      `json:"ended_at"`
}

// Ended says whether the job has its last status.
func (j JobState) Ended() bool {
	return j.Status != "" && j.Status != "queued" && j.Status != "running"
}

// A NewJob is a job to queue. Only Kind is required.
type NewJob struct {
	ID      string `json:"id,omitempty"`
	Kind    string `json:"kind"`
	Project string `json:"project,omitempty"`
	Title   string `json:"title,omitempty"`
	// Payload must encode as a JSON object.
	Payload     any   `json:"payload,omitempty"`
	Priority    int   `json:"priority,omitempty"`
	MaxAttempts int   `json:"max_attempts,omitempty"`
	TimeoutMS   int64 `json:"timeout_ms,omitempty"`
	// IdempotencyKey is as in [PublishOptions].
	IdempotencyKey string `json:"-"`
}

// A JobQuery narrows a list of jobs.
type JobQuery struct {
	Status, Kind, Project string
	// Limit is the size of a page, 1 to 200. Default: 50.
	Limit int
	// Cursor is the NextCursor of the page before.
	Cursor string
}

// A JobPage is one page of a list, newest first.
type JobPage struct {
	Jobs []JobState `json:"jobs"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor"`
	// Head is the newest event of the feed that the page includes.
	Head string `json:"-"`
}

// Jobs are the jobs of the workspace.
type Jobs struct{ client *Client }

// Jobs returns the requests about jobs. See [Client.Job] for one job.
func (c *Client) Jobs() Jobs { return Jobs{c} }

// Create queues a job. Repetitions after a failure create no second one.
func (j Jobs) Create(ctx context.Context, job NewJob) (JobState, error) {
	var created JobState
	_, err := j.client.call(ctx, request{
		method: http.MethodPost, path: "/api/jobs", body: job, header: idempotencyKey(job.IdempotencyKey), repeatable: true,
	}, &created)
	return created, err
}

// List returns one page.
func (j Jobs) List(ctx context.Context, query JobQuery) (JobPage, error) {
	var page JobPage
	header, err := j.client.call(ctx, request{
		method: http.MethodGet, path: "/api/jobs", repeatable: true,
		query: values("status", query.Status, "kind", query.Kind, "project", query.Project,
			"cursor", query.Cursor, "limit", number(query.Limit)),
	}, &page)
	page.Head = header.Get("X-Sluice-Head")
	return page, err
}
