package sse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// An attempt is one connection: a request, its response, and the blocks in it.
type attempt struct {
	source *Source
	delays *backoff
	waker  *waker
	handle func(ctx context.Context, block Block) error

	opened, delivered bool
}

// run returns why the connection is over: [final] if there must be no other one.
func (a *attempt) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer a.waker.during(func() { cancel(errWoke) })()
	silence := orDefault(a.source.Silence, DefaultSilence)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	response, err := a.source.request(ctx)
	if err != nil {
		return whyEnded(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNoContent:
		return final{ErrClosed}
	case response.StatusCode != http.StatusOK:
		return a.refused(parent, NewStatusError(response))
	}
	if err := checkContentType(response.Header); err != nil {
		return final{err}
	}
	a.opened = true
	if a.source.Opened != nil {
		a.source.Opened(ctx, response)
	}
	return a.read(ctx, watched{response.Body, watchdog, silence})
}

func (a *attempt) refused(ctx context.Context, refusal *StatusError) error {
	if refusal.Temporary() {
		return refusal
	}
	if a.source.Refused == nil {
		return final{refusal}
	}
	err := a.source.Refused(ctx, refusal)
	if err == nil {
		return ErrReconnectNow
	}
	if errors.Is(err, ErrReconnect) {
		return err
	}
	return final{err}
}

func (a *attempt) read(ctx context.Context, body io.Reader) error {
	parser := NewParser(body, a.source.LastEventID, a.source.MaxEventBytes)
	parser.Comment = a.source.Comment
	for {
		block, err := parser.Next()
		if retry, sent := parser.Retry(); sent {
			a.delays.setRetry(retry)
		}
		if tooLarge := (*TooLargeError)(nil); errors.As(err, &tooLarge) {
			return final{err}
		}
		if err != nil || ctx.Err() != nil {
			return whyEnded(ctx, err)
		}
		a.delivered = true
		switch err := a.handle(ctx, block); {
		case err == nil:
			a.source.LastEventID = block.ID
		case errors.Is(err, ErrReconnect) || errors.Is(err, ErrReconnectNow):
			return err
		case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
			return context.Cause(ctx)
		default:
			return final{err}
		}
	}
}

// whyEnded prefers the reason of the context, such as silence, to the failure of a read that it caused.
func whyEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

// A watched body lets the watchdog run only while a read waits: a handler may take its time.
type watched struct {
	io.Reader
	watchdog *time.Timer
	silence  time.Duration
}

func (w watched) Read(into []byte) (int, error) {
	w.watchdog.Reset(w.silence)
	defer w.watchdog.Stop()
	return w.Reader.Read(into)
}
