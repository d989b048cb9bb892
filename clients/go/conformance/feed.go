package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"sluice.example/client"
)

// A feedCase plays a case of the layer "feed".
type feedCase struct {
	gate
	command command
	feed    *sluice.Feed

	mutex sync.Mutex
	fresh []fresh
}

func (f *feedCase) restart() { f.feed.Reconnect() }

func (f *feedCase) stop() {
	go func() {
		f.feed.Close()
		f.close()
	}()
}

func (f *feedCase) saw(kind string, members map[string]any) { observe(f.command.Case, kind, members) }

func followFeed(c command) client {
	f := &feedCase{gate: newGate(), command: c, fresh: c.Options.Refresh}
	gateway, err := f.gateway()
	if err != nil {
		f.saw("ended", map[string]any{"why": "failed", "detail": err.Error()})
		return f
	}
	feed := sluice.FeedOptions{
		Types:         c.Options.Types,
		From:          c.Options.From,
		AtMostOnce:    c.Options.Store == "before",
		MaxEventBytes: c.Options.MaxEventBytes,
		Header:        header(c.Options.Headers),
		Cursor:        &observedCursor{feed: f, id: c.Options.LastEventID},
		State:         f.state,
		Notice:        f.notice,
	}
	if c.Options.Reload != nil {
		feed.Reload = f.reload
	}
	f.feed = gateway.Feed(context.Background(), feed)
	go f.follow()
	return f
}

func (f *feedCase) gateway() (*sluice.Client, error) {
	c := f.command
	settings := sluice.Options{
		URL:   c.URL,
		Token: c.Options.Token,
		Delays: sluice.Delays{
			Retry:         c.Options.Retry.duration(),
			Max:           c.Options.Max.duration(),
			LongestRetry:  c.Options.Longest.duration(),
			Silence:       c.Options.Silence.duration(),
			RenewBefore:   c.Options.Renew.duration(),
			ConfirmWithin: c.Options.Confirm.duration(),
		},
	}
	if c.Options.ExpiresIn != 0 {
		settings.ExpiresAt = time.Now().Add(c.Options.ExpiresIn.duration())
	}
	if c.Options.Refresh != nil {
		settings.Refresh = f.refresh
	}
	return sluice.New(settings)
}

func (f *feedCase) follow() {
	for event, err := range f.feed.Events() {
		if err != nil {
			f.saw("ended", why(err))
			return
		}
		f.saw("event", map[string]any{"id": event.ID, "type": event.Type, "data": event.Data})
		if f.command.Options.Hold == "event" {
			f.wait()
		}
	}
	f.saw("ended", map[string]any{"why": "closed", "status": 204})
}

func (f *feedCase) refresh(context.Context) (sluice.Credentials, error) {
	f.saw("asked", nil)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if len(f.fresh) == 0 {
		return sluice.Credentials{}, &sluice.RefusedError{Err: errors.New("the case has no further credentials")}
	}
	next := f.fresh[0]
	f.fresh = f.fresh[1:]
	credentials := sluice.Credentials{Token: next.Token}
	if next.ExpiresIn != 0 {
		credentials.ExpiresAt = time.Now().Add(next.ExpiresIn.duration())
	}
	return credentials, nil
}

func (f *feedCase) reload(_ context.Context, reset sluice.Reset) (string, error) {
	f.saw("reset", map[string]any{"id": reset.ID, "reason": reset.Reason})
	if f.command.Options.Hold == "reset" {
		f.wait()
	}
	var head string
	if err := json.Unmarshal(f.command.Options.Reload, &head); err != nil {
		return "", err
	}
	f.saw("reloaded", nil)
	return head, nil
}

func (f *feedCase) state(state sluice.State) {
	switch state.Name {
	case "open":
		f.saw("opened", nil)
	case "waiting":
		f.saw("retrying", map[string]any{"delay_ms": state.Delay.Milliseconds()})
	}
}

func (f *feedCase) notice(notice sluice.Notice) {
	switch notice.Name {
	case "auth-renewed":
		f.saw("renewed", nil)
	case "server.state":
		var state struct{ Mode string }
		if json.Unmarshal(notice.Data, &state) == nil {
			f.saw("state", map[string]any{"mode": state.Mode})
		}
	}
}

// why says why a feed is over.
func why(err error) map[string]any {
	var refused *sluice.RefusedError
	var protocol *sluice.ProtocolError
	var reset *sluice.ResetError
	var takenOver *sluice.TakenOverError
	var handler *sluice.HandlerError
	switch {
	case errors.Is(err, sluice.ErrFeedClosed):
		return map[string]any{"why": "stopped"}
	case errors.As(err, &handler):
		return map[string]any{"why": "handler", "detail": err.Error()}
	case errors.As(err, &takenOver):
		return map[string]any{"why": "taken-over", "status": takenOver.Status, "code": takenOver.Code, "detail": takenOver.Detail}
	case errors.As(err, &refused):
		return map[string]any{"why": "refused", "status": refused.Status, "code": refused.Code, "detail": refused.Detail}
	case errors.As(err, &reset):
		return map[string]any{"why": "reset"}
	case errors.As(err, &protocol):
		return map[string]any{"why": "protocol", "code": protocol.Code, "detail": err.Error()}
	}
	return map[string]any{"why": "failed", "detail": err.Error()}
}

// An observedCursor tells of each store.
type observedCursor struct {
	feed *feedCase
	id   string
}

func (c *observedCursor) Load(context.Context) (string, error) { return c.id, nil }

func (c *observedCursor) Store(_ context.Context, id string) error {
	c.id = id
	c.feed.saw("stored", map[string]any{"id": id})
	return nil
}
