package sluice

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// A SQLCursor is a [CursorStore] in a table of the application's own database. With [SQLCursor.Handle] the cursor
// commits together with what the application does about an event, so that each event has its effect exactly once. The
// table, in PostgreSQL and SQLite:
//
//	create table sluice_cursors (name text primary key, id text not null)
//
// One feed uses a cursor at a time.
type SQLCursor struct {
	DB *sql.DB
	// Name distinguishes the feeds of a table.
	Name string
	// LoadSQL and StoreSQL replace the statements for other databases and tables. The parameters are the name, and for
	// StoreSQL also the id. The defaults are [DefaultLoadSQL] and [DefaultStoreSQL].
	LoadSQL, StoreSQL string

	mutex  sync.Mutex
	stored string
}

// The statements of a [SQLCursor] for PostgreSQL and SQLite.
const (
	DefaultLoadSQL  = `select id from sluice_cursors where name = $1`
	DefaultStoreSQL = `insert into sluice_cursors (name, id) values ($1, $2) on conflict (name) do update set id = excluded.id`
)

// Load implements [CursorStore].
func (c *SQLCursor) Load(ctx context.Context) (string, error) {
	var id string
	err := c.DB.QueryRowContext(ctx, orText(c.LoadSQL, DefaultLoadSQL), c.Name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// Store implements [CursorStore]. It does nothing if Handle has stored the id.
func (c *SQLCursor) Store(ctx context.Context, id string) error {
	if c.swap(id) == id {
		return nil
	}
	_, err := c.DB.ExecContext(ctx, orText(c.StoreSQL, DefaultStoreSQL), c.Name, id)
	return err
}

// Handle calls handle in a transaction, stores the id of the event in it, and commits. If handle fails, Handle rolls back
// and returns its error. After an error close the feed: a new one gets the event again.
func (c *SQLCursor) Handle(ctx context.Context, event Event, handle func(tx *sql.Tx) error) error {
	tx, err := c.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit it does nothing.
	defer func() { _ = tx.Rollback() }()
	if err := handle(tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, orText(c.StoreSQL, DefaultStoreSQL), c.Name, event.ID); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	c.swap(event.ID)
	return nil
}

func (c *SQLCursor) swap(id string) (before string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	before, c.stored = c.stored, id
	return before
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
