// Command publish stores each line of its standard input, a JSON object, as an event of the given type, and prints the
// ids. However often a request has to be repeated, each line is stored once.
//
//	SLUICE_URL=http://127.0.0.1:8080 SLUICE_TOKEN=… go run ./examples/publish order.placed < orders.ndjson
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"sluice.example/client"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("Usage: publish TYPE < LINES")
	}
	client, err := sluice.New(sluice.Options{
		URL: os.Getenv("SLUICE_URL"), Token: os.Getenv("SLUICE_TOKEN"), RetryFor: 5 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		stored, err := client.Publish(context.Background(), sluice.NewEvent{
			Type: os.Args[1], Data: json.RawMessage(lines.Bytes()),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stored[0].ID)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
