package sluice

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sluice.example/client/sse"
)

var (
	// ErrStreamClosed means that the stream has had its last event and the application has all of them.
	ErrStreamClosed = errors.New("the stream is closed: it has no further events")
	// ErrFeedClosed means that the application has closed the feed.
	ErrFeedClosed = errors.New("the feed was closed by the application")
)

// A GaveUpError means that all attempts have failed, for as long as the options allow.
type GaveUpError = sse.GaveUpError

// A Problem is what the server says about a request that failed (RFC 9457).
type Problem struct {
	// Status of the response; 0 for credentials that ended while the stream was open.
	Status int
	// Code, such as "role-too-low": decide by it. "http-502" if the response is no problem document.
	Code string
	// Detail says what happened and what to do.
	Detail string
	// RequestID finds the request in the gateway's log.
	RequestID string
	// Members is the whole document, for members such as `head` or `etag`; nil if there is none.
	Members json.RawMessage

	retryAfter time.Duration
}

func (p Problem) text(what string) string {
	text := what + ": " + p.Code
	if p.Status != 0 {
		text = fmt.Sprintf("%s: %d %s", what, p.Status, p.Code)
	}
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	return text
}

// A RefusedError is final: the same request would be refused again. Correct its cause, then start anew.
type RefusedError struct {
	Problem
	// Err is why credentials could not be refreshed; may be nil.
	Err error
}

func (e *RefusedError) Error() string {
	text := e.text("the gateway refused")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Err }

// An UnavailableError is a failure that a later attempt may not have: 408, 425, 429 and 5xx.
type UnavailableError struct{ Problem }

func (e *UnavailableError) Error() string { return e.text("the gateway cannot answer now") }

// A ProtocolError means that the server does not speak the protocol of Sluice.
type ProtocolError struct {
	// Code is "content-type", "event-too-large" or "invalid-data".
	Code string
	Err  error
}

func (e *ProtocolError) Error() string { return e.Err.Error() }

func (e *ProtocolError) Unwrap() error { return e.Err }

// A ResetError ends a feed that has no Reload function when events are missing.
type ResetError struct{ Reset }

func (e *ResetError) Error() string {
	return fmt.Sprintf("events are missing (%s): load your state again, then follow from its head; or set FeedOptions.Reload", e.Reason)
}

// A TakenOverError ends a consumer that another client has now. Its Code is "taken-over" if the stream or an
// acknowledgement said so, and "consumer-held" or "consumer-lost" if the gateway refused the stream.
type TakenOverError struct{ Problem }

func (e *TakenOverError) Error() string { return e.text("another client has the consumer") }

// A HandlerError ends [Consumer.Each]. Its event is not acknowledged, so the gateway hands it out again.
type HandlerError struct {
	Event Event
	// Err is what the handler returned.
	Err error
}

func (e *HandlerError) Error() string {
	return fmt.Sprintf("the handler failed at the event %s: %v", e.Event.ID, e.Err)
}

func (e *HandlerError) Unwrap() error { return e.Err }

func problemOf(status *sse.StatusError) Problem {
	p := Problem{
		Status:     status.Status,
		Code:       fmt.Sprintf("http-%d", status.Status),
		Detail:     status.Reason,
		RequestID:  status.Header.Get("X-Request-Id"),
		retryAfter: status.RetryAfter(),
	}
	var document struct {
		Code, Detail string
		RequestID    string `json:"request_id"`
	}
	if json.Unmarshal(status.Body, &document) == nil {
		p.Members = status.Body
		if document.Code != "" {
			p.Code = document.Code
		}
		if document.Detail != "" {
			p.Detail = document.Detail
		}
		if p.RequestID == "" {
			p.RequestID = document.RequestID
		}
	}
	if p.Detail == "" {
		p.Detail = http.StatusText(p.Status)
	}
	return p
}

// errorOf is an [*UnavailableError] or a [*RefusedError].
func errorOf(status *sse.StatusError) error {
	if status.Temporary() {
		return &UnavailableError{problemOf(status)}
	}
	return &RefusedError{Problem: problemOf(status)}
}

// meaning translates what ends a connection.
func meaning(err error) error {
	if errors.Is(err, sse.ErrClosed) {
		return ErrStreamClosed
	}
	if status := (*sse.StatusError)(nil); errors.As(err, &status) {
		if gaveUp := (*GaveUpError)(nil); errors.As(err, &gaveUp) {
			return &GaveUpError{After: gaveUp.After, Last: errorOf(status)}
		}
		return errorOf(status)
	}
	if contentType := (*sse.ContentTypeError)(nil); errors.As(err, &contentType) {
		return &ProtocolError{Code: "content-type", Err: err}
	}
	if tooLarge := (*sse.TooLargeError)(nil); errors.As(err, &tooLarge) {
		return &ProtocolError{Code: "event-too-large", Err: err}
	}
	return err
}
