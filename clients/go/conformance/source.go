package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sluice.example/client/sse"
)

// A sourceCase plays a case of the layer "sse".
type sourceCase struct {
	gate
	source *sse.Source
	cancel context.CancelFunc
}

func (s *sourceCase) restart() { s.source.Restart() }

func (s *sourceCase) stop() {
	s.cancel()
	s.close()
}

func followSource(c command) client {
	ctx, cancel := context.WithCancel(context.Background())
	saw := func(kind string, members map[string]any) { observe(c.Case, kind, members) }
	source := &sse.Source{
		URL:           c.URL,
		Method:        c.Options.Method,
		Header:        header(c.Options.Headers),
		LastEventID:   c.Options.LastEventID,
		Retry:         c.Options.Retry.duration(),
		MaxDelay:      c.Options.Max.duration(),
		LongestRetry:  c.Options.Longest.duration(),
		Silence:       c.Options.Silence.duration(),
		MaxEventBytes: c.Options.MaxEventBytes,
		Opened:        func(context.Context, *http.Response) { saw("opened", nil) },
		Waiting: func(delay time.Duration, _ error) {
			saw("retrying", map[string]any{"delay_ms": delay.Milliseconds()})
		},
		Comment: func(text string) { saw("comment", map[string]any{"text": text}) },
	}
	if c.Options.Body != "" {
		source.Body = []byte(c.Options.Body)
	}
	s := &sourceCase{gate: newGate(), source: source, cancel: cancel}
	go func() {
		err := source.Run(ctx, func(_ context.Context, block sse.Block) error {
			if !block.HasData {
				return nil
			}
			saw("event", map[string]any{"id": block.ID, "type": block.Type, "data": block.Data})
			if c.Options.Hold == "event" {
				s.wait()
			}
			return nil
		})
		saw("ended", ended(err))
	}()
	return s
}

// ended says why a source is over.
func ended(err error) map[string]any {
	var status *sse.StatusError
	var contentType *sse.ContentTypeError
	var tooLarge *sse.TooLargeError
	switch {
	case errors.Is(err, context.Canceled):
		return map[string]any{"why": "stopped"}
	case errors.Is(err, sse.ErrClosed):
		return map[string]any{"why": "closed", "status": 204}
	case errors.As(err, &status):
		return map[string]any{"why": "refused", "status": status.Status, "detail": err.Error()}
	case errors.As(err, &contentType):
		return map[string]any{"why": "protocol", "code": "content-type", "detail": err.Error()}
	case errors.As(err, &tooLarge):
		return map[string]any{"why": "protocol", "code": "event-too-large", "detail": err.Error()}
	}
	return map[string]any{"why": "failed", "detail": err.Error()}
}

func header(from map[string]string) http.Header {
	header := http.Header{}
	for name, value := range from {
		header.Set(name, value)
	}
	return header
}

func observe(id, kind string, members map[string]any) {
	message := map[string]any{"case": id, "saw": kind}
	for name, value := range members {
		message[name] = value
	}
	say(message)
}
