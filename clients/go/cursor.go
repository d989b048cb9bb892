package sluice

import (
	"context"
	"sync"
)

// A CursorStore keeps the cursor of one feed: the id of the last event that the application has handled. The feed calls
// Load once, before its first request, and Store for each new cursor, one call at a time. An error of either ends the
// feed. A store of your own may keep only some of the ids, such as the newest of each second: after a crash the events
// since the last one that it kept come again.
type CursorStore interface {
	// Load returns "" if nothing has been stored yet.
	Load(ctx context.Context) (id string, err error)
	// Store must have made the id durable when it returns.
	Store(ctx context.Context, id string) error
}

// A MemoryCursor survives reconnects, not a restart of the program. The zero value is empty and ready for use.
type MemoryCursor struct {
	mutex sync.Mutex
	id    string
}

// Load implements [CursorStore].
func (c *MemoryCursor) Load(context.Context) (string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.id, nil
}

// Store implements [CursorStore].
func (c *MemoryCursor) Store(_ context.Context, id string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.id = id
	return nil
}
