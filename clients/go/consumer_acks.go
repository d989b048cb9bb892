package sluice

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	defaultAckEvery    = 100
	defaultAckAfter    = time.Second
	defaultCloseWithin = 5 * time.Second
)

// A heldConsumer is what the first server.state of a stream says of its consumer.
type heldConsumer struct {
	Epoch       int64 `json:"epoch"`
	AckTimeout  int64 `json:"ack_timeout_ms"`
	MaxInFlight int   `json:"max_in_flight"`
}

// An ackSession is the time in which what is handled may be acknowledged together: it ends with its epoch, or at a reset.
type ackSession struct {
	heldConsumer
	epoch int64
	ctx   context.Context
	end   context.CancelFunc
}

// An acknowledger acknowledges what the application has handled, one request at a time, and never under another epoch
// than it was handled in.
//
// It is idle until an event was handled; due until enough were, or the time is over; sending until the gateway has
// answered, with a pause after each failure; then idle. What is handled while it sends goes with the next request.
type acknowledger struct {
	client      Client // that tries once
	path        string
	every       int
	after       time.Duration
	closeWithin time.Duration
	refused     func(error)

	mutex   sync.Mutex
	session *ackSession
	id      string
	count   int
	timer   *time.Timer
	sending chan struct{} // closed when the goroutine of this session has ended
	closing bool
}

func newAcknowledger(client *Client, path string, options ConsumerOptions, refused func(error)) *acknowledger {
	a := &acknowledger{
		client:      *client,
		path:        path,
		every:       options.AckEvery,
		after:       orDefault(options.AckAfter, defaultAckAfter),
		closeWithin: orDefault(options.CloseWithin, defaultCloseWithin),
		refused:     refused,
	}
	if a.every <= 0 {
		a.every = defaultAckEvery
	}
	// A repetition must be for all that was handled by then.
	a.client.retryFor = 0
	return a
}

func (a *acknowledger) current() *ackSession {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.session
}

func (a *acknowledger) open(held heldConsumer) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.session == nil || a.session.epoch != held.Epoch {
		a.begin(&held)
	}
}

// forget goes on under the same epoch, without what was handled until now.
func (a *acknowledger) forget() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.session != nil {
		a.begin(&a.session.heldConsumer)
	}
}

// lose ends the epoch.
func (a *acknowledger) lose() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.begin(nil)
}

// handled takes the id of an event, and the session in which the application got it.
func (a *acknowledger) handled(id string, session *ackSession) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if session == nil || session != a.session {
		return
	}
	a.id = id
	a.count++
	a.plan()
}

// flush acknowledges now, unless it does already.
func (a *acknowledger) flush() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.start()
}

// finish acknowledges what was handled, and waits for it.
func (a *acknowledger) finish(ctx context.Context) error {
	for {
		a.mutex.Lock()
		a.start()
		sending := a.sending
		a.mutex.Unlock()
		if sending == nil {
			return nil
		}
		select {
		case <-sending:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close finishes within a time. The session stays, for an event that is still being handled.
func (a *acknowledger) close() {
	a.mutex.Lock()
	a.closing = true
	session := a.session
	a.mutex.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), a.closeWithin)
	defer cancel()
	if a.finish(ctx) != nil && session != nil {
		session.end()
	}
}

func (a *acknowledger) begin(held *heldConsumer) {
	a.stopTimer()
	if a.session != nil {
		a.session.end()
	}
	a.session, a.sending, a.id, a.count = nil, nil, "", 0
	if held != nil {
		ctx, end := context.WithCancel(context.Background())
		a.session = &ackSession{heldConsumer: *held, epoch: held.Epoch, ctx: ctx, end: end}
	}
}

// plan decides when what was handled is acknowledged.
func (a *acknowledger) plan() {
	switch {
	case a.count >= a.most(a.session):
		a.start()
	case a.sending == nil && a.timer == nil && !a.closing:
		limit := time.Duration(a.session.AckTimeout) * time.Millisecond / 4
		a.timer = time.AfterFunc(min(a.after, limit), a.flush)
	}
}

func (a *acknowledger) most(session *ackSession) int {
	return min(a.every, max(1, session.MaxInFlight/2))
}

func (a *acknowledger) start() {
	a.stopTimer()
	if a.session == nil || a.session.ctx.Err() != nil || a.sending != nil || a.id == "" {
		return
	}
	a.sending = make(chan struct{})
	go a.send(a.session, a.sending)
}

func (a *acknowledger) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// send acknowledges until there is less than a batch left.
func (a *acknowledger) send(session *ackSession, done chan struct{}) {
	defer a.ended(done)
	for failures := 0; ; {
		id := a.take(session)
		if id == "" {
			return
		}
		r := request{method: http.MethodPost, path: a.path, body: struct {
			ID    string `json:"id"`
			Epoch int64  `json:"epoch"`
		}{id, session.epoch}}
		_, err := a.client.call(session.ctx, r, nil)
		if err == nil {
			failures = 0
			if a.rest(session) {
				return
			}
			continue
		}
		if session.ctx.Err() != nil {
			return
		}
		if gaveUp := (*GaveUpError)(nil); errors.As(err, &gaveUp) {
			err = gaveUp.Last
		}
		r.repeatable = true
		delay, again := a.client.delay(r, err, failures)
		if !again {
			a.refused(err)
			return
		}
		failures++
		a.giveBack(session, id)
		select {
		case <-time.After(delay):
		case <-session.ctx.Done():
			return
		}
	}
}

func (a *acknowledger) take(session *ackSession) string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if session != a.session {
		return ""
	}
	id := a.id
	a.id, a.count = "", 0
	return id
}

func (a *acknowledger) giveBack(session *ackSession, id string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if session == a.session && a.id == "" {
		a.id = id
	}
}

// rest says whether the session has nothing to send at once.
func (a *acknowledger) rest(session *ackSession) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if session != a.session {
		return true
	}
	if a.id != "" && (a.closing || a.count >= a.most(session)) {
		return false
	}
	a.sending = nil
	if a.id != "" {
		a.plan()
	}
	return true
}

func (a *acknowledger) ended(sending chan struct{}) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.sending == sending {
		a.sending = nil
	}
	close(sending)
}
