// Command conformance puts this client under the contract of all clients (conformance/contract/README.md): one process
// for all cases, which reads commands as JSON lines and writes what the client does.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// A command of the runner.
type command struct {
	Command string  `json:"command"`
	Case    string  `json:"case"`
	Layer   string  `json:"layer"`
	URL     string  `json:"url"`
	Options options `json:"options"`
}

type milliseconds int64

func (ms milliseconds) duration() time.Duration { return time.Duration(ms) * time.Millisecond }

type options struct {
	LastEventID   string            `json:"last_event_id"`
	Method        string            `json:"method"`
	Body          string            `json:"body"`
	Headers       map[string]string `json:"headers"`
	Retry         milliseconds      `json:"retry_ms"`
	Max           milliseconds      `json:"max_ms"`
	Longest       milliseconds      `json:"longest_ms"`
	Silence       milliseconds      `json:"silence_ms"`
	MaxEventBytes int               `json:"max_event_bytes"`
	Token         string            `json:"token"`
	ExpiresIn     milliseconds      `json:"expires_in_ms"`
	Refresh       []fresh           `json:"refresh"`
	Renew         milliseconds      `json:"renew_ms"`
	Confirm       milliseconds      `json:"confirm_ms"`
	Types         []string          `json:"types"`
	From          string            `json:"from"`
	Store         string            `json:"store"`
	// Reload is nil without a hook, and `null` for a hook that returns nothing.
	Reload json.RawMessage `json:"reload"`
	Hold   string          `json:"hold"`

	Consumer string       `json:"consumer"`
	AckEvery int          `json:"ack_every"`
	AckAfter milliseconds `json:"ack_after_ms"`
	Close    milliseconds `json:"close_ms"`
	Standby  bool         `json:"standby"`
	Takeover bool         `json:"takeover"`
	Throws   string       `json:"throws"`
}

type fresh struct {
	Token     string       `json:"token"`
	ExpiresIn milliseconds `json:"expires_in_ms"`
}

// A client under test.
type client interface {
	// release lets a held handler go on.
	release()
	restart()
	// stop ends the client, also in a held handler. It does not wait.
	stop()
}

func main() {
	say(map[string]any{"name": "sluice.example/client (Go)", "without": []string{}})
	clients := map[string]client{}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	for input.Scan() {
		var c command
		if err := json.Unmarshal(input.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "a command is no JSON:", err)
			os.Exit(1)
		}
		switch c.Command {
		case "follow":
			switch c.Layer {
			case "sse":
				clients[c.Case] = followSource(c)
			case "feed":
				clients[c.Case] = followFeed(c)
			default:
				clients[c.Case] = followConsumer(c)
			}
		case "go":
			clients[c.Case].release()
		case "restart":
			clients[c.Case].restart()
		case "close":
			clients[c.Case].stop()
		}
	}
}

var output sync.Mutex

func say(message map[string]any) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// A gate holds a handler until the command `go`, or until the case is over.
type gate struct {
	pass, over chan struct{}
	once       *sync.Once
}

func newGate() gate { return gate{make(chan struct{}, 16), make(chan struct{}), &sync.Once{}} }

func (g gate) wait() {
	select {
	case <-g.pass:
	case <-g.over:
	}
}

func (g gate) release() { g.pass <- struct{}{} }

func (g gate) close() { g.once.Do(func() { close(g.over) }) }
