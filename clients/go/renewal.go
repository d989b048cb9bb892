package sluice

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	defaultRenewBefore   = 30 * time.Second
	defaultConfirmWithin = 10 * time.Second
	renewalRequest       = 30 * time.Second
	// renewAgain is the delay if fresh credentials seem to have expired: the clock of this machine is wrong.
	renewAgain = 5 * time.Second
)

// A renewal replaces the credentials of an open stream before they expire, without a reconnect.
//
// It is idle until the stream has named its connection and the credentials are known to expire. Then it waits until
// shortly before that, asks for new ones, and sends them (POST /api/streams/:connection/token). The stream confirms with
// `auth-renewed`, and the renewal waits again. Without a confirmation in time the feed reconnects, with the new ones.
type renewal struct {
	feed *Feed

	mutex      sync.Mutex
	closed     bool
	reading    bool
	awaiting   bool // the confirmation
	connection string
	current    Credentials
	end        context.CancelFunc // of the request that is under way
	timer      *time.Timer
	running    sync.WaitGroup
}

func newRenewal(feed *Feed) *renewal { return &renewal{feed: feed, reading: true, end: func() {}} }

// start waits until the credentials of this connection are about to expire.
func (r *renewal) start(connection string, credentials Credentials) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.connection, r.current = connection, credentials
	r.plan(0)
}

// confirmed plans the next renewal, from the expiry of the new credentials.
func (r *renewal) confirmed() {
	r.mutex.Lock()
	if r.connection != "" {
		// They are new: if they are due already, the clock is wrong, or RenewBefore is longer than their life.
		r.plan(renewAgain)
	}
	r.mutex.Unlock()
	if r.feed.options.renewed != nil {
		r.feed.options.renewed()
	}
}

// stop forgets the connection.
func (r *renewal) stop() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.connection, r.awaiting = "", false
	r.cancel()
}

// close waits until nothing runs any more.
func (r *renewal) close() {
	r.stop()
	r.mutex.Lock()
	r.closed = true
	r.mutex.Unlock()
	r.running.Wait()
}

// setReading says whether the feed reads: a confirmation that lies unread is no missing one. Its time begins anew after that.
func (r *renewal) setReading(reading bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.reading = reading
	if r.awaiting {
		r.awaitConfirmation()
	}
}

// plan renews when the credentials are due; credentials that are due already are renewed after half of what is left of
// their life, or, if nothing seems to be left, after again.
func (r *renewal) plan(again time.Duration) {
	r.awaiting = false
	r.cancel()
	at := r.current.expiresAt()
	if at.IsZero() || r.current.Ticket != "" || r.feed.client.keeper.refresh == nil {
		return
	}
	left := time.Until(at)
	before := r.feed.client.delays.RenewBefore
	if before <= 0 {
		before = min(defaultRenewBefore, left/5)
	}
	delay := left - before
	if delay <= 0 && again > 0 {
		delay = left / 2
		if left <= 0 {
			delay = again
		}
	}
	r.after(max(0, delay), r.renew)
}

// after runs do unless the renewal is stopped before.
func (r *renewal) after(delay time.Duration, do func(ctx context.Context)) {
	if r.closed {
		return
	}
	ctx, cancel := context.WithCancel(r.feed.ctx)
	r.end = cancel
	r.running.Add(1)
	r.timer = time.AfterFunc(delay, func() {
		defer r.running.Done()
		if ctx.Err() == nil {
			do(ctx)
		}
	})
}

func (r *renewal) cancel() {
	r.end()
	if r.timer != nil && r.timer.Stop() {
		r.running.Done()
	}
	r.timer = nil
}

func (r *renewal) renew(ctx context.Context) {
	r.mutex.Lock()
	connection, stale := r.connection, r.current
	r.mutex.Unlock()
	fresh, err := r.feed.client.keeper.newer(ctx, stale)
	if err != nil || !fresh.outlast(stale) || fresh.Ticket != "" {
		// The stream will end with auth-expired.
		return
	}
	// The confirmation may come before the response.
	r.mutex.Lock()
	if ctx.Err() == nil {
		r.current = fresh
	}
	r.mutex.Unlock()
	limited, done := context.WithTimeout(ctx, renewalRequest)
	defer done()
	err = r.feed.client.once(limited, request{
		method: http.MethodPost, path: "/api/streams/" + url.PathEscape(connection) + "/token",
	}, fresh, nil)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch {
	case ctx.Err() != nil:
		// Confirmed meanwhile, or the connection is over.
	case err != nil:
		r.feed.source.Restart()
	default:
		r.awaitConfirmation()
	}
}

// awaitConfirmation waits while the feed reads.
func (r *renewal) awaitConfirmation() {
	within := r.feed.client.delays.ConfirmWithin
	if within <= 0 {
		within = defaultConfirmWithin
	}
	r.awaiting = true
	r.cancel()
	if !r.reading {
		return
	}
	r.after(within, func(ctx context.Context) {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		if ctx.Err() == nil {
			r.feed.source.Restart()
		}
	})
}
