// Command follow prints the items' changes, and continues after a restart where it was.
//
//	SLUICE_URL=http://127.0.0.1:8080 SLUICE_TOKEN=… go run ./examples/follow [TYPE …]
//
// TOKEN_FILE is a file with a token that is read again when the token expires. CURSOR_FILE is where it continues. SILENCE
// is how long a connection may be silent, such as 90s.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"sluice.example/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := follow(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func follow(ctx context.Context, types []string) error {
	options := sluice.Options{URL: os.Getenv("SLUICE_URL"), Token: os.Getenv("SLUICE_TOKEN")}
	if file := os.Getenv("TOKEN_FILE"); file != "" {
		options.Refresh = func(context.Context) (sluice.Credentials, error) {
			token, err := os.ReadFile(file)
			return sluice.Credentials{Token: strings.TrimSpace(string(token))}, err
		}
	}
	if silence := os.Getenv("SILENCE"); silence != "" {
		var err error
		if options.Delays.Silence, err = time.ParseDuration(silence); err != nil {
			return err
		}
	}
	client, err := sluice.New(options)
	if err != nil {
		return err
	}
	feed := client.Feed(ctx, sluice.FeedOptions{
		Types:  types,
		Last:   20,
		Cursor: cursor(),
		State: func(state sluice.State) {
			if state.Err == nil {
				log.Print(state.Name)
			} else {
				log.Printf("%s: %v", state.Name, state.Err)
			}
		},
		Notice: func(notice sluice.Notice) { log.Print(notice.Name) },
		Reload: func(ctx context.Context, reset sluice.Reset) (string, error) {
			// The events in between are gone: show what there is now, and go on exactly there.
			var head string
			for item, err := range client.Items().All(ctx, sluice.ItemQuery{}, &head) {
				if err != nil {
					return "", err
				}
				fmt.Println("item", item.PartNumber, item.Revision)
			}
			return head, nil
		},
	})
	for event, err := range feed.Events() {
		if err != nil {
			return err
		}
		fmt.Println(event.ID, event.Type, string(event.Data))
	}
	return nil
}

func cursor() sluice.CursorStore {
	if file := os.Getenv("CURSOR_FILE"); file != "" {
		return sluice.FileCursor(file)
	}
	return &sluice.MemoryCursor{}
}
