package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice.example/client"
)

func TestFeedLeavesNothingBehind(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w, block("1.a", "made", "{}"), block("2.b", "made", "{}"))
			<-r.Context().Done()
		},
		// The renewal is under way when the feed closes.
		"POST /api/streams/c/token": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	})
	transport := &http.Transport{}
	leavesNothing(t, server, transport)
	for n := range 20 {
		client := connect(t, server, sluice.Options{
			Token: "first", ExpiresAt: time.Now().Add(time.Minute), HTTPClient: &http.Client{Transport: transport},
			Refresh: func(context.Context) (sluice.Credentials, error) { return sluice.Credentials{Token: "next"}, nil },
			Delays:  sluice.Delays{RenewBefore: time.Hour},
		})
		var ended atomic.Bool
		feed := client.Feed(limited(t), sluice.FeedOptions{State: func(state sluice.State) { ended.Store(state.Name == "ended") }})
		for taken := range n % 3 {
			if _, err := feed.Next(limited(t)); err != nil {
				t.Fatal(taken, err)
			}
		}
		if n%3 < 2 {
			for range feed.Events() {
				break
			}
		}
		_ = feed.Close()
		if !ended.Load() {
			t.Fatal("Close did not wait for the end")
		}
		_ = feed.Close()
		if _, err := feed.Next(limited(t)); !errors.Is(err, sluice.ErrFeedClosed) {
			t.Fatal(err)
		}
	}
}

func TestFeedStoresTheCursorOfWhatWasHandled(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w, block("1.a", "made", "{}"), block("2.b", "made", "{}"), block("3.c", "made", "{}"))
			<-r.Context().Done()
		},
	})
	client := connect(t, server, sluice.Options{})
	take := func(events int, options sluice.FeedOptions, commit bool) string {
		cursor := &sluice.MemoryCursor{}
		options.Cursor = cursor
		feed := client.Feed(limited(t), options)
		for range events {
			if _, err := feed.Next(limited(t)); err != nil {
				t.Fatal(err)
			}
		}
		if commit {
			if err := feed.Commit(limited(t)); err != nil {
				t.Fatal(err)
			}
		}
		_ = feed.Close()
		id, _ := cursor.Load(limited(t))
		return id
	}

	if id := take(2, sluice.FeedOptions{}, false); id != "1.a" {
		t.Errorf("while the second event was handled: %q", id)
	}
	if id := take(2, sluice.FeedOptions{}, true); id != "2.b" {
		t.Errorf("after a commit: %q", id)
	}
	if id := take(2, sluice.FeedOptions{AtMostOnce: true}, false); id != "2.b" {
		t.Errorf("at most once: %q", id)
	}
}

func TestFeedEndsWithTheErrorOfItsStore(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w, block("1.a", "made", "{}"))
			<-r.Context().Done()
		},
	})
	feed := connect(t, server, sluice.Options{}).Feed(limited(t), sluice.FeedOptions{Cursor: fullDisk{}})
	defer feed.Close()
	if _, err := feed.Next(limited(t)); err != nil {
		t.Fatal(err)
	}
	if err := feed.Commit(limited(t)); !errors.Is(err, errFull) {
		t.Error(err)
	}
	if _, err := feed.Next(limited(t)); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = errors.New("the disk is full")

type fullDisk struct{}

func (fullDisk) Load(context.Context) (string, error)    { return "", nil }
func (fullDisk) Store(_ context.Context, _ string) error { return errFull }

// A login service that is away, as after sleep, must not end a feed for good.
func TestFeedAsksAgainForCredentials(t *testing.T) {
	var asked atomic.Int32
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer third" {
				problem(w, http.StatusUnauthorized, "token-expired", "")
				return
			}
			stream(w, block("1.a", "made", "{}"))
			<-r.Context().Done()
		},
	})
	client := connect(t, server, sluice.Options{Token: "first", Refresh: func(context.Context) (sluice.Credentials, error) {
		if asked.Add(1) < 3 {
			return sluice.Credentials{}, errors.New("no network yet")
		}
		return sluice.Credentials{Token: "third"}, nil
	}})
	feed := client.Feed(limited(t), sluice.FeedOptions{})
	defer feed.Close()

	event, err := feed.Next(limited(t))

	if err != nil || event.ID != "1.a" || asked.Load() != 3 {
		t.Errorf("%v, %v after %d calls", event, err, asked.Load())
	}
}

// A ticket is used up by the request that it opens.
func TestFeedAsksForATicketPerConnection(t *testing.T) {
	var tickets atomic.Int32
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w, block(r.URL.Query().Get("ticket"), "made", "{}"))
		},
	})
	client := connect(t, server, sluice.Options{Refresh: func(context.Context) (sluice.Credentials, error) {
		return sluice.Credentials{Ticket: string(rune('a' + tickets.Add(1)))}, nil
	}})
	feed := client.Feed(limited(t), sluice.FeedOptions{Types: []string{"made"}})
	defer feed.Close()
	for _, want := range []string{"b", "c", "d"} {
		if event, err := feed.Next(limited(t)); err != nil || event.ID != want {
			t.Errorf("%v, %v instead of %s", event, err, want)
		}
	}
}

func TestFeedTakesAConfirmationBeforeTheResponse(t *testing.T) {
	var renewals, connections atomic.Int32
	confirm := make(chan struct{})
	answered := make(chan struct{})
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			connections.Add(1)
			stream(w)
			<-confirm
			more(w, "event: auth-renewed\ndata: {}")
			<-answered
			more(w, block("1.a", "made", "{}"))
			<-r.Context().Done()
		},
		"POST /api/streams/c/token": func(w http.ResponseWriter, r *http.Request) {
			if renewals.Add(1) == 1 {
				close(confirm)
				<-r.Context().Done()
				close(answered)
			}
			w.WriteHeader(http.StatusAccepted)
		},
	})
	client := connect(t, server, sluice.Options{
		Token: "first", ExpiresAt: time.Now().Add(time.Minute),
		Refresh: func(context.Context) (sluice.Credentials, error) { return sluice.Credentials{Token: "next"}, nil },
		Delays:  sluice.Delays{RenewBefore: time.Hour},
	})
	feed := client.Feed(limited(t), sluice.FeedOptions{})
	defer feed.Close()

	_, err := feed.Next(limited(t))

	if err != nil || connections.Load() != 1 || renewals.Load() != 1 {
		t.Errorf("%v, %d connections, %d renewals", err, connections.Load(), renewals.Load())
	}
}

func TestFeedReadsEnvelopes(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("id: 1.a\ndata: {\"type\":\"heartbeat\",\"data\":{}}\n\n" +
				"id: 2.b\ndata: {\"id\":\"2.b\",\"position\":2,\"type\":\"made\",\"at\":\"2026-11-21T06:28:06.140Z\",\"data\":{\"n\": 1.0}}\n\n"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	})
	feed := connect(t, server, sluice.Options{}).Feed(limited(t), sluice.FeedOptions{Envelope: true})
	defer feed.Close()

	event, err := feed.Next(limited(t))

	if err != nil || event.Position != 2 || event.At.Year() != 2026 || string(event.Data) != `{"n": 1.0}` || event.Type != "made" {
		t.Errorf("%+v, %v", event, err)
	}
}

// The reload of an application brings a newer head than the reset: the events in between are in what it loaded.
func TestFeedGoesOnAtTheHeadOfTheReload(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Last-Event-ID") == "" {
				stream(w, block("5.e", "reset", `{"reason":"retention","earliest":"4.d","head":"5.e"}`), block("6.f", "made", "{}"))
			} else {
				stream(w, block("9.i", "made", `{"after":"`+r.Header.Get("Last-Event-ID")+`"}`))
			}
			<-r.Context().Done()
		},
	})
	var got sluice.Reset
	feed := connect(t, server, sluice.Options{}).Feed(limited(t), sluice.FeedOptions{
		Reload: func(_ context.Context, reset sluice.Reset) (string, error) {
			got = reset
			return "8.h", nil
		},
	})
	defer feed.Close()

	event, err := feed.Next(limited(t))

	if err != nil || string(event.Data) != `{"after":"8.h"}` {
		t.Errorf("%v, %v", event, err)
	}
	if want := (sluice.Reset{Reason: "retention", Earliest: "4.d", Head: "5.e", ID: "5.e"}); got != want {
		t.Errorf("%+v", got)
	}
}

// A token from a file ends with a line feed, which no header may contain.
func TestTokensAreTrimmed(t *testing.T) {
	var got atomic.Value
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			got.Store(r.Header.Get("Authorization") + r.Header.Get("X-API-Key"))
			stream(w, block("1.a", "made", "{}"))
			<-r.Context().Done()
		},
	})
	for _, options := range []sluice.Options{{Token: "secret\n"}, {Key: " secret\r\n"}} {
		feed := connect(t, server, options).Feed(limited(t), sluice.FeedOptions{GiveUpAfter: time.Millisecond})
		_, err := feed.Next(limited(t))
		if sent, _ := got.Swap("").(string); err != nil || sent != "Bearer secret" && sent != "secret" {
			t.Errorf("%q, %v", sent, err)
		}
		_ = feed.Close()
	}
}

// A client whose clock is ahead takes every token for expired: it must not ask for one after the other.
func TestRenewalDoesNotHurryWithAWrongClock(t *testing.T) {
	var renewals atomic.Int32
	renewed := make(chan struct{}, 100)
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w)
			for {
				select {
				case <-renewed:
					more(w, "event: auth-renewed\ndata: {}", block("1.a", "made", "{}"), block("2.b", "made", "{}"))
				case <-r.Context().Done():
					return
				}
			}
		},
		"POST /api/streams/c/token": func(w http.ResponseWriter, _ *http.Request) {
			if renewals.Add(1) <= 100 {
				renewed <- struct{}{}
			}
			w.WriteHeader(http.StatusAccepted)
		},
	})
	var given atomic.Int32
	client := connect(t, server, sluice.Options{Refresh: func(context.Context) (sluice.Credentials, error) {
		return sluice.Credentials{Token: fmt.Sprint("t", given.Add(1)), ExpiresAt: time.Now().Add(-time.Minute)}, nil
	}})
	feed := client.Feed(limited(t), sluice.FeedOptions{})
	defer feed.Close()
	for range 2 {
		if _, err := feed.Next(limited(t)); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, _ = feed.Next(short)

	if renewals.Load() != 1 {
		t.Errorf("%d renewals", renewals.Load())
	}
}

func TestFeedEndsWithTheReasonOfItsContext(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w)
			<-r.Context().Done()
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	feed := connect(t, server, sluice.Options{}).Feed(ctx, sluice.FeedOptions{})
	time.AfterFunc(time.Millisecond, cancel)

	if _, err := feed.Next(limited(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
	for _, err := range feed.Events() {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Events: %v", err)
		}
	}
}

// Close while another goroutine waits for the next event, and more than one Close at the same time.
func TestFeedClosesUnderAWaitingNext(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/events": func(w http.ResponseWriter, r *http.Request) {
			stream(w, block("1.a", "made", "{}"))
			<-r.Context().Done()
		},
	})
	cursor := &sluice.MemoryCursor{}
	feed := connect(t, server, sluice.Options{}).Feed(limited(t), sluice.FeedOptions{Cursor: cursor})
	ended := make(chan error, 1)
	taken := make(chan struct{})
	go func() {
		for _, err := range feed.Events() {
			if err == nil {
				close(taken)
			} else {
				ended <- err
			}
		}
	}()
	<-taken
	for deadline := time.Now().Add(patience); ; {
		if id, _ := cursor.Load(limited(t)); id == "1.a" || time.Now().After(deadline) {
			break
		}
	}
	var closing sync.WaitGroup
	for range 3 {
		closing.Add(1)
		go func() { defer closing.Done(); _ = feed.Close() }()
	}
	closing.Wait()

	if err := <-ended; !errors.Is(err, sluice.ErrFeedClosed) {
		t.Error(err)
	}
}
