package sse

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is for what must happen; nothing waits for it when all is well.
const patience = 20 * time.Second

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func open(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte(text))
	_ = http.NewResponseController(w).Flush()
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var errEnough = errors.New("enough")

// The connection may be over when the handler fails: its error is none of the connection.
func TestSourceEndsWithTheErrorOfItsHandler(t *testing.T) {
	var requests atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		open(w, "id: 7\ndata: 7\n\n")
		<-r.Context().Done()
	})
	source := &Source{URL: server.URL}

	err := source.Run(limited(t), func(ctx context.Context, _ Block) error {
		if requests.Load() > 1 {
			return errors.New("the event came again")
		}
		source.Restart()
		<-ctx.Done()
		return errEnough
	})

	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// The monotonic clock stops while a machine sleeps: timers alone would not notice that hours have gone by.
func TestSourceReconnectsAfterSleep(t *testing.T) {
	var requests atomic.Int32
	var slept atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		open(w, "data: "+r.Header.Get("Last-Event-ID")+"\nid: 7\n\n")
		<-r.Context().Done()
	})
	source := &Source{URL: server.URL, Retry: time.Hour, Silence: time.Hour}
	source.clock = func() (time.Time, time.Duration) {
		wall, awake := realClock()
		return wall.Add(time.Duration(slept.Load())), awake
	}

	err := source.Run(limited(t), func(_ context.Context, block Block) error {
		if block.Data == "7" {
			return errEnough
		}
		slept.Store(int64(time.Hour))
		return nil
	})

	if !errors.Is(err, errEnough) || requests.Load() != 2 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestSourceWakesFromADelay(t *testing.T) {
	var requests atomic.Int32
	var slept atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		open(w, "data: up\n\n")
	})
	source := &Source{URL: server.URL, Retry: time.Hour, LongestRetry: time.Hour,
		Waiting: func(time.Duration, error) { slept.Store(int64(time.Hour)) }}
	source.clock = func() (time.Time, time.Duration) {
		wall, awake := realClock()
		return wall.Add(time.Duration(slept.Load())), awake
	}

	err := source.Run(limited(t), func(context.Context, Block) error { return errEnough })

	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// The connection is over and the delay has not begun: a restart at that moment must not be lost.
func TestSourceRestartsBeforeADelayBegins(t *testing.T) {
	var requests atomic.Int32
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		open(w, "data: up\n\n")
	})
	source := &Source{URL: server.URL, Retry: time.Hour, LongestRetry: time.Hour}
	source.Waiting = func(time.Duration, error) { source.Restart() }

	err := source.Run(limited(t), func(context.Context, Block) error { return errEnough })

	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// Another port is another origin, which net/http alone does not heed.
func TestSourceKeepsCredentialsFromAnotherOrigin(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen := []string{r.Header.Get("Authorization"), r.Header.Get("X-API-Key"), r.Header.Get("Cookie"), r.Header.Get("X-Kept")}
		open(w, "data: "+strings.Join(seen, "|")+"\n\n")
	})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Error("the own origin got no credentials")
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	source := &Source{
		URL:    server.URL,
		Header: http.Header{"X-Api-Key": {"secret"}, "Cookie": {"secret"}, "X-Kept": {"yes"}},
		Authorize: func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer secret")
			return nil
		},
	}

	var seen string
	_ = source.Run(limited(t), func(_ context.Context, block Block) error {
		seen = block.Data
		return errEnough
	})

	if seen != "|||yes" {
		t.Errorf("the other origin got %q", seen)
	}
}

func TestSourceLetsASlowHandlerTakeItsTime(t *testing.T) {
	var requests atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		open(w, "data: a\n\ndata: b\n\n")
		<-r.Context().Done()
	})
	silence := 30 * time.Millisecond
	source := &Source{URL: server.URL, Silence: silence}

	err := source.Run(limited(t), func(_ context.Context, block Block) error {
		if block.Data == "b" {
			return errEnough
		}
		<-time.After(3 * silence)
		return nil
	})

	if !errors.Is(err, errEnough) || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestSourceGivesUp(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	source := &Source{URL: server.URL, Retry: time.Millisecond, MaxDelay: 5 * time.Millisecond, GiveUpAfter: 50 * time.Millisecond}

	err := source.Run(limited(t), func(context.Context, Block) error { return nil })

	gaveUp, status := (*GaveUpError)(nil), (*StatusError)(nil)
	if !errors.As(err, &gaveUp) || !errors.As(err, &status) || status.Status != http.StatusBadGateway {
		t.Error(err)
	}
}

func TestSourceShowsNoURL(t *testing.T) {
	source := &Source{URL: "http://127.0.0.1:1/?ticket=secret", Retry: time.Millisecond, GiveUpAfter: time.Nanosecond}

	err := source.Run(limited(t), func(context.Context, Block) error { return nil })

	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestSourceLeavesNothingBehind(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		open(w, "data: a\n\n")
		<-r.Context().Done()
	})
	before := runtime.NumGoroutine()
	transport := &http.Transport{}
	for range 20 {
		source := &Source{URL: server.URL, HTTPClient: &http.Client{Transport: transport}}
		ctx, cancel := context.WithCancel(limited(t))
		_ = source.Run(ctx, func(context.Context, Block) error { cancel(); return nil })
	}
	transport.CloseIdleConnections()
	server.CloseClientConnections()

	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

func TestBackoffGrowsFromRetryToMax(t *testing.T) {
	delays := backoff{max: 30 * time.Second, longest: 5 * time.Minute}
	delays.setRetry(2 * time.Second)
	least, most := []time.Duration{2, 4, 8, 16, 20, 20}, []time.Duration{3, 6, 12, 24, 30, 30}
	for n := range least {
		delay := delays.next(0)
		if delay < least[n]*time.Second || delay > most[n]*time.Second+1 {
			t.Errorf("delay %d: %s", n, delay)
		}
	}
	delays.reset()
	if delay := delays.next(time.Hour); delay < 5*time.Minute || delay > 8*time.Minute {
		t.Errorf("asked for an hour: %s", delay)
	}
}

func TestBackoffStandsAnyLimit(t *testing.T) {
	delays := backoff{max: math.MaxInt64, longest: math.MaxInt64}
	delays.setRetry(math.MaxInt64)
	if delay := delays.next(math.MaxInt64); delay <= 0 {
		t.Errorf("after a huge retry: %v", delay)
	}
	delays.setRetry(time.Second)
	var last time.Duration
	for attempt := range 200 {
		delay := delays.next(0)
		if delay < last/2 || delay < time.Second {
			t.Fatalf("%v after %v at attempt %d", delay, last, attempt)
		}
		last = delay
	}
}

// On Windows both clocks go on while the machine sleeps, but then two looks at them lie far apart.
func TestWakerNoticesALongGap(t *testing.T) {
	var wall atomic.Int64
	waker := startWaker(func() (time.Time, time.Duration) {
		passed := time.Duration(wall.Add(int64(time.Minute)))
		return time.Unix(0, 0).Add(passed), passed
	})
	defer waker.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	if err := waker.wait(ctx, time.Hour); err != nil {
		t.Error(err)
	}
}
