package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sluice.example/client"
)

// consumerStream answers a consumer's stream with these events.
func consumerStream(blocks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 1\nevent: server.state\ndata: {\"mode\":\"normal\",\"connection\":\"c\",\"consumer\":"+
			"{\"name\":\"orders\",\"epoch\":7,\"ack_timeout_ms\":30000,\"max_in_flight\":256}}\n\n")
		more(w, blocks...)
		<-request.Context().Done()
	}
}

func TestConsumerLeavesNothing(t *testing.T) {
	var acknowledged atomic.Int64
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/consumers/orders/events": consumerStream(block("4.aaaaaa", "part.made", "{}"), block("5.bbbbbb", "part.made", "{}")),
		"POST /api/consumers/orders/ack": func(w http.ResponseWriter, _ *http.Request) {
			acknowledged.Add(1)
			respond(w, http.StatusOK, "{}")
		},
	})
	transport := &http.Transport{}
	leavesNothing(t, server, transport)
	client := connect(t, server, sluice.Options{HTTPClient: &http.Client{Transport: transport}})

	// What was handled is acknowledged after an error of the handler, after a Commit, and after the end of a context.
	failure := errors.New("failed")
	err := client.Consumer(limited(t), "orders", sluice.ConsumerOptions{}).Each(limited(t), func(_ context.Context, event sluice.Event) error {
		if event.ID == "5.bbbbbb" {
			return failure
		}
		return nil
	})
	if handler := (*sluice.HandlerError)(nil); !errors.As(err, &handler) || handler.Event.ID != "5.bbbbbb" || !errors.Is(err, failure) {
		t.Fatalf("got %v", err)
	}
	consumer := client.Consumer(limited(t), "orders", sluice.ConsumerOptions{AckAfter: time.Hour})
	if _, err := consumer.Next(limited(t)); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Commit(limited(t)); err != nil {
		t.Fatal(err)
	}
	if got := acknowledged.Load(); got != 2 {
		t.Fatalf("%d acknowledgements before Close", got)
	}
	consumer.Close()
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	for range client.Consumer(ctx, "orders", sluice.ConsumerOptions{AckAfter: time.Hour}).Events() {
		cancel()
	}
	if got := acknowledged.Load(); got != 3 {
		t.Fatalf("%d acknowledgements", got)
	}
}

func TestConsumerWithoutGateway(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/consumers/orders/events": consumerStream(block("4.aaaaaa", "part.made", "{}")),
		"POST /api/consumers/orders/ack": func(_ http.ResponseWriter, request *http.Request) {
			// The server sees that the client has gone when the body has been read.
			_, _ = io.Copy(io.Discard, request.Body)
			<-request.Context().Done()
		},
	})
	transport := &http.Transport{}
	leavesNothing(t, server, transport)
	client := connect(t, server, sluice.Options{HTTPClient: &http.Client{Transport: transport}})
	consumer := client.Consumer(limited(t), "orders", sluice.ConsumerOptions{AckEvery: 1, CloseWithin: time.Millisecond})
	if _, err := consumer.Next(limited(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(limited(t), 10*time.Millisecond)
	defer cancel()
	if err := consumer.Commit(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	consumer.Close()
	consumer.Close()
}

// The application may range again over a consumer that its handler has ended.
func TestConsumerAcknowledgesNoFailedEvent(t *testing.T) {
	var acknowledged atomic.Int64
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/consumers/orders/events": consumerStream(block("4.aaaaaa", "part.made", "{}")),
		"POST /api/consumers/orders/ack": func(w http.ResponseWriter, _ *http.Request) {
			acknowledged.Add(1)
			respond(w, http.StatusOK, "{}")
		},
	})
	failure := errors.New("failed")
	failing := func(consumer *sluice.Consumer) error {
		return consumer.Each(limited(t), func(context.Context, sluice.Event) error { return failure })
	}
	panicking := func(consumer *sluice.Consumer) (err error) {
		defer func() { err, _ = recover().(error) }()
		return consumer.Each(limited(t), func(context.Context, sluice.Event) error { panic(failure) })
	}

	for _, run := range []func(*sluice.Consumer) error{failing, panicking} {
		consumer := connect(t, server, sluice.Options{}).Consumer(limited(t), "orders", sluice.ConsumerOptions{})

		first := run(consumer)
		again := consumer.Each(limited(t), func(context.Context, sluice.Event) error { return nil })

		if !errors.Is(first, failure) || !errors.Is(again, sluice.ErrFeedClosed) || acknowledged.Load() != 0 {
			t.Errorf("got %v, then %v, and %d acknowledgements", first, again, acknowledged.Load())
		}
	}
}
