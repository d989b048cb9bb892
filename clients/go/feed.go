package sluice

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice.example/client/sse"
)

// FeedOptions say what a feed delivers. The zero value is every event of the feed from now on.
type FeedOptions struct {
	// Stream is "feed" if it is empty.
	Stream string
	// Types are names, or prefixes such as "item.*". None: all.
	Types []string
	// Where is a condition on the data, such as `data.project eq "A12"`.
	Where string
	// From is where to start if Cursor is empty: "beginning", "now", an event id, or a time as in RFC 3339.
	From string
	// Last starts with the newest events, this many, if Cursor and From are empty.
	Last int
	// Envelope also asks for the position, time, UUID and trace of each event.
	Envelope bool
	// Cursor is where the feed continues after a restart of the program. Default: a [MemoryCursor].
	Cursor CursorStore
	// AtMostOnce stores the cursor before the application gets the event: after a crash the event is lost. Without it
	// the cursor is stored when the application asks for the next event: after a crash the event comes again.
	AtMostOnce bool
	// Reload is called when events are missing, before any further event. It loads the application's state, such as a
	// list of items, and returns the head that came with it (X-Sluice-Head): the feed goes on exactly there. "" goes on
	// at the head of the reset. An error ends the feed and leaves its cursor. Without Reload a reset ends the feed with a
	// [*ResetError].
	Reload func(ctx context.Context, reset Reset) (head string, err error)
	// State is called when the state of the connection changes. It must not block.
	State func(State)
	// Notice is called for each notice of the gateway. It must not block.
	Notice func(Notice)
	// MaxEventBytes is the size of the largest event; a larger one ends the feed. Default: 16 MiB.
	MaxEventBytes int
	// GiveUpAfter ends the feed with a [*GaveUpError] after failures for this long. 0: never.
	GiveUpAfter time.Duration
	// Header is sent with each request for the stream.
	Header http.Header

	path     string // instead of /api/events
	snapshot func(Notice) error
	renewed  func()
	consumer *Consumer // whose stream this is, instead of a feed
}

// A State is what a feed is doing.
type State struct {
	// Name is "connecting", "open", "waiting" or "ended".
	Name string
	// Delay until the next connection, while waiting.
	Delay time.Duration
	// Err is why the feed waits or has ended.
	Err error
}

// A Feed delivers the events of a stream, one at a time and in order, across reconnects. It reads on only when the
// application asks for the next event, so a slow application holds one event in memory, not the stream.
//
// A feed loads its cursor, then follows until it ends: by Close, with its context, or with the error that Next returns.
// It has one goroutine of its own, which is gone when Close returns.
type Feed struct {
	client  *Client
	options FeedOptions
	store   CursorStore
	source  *sse.Source
	renewal *renewal

	ctx    context.Context
	cancel context.CancelCauseFunc
	out    chan Event
	acks   chan chan error
	done   chan struct{}
	err    error // once done is closed

	// Only the goroutine of the feed uses these.
	cursor string
	used   Credentials // of the newest request
	asked  bool        // for new credentials, since the last open connection

	mutex       sync.Mutex
	outstanding bool
}

// Feed starts to follow a stream. Close the feed, or range over [Feed.Events], which closes it.
func (c *Client) Feed(ctx context.Context, options FeedOptions) *Feed {
	f := &Feed{
		client:  c,
		options: options,
		store:   options.Cursor,
		out:     make(chan Event),
		acks:    make(chan chan error),
		done:    make(chan struct{}),
	}
	if f.store == nil {
		f.store = &MemoryCursor{}
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.source = f.newSource()
	f.renewal = newRenewal(f)
	go f.run()
	return f
}

// Next returns the next event. Asking for it says that the application has handled the one before, whose id is then
// stored as the cursor. Next returns the error of ctx if that ends first, [ErrStreamClosed] at the end of a closed
// stream, and otherwise what has ended the feed. One goroutine calls Next.
func (f *Feed) Next(ctx context.Context) (Event, error) {
	if err := f.acknowledge(ctx, nil); err != nil {
		return Event{}, err
	}
	select {
	case event := <-f.out:
		f.setOutstanding(true)
		return event, nil
	case <-f.done:
		return Event{}, f.err
	case <-ctx.Done():
		return Event{}, context.Cause(ctx)
	}
}

// Commit stores the cursor of the event that Next has returned, which Next itself does only when it is called again. Use
// it before Close, or before a break out of [Feed.Events]; otherwise the next start gets this event again.
func (f *Feed) Commit(ctx context.Context) error {
	return f.acknowledge(ctx, make(chan error, 1))
}

// Events is the feed as a sequence, which ends without an error at the end of a closed stream, and otherwise with the
// error of Next. It closes the feed. After a break the event of the last turn counts as not handled: see Commit.
func (f *Feed) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer f.Close()
		for {
			// Its own context ends the feed, which ends Next.
			event, err := f.Next(context.Background())
			if errors.Is(err, ErrStreamClosed) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Reconnect leaves the current connection or delay and connects at once: for an application that knows that the network
// is back.
func (f *Feed) Reconnect() { f.source.Restart() }

// Close ends the feed and waits until its goroutine has gone. An event that was not followed by Next or Commit is not
// stored as the cursor. Any goroutine may call Close, more than once, but no function of the options may: it would wait
// for itself. Close returns nil.
func (f *Feed) Close() error {
	f.cancel(ErrFeedClosed)
	<-f.done
	return nil
}

// acknowledge says that the outstanding event has been handled, if there is one. It waits for the store, and returns its
// error, only if stored is given, which has room for one.
func (f *Feed) acknowledge(ctx context.Context, stored chan error) error {
	if !f.setOutstanding(false) {
		return nil
	}
	select {
	case f.acks <- stored:
	case <-f.done:
		return f.err
	}
	if stored == nil {
		return nil
	}
	select {
	case err := <-stored:
		return err
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *Feed) setOutstanding(outstanding bool) (before bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	before, f.outstanding = f.outstanding, outstanding
	return before
}

// url is the stream with its parameters. Last-Event-ID takes precedence over `from` and `last`.
func (f *Feed) url() string {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("stream", f.options.Stream)
	set("types", strings.Join(f.options.Types, ","))
	set("where", f.options.Where)
	set("from", f.options.From)
	if f.options.Envelope {
		set("envelope", "message")
	}
	if f.options.Last > 0 && f.options.From == "" {
		query.Set("last", strconv.Itoa(f.options.Last))
	}
	target := f.client.base + orText(f.options.path, "/api/events")
	if len(query) > 0 {
		// A prefix such as item.* stays readable.
		target += "?" + strings.ReplaceAll(query.Encode(), "%2A", "*")
	}
	return target
}
