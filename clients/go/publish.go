package sluice

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"
)

// A NewEvent is an event to publish.
type NewEvent struct {
	Type string `json:"type"`
	// Data must encode as a JSON object.
	Data any `json:"data"`
}

// A StoredEvent is an event that the gateway has committed.
type StoredEvent struct {
	ID       string    `json:"id"`
	Position int64     `json:"position"`
	At       time.Time `json:"at"`
	EventID  string    `json:"event_id"`
}

// PublishOptions are for [Client.PublishWith].
type PublishOptions struct {
	// Stream is "feed" if it is empty.
	Stream string
	// IdempotencyKey names the request for 24 hours: a second one with the same key and the same events stores nothing
	// and gets the first response. Give one that your own data determines if your program may repeat the call after a
	// crash. Default: random, which makes the repetitions of this call safe.
	IdempotencyKey string
	// ExpectedHead stores the events only if this event is the newest of the stream; "0": if the stream has had none.
	ExpectedHead string
}

// Publish stores the events in the feed, all of them or none, and returns when they are committed. It repeats the
// request after failures that pass, as long as [Options.RetryFor] and ctx allow: each event is stored once.
func (c *Client) Publish(ctx context.Context, events ...NewEvent) ([]StoredEvent, error) {
	return c.PublishWith(ctx, PublishOptions{}, events...)
}

// PublishWith is Publish with options. It fails with a [*RefusedError] whose code is "head-differs" if another event is
// the head.
func (c *Client) PublishWith(ctx context.Context, options PublishOptions, events ...NewEvent) ([]StoredEvent, error) {
	r := request{method: http.MethodPost, path: "/api/events", query: url.Values{}, body: events, repeatable: true}
	if options.Stream != "" {
		r.query.Set("stream", options.Stream)
	}
	if options.ExpectedHead != "" {
		r.query.Set("expected_head", options.ExpectedHead)
	}
	r.header = idempotencyKey(options.IdempotencyKey)
	var stored struct{ Events []StoredEvent }
	_, err := c.call(ctx, r, &stored)
	return stored.Events, err
}

func idempotencyKey(key string) http.Header {
	if key == "" {
		random := make([]byte, 16)
		// Since Go 1.24 it cannot fail; before, it fails on machines without randomness.
		if _, err := rand.Read(random); err != nil {
			panic(err)
		}
		key = hex.EncodeToString(random)
	}
	return http.Header{"Idempotency-Key": {key}}
}
