package sluice_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"sluice.example/client"
)

// patience is for what must happen; nothing waits for it when all is well.
const patience = 20 * time.Second

// A fakeGateway answers what a test says; the real one is in the tests of the repository.
func fakeGateway(t *testing.T, routes map[string]http.HandlerFunc) *httptest.Server {
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.HandleFunc(pattern, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

func connect(t *testing.T, server *httptest.Server, options sluice.Options) *sluice.Client {
	options.URL = server.URL
	if options.Delays.Retry == 0 {
		options.Delays.Retry = time.Millisecond
	}
	client, err := sluice.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// stream begins a response with a hello, and sends the blocks.
func stream(w http.ResponseWriter, blocks ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1\nevent: server.state\ndata: {\"mode\":\"normal\",\"connection\":\"c\"}\n\n")
	more(w, blocks...)
}

func more(w http.ResponseWriter, blocks ...string) {
	for _, block := range blocks {
		fmt.Fprint(w, block, "\n\n")
	}
	_ = http.NewResponseController(w).Flush()
}

func block(id, kind, data string) string {
	return fmt.Sprintf("id: %s\nevent: %s\ndata: %s", id, kind, data)
}

func problem(w http.ResponseWriter, status int, code, more string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"What happened."%s}`, status, code, more)
}

func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// leavesNothing fails the test if more goroutines run at its end than now.
func leavesNothing(t *testing.T, server *httptest.Server, transport *http.Transport) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}
