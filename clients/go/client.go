package sluice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options configure a [Client]. Only URL is required.
type Options struct {
	// URL of the gateway, with the prefix under which an application has mounted it, if there is one.
	URL string
	// Token or Key authenticate every request. See also Refresh.
	Token, Key string
	// ExpiresAt is when they expire; read from the token if it is zero.
	ExpiresAt time.Time
	// Refresh returns new credentials. It is called when there are none, before they expire, when they have expired,
	// and once after a 401, never twice at the same time. An error is taken for a passing one, and the call repeated
	// after a delay, unless it is a [*RefusedError].
	Refresh func(ctx context.Context) (Credentials, error)
	// HTTPClient is [http.DefaultClient] by default.
	HTTPClient *http.Client
	// RetryFor is how long Publish and other requests are repeated before they fail with a [*GaveUpError].
	// Default: 30 s. Feeds never give up unless [FeedOptions.GiveUpAfter] is set.
	RetryFor time.Duration
	// Delays of feeds and of other requests that fail.
	Delays Delays
}

// Delays are the times that a client waits. The zero value is right for a gateway with default settings.
type Delays struct {
	// Retry is the first delay after a failure, until the server sends its own. Default: 1 s.
	Retry time.Duration
	// Max limits how far the delay doubles. Default: 30 s.
	Max time.Duration
	// LongestRetry caps the delays that a server asks for. Default: 5 min.
	LongestRetry time.Duration
	// Silence is how long a stream may send nothing before it counts as dead. Default: 65 s.
	Silence time.Duration
	// RenewBefore is how long before the credentials expire they are renewed in the stream. Default: 30 s, and at most
	// a fifth of their lifetime as of the request.
	RenewBefore time.Duration
	// ConfirmWithin is how long the stream may take to confirm a renewal before the client reconnects. Default: 10 s.
	ConfirmWithin time.Duration
}

// A Client makes requests to one gateway with the credentials of one principal. It is safe for concurrent use, and
// holds nothing that must be closed.
type Client struct {
	base     string
	http     *http.Client
	keeper   *keeper
	retryFor time.Duration
	delays   Delays
}

// New returns a client. It makes no request.
func New(options Options) (*Client, error) {
	base, err := url.Parse(options.URL)
	if err != nil {
		return nil, fmt.Errorf("sluice: the URL of the gateway is invalid: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" {
		return nil, fmt.Errorf("sluice: %q is no URL of a gateway: give one such as http://127.0.0.1:8080", options.URL)
	}
	if options.Token != "" && options.Key != "" {
		return nil, errors.New("sluice: the gateway refuses two credentials: give a token or a key")
	}
	client := options.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	retryFor := options.RetryFor
	if retryFor <= 0 {
		retryFor = 30 * time.Second
	}
	first := Credentials{Token: options.Token, Key: options.Key, ExpiresAt: options.ExpiresAt}
	return &Client{
		base:     strings.TrimSuffix(base.String(), "/"),
		http:     client,
		keeper:   newKeeper(first, options.Refresh),
		retryFor: retryFor,
		delays:   options.Delays,
	}, nil
}
