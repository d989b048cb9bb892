package sse

import (
	"context"
	"sync"
	"time"
)

const (
	// wakeInterval is how often the two clocks are compared.
	wakeInterval = 2 * time.Second
	// sleptFor is the shortest sleep that counts. Corrections of the wall clock are smaller.
	sleptFor = 10 * time.Second
)

// A clock reads the wall clock, and a clock that stops while the machine sleeps.
type clock func() (wall time.Time, awake time.Duration)

var started = time.Now()

func realClock() (time.Time, time.Duration) {
	now := time.Now()
	// Round removes the reading of the monotonic clock, which Linux and macOS stop during sleep.
	return now.Round(0), now.Sub(started)
}

// A waker notices that the machine has slept: the wall clock has gone further than the monotonic one, or, where both go on
// during sleep (Windows), the time between two looks at them is far too long. Then it ends the current connection, which
// is most likely dead, or the current delay.
type waker struct {
	woke chan struct{}
	end  context.CancelFunc
	done chan struct{}

	mutex      sync.Mutex
	connection func()
}

func startWaker(clock clock) *waker {
	interval := wakeInterval
	if clock == nil {
		clock = realClock
	} else {
		interval = time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &waker{woke: make(chan struct{}, 1), end: cancel, done: make(chan struct{})}
	go w.compare(ctx, clock, interval)
	return w
}

func (w *waker) stop() {
	w.end()
	<-w.done
}

// during calls left when the machine wakes up, until the returned function is called. From then on a wake is for the delay
// that follows, even if it comes before the delay begins; one from before this connection is out of date.
func (w *waker) during(left func()) (over func()) {
	w.set(left)
	select {
	case <-w.woke:
	default:
	}
	return func() { w.set(nil) }
}

// wait waits for the delay, or until the machine wakes up. The error is that of the context.
func (w *waker) wait(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.woke:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *waker) compare(ctx context.Context, clock clock, interval time.Duration) {
	defer close(w.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	wall, awake := clock()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		nowWall, nowAwake := clock()
		passed := nowAwake - awake
		if nowWall.Sub(wall)-passed >= sleptFor || passed >= interval+sleptFor {
			w.wake()
		}
		wall, awake = nowWall, nowAwake
	}
}

func (w *waker) wake() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.connection != nil {
		w.connection()
		return
	}
	select {
	case w.woke <- struct{}{}:
	default:
	}
}

func (w *waker) set(connection func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.connection = connection
}
