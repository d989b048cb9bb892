package sluice

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// latestExpiry is in seconds since 1970: a later one is as good as none, and would overflow.
const latestExpiry = 1 << 40

// Credentials are one of a token, an API key and a stream ticket.
type Credentials struct {
	// Token is a JWT, sent as `Authorization: Bearer`.
	Token string
	// Key is an API key, sent as `X-API-Key`.
	Key string
	// Ticket opens one stream, once; it is not valid for other requests.
	Ticket string
	// ExpiresAt is read from the token if it is zero.
	ExpiresAt time.Time
}

// expiresAt is zero if the credentials do not expire, or do not say when.
func (c Credentials) expiresAt() time.Time {
	if !c.ExpiresAt.IsZero() || c.Token == "" {
		return c.ExpiresAt
	}
	parts := strings.Split(c.Token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Exp float64 }
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 || claims.Exp > latestExpiry {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// outlast says whether the credentials end later than others that they replace, as far as that can be seen.
func (c Credentials) outlast(others Credentials) bool {
	at := c.expiresAt()
	return c != others && (at.IsZero() || at.After(others.expiresAt()))
}

func (c Credentials) expired() bool {
	at := c.expiresAt()
	return !at.IsZero() && !time.Now().Before(at)
}

func (c Credentials) apply(request *http.Request) {
	switch {
	case c.Token != "":
		// A token from a file ends with a line feed, which a header may not contain.
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.Token))
	case c.Key != "":
		request.Header.Set("X-API-Key", strings.TrimSpace(c.Key))
	case c.Ticket != "":
		query := request.URL.RawQuery
		if query != "" {
			query += "&"
		}
		request.URL.RawQuery = query + "ticket=" + url.QueryEscape(c.Ticket)
	}
}

// A keeper holds the current credentials of a client, and asks for new ones, one caller at a time.
type keeper struct {
	refresh func(ctx context.Context) (Credentials, error)
	turn    chan Credentials // holds the current credentials while nobody changes them
}

func newKeeper(first Credentials, refresh func(ctx context.Context) (Credentials, error)) *keeper {
	k := &keeper{refresh: refresh, turn: make(chan Credentials, 1)}
	k.turn <- first
	return k
}

// current asks for credentials if there are none, if they have expired, or if they are a ticket, which is used up.
func (k *keeper) current(ctx context.Context) (Credentials, error) {
	return k.change(ctx, func(held Credentials) bool {
		return held == (Credentials{}) || held.Ticket != "" || held.expired()
	})
}

// newer asks for credentials unless somebody else has replaced the stale ones.
func (k *keeper) newer(ctx context.Context, stale Credentials) (Credentials, error) {
	return k.change(ctx, func(held Credentials) bool { return held == stale })
}

func (k *keeper) change(ctx context.Context, needed func(held Credentials) bool) (Credentials, error) {
	var held Credentials
	select {
	case held = <-k.turn:
	case <-ctx.Done():
		return Credentials{}, context.Cause(ctx)
	}
	// Also if the function panics.
	defer func() { k.turn <- held }()
	if k.refresh == nil || !needed(held) {
		return held, nil
	}
	fresh, err := k.refresh(ctx)
	if err != nil {
		return Credentials{}, err
	}
	held = fresh
	return held, nil
}
