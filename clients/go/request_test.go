package sluice_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sluice.example/client"
)

const stored = `{"events":[{"id":"2.4kn5hl","position":2,"at":"2026-11-21T06:28:06.140Z","event_id":"e29bd3ad-8558-4ae0-ab69-2576d4f64ab4"}]}`

// A lost response, a refusal that passes, and old credentials: the same request again, with the same key.
func TestPublishRepeatsTheRequestWithItsKey(t *testing.T) {
	var keys []string
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"POST /api/events": func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			var events []sluice.NewEvent
			if err := json.NewDecoder(r.Body).Decode(&events); err != nil || len(events) != 2 || r.URL.Query().Get("stream") != "orders/7" {
				t.Error(events, err)
			}
			switch len(keys) {
			case 1:
				panic(http.ErrAbortHandler)
			case 2:
				w.Header().Set("Retry-After", "0")
				problem(w, http.StatusServiceUnavailable, "contention", "")
			case 3:
				problem(w, http.StatusUnauthorized, "token-expired", "")
			default:
				if r.Header.Get("Authorization") != "Bearer second" {
					t.Error("old credentials")
				}
				respond(w, http.StatusCreated, stored)
			}
		},
	})
	client := connect(t, server, sluice.Options{Token: "first", Refresh: func(context.Context) (sluice.Credentials, error) {
		return sluice.Credentials{Token: "second"}, nil
	}})

	events, err := client.PublishWith(limited(t), sluice.PublishOptions{Stream: "orders/7"},
		sluice.NewEvent{Type: "a", Data: map[string]int{"n": 1}}, sluice.NewEvent{Type: "b", Data: struct{}{}})

	if err != nil || len(events) != 1 || events[0].ID != "2.4kn5hl" || events[0].Position != 2 {
		t.Fatal(events, err)
	}
	for _, key := range keys {
		if len(keys) != 4 || len(key) < 20 || key != keys[0] {
			t.Errorf("keys %q", keys)
		}
	}
}

func TestPublishSaysWhyItWasRefused(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"POST /api/events": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "r-1")
			problem(w, http.StatusConflict, "head-differs", `,"head":"9.aaaaaa"`)
		},
	})

	_, err := connect(t, server, sluice.Options{}).Publish(limited(t), sluice.NewEvent{Type: "a", Data: struct{}{}})

	var refused *sluice.RefusedError
	var members struct{ Head string }
	if !errors.As(err, &refused) || refused.Status != 409 || refused.Code != "head-differs" || refused.RequestID != "r-1" ||
		json.Unmarshal(refused.Members, &members) != nil || members.Head != "9.aaaaaa" {
		t.Errorf("%#v", err)
	}
}

func TestRequestsGiveUp(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, _ *http.Request) {
			problem(w, http.StatusServiceUnavailable, "maintenance", "")
		},
	})
	client := connect(t, server, sluice.Options{RetryFor: 20 * time.Millisecond})

	_, err := client.Publish(limited(t), sluice.NewEvent{Type: "a", Data: struct{}{}})

	gaveUp, unavailable := (*sluice.GaveUpError)(nil), (*sluice.UnavailableError)(nil)
	if !errors.As(err, &gaveUp) || !errors.As(err, &unavailable) || unavailable.Code != "maintenance" {
		t.Error(err)
	}
}

// Nobody knows whether the first request has changed the item.
func TestRequestsWithoutAKeyAreNotRepeated(t *testing.T) {
	var requests atomic.Int32
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"/": func(http.ResponseWriter, *http.Request) {
			requests.Add(1)
			panic(http.ErrAbortHandler)
		},
	})
	client := connect(t, server, sluice.Options{})

	if _, err := client.Items().Create(limited(t), sluice.NewItem{PartNumber: "A"}); err == nil || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestItemsOfAllPagesComeWithTheHeadOfTheFirst(t *testing.T) {
	server := fakeGateway(t, map[string]http.HandlerFunc{
		"GET /api/items": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") == "" {
				w.Header().Set("X-Sluice-Head", "5.e")
				respond(w, http.StatusOK, `{"items":[{"part_number":"A"}],"next_cursor":"more"}`)
				return
			}
			w.Header().Set("X-Sluice-Head", "7.g")
			respond(w, http.StatusOK, `{"items":[{"part_number":"B"}],"next_cursor":null}`)
		},
	})
	var head, parts string
	for item, err := range connect(t, server, sluice.Options{}).Items().All(limited(t), sluice.ItemQuery{}, &head) {
		if err != nil {
			t.Fatal(err)
		}
		parts += item.PartNumber
	}
	if parts != "AB" || head != "5.e" {
		t.Errorf("%s after %s", parts, head)
	}
}

func TestNewRefusesWhatIsNoGateway(t *testing.T) {
	for _, options := range []sluice.Options{{}, {URL: "127.0.0.1:8080"}, {URL: "ftp://host"}, {URL: "http://host?a=1"}, {URL: "http://h", Token: "a", Key: "b"}} {
		if _, err := sluice.New(options); err == nil {
			t.Errorf("accepted %+v", options)
		}
	}
}

func TestEventsHaveTypedData(t *testing.T) {
	event := sluice.Event{Type: "item.updated", Data: []byte(`{"part_number":"A01","revision":3,"later":true}`)}
	value, err := event.Value()
	if item, is := value.(*sluice.ItemUpdated); err != nil || !is || item.PartNumber != "A01" || item.Revision != 3 {
		t.Errorf("%#v, %v", value, err)
	}
	event.Data = []byte(`{"redacted":true,"reason":"request 118","at":"2026-11-26T09:30:00.000Z"}`)
	value, err = event.Value()
	if redacted, is := value.(*sluice.Redacted); err != nil || !is || redacted.Reason != "request 118" {
		t.Errorf("%#v, %v", value, err)
	}
	if value, err := (sluice.Event{Type: "door.opened", Data: []byte(`{}`)}).Value(); value != nil || err != nil {
		t.Errorf("%#v, %v", value, err)
	}
}
