package sluice

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"time"
)

// A ConsumerLag says how far a consumer is behind its stream.
type ConsumerLag struct {
	Events  int64   `json:"events"`
	Seconds float64 `json:"seconds"`
}

// A ConsumerHolder is the client that gets the events of a consumer now.
type ConsumerHolder struct {
	Principal string    `json:"principal"`
	Since     time.Time `json:"since"`
	Epoch     int64     `json:"epoch"`
	ExpiresAt time.Time `json:"expires_at"`
}

// A ConsumerState is a consumer as the gateway stores it.
type ConsumerState struct {
	Name         string `json:"name"`
	Stream       string `json:"stream"`
	Types        string `json:"types"`
	Where        string `json:"where"`
	Description  string `json:"description"`
	AckTimeoutMS int64  `json:"ack_timeout_ms"`
	MaxInFlight  int    `json:"max_in_flight"`
	// Cursor is the event id up to which everything is acknowledged.
	Cursor string      `json:"cursor"`
	Lag    ConsumerLag `json:"lag"`
	// InFlight is how many events were handed out and are not acknowledged.
	InFlight  int        `json:"in_flight"`
	LastAckAt *time.Time `json:"last_ack_at"`
	Lagging   bool       `json:"lagging"`
	// Holder is nil if no client follows the consumer.
	Holder    *ConsumerHolder `json:"holder"`
	CreatedAt time.Time       `json:"created_at"`
	CreatedBy string          `json:"created_by"`
}

// ConsumerSettings are the settings of a consumer. A zero value is the default of the gateway.
type ConsumerSettings struct {
	// Stream is "feed" if it is empty. It cannot be changed.
	Stream string
	// Types are names, or prefixes such as "item.*". None: all.
	Types []string
	// Where is a condition on the data.
	Where string
	// Start is where a new consumer starts: "now" (default), "beginning", an event id, or a time as in RFC 3339.
	Start string
	// AckTimeout is the time without progress after which the gateway hands out again what is not acknowledged. Default: 30 s.
	AckTimeout time.Duration
	// MaxInFlight is how many events may be handed out and not acknowledged. Default: 256.
	MaxInFlight int
	Description string
}

// Consumers are the consumers of the workspace.
type Consumers struct{ client *Client }

// Consumers returns the requests about consumers. [Client.Consumer] follows one.
func (c *Client) Consumers() Consumers { return Consumers{c} }

// Put creates a consumer, or gives an existing one these settings. The same settings again change nothing.
func (c Consumers) Put(ctx context.Context, name string, settings ConsumerSettings) (ConsumerState, error) {
	return c.one(ctx, http.MethodPut, consumerPath(name), struct {
		Stream       string `json:"stream,omitempty"`
		Types        string `json:"types,omitempty"`
		Where        string `json:"where,omitempty"`
		Start        string `json:"start,omitempty"`
		AckTimeoutMS int64  `json:"ack_timeout_ms,omitempty"`
		MaxInFlight  int    `json:"max_in_flight,omitempty"`
		Description  string `json:"description,omitempty"`
	}{
		settings.Stream, strings.Join(settings.Types, ","), settings.Where, settings.Start,
		settings.AckTimeout.Milliseconds(), settings.MaxInFlight, settings.Description,
	})
}

// All returns the consumers.
func (c Consumers) All(ctx context.Context) iter.Seq2[ConsumerState, error] {
	return func(yield func(ConsumerState, error) bool) {
		for cursor := ""; ; {
			var page struct {
				Consumers  []ConsumerState `json:"consumers"`
				NextCursor string          `json:"next_cursor"`
			}
			_, err := c.client.call(ctx, request{
				method: http.MethodGet, path: "/api/consumers", repeatable: true, query: values("cursor", cursor),
			}, &page)
			if err != nil {
				yield(ConsumerState{}, err)
				return
			}
			for _, consumer := range page.Consumers {
				if !yield(consumer, nil) {
					return
				}
			}
			if cursor = page.NextCursor; cursor == "" {
				return
			}
		}
	}
}

// Get returns one consumer.
func (c Consumers) Get(ctx context.Context, name string) (ConsumerState, error) {
	return c.one(ctx, http.MethodGet, consumerPath(name), nil)
}

// Seek moves the cursor to "now", "beginning", an event id or a time as in RFC 3339. A client that follows the consumer
// continues there.
func (c Consumers) Seek(ctx context.Context, name, to string) (ConsumerState, error) {
	return c.one(ctx, http.MethodPost, consumerPath(name)+"/seek", struct {
		To string `json:"to"`
	}{to})
}

// Acknowledge acknowledges all events up to this one, which a followed [Consumer] does by itself. epoch is that of the
// holder; 0: none.
func (c Consumers) Acknowledge(ctx context.Context, name, id string, epoch int64) (cursor string, lag ConsumerLag, err error) {
	var answer struct {
		Cursor string
		Lag    ConsumerLag
	}
	_, err = c.client.call(ctx, request{
		method: http.MethodPost, path: consumerPath(name) + "/ack", repeatable: true,
		body: struct {
			ID    string `json:"id"`
			Epoch int64  `json:"epoch,omitempty"`
		}{id, epoch},
	}, &answer)
	return answer.Cursor, answer.Lag, err
}

// Delete removes a consumer.
func (c Consumers) Delete(ctx context.Context, name string) error {
	_, err := c.client.call(ctx, request{method: http.MethodDelete, path: consumerPath(name)}, nil)
	return err
}

// one makes a request that may be repeated: it sets what is set already.
func (c Consumers) one(ctx context.Context, method, path string, body any) (ConsumerState, error) {
	var consumer ConsumerState
	_, err := c.client.call(ctx, request{method: method, path: path, body: body, repeatable: true}, &consumer)
	return consumer, err
}
