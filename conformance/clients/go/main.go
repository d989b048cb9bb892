// clients LIBRARY URL TOKEN: the contract is in ../README.md
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

var types = map[string]bool{"part.made": true, "part.moved": true, "story.end": true, "reset": true, "unavailable": true}

var libraries = map[string]func(ctx context.Context, url, token string, hear Hear) error{
	"go-sse":                   followGoSSE,
	"r3labs-sse":               followR3labs,
	"launchdarkly-eventsource": followLaunchDarkly,
}

// Hear receives one event.
type Hear func(id, kind, data string)

func main() {
	library, url, token := os.Args[1], os.Args[2], os.Args[3]
	err := libraries[library](context.Background(), url, token, func(id, kind, data string) {
		if !types[kind] {
			return
		}
		fmt.Printf("%s %s %s\n", id, kind, strings.ReplaceAll(data, "\n", `\n`))
		if kind == "story.end" {
			os.Exit(0)
		}
	})
	fmt.Fprintln(os.Stderr, "ended:", err)
	os.Exit(1)
}
