package sluice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A Job is one job, which may have ended or not begun.
type Job struct {
	client *Client
	id     string
}

// A JobResult is how a job has ended.
type JobResult struct {
	// Status is "completed", "failed", "cancelled", "aborted" or "interrupted".
	Status string `json:"status"`
	// Result is a JSON object, or null.
	Result  json.RawMessage `json:"result"`
	Attempt int             `json:"attempt"`
}

// Job returns the job of this id, without a request.
func (c *Client) Job(id string) Job { return Job{c, id} }

// ID returns the id.
func (j Job) ID() string { return j.id }

// Get returns the job as it is now.
func (j Job) Get(ctx context.Context) (JobState, error) {
	var state JobState
	_, err := j.client.call(ctx, request{method: http.MethodGet, path: j.path(), repeatable: true}, &state)
	return state, err
}

// Cancel cancels the job. It fails with a [*RefusedError] whose code is "job-ended" if the job has ended.
func (j Job) Cancel(ctx context.Context) error {
	_, err := j.client.call(ctx, request{method: http.MethodPost, path: j.path() + "/cancel"}, nil)
	return err
}

// Events follows the job from its beginning, until its last event. Stream and Last of the options are not used.
func (j Job) Events(ctx context.Context, options FeedOptions) *Feed {
	options.Stream, options.Last, options.path = "", 0, j.path()+"/events"
	if options.snapshot == nil {
		options.snapshot = func(Notice) error { return nil }
	}
	return j.client.Feed(ctx, options)
}

// Wait waits for the end of the job, however often the connection breaks. A job that has not succeeded is no error: look
// at the status.
func (j Job) Wait(ctx context.Context) (JobResult, error) {
	var ended *JobResult
	feed := j.Events(ctx, FeedOptions{
		Types: []string{"job.*"},
		snapshot: func(notice Notice) error {
			var snapshot struct{ Job JobState }
			if err := json.Unmarshal(notice.Data, &snapshot); err != nil {
				return &ProtocolError{Code: "invalid-data", Err: fmt.Errorf("sluice: the snapshot of a job is invalid: %w", err)}
			}
			if !snapshot.Job.Ended() {
				return nil
			}
			ended = &JobResult{snapshot.Job.Status, snapshot.Job.Result, snapshot.Job.Attempt}
			return ErrStreamClosed
		},
		// The events are not needed, only how the job is now.
		Reload: func(ctx context.Context, _ Reset) (string, error) {
			result, err := j.result(ctx)
			if err == nil && ended == nil && result != nil {
				ended, err = result, ErrStreamClosed
			}
			return "", err
		},
	})
	defer feed.Close()
	for {
		event, err := feed.Next(ctx)
		if errors.Is(err, ErrStreamClosed) {
			if ended == nil {
				ended, err = j.result(ctx)
			} else {
				err = nil
			}
			if err == nil && ended == nil {
				err = &ProtocolError{Code: "invalid-data", Err: errors.New("sluice: the stream of the job has ended before the job")}
			}
			if err != nil {
				return JobResult{}, err
			}
			return *ended, nil
		}
		if err != nil {
			return JobResult{}, err
		}
		if result, last := resultIn(event); last {
			return result, nil
		}
	}
}

// result is nil if the job has not ended.
func (j Job) result(ctx context.Context) (*JobResult, error) {
	state, err := j.Get(ctx)
	if err != nil || !state.Ended() {
		return nil, err
	}
	return &JobResult{state.Status, state.Result, state.Attempt}, nil
}

func (j Job) path() string { return "/api/jobs/" + url.PathEscape(j.id) }

func resultIn(event Event) (JobResult, bool) {
	status := strings.TrimPrefix(event.Type, "job.")
	switch status {
	case "completed", "failed", "cancelled", "aborted", "interrupted":
		result := JobResult{}
		// The data may be redacted; the type says how the job has ended.
		_ = event.Decode(&result)
		result.Status = status
		return result, true
	}
	return JobResult{}, false
}
