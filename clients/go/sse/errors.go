package sse

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrClosed ends [Source.Run] at a 204: the server has nothing more to send, ever.
var ErrClosed = errors.New("the stream is closed: the server has no further events (204)")

// ErrReconnect is what a handler returns to leave the connection and open the next one. The block counts as not
// handled: [Source.LastEventID] stays as the handler left it.
var ErrReconnect = errors.New("reconnect")

// ErrReconnectNow is like [ErrReconnect], without a delay.
var ErrReconnectNow = errors.New("reconnect at once")

var (
	errSilent = errors.New("the connection was silent for too long")
	errWoke   = errors.New("the machine has slept, or a restart was asked for: the connection is out of date")
	errEnded  = errors.New("the server ended the response")
)

// largestErrorBody bounds what is read of the body of a refusal.
const largestErrorBody = 64 << 10

// A StatusError is a response with another status than 200 and 204.
type StatusError struct {
	Status int
	Header http.Header
	// Body is at most its first 64 KiB.
	Body []byte
	// Reason says more than the status; may be empty.
	Reason string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the server answered with the status %d", e.Status)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Temporary says whether the same request may succeed later: 408, 425, 429 and 5xx.
func (e *StatusError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// RetryAfter is the delay that the server asks for in Retry-After (RFC 9110 §10.2.3), in seconds or as a date; 0 if it
// asks for none.
func (e *StatusError) RetryAfter() time.Duration {
	value := strings.TrimSpace(e.Header.Get("Retry-After"))
	// A number that is out of range becomes the largest one.
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// NewStatusError reads the start of the body. It does not close it.
func NewStatusError(response *http.Response) *StatusError {
	body, _ := io.ReadAll(io.LimitReader(response.Body, largestErrorBody))
	return &StatusError{Status: response.StatusCode, Header: response.Header, Body: body}
}

// A ContentTypeError is a response with the status 200 that is no event stream. It is final.
type ContentTypeError struct {
	// ContentType is what came instead; may be empty.
	ContentType string
}

func (e *ContentTypeError) Error() string {
	return fmt.Sprintf("expected text/event-stream, got %q: check the URL", e.ContentType)
}

func checkContentType(header http.Header) error {
	contentType := header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "text/event-stream" {
		return nil
	}
	return &ContentTypeError{ContentType: contentType}
}

// A GaveUpError ends [Source.Run] when it has failed for longer than [Source.GiveUpAfter].
type GaveUpError struct {
	After time.Duration
	// Last is the newest failure.
	Last error
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("gave up after %s without a connection: %v", e.After, e.Last)
}

func (e *GaveUpError) Unwrap() error { return e.Last }
