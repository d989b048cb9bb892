package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"sluice.example/client"
)

// gateway stands for yours.
var gateway = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/jobs/nightly/events":
		stream(w, block("1.a", "job.completed", `{"job_id":"nightly","status":"completed","result":{"exit_code":0},"attempt":1}`))
	case "/api/events":
		if r.Header.Get("Last-Event-ID") == "2.b" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		stream(w, block("1.a", "item.updated", `{"part_number":"A01-0002","revision":3}`), block("2.b", "door.opened", `{"door":7}`))
	default:
		problem(w, http.StatusNotFound, "not-found", "")
	}
}))

func ExampleClient_Feed() {
	client, _ := sluice.New(sluice.Options{URL: gateway.URL, Token: "…"})
	feed := client.Feed(context.Background(), sluice.FeedOptions{Types: []string{"item.*", "door.opened"}})
	for event, err := range feed.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.ID, event.Type, string(event.Data))
	}
	// Output:
	// 1.a item.updated {"part_number":"A01-0002","revision":3}
	// 2.b door.opened {"door":7}
}

func ExampleJob_Wait() {
	client, _ := sluice.New(sluice.Options{URL: gateway.URL, Token: "…"})
	result, err := client.Job("nightly").Wait(context.Background())
	fmt.Println(result.Status, string(result.Result), err)
	// Output: completed {"exit_code":0} <nil>
}

func ExampleRefusedError() {
	client, _ := sluice.New(sluice.Options{URL: gateway.URL, Token: "…"})
	_, err := client.Items().Get(context.Background(), "A01-9999")
	if refused := (*sluice.RefusedError)(nil); errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code)
	}
	// Output: 404 not-found
}
