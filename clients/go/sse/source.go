package sse

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// DefaultSilence is a little more than two heartbeats of a Sluice gateway.
const DefaultSilence = 65 * time.Second

// A Source is a stream of Server-Sent Events at a URL. Only URL is required. A Source is used by one [Source.Run] at a
// time.
//
// Run is in one of four states. It connects, until the response begins. The connection is open, until the response
// ends, breaks, is silent for too long, or the handler leaves it. Then Run waits, for a delay that grows with each
// failure, and connects again. It has ended when it returns, and holds nothing then: no connection, no goroutine.
type Source struct {
	URL string
	// Method is GET by default.
	Method string
	// Body is sent again with each request.
	Body   []byte
	Header http.Header
	// HTTPClient is [http.DefaultClient] by default. Its Timeout and CheckRedirect are not used: a stream has no end,
	// and the Source follows redirects itself.
	HTTPClient *http.Client

	// LastEventID is where to start. Run moves it after the handler has handled a block; a handler may set it when it
	// returns [ErrReconnect].
	LastEventID string
	// Retry is the delay before the second connection, until the server sends `retry`. Default: 1 s.
	Retry time.Duration
	// MaxDelay limits how far the delay doubles. Default: 30 s.
	MaxDelay time.Duration
	// LongestRetry caps the delays that a server asks for, with `retry` and Retry-After. Default: 5 min.
	LongestRetry time.Duration
	// Silence is how long a connection may send nothing before it counts as dead. Default: [DefaultSilence].
	Silence time.Duration
	// MaxEventBytes is the size of the largest event; a larger one ends Run with a [*TooLargeError].
	MaxEventBytes int
	// GiveUpAfter ends Run with a [*GaveUpError] after failures for this long without a connection. 0: never.
	GiveUpAfter time.Duration

	// Authorize adds credentials to a request. It is not called for another origin than that of the URL.
	Authorize func(ctx context.Context, request *http.Request) error
	// Refused decides about a status that is not temporary: nil means to connect again at once, [ErrReconnect] after a
	// delay. Any other error ends Run, as the [*StatusError] does without this function.
	Refused func(ctx context.Context, refusal *StatusError) error
	// Opened is called when a response begins.
	Opened func(ctx context.Context, response *http.Response)
	// Waiting is called before each delay.
	Waiting func(delay time.Duration, cause error)
	// Comment receives each comment.
	Comment func(text string)

	clock clock
	mutex sync.Mutex
	waker *waker
}

// Restart ends the current connection or delay of Run, which then connects at once. Any goroutine may call it.
func (s *Source) Restart() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.waker != nil {
		s.waker.wake()
	}
}

// Run connects and calls handle for each block, one after the other, until the stream is closed ([ErrClosed]), the
// server refuses ([*StatusError], [*ContentTypeError]), an event is too large, handle returns an error, or the context
// ends. It reads on only when handle has returned, so a slow handler slows the server down.
func (s *Source) Run(ctx context.Context, handle func(ctx context.Context, block Block) error) error {
	waker := startWaker(s.clock)
	defer waker.stop()
	s.setWaker(waker)
	defer s.setWaker(nil)
	delays := backoff{max: orDefault(s.MaxDelay, defaultMaxDelay), longest: orDefault(s.LongestRetry, defaultLongestRetry)}
	delays.setRetry(orDefault(s.Retry, defaultRetry))
	failing := time.Now()
	for {
		attempt := attempt{source: s, delays: &delays, waker: waker, handle: handle}
		began := time.Now()
		err := attempt.run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if final := finalError(err); final != nil {
			return final
		}
		if attempt.opened {
			failing = time.Now()
			if attempt.delivered || time.Since(began) > delays.last {
				delays.reset()
			}
		} else if s.GiveUpAfter > 0 && time.Since(failing) >= s.GiveUpAfter {
			return &GaveUpError{After: s.GiveUpAfter, Last: err}
		}
		if errors.Is(err, errSilent) || errors.Is(err, errWoke) {
			// HTTP/2 would send the next request on the dead connection.
			s.client(true).CloseIdleConnections()
		}
		if errors.Is(err, ErrReconnectNow) || errors.Is(err, errWoke) {
			continue
		}
		var atLeast time.Duration
		if refusal := (*StatusError)(nil); errors.As(err, &refusal) {
			atLeast = refusal.RetryAfter()
		}
		delay := delays.next(atLeast)
		if s.Waiting != nil {
			s.Waiting(delay, err)
		}
		if err := waker.wait(ctx, delay); err != nil {
			return err
		}
	}
}

func (s *Source) setWaker(waker *waker) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.waker = waker
}

// A final error ends Run.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

func finalError(err error) error {
	if end := (final{}); errors.As(err, &end) {
		return end.error
	}
	return nil
}

func orDefault(value, otherwise time.Duration) time.Duration {
	if value > 0 {
		return value
	}
	return otherwise
}
