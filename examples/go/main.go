// Follow has a command executed by a runner of a project, and follows it as if it ran here: what it writes comes out
// of stdout and stderr, and its exit status is this program's.
//
//	go run . 'npm test'
//	go run . --id <stream id>    one that was started before, even if it has ended
//
// Settings: SLUICE_PROJECT, SLUICE_TOKEN (an editor's; a viewer's is enough for --id), SLUICE_URL.
// Exit status: the command's. 125: it has none, as it was cancelled, interrupted or killed. 126: the gateway refused,
// or could not be asked to start it. 2: wrong usage.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	noStatus = 125
	refused  = 126
	usage    = 2

	// Heartbeats come every 15 s: a longer silence is a connection that is dead.
	silence = 40 * time.Second
	// Of the text of a message. A line of output has up to 16 KiB, in JSON up to six times as much.
	maxLineBytes = 512 * 1024
)

// client is one command that is followed, and where to go on after the connection has ended.
type client struct {
	project, token string
	lastEventID    string
	retry          time.Duration
}

// refusal is a no of the gateway, which would say so again.
type refusal string

func (r refusal) Error() string { return string(r) }

func main() {
	token, project := os.Getenv("SLUICE_TOKEN"), os.Getenv("SLUICE_PROJECT")
	args := os.Args[1:]
	if token == "" || project == "" || len(args) == 0 || (args[0] == "--id" && len(args) != 2) {
		say("Usage: SLUICE_TOKEN=… SLUICE_PROJECT=… go run . COMMAND | --id STREAM_ID")
		os.Exit(usage)
	}
	gateway := os.Getenv("SLUICE_URL")
	if gateway == "" {
		gateway = "http://127.0.0.1:8080"
	}
	c := &client{project: gateway + "/projects/" + url.PathEscape(project), token: token, retry: 3 * time.Second}
	status, err := c.run(args)
	if err != nil {
		say(err.Error())
		status = refused
	}
	os.Exit(status)
}

func (c *client) run(args []string) (int, error) {
	if args[0] == "--id" {
		return c.follow(args[1])
	}
	id, err := c.start(strings.Join(args, " "))
	if err != nil {
		return 0, err
	}
	say("started " + id)
	return c.follow(id)
}

// start is not tried again when it fails: the answer may be what was lost, and the command running.
func (c *client) start(command string) (string, error) {
	body, err := json.Marshal(map[string]string{"command": command})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	request, err := c.request(ctx, http.MethodPost, "/shell", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return "", refusal(problem(response))
	}
	var started struct{ Data struct{ ID string } }
	err = json.NewDecoder(response.Body).Decode(&started)
	return started.Data.ID, err
}

// follow returns the exit status. It comes back until the stream has ended.
func (c *client) follow(id string) (int, error) {
	failures := 0
	for {
		status, ended, err := c.listen(id)
		if ended {
			return status, nil
		}
		if no := refusal(""); errors.As(err, &no) {
			return 0, no
		}
		if err != nil {
			say(err.Error() + ", comes back")
			failures++
		} else {
			failures = 0
		}
		// As the gateway asks, which spreads its clients; after failures longer and longer, up to 16 times that.
		pause := c.retry
		for doubled := 0; doubled < failures && doubled < 4; doubled++ {
			pause *= 2
		}
		time.Sleep(pause)
	}
}

// listen shows one answer to its end. It returns the exit status, and true, when the command is over.
func (c *client) listen(id string) (status int, ended bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	request, err := c.request(ctx, http.MethodGet, "/events?stream_id="+url.QueryEscape(id), nil)
	if err != nil {
		return 0, false, err
	}
	request.Header.Set("Accept", "text/event-stream")
	if c.lastEventID != "" {
		request.Header.Set("Last-Event-ID", c.lastEventID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, false, err
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusNoContent:
		// The stream has ended, and this client has all of it.
		return noStatus, true, nil
	case code == http.StatusTooManyRequests || code >= 500:
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			c.retry = time.Duration(seconds) * time.Second
		}
		say(problem(response) + ", comes back")
		return 0, false, nil
	case code != http.StatusOK:
		return 0, false, refusal(problem(response))
	}
	return c.read(response.Body, func() { watchdog.Reset(silence) })
}

// read shows the messages of a stream (WHATWG HTML §9.2.6). One that was cut, without its empty line, is none.
func (c *client) read(body io.Reader, alive func()) (status int, ended bool, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLineBytes)
	var name, id string
	// Not a string: adding to one copies it, for each line of a message anew.
	var data strings.Builder
	for lines.Scan() {
		alive()
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if data.Len() > 0 {
				if status, ended, err = show(name, data.String()); ended || err != nil {
					return status, ended, err
				}
			}
			// Only now: a line that was not written yet must come again.
			if id != "" {
				c.lastEventID = id
			}
			name, id = "", ""
			data.Reset()
		case field == "event":
			name = value
		case field == "data":
			data.WriteString(value)
			data.WriteByte('\n')
		case field == "id":
			id = value
		case field == "retry":
			if ms, err := strconv.Atoi(value); err == nil && ms >= 0 {
				c.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return 0, false, lines.Err()
}

// show shows a message. It returns the exit status, and true, if it brings one.
func show(name, text string) (status int, ended bool, err error) {
	var data struct {
		Line, Stream, Status, Message, Signal, Reason string
		Continues                                     bool
		ExitCode                                      int `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return 0, false, err
	}
	switch name {
	case "output":
		// A very long line comes in parts, of which all but the last continue.
		if !data.Continues {
			data.Line += "\n"
		}
		out := os.Stdout
		if data.Stream == "stderr" {
			out = os.Stderr
		}
		_, err = io.WriteString(out, data.Line)
	case "complete":
		if why := data.Signal + data.Reason; why != "" {
			say("ended: " + why)
		}
		return data.ExitCode, true, nil
	case "error":
		// The command never started.
		say(data.Message)
		return noStatus, true, nil
	case "connected":
		if data.Status == "queued" {
			say("waits for a runner")
		}
	}
	return 0, false, err
}

func (c *client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.project+path, body)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, err
}

// problem tells what a problem document says (RFC 9457), or else the status.
func problem(response *http.Response) string {
	var said struct{ Detail, Code string }
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || said.Code == "" {
		return response.Status
	}
	return fmt.Sprintf("%s (%d %s)", said.Detail, response.StatusCode, said.Code)
}

// say writes beside the command's own lines; the name before it distinguishes the two.
func say(text string) {
	fmt.Fprintln(os.Stderr, "follow: "+text)
}
