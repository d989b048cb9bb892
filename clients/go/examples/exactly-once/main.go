// Command exactly-once adds each order to a table of its own database. The cursor commits in the same transaction, so
// each order is added once, wherever the program or the gateway is interrupted.
//
//	SLUICE_URL=… SLUICE_TOKEN=… DATABASE_URL=postgres://… go run .
package main

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"os"
	"time"

	_ "github.com/lib/pq"
	"sluice.example/client"
)

const tables = `
create table if not exists sluice_cursors (name text primary key, id text not null);
create table if not exists orders (event_id text not null, data jsonb not null)`

func main() {
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client, err := sluice.New(sluice.Options{URL: os.Getenv("SLUICE_URL"), Token: os.Getenv("SLUICE_TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(tables); err != nil {
		log.Fatal(err)
	}
	for {
		err := follow(context.Background(), client, db)
		// What the gateway says is final. Failures of the own database pass: it goes on after the last commit.
		if refused := (*sluice.RefusedError)(nil); errors.As(err, &refused) {
			log.Fatal(err)
		}
		log.Print(err)
		time.Sleep(time.Second)
	}
}

func follow(ctx context.Context, client *sluice.Client, db *sql.DB) error {
	cursor := &sluice.SQLCursor{DB: db, Name: "orders"}
	feed := client.Feed(ctx, sluice.FeedOptions{Types: []string{"order.placed"}, From: "beginning", Cursor: cursor})
	for event, err := range feed.Events() {
		if err != nil {
			return err
		}
		err = cursor.Handle(ctx, event, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `insert into orders (event_id, data) values ($1, $2)`, event.ID, string(event.Data))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
