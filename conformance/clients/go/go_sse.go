package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

// It reconnects by itself, but treats each status except 200 as final.
func followGoSSE(ctx context.Context, url, token string, hear Hear) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	// Without this, the time between two attempts grows forever.
	client := sse.Client{Backoff: sse.Backoff{MaxInterval: 30 * time.Second}}
	connection := client.NewConnection(request)
	// An event has up to 256 KiB, plus its encoding on the wire; the default buffer is 64 KiB.
	connection.Buffer(nil, 1<<20)
	connection.SubscribeToAll(func(event sse.Event) {
		hear(event.LastEventID, event.Type, event.Data)
	})
	return connection.Connect()
}
