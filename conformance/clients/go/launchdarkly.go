package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/launchdarkly/eventsource"
)

// It reconnects by itself, after each status too, unless the error handler closes it.
func followLaunchDarkly(ctx context.Context, url, token string, hear Hear) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	var refusal error
	stream, err := eventsource.SubscribeWithRequestAndOptions(request,
		eventsource.StreamOptionCanRetryFirstConnection(-1),
		// A little more than two heartbeats of the gateway. Without this, a dead connection is never noticed.
		eventsource.StreamOptionReadTimeout(65*time.Second),
		eventsource.StreamOptionUseBackoff(30*time.Second),
		eventsource.StreamOptionUseJitter(0.5),
		eventsource.StreamOptionErrorHandler(func(err error) eventsource.StreamErrorHandlerResult {
			var status eventsource.SubscriptionError
			refused := errors.As(err, &status) && status.Code < 500
			if refused {
				refusal = err
			}
			return eventsource.StreamErrorHandlerResult{CloseNow: refused}
		}),
	)
	if err != nil {
		return err
	}
	for event := range stream.Events {
		hear(event.Id(), event.Event(), event.Data())
	}
	return refusal
}
