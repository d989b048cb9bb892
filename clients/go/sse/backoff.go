package sse

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	defaultRetry        = time.Second
	defaultMaxDelay     = 30 * time.Second
	defaultLongestRetry = 5 * time.Minute
	// smallestRetry keeps a `retry` of 0 from becoming a busy loop.
	smallestRetry = 10 * time.Millisecond
)

// A backoff chooses the delays between connections: `retry`, doubled with each failure up to max, and up to half as
// much again, at random, so that the clients of a server that restarts do not come back together.
type backoff struct {
	retry, max time.Duration
	// longest caps what a server asks for.
	longest  time.Duration
	failures int
	last     time.Duration
}

func (b *backoff) setRetry(retry time.Duration) {
	b.retry = max(smallestRetry, min(retry, b.longest))
}

func (b *backoff) reset() { b.failures = 0 }

// next is the delay before the next attempt, at least atLeast, which is capped.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	delay := b.retry
	for doubled := 0; doubled < b.failures && delay < b.max; doubled++ {
		delay += min(delay, b.max-delay)
	}
	// The random part does not exceed max, but the delay is never shorter than the server asks for.
	delay = max(b.retry, min(delay, b.max/3*2))
	delay = max(delay, min(atLeast, b.longest))
	b.failures++
	delay = min(delay, math.MaxInt64/2)
	b.last = delay + rand.N(delay/2+1)
	return b.last
}
