package sluice_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"sluice.example/client"
)

func TestJobWaitFindsTheEndInEveryForm(t *testing.T) {
	end := block("3.c", "job.failed", `{"job_id":"j","status":"failed","result":{"exit_code":1},"attempt":2}`)
	const running, over = `{"status":"running"}`, `{"status":"failed","result":{"exit_code":1},"attempt":2}`
	snapshot := func(job string) string { return "event: snapshot\ndata: {\"job\":" + job + ",\"head\":\"2.b\"}" }
	cases := map[string]func(w http.ResponseWriter, request int32){
		"an event": func(w http.ResponseWriter, _ int32) {
			stream(w, snapshot(running), block("2.b", "job.started", "{}"), end)
		},
		"an event after a broken connection": func(w http.ResponseWriter, request int32) {
			if request == 1 {
				stream(w, snapshot(running), block("2.b", "job.started", "{}"))
				panic(http.ErrAbortHandler)
			}
			stream(w, end)
		},
		"the snapshot":    func(w http.ResponseWriter, _ int32) { stream(w, snapshot(over)) },
		"a closed stream": func(w http.ResponseWriter, _ int32) { w.WriteHeader(http.StatusNoContent) },
		"a reset": func(w http.ResponseWriter, _ int32) {
			stream(w, block("9.i", "reset", `{"reason":"history-lost","head":"9.i"}`))
		},
	}
	for name, serve := range cases {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			server := fakeGateway(t, map[string]http.HandlerFunc{
				"GET /api/jobs/j/events": func(w http.ResponseWriter, r *http.Request) {
					if serve(w, requests.Add(1)); w.Header().Get("Content-Type") != "" {
						<-r.Context().Done()
					}
				},
				"GET /api/jobs/j": func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, over) },
			})

			result, err := connect(t, server, sluice.Options{}).Job("j").Wait(limited(t))

			if err != nil || result.Status != "failed" || string(result.Result) != `{"exit_code":1}` || result.Attempt != 2 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestJobWaitSaysThatThereIsNoSuchJob(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, _ *http.Request) { problem(w, http.StatusNotFound, "not-found", "") },
	})

	_, err := connect(t, server, sluice.Options{}).Job("j").Wait(limited(t))

	var refused *sluice.RefusedError
	if !errors.As(err, &refused) || refused.Code != "not-found" {
		t.Error(err)
	}
}
