package sluice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sluice.example/client/sse"
)

func (f *Feed) newSource() *sse.Source {
	delays := f.client.delays
	return &sse.Source{
		URL:           f.url(),
		Header:        f.options.Header,
		HTTPClient:    f.client.http,
		Retry:         delays.Retry,
		MaxDelay:      delays.Max,
		LongestRetry:  delays.LongestRetry,
		Silence:       delays.Silence,
		MaxEventBytes: f.options.MaxEventBytes,
		GiveUpAfter:   f.options.GiveUpAfter,
		Authorize:     f.authorize,
		Refused:       f.refused,
		Opened: func(context.Context, *http.Response) {
			f.asked = false
			f.tell(State{Name: "open"})
		},
		Waiting: func(delay time.Duration, cause error) {
			f.renewal.stop()
			f.tell(State{Name: "waiting", Delay: delay, Err: meaning(cause)})
		},
	}
}

func (f *Feed) run() {
	defer close(f.done)
	defer f.cancel(nil)
	defer f.renewal.close()
	id, err := f.store.Load(f.ctx)
	if err == nil {
		f.cursor, f.source.LastEventID = id, id
		err = meaning(f.source.Run(f.ctx, f.take))
	}
	f.err = err
	f.tell(State{Name: "ended", Err: err})
}

func (f *Feed) tell(state State) {
	if f.options.State != nil {
		f.options.State(state)
	}
}

func (f *Feed) authorize(ctx context.Context, request *http.Request) error {
	f.renewal.stop()
	f.tell(State{Name: "connecting"})
	credentials, err := f.client.keeper.current(ctx)
	if err != nil {
		return refreshFailed(err)
	}
	if f.options.consumer != nil {
		f.options.consumer.prepare(request)
	}
	credentials.apply(request)
	f.used = credentials
	return nil
}

// refused asks once for new credentials after a 401. They were valid if the connection opened.
func (f *Feed) refused(ctx context.Context, status *sse.StatusError) error {
	if f.options.consumer != nil && status.Status == http.StatusConflict {
		return f.options.consumer.conflict(status)
	}
	if status.Status != http.StatusUnauthorized || f.client.keeper.refresh == nil || f.asked {
		return status
	}
	f.asked = true
	_, err := f.client.keeper.newer(ctx, f.used)
	if err != nil {
		f.asked = false
	}
	return refreshFailed(err)
}

// refreshFailed makes a failure of the refresh function one that is tried again, unless it is final.
func refreshFailed(err error) error {
	if refused := (*RefusedError)(nil); err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%w: no new credentials: %w", sse.ErrReconnect, err)
}

// take handles one block of the stream.
func (f *Feed) take(_ context.Context, block sse.Block) error {
	if !block.HasData {
		return f.advance(block.ID)
	}
	event := Event{Data: json.RawMessage(block.Data)}
	if f.options.Envelope && block.Type == "message" {
		// Also a notice comes in an envelope.
		event.Data = nil
		if err := json.Unmarshal([]byte(block.Data), &event); err != nil {
			return &ProtocolError{Code: "invalid-data", Err: fmt.Errorf("sluice: an event is no JSON object: %w", err)}
		}
		block.Type, block.Data = event.Type, string(event.Data)
	}
	event.ID, event.Type = block.ID, block.Type
	if f.options.consumer != nil {
		if err := f.options.consumer.look(block); err != nil {
			return err
		}
	}
	f.notice(block)
	switch block.Type {
	case noticeState:
		var state struct{ Connection string }
		if json.Unmarshal([]byte(block.Data), &state) == nil && state.Connection != "" {
			f.renewal.start(state.Connection, f.used)
		}
	case noticeHeartbeat, noticeCursor, noticeError:
	case noticeRenewed:
		f.renewal.confirmed()
	case noticeUnavailable:
		return f.leave(block, sse.ErrReconnect)
	case noticeExpired:
		return f.expired(block)
	case noticeRevoked:
		if err := f.advance(block.ID); err != nil {
			return err
		}
		return &RefusedError{Problem: Problem{
			Code: noticeRevoked, Detail: "The credentials were revoked while the stream was open: log in again."}}
	case noticeReset:
		return f.reset(block)
	default:
		return f.deliver(block, event)
	}
	return f.advance(block.ID)
}

func (f *Feed) notice(block sse.Block) {
	switch block.Type {
	case noticeState, noticeHeartbeat, noticeCursor, noticeError, noticeRenewed, noticeUnavailable, noticeExpired,
		noticeRevoked, noticeReset:
		if f.options.Notice != nil {
			f.options.Notice(Notice{Name: block.Type, Data: json.RawMessage(block.Data)})
		}
	}
}

// leave keeps the cursor of the block, and ends the connection as how says.
func (f *Feed) leave(block sse.Block, how error) error {
	if err := f.advance(block.ID); err != nil {
		return err
	}
	f.source.LastEventID = block.ID
	return how
}

func (f *Feed) expired(block sse.Block) error {
	stale := f.used
	if f.client.keeper.refresh == nil {
		if err := f.advance(block.ID); err != nil {
			return err
		}
		return &RefusedError{Problem: Problem{
			Code: noticeExpired, Detail: "The credentials expired while the stream was open: get new ones, or set Options.Refresh."}}
	}
	fresh, err := f.client.keeper.newer(f.ctx, stale)
	if err != nil {
		return f.leave(block, refreshFailed(err))
	}
	if fresh == stale {
		return f.leave(block, sse.ErrReconnect)
	}
	return f.leave(block, sse.ErrReconnectNow)
}

func (f *Feed) reset(block sse.Block) error {
	reset := Reset{ID: block.ID}
	if err := json.Unmarshal([]byte(block.Data), &reset); err != nil {
		return &ProtocolError{Code: "invalid-data", Err: fmt.Errorf("a reset is no JSON object: %w", err)}
	}
	if f.options.Reload == nil {
		return &ResetError{reset}
	}
	f.renewal.setReading(false)
	defer f.renewal.setReading(true)
	head, err := f.options.Reload(f.ctx, reset)
	if err != nil {
		return err
	}
	if head == "" || head == block.ID {
		return f.advance(block.ID)
	}
	if err := f.advance(head); err != nil {
		return err
	}
	f.source.LastEventID = head
	return sse.ErrReconnectNow
}

// deliver waits until the application has handled the event, then moves the cursor.
func (f *Feed) deliver(block sse.Block, event Event) error {
	if f.options.snapshot != nil && block.Type == "snapshot" && !block.HasID {
		return f.options.snapshot(Notice{Name: block.Type, Data: json.RawMessage(block.Data)})
	}
	// A consumer gets an event again if it was not acknowledged in time.
	if block.HasID && block.ID != "" && block.ID == f.cursor && f.options.consumer == nil {
		return nil
	}
	if f.options.AtMostOnce {
		if err := f.advance(block.ID); err != nil {
			return err
		}
	}
	f.renewal.setReading(false)
	defer f.renewal.setReading(true)
	select {
	case f.out <- event:
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
	select {
	case stored := <-f.acks:
		err := f.advance(block.ID)
		if stored != nil {
			stored <- err
		}
		return err
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// advance stores the cursor if it has moved.
func (f *Feed) advance(id string) error {
	if id == f.cursor {
		return nil
	}
	// Not the context of the feed: what was handled is stored even while the feed closes.
	if err := f.store.Store(context.WithoutCancel(f.ctx), id); err != nil {
		return fmt.Errorf("sluice: cannot store the cursor %s: %w", id, err)
	}
	f.cursor = id
	return nil
}
