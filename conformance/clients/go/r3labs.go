package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/r3labs/sse/v2"
	"gopkg.in/cenkalti/backoff.v1"
)

// It does not reconnect after an end, and after a broken connection only within 15 minutes of the first request. So
// each call of SubscribeRaw is one connection here, and the loop is ours.
func followR3labs(ctx context.Context, url, token string, hear Hear) error {
	// An event has up to 256 KiB; the default buffer is 64 KiB.
	client := sse.NewClient(url, sse.ClientMaxBufferSize(1<<20))
	client.Headers["Authorization"] = "Bearer " + token
	client.ReconnectStrategy = &backoff.StopBackOff{}
	var refusal error
	client.ResponseValidator = func(_ *sse.Client, response *http.Response) error {
		if response.StatusCode == http.StatusOK {
			return nil
		}
		response.Body.Close()
		err := fmt.Errorf("status %d", response.StatusCode)
		if response.StatusCode < 500 {
			refusal = err
		}
		return err
	}
	var lastID []byte
	for refusal == nil && ctx.Err() == nil {
		_ = client.SubscribeRawWithContext(ctx, func(event *sse.Event) {
			// It also delivers events that were cut off: an event is complete if its JSON is.
			if json.Valid(event.Data) {
				hear(string(event.ID), string(event.Event), string(event.Data))
				lastID = event.ID
			}
			client.LastEventID.Store(lastID)
		})
		time.Sleep(2*time.Second + rand.N(time.Second))
	}
	return refusal
}
