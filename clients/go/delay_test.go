package sluice

import (
	"errors"
	"testing"
	"time"
)

func TestDelaysOfRequestsDifferAndStayBelowMax(t *testing.T) {
	client := &Client{delays: Delays{Retry: time.Second, Max: 30 * time.Second}}
	seen := map[time.Duration]bool{}
	for range 100 {
		delay, again := client.delay(request{repeatable: true}, errors.New("connection reset"), 10)
		if !again || delay < 20*time.Second || delay > 30*time.Second+1 {
			t.Errorf("%s, again: %t", delay, again)
		}
		seen[delay] = true
	}
	if len(seen) == 1 {
		t.Error("all clients would return at once")
	}
}
