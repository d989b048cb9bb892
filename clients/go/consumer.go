package sluice

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"time"

	"sluice.example/client/sse"
)

// ConsumerOptions say how a [Consumer] is followed. The zero value suits most programs.
type ConsumerOptions struct {
	// AckEvery acknowledges after this many handled events, and after half of the window at the latest. Default: 100.
	AckEvery int
	// AckAfter acknowledges what was handled after this time, and after a quarter of the consumer's ack timeout at the
	// latest. Default: 1 s.
	AckAfter time.Duration
	// CloseWithin is how long the end waits for the last acknowledgement; without it the events come again. Default: 5 s.
	CloseWithin time.Duration
	// Takeover takes the consumer from the client that holds it. Without it, the consumer waits until it is free.
	Takeover bool
	// Standby waits until the consumer is free again when another client takes it over. Without it, the consumer ends with
	// a [*TakenOverError].
	Standby bool
	// Reload is called when events after the cursor are missing, before any further event. It loads the application's
	// state. The consumer goes on after reset.Head, which is acknowledged when Reload has returned without an error.
	// Without Reload a reset ends the consumer with a [*ResetError].
	Reload func(ctx context.Context, reset Reset) error
	// Envelope, State, Notice, MaxEventBytes, GiveUpAfter and Header are as in [FeedOptions].
	Envelope      bool
	State         func(State)
	Notice        func(Notice)
	MaxEventBytes int
	GiveUpAfter   time.Duration
	Header        http.Header
}

// A Consumer delivers events from the cursor that the gateway keeps under a name, one at a time and in order, and
// acknowledges those that the application has handled. It acknowledges several together; after a crash, those that were
// not acknowledged come again.
//
// It holds the consumer from the first server.state with an epoch on. A broken connection continues under that epoch. It
// loses the consumer when the stream or an acknowledgement says so: then it drops what it has received, and connects
// without an epoch.
type Consumer struct {
	feed    *Feed
	acks    *acknowledger
	options ConsumerOptions

	// Only the caller of Next uses these.
	outstanding string
	taken       *ackSession

	mutex sync.Mutex
	held  bool
	lost  bool // an acknowledgement said so, and no stream has opened since
	err   error
}

// Consumer starts to follow a consumer that exists. Close it, or range over [Consumer.Events], which closes it.
func (c *Client) Consumer(ctx context.Context, name string, options ConsumerOptions) *Consumer {
	consumer := &Consumer{options: options}
	consumer.acks = newAcknowledger(c, consumerPath(name)+"/ack", options, consumer.refused)
	feed := FeedOptions{
		Envelope:      options.Envelope,
		Cursor:        keptByGateway{},
		State:         consumer.state,
		Notice:        options.Notice,
		MaxEventBytes: options.MaxEventBytes,
		GiveUpAfter:   options.GiveUpAfter,
		Header:        options.Header,
		path:          consumerPath(name) + "/events",
		consumer:      consumer,
	}
	if options.Reload != nil {
		feed.Reload = consumer.reload
	}
	// The goroutine of the feed calls the functions of the consumer.
	consumer.mutex.Lock()
	defer consumer.mutex.Unlock()
	consumer.feed = c.Feed(ctx, feed)
	return consumer
}

// Next returns the next event. Asking for it says that the application has handled the one before. Next returns the error
// of ctx if that ends first, and otherwise what has ended the consumer, after it has acknowledged what was handled. One
// goroutine calls Next.
func (c *Consumer) Next(ctx context.Context) (Event, error) {
	c.handled()
	event, err := c.feed.Next(ctx)
	if err == nil {
		c.outstanding, c.taken = event.ID, c.acks.current()
		return event, nil
	}
	select {
	case <-c.feed.done:
	default:
		return Event{}, err
	}
	c.acks.close()
	if refusal := c.refusal(); refusal != nil {
		err = refusal
	}
	return Event{}, err
}

// Commit says that the application has handled the event that Next has returned, and acknowledges it. Use it before
// Close, or before a break out of [Consumer.Events]; otherwise this event comes again.
func (c *Consumer) Commit(ctx context.Context) error {
	c.handled()
	return c.acks.finish(ctx)
}

// Events is the consumer as a sequence, which ends with the error of Next. It closes the consumer. After a break the
// event of the last turn counts as not handled: see Commit.
func (c *Consumer) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer func() {
			// Another range must not ask for the next event: this one would count as handled. Nor after a panic.
			c.outstanding = ""
			c.Close()
		}()
		for {
			event, err := c.Next(context.Background())
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Each calls handle with one event after the other, until it fails ([*HandlerError]) or the consumer ends.
func (c *Consumer) Each(ctx context.Context, handle func(ctx context.Context, event Event) error) error {
	defer context.AfterFunc(ctx, func() { c.feed.cancel(context.Cause(ctx)) })()
	for event, err := range c.Events() {
		if err != nil {
			return err
		}
		if err := handle(ctx, event); err != nil {
			return &HandlerError{event, err}
		}
	}
	return nil
}

// Reconnect leaves the current connection or delay and connects at once.
func (c *Consumer) Reconnect() { c.source().Restart() }

// Close ends the consumer and acknowledges what was handled, for at most CloseWithin. Any goroutine may call it, more than
// once, but no function of the options may: it would wait for itself. Close returns nil.
func (c *Consumer) Close() error {
	c.feed.Close()
	c.acks.close()
	return nil
}

func (c *Consumer) handled() {
	if c.outstanding != "" {
		c.acks.handled(c.outstanding, c.taken)
		c.outstanding = ""
	}
}

func (c *Consumer) source() *sse.Source {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.feed.source
}

func consumerPath(name string) string { return "/api/consumers/" + url.PathEscape(name) }
