package sluice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"sluice.example/client/sse"
)

const (
	attemptLasts = 60 * time.Second
	// largestResponse bounds what is read of a response: the gateway's have at most 4 MiB of data.
	largestResponse = 64 << 20
)

// A request is everything but the credentials.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any
	// repeatable requests are safe to send again when nobody knows whether the first one arrived.
	repeatable bool
}

// call makes the request until it succeeds, is refused, or has failed for as long as the options allow. It decodes the
// response into result, unless that is nil.
func (c *Client) call(ctx context.Context, r request, result any) (http.Header, error) {
	began := time.Now()
	refreshed := false
	for attempt := 0; ; attempt++ {
		credentials, err := c.keeper.current(ctx)
		var header http.Header
		if err == nil {
			header, err = c.send(ctx, r, credentials, result)
		} else {
			err = refreshFailed(err)
		}
		if err == nil || ctx.Err() != nil {
			return header, orCause(ctx, err)
		}
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && !refreshed && c.keeper.refresh != nil {
			refreshed = true
			if _, failed := c.keeper.newer(ctx, credentials); failed != nil {
				refused.Err = failed
				return nil, refused
			}
			continue
		}
		delay, again := c.delay(r, err, attempt)
		if !again {
			return nil, err
		}
		if time.Since(began)+delay > c.retryFor {
			return nil, &GaveUpError{After: time.Since(began).Round(time.Millisecond), Last: err}
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// delay says whether the request may be sent again, and when.
func (c *Client) delay(r request, err error, attempt int) (time.Duration, bool) {
	var unavailable *UnavailableError
	var notSent *net.OpError
	var refused *RefusedError
	var protocol *ProtocolError
	switch {
	case errors.As(err, &refused), errors.As(err, &protocol):
		return 0, false
	case errors.As(err, &unavailable):
		if !r.repeatable && unavailable.Status != http.StatusTooManyRequests {
			return 0, false
		}
	case errors.Is(err, sse.ErrReconnect):
		// No credentials: nothing was sent.
	case errors.As(err, &notSent) && notSent.Op == "dial":
	case !r.repeatable:
		return 0, false
	}
	retry, longest := orDefault(c.delays.Retry, time.Second), orDefault(c.delays.Max, 30*time.Second)
	// The random part does not exceed the longest delay.
	delay := max(retry, min(retry<<min(attempt, 16), longest*2/3))
	if unavailable != nil {
		delay = max(delay, min(unavailable.retryAfter, orDefault(c.delays.LongestRetry, 5*time.Minute)))
	}
	return delay + rand.N(delay/2+1), true
}

// once sends the request a single time.
func (c *Client) once(ctx context.Context, r request, credentials Credentials, result any) error {
	_, err := c.send(ctx, r, credentials, result)
	return err
}

func (c *Client) send(ctx context.Context, r request, credentials Credentials, result any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLasts)
	defer cancel()
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var content io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, &ProtocolError{Code: "invalid-data", Err: fmt.Errorf("sluice: the content is no JSON: %w", err)}
		}
		content = bytes.NewReader(encoded)
	}
	message, err := http.NewRequestWithContext(ctx, r.method, target, content)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		message.Header[name] = values
	}
	if r.body != nil {
		message.Header.Set("Content-Type", "application/json")
	}
	message.Header.Set("Accept", "application/json")
	credentials.apply(message)
	response, err := c.withoutRedirects().Do(message)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return response.Header, errorOf(sse.NewStatusError(response))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, largestResponse))
	if err != nil || result == nil {
		return response.Header, err
	}
	if err := json.Unmarshal(body, result); err != nil {
		return nil, &ProtocolError{Code: "invalid-data", Err: fmt.Errorf("sluice: the response is not what a gateway sends: %w", err)}
	}
	return response.Header, nil
}

// withoutRedirects keeps credentials from another origin: the gateway redirects no request.
func (c *Client) withoutRedirects() *http.Client {
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func orDefault(value, otherwise time.Duration) time.Duration {
	if value > 0 {
		return value
	}
	return otherwise
}
