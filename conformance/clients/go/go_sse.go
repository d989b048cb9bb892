package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

// It comes back by itself, but takes each status except 200 for final.
func followGoSSE(ctx context.Context, url, token string, hear Hear) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	// Without, the time between two tries grows for ever.
	client := sse.Client{Backoff: sse.Backoff{MaxInterval: 30 * time.Second}}
	connection := client.NewConnection(request)
	// An event has up to 256 KiB, in more bytes on the wire; by itself it takes 64 KiB.
	connection.Buffer(nil, 1<<20)
	connection.SubscribeToAll(func(event sse.Event) {
		hear(event.LastEventID, event.Type, event.Data)
	})
	return connection.Connect()
}
