// Command consume prints the events of a consumer, which it creates if it is missing. The gateway keeps its place.
//
//	SLUICE_URL=http://127.0.0.1:8080 SLUICE_TOKEN=… go run ./examples/consume NAME
//
// TOKEN_FILE is a file with a token that is read again when the token expires. SILENCE is how long a connection may be
// silent, such as 90s.
package main

import (
	"context"
	"errors"
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
	if err := consume(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func consume(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("give the name of a consumer")
	}
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
	if _, err := client.Consumers().Put(ctx, arguments[0], sluice.ConsumerSettings{Start: "beginning"}); err != nil {
		return err
	}
	consumer := client.Consumer(ctx, arguments[0], sluice.ConsumerOptions{
		Standby: true,
		State: func(state sluice.State) {
			if state.Err == nil {
				log.Print(state.Name)
			} else {
				log.Printf("%s: %v", state.Name, state.Err)
			}
		},
		Notice: func(notice sluice.Notice) { log.Print(notice.Name) },
	})
	return consumer.Each(ctx, func(_ context.Context, event sluice.Event) error {
		_, err := fmt.Println(event.ID, event.Type, string(event.Data))
		return err
	})
}
