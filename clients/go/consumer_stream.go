package sluice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"sluice.example/client/sse"
)

// prepare asks for the stream under the epoch that the client has, from the gateway's cursor.
func (c *Consumer) prepare(request *http.Request) {
	request.Header.Del("Last-Event-ID")
	query := request.URL.Query()
	if session := c.acks.current(); session != nil {
		query.Set("epoch", strconv.FormatInt(session.epoch, 10))
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.options.Takeover && !c.held {
		query.Set("takeover", "true")
	}
	request.URL.RawQuery = query.Encode()
}

// conflict decides about a stream that the gateway refuses because another client has the consumer.
func (c *Consumer) conflict(status *sse.StatusError) error {
	c.acks.lose()
	if c.options.Standby {
		return fmt.Errorf("%w: %w", sse.ErrReconnect, status)
	}
	return &TakenOverError{problemOf(status)}
}

// look takes from a notice what it says about the consumer.
func (c *Consumer) look(block sse.Block) error {
	switch block.Type {
	case noticeState:
		var state struct{ Consumer *heldConsumer }
		if json.Unmarshal([]byte(block.Data), &state) == nil && state.Consumer != nil {
			c.mutex.Lock()
			c.held, c.lost = true, false
			c.mutex.Unlock()
			c.acks.open(*state.Consumer)
		}
	case noticeReset:
		// The handled events may be of another history.
		c.acks.forget()
	case noticeUnavailable:
		var unavailable struct{ Reason string }
		if json.Unmarshal([]byte(block.Data), &unavailable) == nil {
			return c.unavailable(unavailable.Reason)
		}
	}
	return nil
}

func (c *Consumer) unavailable(reason string) error {
	switch reason {
	case "held", "taken-over", "sought", "changed", "consumer-deleted":
		c.acks.lose()
	default:
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.options.Standby && (reason == "taken-over" || reason == "held" && c.lost) {
		return &TakenOverError{Problem{Code: "taken-over", Detail: "It has taken the consumer over."}}
	}
	return nil
}

func (c *Consumer) reload(ctx context.Context, reset Reset) (string, error) {
	session := c.acks.current()
	err := c.options.Reload(ctx, reset)
	if err == nil {
		c.acks.handled(reset.ID, session)
		c.acks.flush()
	}
	return "", err
}

func (c *Consumer) state(state State) {
	if state.Name == "waiting" {
		// The next connection may have another epoch.
		c.acks.flush()
	}
	if c.options.State != nil {
		c.options.State(state)
	}
}

// refused is called when the gateway refuses an acknowledgement for good.
func (c *Consumer) refused(err error) {
	var refused *RefusedError
	// 410: retention has passed the cursor. The next connection says so, with a reset.
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict && refused.Status != http.StatusGone {
		c.mutex.Lock()
		c.err = err
		c.mutex.Unlock()
		c.feed.cancel(err)
		return
	}
	lost := refused.Code == "consumer-lost"
	c.mutex.Lock()
	c.lost = lost
	c.mutex.Unlock()
	if lost {
		c.acks.lose()
	} else {
		c.acks.forget()
	}
	c.source().Restart()
}

func (c *Consumer) refusal() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.err
}

// keptByGateway is the cursor of a consumer.
type keptByGateway struct{}

func (keptByGateway) Load(context.Context) (string, error) { return "", nil }

func (keptByGateway) Store(context.Context, string) error { return nil }
