// line_reader URL TOKEN follows one remote command, as command line clients do: it reads lines with bufio.Scanner, whose
// default limit is 64 KiB a line, takes `error` and `complete` for the end, and reconnects only if the connection drops.
// It prints each event as `name data`.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	lastID := ""
	for {
		request, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
		if err != nil {
			panic(err)
		}
		request.Header.Set("Authorization", "Bearer "+os.Args[2])
		request.Header.Set("Last-Event-ID", lastID)
		response, err := http.DefaultClient.Do(request)
		switch {
		case err == nil && response.StatusCode == http.StatusOK:
			lastID = read(response.Body, lastID)
		case err == nil && response.StatusCode < 500:
			panic(response.Status)
		}
		time.Sleep(time.Second)
	}
}

func read(body io.ReadCloser, lastID string) string {
	defer body.Close()
	event, data, id := "", "", lastID
	scanner := bufio.NewScanner(body)
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case strings.HasPrefix(line, "id: "):
			id = strings.TrimPrefix(line, "id: ")
		case strings.HasPrefix(line, "event: "):
			event = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			data = strings.TrimPrefix(line, "data: ")
		case line == "":
			if data != "" {
				handle(event, data)
			}
			event, data, lastID = "", "", id
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		panic(err)
	}
	return lastID
}

func handle(event, data string) {
	fmt.Printf("%s %s\n", event, data)
	switch event {
	case "error":
		os.Exit(1)
	case "complete":
		var end struct {
			ExitCode   int   `json:"exit_code"`
			DurationMs int64 `json:"duration_ms"`
		}
		decoder := json.NewDecoder(strings.NewReader(data))
		if err := decoder.Decode(&end); err != nil {
			panic(err)
		}
		os.Exit(end.ExitCode)
	}
}
